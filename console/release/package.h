// The agent's programs in a package: .deb, .rpm, or the .tar of `./dev package`. Thread-safe:
// no state.
#pragma once

#include <map>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"

namespace dragnet::console {

// Content by the program's name: the ELF files in it that are called so, wherever they
// are. Errors as ParsePackage (console/package/archive.h), which reads it; InvalidArgument
// also for a program over kMaxReleaseFileBytes, and for two of one name.
absl::StatusOr<std::map<std::string, std::string>> ProgramsInPackage(std::string_view package);

}  // namespace dragnet::console
