// A fleet in a temporary directory, made and run by the real programs: one
// scheduler, any number of agents, all on loopback.
// Not thread-safe.
#pragma once

#include <sys/types.h>

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "core/unique_fd.h"
#include "tests/harness/api.h"
#include "tests/harness/files.h"
#include "tests/harness/forge.h"
#include "tests/harness/process.h"

namespace dragnet::testing {

// A TCP port of 127.0.0.1 that no one listens on, outside of the range that the
// kernel gives to outgoing connections: it stays free between two starts.
int FreePort();

// What stands in for dragnet-worker.
enum class WorkerKind {
  // The real one, behind a program that notes each start (testing/witness.cc).
  kReal,
  // agent/worker/testing/misbehaving.cc: "misbehave:WORD" in the parameters.
  kMisbehaving,
};

struct AgentOptions {
  std::string name = "agent-1";
  std::map<std::string, std::string> tags = {};
  // Default: the fleet's scheduler.
  std::vector<std::string> schedulers = {};
  // Default: below the fleet's directory.
  std::string state_directory = {};
  // Default: the fleet's own, of many uses.
  std::string token = {};
  // Lines of agent.toml, e.g. "privacy = true\n".
  std::string settings = {};
  // Lines of [limits], e.g. "rows = 10\n".
  std::string limits = {};
  WorkerKind worker = WorkerKind::kReal;
  // In the agent's process before it becomes dragnet-agent.
  std::function<void()> before_exec = {};
};

// One host: its configuration, its state, and dragnet-agent while it runs.
class Agent {
 public:
  Agent(std::string kit_directory, AgentOptions options);

  void Start();
  // SIGTERM.
  Ended Stop();
  // SIGKILL.
  void Kill();
  bool running() { return process_ != nullptr && process_->running(); }
  Process& process() { return *process_; }

  // From the next start on.
  void SetSchedulers(const std::vector<std::string>& schedulers);

  const std::string& name() const { return options_.name; }
  // Needs an identity: the agent has enrolled.
  std::string Id() const;
  const std::string& config_path() const { return config_path_; }
  const std::string& state_directory() const { return state_directory_; }
  std::string LinkDirectory() const { return state_directory_ + "/link"; }
  TlsPair Tls() const;

  // Of its children, by name; -1 while there is none.
  pid_t LinkPid();
  pid_t WorkerPid();
  // How many workers it ever started (kReal only).
  size_t WorkersStarted();

  // Ids of the actions that it took on. Only while it is stopped.
  std::vector<std::string> Journal() const;
  // Records that wait for an acknowledgement. Only while it is stopped.
  int64_t Spooled() const;

 private:
  pid_t ChildNamed(const std::string& name);
  void WriteConfig() const;

  AgentOptions options_;
  std::string kit_directory_;
  std::string state_directory_;
  std::string config_path_;
  std::string template_;
  // The reading end of what witness.cc writes to, and what came out of it.
  UniqueFd witness_;
  size_t workers_started_ = 0;
  std::unique_ptr<Process> process_;
};

struct FleetOptions {
  uint32_t root_keys = 1;
  uint32_t root_threshold = 1;
  // Address that the scheduler listens on and is reached by.
  std::string host = "127.0.0.1";
  // For the command `dragnet-scheduler init`.
  std::vector<std::string> more_arguments = {};
  // NAME=value, of each scheduler that is started.
  std::vector<std::string> scheduler_environment = {};
};

class TestFleet {
 public:
  static constexpr char kInvestigator[] = "ida";

  explicit TestFleet(const FleetOptions& options = FleetOptions());

  // <temporary directory>/fleet, as init made it.
  const std::string& directory() const { return directory_; }
  const std::string& temporary() const { return temporary_.path(); }
  int port() const { return port_; }
  const std::string& address() const { return address_; }
  Forge& forge() { return *forge_; }
  std::string scheduler_config() const { return directory_ + "/scheduler.toml"; }
  std::string console_config() const { return directory_ + "/investigator/console.toml"; }
  std::string database_path() const { return directory_ + "/scheduler/dragnet.db"; }

  // Waits until it listens.
  void StartScheduler();
  void StopScheduler();
  void KillScheduler() { scheduler_->Kill(); }
  Process& scheduler() { return *scheduler_; }

  // Not started yet.
  Agent& AddAgent(AgentOptions options = AgentOptions());
  // Started, enrolled, connected, and with the trust policy.
  Agent& AddOnlineAgent(AgentOptions options = AgentOptions());
  bool WaitUntilOnline(const Agent& agent, absl::Duration patience = kPatience);
  bool WaitUntilOffline(const Agent& agent, absl::Duration patience = kPatience);
  std::optional<v1::AgentInfo> InfoOf(const Agent& agent);

  // As the fleet's investigator; to the scheduler that runs now.
  Api& api();
  // As someone else.
  std::unique_ptr<Api> ApiAs(const std::optional<TlsPair>& identity) const;

  // Runs `dragnet` as the fleet's investigator.
  Finished Dragnet(const std::vector<std::string>& arguments);

  // A directory of `count` empty files, for actions to find.
  std::string MakeFiles(const std::string& name, int count);

 private:
  TemporaryDirectory temporary_;
  std::string directory_;
  int port_;
  std::string address_;
  std::vector<std::string> scheduler_environment_;
  std::unique_ptr<Forge> forge_;
  std::unique_ptr<Api> api_;
  std::unique_ptr<Process> scheduler_;
  // After the scheduler: agents are stopped first.
  std::vector<std::unique_ptr<Agent>> agents_;
};

// Paths in rows of the file module, sorted.
std::vector<std::string> PathsOf(const std::vector<std::string>& rows);

// Puts an action into a scheduler's database, as whoever owns its disk could:
// no signature is asked for, and it claims to be signed by `signed_by`.
void SmuggleAction(TestFleet& fleet, const std::string& action_id, const std::string& envelope,
                   const std::string& signed_by);

}  // namespace dragnet::testing
