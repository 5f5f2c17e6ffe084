#include "console/investigation/orders.h"

#include <algorithm>

#include "console/output/cell.h"
#include "core/action.h"
#include "core/order.h"
#include "core/status_macros.h"
#include "core/strings.h"
#include "core/uuid.h"

namespace dragnet::console {
namespace {

// An action that has expired may still run on hosts, for a day at most, and one
// that was cut off comes back later: so long its cancellation is valid at least.
constexpr absl::Duration kLeastLifetime = absl::Hours(25);

}  // namespace

absl::StatusOr<v1::Order> NewOrder(v1::Order::Kind kind, const v1::Action& action,
                                   const std::string& fleet_id, const std::string& reason,
                                   absl::Time now) {
  DRAGNET_ASSIGN_OR_RETURN(absl::Time expires, ToTime(action.expires()));
  if (kind == v1::Order::KIND_CANCEL) expires = std::max(expires, now + kLeastLifetime);
  if (expires <= now) {
    return absl::FailedPreconditionError(StrCat(WordOf(kind), ": the action expired on ",
                                                LocalTime(expires), ": it can only be cancelled"));
  }
  v1::Order order;
  order.set_id(NewUuidV7(now));
  order.set_fleet_id(fleet_id);
  order.set_action_id(action.id());
  order.set_kind(kind);
  order.set_reason(reason);
  *order.mutable_issued() = ToTimestamp(now);
  *order.mutable_expires() = ToTimestamp(std::min(expires, now + kMaxOrderLifetime));
  DRAGNET_RETURN_IF_ERROR(ValidateOrder(order));
  return order;
}

}  // namespace dragnet::console
