// Runs packs on this machine and reports what comes. Not thread-safe.
#pragma once

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "console/check/baseline.h"
#include "console/check/report.h"
#include "console/check/result.h"
#include "console/packs/pack_loader.h"

namespace dragnet::console {

struct CheckRunOptions {
  // The agent program; or why there is none, and then all is unknown.
  absl::StatusOr<std::string> program;
  // Empty: this host.
  std::string root;
  // A level of severity, or empty: every failure counts.
  std::string fail_on;
  const Baseline* baseline = nullptr;
  // Empty: an image, whose name isn't known.
  std::string host;
  absl::CivilDay today;
  std::function<bool()> interrupted;
};

struct CheckRunOutcome {
  Tally tally;
  // Those that nothing accepts, in order. They point to the packs.
  std::vector<CheckResult> failures;
  // What the agent program did that it shouldn't have, or didn't do: any makes the run
  // incomplete, whatever --fail-on says. For people.
  std::vector<std::string> problems;

  // 0, 1 or 3, as of `dragnet check`.
  int ExitStatus() const;
};

// `packs` must outlive the result.
CheckRunOutcome RunPacks(const std::vector<Pack>& packs, const CheckRunOptions& options,
                         CheckReport* report);

}  // namespace dragnet::console
