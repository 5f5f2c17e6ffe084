// The way of an action that one signature is not enough for: it is proposed, and
// followed from when it is launched on. Not thread-safe.
#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "console/cli/launch.h"
#include "console/cli/session.h"
#include "console/investigation/proposals.h"

namespace dragnet::console {

// What is missing of a proposal as the scheduler has it now, found out here.
std::string StillMissing(const v1::Proposal& proposal, const TrustPolicy& policy, Session& session);

// Says on standard output what became of it, for who doesn't wait: its id, or an
// object with action_id and state.
absl::Status SayState(const std::string& action_id, std::string_view state,
                      const std::string& output, Session& session);

// From a signed action to the exit status. Waits until enough people have signed it,
// it is refused or expires; Ctrl-C detaches, the proposal stays.
absl::StatusOr<int> ProposeAction(const v1::Action& action, const v1::Envelope& envelope,
                                  const LaunchFlags& flags, const TrustPolicy& policy,
                                  Session& session);

}  // namespace dragnet::console
