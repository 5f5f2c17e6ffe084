// `dragnet-agent run --respawn`: for hosts where nothing else starts the agent again
// when it dies (sysvinit, a container).
//
// The parent is this program before it has loaded anything; it does nothing but wait.
// Each start executes the program's file anew: another version that was put in its
// place meanwhile is what runs next.
#pragma once

#include <string>
#include <vector>

#include "absl/time/time.h"

namespace dragnet {

struct RespawnOptions {
  // Absolute path.
  std::string program;
  // argv of each start, argv[0] included.
  std::vector<std::string> arguments;
  // From the first to the longest the wait doubles; after a run of this length it
  // begins anew.
  absl::Duration first_wait = absl::Seconds(1);
  absl::Duration longest_wait = absl::Seconds(60);
  absl::Duration healthy_run = absl::Seconds(60);
};

// Runs the program, and starts it again when it dies. SIGTERM and SIGINT are passed
// on; SIGKILL of this process ends the program, too (SIGTERM). Reaps every orphan
// that it is given, as process 1 has to.
//
// Returns the status to end with: the program's own, when it ended with 0 (stopped), 2
// (bad configuration) or 5 (retired: nothing to start again), or after a signal to end;
// 128 and the signal's number when that killed it.
int Respawn(const RespawnOptions& options);

// How long to wait after a run of `ran`, when the last wait was `last` (zero: none).
absl::Duration RespawnWait(const RespawnOptions& options, absl::Duration last, absl::Duration ran);

// Of a command line: whether it is `run` with --respawn. `arguments` then becomes the
// same without it.
bool TakeRespawn(int argc, char** argv, std::vector<std::string>* arguments);

}  // namespace dragnet
