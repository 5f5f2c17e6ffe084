#include "core/order.h"

#include <algorithm>

#include "absl/strings/str_join.h"
#include "core/action.h"
#include "core/envelope.h"
#include "core/status_macros.h"
#include "core/strict_proto.h"
#include "core/strings.h"
#include "core/uuid.h"

namespace dragnet {
namespace {

// The id orders orders, so it must say the time at which the order was given: an
// id from the far future would shut out every later order.
constexpr absl::Duration kIdTolerance = absl::Seconds(1);

absl::Status Invalid(std::string_view field, std::string_view problem) {
  return absl::InvalidArgumentError(StrCat("order ", field, ": ", problem));
}

std::string Format(absl::Time time) {
  return absl::FormatTime(absl::RFC3339_sec, time, absl::UTCTimeZone());
}

absl::Status ValidateTimes(const v1::Order& order) {
  if (!order.has_issued()) return Invalid("issued", "missing");
  if (!order.has_expires()) return Invalid("expires", "missing");
  const absl::StatusOr<absl::Time> issued = ToTime(order.issued());
  const absl::StatusOr<absl::Time> expires = ToTime(order.expires());
  if (!issued.ok()) return Invalid("issued", ToStd(issued.status().message()));
  if (!expires.ok()) return Invalid("expires", ToStd(expires.status().message()));
  if (*expires <= *issued) return Invalid("expires", "not after issued");
  if (*expires - *issued > kMaxOrderLifetime) {
    return Invalid("expires", "more than 366 days after issued");
  }
  if (absl::AbsDuration(TimeOfUuidV7(order.id()) - *issued) > kIdTolerance) {
    return Invalid("id", "of another time than issued");
  }
  // No one can know it yet. What agents remember of such an action would outlast
  // every real one.
  if (TimeOfUuidV7(order.action_id()) > *issued + kOrderClockSkew) {
    return Invalid("action_id", "of an action made after the order was issued");
  }
  return absl::OkStatus();
}

bool HasWeight(const TrustPolicy& policy, const std::set<std::string>& signers,
               const std::optional<std::vector<std::string>>& modules) {
  for (const v1::ModulePolicy& rule : policy.proto().modules()) {
    if (modules.has_value() &&
        std::find(modules->begin(), modules->end(), rule.module()) == modules->end()) {
      continue;
    }
    for (const v1::Weight& entry : rule.weights()) {
      if (entry.weight() > 0 && signers.contains(entry.investigator())) return true;
    }
  }
  return false;
}

absl::Status CheckStopWeight(const OrderContext& context, const AuthorizedOrder& authorized) {
  const std::optional<std::vector<std::string>> modules =
      context.modules_of(authorized.order.action_id());
  if (HasWeight(*context.policy, authorized.signers, modules)) return absl::OkStatus();
  return absl::PermissionDeniedError(StrCat(
      "none of ", absl::StrJoin(authorized.signers, ", "), " has weight for ",
      modules.has_value() ? StrCat("a module of the action (", absl::StrJoin(*modules, ", "), ")")
                          : std::string("any module")));
}

// What it lets go on counts as started: workers run again, further agents get it.
absl::Status CheckStartWeight(const OrderContext& context, const AuthorizedOrder& authorized) {
  const std::optional<std::vector<std::string>> modules =
      context.modules_of(authorized.order.action_id());
  if (!modules.has_value()) {
    return absl::NotFoundError("the action isn't here: there is nothing to resume");
  }
  if (modules->empty()) return absl::PermissionDeniedError("the action has no operations");
  for (const std::string& module : *modules) {
    const std::vector<std::string> needed = context.weights_needed(module);
    if (needed.empty()) {
      return absl::PermissionDeniedError(StrCat("module ", module, " does not exist here"));
    }
    for (const std::string& name : needed) {
      const absl::Status weight = context.policy->CheckWeight(name, authorized.signers);
      if (weight.ok()) continue;
      return absl::PermissionDeniedError(
          StrCat("to resume takes what to start does: ", weight.message(), " (signed by ",
                 absl::StrJoin(authorized.signers, ", "), ")"));
    }
  }
  return absl::OkStatus();
}

// For the report only: lets a scheduler show which action's order was refused.
std::string ClaimedActionId(const v1::Envelope& envelope) {
  v1::Order order;
  if (!ParseStrict(envelope.payload(), kMaxOrderBytes, &order).ok()) return "";
  return IsUuidV7(order.action_id()) ? order.action_id() : "";
}

absl::Status CheckTime(const v1::Order& order, absl::Time now) {
  const absl::Time issued = *ToTime(order.issued());
  const absl::Time expires = *ToTime(order.expires());
  if (order.kind() != v1::Order::KIND_CANCEL && issued > now + kOrderClockSkew) {
    return absl::FailedPreconditionError(
        StrCat("issued on ", Format(issued), ", this clock says ", Format(now)));
  }
  if (now > expires) {
    return absl::FailedPreconditionError(
        StrCat("expired on ", Format(expires), ", this clock says ", Format(now)));
  }
  return absl::OkStatus();
}

absl::Status CheckPolicy(const OrderContext& context) {
  if (context.policy == nullptr) {
    return absl::FailedPreconditionError("no trust policy is held yet");
  }
  if (context.policy->expired(context.now)) {
    return absl::FailedPreconditionError(StrCat("trust policy version ", context.policy->version(),
                                                " expired on ", Format(context.policy->expires()),
                                                ", this clock says ", Format(context.now)));
  }
  return absl::OkStatus();
}

absl::StatusOr<AuthorizedOrder> Decide(const v1::Envelope& envelope, const OrderContext& context) {
  DRAGNET_RETURN_IF_ERROR(CheckPolicy(context));
  AuthorizedOrder authorized;
  // The signature first: nothing that no investigator signed is looked into.
  authorized.signers = context.policy->Signers(envelope);
  if (authorized.signers.empty()) {
    return absl::PermissionDeniedError(
        StrCat("no valid signature of an investigator of trust policy version ",
               context.policy->version()));
  }
  DRAGNET_ASSIGN_OR_RETURN(authorized.order, ParseOrder(envelope.payload()));
  const v1::Order& order = authorized.order;
  if (order.fleet_id() != context.fleet_id) {
    return absl::FailedPreconditionError(
        StrCat("for fleet ", order.fleet_id(), ", this is fleet ", context.fleet_id));
  }
  DRAGNET_RETURN_IF_ERROR(order.kind() == v1::Order::KIND_RESUME
                              ? CheckStartWeight(context, authorized)
                              : CheckStopWeight(context, authorized));
  DRAGNET_RETURN_IF_ERROR(CheckTime(order, context.now));
  if (order.kind() == v1::Order::KIND_CANCEL) return authorized;
  const std::string in_force = context.order_in_force(order.action_id());
  if (order.id() <= in_force) {
    return absl::FailedPreconditionError(
        StrCat("not newer than order ", in_force, ", which holds"));
  }
  return authorized;
}

}  // namespace

absl::Status ValidateOrder(const v1::Order& order) {
  if (!IsUuidV7(order.id())) return Invalid("id", "not a UUID of version 7 in lower case");
  if (!IsFleetId(order.fleet_id())) return Invalid("fleet_id", "not a fleet id");
  if (!IsUuidV7(order.action_id())) {
    return Invalid("action_id", "not a UUID of version 7 in lower case");
  }
  if (WordOf(order.kind()).empty()) return Invalid("kind", "not cancel, pause or resume");
  if (order.reason().size() > kMaxOrderReason) {
    return Invalid("reason", StrCat(order.reason().size(), " bytes, at most ", kMaxOrderReason));
  }
  return ValidateTimes(order);
}

absl::StatusOr<v1::Order> ParseOrder(std::string_view payload) {
  v1::Order order;
  DRAGNET_RETURN_IF_ERROR(ParseStrict(payload, kMaxOrderBytes, &order));
  DRAGNET_RETURN_IF_ERROR(ValidateOrder(order));
  return order;
}

std::string_view WordOf(v1::Order::Kind kind) {
  switch (kind) {
    case v1::Order::KIND_CANCEL:
      return "cancel";
    case v1::Order::KIND_PAUSE:
      return "pause";
    case v1::Order::KIND_RESUME:
      return "resume";
    default:
      return "";
  }
}

std::string OrderWords(const v1::Order& order, const std::set<std::string>& signers) {
  std::string_view done = "resumed";
  if (order.kind() == v1::Order::KIND_CANCEL) done = "cancelled";
  if (order.kind() == v1::Order::KIND_PAUSE) done = "paused";
  return StrCat(done, " by ", absl::StrJoin(signers, ", "), order.reason().empty() ? "" : ": ",
                order.reason());
}

std::variant<AuthorizedOrder, RefusedOrder> AuthorizeOrder(std::string_view envelope_bytes,
                                                           const OrderContext& context) {
  RefusedOrder refused;
  if (envelope_bytes.size() > kMaxOrderEnvelopeBytes) {
    refused.status = absl::InvalidArgumentError(
        StrCat("an order of ", envelope_bytes.size(), " bytes, at most ", kMaxOrderEnvelopeBytes));
    return refused;
  }
  const auto envelope = ParseEnvelope(envelope_bytes, kOrderPayloadType);
  if (!envelope.ok()) {
    refused.status = absl::InvalidArgumentError(envelope.status().message());
    return refused;
  }
  refused.action_id = ClaimedActionId(*envelope);
  absl::StatusOr<AuthorizedOrder> authorized = Decide(*envelope, context);
  if (authorized.ok()) return *std::move(authorized);
  refused.status = authorized.status();
  return refused;
}

}  // namespace dragnet
