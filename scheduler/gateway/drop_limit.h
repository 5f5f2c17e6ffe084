// How many records an agent may send that bring nothing new: those that are
// dropped, that refuse, or that are there already. Each costs the scheduler a
// transaction and gives the agent its place in the window back at once, so that
// the window alone doesn't slow it down.
//
// A leaky bucket: 200, and 5 a second. An agent that was cut off sends what wasn't
// acknowledged again, its window of 32 at most. Whoever is ended here after
// 200 has had all but a window's acknowledgements before, so even thousands of
// records that are of no use any more (after retention, or with a store of a
// backup) are gone after some sessions.
//
// Thread-safe.
#pragma once

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"

namespace dragnet::scheduler {

class DropLimit {
 public:
  // One more. `now` is on SteadyNow's scale.
  void Note(absl::Time now);
  // ResourceExhausted while there are too many: the next record is too much.
  absl::Status Check(absl::Time now);

 private:
  void LeakLocked(absl::Time now) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  absl::Mutex mutex_;
  double records_ ABSL_GUARDED_BY(mutex_) = 0;
  absl::Time since_ ABSL_GUARDED_BY(mutex_) = absl::InfinitePast();
};

}  // namespace dragnet::scheduler
