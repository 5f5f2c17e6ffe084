// What an ELF file says of itself: type, machine, interpreter, needed libraries,
// build id. The file is hostile: every offset is checked, every count and size
// bounded. Thread-safe: no state.
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

namespace dragnet::file {

inline constexpr size_t kMaxNeeded = 256;

struct ElfInfo {
  // exec, dyn, rel, core, or a number.
  std::string type;
  std::string machine;
  std::string interpreter;
  std::vector<std::string> needed;
  // Binary.
  std::string build_id;
  // Headers contradict each other, or lead out of the file or of the limits:
  // what is above may be incomplete.
  bool damaged = false;
};

// All `size` bytes at `offset` of the file; false if they aren't there.
using ReadAt = std::function<bool(uint64_t offset, char* to, size_t size)>;

// Nothing if the file is not ELF.
std::optional<ElfInfo> ReadElf(const ReadAt& read_at);

}  // namespace dragnet::file
