// The system call filter (seccomp(2)). Private to the sandbox; programs use
// agent/sandbox/lock_in.h. Holds all threads of the process.
#pragma once

#include "absl/status/status.h"

namespace dragnet::sandbox {

struct SyscallPolicy {
  // kNetworkClient's event loop and writable files.
  bool event_loop_and_files = false;
  // Sockets of the IP families.
  bool sockets = false;
  // process_vm_readv.
  bool inspect_processes = false;
  // Netlink sockets, setns into network namespaces, capset.
  bool inspect_networks = false;
  // Netlink sockets of netfilter, capset.
  bool inspect_firewall = false;
  // ICMP sockets of the IP families.
  bool icmp_sockets = false;
  // openat2's flags are behind a pointer, where no filter sees them: it is
  // allowed only if Landlock stops it from writing. Else ENOSYS, as on kernels
  // before 5.6, so that callers fall back to openat.
  bool openat2 = false;
};

absl::Status RestrictSyscalls(const SyscallPolicy& policy);

}  // namespace dragnet::sandbox
