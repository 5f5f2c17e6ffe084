#include "agent/monitor/upgrade/trial_process.h"

#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "agent/sandbox/spawn.h"
#include "core/clock.h"
#include "core/file_io.h"
#include "core/status_macros.h"
#include "core/strings.h"
#include "core/text.h"

namespace dragnet {
namespace {

constexpr size_t kMaxWords = 600;
constexpr size_t kMaxWordsRead = 64 * 1024;
// On kernels without pidfds its end shows in time all the same.
constexpr absl::Duration kLookInterval = absl::Milliseconds(200);
constexpr const char* kServiceManagers[] = {"NOTIFY_SOCKET=", "WATCHDOG_PID=", "WATCHDOG_USEC=",
                                            "LISTEN_PID=",    "LISTEN_FDS=",   "JOURNAL_STREAM="};

bool IsServiceManagers(const char* variable) {
  for (const char* name : kServiceManagers) {
    if (::strncmp(variable, name, ::strlen(name)) == 0) return true;
  }
  return false;
}

struct Plan {
  const char* program;
  std::vector<char*> arguments;
  std::vector<char*> environment;
  int words_fd;
  int null_fd;
  int host_network_fd;
  rlim_t max_file_bytes;
  pid_t parent;
};

[[noreturn]] void Fail(const char* step) {
  const char* words = ::strerrordesc_np(errno);
  for (const char* part : {step, ": ", words == nullptr ? "error" : words}) {
    if (::write(STDERR_FILENO, part, ::strlen(part)) < 0) break;
  }
  ::_exit(127);
}

// Between fork and exec; async-signal-safe. Only errors go on, and then as words.
[[noreturn]] void RunChild(const Plan& plan) {
  ::dup2(plan.null_fd, STDIN_FILENO);
  ::dup2(plan.words_fd, STDOUT_FILENO);
  ::dup2(plan.words_fd, STDERR_FILENO);
  struct sigaction action{};
  action.sa_handler = SIG_DFL;
  for (int signal = 1; signal < NSIG; ++signal) ::sigaction(signal, &action, nullptr);
  if (::setsid() < 0) Fail("setsid");
  if (plan.host_network_fd >= 0 && ::setns(plan.host_network_fd, CLONE_NEWNET) != 0) Fail("setns");
  if (::syscall(SYS_close_range, STDERR_FILENO + 1, ~0U, 0) != 0) {
    for (int fd = STDERR_FILENO + 1; fd < 1024; ++fd) ::close(fd);
  }
  const rlimit file_size = {plan.max_file_bytes, plan.max_file_bytes};
  if (::setrlimit(RLIMIT_FSIZE, &file_size) != 0) Fail("setrlimit(RLIMIT_FSIZE)");
  // A container may not allow it; then the kernel chooses among all.
  if (const int score = ::open("/proc/self/oom_score_adj", O_WRONLY | O_CLOEXEC); score >= 0) {
    constexpr char kFirst[] = "1000";
    [[maybe_unused]] const ssize_t written = ::write(score, kFirst, sizeof kFirst - 1);
    ::close(score);
  }
  if (::prctl(PR_SET_PDEATHSIG, SIGKILL, 0, 0, 0) != 0) Fail("prctl(PR_SET_PDEATHSIG)");
  if (::getppid() != plan.parent) ::_exit(127);
  sigset_t none;
  ::sigemptyset(&none);
  ::sigprocmask(SIG_SETMASK, &none, nullptr);
  ::execve(plan.program, plan.arguments.data(), plan.environment.data());
  Fail("execve");
}

}  // namespace

absl::StatusOr<std::unique_ptr<Trial>> TrialProcess::Start(const TrialOptions& options) {
  DRAGNET_ASSIGN_OR_RETURN(sandbox::Pipe words, sandbox::NewPipe());
  if (::fcntl(words.read_end.get(), F_SETFL, O_NONBLOCK) != 0) return ErrnoStatus("pipe", errno);
  const UniqueFd null(::open("/dev/null", O_RDONLY | O_CLOEXEC));
  if (!null.valid()) return ErrnoStatus("open /dev/null", errno);

  std::vector<std::string> arguments = options.arguments;
  arguments.insert(arguments.begin(), options.program);
  Plan plan{.program = options.program.c_str(),
            .arguments = {},
            .environment = {},
            .words_fd = words.write_end.get(),
            .null_fd = null.get(),
            .host_network_fd = options.host_network_fd,
            .max_file_bytes = options.max_file_bytes,
            .parent = ::getpid()};
  for (std::string& argument : arguments) plan.arguments.push_back(argument.data());
  plan.arguments.push_back(nullptr);
  for (char** variable = environ; *variable != nullptr; ++variable) {
    if (!IsServiceManagers(*variable)) plan.environment.push_back(*variable);
  }
  plan.environment.push_back(nullptr);

  // The monitor has one thread, and no handlers that the child could run.
  const pid_t pid = ::fork();
  if (pid == 0) RunChild(plan);
  if (pid < 0) return ErrnoStatus("fork", errno);
  UniqueFd pidfd(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)));
  return std::unique_ptr<Trial>(
      new TrialProcess(options, sandbox::Child(pid, std::move(pidfd)), std::move(words.read_end)));
}

TrialProcess::TrialProcess(const TrialOptions& options, sandbox::Child child, UniqueFd words)
    : nonce_(options.nonce),
      time_(options.time),
      end_time_(options.end_time),
      deadline_(SteadyNow() + options.time),
      child_(std::move(child)),
      words_fd_(std::move(words)) {}

// Waits for no child that can't end.
TrialProcess::~TrialProcess() {
  if (!child_.valid()) return;
  child_.Signal(SIGKILL).IgnoreError();
  pollfd end = {child_.pidfd(), POLLIN, 0};
  const absl::Duration wait = child_.pidfd() >= 0 ? end_time_ : absl::ZeroDuration();
  ::poll(&end, 1, static_cast<int>(absl::ToInt64Milliseconds(wait)));
  const absl::StatusOr<std::optional<sandbox::ChildExit>> exited = child_.TryReap();
  if (exited.ok() && !exited->has_value()) child_.Abandon();
}

void TrialProcess::AddPollFds(std::vector<pollfd>* fds) const {
  if (words_fd_.valid()) fds->push_back({words_fd_.get(), POLLIN, 0});
  if (child_.valid() && child_.pidfd() >= 0) fds->push_back({child_.pidfd(), POLLIN, 0});
}

absl::Time TrialProcess::deadline() const {
  if (result_.has_value()) return absl::InfiniteFuture();
  const absl::Time next = give_up_.value_or(deadline_);
  return child_.pidfd() >= 0 ? next : std::min(next, SteadyNow() + kLookInterval);
}

void TrialProcess::ReadWords() {
  char buffer[4096];
  for (size_t read = 0; words_fd_.valid() && read < kMaxWordsRead;) {
    const ssize_t count = ::read(words_fd_.get(), buffer, sizeof buffer);
    if (count < 0 && errno == EINTR) continue;
    if (count < 0 && errno == EAGAIN) return;
    if (count <= 0) return words_fd_.Reset();
    read += static_cast<size_t>(count);
    words_.append(buffer, static_cast<size_t>(count));
    if (words_.size() > kMaxWords) words_.erase(0, words_.size() - kMaxWords);
  }
}

void TrialProcess::Advance() {
  if (result_.has_value()) return;
  ReadWords();
  const absl::Time now = SteadyNow();
  const std::string too_late = StrCat("it did not pass within ", absl::FormatDuration(time_));
  if (!give_up_.has_value() && now >= deadline_) {
    // Its children die with it, as this one would with us.
    child_.Signal(SIGKILL).IgnoreError();
    give_up_ = now + end_time_;
  }
  const absl::StatusOr<std::optional<sandbox::ChildExit>> exited = child_.TryReap();
  if (exited.ok() && !exited->has_value()) {
    if (!give_up_.has_value() || now < *give_up_) return;
    child_.Abandon();
    return End(StrCat(too_late, ", and does not end although it was killed"));
  }
  ReadWords();
  if (give_up_.has_value()) return End(too_late);
  if (!exited.ok()) return End(std::string(exited.status().message()));
  if (!(*exited)->clean()) return End((*exited)->ToString());
  if (nonce_.empty() || LastLine().find(nonce_) == std::string::npos) {
    return End("it ended without saying that it passed");
  }
  result_ = absl::OkStatus();
}

std::string TrialProcess::LastLine() const {
  const size_t end = words_.find_last_not_of('\n');
  const std::string words = words_.substr(0, end == std::string::npos ? 0 : end + 1);
  return words.substr(words.rfind('\n') + 1);
}

void TrialProcess::End(const std::string& how) {
  std::string words = ToValidUtf8(words_);
  while (!words.empty() && words.back() == '\n') words.pop_back();
  for (char& c : words) {
    if (c == '\n') c = ' ';
  }
  result_ = absl::AbortedError(words.empty() ? how : StrCat(how, "; its last words: ", words));
}

}  // namespace dragnet
