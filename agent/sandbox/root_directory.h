// A process takes a directory as its root, for good: an unpacked image that it is
// to look at as if it were a host. Private to the sandbox; programs use
// agent/sandbox/lock_in.h.
#pragma once

#include <string>

#include "absl/status/status.h"

namespace dragnet::sandbox {

// Needs CAP_SYS_CHROOT, or else a user namespace of its own, in which only the
// process's own user has a number: files of all others then show as those of nobody
// (user_namespaces(7)), so who owns a file can't be asked there. Nothing of either
// privilege is left when it returns. For a process of one thread that has no
// directory open; after an error it may be half done: end the process.
// InvalidArgument for what isn't an absolute path; FailedPrecondition where
// a part of it is a symbolic link. PermissionDenied when the host
// allows neither.
absl::Status TakeRootDirectory(const std::string& directory);

}  // namespace dragnet::sandbox
