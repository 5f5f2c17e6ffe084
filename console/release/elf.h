// For which platform a program was built, read from its ELF header. Thread-safe: no
// state.
#pragma once

#include <string>
#include <string_view>

#include "absl/status/statusor.h"

namespace dragnet::console {

// As in Facts: {"linux", "x86_64"}.
struct ProgramPlatform {
  std::string os;
  std::string arch;

  bool operator==(const ProgramPlatform&) const = default;
};

bool IsElf(std::string_view bytes);

// InvalidArgument for what is no 64-bit ELF program of Linux, and for a processor that
// this version has no name for.
absl::StatusOr<ProgramPlatform> PlatformOfProgram(std::string_view bytes);

}  // namespace dragnet::console
