// The actions behind `dragnet sweep add` and `run-now`, before anyone signs them.
// Thread-safe: no state.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "dragnet/v1/action.pb.h"
#include "modules/blobs.h"
#include "modules/check/check.pb.h"

namespace dragnet::console {

inline constexpr absl::Duration kDefaultSweepLifetime = absl::Hours(24 * 90);

struct SweepPlan {
  std::string every{};
  std::string time_zone = "UTC";
  // As console/form/values.h reads durations; empty: none.
  std::string jitter{};
  // A day (to its end, by `time_zone`) or a time; empty: kDefaultSweepLifetime from now.
  std::string until{};
  // "run-late" or "skip".
  std::string missed = "run-late";
};

// An action with one operation, id and fleet left to CompleteAction. InvalidArgument
// names the flag: a schedule that can't be read, that never comes or not before the
// end, a jitter that is too long, an end that is too far away.
absl::StatusOr<v1::Action> SweepAction(const check::v1::CheckParameters& pack,
                                       const SweepPlan& plan, absl::Time now, BlobContents* blobs);

// One more run of `sweep`, valid for `lifetime`: the same operations and target.
absl::StatusOr<v1::Action> ExtraRunOf(const v1::Action& sweep, absl::Duration lifetime,
                                      absl::Time now);

}  // namespace dragnet::console
