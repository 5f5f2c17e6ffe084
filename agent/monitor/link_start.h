// What the link is told at its start, and what the agent says of itself: the same for the
// agent and for a new version in trial (agent/monitor/upgrade/trial.h).
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "agent/ipc/ipc.pb.h"
#include "agent/monitor/agent_config.h"
#include "core/trust_policy.h"
#include "dragnet/v1/agent_gateway.pb.h"

namespace dragnet {

// `facts` with id and fleet. `policy_version` 0: none is held.
v1::Hello MakeHello(const AgentConfig& config, const v1::Facts& facts, uint64_t policy_version,
                    const std::vector<std::string>& missing_walls);

// PEM, by which the link knows a scheduler: what `policy` names, and what the configuration
// has where that is null, names none, or names one that can't be read.
std::string CaCertificates(const AgentConfig& config, const TrustPolicy* policy);

// A token may be good for many hosts: the link gets it only if its file was written after
// `enrolled_with` (StateStore::EnrolledWith; InfinitePast: the host was never connected), as
// for a host whose certificate has expired. What the link's own files say counts nothing:
// it could remove them.
ipc::LinkStart MakeLinkStart(const AgentConfig& config, const std::string& ca_certificates,
                             const v1::Hello& hello, absl::Time enrolled_with);

}  // namespace dragnet
