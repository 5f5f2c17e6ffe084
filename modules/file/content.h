// Looks for many patterns in the lines of one file, which arrives in blocks.
//
// A prefilter tells for all patterns at once in which lines of a block they can
// match; there, the pattern itself is asked. Whole lines within a block are searched in place, all
// at once. A line that continues in the next block is put together first, up to kMaxLine; of a
// longer one, overlapping windows are searched, so that memory is bounded and a match of up to
// kWindowOverlap bytes is found wherever it lies. Whether there can be a longer one is told by what
// is in the overlap.
#pragma once

#include <cstddef>
#include <cstdint>
#include <memory>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "modules/file/matched_lines.h"
#include "modules/file/pattern.h"
#include "modules/file/prefilter.h"

namespace dragnet::file {

inline constexpr size_t kMaxLine = 4 * 1024 * 1024;
inline constexpr size_t kWindowOverlap = 1024 * 1024;

enum class LineMatch : uint8_t {
  // Not asked for, or the file was not read to its end.
  kUnknown,
  // A line matches.
  kFound,
  // No line matches.
  kAbsent,
};

// Not thread-safe; one per thread, used for one file after the other.
class ContentScanner {
 public:
  // `patterns` outlives the scanner, which makes a prefilter of its own: for
  // one thread, and for tests, whose the bounds are.
  explicit ContentScanner(std::span<const LinePattern> patterns, size_t max_line = kMaxLine,
                          size_t overlap = kWindowOverlap);
  // One prefilter, which outlives the scanners, for all threads.
  explicit ContentScanner(const Prefilter& prefilter, size_t max_line = kMaxLine,
                          size_t overlap = kWindowOverlap);

  // Begins a new file, in which the patterns at these indexes are looked for;
  // of those in `on_all_lines`, too, whether every line matches. A pattern may
  // be in both, or in either.
  void Start(std::span<const uint32_t> wanted, std::span<const uint32_t> on_all_lines = {});

  // After Start: of these patterns, which are wanted, too, the first matching
  // lines are kept.
  void CollectLines(std::span<const uint32_t> patterns, const LineOptions& options);

  // The next bytes of the file. They are not kept.
  void Feed(std::string_view block);

  // The file has ended: every wanted pattern is now kFound or kAbsent, or, if
  // it may match over more of a line than was searched at once, kUnknown.
  void Finish();

  // More of the file could change nothing that was asked for.
  bool settled() const { return undecided_.empty() && all_undecided_.empty() && collector_.done(); }

  LineMatch result(uint32_t pattern) const { return results_[pattern]; }

  // Of a pattern in `on_all_lines`: kFound if every line matches, kAbsent if one
  // doesn't, or, after Finish, if there is no line.
  LineMatch all_lines(uint32_t pattern) const { return all_results_[pattern]; }

  // What CollectLines asked for, in the order of the file for each pattern.
  // Valid until the next Start.
  const std::vector<MatchedLine>& lines() const { return collector_.lines(); }
  // There was more to keep than kMaxCollectedBytes.
  bool lines_left_out() const { return collector_.left_out(); }

 private:
  void Init();

  // Looks for what is asked for.
  void Search(const LineRegion& region);
  bool Holds(uint32_t pattern, const LineRegion& region) const;
  void SearchAllLines(const LineRegion& region);
  void SearchWindow(const LineRegion& region);
  void CollectFrom(const LineRegion& region);
  void AppendToLine(std::string_view part);
  void EndLine();

  const std::unique_ptr<const Prefilter> own_prefilter_;
  const std::span<const LinePattern> patterns_;
  const size_t max_line_;
  const size_t overlap_;
  PrefilterThread prefilter_;

  std::vector<LineMatch> results_;
  std::vector<LineMatch> all_results_;
  std::vector<uint32_t> wanted_;
  std::vector<uint32_t> all_wanted_;
  std::vector<uint32_t> undecided_;
  // Those of which every line so far matched.
  std::vector<uint32_t> all_undecided_;
  bool has_line_ = false;
  // Of the file, where the next block begins.
  uint64_t offset_ = 0;
  // Of a line that has begun in an earlier block: what is still to be searched,
  // after `context_` bytes that are there only to be looked back at.
  std::string line_;
  size_t context_ = 0;
  // A part of it was searched.
  bool line_continues_ = false;
  // By pattern: may have matched over more than a window of a long line.
  std::vector<bool> missed_;
  // Of the line that is being searched in windows, by pattern: a window matched,
  // and as `missed_`.
  std::vector<bool> line_matched_;
  std::vector<bool> line_missed_;
  // Patterns for which there was such a line.
  std::vector<bool> all_missed_;
  LineCollector collector_;
};

}  // namespace dragnet::file
