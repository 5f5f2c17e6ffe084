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
// What is over the bounds of an operation that hasn't ended is another matter: an
// honest agent, one whose own limits are larger, may send very many of these, and
// its summary after them. They cost less (no row is written for each), so they
// don't end a session; they are slowed down: 400, and 200 a second. While that is
// used up the session isn't read on, and its agent is held up by HTTP/2.
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

  // One more of those that are over the bounds.
  void NoteOverBounds(absl::Time now);
  // False while there are too many of these: time lets it go on, and nothing else.
  bool MayReadOn(absl::Time now);

 private:
  struct Bucket {
    double max;
    double per_second;
    double records = 0;
    absl::Time since = absl::InfinitePast();

    void Leak(absl::Time now);
  };

  absl::Mutex mutex_;
  Bucket nothing_new_ ABSL_GUARDED_BY(mutex_) = {.max = 200, .per_second = 5};
  Bucket over_bounds_ ABSL_GUARDED_BY(mutex_) = {.max = 400, .per_second = 200};
};

}  // namespace dragnet::scheduler
