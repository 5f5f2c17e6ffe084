#include "agent/sandbox/spawn.h"

#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <algorithm>
#include <memory>

#include "agent/sandbox/capabilities.h"
#include "agent/sandbox/spawn_child.h"
#include "core/file_io.h"
#include "core/status_macros.h"
#include "core/strings.h"

namespace dragnet::sandbox {
namespace {

// Far above what any child of ours is given; keeps the sums within int.
constexpr int kMaxDescriptor = 1000;

absl::Status CheckOptions(const SpawnOptions& options) {
  if (options.program.empty() || options.program.front() != '/') {
    return absl::InvalidArgumentError("the path must be absolute");
  }
  if (options.nice < 0 || options.nice > 19) {
    return absl::InvalidArgumentError("nice must be 0 to 19");
  }
  for (int capability : options.capabilities) {
    if (capability < 0 || capability > 63) {
      return absl::InvalidArgumentError(StrCat("no such capability: ", capability));
    }
  }
  for (const GivenFd& given : options.fds) {
    if (given.fd < 0 || given.as < 0 || given.as > kMaxDescriptor) {
      return absl::InvalidArgumentError(
          StrCat("descriptor ", given.fd, " can't be given as ", given.as));
    }
  }
  return absl::OkStatus();
}

bool IsBeneath(std::string_view path, std::string_view directory) {
  if (directory == "/") return true;
  return path.starts_with(directory) &&
         (path.size() == directory.size() || path[directory.size()] == '/');
}

// What the child gets, with /dev/null for the standard ones that aren't given.
absl::StatusOr<std::vector<GivenFd>> DescriptorTable(const SpawnOptions& options,
                                                     const UniqueFd& null) {
  std::vector<GivenFd> table = options.fds;
  for (int standard = 0; standard <= 2; ++standard) {
    bool given = std::any_of(table.begin(), table.end(),
                             [&](const GivenFd& entry) { return entry.as == standard; });
    if (!given) table.push_back({null.get(), standard});
  }
  auto by_number = [](const GivenFd& a, const GivenFd& b) { return a.as < b.as; };
  auto same_number = [](const GivenFd& a, const GivenFd& b) { return a.as == b.as; };
  std::sort(table.begin(), table.end(), by_number);
  auto twice = std::adjacent_find(table.begin(), table.end(), same_number);
  if (twice != table.end()) {
    return absl::InvalidArgumentError(StrCat("descriptor ", twice->as, " is given twice"));
  }
  return table;
}

std::string RealPath(const std::string& path) {
  const std::unique_ptr<char, void (*)(void*)> real(::realpath(path.c_str(), nullptr), &::free);
  return real != nullptr ? real.get() : "";
}

// Without symbolic links, which the child would otherwise follow on its own.
absl::StatusOr<std::vector<std::string>> HiddenDirectories(const SpawnOptions& options) {
  if (!options.hidden_directories.empty() && !options.private_mounts) {
    return absl::InvalidArgumentError("hidden directories take private mounts");
  }
  // Empty when there is no such program: execve will say so.
  const std::string program = RealPath(options.program);
  std::vector<std::string> directories;
  for (const std::string& path : options.hidden_directories) {
    std::string directory = RealPath(path);
    if (directory.empty()) return ErrnoStatus(StrCat("hide ", path), errno);
    if (IsBeneath(program, directory)) {
      return absl::InvalidArgumentError(
          StrCat("the program is beneath ", path, ", which is to be hidden from it"));
    }
    directories.push_back(std::move(directory));
  }
  return directories;
}

std::vector<Limit> LimitList(const ResourceLimits& limits) {
  std::vector<Limit> list = {{RLIMIT_CORE, 0}};
  auto add = [&](int resource, const std::optional<uint64_t>& value) {
    if (value.has_value()) list.push_back({resource, *value});
  };
  add(RLIMIT_AS, limits.address_space_bytes);
  add(RLIMIT_CPU, limits.cpu_seconds);
  add(RLIMIT_NOFILE, limits.open_files);
  add(RLIMIT_NPROC, limits.processes);
  add(RLIMIT_FSIZE, limits.file_size_bytes);
  return list;
}

std::vector<const char*> Pointers(const std::vector<std::string>& strings) {
  std::vector<const char*> pointers;
  for (const std::string& string : strings) pointers.push_back(string.c_str());
  return pointers;
}

// As execve(2) wants them; points into `strings`.
std::vector<char*> NullTerminated(std::vector<std::string>& strings) {
  std::vector<char*> pointers;
  for (std::string& string : strings) pointers.push_back(string.data());
  pointers.push_back(nullptr);
  return pointers;
}

std::string Describe(const StepReport& report) {
  const int value = report.value;
  const auto id = static_cast<uint32_t>(report.value);
  switch (report.step) {
    case Step::kSession:
      return "setsid";
    case Step::kWorkingDirectory:
      return "chdir /";
    case Step::kEmptyNetwork:
      return "no network namespace of its own: unshare(CLONE_NEWNET)";
    case Step::kGivenNetwork:
      return "not moved to the given network namespace: setns";
    case Step::kMountNamespace:
      return "no mounts of its own: unshare(CLONE_NEWNS)";
    case Step::kMountPropagation:
      return "keep its mounts to itself: mount(MS_SLAVE)";
    case Step::kHideDirectory:
      return StrCat("hidden directory ", value, " can be seen: mount");
    case Step::kMountAttributes:
      return "devices can be opened: mount_setattr";
    case Step::kDescriptors:
      return StrCat("give descriptor ", value);
    case Step::kNice:
      return StrCat("nice(", value, ")");
    case Step::kIoPriority:
      return "ioprio_set(IOPRIO_CLASS_IDLE)";
    case Step::kLimit:
      return StrCat("setrlimit(", value, ")");
    case Step::kSecurebits:
      return "securebits are not locked: prctl(PR_SET_SECUREBITS)";
    case Step::kGroups:
      return "supplementary groups are kept: setgroups(0)";
    case Step::kGroup:
      return StrCat("keeps the agent's group: setresgid(", id, ")");
    case Step::kUser:
      return StrCat("runs as the agent's user: setresuid(", id, ")");
    case Step::kBoundingSet:
      return "capability bounding set is kept: prctl(PR_CAPBSET_DROP)";
    case Step::kCapability:
      return StrCat("can't be given ", CapabilityName(value));
    case Step::kCapabilities:
      return "capset";
    case Step::kAmbient:
      return StrCat("make ", CapabilityName(value), " ambient");
    case Step::kNoNewPrivileges:
      return "prctl(PR_SET_NO_NEW_PRIVS)";
    case Step::kParentDeathSignal:
      return "prctl(PR_SET_PDEATHSIG)";
    case Step::kParentGone:
      return "parent ended meanwhile";
    case Step::kExecute:
      return "execve";
  }
  return StrCat("step ", static_cast<int>(report.step));
}

// What the child says of its start until it has executed the program: the
// walls it misses, or the step that failed.
absl::StatusOr<std::vector<std::string>> ReadReports(int status_fd) {
  std::vector<std::string> missing;
  for (;;) {
    StepReport report;
    ssize_t got = ::read(status_fd, &report, sizeof report);
    if (got < 0 && errno == EINTR) continue;
    if (got < 0) return ErrnoStatus("read the child's status", errno);
    if (got == 0) return missing;
    if (got != sizeof report) return absl::InternalError("the child's status is malformed");
    if (report.fatal != 0) return ErrnoStatus(Describe(report), report.error);
    missing.push_back(StrCat(Describe(report), ": ", ::strerrordesc_np(report.error)));
  }
}

// Signals wait until the child has shed the parent's handlers.
class BlockedSignals {
 public:
  BlockedSignals() {
    sigset_t all;
    ::sigfillset(&all);
    ::pthread_sigmask(SIG_SETMASK, &all, &before_);
  }
  ~BlockedSignals() { ::pthread_sigmask(SIG_SETMASK, &before_, nullptr); }
  BlockedSignals(const BlockedSignals&) = delete;
  BlockedSignals& operator=(const BlockedSignals&) = delete;

 private:
  sigset_t before_;
};

absl::StatusOr<Child> Start(ChildPlan& plan, Pipe status) {
  plan.parent = ::getpid();
  plan.status_fd = status.write_end.get();
  pid_t pid;
  {
    BlockedSignals blocked;
    pid = ::fork();
    if (pid == 0) RunChild(plan);
  }
  if (pid < 0) return ErrnoStatus("fork", errno);
  status.write_end.Reset();

  UniqueFd pidfd(static_cast<int>(::syscall(SYS_pidfd_open, pid, 0)));
  Child unconfirmed(pid, std::move(pidfd));
  // On an error `unconfirmed` is killed and reaped on the way out.
  DRAGNET_ASSIGN_OR_RETURN(std::vector<std::string> missing, ReadReports(status.read_end.get()));
  unconfirmed.set_missing_walls(std::move(missing));
  return unconfirmed;
}

absl::StatusOr<Child> PlanAndStart(const SpawnOptions& options) {
  DRAGNET_RETURN_IF_ERROR(CheckOptions(options));
  UniqueFd null(::open("/dev/null", O_RDWR | O_CLOEXEC));
  if (!null.valid()) return ErrnoStatus("open /dev/null", errno);
  DRAGNET_ASSIGN_OR_RETURN(std::vector<GivenFd> fds, DescriptorTable(options, null));
  DRAGNET_ASSIGN_OR_RETURN(std::vector<std::string> hidden, HiddenDirectories(options));
  DRAGNET_ASSIGN_OR_RETURN(Pipe status, NewPipe());

  std::vector<std::string> arguments = {options.program};
  arguments.insert(arguments.end(), options.arguments.begin(), options.arguments.end());
  std::vector<std::string> environment = {
      "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", "LANG=C.UTF-8"};
  environment.insert(environment.end(), options.environment.begin(), options.environment.end());
  std::vector<char*> argument_pointers = NullTerminated(arguments);
  std::vector<char*> environment_pointers = NullTerminated(environment);
  std::vector<const char*> hidden_pointers = Pointers(hidden);
  std::vector<Limit> limits = LimitList(options.limits);

  ChildPlan plan;
  plan.program = options.program.c_str();
  plan.arguments = argument_pointers.data();
  plan.environment = environment_pointers.data();
  plan.fds = fds.data();
  plan.fd_count = fds.size();
  plan.network = options.network;
  plan.network_namespace_fd = options.network_namespace_fd;
  plan.private_mounts = options.private_mounts;
  plan.hidden_directories = hidden_pointers.data();
  plan.hidden_directory_count = hidden_pointers.size();
  plan.limits = limits.data();
  plan.limit_count = limits.size();
  plan.nice = options.nice;
  plan.idle_io = options.idle_io;
  plan.change_user = options.user.has_value();
  if (options.user.has_value()) {
    plan.uid = options.user->uid;
    plan.gid = options.user->gid;
  }
  for (int capability : options.capabilities) plan.capabilities |= MaskOf(capability);
  plan.allow_missing_walls = options.allow_missing_walls;
  return Start(plan, std::move(status));
}

}  // namespace

absl::StatusOr<Child> Spawn(const SpawnOptions& options) {
  absl::StatusOr<Child> child = PlanAndStart(options);
  if (!child.ok()) return Annotate(child.status(), StrCat("start ", options.program));
  return child;
}

absl::StatusOr<Pipe> NewPipe() {
  int ends[2];
  if (::pipe2(ends, O_CLOEXEC) != 0) return ErrnoStatus("pipe", errno);
  return Pipe{UniqueFd(ends[0]), UniqueFd(ends[1])};
}

absl::StatusOr<std::pair<UniqueFd, UniqueFd>> NewSocketPair() {
  int ends[2];
  if (::socketpair(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC, 0, ends) != 0) {
    return ErrnoStatus("socketpair", errno);
  }
  return std::pair<UniqueFd, UniqueFd>(UniqueFd(ends[0]), UniqueFd(ends[1]));
}

absl::StatusOr<UniqueFd> OpenNetworkNamespace() {
  UniqueFd fd(::open("/proc/self/ns/net", O_RDONLY | O_CLOEXEC));
  if (!fd.valid()) return ErrnoStatus("open /proc/self/ns/net", errno);
  return fd;
}

}  // namespace dragnet::sandbox
