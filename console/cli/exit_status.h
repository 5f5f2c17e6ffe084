// What `dragnet` leaves behind for scripts. Thread-safe: no state.
#pragma once

#include "absl/status/status.h"
#include "dragnet/v1/investigator.pb.h"

namespace dragnet::console {

enum ExitStatus : int {
  // Done; every agent of the target looked at everything.
  kExitDone = 0,
  kExitCheckFailed = 1,
  kExitBadInput = 2,
  // Something was not looked at, by someone.
  kExitIncomplete = 3,
  kExitRefused = 4,
};

// Of an investigation. Whatever was not looked at is never taken for clean:
// agents that are offline, refuse or end incomplete, and a target that reaches
// no one. `rows_lost`: rows came that could not be read here.
ExitStatus ExitStatusOf(const v1::Progress& progress, bool rows_lost);

// Of a command that failed.
ExitStatus ExitStatusOf(const absl::Status& error);

}  // namespace dragnet::console
