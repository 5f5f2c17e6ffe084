// Looks for many patterns in the lines of one file, which arrives in blocks.
//
// Whole lines within a block are searched in place, all at once. A line that
// continues in the next block is put together first, up to kMaxLine; of a
// longer one, overlapping windows are searched, so that memory is bounded and
// a match of up to kWindowOverlap bytes is found wherever it lies. Whether there
// can be a longer one is told by what is in the overlap.
#pragma once

#include <cstddef>
#include <cstdint>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "modules/file/pattern.h"

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
  // `patterns` outlives the scanner. The bounds are for tests.
  explicit ContentScanner(std::span<const LinePattern> patterns, size_t max_line = kMaxLine,
                          size_t overlap = kWindowOverlap);

  // Begins a new file, in which the patterns at these indexes are looked for.
  void Start(std::span<const uint32_t> wanted);

  // The next bytes of the file. They are not kept.
  void Feed(std::string_view block);

  // The file has ended: every wanted pattern is now kFound or kAbsent, or, if
  // it may match over more of a line than was searched at once, kUnknown.
  void Finish();

  // No wanted pattern is left that more of the file could match.
  bool settled() const { return undecided_.empty(); }

  LineMatch result(uint32_t pattern) const { return results_[pattern]; }

 private:
  // Looks for what is undecided within [begin, end) of `text`.
  void Search(std::string_view text, size_t begin, size_t end);
  void AppendToLine(std::string_view part);
  void EndLine();

  const std::span<const LinePattern> patterns_;
  const size_t max_line_;
  const size_t overlap_;

  std::vector<LineMatch> results_;
  std::vector<uint32_t> wanted_;
  std::vector<uint32_t> undecided_;
  // Of a line that has begun in an earlier block: what is still to be searched,
  // after `context_` bytes that are there only to be looked back at.
  std::string line_;
  size_t context_ = 0;
  // These may have matched over more than a window of a long line.
  std::vector<bool> missed_;
};

}  // namespace dragnet::file
