// What is wrong with files that people wrote: everything at once, each with its
// place. Not thread-safe.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "console/packs/yaml_node.h"

namespace dragnet::console {

inline constexpr size_t kMaxProblems = 20;

class Problems {
 public:
  // `path` is where it is in the document, e.g. "checks[3].expect"; may be empty.
  void Error(const Place& place, std::string_view path, std::string_view message);
  // Looks forgotten, but means something.
  void Warning(const Place& place, std::string_view path, std::string_view message);

  bool ok() const { return errors_ == 0; }
  size_t errors() const { return errors_; }
  // "pack.yaml:12:5: checks[3].expect: …", fit for a terminal, in the order in which
  // they were found; at most kMaxProblems, and then how many more there are.
  std::vector<std::string> ErrorLines() const;
  std::vector<std::string> WarningLines() const;
  // InvalidArgument with the lines, one after the other; OK without an error.
  absl::Status ToStatus() const;

 private:
  size_t errors_ = 0;
  size_t warnings_ = 0;
  std::vector<std::string> error_lines_;
  std::vector<std::string> warning_lines_;
};

// "; did you mean expect?", or nothing.
std::string DidYouMean(std::string_view word, const std::vector<std::string>& candidates);

}  // namespace dragnet::console
