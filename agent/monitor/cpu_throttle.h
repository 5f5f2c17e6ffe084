// When a process must be stopped, and when it may go on, so that it keeps a
// share of the CPU: CPU time over wall-clock time, of all its threads together.
//
// A bucket that fills with the share's CPU time and that the process empties. It
// stops below zero, for as long as the debt and one burst take to fill. What it
// used over its share before it was seen is a debt, too: so the share is kept on
// average however rarely one looks, and looking more often only makes the bursts
// shorter.
//
// Only arithmetic: the caller reads the clocks and sends the signals.
#pragma once

#include <cstdint>

#include "absl/time/time.h"

namespace dragnet {

class CpuThrottle {
 public:
  // What it may use at once after it has used less than its share: as much as
  // in this time.
  static constexpr absl::Duration kPeriod = absl::Milliseconds(200);

  // `percent` of one core; 0: no limit. `cores`: what the process can use at most.
  CpuThrottle(uint32_t percent, int cores, absl::Time now);

  // From `now` on.
  void SetShare(uint32_t percent);
  uint32_t share_percent() const { return percent_; }

  // The process's CPU clock at `now`; both only rise.
  void Sample(absl::Time now, absl::Duration cpu);

  // Must stand still.
  bool stopped() const { return stopped_; }
  // When to Sample again; InfiniteFuture where nothing has to be kept.
  absl::Time next_sample() const { return next_sample_; }

 private:
  bool unlimited() const {
    return percent_ == 0 || percent_ >= 100 * static_cast<uint32_t>(cores_);
  }
  absl::Duration Burst() const { return kPeriod * share_; }
  void Plan(absl::Time now, double rate);

  const int cores_;
  uint32_t percent_ = 0;
  double share_ = 0;  // of one core
  bool stopped_ = false;
  // CPU time that it may use; below zero: used over its share.
  absl::Duration credit_;
  absl::Time last_sample_;
  absl::Duration last_cpu_;
  absl::Time next_sample_;
};

}  // namespace dragnet
