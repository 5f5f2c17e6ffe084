// One round of a fault: a fleet of its own with simulated and real agents, what
// is launched on it, and what must be true of it afterwards. Not thread-safe.
#pragma once

#include <cstdint>
#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <random>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "tests/faults/fleet_control.h"
#include "tests/faults/fleet_swarm.h"
#include "tests/harness/fleet.h"

namespace dragnet::testing {

struct RoundOptions {
  uint32_t agents = 200;
  uint64_t seed = 1;
  // Where logs of a bad round go; empty: nowhere.
  std::string logs = {};
};

struct RoundResult {
  uint64_t actions = 0;
  uint64_t produced = 0;
  uint64_t stored = 0;
  uint64_t lost = 0;
  uint64_t twice = 0;
  // Everything that is not as it must be, lost and doubled rows included.
  std::vector<std::string> problems;
  // For people.
  std::vector<std::string> notes;
};

class Round {
 public:
  explicit Round(const RoundOptions& options);
  ~Round();

  // --- before the fleet starts
  struct Setup {
    // Address that the scheduler listens on.
    std::string host = "127.0.0.1";
    // Where the scheduler's store is; default: as init made it.
    std::string store_directory = {};
    // Heartbeats each second: silence is noticed after 13 s.
    bool impatient = false;
    // The scheduler runs with libdragnet-faults.so; see control().
    bool preload = false;
    // The simulated agents' processes. Default: one with all of them.
    std::vector<SwarmPart> parts = {};
    uint32_t real_agents = 0;
    // Of each real agent; the name is set here.
    AgentOptions agent = {};
  };
  // Makes the fleet; nothing runs yet.
  void Make(Setup setup);
  // Starts scheduler and agents, and waits until all are connected.
  void Start();

  // --- while it runs
  // To all simulated agents, with many rows from most of them. Tries again until a
  // scheduler takes it, which may be restarted in `meanwhile`.
  void Launch(const std::function<void()>& meanwhile = nullptr);
  // Once; false when the scheduler refuses it.
  bool TryLaunch();
  // To all real agents: each finds ManyFiles().
  void LaunchToRealAgents();
  // Waits until about this share of the rows, 0 to 1, that were launched is stored.
  void WaitForShare(double share);
  // As that, for a share by chance.
  void WaitForChance(double from, double to) { WaitForShare(Between(from, to)); }
  // Waits until about this share of the rows of the last action that went to real
  // agents is stored.
  void WaitForRealAgents(double share);
  // The time at which a fault happens, by chance.
  void Wander(absl::Duration from, absl::Duration to);
  double Between(double from, double to);
  uint64_t Pick(uint64_t from, uint64_t to);

  // Kills what still runs of it.
  void RestartScheduler();

  TestFleet& fleet() { return *fleet_; }
  std::vector<std::unique_ptr<SwarmProcess>>& swarms() { return swarms_; }
  std::vector<Agent*>& real_agents() { return real_agents_; }
  const RoundOptions& options() const { return options_; }
  Control& control() { return *control_; }
  std::string database() const { return database_; }
  void Note(std::string text) { result_.notes.push_back(std::move(text)); }
  void Problem(std::string text);

  // --- afterwards, when what was broken is healed
  // Waits until every action has ended on every agent.
  void WaitForEnd();
  // As that, where the scheduler may not hear of every end: until the simulated
  // agents have nothing left to send.
  void Drain();
  // Stops everything, and compares what was produced with what is stored.
  void Check();
  // As Check(), after the store was replaced by an older one, whose successor is
  // at `former_database`: rows that were acknowledged into it went with it, and
  // nothing else may be missing. No pair may be whole without them.
  void CheckAgainst(const std::string& former_database);
  RoundResult TakeResult() { return std::move(result_); }
  // How often the scheduler that runs now has said it.
  size_t Said(const std::string& text);
  // Logs, ledgers and database into a directory of their own below options().logs.
  void KeepLogs(const std::string& fault);

 private:
  struct Launched {
    std::string id;
    std::string envelope;
    bool to_real_agents = false;
  };

  v1::Action NewAction();
  bool HasStopped();
  void LaunchAction(const v1::Action& action, bool to_real_agents,
                    const std::function<void()>& meanwhile);
  std::optional<v1::Progress> ProgressOf(const std::string& action_id);
  bool HasEnded(const Launched& action, const v1::Progress& progress) const;
  uint64_t AgentsOf(const Launched& action) const;
  double RowsExpectedOf(const Launched& action) const;
  void WaitForRows(const std::vector<Launched>& actions, double share);
  void StopAll();
  void CheckSums();
  void CheckPairs();
  Checked CheckSwarms(const std::string& database) const;
  void Take(const Checked& checked);
  void CheckRealAgents();
  void CheckRealAgent(Agent& agent, const std::string& action_id);

  const RoundOptions options_;
  std::mt19937_64 random_;
  Setup setup_;
  std::unique_ptr<const TemporaryDirectory> directory_;
  std::unique_ptr<TestFleet> fleet_;
  std::string database_;
  Control* control_ = nullptr;
  std::vector<std::unique_ptr<SwarmProcess>> swarms_;
  std::vector<Agent*> real_agents_;
  std::vector<Launched> launched_;
  // What the scheduler said at the end, by action.
  std::map<std::string, v1::Progress> progress_;
  RoundResult result_;
};

}  // namespace dragnet::testing
