#include "tests/harness/fleet.h"

#include <arpa/inet.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
#include <random>

#include "absl/time/clock.h"
#include "core/certificate.h"
#include "core/strings.h"
#include "core/unique_fd.h"
#include "modules/file/file.pb.h"
#include "tests/harness/database.h"
#include "tests/harness/need.h"

namespace dragnet::testing {
namespace {

// Users of their own without touching /etc/passwd: free ids of systemd's
// dynamic range.
constexpr char kLinkUser[] = "\"64510:64510\"";
constexpr char kWorkerUser[] = "\"64511:64511\"";

std::string Quoted(const std::string& text) { return StrCat("\"", text, "\""); }

// One copy of each program for the whole test program, where every user can
// reach it: a build directory may be below a home that others can't enter.
const std::string& SharedPrograms() {
  static const TemporaryDirectory* const directory = [] {
    static const TemporaryDirectory made;
    for (const char* name : {"dragnet-link", "dragnet-worker"}) {
      CopyFile(ProgramPath(name), StrCat(made.path(), "/", name), 0755);
    }
    for (const char* name : {"dragnet-worker-misbehaving", "worker-witness"}) {
      CopyFile(TestProgramPath(name), StrCat(made.path(), "/", name), 0755);
    }
    return &made;
  }();
  return directory->path();
}

void Link(const std::string& target, const std::string& path) {
  Need(::symlink(target.c_str(), path.c_str()) == 0, "symlink", path);
}

// The directory that an agent finds its link and worker in.
void MakeProgramDirectory(const std::string& path, WorkerKind worker) {
  const std::string& shared = SharedPrograms();
  MakeDirectory(path);
  Link(shared + "/dragnet-link", path + "/dragnet-link");
  if (worker == WorkerKind::kMisbehaving) {
    Link(shared + "/dragnet-worker-misbehaving", path + "/dragnet-worker");
    return;
  }
  Link(shared + "/worker-witness", path + "/dragnet-worker");
  Link(shared + "/dragnet-worker", path + "/dragnet-worker.real");
}

// For both ends, so that a worker finds a reader whatever this one does.
UniqueFd MakeWitness(const std::string& path) {
  Need(::mkfifo(path.c_str(), 0600) == 0, "mkfifo", path);
  Need(::chmod(path.c_str(), 0622) == 0, "chmod", path);
  UniqueFd fd(::open(path.c_str(), O_RDWR | O_NONBLOCK | O_CLOEXEC));
  Need(fd.valid(), "open", path);
  return fd;
}

std::string TomlList(const std::vector<std::string>& values) {
  std::string list;
  for (const std::string& value : values) {
    list += StrCat(list.empty() ? "" : ", ", Quoted(value));
  }
  return StrCat("[", list, "]");
}

}  // namespace

int FreePort() {
  static std::mt19937 random(std::random_device{}());
  for (int attempt = 0; attempt < 1000; ++attempt) {
    const int port = std::uniform_int_distribution<int>(10'000, 32'000)(random);
    const UniqueFd fd(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_in address{};
    address.sin_family = AF_INET;
    address.sin_port = htons(static_cast<uint16_t>(port));
    address.sin_addr.s_addr = htonl(INADDR_ANY);
    if (::bind(fd.get(), reinterpret_cast<sockaddr*>(&address), sizeof address) == 0) return port;
  }
  Need(false, "find a free port");
  return 0;
}

// --- agent

Agent::Agent(std::string kit_directory, AgentOptions options)
    : options_(std::move(options)), kit_directory_(std::move(kit_directory)) {
  const std::string programs = kit_directory_ + "/bin";
  MakeProgramDirectory(programs, options_.worker);
  if (options_.worker == WorkerKind::kReal) witness_ = MakeWitness(programs + "/witness");
  state_directory_ =
      options_.state_directory.empty() ? kit_directory_ + "/state" : options_.state_directory;
  config_path_ = kit_directory_ + "/agent.toml";
  template_ = Read(config_path_);
  template_ = template_.substr(0, template_.find("[tags]"));
  if (!options_.token.empty()) {
    Write(kit_directory_ + "/enrolment.token", options_.token, 0600);
  }
  WriteConfig();
}

void Agent::WriteConfig() const {
  std::string toml = template_;
  const auto set = [&](std::string_view key, const std::string& value) {
    toml = WithTomlKey(toml, key, value);
  };
  set("name", Quoted(options_.name));
  set("schedulers", TomlList(options_.schedulers));
  set("state_dir", Quoted(state_directory_));
  set("program_dir", Quoted(kit_directory_ + "/bin"));
  set("allow_missing_walls", "true");
  if (IsRoot()) {
    set("link_user", kLinkUser);
    set("worker_user", kWorkerUser);
  }
  StrAppend(&toml, "\n", options_.settings, "\n[tags]\n");
  for (const auto& [key, value] : options_.tags) toml += StrCat(key, " = ", Quoted(value), "\n");
  if (!options_.limits.empty()) toml += StrCat("\n[limits]\n", options_.limits);
  // With a proxy's password in it, no one else may read it.
  Write(config_path_, toml, options_.settings.find("proxy") == std::string::npos ? 0644 : 0600);
}

void Agent::SetSchedulers(const std::vector<std::string>& schedulers) {
  options_.schedulers = schedulers;
  WriteConfig();
}

void Agent::Start() {
  Command command;
  command.arguments = {"dragnet-agent", "run", "--config", config_path_};
  command.before_exec = options_.before_exec;
  process_ = std::make_unique<Process>(command, kit_directory_ + "/agent.log");
}

Ended Agent::Stop() { return process_->Stop(); }
void Agent::Kill() { process_->Kill(); }

TlsPair Agent::Tls() const {
  return {Read(LinkDirectory() + "/tls.pem"), Read(LinkDirectory() + "/tls.key")};
}

std::string Agent::Id() const {
  const CertificateInfo certificate =
      NeedValue(ParseCertificate(Tls().certificate_chain), "the agent's certificate");
  const std::optional<SpiffeId> id = ParseSpiffeId(certificate.spiffe_id);
  Need(id.has_value(), "the agent's SPIFFE id");
  return id->name;
}

pid_t Agent::ChildNamed(const std::string& name) {
  for (const pid_t child : ChildrenOf(process_->pid())) {
    if (NameOf(child) == name) return child;
  }
  return -1;
}

pid_t Agent::LinkPid() { return ChildNamed("dragnet-link"); }
pid_t Agent::WorkerPid() {
  // Cut to 15 bytes by the kernel, as "dragnet-worker" isn't.
  for (const pid_t child : ChildrenOf(process_->pid())) {
    if (NameOf(child).starts_with("dragnet-worker")) return child;
  }
  return -1;
}

size_t Agent::WorkersStarted() {
  char marks[1024];
  for (ssize_t count; (count = ::read(witness_.get(), marks, sizeof marks)) > 0;) {
    workers_started_ += static_cast<size_t>(count);
  }
  return workers_started_;
}

std::vector<std::string> Agent::Journal() const {
  return TestDatabase(state_directory_ + "/agent.db")
      .Texts("SELECT action_id FROM journal ORDER BY entry");
}

int64_t Agent::Spooled() const {
  return TestDatabase(state_directory_ + "/agent.db").Number("SELECT count(*) FROM spool");
}

// --- fleet

TestFleet::TestFleet(const FleetOptions& options)
    : directory_(temporary_.path() + "/fleet"),
      port_(FreePort()),
      address_(StrCat(options.host, ":", port_)),
      scheduler_environment_(options.scheduler_environment) {
  std::vector<std::string> arguments = {"dragnet-scheduler",
                                        "init",
                                        "--dir",
                                        directory_,
                                        "--name",
                                        "e2e",
                                        "--listen",
                                        address_,
                                        "--host",
                                        options.host,
                                        "--investigator",
                                        kInvestigator,
                                        "--token-uses",
                                        "10000",
                                        "--allow-retire",
                                        "--root-keys",
                                        StrCat(options.root_keys),
                                        "--root-threshold",
                                        StrCat(options.root_threshold)};
  arguments.insert(arguments.end(), options.more_arguments.begin(), options.more_arguments.end());
  const Finished init = RunToEnd(arguments);
  Need(init.status() == 0, "dragnet-scheduler init", init.err);
  forge_ = std::make_unique<Forge>(directory_, kInvestigator);
  // Several fleets run at a time.
  Write(scheduler_config(),
        WithTomlKey(Read(scheduler_config()), "metrics_listen", "\"127.0.0.1:0\""));
  if (options.host != "127.0.0.1") {
    Write(console_config(), WithTomlKey(Read(console_config()), "scheduler", Quoted(address_)));
  }
}

void TestFleet::StartScheduler() {
  Command command;
  command.arguments = {"dragnet-scheduler", "run", "--config", scheduler_config()};
  command.environment = scheduler_environment_;
  scheduler_ = std::make_unique<Process>(command, temporary_.path() + "/scheduler.log");
  const bool listens = scheduler_->WaitForOutput("listening on");
  const std::optional<Ended> ended = scheduler_->WaitForEnd(absl::ZeroDuration());
  Need(listens, "start the scheduler",
       StrCat(scheduler_->Output(), ended.has_value() ? "it has ended" : "it still runs"));
  // A channel that was refused waits before it tries again; a new one doesn't.
  api_.reset();
}

void TestFleet::StopScheduler() {
  // A connection that no one reads from would hold the scheduler up.
  api_.reset();
  scheduler_->Stop();
}

Agent& TestFleet::AddAgent(AgentOptions options) {
  if (options.schedulers.empty()) options.schedulers = {address_};
  const std::string kit = StrCat(temporary_.path(), "/", options.name);
  CopyTree(directory_ + "/agent", kit);
  agents_.push_back(std::make_unique<Agent>(kit, std::move(options)));
  return *agents_.back();
}

Agent& TestFleet::AddOnlineAgent(AgentOptions options) {
  Agent& agent = AddAgent(std::move(options));
  agent.Start();
  Need(WaitUntilOnline(agent), "agent online",
       StrCat(agent.name(), "\n", agent.process().Output(), scheduler_->Output()));
  return agent;
}

std::optional<v1::AgentInfo> TestFleet::InfoOf(const Agent& agent) {
  // All of them: a target is never true of an agent that was revoked.
  const auto found = api().SearchAgents("");
  if (!found.ok()) return std::nullopt;
  for (const v1::AgentInfo& info : found->agents()) {
    if (info.facts().name() == agent.name()) return info;
  }
  return std::nullopt;
}

bool TestFleet::WaitUntilOnline(const Agent& agent, absl::Duration patience) {
  return Eventually(
      [&] {
        const auto info = InfoOf(agent);
        return info.has_value() && info->state() == v1::AgentInfo::STATE_ONLINE &&
               info->trust_policy_version() > 0;
      },
      patience);
}

bool TestFleet::WaitUntilOffline(const Agent& agent, absl::Duration patience) {
  return Eventually(
      [&] {
        const auto info = InfoOf(agent);
        return info.has_value() && info->state() != v1::AgentInfo::STATE_ONLINE;
      },
      patience);
}

Api& TestFleet::api() {
  if (api_ == nullptr) api_ = ApiAs(forge_->investigator_tls());
  return *api_;
}

std::unique_ptr<Api> TestFleet::ApiAs(const std::optional<TlsPair>& identity) const {
  return std::make_unique<Api>(address_, forge_->ca_pem(), identity);
}

Finished TestFleet::Dragnet(const std::vector<std::string>& arguments) {
  Command command;
  command.arguments = {"dragnet"};
  command.arguments.insert(command.arguments.end(), arguments.begin(), arguments.end());
  command.environment = {"DRAGNET_CONFIG=" + console_config()};
  return RunToEnd(command);
}

std::string TestFleet::MakeFiles(const std::string& name, int count) {
  return MakeEmptyFiles(StrCat(temporary_.path(), "/", name), count);
}

std::vector<std::string> PathsOf(const std::vector<std::string>& rows) {
  std::vector<std::string> paths;
  for (const std::string& bytes : rows) {
    file::v1::FileRow row;
    Need(row.ParseFromString(bytes), "parse a row");
    paths.push_back(row.path());
  }
  std::sort(paths.begin(), paths.end());
  return paths;
}

void SmuggleAction(TestFleet& fleet, const std::string& action_id, const std::string& envelope,
                   const std::string& signed_by) {
  TestDatabase database(fleet.database_path());
  const auto now = absl::ToUnixMillis(absl::Now());
  const auto later = absl::ToUnixMillis(absl::Now() + absl::Hours(1));
  database.Execute(
      "INSERT INTO actions (id, envelope, launched_by, signed_by, launched_at, expires)"
      " VALUES (?, ?, ?, ?, ?, ?)",
      {action_id, TestDatabase::Blob{envelope}, signed_by, signed_by, now, later});
  database.Execute(
      "INSERT INTO action_bounds (action, operation, rows, bytes)"
      " VALUES ((SELECT no FROM actions WHERE id = ?), 0, 1000000, 1000000000)",
      {action_id});
}

}  // namespace dragnet::testing
