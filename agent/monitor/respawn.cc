#include "agent/monitor/respawn.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include <algorithm>
#include <optional>
#include <utility>

#include "agent/footprint/footprint.h"
#include "core/clock.h"

namespace dragnet {
namespace {

constexpr int kExitBadConfiguration = 2;
constexpr int kExitRetired = 5;
constexpr int kExitCantStart = 127;

bool IsFinal(int wait_status) {
  if (!WIFEXITED(wait_status)) return false;
  const int status = WEXITSTATUS(wait_status);
  return status == 0 || status == kExitBadConfiguration || status == kExitRetired;
}

int ExitStatusFrom(int wait_status) {
  return WIFSIGNALED(wait_status) ? 128 + WTERMSIG(wait_status) : WEXITSTATUS(wait_status);
}

class Respawner {
 public:
  explicit Respawner(RespawnOptions options) : options_(std::move(options)) {
    ::sigemptyset(&awaited_);
    for (const int signal : {SIGTERM, SIGINT, SIGCHLD}) ::sigaddset(&awaited_, signal);
    ::sigprocmask(SIG_BLOCK, &awaited_, &former_);
    // Ignored by a parent, it would take our children's ends away.
    ::signal(SIGCHLD, SIG_DFL);
    for (std::string& argument : options_.arguments) argv_.push_back(argument.data());
    argv_.push_back(nullptr);
  }
  ~Respawner() { ::sigprocmask(SIG_SETMASK, &former_, nullptr); }

  int Run() {
    absl::Duration wait;
    while (true) {
      const absl::Time started = SteadyNow();
      if (!Start()) {
        ::dprintf(STDERR_FILENO, "dragnet-agent: fork: %s\n", ::strerror(errno));
      }
      // Nothing but waiting from here on.
      ReleaseUnusedMemory();
      while (child_ > 0) PassOn(NextSignal(absl::InfiniteFuture()));
      if (end_.has_value() && (stopping_ || IsFinal(*end_))) return ExitStatusFrom(*end_);
      wait = RespawnWait(options_, wait, SteadyNow() - started);
      SayEnd(wait);
      const absl::Time again = SteadyNow() + wait;
      while (!stopping_ && SteadyNow() < again) PassOn(NextSignal(again));
      if (stopping_) return 0;
    }
  }

 private:
  bool Start() {
    end_.reset();
    const pid_t parent = ::getpid();
    const pid_t child = ::fork();
    if (child < 0) return false;
    if (child == 0) {
      ::prctl(PR_SET_PDEATHSIG, SIGTERM);
      if (::getppid() != parent) ::_exit(kExitCantStart);
      ::sigprocmask(SIG_SETMASK, &former_, nullptr);
      ::execv(options_.program.c_str(), argv_.data());
      ::dprintf(STDERR_FILENO, "dragnet-agent: execute %s: %s\n", options_.program.c_str(),
                ::strerror(errno));
      ::_exit(kExitCantStart);
    }
    child_ = child;
    return true;
  }

  // 0 when none came until `until`.
  int NextSignal(absl::Time until) {
    if (until == absl::InfiniteFuture()) {
      const int signal = ::sigwaitinfo(&awaited_, nullptr);
      return std::max(signal, 0);
    }
    const timespec timeout = absl::ToTimespec(std::max(until - SteadyNow(), absl::ZeroDuration()));
    const int signal = ::sigtimedwait(&awaited_, nullptr, &timeout);
    return std::max(signal, 0);
  }

  void PassOn(int signal) {
    if (signal == SIGCHLD) return Reap();
    if (signal != SIGTERM && signal != SIGINT) return;
    stopping_ = true;
    // Not reaped yet, so its pid is no one else's.
    if (child_ > 0) ::kill(child_, signal);
  }

  void Reap() {
    int status;
    pid_t pid;
    while ((pid = ::waitpid(-1, &status, WNOHANG)) > 0) {
      if (pid != child_) continue;
      child_ = -1;
      end_ = status;
    }
  }

  void SayEnd(absl::Duration wait) const {
    const double seconds = absl::ToDoubleSeconds(wait);
    if (!end_.has_value()) return;
    if (WIFSIGNALED(*end_)) {
      ::dprintf(STDERR_FILENO, "dragnet-agent: killed by signal %d; starts again in %g s\n",
                WTERMSIG(*end_), seconds);
    } else {
      ::dprintf(STDERR_FILENO, "dragnet-agent: ended with status %d; starts again in %g s\n",
                WEXITSTATUS(*end_), seconds);
    }
  }

  RespawnOptions options_;
  sigset_t awaited_;
  sigset_t former_;
  std::vector<char*> argv_;
  pid_t child_ = -1;
  std::optional<int> end_;
  bool stopping_ = false;
};

}  // namespace

int Respawn(const RespawnOptions& options) { return Respawner(options).Run(); }

absl::Duration RespawnWait(const RespawnOptions& options, absl::Duration last, absl::Duration ran) {
  if (last <= absl::ZeroDuration() || ran >= options.healthy_run) return options.first_wait;
  return std::min(last * 2, options.longest_wait);
}

bool TakeRespawn(int argc, char** argv, std::vector<std::string>* arguments) {
  bool run = false;
  bool respawn = false;
  arguments->clear();
  for (int i = 0; i < argc; ++i) {
    const std::string word = argv[i];
    if (i > 0 && word == "run") run = true;
    if (i > 0 && word == "--respawn") {
      respawn = true;
      continue;
    }
    arguments->push_back(word);
  }
  return run && respawn;
}

}  // namespace dragnet
