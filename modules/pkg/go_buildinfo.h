// What Go's linker writes into executables: Go's version and the modules that
// were built in. Both forms: since Go 1.18 the strings themselves, before that
// pointers to Go's own strings. Reads only what it needs of a file, each read
// bounded and checked. Thread-safe: no state.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"

namespace dragnet::pkg {

struct GoModule {
  std::string path;
  std::string version;
  // What takes its place by a replace directive: path and version.
  std::string replaced_by;
};

struct GoBuildInfo {
  // Such as "go1.22.1".
  std::string go_version;
  // The main module first, when it has one.
  std::vector<GoModule> modules;
};

// NotFound when `fd` is no ELF file or none of Go's; other errors when it is
// one, but malformed.
absl::StatusOr<GoBuildInfo> ReadGoBuildInfo(int fd);

// The text form of the modules, as the linker keeps it.
std::vector<GoModule> ParseGoModules(std::string_view text);

}  // namespace dragnet::pkg
