// What one operation may cost, enforced by the monitor from outside the worker.
#pragma once

#include <cstdint>
#include <vector>

#include "absl/time/time.h"
#include "dragnet/v1/action.pb.h"

namespace dragnet {

// The share of one core that scheduled work has where its signer asks for none.
inline constexpr uint32_t kScheduledCpuSharePercent = 25;

struct OperationLimits {
  // Without the time that it stood still by order.
  absl::Duration wall_time = absl::Minutes(10);
  absl::Duration cpu_time = absl::Minutes(5);
  // Address space: libraries and thread stacks count, so well above what is used.
  // What is resident is held to it as well.
  uint64_t memory_bytes = uint64_t{512} << 20;
  uint64_t rows = 100'000;
  uint64_t result_bytes = uint64_t{64} << 20;
  // CPU time over wall-clock time in percent of one core, of all threads
  // together; 0: no limit.
  uint32_t cpu_share_percent = 100;
};

// What the signer asked for, but never more than `ceiling`, which is also what
// stands where nothing was asked for; but for scheduled work (an action with a
// recurrence) the CPU share is then kScheduledCpuSharePercent at most.
OperationLimits EffectiveLimits(const v1::Limits& asked, const OperationLimits& ceiling,
                                bool scheduled);

// Divides the CPU share `total` among operations that may use at most `wanted`
// each (percent of one core): all get the same, and what one doesn't want the
// others get. At least 1 each.
std::vector<uint32_t> DivideCpuShare(const std::vector<uint32_t>& wanted, uint32_t total);

}  // namespace dragnet
