// Times as people at a screen want them, and the clock that keeps them true.
#pragma once

#include <functional>
#include <string>

#include "absl/time/time.h"
#include "console/tui/loop/event_loop.h"

namespace dragnet::console::tui {

// "now", "3 s", "12 min", "2 h", "5 d": one unit, rounded down. Never negative.
std::string ShortDuration(absl::Duration duration);

// Of a time in the past: ShortDuration since then; "never" for InfinitePast.
std::string Age(absl::Time then, absl::Time now);

// "14:03:09" of today, "27 Nov 14:03" of this year, else "2025-11-27": in the
// user's time zone, at most 12 columns.
std::string ShortTime(absl::Time time, absl::Time now);

// Calls `tick` once a second between Start and Stop; then nothing is left that
// wakes the loop. On the loop's thread only.
class Ticker {
 public:
  Ticker(EventLoop& loop, std::function<void()> tick) : loop_(loop), tick_(std::move(tick)) {}

  void Start();
  void Stop() { running_ = nullptr; }

 private:
  void Next();

  EventLoop& loop_;
  const std::function<void()> tick_;
  // Owns the timer: it dies with it.
  std::shared_ptr<void> running_;
};

}  // namespace dragnet::console::tui
