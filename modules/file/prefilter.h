// Tells which patterns can't match within some lines, for all of them at once
// and several times faster than asking each. It may say that a pattern can
// match where it doesn't, never the reverse: LinePattern has the last word.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <mutex>
#include <span>
#include <string_view>
#include <vector>

#include "modules/file/pattern.h"

struct hs_database;
struct hs_scratch;

namespace dragnet::file {

// Immutable and thread-safe once made: one for all threads. What is dear, it
// makes when there is much to search, not for a few small files.
class Prefilter {
 public:
  // `patterns` outlives it. Nothing is made before so many bytes were searched
  // without it; tests say 0.
  explicit Prefilter(std::span<const LinePattern> patterns,
                     uint64_t worthwhile_bytes = kWorthwhileBytes);
  ~Prefilter();
  Prefilter(const Prefilter&) = delete;
  Prefilter& operator=(const Prefilter&) = delete;

  std::span<const LinePattern> patterns() const { return patterns_; }

  static constexpr uint64_t kWorthwhileBytes = 4 * 1024 * 1024;

 private:
  friend class PrefilterThread;
  const std::span<const LinePattern> patterns_;
  const uint64_t worthwhile_bytes_;
};

}  // namespace dragnet::file
