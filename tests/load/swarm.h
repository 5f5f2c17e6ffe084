// N simulated agents in this process, on one event loop. Not thread-safe.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/time/time.h"
#include "tests/load/answer.h"
#include "tests/load/behaviour.h"

namespace dragnet::load {

// A descriptor each, and this process's limit is 20,000.
inline constexpr uint32_t kMaxAgents = 19'900;

struct SwarmOptions {
  // As `dragnet-scheduler init` made it.
  std::string fleet;
  // Default: the first scheduler of the fleet's agent.toml. Loopback only. Each agent begins
  // with one of them, and goes to the next whenever a connection ends.
  std::vector<std::string> schedulers;
  // Default: swarm.identities in the fleet's directory.
  std::string identities;
  uint64_t seed = 1;
  uint32_t from = 0;
  uint32_t count = 100;
  // Agents that have no identity enrol with the token in the fleet's agent kit.
  bool enrol = false;
  Answer answer;
  // JSON Lines of a real run of the module `file`; empty: rows are made up.
  std::string real_rows;
  Misbehaviour misbehaviour;
  // Agents connect evenly over this time; 0: all at once.
  absl::Duration spread;
  // Ends after this time at the latest.
  absl::Duration duration = absl::Minutes(10);
  bool verify_every = false;
  bool resume_tls = false;
  uint32_t spool_records = 64;
  std::string spool_file;
  std::string ledger;
};

// Runs until the time is over, or until `signals`, a signalfd(2), says SIGTERM or SIGINT.
// Prints a line of JSON each second, and writes the ledger at the end and at SIGUSR1, each
// time as a whole. InvalidArgument and PermissionDenied for options that can't be.
absl::Status RunSwarm(const SwarmOptions& options, int signals);

}  // namespace dragnet::load
