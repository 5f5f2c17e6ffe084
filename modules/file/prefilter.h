// Tells which patterns can't match within some lines, for all of them at once
// and several times faster than asking each. It may say that a pattern can
// match where it doesn't, never the reverse: LinePattern has the last word.
#pragma once

#include <atomic>
#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "modules/file/pattern.h"

struct hs_database;
struct hs_scratch;

namespace dragnet::file {

// The scanner's form of the patterns.
struct PrefilterDatabase {
  PrefilterDatabase() = default;
  ~PrefilterDatabase();
  PrefilterDatabase(const PrefilterDatabase&) = delete;
  PrefilterDatabase& operator=(const PrefilterDatabase&) = delete;

  hs_database* database = nullptr;
  // By pattern: whether it is in the database. Of the others nothing is told.
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

  // Never, for now: random tests with other seeds still find matches that
  // Vectorscan 5.4.9 misses in the middle of a text, and a prefilter that isn't
  // sound is none. 2 MiB is what it is to be.
  static constexpr uint64_t kWorthwhileBytes = UINT64_MAX;

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
  // `prefilter` outlives it.
  explicit PrefilterThread(const Prefilter& prefilter);
  ~PrefilterThread();
  PrefilterThread(const PrefilterThread&) = delete;
  PrefilterThread& operator=(const PrefilterThread&) = delete;

  // Looks for the patterns of both lists in [begin, end) of `text`, as
  // LinePattern::Matches would, and replaces what it told before.
  void Scan(std::string_view text, size_t begin, size_t end, std::span<const uint32_t> first,
            std::span<const uint32_t> second = {});

  // Whether the pattern, of either list, may match there.
  bool MayMatch(uint32_t pattern) const { return !told_ || may_match_[pattern]; }

  // An offset in the text at which, or just behind which, a line ends or goes on
  // that is the likeliest to match; npos if no line is likelier.
  size_t Hint(uint32_t pattern) const;

 private:
  static int Hit(unsigned int pattern, unsigned long long from, unsigned long long to,
                 unsigned int flags, void* self);

  // False if the scan was given up.
  bool ScanWithMargin(std::string_view text, size_t begin, size_t end);
  // [begin, end) of `text`, which begins at `origin` of the text that hits count in.
  bool ScanPiece(std::string_view text, size_t begin, size_t end, size_t origin);

  // Whether there is something to scan with.
  bool Ready(size_t bytes);

  const Prefilter& prefilter_;
  const PrefilterDatabase* database_ = nullptr;
  hs_scratch* scratch_ = nullptr;
  // The last scan told something.
  bool told_ = false;
  std::vector<bool> may_match_;
  std::vector<size_t> hints_;
  // The patterns that the last scan hit.
  std::vector<uint32_t> hit_;
  size_t scan_begin_ = 0;
  // The patterns that are looked for, and how many of them there was no hit of.
  std::vector<bool> wanted_;
  size_t missing_ = 0;
  // After so many more hits the scan is given up.
  size_t hits_left_ = 0;
  std::string copy_;
  // There was no memory for it.
  bool failed_ = false;
};

}  // namespace dragnet::file
