#include "agent/sandbox/lock_in.h"

#include <errno.h>
#include <sys/prctl.h>
#include <sys/stat.h>

#include <algorithm>

#include "agent/sandbox/landlock.h"
#include "agent/sandbox/missing_walls.h"
#include "agent/sandbox/root_directory.h"
#include "agent/sandbox/seccomp.h"
#include "agent/sandbox/weakening.h"
#include "core/file_io.h"
#include "core/status_macros.h"
#include "core/strings.h"

namespace dragnet::sandbox {
namespace {

absl::Status CheckSingleThreaded() {
  struct stat tasks;
  if (::stat("/proc/self/task", &tasks) != 0) return ErrnoStatus("stat /proc/self/task", errno);
  // A directory's links: itself, its parent, and one for each thread.
  if (tasks.st_nlink == 3) return absl::OkStatus();
  return absl::FailedPreconditionError(
      StrCat("lock in: ", tasks.st_nlink - 2, " threads run, and Landlock would hold only one"));
}

}  // namespace

LockIn& LockIn::AllowReadBeneath(std::string_view path) {
  landlock_.readable.emplace_back(path);
  return *this;
}

LockIn& LockIn::InRoot(std::string_view directory) {
  root_ = directory;
  return *this;
}

LockIn& LockIn::DenyNetwork() {
  networking_ = Networking::kDenied;
  return *this;
}

LockIn& LockIn::AllowSyscalls(SyscallList list) {
  syscalls_ = list;
  return *this;
}

LockIn& LockIn::Allow(const WritingBeneath& weakening) {
  landlock_.writable.push_back(weakening.directory);
  return *this;
}

LockIn& LockIn::Allow(const HostNetwork& weakening) {
  networking_ = Networking::kHost;
  landlock_.connect_ports = weakening.tcp_ports;
  return *this;
}

LockIn& LockIn::Allow(const ProcessInspection&) {
  inspect_processes_ = true;
  return *this;
}

LockIn& LockIn::Allow(const NetworkInspection&) {
  inspect_networks_ = true;
  return *this;
}

LockIn& LockIn::Allow(const FirewallInspection&) {
  inspect_firewall_ = true;
  return *this;
}

LockIn& LockIn::Allow(const IcmpSockets&) {
  icmp_sockets_ = true;
  return *this;
}

LockIn& LockIn::Allow(const MissingWalls&) {
  allow_missing_walls_ = true;
  return *this;
}

absl::Status LockIn::Enter() {
  if (networking_ == Networking::kUnsaid) {
    return absl::FailedPreconditionError("lock in: the policy says nothing on the network");
  }
  if (!syscalls_.has_value()) {
    return absl::FailedPreconditionError("lock in: the policy says nothing on system calls");
  }
  // While there is a /proc to ask.
  DRAGNET_RETURN_IF_ERROR(CheckSingleThreaded());
  if (!root_.empty()) DRAGNET_RETURN_IF_ERROR(Annotate(TakeRootDirectory(root_), "lock in"));

  if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) {
    return ErrnoStatus("lock in: prctl(PR_SET_NO_NEW_PRIVS)", errno);
  }
  // Others of the same user can't attach to this process or read its memory.
  if (::prctl(PR_SET_DUMPABLE, 0, 0, 0, 0) != 0) {
    return ErrnoStatus("lock in: prctl(PR_SET_DUMPABLE)", errno);
  }
  const int abi = inspect_processes_ ? 0 : LandlockAbi();
  landlock_.deny_tcp = networking_ == Networking::kDenied;
  if (abi > 0) {
    DRAGNET_RETURN_IF_ERROR(Annotate(RestrictByLandlock(landlock_, abi), "lock in"));
  } else if (!allow_missing_walls_ && !inspect_processes_) {
    return absl::UnavailableError(StrCat("lock in: this kernel has no Landlock; ",
                                         kAllowMissingWallsFlag, " goes on without"));
  }
  return EnterSyscallFilter(abi);
}

absl::Status LockIn::EnterSyscallFilter(int landlock_abi) {
  if (!HasSyscallFilters()) {
    if (allow_missing_walls_) return absl::OkStatus();
    return absl::UnavailableError(StrCat("lock in: this kernel has no system call filters; ",
                                         kAllowMissingWallsFlag, " goes on without"));
  }
  SyscallPolicy policy;
  policy.event_loop_and_files = syscalls_ == SyscallList::kNetworkClient;
  policy.sockets = networking_ == Networking::kHost;
  policy.inspect_processes = inspect_processes_;
  policy.inspect_networks = inspect_networks_;
  policy.inspect_firewall = inspect_firewall_;
  policy.icmp_sockets = icmp_sockets_ && policy.sockets;
  policy.openat2 = landlock_abi >= kLandlockAbiTruncate;
  return Annotate(RestrictSyscalls(policy), "lock in");
}

}  // namespace dragnet::sandbox
