// The lines that matched, with what stands around them, for people to see.
// Memory is bounded, whatever the file: lines are cut, and counted.
#pragma once

#include <cstddef>
#include <cstdint>
#include <deque>
#include <span>
#include <string>
#include <string_view>
#include <vector>

namespace dragnet::file {

inline constexpr uint32_t kMaxMatchedLines = 100;
inline constexpr uint32_t kMaxContextLines = 10;
inline constexpr size_t kMaxShownLine = 512;
// Of all lines of one file.
inline constexpr size_t kMaxCollectedBytes = 4 * 1024 * 1024;

struct LineOptions {
  // Of each pattern in each file; 0 collects nothing. At most kMaxMatchedLines.
  uint32_t max_lines = 0;
  // Lines before and after each. At most kMaxContextLines.
  uint32_t context = 0;
};

// Bytes as they are in the file: not made valid UTF-8, and never with the newline.
struct MatchedLine {
  uint32_t pattern = 0;
  // From 1.
  uint64_t line_number = 0;
  // Of the line's first byte and of the match's, from the file's first.
  uint64_t line_offset = 0;
  uint64_t match_offset = 0;
  // At most kMaxShownLine bytes of the line, around the match.
  std::string text;
  // The line goes on before or after `text`.
  bool cut_before = false;
  bool cut_after = false;
  // Nearest last and nearest first, each the first kMaxShownLine bytes of a line.
  std::vector<std::string> before;
  std::vector<std::string> after;
};

// A piece of the file that is searched at once: whole lines, or a window of a
// line that is longer than is searched at once.
struct LineRegion {
  // What is searched is [begin, end) of `text`, whose first byte is at `offset`
  // in the file.
  std::string_view text;
  size_t begin = 0;
  size_t end = 0;
  uint64_t offset = 0;
  // `begin` is the start of a line; `end` the end of one.
  bool starts_line = true;
  bool ends_line = true;
};

// Keeps the lines that matched. Not thread-safe; one per ContentScanner.
class LineCollector {
 public:
  // Begins a new file, of which nothing is kept until Collect.
  void Start();
  // Of each of these patterns, the first lines.
  void Collect(std::span<const uint32_t> patterns, const LineOptions& options);

  // Whether regions have to be told.
  bool active() const { return !patterns_.empty(); }
  // Patterns of which more lines are wanted.
  const std::vector<uint32_t>& wanting() const { return wanting_; }
  bool Wants(uint32_t pattern) const {
    return kept_[pattern].count < options_.max_lines && !left_out_;
  }
  // Nothing that follows in the file is wanted.
  bool done() const { return wanting_.empty() && open_.empty(); }

  // The next region of the file. Its bytes stay as they are until EndRegion.
  void BeginRegion(const LineRegion& region);
  // A match in the region, [begin, end) of its text. Returns where the line ends
  // after which to look for the pattern's next one. A line counts once.
  size_t Add(uint32_t pattern, size_t begin, size_t end);
  // After the last Add for the region.
  void EndRegion();

  const std::vector<MatchedLine>& lines() const { return lines_; }
  bool left_out() const { return left_out_; }

 private:
  // A line whose following lines are still to come.
  struct Open {
    size_t line = 0;
    uint32_t missing = 0;
  };

  uint64_t NumberAt(size_t position);
  std::vector<std::string> LinesBefore(size_t line_begin) const;
  void AddFollowing(size_t line_end, size_t index);
  bool Keep(std::string_view text);

  LineOptions options_;
  std::vector<uint32_t> patterns_;
  std::vector<uint32_t> wanting_;
  std::vector<MatchedLine> lines_;
  std::vector<Open> open_;
  size_t bytes_ = 0;
  bool left_out_ = false;

  LineRegion region_;
  // Of the line at the region's begin: its number and its first byte.
  uint64_t first_number_ = 1;
  uint64_t first_offset_ = 0;
  // How far the region's newlines were counted.
  size_t counted_to_ = 0;
  uint64_t counted_ = 0;
  // The last lines before the region, the nearest last.
  std::deque<std::string> tail_;
  // How the line begins whose windows are being searched.
  std::string unfinished_;
  // By pattern: lines kept, and the number of the last one.
  struct Kept {
    uint32_t count = 0;
    uint64_t last_number = 0;
  };
  std::vector<Kept> kept_;
};

// Newlines in `text`.
uint64_t CountNewlines(std::string_view text);

}  // namespace dragnet::file
