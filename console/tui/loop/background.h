// Work that may block (calls to the scheduler, files, signing), away from the
// loop's thread. Thread-safe.
#pragma once

#include <atomic>
#include <functional>
#include <memory>
#include <thread>
#include <utility>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "console/tui/loop/event_loop.h"

namespace dragnet::console::tui {

class Background {
 public:
  // `loop` must outlive it.
  explicit Background(EventLoop& loop, int threads = 4);
  // Waits for what runs; what waits is dropped.
  ~Background();
  Background(const Background&) = delete;
  Background& operator=(const Background&) = delete;

  // Runs `work` on a thread, then `then` with its result on the loop's thread,
  // unless `owner` is gone by then. `work` must not refer to what `owner` owns.
  template <class Work, class Then>
  void Run(std::weak_ptr<void> owner, Work work, Then then) {
    Add([this, owner = std::move(owner), work = std::move(work), then = std::move(then)]() mutable {
      using Result = decltype(work());
      auto result = std::make_shared<Result>(work());
      loop_.Post(std::move(owner),
                 [result, then = std::move(then)]() mutable { then(std::move(*result)); });
    });
  }

  // `work` on a thread of its own, that is waited for in the destructor: for
  // streams. It must end soon after `stopping()` is true.
  void RunAlone(std::function<void()> work);
  bool stopping() const;

 private:
  void Add(std::function<void()> work);
  void Serve();

  EventLoop& loop_;
  mutable absl::Mutex mutex_;
  std::vector<std::function<void()>> waiting_ ABSL_GUARDED_BY(mutex_);
  bool stopping_ ABSL_GUARDED_BY(mutex_) = false;
  std::vector<std::thread> threads_ ABSL_GUARDED_BY(mutex_);
  struct Alone {
    std::thread thread;
    std::shared_ptr<std::atomic<bool>> done;
  };
  std::vector<Alone> alone_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace dragnet::console::tui
