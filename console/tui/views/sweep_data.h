// What the screen of one sweep shows, as it is fetched: plain values, made on a thread in
// the background. Thread-safe: no state.
//
// Bounds: kMostVerdicts verdicts are read; of hosts and changes there are at most as
// many as the analysis keeps (console/sweeps).
#pragma once

#include <cstdint>
#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "console/form/module_catalog.h"
#include "console/sweeps/drift.h"
#include "console/sweeps/groups.h"
#include "console/sweeps/sweep.h"
#include "console/tui/views/action_list.h"
#include "core/trust_policy.h"

namespace dragnet::console::tui {

inline constexpr uint64_t kMostVerdicts = 2'000'000;

struct SweepCheckRow {
  check::v1::Check check;
  v1::VerdictCounts verdicts;
  // Oldest first.
  std::vector<std::optional<int>> trend;
};

struct SweepOverview {
  Sweep sweep;
  // Who signed it, found out here.
  ActionRow signature;
  // The worst first.
  std::vector<SweepCheckRow> checks;
  // The document and its signatures, fit for a terminal.
  std::string document;
};

// `policy` may be null. The scheduler's answer must be about this very id.
absl::StatusOr<SweepOverview> FetchOverview(const std::string& sweep_id, Client& client,
                                            const TrustPolicy* policy, const ModuleCatalog& modules,
                                            absl::Time now);

struct SweepHosts {
  std::vector<SweepTally::Host> hosts;
  // More than kMostVerdicts: hosts are missing.
  bool cut = false;
};
absl::StatusOr<SweepHosts> FetchHosts(const Sweep& sweep, Client& client,
                                      const std::function<bool()>& stop);

// Since the run before the last one.
struct SweepDrift {
  std::vector<DriftEntry> entries;
  absl::Time since;
  // More than kMostChanges: older ones were not looked at.
  bool cut = false;
};
absl::StatusOr<SweepDrift> FetchDrift(const Sweep& sweep, Client& client);

// A check with what to do, and the first verdicts on it that aren't passes with their
// evidence; fit for a terminal.
absl::StatusOr<std::string> FetchCheckText(const Sweep& sweep, const std::string& check,
                                           Client& client, const std::function<bool()>& stop);

}  // namespace dragnet::console::tui
