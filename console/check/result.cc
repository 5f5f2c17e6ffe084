#include "console/check/result.h"

#include <algorithm>
#include <numeric>
#include <vector>

#include "absl/strings/str_format.h"
#include "absl/strings/str_join.h"
#include "console/packs/pack_keys.h"
#include "core/strings.h"

namespace dragnet::console {

std::string_view StatusWord(CheckStatus status) {
  switch (status) {
    case CheckStatus::kPass:
      return "pass";
    case CheckStatus::kFail:
      return "fail";
    case CheckStatus::kUnknown:
      return "unknown";
    case CheckStatus::kNotApplicable:
      return "not_applicable";
  }
  return "unknown";
}

int SeverityRank(std::string_view severity) {
  const auto* found = std::find(kSeverityWords.begin(), kSeverityWords.end(), severity);
  // What isn't known is not taken lightly.
  return found == kSeverityWords.end() ? static_cast<int>(kSeverityWords.size()) - 1
                                       : static_cast<int>(found - kSeverityWords.begin());
}

std::string AcceptanceText(const Acceptance& acceptance) {
  return StrCat("until ", acceptance.expires, ": ", acceptance.reason);
}

void Tally::Add(const CheckResult& result) {
  ++total_;
  any_fails_ = any_fails_ || result.fails();
  switch (result.status) {
    case CheckStatus::kPass:
      ++passed_;
      return;
    case CheckStatus::kNotApplicable:
      ++not_applicable_;
      return;
    case CheckStatus::kUnknown:
      ++unknown_;
      if (result.below_fail_on) ++below_fail_on_;
      any_unknown_counts_ = any_unknown_counts_ || !result.below_fail_on;
      return;
    case CheckStatus::kFail:
      if (result.accepted.has_value()) {
        ++accepted_;
        return;
      }
      ++failed_[SeverityRank(result.check().severity())];
      if (result.below_fail_on) ++below_fail_on_;
      return;
  }
}

int Tally::failed() const { return std::accumulate(std::begin(failed_), std::end(failed_), 0); }

std::string Tally::Summary(absl::Duration elapsed) const {
  std::vector<std::string> parts = {StrCat(passed_, " passed")};
  if (failed() > 0) {
    std::vector<std::string> severities;
    for (int rank = 3; rank >= 0; --rank)
      if (failed_[rank] > 0) severities.push_back(StrCat(failed_[rank], " ", kSeverityWords[rank]));
    parts.push_back(StrCat(failed(), " failed (", absl::StrJoin(severities, ", "), ")"));
  }
  if (accepted_ > 0) parts.push_back(StrCat(accepted_, " accepted"));
  if (unknown_ > 0) parts.push_back(StrCat(unknown_, " unknown"));
  if (not_applicable_ > 0) parts.push_back(StrCat(not_applicable_, " not applicable"));
  return StrCat(total_, total_ == 1 ? " check: " : " checks: ", absl::StrJoin(parts, ", "), " in ",
                absl::StrFormat("%.1f s", absl::ToDoubleSeconds(elapsed)));
}

}  // namespace dragnet::console
