// dragnet-agent: reads its command line and configuration, sets the stage
// (users, directories, network namespace, signals), and runs the monitor.
#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <linux/capability.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/signalfd.h>
#include <sys/stat.h>
#include <unistd.h>

#include <optional>
#include <string>
#include <utility>
#include <vector>

#include "absl/strings/numbers.h"
#include "agent/footprint/footprint.h"
#include "agent/monitor/agent_config.h"
#include "agent/monitor/check_command.h"
#include "agent/monitor/host_facts.h"
#include "agent/monitor/log.h"
#include "agent/monitor/module_command.h"
#include "agent/monitor/monitor.h"
#include "agent/monitor/reach.h"
#include "agent/sandbox/capabilities.h"
#include "agent/sandbox/missing_walls.h"
#include "core/action.h"
#include "core/file_io.h"
#include "core/status_macros.h"
#include "core/strings.h"
#include "core/text.h"
#include "core/version.h"

namespace dragnet {
namespace {

constexpr int kExitDone = 0;
constexpr int kExitUsage = 2;
constexpr int kExitNotRun = 3;

constexpr char kHelp[] = R"(dragnet-agent: obeys signed actions on this host.

  dragnet-agent run --config FILE
      Runs the agent. Enrols by itself on its first start, with the token that
      the configuration names.
  dragnet-agent module NAME --params FILE|- [--mig] [--worker-user USER] [--cpu-share PERCENT]
      Runs one module on this host in the same sandboxed worker as in
      production; no fleet needed. JSON parameters in ("{}" when --params is not
      given). JSON Lines out: {"row":{…}} per finding, last {"summary":{…}}.
      --cpu-share: CPU time over wall-clock time in percent of one core, 1 to 6400;
      without it, as much as the module can use.
      --mig: NAME and parameters as in an operation of a MIG action, and one JSON
      document out in MIG's form of results.
  dragnet-agent check --pack FILE|- [--root DIR] [--workers N] [--worker-user USER]
      Runs a pack of checks on this host, or on an unpacked image, in the same
      sandboxed workers as in production; no fleet needed, and no root where the
      checks don't need it. For `dragnet check`, which makes the pack (a serialised
      dragnet.check.v1.CheckParameters) and shows what comes out: JSON Lines,
      {"verdict":{…}} per check, last {"summary":{…}}. --workers: so many at a time,
      1 to 64, 2 when it isn't given. Exit status 0: all were run. In a container
      that can't give every wall it goes on, and says without which.
  dragnet-agent --version | --help

Modules:
)";

int Fail(const absl::Status& status) {
  fprintf(stderr, "dragnet-agent: %s\n", ForTerminal(ToStd(status.message())).c_str());
  return kExitUsage;
}

std::string OwnDirectory() {
  char path[4096];
  const ssize_t length = ::readlink("/proc/self/exe", path, sizeof path);
  if (length <= 0) return "/usr/bin";
  const std::string program(path, static_cast<size_t>(length));
  return program.substr(0, program.rfind('/'));
}

bool IsRoot() { return ::geteuid() == 0; }

// As root, what decides over this agent must be root's alone to change.
absl::Status CheckOwnedByRoot(const std::string& path) {
  struct stat info;
  if (::stat(path.c_str(), &info) != 0) return ErrnoStatus(StrCat("stat ", path), errno);
  if (info.st_uid != 0 || (info.st_mode & 022) != 0) {
    return absl::PermissionDeniedError(StrCat(path, ": others than root can change it: chown root ",
                                              path, " && chmod go-w ", path));
  }
  return absl::OkStatus();
}

// One user for both, or root, would take the walls between them away.
absl::Status CheckUsers(const sandbox::UserAndGroup& link, const sandbox::UserAndGroup& worker) {
  if (link.uid == 0 || worker.uid == 0) {
    return absl::InvalidArgumentError("link_user and worker_user: neither may be root");
  }
  if (link.uid == worker.uid) {
    return absl::InvalidArgumentError("link_user and worker_user: must be two different users");
  }
  return absl::OkStatus();
}

absl::Status MakeStateDirectory(const AgentConfig& config,
                                const std::optional<sandbox::UserAndGroup>& link_user) {
  const std::string identity = config.state_directory + "/link";
  DRAGNET_RETURN_IF_ERROR(MakeDirectories(config.state_directory, 0711));
  DRAGNET_RETURN_IF_ERROR(MakeDirectories(identity, 0700));
  if (!link_user.has_value()) return absl::OkStatus();
  DRAGNET_RETURN_IF_ERROR(CheckOwnedByRoot(config.state_directory));
  if (::chown(identity.c_str(), link_user->uid, link_user->gid) != 0) {
    return ErrnoStatus(StrCat("chown ", identity), errno);
  }
  return CheckReachable(identity + "/", *link_user);
}

// Leaves the host's network for an empty one; the children get it back by `fd`.
absl::StatusOr<UniqueFd> LeaveNetwork(bool allow_missing_walls) {
  DRAGNET_ASSIGN_OR_RETURN(UniqueFd host_network, sandbox::OpenNetworkNamespace());
  if (::unshare(CLONE_NEWNET) == 0) return host_network;
  const absl::Status status = ErrnoStatus("leave the host's network: unshare(CLONE_NEWNET)", errno);
  if (!allow_missing_walls) return status;
  return UniqueFd();
}

absl::StatusOr<Monitor::Environment> SetStage(const std::string& config_path) {
  Monitor::Environment environment;
  DRAGNET_ASSIGN_OR_RETURN(environment.config, LoadAgentConfig(config_path, OwnDirectory()));
  AgentConfig& config = environment.config;
  const bool allow_missing_walls = config.allow_missing_walls || !IsRoot();

  environment.link.program = config.program_directory + "/dragnet-link";
  environment.worker.program = config.program_directory + "/dragnet-worker";
  environment.link.allow_missing_walls = allow_missing_walls;
  environment.worker.allow_missing_walls = allow_missing_walls;
  if (IsRoot()) {
    DRAGNET_RETURN_IF_ERROR(CheckOwnedByRoot(config_path));
    DRAGNET_ASSIGN_OR_RETURN(environment.link.user,
                             ResolveUser(config.link_user, kDefaultLinkUser));
    DRAGNET_ASSIGN_OR_RETURN(environment.worker.user,
                             ResolveUser(config.worker_user, kDefaultWorkerUser));
    DRAGNET_RETURN_IF_ERROR(CheckUsers(*environment.link.user, *environment.worker.user));
    DRAGNET_RETURN_IF_ERROR(CheckReachable(environment.link.program, *environment.link.user));
    DRAGNET_RETURN_IF_ERROR(CheckReachable(environment.worker.program, *environment.worker.user));
  }
  DRAGNET_RETURN_IF_ERROR(MakeStateDirectory(config, environment.link.user));
  environment.worker.hidden_directory = config.state_directory;
  environment.worker.privacy = config.privacy;
  environment.worker.idle_io = true;

  // Notes, not reasons to refuse.
  for (const std::string& wall : sandbox::FindWeakWalls()) LogInfo(StrCat("note: ", wall));
  environment.missing_walls = sandbox::FindMissingWalls();
  for (const std::string& wall : environment.missing_walls) {
    LogWarning(StrCat("missing wall: ", wall));
  }
  if (!environment.missing_walls.empty() && !allow_missing_walls) {
    return absl::FailedPreconditionError(
        StrCat("this host can't give all walls of the sandbox (", environment.missing_walls[0],
               "): set allow_missing_walls = true in ", config_path, " to run without"));
  }
  return environment;
}

// The monitor's own signals, as a descriptor for its loop.
absl::StatusOr<UniqueFd> StopSignals() {
  ::signal(SIGPIPE, SIG_IGN);
  ::signal(SIGCHLD, SIG_DFL);  // ignored by a parent, it would take our children's ends away
  sigset_t signals;
  ::sigemptyset(&signals);
  ::sigaddset(&signals, SIGTERM);
  ::sigaddset(&signals, SIGINT);
  ::sigprocmask(SIG_BLOCK, &signals, nullptr);
  UniqueFd fd(::signalfd(-1, &signals, SFD_CLOEXEC | SFD_NONBLOCK));
  if (!fd.valid()) return ErrnoStatus("signalfd", errno);
  return fd;
}

absl::Status RunAgent(const std::string& config_path) {
  DRAGNET_ASSIGN_OR_RETURN(Monitor::Environment environment, SetStage(config_path));
  DRAGNET_ASSIGN_OR_RETURN(std::unique_ptr<StateStore> store,
                           StateStore::Open(environment.config.state_directory + "/agent.db"));
  // While the host's network is still there to be looked at.
  environment.facts = CollectHostFacts();
  environment.look_at_host = CollectHostFacts;
  UniqueFd host_network;
  if (IsRoot()) {
    DRAGNET_ASSIGN_OR_RETURN(host_network, LeaveNetwork(environment.worker.allow_missing_walls));
  }
  environment.worker.host_network_fd = host_network.get();
  environment.worker.monitor_has_no_network = host_network.valid();
  environment.link.host_network_fd = host_network.get();

  DRAGNET_ASSIGN_OR_RETURN(const UniqueFd stop, StopSignals());
  DRAGNET_ASSIGN_OR_RETURN(
      const std::unique_ptr<Monitor> monitor,
      Monitor::Create(std::move(environment), std::move(store), Clock::System()));
  LogInfo(StrCat("dragnet-agent ", kVersion, " runs with ", config_path));
  DRAGNET_RETURN_IF_ERROR(monitor->Run(stop.get()));
  LogInfo("stopped");
  return absl::OkStatus();
}

absl::StatusOr<std::string> ReadParameters(const std::string& path) {
  if (path.empty()) return std::string("{}");
  return ReadFile(path == "-" ? "/dev/stdin" : path, kMaxBlobBytes);
}

// How the commands that need no fleet start workers.
absl::StatusOr<WorkerEnvironment> CommandsWorkers(const std::string& worker_user) {
  WorkerEnvironment environment;
  environment.program = OwnDirectory() + "/dragnet-worker";
  environment.allow_missing_walls = !IsRoot();
  environment.stderr_fd = STDERR_FILENO;
  ::signal(SIGPIPE, SIG_IGN);
  ::signal(SIGCHLD, SIG_DFL);
  if (!IsRoot()) return environment;
  DRAGNET_ASSIGN_OR_RETURN(environment.user, ResolveUser(worker_user, kDefaultWorkerUser));
  DRAGNET_RETURN_IF_ERROR(CheckReachable(environment.program, *environment.user));
  return environment;
}

int ModuleCommand(const std::string& module, const std::string& params_path,
                  const std::string& worker_user, uint32_t cpu_share_percent, ModuleForm form) {
  const absl::StatusOr<std::string> parameters = ReadParameters(params_path);
  if (!parameters.ok()) return Fail(Annotate(parameters.status(), "--params"));
  const absl::StatusOr<WorkerEnvironment> environment = CommandsWorkers(worker_user);
  if (!environment.ok()) return Fail(environment.status());
  if (!IsRoot()) {
    for (const std::string& wall : sandbox::FindMissingWalls()) {
      LogWarning(StrCat("missing wall: ", wall));
    }
  }
  return RunModuleCommand(module, *parameters, form, *environment, cpu_share_percent);
}

bool Holds(int capability) {
  sandbox::CapabilitySets sets;
  return sandbox::GetCapabilities(&sets) == 0 &&
         (sets.effective & sandbox::MaskOf(capability)) != 0;
}

// As CommandsWorkers; but the root of a container, where pipelines run, has walls of its
// own around it and can't give them all: there it goes on, and says without which.
absl::StatusOr<WorkerEnvironment> ChecksWorkers(const std::string& worker_user) {
  DRAGNET_ASSIGN_OR_RETURN(WorkerEnvironment environment, CommandsWorkers(worker_user));
  const std::vector<std::string> missing = sandbox::FindMissingWalls();
  for (const std::string& wall : missing) LogWarning(StrCat("missing wall: ", wall));
  if (!IsRoot()) return environment;
  environment.allow_missing_walls = !missing.empty();
  // Another user would see less than root there, and less than was asked for.
  if (!missing.empty() && worker_user.empty() && !Holds(CAP_DAC_READ_SEARCH)) {
    LogWarning("missing wall: workers run as root, without its capabilities");
    environment.user.reset();
  }
  return environment;
}

// Without the links in it: workers walk it as another user.
absl::StatusOr<std::string> RootDirectory(const std::string& given) {
  if (given.empty()) return std::string();
  char path[PATH_MAX];
  struct stat info;
  if (::realpath(given.c_str(), path) == nullptr || ::stat(path, &info) != 0) {
    return ErrnoStatus(StrCat("--root ", given), errno);
  }
  if (!S_ISDIR(info.st_mode)) return ErrnoStatus(StrCat("--root ", given), ENOTDIR);
  return std::string(path);
}

int CheckCommand(const std::string& pack_path, const std::string& root, int workers,
                 const std::string& worker_user) {
  const absl::StatusOr<std::string> pack =
      ReadFile(pack_path == "-" ? "/dev/stdin" : pack_path, kMaxPackBytes);
  if (!pack.ok()) return Fail(Annotate(pack.status(), "--pack"));
  const absl::StatusOr<std::string> directory = RootDirectory(root);
  if (!directory.ok()) return Fail(directory.status());
  // A step before this one failed, say: nothing is found in nothing.
  if (!directory->empty() && !LooksLikeAnImage(*directory)) {
    Fail(absl::FailedPreconditionError(
        StrCat("--root ", root, ": no image, it holds none of etc, usr and bin")));
    return kExitNotRun;
  }
  const absl::StatusOr<WorkerEnvironment> environment = ChecksWorkers(worker_user);
  if (!environment.ok()) return Fail(environment.status());
  CheckSurroundings surroundings;
  surroundings.worker = *environment;
  surroundings.root = *directory;
  if (directory->empty()) {
    surroundings.facts = CollectHostFacts();
  } else {
    ImageFacts image = CollectImageFacts(*directory);
    surroundings.facts = std::move(image.facts);
    surroundings.facts_status = std::move(image.status);
  }
  // Somebody waits for it: as much of the CPU as it can use.
  surroundings.ceiling.cpu_share_percent = 0;
  return RunCheckCommand(*pack, surroundings, workers);
}

int Usage(std::string_view problem) {
  fprintf(stderr, "dragnet-agent: %s; see dragnet-agent --help\n", std::string(problem).c_str());
  return kExitUsage;
}

struct CommandLine {
  std::string config;
  std::string params;
  std::string worker_user;
  uint32_t cpu_share_percent = 0;  // 0: no limit
  bool mig = false;
  std::string pack;
  std::string root;
  int workers = 2;
  std::vector<std::string> words;  // what isn't an option
};

// Nothing on a usage error, which was then said.
std::optional<CommandLine> ParseCommandLine(int argc, char** argv) {
  static const option kOptions[] = {{"config", required_argument, nullptr, 'c'},
                                    {"params", required_argument, nullptr, 'p'},
                                    {"worker-user", required_argument, nullptr, 'u'},
                                    {"cpu-share", required_argument, nullptr, 's'},
                                    {"mig", no_argument, nullptr, 'm'},
                                    {"pack", required_argument, nullptr, 'k'},
                                    {"root", required_argument, nullptr, 'r'},
                                    {"workers", required_argument, nullptr, 'w'},
                                    {nullptr, 0, nullptr, 0}};
  CommandLine line;
  // It would say each error in a line of its own; with ':' it tells them apart.
  ::opterr = 0;
  int choice;
  while ((choice = ::getopt_long(argc, argv, ":c:p:", kOptions, nullptr)) != -1) {
    switch (choice) {
      case 'c':
        line.config = optarg;
        break;
      case 'p':
        line.params = optarg;
        break;
      case 'u':
        line.worker_user = optarg;
        break;
      case 's':
        if (!absl::SimpleAtoi(optarg, &line.cpu_share_percent) || line.cpu_share_percent < 1 ||
            line.cpu_share_percent > 6400) {
          Usage(StrCat("--cpu-share ", optarg, ": give a percentage of one core, 1 to 6400"));
          return std::nullopt;
        }
        break;
      case 'm':
        line.mig = true;
        break;
      case 'k':
        line.pack = optarg;
        break;
      case 'r':
        line.root = optarg;
        break;
      case 'w':
        if (!absl::SimpleAtoi(optarg, &line.workers) || line.workers < 1 ||
            line.workers > kMaxCheckWorkers) {
          Usage(StrCat("--workers ", optarg, ": give a number, 1 to ", kMaxCheckWorkers));
          return std::nullopt;
        }
        break;
      case ':':
        Usage(StrCat(argv[::optind - 1], ": give a value"));
        return std::nullopt;
      default:
        Usage(StrCat("no such flag: ", argv[::optind - 1]));
        return std::nullopt;
    }
  }
  line.words.assign(argv + optind, argv + argc);
  return line;
}

void PrintHelp() {
  fputs(kHelp, stdout);
  for (const ModuleManifest* manifest : AllManifests()) {
    printf("  %-10s %s\n", std::string(manifest->name).c_str(),
           std::string(manifest->summary).c_str());
  }
}

int Main(int argc, char** argv) {
  const std::string first = argc > 1 ? argv[1] : "";
  if (first == "--help" || first == "-h" || first == "help") {
    PrintHelp();
    return kExitDone;
  }
  if (first == "--version") {
    printf("dragnet-agent %s\n", kVersion);
    return kExitDone;
  }
  const std::optional<CommandLine> line = ParseCommandLine(argc, argv);
  if (!line.has_value()) return kExitUsage;
  const std::string command = line->words.empty() ? "" : line->words[0];
  if (command == "module") {
    if (line->words.size() != 2) return Usage("module: give one module's name");
    return ModuleCommand(line->words[1], line->params, line->worker_user, line->cpu_share_percent,
                         line->mig ? ModuleForm::kMig : ModuleForm::kOwn);
  }
  if (command == "check") {
    if (line->words.size() != 1) return Usage(StrCat("check: what is ", line->words[1], "?"));
    if (line->pack.empty()) return Usage("check: --pack FILE is missing");
    return CheckCommand(line->pack, line->root, line->workers, line->worker_user);
  }
  if (command == "run") {
    if (line->words.size() != 1) return Usage(StrCat("run: what is ", line->words[1], "?"));
    if (line->config.empty()) return Usage("run: --config FILE is missing");
    const absl::Status status = RunAgent(line->config);
    return status.ok() ? kExitDone : Fail(status);
  }
  return Usage(command.empty() ? "no command given" : StrCat("there is no command ", command));
}

}  // namespace
}  // namespace dragnet

int main(int argc, char** argv) {
  dragnet::KeepHeapSmall();
  return dragnet::Main(argc, argv);
}
