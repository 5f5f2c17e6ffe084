// What came of one check on this machine, and what that means for the run.
// Thread-safe: values.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "absl/time/time.h"
#include "console/packs/pack_loader.h"
#include "modules/check/check.pb.h"

namespace dragnet::console {

enum class CheckStatus { kPass, kFail, kUnknown, kNotApplicable };

// "pass", "fail", "unknown", "not_applicable".
std::string_view StatusWord(CheckStatus status);

// low is 0, critical 3.
int SeverityRank(std::string_view severity);

// Of a baseline.
struct Acceptance {
  std::string reason;
  // "2027-03-31"
  std::string expires;
};

struct CheckResult {
  const Pack* pack = nullptr;
  int index = 0;
  CheckStatus status = CheckStatus::kUnknown;
  // From the host: texts are hostile, but bounded. Title and severity are the pack's.
  check::v1::Verdict verdict{};
  // Of a failure.
  std::optional<Acceptance> accepted = std::nullopt;
  // Less severe than --fail-on.
  bool below_fail_on = false;

  const check::v1::Check& check() const { return pack->parameters.checks(index); }
  // Makes the run a failure.
  bool fails() const {
    return status == CheckStatus::kFail && !accepted.has_value() && !below_fail_on;
  }
};

// "until 2027-03-31: the reason"
std::string AcceptanceText(const Acceptance& acceptance);

// Counts of a run.
class Tally {
 public:
  void Add(const CheckResult& result);

  // "41 checks: 36 passed, 3 failed (1 high, 2 low), 1 unknown in 0.8 s"
  std::string Summary(absl::Duration elapsed) const;

  int total() const { return total_; }
  int passed() const { return passed_; }
  // Without the accepted ones.
  int failed() const;
  int failed(int severity_rank) const { return failed_[severity_rank]; }
  int accepted() const { return accepted_; }
  int unknown() const { return unknown_; }
  int not_applicable() const { return not_applicable_; }
  // Failures and unknowns that --fail-on lets pass.
  int below_fail_on() const { return below_fail_on_; }
  bool any_fails() const { return any_fails_; }
  bool any_unknown_counts() const { return any_unknown_counts_; }

 private:
  int total_ = 0;
  int passed_ = 0;
  int failed_[4] = {};
  int accepted_ = 0;
  int unknown_ = 0;
  int not_applicable_ = 0;
  int below_fail_on_ = 0;
  bool any_fails_ = false;
  bool any_unknown_counts_ = false;
};

}  // namespace dragnet::console
