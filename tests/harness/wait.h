// Waiting for a condition with a deadline, which is how tests of several
// programs wait for anything: nothing here stands for "long enough".
#pragma once

#include <poll.h>

#include <functional>

#include "absl/time/clock.h"
#include "absl/time/time.h"

namespace dragnet::testing {

// What any step of a test may take on a busy machine before it counts as hung.
inline constexpr absl::Duration kPatience = absl::Seconds(30);

// True as soon as `condition` is; false when it wasn't by the deadline. The
// condition is asked every few milliseconds, and at least once.
inline bool Eventually(const std::function<bool()>& condition,
                       absl::Duration patience = kPatience) {
  const absl::Time deadline = absl::Now() + patience;
  while (true) {
    if (condition()) return true;
    if (absl::Now() >= deadline) return false;
    ::poll(nullptr, 0, 10);
  }
}

}  // namespace dragnet::testing
