#include "scheduler/observe/metrics.h"

#include <algorithm>

namespace dragnet::scheduler {

void DurationHistogram::Add(double seconds) {
  const auto bound = std::lower_bound(kBounds.begin(), kBounds.end(), seconds);
  buckets_[static_cast<size_t>(bound - kBounds.begin())].Add();
  if (seconds > 0) nanoseconds_.Add(static_cast<uint64_t>(seconds * 1e9));
}

Metrics& TheMetrics() {
  static Metrics metrics;
  return metrics;
}

}  // namespace dragnet::scheduler
