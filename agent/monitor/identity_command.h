// `dragnet-agent identity`: who this host's agent is, to be compared with what
// `dragnet enroll requests` shows of a host that asks to be let in. Reads only, and
// only what doesn't disturb an agent that runs.
#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "agent/monitor/agent_config.h"

namespace dragnet {

// Lines "name  value", as they are to be printed. `now`: for whether the certificate
// has expired.
//
// FailedPrecondition when there is no key yet (the agent was never started);
// PermissionDenied when this user can't read it; InvalidArgument when key and
// certificate are not a pair, or of another fleet. The directory belongs to the user
// who stands in the network: what is no plain, small file there is refused.
absl::StatusOr<std::string> DescribeIdentity(const AgentConfig& config, absl::Time now);

}  // namespace dragnet
