// libFuzzer target: /proc/PID/maps, whose names a process chooses. However the
// text is cut, the same regions come out, in ascending order and bounded.
#include <cstddef>
#include <cstdint>
#include <cstdlib>
#include <string_view>

#include "modules/memory/maps.h"

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  const std::string_view text(reinterpret_cast<const char*>(data), size);
  dragnet::memory::Maps whole(64, 4096), pieces(64, 4096);
  whole.Feed(text);
  whole.Finish();
  const size_t step = size == 0 ? 1 : 1 + data[0] % 16;
  for (size_t at = 0; at < text.size(); at += step) pieces.Feed(text.substr(at, step));
  pieces.Finish();
  if (whole.regions().size() != pieces.regions().size() || whole.regions().size() > 64)
    std::abort();
  uint64_t last = 0;
  for (size_t i = 0; i < whole.regions().size(); ++i) {
    const dragnet::memory::Region& region = whole.regions()[i];
    if (region.start < last || region.end <= region.start) std::abort();
    last = region.end;
    if (whole.name(region) != pieces.name(pieces.regions()[i])) std::abort();
  }
  return 0;
}
