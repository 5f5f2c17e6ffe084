// The lines that matched, with what stands around them, for people to see.
// Memory is bounded, whatever the file: lines are cut, and counted.
#pragma once

#include <cstddef>
#include <cstdint>
#include <string>
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

}  // namespace dragnet::file
