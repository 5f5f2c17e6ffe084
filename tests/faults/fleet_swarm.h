// Processes of dragnet-swarm that play agents of a test's fleet, each with a
// spool file, so that one that was killed goes on where it was. Not thread-safe.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "tests/harness/fleet.h"

namespace dragnet::testing {

// What every simulated agent's tags say.
inline constexpr char kSwarmTarget[] = "tags->>'swarm'='1'";

// Makes identities of the fleet's simulated agents. No scheduler may run.
void PrepareSwarm(const TestFleet& fleet, uint32_t agents);

struct SwarmPart {
  // Numbers of its agents: `from` to `from + agents`.
  uint32_t from = 0;
  uint32_t agents = 0;
  // host:port on loopback. Default: the fleet's scheduler.
  std::string scheduler = {};
  // For `dragnet-swarm run`.
  std::vector<std::string> more_arguments = {};
  // As Command::before_exec.
  std::function<void()> before_exec = {};
};

class SwarmProcess {
 public:
  SwarmProcess(const TestFleet& fleet, SwarmPart part);

  void Start();
  // SIGKILL.
  void Kill() { process_->Kill(); }
  // SIGTERM: the ledger is written. Nothing if it is stopped.
  void Stop();

  const SwarmPart& part() const { return part_; }
  uint64_t connected() const { return Says("connected"); }
  // Since it was started.
  uint64_t operations_ended() const { return Says("operations_ended"); }
  const std::string& ledger() const { return ledger_; }
  std::string Output() const { return process_->Output(); }

 private:
  uint64_t Says(const std::string& key) const;

  SwarmPart part_;
  std::vector<std::string> arguments_;
  std::string log_;
  std::string ledger_;
  std::unique_ptr<Process> process_;
};

// What `dragnet-swarm check` found.
struct Checked {
  uint64_t actions = 0;
  uint64_t operations = 0;
  uint64_t produced = 0;
  uint64_t stored = 0;
  uint64_t lost = 0;
  uint64_t twice = 0;
  uint64_t made_up = 0;
  uint64_t pending = 0;
  uint64_t wrong_states = 0;
  // As it printed it.
  std::string text;
};
Checked CheckLedgers(const std::vector<std::string>& ledgers, const std::string& database);

}  // namespace dragnet::testing
