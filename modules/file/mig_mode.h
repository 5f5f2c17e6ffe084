// MIG's filters on modes. MIG writes a mode as Go does (urwxr-xr-x for a setuid
// program), Dragnet as ls does (-rwsr-xr-x), so an expression on the one says
// something else of the other. Thread-safe: no state.
#pragma once

#include <string>
#include <string_view>

#include "absl/status/statusor.h"

namespace dragnet::file {

// An expression on ls's form that holds for exactly those regular files for
// which `regex` holds on Go's form. `regex` itself where that is one.
// InvalidArgument when it does not compile, or nothing short enough says it.
absl::StatusOr<std::string> LsModeRegex(std::string_view regex);

// Go's form of what ls would write of a regular file: -rwsr-xr-x is urwxr-xr-x.
std::string GoMode(std::string_view ls_mode);

}  // namespace dragnet::file
