// Whether another user can get to a path: the mistake of everyone who installs
// below a private directory.
#pragma once

#include <string>

#include "absl/status/status.h"
#include "agent/sandbox/spawn.h"

namespace dragnet {

// FailedPrecondition names the first directory above `path` that `user` can't
// pass through, and what to do.
absl::Status CheckReachable(const std::string& path, const sandbox::UserAndGroup& user);

}  // namespace dragnet
