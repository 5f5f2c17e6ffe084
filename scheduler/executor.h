// A few threads that do what may block, so that gRPC's own threads never do.
// Thread-safe.
#pragma once

#include <deque>
#include <functional>
#include <string>
#include <thread>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"

namespace dragnet::scheduler {

class Executor {
 public:
  // At most `max_waiting` tasks wait at a time.
  Executor(int threads, size_t max_waiting);
  ~Executor() { Stop(); }

  // Runs what waits, then ends: what is to be run after that isn't. Not by a task.
  void Stop();
  // False when too many tasks wait already, or it was stopped; nothing is done then.
  [[nodiscard]] bool Run(std::function<void()> task);

 private:
  void Loop();

  const size_t max_waiting_;
  absl::Mutex mutex_;
  std::deque<std::function<void()>> tasks_ ABSL_GUARDED_BY(mutex_);
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  std::vector<std::thread> threads_;
};

}  // namespace dragnet::scheduler
