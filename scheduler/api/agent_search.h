// SearchAgents: which known agents a target selects, a page at a time. Thread-safe.
#pragma once

#include "absl/status/status.h"
#include "dragnet/v1/investigator.pb.h"
#include "scheduler/dispatch/agents.h"

namespace dragnet::scheduler {

// InvalidArgument: the target, page_size or page_token.
absl::Status SearchAgents(const Agents& agents, absl::Time now,
                          const v1::SearchAgentsRequest& request,
                          v1::SearchAgentsResponse* response);

}  // namespace dragnet::scheduler
