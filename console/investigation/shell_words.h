// One line taken apart into words as sh does it: the counterpart of ShellLine.
// Quotes '…' and "…", and \ before a character; no variables, no patterns: those
// characters stand for themselves. Thread-safe: no state.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"

namespace dragnet::console {

// InvalidArgument for a quote that isn't closed, and where it was opened.
absl::StatusOr<std::vector<std::string>> SplitShellWords(std::string_view line);

// A line that is still being typed.
struct UnfinishedLine {
  std::vector<std::string> words;
  // The word that the end of the line is in, as far as it goes; empty after a space.
  std::string last;
  // Where that begins in the line, quotes included.
  size_t last_start = 0;
  // The quote that is open at the end, or 0.
  char quote = 0;
};
UnfinishedLine SplitUnfinished(std::string_view line);

}  // namespace dragnet::console
