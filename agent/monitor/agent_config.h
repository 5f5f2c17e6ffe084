// agent.toml, read strictly. docs/operations.md lists every key.
#pragma once

#include <map>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "agent/monitor/limits.h"
#include "core/trust_policy.h"

namespace dragnet {

struct AgentConfig {
  std::string fleet_id;
  std::vector<std::string> schedulers;  // host:port
  std::string ca_certificates;          // PEM
  RootSet root_keys;
  std::string state_directory;
  std::string enrolment_token;  // empty: none configured, or its file is gone
  std::string name;             // empty: the host's
  std::string link_user;
  std::string worker_user;
  std::string program_directory;
  std::map<std::string, std::string> tags;
  OperationLimits limits;
  int workers = 2;
  // As root: go on where the kernel can't put a wall of the sandbox up, instead
  // of refusing to start. As another user that is always so.
  bool allow_missing_walls = false;
};

// `own_directory`: where this program is; the default for program_directory.
absl::StatusOr<AgentConfig> LoadAgentConfig(const std::string& path,
                                            const std::string& own_directory);

}  // namespace dragnet
