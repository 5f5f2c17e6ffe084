// A thread that does one thing again and again: every so often, and when it is woken.
// Thread-safe.
#pragma once

#include <functional>
#include <thread>
#include <utility>

#include "absl/time/time.h"
#include "core/mutex.h"

namespace dragnet::scheduler {

class Periodic {
 public:
  // `turn` may block. It isn't called before Start, nor after Stop has returned.
  Periodic(absl::Duration every, std::function<void()> turn)
      : every_(every), turn_(std::move(turn)) {}
  ~Periodic() { Stop(); }

  void Start() {
    thread_ = std::thread([this] { Loop(); });
  }
  void Stop() {
    {
      const WaitableMutex::Lock lock(mutex_);
      stopping_ = true;
    }
    if (thread_.joinable()) thread_.join();
  }
  // Its next turn begins at once, or after the one that has begun.
  void Wake() {
    const WaitableMutex::Lock lock(mutex_);
    woken_ = true;
  }

 private:
  void Loop() {
    while (true) {
      turn_();
      WaitableMutex::Lock lock(mutex_);
      lock.AwaitFor(every_, [this] { return stopping_ || woken_; });
      if (stopping_) return;
      woken_ = false;
    }
  }

  const absl::Duration every_;
  const std::function<void()> turn_;
  WaitableMutex mutex_;
  // Guarded by mutex_.
  bool stopping_ = false;
  bool woken_ = false;
  std::thread thread_;
};

}  // namespace dragnet::scheduler
