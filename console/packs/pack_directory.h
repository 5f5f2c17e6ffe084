// Files within one directory of this machine, and nothing outside of it. Thread-safe:
// no state.
#pragma once

#include <string>

#include "absl/status/statusor.h"

namespace dragnet::console {

// `name` is relative, without "." and "..". Regular files only; a link that leads out
// of the directory is refused (PermissionDenied). The directory itself may be reached
// over links. Errors name the file.
absl::StatusOr<std::string> ReadWithin(const std::string& directory, const std::string& name,
                                       size_t max_bytes);

}  // namespace dragnet::console
