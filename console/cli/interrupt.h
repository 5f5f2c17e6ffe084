// Ctrl-C as something that a loop can look at, while an object of this class
// lives. A second Ctrl-C ends the process as usual. One object at a time.
#pragma once

#include <signal.h>

#include "absl/time/time.h"

namespace dragnet::console {

class Interrupt {
 public:
  Interrupt();
  ~Interrupt();
  Interrupt(const Interrupt&) = delete;
  Interrupt& operator=(const Interrupt&) = delete;

  bool raised() const;
  // Until `duration` has passed or Ctrl-C came. True for the latter.
  bool WaitFor(absl::Duration duration) const;

 private:
  struct sigaction previous_int_;
  struct sigaction previous_term_;
};

}  // namespace dragnet::console
