// Waiting for a socket with a deadline of the monotonic clock. Thread-safe.
#pragma once

#include "absl/time/time.h"

namespace dragnet::ping {

// CLOCK_MONOTONIC since its beginning: unlike absl::Now it doesn't jump.
absl::Duration MonotonicNow();

// poll(2) for `events` until `deadline` (of MonotonicNow). 1: ready, or the
// socket has an error; 0: the time is over; -1: see errno.
int WaitFor(int fd, short events, absl::Duration deadline);

// Does nothing for so long.
void Pause(absl::Duration duration);

}  // namespace dragnet::ping
