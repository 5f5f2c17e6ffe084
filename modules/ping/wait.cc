#include "modules/ping/wait.h"

#include <errno.h>
#include <poll.h>
#include <time.h>

#include <algorithm>

namespace dragnet::ping {

absl::Duration MonotonicNow() {
  timespec now = {};
  clock_gettime(CLOCK_MONOTONIC, &now);
  return absl::DurationFromTimespec(now);
}

int WaitFor(int fd, short events, absl::Duration deadline) {
  for (;;) {
    const absl::Duration left = std::max(deadline - MonotonicNow(), absl::ZeroDuration());
    const timespec timeout = absl::ToTimespec(left);
    pollfd entry = {fd, events, 0};
    const int ready = ppoll(&entry, 1, &timeout, nullptr);
    if (ready >= 0 || errno != EINTR) return ready;
  }
}

void Pause(absl::Duration duration) { WaitFor(-1, 0, MonotonicNow() + duration); }

}  // namespace dragnet::ping
