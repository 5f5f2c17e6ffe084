#include "agent/sandbox/missing_walls.h"

#include <errno.h>
#include <linux/capability.h>
#include <linux/landlock.h>
#include <linux/seccomp.h>
#include <sched.h>
#include <string.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "agent/sandbox/capabilities.h"
#include "agent/sandbox/landlock.h"
#include "agent/sandbox/spawn_child.h"
#include "core/strings.h"

namespace dragnet::sandbox {
namespace {

bool UnshareNetwork() { return ::unshare(CLONE_NEWNET) == 0; }
bool RestrictMounts() { return ::unshare(CLONE_NEWNS) == 0 && RestrictAllMounts() == 0; }

// 0, or the errno of `attempt`, made in a process where it does no harm.
// Between fork and exit: async-signal-safe.
int TryInChild(bool (*attempt)()) {
  pid_t child = ::fork();
  if (child < 0) return errno;
  if (child == 0) ::_exit(attempt() ? 0 : errno);
  int status = 0;
  while (::waitpid(child, &status, 0) < 0 && errno == EINTR) {
  }
  return WIFEXITED(status) ? WEXITSTATUS(status) : EINTR;
}

void FindMissingPrivileges(std::vector<std::string>& missing) {
  CapabilitySets sets;
  if (GetCapabilities(&sets) != 0) sets = {};
  auto holds = [&](int capability) { return (sets.effective & MaskOf(capability)) != 0; };

  if (!holds(CAP_SETUID) || !holds(CAP_SETGID)) {
    missing.push_back(StrCat(
        "no users of their own: link and workers run as the agent's user (uid ", ::geteuid(), ")"));
  }
  if (sets.permitted != 0 && !holds(CAP_SETPCAP)) {
    missing.push_back("capabilities can't be taken out of the bounding set (no CAP_SETPCAP)");
  }
  if (int error = TryInChild(&UnshareNetwork); error != 0) {
    missing.push_back(StrCat("no empty network namespace for workers: ", ::strerrordesc_np(error),
                             " (socket(2) is denied all the same)"));
  }
  if (int error = TryInChild(&RestrictMounts); error != 0) {
    missing.push_back(StrCat("no mounts of their own for workers: ", ::strerrordesc_np(error),
                             " (devices and the agent's state are held by user rights alone)"));
  }
}

// What an older Landlock doesn't hold, and the system call filter does in its
// own way.
std::string LacksOfLandlock(int abi) {
  std::string lacks;
  if (abi < kLandlockAbiTruncate) lacks += " truncation,";
  if (abi < kLandlockAbiTcp) lacks += " TCP,";
  if (abi < kLandlockAbiDevices) lacks += " device control,";
  if (abi < kLandlockAbiScopes) lacks += " signals and abstract sockets,";
  if (!lacks.empty()) lacks.pop_back();
  return lacks;
}

}  // namespace

int LandlockAbi() {
  long abi = ::syscall(SYS_landlock_create_ruleset, nullptr, 0, LANDLOCK_CREATE_RULESET_VERSION);
  return abi > 0 ? static_cast<int>(abi) : 0;
}

bool HasSyscallFilters() {
  uint32_t action = SECCOMP_RET_KILL_PROCESS;
  return ::syscall(SYS_seccomp, SECCOMP_GET_ACTION_AVAIL, 0, &action) == 0;
}

std::vector<std::string> FindMissingWalls() {
  std::vector<std::string> missing;
  FindMissingPrivileges(missing);
  if (LandlockAbi() == 0) {
    missing.push_back("no Landlock in this kernel: files are held by user rights alone");
  }
  if (!HasSyscallFilters()) missing.push_back("no system call filters (seccomp) in this kernel");
  return missing;
}

std::vector<std::string> FindWeakWalls() { return WeakWallsOf(LandlockAbi()); }

std::vector<std::string> WeakWallsOf(int landlock_abi) {
  // None at all is a missing wall.
  if (landlock_abi == 0) return {};
  const std::string lacks = LacksOfLandlock(landlock_abi);
  if (lacks.empty()) return {};
  return {StrCat("Landlock of this kernel (ABI ", landlock_abi, ") doesn't hold", lacks,
                 ": only the system call filter does")};
}

}  // namespace dragnet::sandbox
