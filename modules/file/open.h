// Opening what is on the host so that the host doesn't notice. Thread-safe.
#pragma once

#include <string>
#include <string_view>

#include "core/unique_fd.h"

namespace dragnet::file {

// openat(2) for reading, without following a symbolic link, without waiting,
// and without changing the time of last access where the kernel lets us (the
// owner and root may ask for that). On failure the descriptor is not valid and
// errno tells why.
UniqueFd OpenForReading(int dir_fd, const char* path, int extra_flags);

// Whether errno `error` of opening what a directory listed means that something
// of another kind is in its place by now.
bool IsReplaced(int error);
// What is said of such a file, or of one that can't be got hold of.
inline constexpr std::string_view kReplaced = "replaced while it was searched";

// The system's words for errno `error`: "Permission denied".
std::string_view ErrorWords(int error);

enum class FileSystemKind {
  kOrdinary,
  // Shows the kernel's state, holds no files: proc, sysfs, cgroup, …
  kPseudo,
  // Files are on another host: NFS, SMB, …
  kNetwork,
  // Nothing is mounted yet; looking inside would mount it.
  kAutomount,
};
// Of an open file, O_PATH is enough. kOrdinary when the kernel doesn't say.
FileSystemKind KindOfFileSystem(int fd);

// Whether a file has one inode number for as long as it exists, the same in the
// directory's listing and in stat(2), but for mount points. Known of the common
// local ones; vfat and most of FUSE make numbers up.
bool HasStableInodes(int fd);

}  // namespace dragnet::file
