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
#include "absl/strings/str_split.h"
#include "agent/footprint/footprint.h"
#include "agent/monitor/agent_config.h"
#include "agent/monitor/check_command.h"
#include "agent/monitor/forget_identity.h"
#include "agent/monitor/host_facts.h"
#include "agent/monitor/host_fingerprint.h"
#include "agent/monitor/identity_command.h"
#include "agent/monitor/log.h"
#include "agent/monitor/module_command.h"
#include "agent/monitor/monitor.h"
#include "agent/monitor/reach.h"
#include "agent/monitor/respawn.h"
#include "agent/monitor/retirement.h"
#include "agent/monitor/upgrade/launch.h"
#include "agent/monitor/upgrade/restore.h"
#include "agent/monitor/upgrade/trial.h"
#include "agent/sandbox/capabilities.h"
#include "agent/sandbox/missing_walls.h"
#include "core/action.h"
#include "core/file_io.h"
#include "core/journal.h"
#include "core/service_notify.h"
#include "core/status_macros.h"
#include "core/strings.h"
#include "core/text.h"
#include "core/version.h"

namespace dragnet {
namespace {

constexpr int kExitDone = 0;
// Of this moment, as far as can be told: who started this tries again.
constexpr int kExitFailed = 1;
constexpr int kExitUsage = 2;
constexpr int kExitNotRun = 3;

constexpr char kHelp[] = R"(dragnet-agent: obeys signed actions on this host.

  dragnet-agent run --config FILE [--respawn]
      Runs the agent. Enrols by itself on its first start, with the token that
      the configuration names.
      --respawn: starts it again when it dies, after 1 to 60 seconds: for hosts
      without a service manager that does (sysvinit, a container, where it may be
      process 1). Ends with it when it was stopped (exit status 0), when its
      configuration is bad (2), or when the host was retired (5). What may be
      otherwise at the next start, as a full disk, ends it with 1.
  dragnet-agent identity --config FILE
      Prints who this host's agent is: its id and fleet, the SHA-256 of its key's
      SubjectPublicKeyInfo as `dragnet enroll requests` shows it, how long its
      certificate holds, and this program's version. The agent may be running.
  dragnet-agent forget-identity --config FILE
      For the image that machines are made from, with the agent stopped: removes its
      TLS key and certificate, its id and what it has yet to tell. The next start
      draws a new identity, and enrols it.
  dragnet-agent keep-identity --config FILE
      After this machine got a new mainboard, with the agent stopped: its identity is
      this machine's from now on, and it no longer says that its disk was copied.
  dragnet-agent module NAME [--params FILE|-] [--mig] [--worker-user USER] [--cpu-share PERCENT]
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
      {"verdict":{…}} per check, last {"summary":{…}}. Exit status 0: all were run.
      In a container that can't give every wall it goes on, and says without which.
      --root: the image's directory.
      --workers: so many at a time, 1 to 64, 2 when it isn't given.
  dragnet-agent --version | --help

Modules:
)";

int Fail(const absl::Status& status, int exit_status = kExitUsage) {
  fprintf(stderr, "dragnet-agent: %s\n", ForTerminal(ToStd(status.message())).c_str());
  return exit_status;
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

// What agent.toml says, and nothing that could be otherwise at the next start.
// `own_programs`: link and worker beside this program, whatever the configuration says:
// those of another version don't fit.
absl::StatusOr<Monitor::Environment> Configure(const std::string& config_path, bool own_programs) {
  Monitor::Environment environment;
  environment.config_path = config_path;
  if (IsRoot()) DRAGNET_RETURN_IF_ERROR(CheckOwnedByRoot(config_path));
  DRAGNET_ASSIGN_OR_RETURN(environment.config, LoadAgentConfig(config_path, OwnDirectory()));
  AgentConfig& config = environment.config;
  if (own_programs) config.program_directory = OwnDirectory();
  const bool allow_missing_walls = config.allow_missing_walls || !IsRoot();

  environment.link.program = config.program_directory + "/dragnet-link";
  environment.worker.program = config.program_directory + "/dragnet-worker";
  environment.link.allow_missing_walls = allow_missing_walls;
  environment.worker.allow_missing_walls = allow_missing_walls;
  if (IsRoot()) {
    DRAGNET_ASSIGN_OR_RETURN(environment.link.user,
                             ResolveUser(config.link_user, kDefaultLinkUser));
    DRAGNET_ASSIGN_OR_RETURN(environment.worker.user,
                             ResolveUser(config.worker_user, kDefaultWorkerUser));
    DRAGNET_RETURN_IF_ERROR(CheckUsers(*environment.link.user, *environment.worker.user));
  }
  environment.worker.hidden_directory = config.state_directory;
  environment.worker.privacy = config.privacy;
  environment.worker.idle_io = true;
  return environment;
}

absl::Status SetStage(Monitor::Environment& environment) {
  const AgentConfig& config = environment.config;
  if (IsRoot()) {
    DRAGNET_RETURN_IF_ERROR(CheckReachable(environment.link.program, *environment.link.user));
    DRAGNET_RETURN_IF_ERROR(CheckReachable(environment.worker.program, *environment.worker.user));
  }
  DRAGNET_RETURN_IF_ERROR(MakeStateDirectory(config, environment.link.user));

  // Notes, not reasons to refuse.
  for (const std::string& wall : sandbox::FindWeakWalls()) LogInfo(StrCat("note: ", wall));
  environment.missing_walls = sandbox::FindMissingWalls();
  for (const std::string& wall : environment.missing_walls) {
    LogWarning(StrCat("missing wall: ", wall));
  }
  if (!environment.missing_walls.empty() && !environment.link.allow_missing_walls) {
    return absl::FailedPreconditionError(StrCat(
        "this host can't give all walls of the sandbox (", environment.missing_walls[0],
        "): set allow_missing_walls = true in ", environment.config_path, " to run without"));
  }
  return absl::OkStatus();
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

// Nothing while this host is in the fleet.
std::optional<int> EndIfRetired(const AgentConfig& config) {
  const std::optional<std::string> words = FinishRetirement(PlacesOf(config));
  if (!words.has_value()) return std::nullopt;
  for (const absl::string_view line : absl::StrSplit(*words, '\n')) {
    fprintf(stderr, "dragnet-agent: %s\n", ForTerminal(ToStd(line)).c_str());
  }
  return kExitRetired;
}

// As it was before an upgrade, if this version can't read what it is now.
absl::StatusOr<std::unique_ptr<StateStore>> OpenState(const AgentConfig& config) {
  const std::string database = config.state_directory + "/agent.db";
  RestoreOptions options;
  options.snapshots = ReleaseDirectory(config.release_directory).SnapshotDirectory();
  options.fleet_id = config.fleet_id;
  options.now = Clock::System().Now();
  DRAGNET_RETURN_IF_ERROR(RestoreStateIfNewer(database, options));
  return StateStore::Open(database);
}

// For commands: whoever gives one means the state as it is, and a version that runs again
// would find it taken back.
absl::StatusOr<std::unique_ptr<StateStore>> OpenStateAsItIs(const AgentConfig& config,
                                                            std::string_view command) {
  const std::string database = config.state_directory + "/agent.db";
  if (const absl::Status status = CheckNotNewer(database); !status.ok()) {
    return absl::FailedPreconditionError(
        StrCat(status.message(), "; nothing was done. Use the dragnet-agent of the version that ",
               config.release_directory, "/state names: ", config.release_directory,
               "/VERSION/dragnet-agent ", command));
  }
  return StateStore::Open(database);
}

absl::Status ForgetIdentity(const AgentConfig& config) {
  // Locks it: an agent that runs would go on with what it has in memory.
  DRAGNET_ASSIGN_OR_RETURN(const std::unique_ptr<StateStore> store,
                           OpenStateAsItIs(config, "forget-identity"));
  ReleaseDirectory releases(config.release_directory);
  DRAGNET_RETURN_IF_ERROR(RemoveBelongingsOfIdentity(config.state_directory, &releases));
  return store->ForgetIdentity();
}

absl::Status KeepIdentity(const AgentConfig& config) {
  DRAGNET_ASSIGN_OR_RETURN(const std::unique_ptr<StateStore> store,
                           OpenStateAsItIs(config, "keep-identity"));
  return store->SaveHostFingerprint(CollectHostFingerprint());
}

int ChangeIdentity(const std::string& command, const std::string& config_path) {
  const absl::StatusOr<AgentConfig> config = LoadAgentConfig(config_path, OwnDirectory());
  if (!config.ok()) return Fail(config.status());
  const absl::Status status =
      command == "keep-identity" ? KeepIdentity(*config) : ForgetIdentity(*config);
  return status.ok() ? kExitDone : Fail(status);
}

absl::StatusOr<int> RunConfigured(Monitor::Environment environment, char** arguments) {
  const AgentConfig config = environment.config;
  const std::string config_path = environment.config_path;
  DRAGNET_RETURN_IF_ERROR(SetStage(environment));
  DRAGNET_ASSIGN_OR_RETURN(std::unique_ptr<StateStore> store, OpenState(config));
  environment.host_fingerprint = CollectHostFingerprint();
  if (const absl::StatusOr<std::string> id = store->AgentId(); id.ok()) SetLogAgent(*id);
  // While the host's network is still there to be looked at.
  environment.facts = CollectHostFacts();
  environment.look_at_host = CollectHostFacts;
  std::string problem;
  environment.service = ServiceNotifier::OpenFromEnvironment(&problem);
  if (!problem.empty()) LogWarning(problem);
  UniqueFd host_network;
  if (IsRoot()) {
    DRAGNET_ASSIGN_OR_RETURN(host_network, LeaveNetwork(environment.worker.allow_missing_walls));
  }
  environment.worker.host_network_fd = host_network.get();
  environment.worker.monitor_has_no_network = host_network.valid();
  environment.link.host_network_fd = host_network.get();

  DRAGNET_ASSIGN_OR_RETURN(const UniqueFd stop, StopSignals());
  DRAGNET_ASSIGN_OR_RETURN(
      std::unique_ptr<Monitor> monitor,
      Monitor::Create(std::move(environment), std::move(store), Clock::System()));
  LogInfo(StrCat("dragnet-agent ", kVersion, " runs with ", config_path));
  DRAGNET_RETURN_IF_ERROR(monitor->Run(stop.get()));
  const std::string next = monitor->program_to_become();
  // With its link and its hold on the state, which another program opens.
  monitor.reset();
  if (!next.empty()) return Become(next, arguments, host_network.get());
  if (const std::optional<int> status = EndIfRetired(config)) return *status;
  LogInfo("stopped");
  return kExitDone;
}

// A configuration that is as wrong at each further start. What only couldn't be read
// now isn't.
bool IsFinal(const absl::Status& configured) {
  return absl::IsInvalidArgument(configured) || absl::IsNotFound(configured) ||
         absl::IsPermissionDenied(configured) || absl::IsFailedPrecondition(configured);
}

struct End {
  int exit_status = kExitDone;
  absl::Status why = absl::OkStatus();
};

End RunLaunched(const Launch& launch, const std::string& config_path, char** arguments) {
  absl::StatusOr<Monitor::Environment> environment =
      Configure(config_path, /*own_programs=*/launch.is_release);
  if (!environment.ok()) {
    return {IsFinal(environment.status()) ? kExitUsage : kExitFailed, environment.status()};
  }
  environment->launch = launch;
  const absl::StatusOr<int> status = RunConfigured(*std::move(environment), arguments);
  if (!status.ok()) return {kExitFailed, status.status()};
  return {*status};
}

int RunAgent(const std::string& config_path, char** arguments) {
  SetLogJournal(Journal::OfStandardError("dragnet-agent"));
  // It says what is executed as root.
  if (IsRoot()) {
    if (const absl::Status owned = CheckOwnedByRoot(config_path); !owned.ok()) return Fail(owned);
  }
  const AgentConfig config = LoadLaunchConfig(config_path, OwnDirectory());
  if (const std::optional<int> status = EndIfRetired(config)) return *status;
  // The version that an upgrade put over this one takes its place here, and this doesn't
  // return. It may know more keys than this one.
  const Launch launch = LaunchCurrent(config, arguments);
  const absl::StatusOr<UniqueFd> network = sandbox::OpenNetworkNamespace();
  const End end = RunLaunched(launch, config_path, arguments);
  if (end.why.ok()) return end.exit_status;
  // An unconfirmed version that can't run must not leave the host without an agent,
  // whatever a service manager makes of its exit status: the base counts its starts.
  if (launch.is_release && !launch.state.confirmed) {
    LogWarning(StrCat("version ", kVersion, " can't run: ", end.why.message()));
    return Fail(Become(launch.state.base_program, arguments,
                       IsRoot() && network.ok() ? network->get() : -1),
                kExitFailed);
  }
  return Fail(end.why, end.exit_status);
}

// What a version that is to be taken does first (agent/monitor/upgrade/trial.h).
absl::StatusOr<std::string> TryAsAgent(const std::string& config_path,
                                       const std::string& state_copy,
                                       const std::string& release_version) {
  DRAGNET_RETURN_IF_ERROR(CheckTrialVersion(release_version));
  DRAGNET_ASSIGN_OR_RETURN(Monitor::Environment environment,
                           Configure(config_path, /*own_programs=*/true));
  DRAGNET_RETURN_IF_ERROR(SetStage(environment));
  const v1::Facts facts = CollectHostFacts();
  UniqueFd host_network;
  if (IsRoot()) {
    DRAGNET_ASSIGN_OR_RETURN(host_network, LeaveNetwork(environment.worker.allow_missing_walls));
  }
  environment.worker.host_network_fd = host_network.get();
  environment.worker.monitor_has_no_network = host_network.valid();
  environment.link.host_network_fd = host_network.get();
  ::signal(SIGPIPE, SIG_IGN);
  return RunTrial({.config = environment.config,
                   .worker = environment.worker,
                   .link = environment.link,
                   .facts = facts,
                   .missing_walls = environment.missing_walls},
                  state_copy);
}

int TrialCommand(const std::string& config_path, const std::string& state_copy,
                 const std::string& release_version, const std::string& nonce) {
  const absl::StatusOr<std::string> passed = TryAsAgent(config_path, state_copy, release_version);
  if (!passed.ok()) return Fail(passed.status(), kExitFailed);
  printf("%s; passed %s\n", passed->c_str(), nonce.c_str());
  return kExitDone;
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

int IdentityCommand(const std::string& config_path) {
  const absl::StatusOr<AgentConfig> config = LoadAgentConfig(config_path, OwnDirectory());
  if (!config.ok()) return Fail(config.status());
  const absl::StatusOr<std::string> lines = DescribeIdentity(*config, Clock::System().Now());
  if (!lines.ok()) {
    Fail(lines.status());
    return kExitNotRun;
  }
  fputs(lines->c_str(), stdout);
  return kExitDone;
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
  std::string state_copy;
  std::string release_version;
  std::string nonce;
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
                                    {"state-copy", required_argument, nullptr, 'd'},
                                    {"release-version", required_argument, nullptr, 'v'},
                                    {"nonce", required_argument, nullptr, 'n'},
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
      case 'd':
        line.state_copy = optarg;
        break;
      case 'v':
        line.release_version = optarg;
        break;
      case 'n':
        line.nonce = optarg;
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
  // getopt(3) changes their order; another version is started with those that were given.
  std::vector<char*> given(argv, argv + argc + 1);
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
  if (command == "identity") {
    if (line->words.size() != 1) return Usage(StrCat("identity: what is ", line->words[1], "?"));
    if (line->config.empty()) return Usage("identity: --config FILE is missing");
    return IdentityCommand(line->config);
  }
  if (command == "forget-identity" || command == "keep-identity") {
    if (line->words.size() != 1) return Usage(StrCat(command, ": what is ", line->words[1], "?"));
    if (line->config.empty()) return Usage(StrCat(command, ": --config FILE is missing"));
    return ChangeIdentity(command, line->config);
  }
  if (command == "run") {
    if (line->words.size() != 1) return Usage(StrCat("run: what is ", line->words[1], "?"));
    if (line->config.empty()) return Usage("run: --config FILE is missing");
    return RunAgent(line->config, given.data());
  }
  if (command == "trial") {
    if (line->config.empty() || line->state_copy.empty() || line->words.size() != 1) {
      return Usage("trial: an upgrade starts this, with --config, --state-copy, --release-version");
    }
    return TrialCommand(line->config, line->state_copy, line->release_version, line->nonce);
  }
  return Usage(command.empty() ? "no command given" : StrCat("there is no command ", command));
}

}  // namespace
}  // namespace dragnet

int main(int argc, char** argv) {
  dragnet::KeepHeapSmall();
  // Before anything is loaded: this process stays as small as it is now.
  if (dragnet::RespawnOptions options; dragnet::TakeRespawn(argc, argv, &options.arguments)) {
    options.program = dragnet::OwnDirectory() + "/dragnet-agent";
    return dragnet::Respawn(options);
  }
  return dragnet::Main(argc, argv);
}
