// Orders about an action (cancel, pause, resume), as they are signed, and what
// people read of them before and afterwards. Thread-safe: no state.
#pragma once

#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "console/form/describe.h"
#include "console/form/module_catalog.h"
#include "core/trust_policy.h"
#include "dragnet/v1/action.pb.h"
#include "dragnet/v1/investigator.pb.h"
#include "dragnet/v1/order.pb.h"

namespace dragnet::console {

// FailedPrecondition: a pause or resume of an action that has expired.
// InvalidArgument: a reason over its bounds.
absl::StatusOr<v1::Order> NewOrder(v1::Order::Kind kind, const v1::Action& action,
                                   const std::string& fleet_id, const std::string& reason,
                                   absl::Time now);

// Whether an order may be signed about what the scheduler shows as `info`: the
// document that a person reads then is one that somebody signed and not one that
// the scheduler made up. FailedPrecondition otherwise.
//
// What somebody signed who is no longer in the policy must be stoppable: a
// cancellation is let through if its action was named by its whole id
// (`by_whole_id`), so that the scheduler can't choose which action ends. Then
// `warning` says that no one signed it; else it is empty.
absl::Status CheckSubject(v1::Order::Kind kind, const v1::ActionInfo& info, bool by_whole_id,
                          const TrustPolicy& policy, const ModuleCatalog& modules, absl::Time now,
                          std::string* warning);

// "Cancel", "Pause", "Resume"; "Cancelled", "Paused", "Resumed".
std::string OrderVerb(v1::Order::Kind kind);
std::string OrderDone(v1::Order::Kind kind);

// What a person reads before signing.
std::vector<DescriptionLine> OrderLines(const v1::Order& order, const v1::Action& action,
                                        const v1::Progress& progress, const std::string& signer);

// "sent to 3 agents that have it; 1 agent never gets the action."
std::string WhatHappened(v1::Order::Kind kind, const v1::SendOrderResponse& response);

}  // namespace dragnet::console
