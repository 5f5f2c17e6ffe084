// What the scheduler says of sweeps: who is silent, runs, and the newest verdicts
// agent by agent. No gRPC. Blocks; thread-safe but for the reader, which belongs to
// one thread at a time.
#pragma once

#include <optional>
#include <set>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "core/clock.h"
#include "dragnet/v1/investigator.pb.h"
#include "scheduler/dispatch/agents.h"
#include "scheduler/dispatch/dispatcher.h"
#include "scheduler/store/store.h"
#include "scheduler/store/sweep_terms.h"

namespace dragnet::scheduler {

// At least 4 characters of an id's beginning or end, or the id of a run.
absl::Status CheckActionFragment(std::string_view fragment);

// The one sweep whose id begins or ends with `fragment`. NotFound, InvalidArgument.
absl::StatusOr<StoredAction> FindSweep(Store& store, const std::string& fragment);

// The older of the last two runs that were due: an agent that took the sweep on before it,
// and has told of none since, is silent. Nothing when no one is: fewer than two were due,
// or the sweep is paused. Nothing was due while it was paused or after it was cancelled.
absl::StatusOr<std::optional<absl::Time>> SilentSince(Store& store, const StoredAction& sweep,
                                                      const SweepTerms& terms,
                                                      v1::DispatchPhase phase, absl::Time now);
bool IsSilent(const SweepAgent& agent, std::optional<absl::Time> silent_since);

v1::SweepRun DescribeRun(const StoredRun& run);

v1::SweepChange DescribeChange(const StoredSweepChange& change, const std::string& sweep_id,
                               const std::vector<SweepCheck>& checks);

// For SweepVerdicts.
class SweepVerdictReader {
 public:
  // InvalidArgument: a check or state that there is none; NotFound. All outlive it.
  static absl::StatusOr<SweepVerdictReader> Open(Store& store, const Agents& agents,
                                                 Dispatcher& dispatcher, const Clock& clock,
                                                 const v1::SweepVerdictsRequest& request);
  // About `max_bytes`, but those of one agent at least; none: that was all.
  absl::StatusOr<std::vector<v1::SweepVerdict>> Next(size_t max_bytes);

 private:
  SweepVerdictReader(Store& store, const Agents& agents, SweepTerms terms)
      : store_(&store), agents_(&agents), terms_(std::move(terms)) {}

  bool IsWanted(const StoredVerdict& verdict) const;

  Store* store_;
  const Agents* agents_;
  SweepTerms terms_;
  std::string sweep_id_;
  // Empty: all.
  std::set<uint32_t> checks_;
  std::set<VerdictStatus> statuses_;
  // And why, in words for people.
  absl::flat_hash_map<std::string, std::string_view> silent_;
  // Those that have verdicts, then others that are silent.
  std::vector<std::string> agent_ids_;
  size_t next_agent_ = 0;
};

}  // namespace dragnet::scheduler
