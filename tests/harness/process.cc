#include "tests/harness/process.h"

#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include <algorithm>
#include <sstream>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/match.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_split.h"
#include "core/file_io.h"
#include "core/strings.h"
#include "tests/harness/files.h"
#include "tests/harness/need.h"

namespace dragnet::testing {
namespace {

constexpr size_t kMaxOutput = 256 << 20;

// argv and envp, made before fork(2): nothing is allocated in the child.
class Strings {
 public:
  explicit Strings(std::vector<std::string> strings) : strings_(std::move(strings)) {
    for (std::string& text : strings_) pointers_.push_back(text.data());
    pointers_.push_back(nullptr);
  }
  char* const* get() const { return pointers_.data(); }

 private:
  std::vector<std::string> strings_;
  std::vector<char*> pointers_;
};

std::vector<std::string> EnvironmentWith(const std::vector<std::string>& changes) {
  std::vector<std::string> environment;
  for (char** entry = environ; *entry != nullptr; ++entry) {
    const std::string text = *entry;
    const std::string name = text.substr(0, text.find('=') + 1);
    const bool replaced = std::any_of(changes.begin(), changes.end(), [&](const auto& change) {
      return absl::StartsWith(change, name);
    });
    // A developer's own configuration must not leak into tests.
    if (!replaced && !absl::StartsWith(text, "DRAGNET_")) environment.push_back(text);
  }
  environment.insert(environment.end(), changes.begin(), changes.end());
  return environment;
}

UniqueFd OpenForAppending(const std::string& path) {
  UniqueFd fd(::open(path.c_str(), O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0644));
  Need(fd.valid(), "open", path);
  return fd;
}

// A descriptor to read `content` from, without a writer that could block.
UniqueFd Readable(const std::string& content) {
  UniqueFd fd(::memfd_create("input", MFD_CLOEXEC));
  Need(fd.valid(), "memfd_create");
  NeedOk(WriteAll(fd.get(), content), "write input");
  Need(::lseek(fd.get(), 0, SEEK_SET) == 0, "lseek");
  return fd;
}

struct Streams {
  int in;
  int out;
  int err;
};

pid_t Spawn(const Command& command, const Streams& streams) {
  std::vector<std::string> arguments = command.arguments;
  const std::string program =
      absl::StartsWith(arguments[0], "/") ? arguments[0] : ProgramPath(arguments[0]);
  const Strings argv(std::move(arguments));
  const Strings envp(EnvironmentWith(command.environment));
  const pid_t parent = ::getpid();
  const pid_t child = ::fork();
  Need(child >= 0, "fork");
  if (child > 0) return child;
  ::prctl(PR_SET_PDEATHSIG, SIGKILL);
  if (::getppid() != parent) ::_exit(127);
  // Its own session: a test's terminal is not its terminal.
  ::setsid();
  ::dup2(streams.in, 0);
  ::dup2(streams.out, 1);
  ::dup2(streams.err, 2);
  if (command.before_exec) command.before_exec();
  ::execve(program.c_str(), argv.get(), envp.get());
  ::_exit(127);
}

Ended FromWaitStatus(int status) {
  Ended ended;
  if (WIFEXITED(status)) ended.exit_status = WEXITSTATUS(status);
  if (WIFSIGNALED(status)) ended.signal = WTERMSIG(status);
  return ended;
}

std::string ReadProc(pid_t pid, const std::string& name) {
  const absl::StatusOr<std::string> content = ReadFile(StrCat("/proc/", pid, "/", name));
  return content.ok() ? *content : "";
}

}  // namespace

Process::Process(const Command& command, std::string log) : log_(std::move(log)) {
  const UniqueFd output = OpenForAppending(log_);
  struct stat info{};
  Need(::fstat(output.get(), &info) == 0, "fstat", log_);
  log_begin_ = static_cast<size_t>(info.st_size);
  const UniqueFd input = Readable(command.input);
  pid_ = Spawn(command, {input.get(), output.get(), output.get()});
  pidfd_.Reset(static_cast<int>(::syscall(SYS_pidfd_open, pid_, 0)));
  Need(pidfd_.valid(), "pidfd_open");
}

Process::~Process() { Kill(); }

void Process::Signal(int signal) const {
  // By descriptor: the number may be another process's by now.
  ::syscall(SYS_pidfd_send_signal, pidfd_.get(), signal, nullptr, 0);
}

bool Process::Reap(int wait_flags) {
  if (ended_.has_value()) return true;
  int status = 0;
  pid_t waited = 0;
  do {
    waited = ::waitpid(pid_, &status, wait_flags);
  } while (waited < 0 && errno == EINTR);
  if (waited != pid_) return false;
  ended_ = FromWaitStatus(status);
  return true;
}

void Process::Kill() {
  if (ended_.has_value()) return;
  Signal(SIGKILL);
  Reap(0);
}

Ended Process::Stop() {
  Signal(SIGTERM);
  if (!WaitForEnd().has_value()) Kill();
  return *ended_;
}

bool Process::running() { return !Reap(WNOHANG); }

std::optional<Ended> Process::WaitForEnd(absl::Duration patience) {
  const absl::Time deadline = absl::Now() + patience;
  while (!Reap(WNOHANG)) {
    const int64_t left = absl::ToInt64Milliseconds(deadline - absl::Now());
    if (left <= 0) return std::nullopt;
    pollfd item{pidfd_.get(), POLLIN, 0};
    ::poll(&item, 1, static_cast<int>(left));
  }
  return ended_;
}

std::string Process::Output() const {
  const absl::StatusOr<std::string> content = ReadFile(log_, kMaxOutput);
  return content.ok() ? content->substr(std::min(log_begin_, content->size())) : "";
}

bool Process::WaitForOutput(const std::string& text, absl::Duration patience) {
  return Eventually([&] { return Output().find(text) != std::string::npos || !running(); },
                    patience) &&
         Output().find(text) != std::string::npos;
}

Finished RunToEnd(const Command& command, absl::Duration patience) {
  const TemporaryDirectory directory;
  const std::string out_path = directory.path() + "/out";
  const std::string err_path = directory.path() + "/err";
  Finished finished;
  {
    const UniqueFd input = Readable(command.input);
    const UniqueFd out = OpenForAppending(command.output_to.empty() ? out_path : command.output_to);
    const UniqueFd err = OpenForAppending(err_path);
    const pid_t pid = Spawn(command, {input.get(), out.get(), err.get()});
    const UniqueFd pidfd(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)));
    Need(pidfd.valid(), "pidfd_open");
    pollfd item{pidfd.get(), POLLIN, 0};
    const absl::Time deadline = absl::Now() + patience;
    bool ended = false;
    while (!ended && absl::Now() < deadline) {
      ended =
          ::poll(&item, 1, static_cast<int>(absl::ToInt64Milliseconds(deadline - absl::Now()))) > 0;
    }
    // Reported as ended by SIGKILL.
    if (!ended) ::kill(pid, SIGKILL);
    int status = 0;
    Need(::waitpid(pid, &status, 0) == pid, "waitpid");
    finished.ended = FromWaitStatus(status);
  }
  if (command.output_to.empty()) finished.out = Read(out_path);
  finished.err = Read(err_path);
  return finished;
}

Finished RunToEnd(const std::vector<std::string>& arguments) {
  Command command;
  command.arguments = arguments;
  return RunToEnd(command);
}

std::string ProgramPath(const std::string& name) { return StrCat(DRAGNET_PROGRAMS, "/", name); }
std::string TestProgramPath(const std::string& name) {
  return StrCat(DRAGNET_TEST_PROGRAMS, "/", name);
}

std::vector<pid_t> ChildrenOf(pid_t pid) {
  std::vector<pid_t> children;
  for (const std::string& task : Names(StrCat("/proc/", pid, "/task"))) {
    std::istringstream numbers(ReadProc(pid, StrCat("task/", task, "/children")));
    for (pid_t child; numbers >> child;) children.push_back(child);
  }
  return children;
}

std::string NameOf(pid_t pid) {
  std::string name = ReadProc(pid, "comm");
  while (!name.empty() && name.back() == '\n') name.pop_back();
  return name;
}

std::string StatusField(pid_t pid, const std::string& field) {
  const std::vector<std::string> lines = absl::StrSplit(ReadProc(pid, "status"), '\n');
  for (const std::string& line : lines) {
    if (!absl::StartsWith(line, field + ":")) continue;
    return std::string(absl::StripAsciiWhitespace(line.substr(field.size() + 1)));
  }
  return "";
}

bool Exists(pid_t pid) { return ::kill(pid, 0) == 0 || errno == EPERM; }

}  // namespace dragnet::testing
