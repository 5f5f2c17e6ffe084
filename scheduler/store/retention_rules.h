// How long the results of actions are kept: what scheduler.toml says of it. See retention.h.
#pragma once

#include <cstdint>

#include "absl/time/time.h"

namespace dragnet::scheduler {

struct RetentionRules {
  // Since an action expired. Infinite: for ever.
  absl::Duration age = absl::InfiniteDuration();
  // Of the database; pages that are free in it don't count. 0: no bound.
  uint64_t bytes = 0;
  absl::Duration clock_hold = absl::Hours(24);
};

}  // namespace dragnet::scheduler
