// The time, behind a seam that tests can turn.
#pragma once

#include "absl/time/clock.h"
#include "absl/time/time.h"

namespace dragnet {

// Thread-safe.
class Clock {
 public:
  virtual ~Clock() = default;
  virtual absl::Time Now() const = 0;

  static const Clock& System();
};

// For durations and deadlines: rises steadily whatever the clock is set to, and
// while the machine sleeps (CLOCK_BOOTTIME). Its zero means nothing.
absl::Time SteadyNow();

// For tests: stands still until it is set. Not thread-safe.
class FakeClock : public Clock {
 public:
  explicit FakeClock(absl::Time now) : now_(now) {}
  absl::Time Now() const override { return now_; }
  void Set(absl::Time now) { now_ = now; }
  void Advance(absl::Duration duration) { now_ += duration; }

 private:
  absl::Time now_;
};

}  // namespace dragnet
