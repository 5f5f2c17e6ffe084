// What one operation may cost, enforced by the monitor from outside the worker.
#pragma once

#include <cstdint>

#include "absl/time/time.h"
#include "dragnet/v1/action.pb.h"

namespace dragnet {

struct OperationLimits {
  absl::Duration wall_time = absl::Minutes(10);
  absl::Duration cpu_time = absl::Minutes(5);
  // Address space: libraries and thread stacks count, so well above what is used.
  uint64_t memory_bytes = uint64_t{512} << 20;
  uint64_t rows = 100'000;
  uint64_t result_bytes = uint64_t{64} << 20;
};

// What the signer asked for, but never more than `ceiling`, which is also what
// stands where nothing was asked for.
OperationLimits EffectiveLimits(const v1::Limits& asked, const OperationLimits& ceiling);

}  // namespace dragnet
