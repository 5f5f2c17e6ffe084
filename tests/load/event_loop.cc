#include "tests/load/event_loop.h"

#include <sys/epoll.h>

#include <algorithm>
#include <cstdio>
#include <cstdlib>

#include "core/clock.h"
#include "tests/load/grpc_call.h"

namespace dragnet::load {
namespace {

constexpr int kTimersPerTurn = 128;

}  // namespace

EventLoop::EventLoop() : epoll_(::epoll_create1(EPOLL_CLOEXEC)), now_(SteadyNow()) {
  if (epoll_.get() < 0) {
    std::perror("epoll_create1");
    std::abort();
  }
}

absl::Time EventLoop::Now() { return now_ = SteadyNow(); }

void EventLoop::Arm(Timed& timed, absl::Time when) {
  // Never again in the same turn, however late it is.
  when = std::max(when, now_ + absl::Milliseconds(1));
  if (when >= timed.due_) return;
  timed.due_ = when;
  timers_.push({when, &timed});
}

void EventLoop::Turn(absl::Duration longest) {
  if (!queued_.empty()) longest = absl::ZeroDuration();
  if (!timers_.empty()) longest = std::min(longest, timers_.top().when - SteadyNow());
  const int64_t milliseconds = absl::ToInt64Milliseconds(absl::Ceil(
      std::clamp(longest, absl::ZeroDuration(), absl::Seconds(60)), absl::Milliseconds(1)));
  epoll_event events[512];
  const int count = ::epoll_wait(epoll_.get(), events, 512, static_cast<int>(milliseconds));
  now_ = SteadyNow();
  for (int i = 0; i < count; ++i) {
    // A call's owner hears of its end, and may destroy it, in AdvanceQueued only.
    static_cast<GrpcCall*>(events[i].data.ptr)->OnEvents(events[i].events);
  }
  RunDue();
  AdvanceQueued();
}

void EventLoop::RunDue() {
  // A storm of connections leaves room for what the first of them have to say.
  for (int i = 0; i < kTimersPerTurn && !timers_.empty() && timers_.top().when <= now_; ++i) {
    const Entry entry = timers_.top();
    timers_.pop();
    if (entry.when != entry.timed->due_) continue;  // replaced since
    entry.timed->due_ = absl::InfiniteFuture();
    entry.timed->OnDue();
  }
}

void EventLoop::AdvanceQueued() {
  if (queued_.empty()) return;
  if (before_writes_) before_writes_();
  advancing_.swap(queued_);
  for (size_t i = 0; i < advancing_.size(); ++i) {
    if (advancing_[i] == nullptr) continue;  // removed by one before it
    GrpcCall& call = *advancing_[i];
    advancing_[i] = nullptr;
    call.Advance();
  }
  advancing_.clear();
}

void EventLoop::Add(GrpcCall& call, int fd, uint32_t events) {
  epoll_event event{};
  event.events = events;
  event.data.ptr = &call;
  ::epoll_ctl(epoll_.get(), EPOLL_CTL_ADD, fd, &event);
}

void EventLoop::Change(GrpcCall& call, int fd, uint32_t events) {
  epoll_event event{};
  event.events = events;
  event.data.ptr = &call;
  ::epoll_ctl(epoll_.get(), EPOLL_CTL_MOD, fd, &event);
}

void EventLoop::Drop(int fd) { ::epoll_ctl(epoll_.get(), EPOLL_CTL_DEL, fd, nullptr); }

void EventLoop::Queue(GrpcCall& call) { queued_.push_back(&call); }

void EventLoop::Remove(GrpcCall& call) {
  // Closing the descriptor takes it out of epoll.
  std::erase(queued_, &call);
  std::replace(advancing_.begin(), advancing_.end(), &call, static_cast<GrpcCall*>(nullptr));
}

}  // namespace dragnet::load
