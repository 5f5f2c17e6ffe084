// A child process and the right to end and reap it: RAII for processes.
//
// Not thread-safe; one owner.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "core/unique_fd.h"

namespace dragnet::sandbox {

// How a child ended, from the kernel's accounting (wait4(2)).
struct ChildExit {
  // The exit status; nothing if a signal ended it.
  std::optional<int> status;
  // The signal; nothing if it exited by itself.
  std::optional<int> signal;
  absl::Duration cpu_time;  // user and system, its own reaped children included
  uint64_t peak_memory_bytes = 0;

  bool clean() const { return status == 0; }
  // "exit status 3", "killed by SIGSEGV".
  std::string ToString() const;
};

class Child {
 public:
  Child() = default;
  Child(pid_t pid, UniqueFd pidfd);
  Child(Child&& other) noexcept;
  Child& operator=(Child&& other) noexcept;
  Child(const Child&) = delete;
  Child& operator=(const Child&) = delete;
  // Kills (SIGKILL) and reaps a child that was not reaped yet. Blocks for as long
  // as the child can't end (uninterruptible sleep): Abandon() such a one.
  ~Child();

  // False for a default-constructed, moved-from or reaped child.
  bool valid() const { return pid_ > 0; }
  pid_t pid() const { return pid_; }
  // Readable (poll(2)) when the child has ended. -1 on kernels before 5.3.
  int pidfd() const { return pidfd_.get(); }

  // Walls that could not be put up, one line each; only where
  // SpawnOptions::allow_missing_walls permitted to go on.
  const std::vector<std::string>& missing_walls() const { return missing_walls_; }
  void set_missing_walls(std::vector<std::string> walls) { missing_walls_ = std::move(walls); }

  // SIGKILL, SIGSTOP, SIGCONT, … Never hits another process: an unreaped
  // child's pid isn't given to anyone else.
  absl::Status Signal(int signal) const;

  // User and system time so far; an error when the child has ended.
  absl::StatusOr<absl::Duration> CpuTime() const;

  // What of it is in memory now and its own (not of a file), and what of such is
  // swapped out; an error when the child has ended.
  absl::StatusOr<uint64_t> ResidentBytes() const;

  // Waits for the end, and reaps.
  absl::StatusOr<ChildExit> Reap();
  // Nothing while it runs.
  absl::StatusOr<std::optional<ChildExit>> TryReap();

  // Kills (SIGKILL), and forgets without waiting: for a child that doesn't end
  // although it was killed. Once it does, it stays a zombie until this process
  // ends, so its pid goes to no other one. No effect on what isn't valid().
  void Abandon();

 private:
  absl::StatusOr<std::optional<ChildExit>> Wait(int options);
  void KillAndReap();

  pid_t pid_ = -1;
  UniqueFd pidfd_;
  std::vector<std::string> missing_walls_;
};

}  // namespace dragnet::sandbox
