// One set of compiled rules run over windows of a source. Internal to
// modules/scan.
#pragma once

#include <cstdint>
#include <optional>
#include <span>
#include <vector>

#include "absl/status/status.h"
#include "modules/scan/libyara.h"
#include "modules/scan/source.h"
#include "modules/scan/yara.h"

namespace dragnet::scan {

// A stretch [begin, end) of a source.
struct Window {
  uint64_t begin = 0;
  uint64_t end = 0;
};

// Longer windows are not read at once. A worker's two scanning threads, each
// with one, stay within 64 MB.
inline constexpr uint64_t kMaxWindow = 24 << 20;

// libyara on one thread. The rules must outlive it.
class Engine {
 public:
  Engine(YR_RULES* rules, YaraLimits limits) : rules_(rules), limits_(limits) {}

  // What a condition can know of the whole.
  struct Item {
    // Absent in memory: `filesize` is then undefined.
    std::optional<uint64_t> file_size;
  };

  // Appends the rules that match when only `windows` of `source` are looked at.
  // Windows are in ascending order and don't overlap.
  absl::Status Scan(Source& source, std::span<const Window> windows, const Item& item,
                    std::vector<YaraMatch>& matches);

 private:
  YR_RULES* const rules_;
  const YaraLimits limits_;
  ScannerPtr scanner_;
  std::vector<char> buffer_;
};

}  // namespace dragnet::scan
