// What happens in the child between fork and exec. Private to the sandbox.
//
// Everything here is async-signal-safe: no allocation, no locks, no stdio. All
// that it needs was laid out by the parent before the fork.
#pragma once

#include <sys/types.h>

#include <cstddef>
#include <cstdint>

#include "agent/sandbox/capabilities.h"
#include "agent/sandbox/spawn.h"

namespace dragnet::sandbox {

// The steps that can fail, for the report to the parent.
enum class Step : int32_t {
  kSession,
  kWorkingDirectory,
  kEmptyNetwork,
  kGivenNetwork,
  kMountNamespace,
  kMountPropagation,
  kHideDirectory,
  kMountAttributes,
  kDescriptors,
  kNice,
  kIoPriority,
  kLimit,
  kSecurebits,
  kGroups,
  kGroup,
  kUser,
  kBoundingSet,
  kCapability,
  kCapabilities,
  kAmbient,
  kNoNewPrivileges,
  kParentDeathSignal,
  kParentGone,
  kExecute,
};

// Written to the status pipe, whole or not at all (PIPE_BUF).
struct StepReport {
  Step step;
  // What the step was about: a uid, a capability, a descriptor, a resource.
  int32_t value;
  int32_t error;
  // 0: a wall that is missing, and the child went on.
  int32_t fatal;
};

struct Limit {
  int resource;
  uint64_t value;
};

struct ChildPlan {
  const char* program = nullptr;
  char* const* arguments = nullptr;
  char* const* environment = nullptr;

  pid_t parent = 0;
  // The write end of the status pipe, close-on-exec.
  int status_fd = -1;

  // In rising order of `as`, each `as` once.
  GivenFd* fds = nullptr;
  size_t fd_count = 0;

  Network network = Network::kAsItIs;
  int network_namespace_fd = -1;

  bool private_mounts = false;
  const char* const* hidden_directories = nullptr;
  size_t hidden_directory_count = 0;

  const Limit* limits = nullptr;
  size_t limit_count = 0;
  int nice = 0;
  bool idle_io = false;

  bool change_user = false;
  uid_t uid = 0;
  gid_t gid = 0;
  CapabilityMask capabilities = 0;

  bool allow_missing_walls = false;
};

// Makes all mounts of this mount namespace, which must be its own, read-only,
// and devices and set-user-id bits in them without effect. 0, or -1 with errno.
int RestrictAllMounts();

// Never returns: executes the program, or reports and exits.
[[noreturn]] void RunChild(const ChildPlan& plan);

}  // namespace dragnet::sandbox
