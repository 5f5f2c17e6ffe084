// What the agent program prints, line by line, taken for what it is: text from
// someone who may lie. Not thread-safe.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "console/check/result.h"
#include "console/packs/pack_loader.h"

namespace dragnet::console {

// Longer lines are no verdicts.
inline constexpr size_t kMaxVerdictLine = 256 * 1024;

class VerdictReader {
 public:
  // `pack` must outlive this and the results.
  explicit VerdictReader(const Pack& pack);

  // One line without its end: {"verdict": {…}} or {"summary": {…}}. Nothing for a
  // line that isn't the verdict on a check of the pack, or a second one on the same:
  // problem() then says so.
  std::optional<CheckResult> Line(std::string_view line);

  // Checks without a verdict, as unknown, with the reason.
  std::vector<CheckResult> Missing(std::string_view reason) const;

  bool complete() const { return seen_count_ == seen_.size(); }
  // The first thing that wasn't as it should be; empty when there is none.
  const std::string& problem() const { return problem_; }

 private:
  void Note(std::string_view problem);

  const Pack& pack_;
  // By index: has its verdict.
  std::vector<bool> seen_;
  size_t seen_count_ = 0;
  std::string problem_;
};

}  // namespace dragnet::console
