#include "agent/monitor/limits.h"

#include <algorithm>

#include "core/action.h"

namespace dragnet {
namespace {

template <typename T>
T AtMost(T ceiling, T asked, T unset) {
  return asked == unset ? ceiling : std::min(asked, ceiling);
}

}  // namespace

OperationLimits EffectiveLimits(const v1::Limits& asked, const OperationLimits& ceiling) {
  OperationLimits limits;
  limits.wall_time = AtMost(ceiling.wall_time, ToDuration(asked.wall_time()), absl::ZeroDuration());
  limits.cpu_time = AtMost(ceiling.cpu_time, ToDuration(asked.cpu_time()), absl::ZeroDuration());
  limits.memory_bytes = AtMost<uint64_t>(ceiling.memory_bytes, asked.memory_bytes(), 0);
  limits.rows = AtMost<uint64_t>(ceiling.rows, asked.rows(), 0);
  limits.result_bytes = AtMost<uint64_t>(ceiling.result_bytes, asked.result_bytes(), 0);
  return limits;
}

}  // namespace dragnet
