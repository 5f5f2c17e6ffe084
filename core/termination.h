// Which ends of an operation are failures: what Dispatch.stop_when_failed_percent
// counts in the scheduler, and what a console lists as failed. Thread-safe: no state.
#pragma once

#include "dragnet/v1/results.pb.h"

namespace dragnet {

// It crashed, went over a limit of time or memory, could not be started, or ended
// with an error of the module or a broken protocol.
inline bool IsFailure(v1::Termination termination) {
  switch (termination) {
    case v1::TERMINATION_CRASHED:
    case v1::TERMINATION_WALL_TIME_LIMIT:
    case v1::TERMINATION_CPU_TIME_LIMIT:
    case v1::TERMINATION_MEMORY_LIMIT:
    case v1::TERMINATION_PROTOCOL_VIOLATION:
    case v1::TERMINATION_NOT_STARTED:
    case v1::TERMINATION_MODULE_ERROR:
      return true;
    default:
      return false;
  }
}

}  // namespace dragnet
