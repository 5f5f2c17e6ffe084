// How long to wait before the next attempt: exponential back-off with full
// jitter, so that a fleet which lost its scheduler doesn't come back as one.
// Not thread-safe.
#pragma once

#include <algorithm>
#include <random>

#include "absl/time/time.h"

namespace dragnet {

class RetryDelay {
 public:
  RetryDelay(absl::Duration first, absl::Duration longest, uint32_t seed)
      : first_(first), longest_(longest), ceiling_(first), random_(seed) {}

  // Uniform in [0, ceiling]; the ceiling doubles from `first` to `longest`.
  absl::Duration Next() {
    absl::Duration delay = ceiling_ * std::uniform_real_distribution<double>()(random_);
    ceiling_ = std::min(longest_, 2 * ceiling_);
    return delay;
  }

  void Reset() { ceiling_ = first_; }

 private:
  const absl::Duration first_;
  const absl::Duration longest_;
  absl::Duration ceiling_;
  std::minstd_rand random_;
};

}  // namespace dragnet
