// A process locks itself in, before it touches anything hostile:
//
//   LockIn()
//       .AllowReadBeneath("/")
//       .DenyNetwork()
//       .AllowSyscalls(SyscallList::kReadAndCompute)
//       .Enter();
//
// What is not allowed is denied: file systems by Landlock, system calls by a
// seccomp allow-list (others fail with EPERM; those that no honest child makes,
// such as execve or ptrace, kill the process). no_new_privs always. There is no
// way back.
//
// What widens a policy beyond reading and computing is a type of its own, in
// agent/sandbox/weakening.h, so that one can grep for who uses it.
//
// Not thread-safe, and only for a process that has one thread yet: Landlock
// holds the calling thread and those that it starts.
#pragma once

#include <optional>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "agent/sandbox/landlock.h"

namespace dragnet::sandbox {

struct WritingBeneath;
struct HostNetwork;
struct ProcessInspection;
struct NetworkInspection;
struct FirewallInspection;
struct IcmpSockets;
struct MissingWalls;

// Allow-lists of system calls (agent/sandbox/syscalls.h).
enum class SyscallList {
  // Read files, map anonymous memory, start threads, write to descriptors that
  // are open. No memory can become executable.
  kReadAndCompute,
  // kReadAndCompute, files of its own, and what an event loop takes. Sockets
  // only together with Allow(HostNetwork).
  kNetworkClient,
};

class LockIn {
 public:
  LockIn() = default;

  // Reading files and listing directories. A path that doesn't exist allows
  // nothing. Executing is never allowed.
  LockIn& AllowReadBeneath(std::string_view path);

  // Takes this directory (an absolute path) as the process's root, before all else;
  // AllowReadBeneath means paths within it. All directories that are open must be
  // closed before. An unpacked image, which may be hostile: nothing of it is executed
  // or mapped as code.
  LockIn& InRoot(std::string_view directory);

  // A policy says DenyNetwork or Allow(HostNetwork): Enter refuses one that
  // says neither.
  LockIn& DenyNetwork();

  LockIn& AllowSyscalls(SyscallList list);

  // The weakenings; see agent/sandbox/weakening.h.
  LockIn& Allow(const WritingBeneath& weakening);
  LockIn& Allow(const HostNetwork& weakening);
  LockIn& Allow(const ProcessInspection& weakening);
  LockIn& Allow(const NetworkInspection& weakening);
  LockIn& Allow(const FirewallInspection& weakening);
  LockIn& Allow(const IcmpSockets& weakening);
  LockIn& Allow(const MissingWalls& weakening);

  // Puts the walls up. After an error some of them may stand: end the process.
  // FailedPrecondition when a second thread runs, or the policy is silent on
  // network or system calls. As TakeRootDirectory for a root that can't be taken.
  // Unavailable when the kernel has no Landlock or no
  // seccomp filters and MissingWalls is not allowed.
  absl::Status Enter();

 private:
  enum class Networking { kUnsaid, kDenied, kHost };

  absl::Status EnterSyscallFilter(int landlock_abi);

  std::string root_;
  LandlockPolicy landlock_;
  Networking networking_ = Networking::kUnsaid;
  std::optional<SyscallList> syscalls_;
  bool inspect_processes_ = false;
  bool inspect_networks_ = false;
  bool inspect_firewall_ = false;
  bool icmp_sockets_ = false;
  bool allow_missing_walls_ = false;
};

}  // namespace dragnet::sandbox
