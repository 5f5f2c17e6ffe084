#include "console/check/agent_program.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <spawn.h>
#include <sys/mman.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <cerrno>
#include <climits>
#include <cstring>

#include "absl/strings/ascii.h"
#include "absl/strings/str_split.h"
#include "core/clock.h"
#include "core/file_io.h"
#include "core/status_macros.h"
#include "core/strings.h"
#include "core/text.h"
#include "core/unique_fd.h"

extern char** environ;

namespace dragnet::console {
namespace {

constexpr std::string_view kProgram = "dragnet-agent";
constexpr size_t kMaxErrorBytes = 16 * 1024;
constexpr size_t kMaxErrorShown = 500;
// Between its being asked to end and its being made to.
constexpr absl::Duration kGrace = absl::Seconds(5);
constexpr int kPollMilliseconds = 100;

bool IsProgram(const std::string& path) {
  struct stat info{};
  return ::stat(path.c_str(), &info) == 0 && S_ISREG(info.st_mode) &&
         ::access(path.c_str(), X_OK) == 0;
}

struct Pipe {
  UniqueFd read;
  UniqueFd write;
};

absl::StatusOr<Pipe> MakePipe() {
  int fds[2];
  if (::pipe2(fds, O_CLOEXEC) != 0) return ErrnoStatus("pipe", errno);
  Pipe pipe{UniqueFd(fds[0]), UniqueFd(fds[1])};
  if (::fcntl(pipe.read.get(), F_SETFL, O_NONBLOCK) != 0) return ErrnoStatus("fcntl", errno);
  return pipe;
}

// A file in memory: there is nobody to wait for, and nobody to break a pipe.
absl::StatusOr<UniqueFd> InputFile(std::string_view input) {
  UniqueFd file(::memfd_create("pack", MFD_CLOEXEC));
  if (!file.valid()) return ErrnoStatus("memfd_create", errno);
  DRAGNET_RETURN_IF_ERROR(WriteAll(file.get(), input));
  if (::lseek(file.get(), 0, SEEK_SET) != 0) return ErrnoStatus("lseek", errno);
  return file;
}

// posix_spawn(3) and what it needs.
absl::StatusOr<pid_t> Spawn(const ProgramRun& run, int input, int output, int error) {
  posix_spawn_file_actions_t actions;
  posix_spawnattr_t attributes;
  ::posix_spawn_file_actions_init(&actions);
  ::posix_spawnattr_init(&attributes);
  ::posix_spawn_file_actions_adddup2(&actions, input, STDIN_FILENO);
  ::posix_spawn_file_actions_adddup2(&actions, output, STDOUT_FILENO);
  ::posix_spawn_file_actions_adddup2(&actions, error, STDERR_FILENO);
  sigset_t none;
  sigset_t defaults;
  ::sigemptyset(&none);
  ::sigemptyset(&defaults);
  for (const int signal : {SIGPIPE, SIGINT, SIGTERM}) ::sigaddset(&defaults, signal);
  ::posix_spawnattr_setsigmask(&attributes, &none);
  ::posix_spawnattr_setsigdefault(&attributes, &defaults);
  // A group of its own, to be ended as one.
  ::posix_spawnattr_setpgroup(&attributes, 0);
  ::posix_spawnattr_setflags(
      &attributes, POSIX_SPAWN_SETSIGMASK | POSIX_SPAWN_SETSIGDEF | POSIX_SPAWN_SETPGROUP);
  std::vector<std::string> words = run.arguments;
  words.insert(words.begin(), run.program);
  std::vector<char*> argv;
  for (std::string& word : words) argv.push_back(word.data());
  argv.push_back(nullptr);
  pid_t pid = -1;
  const int failed =
      ::posix_spawn(&pid, run.program.c_str(), &actions, &attributes, argv.data(), environ);
  ::posix_spawn_file_actions_destroy(&actions);
  ::posix_spawnattr_destroy(&attributes);
  if (failed != 0) return ErrnoStatus(StrCat("run ", run.program), failed);
  return pid;
}

// A child that runs, until it is reaped.
class Child {
 public:
  Child(const ProgramRun& run, pid_t pid, UniqueFd output, UniqueFd error)
      : run_(run),
        pid_(pid),
        // Kernels before 5.3 have none; then its end is seen by the end of its output.
        ended_(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0))),
        output_(std::move(output)),
        error_(std::move(error)),
        deadline_(SteadyNow() + run.timeout) {}

  std::string Watch() {
    while (output_.valid() || error_.valid()) {
      pollfd polled[3] = {
          {output_.get(), POLLIN, 0}, {error_.get(), POLLIN, 0}, {ended_.get(), POLLIN, 0}};
      ::poll(polled, 3, kPollMilliseconds);
      ReadOutput();
      ReadError();
      // Someone that it left behind may hold its output open.
      if ((polled[2].revents & POLLIN) != 0) break;
      EndIfNeeded();
    }
    if (!line_.empty() && !stopped_) run_.on_line(line_);
    return Reap();
  }

 private:
  // All that is there now.
  void ReadOutput() {
    char buffer[65536];
    while (output_.valid()) {
      const ssize_t got = ::read(output_.get(), buffer, sizeof buffer);
      if (got < 0 && errno == EINTR) continue;
      if (got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) return;
      if (got <= 0) {
        output_.Reset();
        if (!line_.empty() && !stopped_) run_.on_line(line_);
        line_.clear();
        return;
      }
      TakeOutput({buffer, static_cast<size_t>(got)});
      if (stopped_) return;
    }
  }

  void TakeOutput(std::string_view text) {
    printed_ += text.size();
    if (printed_ > run_.max_output) return Stop("printed too much");
    while (!text.empty() && !stopped_) {
      const size_t end = text.find('\n');
      line_.append(text.substr(0, end));
      if (line_.size() > run_.max_line) return Stop("printed a line that is too long");
      if (end == std::string_view::npos) return;
      text.remove_prefix(end + 1);
      run_.on_line(line_);
      line_.clear();
    }
  }

  void ReadError() {
    char buffer[4096];
    while (error_.valid()) {
      const ssize_t got = ::read(error_.get(), buffer, sizeof buffer);
      if (got < 0 && errno == EINTR) continue;
      if (got < 0 && (errno == EAGAIN || errno == EWOULDBLOCK)) return;
      if (got <= 0) return error_.Reset();
      const size_t room = kMaxErrorBytes - errors_.size();
      errors_.append(buffer, std::min(room, static_cast<size_t>(got)));
      // One who never stops must not hold up the watch over time.
      if (errors_.size() == kMaxErrorBytes) return;
    }
  }

  void EndIfNeeded() {
    if (!stopped_ && run_.interrupted()) Stop("interrupted");
    if (!stopped_ && SteadyNow() > deadline_) {
      Stop(StrCat("took longer than ", absl::FormatDuration(run_.timeout)));
    }
    if (stopped_ && !killed_ && SteadyNow() > kill_after_) {
      ::kill(-pid_, SIGKILL);
      killed_ = true;
    }
  }

  void Stop(std::string_view why) {
    stopped_ = true;
    why_ = why;
    output_.Reset();
    ::kill(-pid_, SIGTERM);
    kill_after_ = SteadyNow() + kGrace;
  }

  std::string Reap() {
    int status = 0;
    // It may have closed its output and live on.
    if (!stopped_) kill_after_ = SteadyNow() + kGrace;
    while (::waitpid(pid_, &status, ended_.valid() ? WNOHANG : 0) == 0) {
      pollfd polled = {ended_.get(), POLLIN, 0};
      ::poll(&polled, 1, kPollMilliseconds);
      if (!killed_ && SteadyNow() > kill_after_) {
        ::kill(-pid_, SIGKILL);
        killed_ = true;
      }
    }
    if (!why_.empty()) return why_;
    const std::string said = FirstError();
    if (WIFSIGNALED(status)) {
      return StrCat("was killed by signal ", WTERMSIG(status), " (", ::strsignal(WTERMSIG(status)),
                    ")", said);
    }
    const int code = WEXITSTATUS(status);
    // As `dragnet check` itself: done, a check failed, something is unknown.
    if (code == 0 || code == 1 || code == 3) return "";
    return StrCat("ended with exit status ", code, said);
  }

  std::string FirstError() const {
    const absl::string_view errors = absl::StripAsciiWhitespace(errors_);
    const std::string_view line = ToStd(errors.substr(0, errors.find('\n')));
    return line.empty() ? "" : StrCat(": ", Shorten(ToValidUtf8(line), kMaxErrorShown));
  }

  const ProgramRun& run_;
  const pid_t pid_;
  const UniqueFd ended_;
  UniqueFd output_;
  UniqueFd error_;
  const absl::Time deadline_;
  std::string line_;
  size_t printed_ = 0;
  std::string errors_;
  bool stopped_ = false;
  bool killed_ = false;
  std::string why_;
  absl::Time kill_after_ = absl::InfiniteFuture();
};

}  // namespace

std::string OwnDirectory() {
  char path[PATH_MAX];
  const ssize_t length = ::readlink("/proc/self/exe", path, sizeof path);
  if (length <= 0 || length >= PATH_MAX) return "";
  const std::string_view whole(path, static_cast<size_t>(length));
  return std::string(whole.substr(0, whole.rfind('/')));
}

absl::StatusOr<std::string> FindAgentProgram(const Environment& environment) {
  if (environment != nullptr) {
    if (const auto given = environment("DRAGNET_AGENT_PROGRAM"); given.has_value()) return *given;
  }
  std::vector<std::string> directories = {OwnDirectory()};
  if (environment != nullptr) {
    const std::string path = environment("PATH").value_or("");
    for (absl::string_view directory : absl::StrSplit(path, ':', absl::SkipEmpty()))
      directories.emplace_back(directory);
  }
  // Not in the PATH of every user.
  directories.insert(directories.end(), {"/usr/sbin", "/usr/local/sbin"});
  for (const std::string& directory : directories) {
    // Whatever directory this happens to be run in is no place for programs.
    if (!directory.starts_with('/')) continue;
    const std::string program = StrCat(directory, "/", kProgram);
    if (IsProgram(program)) return program;
  }
  return absl::NotFoundError(StrCat(kProgram,
                                    ", which runs the checks, is neither beside dragnet (",
                                    directories.front(), ") nor in PATH"));
}

absl::StatusOr<std::string> RunProgram(const ProgramRun& run) {
  DRAGNET_ASSIGN_OR_RETURN(const UniqueFd input, InputFile(run.input));
  DRAGNET_ASSIGN_OR_RETURN(Pipe output, MakePipe());
  DRAGNET_ASSIGN_OR_RETURN(Pipe error, MakePipe());
  DRAGNET_ASSIGN_OR_RETURN(const pid_t pid,
                           Spawn(run, input.get(), output.write.get(), error.write.get()));
  output.write.Reset();
  error.write.Reset();
  return Child(run, pid, std::move(output.read), std::move(error.read)).Watch();
}

}  // namespace dragnet::console
