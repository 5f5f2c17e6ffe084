// Programs that a test starts, as it would on a terminal. Each one is killed
// and waited for when its owner goes, whichever way the test ends; and should
// the test program itself be killed, the kernel kills them.
//
// Not thread-safe: start processes from the main thread only (the kernel ends
// them with the thread that started them).
#pragma once

#include <sys/types.h>

#include <functional>
#include <optional>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "core/unique_fd.h"
#include "tests/harness/wait.h"

namespace dragnet::testing {

// How a process ended.
struct Ended {
  int exit_status = -1;  // -1 if a signal ended it
  int signal = 0;
};

struct Command {
  // A program of this build by its name ("dragnet"), or an absolute path.
  std::vector<std::string> arguments;
  // NAME=value, over those of the test program.
  std::vector<std::string> environment;
  std::string input;  // standard input
  // In the child before it becomes the program; must be async-signal-safe.
  std::function<void()> before_exec;
  // Standard output goes here instead of to the output's own file.
  std::string output_to;
};

class Process {
 public:
  // Output and errors go to the file `log`, which it appends to.
  Process(const Command& command, std::string log);
  ~Process();
  Process(const Process&) = delete;
  Process& operator=(const Process&) = delete;

  pid_t pid() const { return pid_; }
  void Signal(int signal) const;
  // SIGKILL, and waits.
  void Kill();
  // SIGTERM, and waits; SIGKILL for one that doesn't end.
  Ended Stop();
  bool running();
  // Nothing when it still runs at the deadline.
  std::optional<Ended> WaitForEnd(absl::Duration patience = kPatience);

  // What it has written since this process was started.
  std::string Output() const;
  bool WaitForOutput(const std::string& text, absl::Duration patience = kPatience);
  const std::string& log() const { return log_; }

 private:
  bool Reap(int wait_flags);

  pid_t pid_ = -1;
  UniqueFd pidfd_;
  std::string log_;
  size_t log_begin_ = 0;
  std::optional<Ended> ended_;
};

// One that was run to its end.
struct Finished {
  Ended ended;
  std::string out;
  std::string err;
  int status() const { return ended.exit_status; }
};
Finished RunToEnd(const Command& command, absl::Duration patience = absl::Seconds(60));
Finished RunToEnd(const std::vector<std::string>& arguments);

// Path of a program of this build.
std::string ProgramPath(const std::string& name);
// Path of a program that is built for tests.
std::string TestProgramPath(const std::string& name);

// Children of a process, by /proc.
std::vector<pid_t> ChildrenOf(pid_t pid);
// /proc/PID/comm.
std::string NameOf(pid_t pid);
// A field of /proc/PID/status, e.g. "CapEff"; empty if the process is gone.
std::string StatusField(pid_t pid, const std::string& field);
bool Exists(pid_t pid);

}  // namespace dragnet::testing
