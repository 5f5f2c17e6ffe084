#include "agent/monitor/limits.h"

#include <algorithm>
#include <numeric>

#include "core/action.h"

namespace dragnet {
namespace {

template <typename T>
T AtMost(T ceiling, T asked, T unset) {
  return asked == unset ? ceiling : std::min(asked, ceiling);
}

}  // namespace

OperationLimits EffectiveLimits(const v1::Limits& asked, const OperationLimits& ceiling,
                                bool scheduled) {
  OperationLimits limits;
  limits.wall_time = AtMost(ceiling.wall_time, ToDuration(asked.wall_time()), absl::ZeroDuration());
  limits.cpu_time = AtMost(ceiling.cpu_time, ToDuration(asked.cpu_time()), absl::ZeroDuration());
  limits.memory_bytes = AtMost<uint64_t>(ceiling.memory_bytes, asked.memory_bytes(), 0);
  limits.rows = AtMost<uint64_t>(ceiling.rows, asked.rows(), 0);
  limits.result_bytes = AtMost<uint64_t>(ceiling.result_bytes, asked.result_bytes(), 0);
  const uint32_t default_share =
      scheduled ? std::min(kScheduledCpuSharePercent, ceiling.cpu_share_percent)
                : ceiling.cpu_share_percent;
  limits.cpu_share_percent = asked.cpu_share_percent() == 0
                                 ? default_share
                                 : std::min(asked.cpu_share_percent(), ceiling.cpu_share_percent);
  return limits;
}

std::vector<uint32_t> DivideCpuShare(const std::vector<uint32_t>& wanted, uint32_t total) {
  // From the smallest wish on: who wants less than an equal part of what is left
  // leaves more to the others.
  std::vector<size_t> order(wanted.size());
  std::iota(order.begin(), order.end(), size_t{0});
  std::stable_sort(order.begin(), order.end(),
                   [&](size_t a, size_t b) { return wanted[a] < wanted[b]; });
  std::vector<uint32_t> shares(wanted.size());
  size_t waiting = wanted.size();
  for (const size_t index : order) {
    shares[index] = std::max(1U, std::min(wanted[index], total / static_cast<uint32_t>(waiting)));
    total -= std::min(total, shares[index]);
    --waiting;
  }
  return shares;
}

}  // namespace dragnet
