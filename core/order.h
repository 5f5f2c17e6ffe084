// Signed orders about an action: who may cancel, pause and resume it. One
// implementation for the console (before signing), the scheduler (before it
// obeys and hands on) and the agent, whose answer alone counts there.
// Thread-safe.
#pragma once

#include <functional>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "core/trust_policy.h"
#include "dragnet/v1/order.pb.h"

namespace dragnet {

inline constexpr size_t kMaxOrderBytes = 2048;
inline constexpr size_t kMaxOrderReason = 1024;
// The order and kMaxSignatures signatures with their key ids, and room to spare.
inline constexpr size_t kMaxOrderEnvelopeBytes = 32 * 1024;
inline constexpr absl::Duration kMaxOrderLifetime = absl::Hours(366 * 24);
// How far the clocks of who signed and of who obeys may be apart, and those of
// who made an action and who orders something about it.
inline constexpr absl::Duration kOrderClockSkew = absl::Minutes(5);

// Everything that order.proto states and that needs neither clock nor policy.
// InvalidArgument names the field.
absl::Status ValidateOrder(const v1::Order& order);

// ParseStrict, then ValidateOrder.
absl::StatusOr<v1::Order> ParseOrder(std::string_view payload);

// "cancel", "pause", "resume".
std::string_view WordOf(v1::Order::Kind kind);

// "cancelled by alice: wrong target", for people.
std::string OrderWords(const v1::Order& order, const std::set<std::string>& signers);

// An order that holds, and who gave it.
struct AuthorizedOrder {
  v1::Order order;
  std::set<std::string> signers;
};

// Why it doesn't.
struct RefusedOrder {
  // InvalidArgument: malformed. PermissionDenied: no signature that has a say.
  // NotFound: a resume of an action that isn't here.
  // FailedPrecondition: everything that another time, policy or order decides.
  absl::Status status;
  // Known only where the payload could be read; for the report.
  std::string action_id;
};

// What an order is decided over.
struct OrderContext {
  // Null: no policy is held, everything is refused.
  const TrustPolicy* policy = nullptr;
  std::string_view fleet_id;
  absl::Time now;
  // The modules that the action's operations run (not those whose powers these
  // use). Nothing: this action isn't known here; then weight for any module of
  // the policy is enough to cancel or pause it, and nothing to resume it.
  std::function<std::optional<std::vector<std::string>>(std::string_view action_id)> modules_of;
  // Those whose weight `module` needs: itself and those whose powers it uses. Empty:
  // it doesn't exist here.
  std::function<std::vector<std::string>(std::string_view module)> weights_needed;
  // Id of the order that holds for this action; empty for none.
  std::function<std::string(std::string_view action_id)> order_in_force;
};

// Checks in this order, and stops at the first that fails: size and form of the
// envelope, policy held and not expired, a valid signature of any investigator,
// form of the order, fleet, weight, time, and that it is newer than the order in
// force.
//
// Weight: a cancellation and a pause need some for a module of the action; a
// resume starts things, so it needs what starting the action does. A cancellation
// is final: neither a clock that is behind nor an order "from the future" that
// holds already shuts it out.
std::variant<AuthorizedOrder, RefusedOrder> AuthorizeOrder(std::string_view envelope_bytes,
                                                           const OrderContext& context);

}  // namespace dragnet
