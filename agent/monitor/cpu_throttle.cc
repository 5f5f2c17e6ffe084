#include "agent/monitor/cpu_throttle.h"

#include <algorithm>

namespace dragnet {
namespace {

// The kernel itself counts a running thread's time by ticks of up to 10 ms:
// looking much more often sees nothing new.
constexpr absl::Duration kMinInterval = absl::Milliseconds(10);
// How long threads that start suddenly go unseen.
constexpr absl::Duration kMaxInterval = absl::Milliseconds(50);

}  // namespace

CpuThrottle::CpuThrottle(uint32_t percent, int cores, absl::Time now)
    : cores_(std::max(cores, 1)), last_sample_(now), next_sample_(absl::InfiniteFuture()) {
  SetShare(percent);
  credit_ = Burst();
}

void CpuThrottle::SetShare(uint32_t percent) {
  if (percent == percent_) return;
  percent_ = percent;
  share_ = percent / 100.0;
  credit_ = std::min(credit_, Burst());
  if (unlimited()) {
    stopped_ = false;
    next_sample_ = absl::InfiniteFuture();
  } else {
    next_sample_ = last_sample_;
  }
}

void CpuThrottle::Sample(absl::Time now, absl::Duration cpu) {
  const absl::Duration passed = now - last_sample_;
  const absl::Duration used = cpu - last_cpu_;
  last_sample_ = now;
  last_cpu_ = cpu;
  if (unlimited()) return;
  // Who looks late at one that is stopped takes nothing from it.
  const absl::Duration most = stopped_ ? 2 * Burst() : Burst();
  credit_ = std::min(credit_ + passed * share_ - used, most);
  if (!stopped_ && credit_ < absl::ZeroDuration()) stopped_ = true;
  if (stopped_ && credit_ >= Burst()) stopped_ = false;
  const double rate = passed > absl::ZeroDuration() ? absl::FDivDuration(used, passed) : 0;
  Plan(now, std::clamp(rate, 1.0, static_cast<double>(cores_)));
}

void CpuThrottle::Plan(absl::Time now, double rate) {
  absl::Duration wait = kMaxInterval;
  if (stopped_) {
    wait = std::max((Burst() - credit_) / share_, absl::Milliseconds(1));
  } else if (rate > share_) {
    wait = std::clamp(credit_ / (rate - share_), kMinInterval, kMaxInterval);
  }
  next_sample_ = now + wait;
}

}  // namespace dragnet
