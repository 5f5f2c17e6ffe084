// Tells for many patterns at once, and faster than by asking each, in which lines
// they can match at all. It may name a line where a pattern doesn't match, never
// leave one out where it does: a line that matches holds one of the literals that
// the pattern requires (atoms.h), and every literal is found (literals.h).
// LinePattern has the last word.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string_view>
#include <vector>

#include "modules/file/literals.h"
#include "modules/file/pattern.h"

namespace dragnet::file {

// The literals of all patterns.
struct PrefilterDatabase {
  std::unique_ptr<const Literals> literals;
  // By literal: the patterns that require it, or another one.
  std::vector<std::vector<uint32_t>> requiring;
  // By pattern: whether it requires any. Of the others nothing is told.
  std::vector<bool> covers;
};

// Thread-safe: one for all threads. What is dear, it makes when there is much to
// search, not for a few small files.
class Prefilter {
 public:
  // `patterns` outlives it. Nothing is made before so many bytes were to be
  // searched; tests say 0.
  explicit Prefilter(std::span<const LinePattern> patterns,
                     uint64_t worthwhile_bytes = kWorthwhileBytes)
      : patterns_(patterns), worthwhile_bytes_(worthwhile_bytes) {}
  Prefilter(const Prefilter&) = delete;
  Prefilter& operator=(const Prefilter&) = delete;

  std::span<const LinePattern> patterns() const { return patterns_; }

  // Null as long as there is none: so many more bytes are searched without it
  // then. One thread makes it while the others go on without.
  const PrefilterDatabase* Database(uint64_t bytes) const;

  static constexpr uint64_t kWorthwhileBytes = 512 * 1024;

 private:
  const std::span<const LinePattern> patterns_;
  const uint64_t worthwhile_bytes_;
  mutable std::atomic<uint64_t> bytes_{0};
  mutable std::atomic<bool> begun_{false};
  mutable std::atomic<const PrefilterDatabase*> ready_{nullptr};
  mutable std::unique_ptr<const PrefilterDatabase> database_;
};

// Not thread-safe; one per thread.
class PrefilterThread {
 public:
  // Whole lines, or what there is of them, without the last newline.
  struct Stretch {
    size_t begin = 0;
    size_t end = 0;
  };

  // `prefilter` outlives it.
  explicit PrefilterThread(const Prefilter& prefilter);
  PrefilterThread(const PrefilterThread&) = delete;
  PrefilterThread& operator=(const PrefilterThread&) = delete;

  // Where the patterns of both lists can match in [begin, end) of `text`, as
  // LinePattern::Matches would; replaces what it told before.
  void Scan(std::string_view text, size_t begin, size_t end, std::span<const uint32_t> first,
            std::span<const uint32_t> second = {});

  // Of a pattern of either list: in order, and apart from each other.
  std::span<const Stretch> Stretches(uint32_t pattern) const {
    return told_ && !everywhere_[pattern] ? stretches_[pattern]
                                          : std::span<const Stretch>(&all_, 1);
  }

 private:
  // Whether there is something to scan with.
  bool Ready(size_t bytes);
  void AddLine(uint32_t pattern, std::string_view text, size_t position);

  const Prefilter& prefilter_;
  const PrefilterDatabase* database_ = nullptr;

  // All that was scanned.
  Stretch all_;
  // The last scan told something.
  bool told_ = false;
  // By pattern, if it did: not told, or not worth telling.
  std::vector<bool> everywhere_;
  std::vector<std::vector<Stretch>> stretches_;
  // The patterns that are looked for.
  std::vector<bool> wanted_;
  size_t most_stretches_ = 0;
};

}  // namespace dragnet::file
