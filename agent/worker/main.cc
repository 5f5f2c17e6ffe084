// dragnet-worker: runs one operation of one module, locked in, and ends.
// Started by dragnet-agent; one Job on standard input, frames on standard output.
#include <malloc.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include <exception>
#include <iostream>
#include <new>
#include <system_error>

#include "agent/ipc/frame.h"
#include "agent/sandbox/missing_walls.h"
#include "agent/worker/exit_status.h"
#include "agent/worker/job.h"
#include "core/strings.h"
#include "google/protobuf/stubs/logging.h"

namespace dragnet {
namespace {

constexpr int kBadUsage = 2;

// Each further malloc arena reserves 64 MiB of the address space that
// RLIMIT_AS counts, whether it is used or not.
constexpr int kMaxArenas = 2;

[[noreturn]] void EndOutOfMemory() { ::_exit(kWorkerOutOfMemory); }

// What the libraries throw, when they run out of memory or can't start a thread
// where nobody catches it, is the same end; anything else is a crash.
[[noreturn]] void EndUncaught() {
  try {
    if (std::current_exception() != nullptr) throw;
  } catch (const std::bad_alloc&) {
    EndOutOfMemory();
  } catch (const std::system_error&) {
    EndOutOfMemory();
  } catch (...) {
  }
  ::abort();
}

// Before the static initialisers of the libraries, which allocate as well.
[[gnu::constructor(101)]] void PrepareForShortage() {
  std::set_new_handler(&EndOutOfMemory);
  std::set_terminate(&EndUncaught);
}

void PrepareProcess() {
  // Again, should the monitor not have done it. If it is gone already, standard
  // input is at its end.
  ::prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0);
  ::signal(SIGPIPE, SIG_IGN);
  ::mallopt(M_ARENA_MAX, kMaxArenas);
  // It would put hostile bytes on standard error, a line for each field.
  google::protobuf::SetLogHandler(nullptr);
}

int Complain(const absl::Status& status) {
  std::cerr << "dragnet: worker: " << ToStd(status.message()) << std::endl;
  return kWorkerProtocol;
}

int Work(bool allow_missing_walls) {
  PrepareProcess();
  ipc::Job job;
  if (absl::Status status = ReadFrame(STDIN_FILENO, &job); !status.ok()) return Complain(status);
  ::close(STDIN_FILENO);
  absl::Status status = RunJob(job, STDOUT_FILENO, allow_missing_walls);
  return status.ok() ? kWorkerDone : Complain(status);
}

}  // namespace
}  // namespace dragnet

int main(int argc, char** argv) {
  bool allow_missing_walls = false;
  for (int i = 1; i < argc; ++i) {
    if (::strcmp(argv[i], dragnet::sandbox::kAllowMissingWallsFlag) != 0) {
      std::cerr << "dragnet: worker: " << argv[i]
                << ": unknown argument; this program is started by dragnet-agent" << std::endl;
      return dragnet::kBadUsage;
    }
    allow_missing_walls = true;
  }
  int status = dragnet::Work(allow_missing_walls);
  // No destructors of statics: nothing is left to be saved, and it takes time.
  ::_exit(status);
}
