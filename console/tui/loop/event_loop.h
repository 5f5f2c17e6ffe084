// The one thread on which everything of the screen happens: it waits for keys,
// for work that other threads post, and for timers. Nothing on it may block.
//
// Post and Quit may be called from any thread; the rest on the loop's thread only.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "core/unique_fd.h"

namespace dragnet::console::tui {

// Who owns a Lifetime is told of something only while it exists.
class Lifetime {
 public:
  std::weak_ptr<void> token() const { return token_; }

 private:
  std::shared_ptr<void> token_ = std::make_shared<char>();
};

class EventLoop {
 public:
  EventLoop();
  ~EventLoop();
  EventLoop(const EventLoop&) = delete;
  EventLoop& operator=(const EventLoop&) = delete;

  // Runs `work` on the loop's thread, in the order of the calls.
  void Post(std::function<void()> work);
  // The same, unless `owner` is gone by then.
  void Post(std::weak_ptr<void> owner, std::function<void()> work);
  // `work` after `delay`, unless `owner` is gone by then.
  void After(absl::Duration delay, std::weak_ptr<void> owner, std::function<void()> work);

  // Something on the screen changed. Drawn at most 20 times a second; what a key
  // changed, at once.
  void RequestRedraw() { redraw_ = true; }
  void Quit();

  struct Hooks {
    // There is something to read on the input descriptor, or a signal came in
    // between (the size of the terminal changed).
    std::function<void()> on_input;
    std::function<void()> on_redraw;
  };
  // Until Quit, SIGTERM or SIGHUP.
  void Run(int input_fd, const Hooks& hooks);
  // Without keys and screen, for tests: until `done`, which is asked after each
  // step. False when `patience` was not enough.
  bool WorkUntil(const std::function<bool()>& done, absl::Duration patience = absl::Seconds(20));

 private:
  std::vector<std::function<void()>> TakePosted();
  void RunTimers();
  void RunPosted();
  int MillisecondsToWait() const;

  UniqueFd wake_;
  absl::Mutex mutex_;
  std::vector<std::function<void()>> posted_ ABSL_GUARDED_BY(mutex_);
  bool quit_ ABSL_GUARDED_BY(mutex_) = false;
  struct Timer {
    std::weak_ptr<void> owner;
    std::function<void()> work;
  };
  std::multimap<absl::Time, Timer> timers_;
  bool redraw_ = true;
  absl::Time drawn_at_ = absl::InfinitePast();
};

}  // namespace dragnet::console::tui
