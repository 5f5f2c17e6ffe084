// What counts as a failed agent: Dispatch.stop_when_failed_percent of
// action.proto. Pure functions.
#pragma once

#include <algorithm>

#include "scheduler/dispatch/pair.h"

namespace dragnet::scheduler {

// Something on the host, or of the module there, is not as it should be. Not: a
// limit of rows that was reached, parameters that the module refused, the host's
// privacy mode, an agent that was stopped, or an order.
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

// Whether an operation that ended there failed.
inline bool Failed(const Pair& pair) {
  return std::any_of(pair.operations.begin(), pair.operations.end(), [](const auto& operation) {
    return operation.summary.has_value() && IsFailure(operation.summary->termination());
  });
}

}  // namespace dragnet::scheduler
