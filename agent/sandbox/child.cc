#include "agent/sandbox/child.h"

#include <errno.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <utility>

#include "core/file_io.h"
#include "core/status_macros.h"
#include "core/strings.h"

namespace dragnet::sandbox {
namespace {

constexpr size_t kMaxStatusBytes = 64 * 1024;

}  // namespace

std::string ChildExit::ToString() const {
  if (status.has_value()) return StrCat("exit status ", *status);
  if (!signal.has_value()) return "still running";
  const char* name = ::sigabbrev_np(*signal);
  return name != nullptr ? StrCat("killed by SIG", name) : StrCat("killed by signal ", *signal);
}

Child::Child(pid_t pid, UniqueFd pidfd) : pid_(pid), pidfd_(std::move(pidfd)) {}

Child::Child(Child&& other) noexcept
    : pid_(std::exchange(other.pid_, -1)),
      pidfd_(std::move(other.pidfd_)),
      missing_walls_(std::move(other.missing_walls_)) {}

Child& Child::operator=(Child&& other) noexcept {
  if (this != &other) {
    KillAndReap();
    pid_ = std::exchange(other.pid_, -1);
    pidfd_ = std::move(other.pidfd_);
    missing_walls_ = std::move(other.missing_walls_);
  }
  return *this;
}

Child::~Child() { KillAndReap(); }

void Child::KillAndReap() {
  if (!valid()) return;
  Signal(SIGKILL).IgnoreError();
  Reap().IgnoreError();
}

absl::Status Child::Signal(int signal) const {
  if (!valid()) return absl::FailedPreconditionError("signal: the child was reaped already");
  const long result = pidfd_.valid()
                          ? ::syscall(SYS_pidfd_send_signal, pidfd_.get(), signal, nullptr, 0)
                          : ::kill(pid_, signal);
  if (result != 0) {
    return ErrnoStatus(StrCat("send signal ", signal, " to process ", pid_), errno);
  }
  return absl::OkStatus();
}

void Child::Abandon() {
  if (!valid()) return;
  Signal(SIGKILL).IgnoreError();
  pid_ = -1;
  pidfd_.Reset();
}

absl::StatusOr<absl::Duration> Child::CpuTime() const {
  if (!valid()) return absl::FailedPreconditionError("CPU time: the child was reaped already");
  clockid_t clock;
  if (int error = ::clock_getcpuclockid(pid_, &clock); error != 0) {
    return ErrnoStatus(StrCat("CPU clock of process ", pid_), error);
  }
  timespec now;
  if (::clock_gettime(clock, &now) != 0) {
    return ErrnoStatus(StrCat("CPU clock of process ", pid_), errno);
  }
  return absl::DurationFromTimespec(now);
}

absl::StatusOr<uint64_t> Child::ResidentBytes() const {
  if (!valid()) return absl::FailedPreconditionError("memory: the child was reaped already");
  // The pid is the child's until it is reaped.
  DRAGNET_ASSIGN_OR_RETURN(const std::string status,
                           ReadFile(StrCat("/proc/", pid_, "/status"), kMaxStatusBytes));
  // Not VmRSS, where every page counts of the files that it maps to look at them.
  uint64_t kilobytes = 0;
  for (const char* field : {"\nRssAnon:", "\nRssShmem:", "\nVmSwap:"}) {
    const size_t at = status.find(field);
    if (at == std::string::npos) {
      return absl::NotFoundError(StrCat("memory of process ", pid_, ": it has ended"));
    }
    kilobytes += ::strtoull(status.c_str() + at + ::strlen(field), nullptr, 10);
  }
  return kilobytes * 1024;
}

absl::StatusOr<ChildExit> Child::Reap() {
  DRAGNET_ASSIGN_OR_RETURN(std::optional<ChildExit> exit, Wait(0));
  return *exit;
}

absl::StatusOr<std::optional<ChildExit>> Child::TryReap() { return Wait(WNOHANG); }

absl::StatusOr<std::optional<ChildExit>> Child::Wait(int options) {
  if (!valid()) return absl::FailedPreconditionError("wait: the child was reaped already");
  int status = 0;
  rusage usage{};
  pid_t got;
  do {
    got = ::wait4(pid_, &status, options, &usage);
  } while (got < 0 && errno == EINTR);
  if (got < 0) {
    int error = errno;
    // Not ours any more (SIGCHLD ignored, or reaped by someone else): its pid
    // may belong to a stranger by now, so it must not be signalled again.
    if (error == ECHILD) pid_ = -1;
    return ErrnoStatus("wait for a child", error);
  }
  if (got == 0) return std::nullopt;

  ChildExit exit;
  if (WIFSIGNALED(status)) {
    exit.signal = WTERMSIG(status);
  } else {
    exit.status = WEXITSTATUS(status);
  }
  exit.cpu_time =
      absl::DurationFromTimeval(usage.ru_utime) + absl::DurationFromTimeval(usage.ru_stime);
  exit.peak_memory_bytes = static_cast<uint64_t>(usage.ru_maxrss) * 1024;
  pid_ = -1;
  pidfd_.Reset();
  return exit;
}

}  // namespace dragnet::sandbox
