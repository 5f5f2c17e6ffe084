// One pass over /proc: which process holds which socket, and in which network
// namespaces processes are.
//
// Why by the number of the socket: sockets of all namespaces and families are
// inodes of one file system of the kernel (sockfs), and /proc/PID/fd and
// sock_diag both tell its number. So one table serves every namespace, and no
// address has to be compared. A socket without a process (time-wait) has 0.
#pragma once

#include <bitset>
#include <cstdint>
#include <optional>
#include <span>
#include <string>
#include <vector>

#include "absl/container/flat_hash_set.h"
#include "core/unique_fd.h"
#include "modules/module.h"
#include "modules/netstat/search.h"
#include "modules/netstat/users.h"

namespace dragnet::netstat {

// Text is valid UTF-8, and bounded.
struct Process {
  uint32_t pid = 0;
  std::string name;
  std::string exe;
  std::string cmdline;
  std::optional<uint32_t> uid;
  std::string container;
  // By the index of a search: whether its filters on processes hold.
  std::bitset<kMaxSearches> holds;
};

struct SocketOwner {
  uint32_t inode;
  // Index in ProcessTable::processes.
  uint32_t process;
  bool operator<(const SocketOwner& other) const {
    return inode != other.inode ? inode < other.inode : process < other.process;
  }
  bool operator==(const SocketOwner&) const = default;
};

// A network namespace that was found, and a descriptor to enter it with.
struct FoundNamespace {
  uint64_t inode = 0;
  UniqueFd fd;
  // Where it was found, for reports: "process 12".
  std::string where;
};

class ProcessTable {
 public:
  // By their numbers; those that hold sockets.
  std::vector<Process> processes;
  std::vector<FoundNamespace> namespaces;

  // Those that hold a socket, by their numbers.
  std::span<const SocketOwner> OwnersOf(uint32_t inode) const;

 private:
  friend class ProcessScan;
  std::vector<SocketOwner> owners_;
};

struct ScanOptions {
  // A directory as /proc.
  const char* proc = "/proc";
  bool sockets = true;
  bool namespaces = true;
  // Namespaces that are known.
  absl::flat_hash_set<uint64_t> known_namespaces;
};

// What can't be read is noted in `context`. Thread-safe.
ProcessTable ScanProcesses(const ScanOptions& options, const std::vector<Search>& searches,
                           const UserNames& users, RunContext& context);

// Opens the network namespace that `path` is, and nothing else that may be there
// by now: invalid, with errno set, if it isn't one.
UniqueFd OpenNamespace(int directory, const char* path);

}  // namespace dragnet::netstat
