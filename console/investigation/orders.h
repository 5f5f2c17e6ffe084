// Orders about an action (cancel, pause, resume), as they are signed. Thread-safe:
// no state.
#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "dragnet/v1/action.pb.h"
#include "dragnet/v1/order.pb.h"

namespace dragnet::console {

// FailedPrecondition: a pause or resume of an action that has expired.
// InvalidArgument: a reason over its bounds.
absl::StatusOr<v1::Order> NewOrder(v1::Order::Kind kind, const v1::Action& action,
                                   const std::string& fleet_id, const std::string& reason,
                                   absl::Time now);

}  // namespace dragnet::console
