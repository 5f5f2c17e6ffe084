// A mutex that one can wait on, for code that ThreadSanitizer checks: Debian's
// Abseil isn't instrumented, so what absl::Mutex guards looks like a race to it.
// std::mutex is seen. Elsewhere use absl::Mutex.
#pragma once

#include <condition_variable>
#include <mutex>

#include "absl/time/time.h"

namespace dragnet {

class WaitableMutex {
 public:
  // Holds the mutex while it lives. Other threads' waits see what was changed
  // when it is released.
  class Lock {
   public:
    explicit Lock(WaitableMutex& mutex) : mutex_(mutex), lock_(mutex.mutex_) {}
    ~Lock() { mutex_.changed_.notify_all(); }
    Lock(const Lock&) = delete;
    Lock& operator=(const Lock&) = delete;

    // Releases the mutex until `condition`, which is asked while it is held.
    template <typename Condition>
    void Await(Condition condition) {
      mutex_.changed_.wait(lock_, condition);
    }
    // The same, but no longer than `patience`; what `condition` is then.
    template <typename Condition>
    bool AwaitFor(absl::Duration patience, Condition condition) {
      return mutex_.changed_.wait_for(lock_, absl::ToChronoNanoseconds(patience), condition);
    }

   private:
    WaitableMutex& mutex_;
    std::unique_lock<std::mutex> lock_;
  };

 private:
  std::mutex mutex_;
  std::condition_variable changed_;
};

}  // namespace dragnet
