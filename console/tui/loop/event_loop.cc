#include "console/tui/loop/event_loop.h"

#include <poll.h>
#include <signal.h>
#include <sys/eventfd.h>
#include <unistd.h>

#include <algorithm>
#include <atomic>
#include <utility>

#include "core/clock.h"

namespace dragnet::console::tui {
namespace {

constexpr absl::Duration kFrame = absl::Milliseconds(50);

// Signal handlers have no object: these belong to the loop that runs.
std::atomic<bool> ended{false};
std::atomic<int> ended_fd{-1};

void OnSignal(int) {
  ended.store(true);
  const uint64_t one = 1;
  [[maybe_unused]] const ssize_t ignored = ::write(ended_fd.load(), &one, sizeof one);
}

// SIGTERM and SIGHUP end the loop in an orderly way, so that the terminal is
// given back as it was.
class EndingSignals {
 public:
  explicit EndingSignals(int wake_fd) {
    ended.store(false);
    ended_fd.store(wake_fd);
    struct sigaction action{};
    action.sa_handler = OnSignal;
    ::sigemptyset(&action.sa_mask);
    ::sigaction(SIGTERM, &action, &previous_term_);
    ::sigaction(SIGHUP, &action, &previous_hup_);
  }
  ~EndingSignals() {
    ::sigaction(SIGTERM, &previous_term_, nullptr);
    ::sigaction(SIGHUP, &previous_hup_, nullptr);
    ended_fd.store(-1);
  }
  EndingSignals(const EndingSignals&) = delete;
  EndingSignals& operator=(const EndingSignals&) = delete;

 private:
  struct sigaction previous_term_{};
  struct sigaction previous_hup_{};
};

}  // namespace

EventLoop::EventLoop() : wake_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {}
EventLoop::~EventLoop() = default;

void EventLoop::Post(std::function<void()> work) {
  {
    absl::MutexLock lock(&mutex_);
    posted_.push_back(std::move(work));
  }
  const uint64_t one = 1;
  [[maybe_unused]] const ssize_t ignored = ::write(wake_.get(), &one, sizeof one);
}

void EventLoop::Post(std::weak_ptr<void> owner, std::function<void()> work) {
  Post([owner = std::move(owner), work = std::move(work)] {
    if (!owner.expired()) work();
  });
}

void EventLoop::After(absl::Duration delay, std::weak_ptr<void> owner, std::function<void()> work) {
  timers_.emplace(SteadyNow() + delay, Timer{std::move(owner), std::move(work)});
}

void EventLoop::Quit() {
  {
    absl::MutexLock lock(&mutex_);
    quit_ = true;
  }
  Post([] {});
}

std::vector<std::function<void()>> EventLoop::TakePosted() {
  absl::MutexLock lock(&mutex_);
  return std::exchange(posted_, {});
}

void EventLoop::RunPosted() {
  uint64_t count;
  [[maybe_unused]] const ssize_t ignored = ::read(wake_.get(), &count, sizeof count);
  for (const auto& work : TakePosted()) work();
}

void EventLoop::RunTimers() {
  const absl::Time now = SteadyNow();
  while (!timers_.empty() && timers_.begin()->first <= now) {
    const Timer timer = std::move(timers_.begin()->second);
    timers_.erase(timers_.begin());
    if (!timer.owner.expired()) timer.work();
  }
}

int EventLoop::MillisecondsToWait() const {
  absl::Time until = absl::InfiniteFuture();
  if (!timers_.empty()) until = timers_.begin()->first;
  if (redraw_) until = std::min(until, drawn_at_ + kFrame);
  if (until == absl::InfiniteFuture()) return -1;
  const absl::Duration wait = std::max(until - SteadyNow(), absl::ZeroDuration());
  return static_cast<int>(absl::ToInt64Milliseconds(absl::Ceil(wait, absl::Milliseconds(1))));
}

void EventLoop::Run(int input_fd, const Hooks& hooks) {
  const EndingSignals signals(wake_.get());
  while (true) {
    {
      absl::MutexLock lock(&mutex_);
      if (quit_) return;
    }
    if (ended.load()) return;
    if (redraw_ && SteadyNow() >= drawn_at_ + kFrame) {
      redraw_ = false;
      hooks.on_redraw();
      drawn_at_ = SteadyNow();
    }
    pollfd descriptors[] = {{input_fd, POLLIN, 0}, {wake_.get(), POLLIN, 0}};
    const int ready = ::poll(descriptors, 2, MillisecondsToWait());
    // The other end of the terminal is gone.
    if (ready > 0 && (descriptors[0].revents & (POLLHUP | POLLERR | POLLNVAL)) != 0) return;
    if (ready < 0 || (descriptors[0].revents & POLLIN) != 0) {
      hooks.on_input();
      redraw_ = true;
      drawn_at_ = absl::InfinitePast();
    }
    if (ready > 0 && (descriptors[1].revents & POLLIN) != 0) RunPosted();
    RunTimers();
  }
}

bool EventLoop::WorkUntil(const std::function<bool()>& done, absl::Duration patience) {
  const absl::Time end = SteadyNow() + patience;
  while (!done()) {
    if (SteadyNow() >= end) return false;
    pollfd descriptor{wake_.get(), POLLIN, 0};
    const int most = static_cast<int>(absl::ToInt64Milliseconds(end - SteadyNow())) + 1;
    const int wait = timers_.empty() ? most : std::min(most, MillisecondsToWait());
    if (::poll(&descriptor, 1, std::max(wait, 0)) > 0) RunPosted();
    RunTimers();
  }
  return true;
}

}  // namespace dragnet::console::tui
