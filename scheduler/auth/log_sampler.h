// Lines of the log that peers cause before it is known who they are, or however
// often they like: so many a second, and how many more there were. Thread-safe.
#pragma once

#include <algorithm>
#include <cstdint>
#include <optional>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"

namespace dragnet::scheduler {

class LogSampler {
 public:
  // Above 0; as many at once.
  explicit LogSampler(double per_second) : per_second_(per_second), room_(per_second) {}

  // What the line should say was left out since the last one; nothing when it
  // shouldn't be written. `now` is SteadyNow's.
  std::optional<uint64_t> Take(absl::Time now) {
    absl::MutexLock lock(&mutex_);
    room_ = std::min(per_second_, room_ + absl::ToDoubleSeconds(now - since_) * per_second_);
    since_ = now;
    if (room_ < 1) {
      ++left_out_;
      return std::nullopt;
    }
    room_ -= 1;
    return std::exchange(left_out_, 0);
  }

 private:
  const double per_second_;
  absl::Mutex mutex_;
  double room_ ABSL_GUARDED_BY(mutex_);
  absl::Time since_ ABSL_GUARDED_BY(mutex_);
  uint64_t left_out_ ABSL_GUARDED_BY(mutex_) = 0;
};

}  // namespace dragnet::scheduler
