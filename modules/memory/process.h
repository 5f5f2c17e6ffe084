// What /proc tells of a process. A Process holds its directory open, which is
// bound to that process: when it has ended, reading fails, also if its number
// is another process's by then.
//
// Not thread-safe.
#pragma once

#include <sys/types.h>

#include <cstdint>
#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "core/unique_fd.h"
#include "modules/memory/maps.h"

namespace dragnet::memory {

// The system's words for errno `error`: "Permission denied".
std::string ErrorWords(int error);
// Whether errno `error` says that the process has ended.
bool IsGone(int error);

// Where /proc is; another directory in tests.
inline constexpr char kProc[] = "/proc";

// All processes' numbers in ascending order.
absl::StatusOr<std::vector<pid_t>> ListProcesses();

class Process {
 public:
  static constexpr size_t kMaxCommandLine = 128 * 1024;

  // None if there is no such process (any more).
  static std::optional<Process> Open(pid_t pid);

  pid_t pid() const { return pid_; }
  const std::string& name() const { return name_; }
  pid_t parent() const { return parent_; }
  uid_t uid() const { return uid_; }
  // In clock ticks since the system started.
  uint64_t start_ticks() const { return start_ticks_; }

  // Of these, errno says what is wrong when there is none.
  // The path of the program, as it was; empty for kernel threads and zombies.
  std::optional<std::string> ReadExe() const;
  // Arguments joined by a space.
  std::optional<std::string> ReadCommandLine() const;
  std::optional<Maps> ReadMaps() const;

  // Whether it hasn't ended. What was read of it by its number before is its own.
  bool IsAlive() const;

  // openat(2) for reading, beneath its directory.
  UniqueFd OpenFile(const char* name) const;
  int directory() const { return directory_.get(); }

 private:
  Process(pid_t pid, UniqueFd directory) : pid_(pid), directory_(std::move(directory)) {}
  bool ReadStat();
  bool ReadStatus();

  pid_t pid_;
  UniqueFd directory_;
  std::string name_;
  pid_t parent_ = 0;
  uid_t uid_ = 0;
  uint64_t start_ticks_ = 0;
};

// A program's path as the kernel shows it, taken apart.
struct ExePath {
  std::string path;
  bool deleted = false;
};
ExePath SplitExe(std::string_view link);

// User names by number and back, from the host's /etc/passwd.
class Users {
 public:
  static Users Read(const std::string& path = "/etc/passwd");
  // Empty if it has no name.
  std::string_view NameOf(uid_t uid) const;
  std::optional<uid_t> Find(std::string_view name) const;

 private:
  std::map<uid_t, std::string> names_;
  std::map<std::string, uid_t, std::less<>> uids_;
};

// The moment when the system started, in seconds since 1970; 0 if unknown.
int64_t BootTime();

// Which processes are the searching agent's own (memory.proto says which).
class OwnProcesses {
 public:
  OwnProcesses();
  bool Has(const Process& process) const;

 private:
  pid_t self_;
  pid_t agent_;
  // With a slash at its end; empty if unknown.
  std::string program_directory_;
};

}  // namespace dragnet::memory
