#include "agent/sandbox/spawn_child.h"

#include <errno.h>
#include <fcntl.h>
#include <grp.h>
#include <linux/capability.h>
#include <linux/ioprio.h>
#include <linux/securebits.h>
#include <sched.h>
#include <signal.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>

namespace dragnet::sandbox {
namespace {

constexpr int kExitNotStarted = 127;

// Off for good: the privileges that uid 0 has by being 0, the gain and loss of
// capabilities by changing uids, keeping them over such a change.
constexpr unsigned long kSecurebits = SECBIT_NOROOT | SECBIT_NOROOT_LOCKED |
                                      SECBIT_NO_SETUID_FIXUP | SECBIT_NO_SETUID_FIXUP_LOCKED |
                                      SECBIT_KEEP_CAPS_LOCKED;
// And, once the ambient set is as it should be, adding to it.
constexpr unsigned long kAllSecurebits =
    kSecurebits | SECBIT_NO_CAP_AMBIENT_RAISE | SECBIT_NO_CAP_AMBIENT_RAISE_LOCKED;

void Report(const ChildPlan& plan, Step step, int value, int error, bool fatal) {
  StepReport report{step, value, error, fatal ? 1 : 0};
  while (::write(plan.status_fd, &report, sizeof report) < 0 && errno == EINTR) {
  }
}

[[noreturn]] void Fail(const ChildPlan& plan, Step step, int value = 0) {
  Report(plan, step, value, errno, /*fatal=*/true);
  ::_exit(kExitNotStarted);
}

// A wall that takes privileges: fatal, unless the parent allows to go on.
void MissWall(const ChildPlan& plan, Step step, int value = 0) {
  if (!plan.allow_missing_walls) Fail(plan, step, value);
  Report(plan, step, value, errno, /*fatal=*/false);
}

// Where the privilege to put the wall up is held, there is no excuse: a failure
// then is a fault or an attack, not a host that can't do better.
void MissWallUnlessHeld(const ChildPlan& plan, bool privilege_held, Step step, int value = 0) {
  if (privilege_held) Fail(plan, step, value);
  MissWall(plan, step, value);
}

void ResetSignals() {
  struct sigaction action{};
  action.sa_handler = SIG_DFL;
  // SIGKILL, SIGSTOP and glibc's own ones refuse, which is as it should be.
  for (int signal = 1; signal < NSIG; ++signal) ::sigaction(signal, &action, nullptr);
}

void EnterNetwork(const ChildPlan& plan) {
  if (plan.network == Network::kEmpty && ::unshare(CLONE_NEWNET) != 0) {
    MissWall(plan, Step::kEmptyNetwork);
  }
  if (plan.network == Network::kGiven && ::setns(plan.network_namespace_fd, CLONE_NEWNET) != 0) {
    MissWall(plan, Step::kGivenNetwork);
  }
}

// Before the privileges go, and before the descriptors are arranged: those that
// are given stay what they are.
void EnterPrivateMounts(const ChildPlan& plan) {
  if (!plan.private_mounts) return;
  if (::unshare(CLONE_NEWNS) != 0) return MissWall(plan, Step::kMountNamespace);
  // Else what is mounted below would show on the host, too: never go on without.
  if (::mount(nullptr, "/", nullptr, MS_REC | MS_SLAVE, nullptr) != 0) {
    Fail(plan, Step::kMountPropagation);
  }
  for (size_t i = 0; i < plan.hidden_directory_count; ++i) {
    // Mode 0 and one inode, its root: nothing is in it, nor can be put there.
    if (::mount("none", plan.hidden_directories[i], "tmpfs",
                MS_RDONLY | MS_NOSUID | MS_NODEV | MS_NOEXEC, "mode=0,size=4k,nr_inodes=1") != 0) {
      MissWall(plan, Step::kHideDirectory, static_cast<int>(i));
    }
  }
  if (RestrictAllMounts() != 0) MissWall(plan, Step::kMountAttributes);
}

void CloseRange(unsigned first, unsigned last) {
  if (first > last) return;
  if (::syscall(SYS_close_range, first, last, 0) == 0) return;
  // Kernels before 5.9.
  rlimit limit{};
  ::getrlimit(RLIMIT_NOFILE, &limit);
  last = static_cast<unsigned>(std::min<rlim_t>(last, limit.rlim_cur));
  for (unsigned fd = first; fd <= last; ++fd) ::close(static_cast<int>(fd));
}

// Gives the descriptors their numbers, and closes all others but the status
// pipe, which is put right above them.
void ArrangeDescriptors(ChildPlan& plan) {
  int above = plan.fds[plan.fd_count - 1].as + 1;
  // First out of the way of all targets: a source may sit where another one goes.
  for (size_t i = 0; i < plan.fd_count; ++i) {
    int moved = ::fcntl(plan.fds[i].fd, F_DUPFD_CLOEXEC, above);
    if (moved < 0) Fail(plan, Step::kDescriptors, plan.fds[i].fd);
    plan.fds[i].fd = moved;
  }
  int status = ::fcntl(plan.status_fd, F_DUPFD_CLOEXEC, above);
  if (status < 0) Fail(plan, Step::kDescriptors, plan.status_fd);
  plan.status_fd = status;

  int next = 0;
  for (size_t i = 0; i < plan.fd_count; ++i) {
    const GivenFd& given = plan.fds[i];
    if (::dup2(given.fd, given.as) < 0) Fail(plan, Step::kDescriptors, given.as);
    if (given.as > next) {
      CloseRange(static_cast<unsigned>(next), static_cast<unsigned>(given.as - 1));
    }
    next = given.as + 1;
  }
  if (plan.status_fd != above) {
    if (::dup3(plan.status_fd, above, O_CLOEXEC) < 0) Fail(plan, Step::kDescriptors, above);
    plan.status_fd = above;
  }
  CloseRange(static_cast<unsigned>(above + 1), ~0U);
}

void SetPriorities(const ChildPlan& plan) {
  errno = 0;
  if (plan.nice != 0 && ::nice(plan.nice) == -1 && errno != 0) Fail(plan, Step::kNice, plan.nice);
  if (plan.idle_io &&
      ::syscall(SYS_ioprio_set, IOPRIO_WHO_PROCESS, 0, IOPRIO_PRIO_VALUE(IOPRIO_CLASS_IDLE, 0)) !=
          0 &&
      errno != ENOSYS) {
    Fail(plan, Step::kIoPriority);
  }
}

void SetLimits(const ChildPlan& plan) {
  for (size_t i = 0; i < plan.limit_count; ++i) {
    const Limit& limit = plan.limits[i];
    auto resource = static_cast<__rlimit_resource>(limit.resource);
    rlimit value{};
    if (::getrlimit(resource, &value) != 0) Fail(plan, Step::kLimit, limit.resource);
    // A parent that is itself held tighter can't, and needn't, give more.
    value.rlim_max = std::min<rlim_t>(value.rlim_max, limit.value);
    value.rlim_cur = value.rlim_max;
    if (::setrlimit(resource, &value) != 0) Fail(plan, Step::kLimit, limit.resource);
  }
}

void DropGroupsAndUser(const ChildPlan& plan, CapabilityMask held) {
  if (::setgroups(0, nullptr) != 0 && ::getgroups(0, nullptr) != 0) MissWall(plan, Step::kGroups);
  if (!plan.change_user) return;
  if (::setresgid(plan.gid, plan.gid, plan.gid) != 0) {
    MissWallUnlessHeld(plan, held & MaskOf(CAP_SETGID), Step::kGroup, static_cast<int>(plan.gid));
  }
  if (::setresuid(plan.uid, plan.uid, plan.uid) != 0) {
    MissWallUnlessHeld(plan, held & MaskOf(CAP_SETUID), Step::kUser, static_cast<int>(plan.uid));
  }
}

void DropBoundingSet(const ChildPlan& plan, bool may_drop) {
  for (int capability = 0; capability < 64; ++capability) {
    int held = ::prctl(PR_CAPBSET_READ, capability, 0, 0, 0);
    if (held < 0) return;  // past the last one that this kernel knows
    if (held == 0 || (plan.capabilities & MaskOf(capability)) != 0) continue;
    if (::prctl(PR_CAPBSET_DROP, capability, 0, 0, 0) != 0) {
      MissWallUnlessHeld(plan, may_drop, Step::kBoundingSet);
      return;
    }
  }
}

// The capabilities of the plan that this process has to give.
CapabilityMask Grantable(const ChildPlan& plan, CapabilityMask permitted) {
  for (int capability = 0; capability < 64; ++capability) {
    CapabilityMask mask = MaskOf(capability);
    if ((plan.capabilities & mask) == 0 || (permitted & mask) != 0) continue;
    errno = EPERM;
    MissWall(plan, Step::kCapability, capability);
  }
  return plan.capabilities & permitted;
}

void RaiseAmbient(const ChildPlan& plan, CapabilityMask capabilities) {
  if (::prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_CLEAR_ALL, 0, 0, 0) != 0) Fail(plan, Step::kAmbient);
  for (int capability = 0; capability < 64; ++capability) {
    if ((capabilities & MaskOf(capability)) == 0) continue;
    if (::prctl(PR_CAP_AMBIENT, PR_CAP_AMBIENT_RAISE, capability, 0, 0) != 0) {
      Fail(plan, Step::kAmbient, capability);
    }
  }
}

void DropPrivileges(const ChildPlan& plan) {
  CapabilitySets sets;
  if (GetCapabilities(&sets) != 0) Fail(plan, Step::kCapabilities);
  const bool may_lock = (sets.effective & MaskOf(CAP_SETPCAP)) != 0;

  // Before the user changes, so that changing it takes no capability away yet.
  if (may_lock && ::prctl(PR_SET_SECUREBITS, kSecurebits, 0, 0, 0) != 0) {
    Fail(plan, Step::kSecurebits);
  }
  DropGroupsAndUser(plan, sets.effective);
  const CapabilityMask keep = Grantable(plan, sets.permitted);

  // A process that holds nothing needs neither: under no_new_privs there is no
  // way to gain what the bounding set and root's magic would allow.
  if (sets.permitted != 0 && !may_lock) {
    errno = EPERM;
    MissWall(plan, Step::kSecurebits);
  }
  if (sets.permitted != 0) DropBoundingSet(plan, may_lock);

  // SETPCAP stays until the securebits are locked, which takes it.
  const CapabilityMask locking = may_lock ? MaskOf(CAP_SETPCAP) : 0;
  if (SetCapabilities({keep | locking, keep | locking, keep}) != 0) {
    Fail(plan, Step::kCapabilities);
  }
  RaiseAmbient(plan, keep);
  if (may_lock && ::prctl(PR_SET_SECUREBITS, kAllSecurebits, 0, 0, 0) != 0) {
    Fail(plan, Step::kSecurebits);
  }
  if (SetCapabilities({keep, keep, keep}) != 0) Fail(plan, Step::kCapabilities);
}

// After the last change of credentials: each of them clears it.
void DieWithParent(const ChildPlan& plan) {
  if (::prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) != 0) Fail(plan, Step::kParentDeathSignal);
  if (::getppid() != plan.parent) {
    errno = ESRCH;
    Fail(plan, Step::kParentGone);
  }
}

}  // namespace

int RestrictAllMounts() {
  mount_attr attributes{};
  // Not NOEXEC: the program is still to be executed; its own filter denies execve(2).
  attributes.attr_set = MOUNT_ATTR_RDONLY | MOUNT_ATTR_NODEV | MOUNT_ATTR_NOSUID;
  return ::mount_setattr(AT_FDCWD, "/", AT_RECURSIVE, &attributes, sizeof attributes);
}

void RunChild(const ChildPlan& parents_plan) {
  ChildPlan plan = parents_plan;
  ResetSignals();
  if (::setsid() < 0) Fail(plan, Step::kSession);
  ::umask(077);
  if (::chdir("/") != 0) Fail(plan, Step::kWorkingDirectory);
  EnterNetwork(plan);
  EnterPrivateMounts(plan);
  ArrangeDescriptors(plan);
  SetPriorities(plan);
  SetLimits(plan);
  DropPrivileges(plan);
  if (::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0) != 0) Fail(plan, Step::kNoNewPrivileges);
  DieWithParent(plan);
  sigset_t none;
  ::sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
  ::execve(plan.program, plan.arguments, plan.environment);
  Fail(plan, Step::kExecute);
}

}  // namespace dragnet::sandbox
