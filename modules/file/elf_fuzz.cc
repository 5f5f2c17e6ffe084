// libFuzzer target: an ELF file as a hostile host might hold it. It is read
// within its bounds, and what is said of it has bounds, too.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <cstring>

#include "modules/file/elf.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const auto elf = dragnet::file::ReadElf([&](uint64_t offset, char* to, size_t count) {
    if (offset > size || count > size - offset) return false;
    memcpy(to, data + offset, count);
    return true;
  });
  if (elf && (elf->needed.size() > dragnet::file::kMaxNeeded || elf->build_id.size() > 64))
    std::abort();
  return 0;
}
