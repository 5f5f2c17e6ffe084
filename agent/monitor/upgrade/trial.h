// What a new version does to show that it can be this host's agent, before it is:
// `dragnet-agent trial`, started by the version that runs (trial_process.h), which holds
// its own link down meanwhile.
//
// It reads the configuration, opens a copy of the agent's state and brings it up to date,
// has its own worker do a small job behind all walls, and its own link reach a scheduler
// with this host's identity. It takes no action and no order, sends no record and no
// acknowledgement: what a scheduler sends into its session it sends again into the
// next one.
#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "agent/monitor/agent_config.h"
#include "agent/monitor/link_process.h"
#include "agent/monitor/worker_run.h"
#include "dragnet/v1/facts.pb.h"

namespace dragnet {

struct TrialSurroundings {
  AgentConfig config;
  WorkerEnvironment worker;
  LinkEnvironment link;
  // Without id and fleet.
  v1::Facts facts;
  std::vector<std::string> missing_walls;
};

// That this program is of the version that the release says it is.
absl::Status CheckTrialVersion(const std::string& expected);

// Until a scheduler is reached, or something failed; who started it holds it to its time.
// The line that it ends with; who started it adds the nonce by which it is known.
absl::StatusOr<std::string> RunTrial(const TrialSurroundings& surroundings,
                                     const std::string& state_copy);

}  // namespace dragnet
