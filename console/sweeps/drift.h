// What is another now than it was: by a sweep's changes from run to run, with what
// cancels out left out. Thread-safe: no state.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "console/client/client.h"
#include "console/sweeps/sweep.h"
#include "dragnet/v1/investigator.pb.h"

namespace dragnet::console {

enum class DriftKind { kNewlyFailing, kNewlyUnknown, kFixed, kOther, kNewHost, kSilentHost };

struct DriftEntry {
  DriftKind kind = DriftKind::kOther;
  std::string agent_id{};
  // Hostile, as is `reason`.
  std::string agent_name{};
  // Empty for hosts that are new or silent, also for those that never told.
  std::string check{};
  std::string from{};
  std::string to{};
  // Of the last change; of a host the run that it told of first, or last.
  absl::Time occurrence = absl::InfinitePast();
  std::string reason{};
};

// "newly failing", "silent host".
std::string_view WordsOf(DriftKind kind);

// At most so many changes are looked at: about 200 MiB at the very worst.
inline constexpr size_t kMostChanges = 100'000;

// `changes` newest first, as SweepChanges gives them; `one_check` the newest verdict of
// every host on one check (which tells of every host once), `since` the end of what is
// known already. Changes of checks that aren't in the document are left out. In the
// order of kinds, then severity, host and check.
std::vector<DriftEntry> DriftOf(const Sweep& sweep, const std::vector<v1::SweepChange>& changes,
                                const std::vector<v1::SweepVerdict>& one_check, absl::Time since);

// All of them after `since`, newest first. `cut`: there are more than kMostChanges.
absl::StatusOr<std::vector<v1::SweepChange>> ReadChanges(const std::string& sweep_id,
                                                         absl::Time since, Client& client,
                                                         bool* cut);

// The newest verdict of every host on the sweep's first check.
absl::StatusOr<std::vector<v1::SweepVerdict>> ReadOneCheck(const Sweep& sweep, Client& client);

// The run before the last one of `sweep` (which has at least two in `told.runs`): what
// drift is told since, if nobody says otherwise. InfinitePast when there is none.
absl::Time RunBeforeLast(const Sweep& sweep);

}  // namespace dragnet::console
