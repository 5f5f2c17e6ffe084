#include "core/authorization.h"

#include "absl/strings/str_join.h"
#include "core/action.h"
#include "core/envelope.h"
#include "core/strict_proto.h"
#include "core/strings.h"
#include "core/target.h"
#include "core/uuid.h"

namespace dragnet {
namespace {

using Reason = v1::Refusal;  // for Reason::REASON_…

std::string Format(absl::Time time) {
  return absl::FormatTime(absl::RFC3339_sec, time, absl::UTCTimeZone());
}

// For the report only: lets a scheduler show which of its actions was refused.
std::string ClaimedActionId(const v1::Envelope& envelope) {
  v1::Action action;
  if (!ParseStrict(envelope.payload(), kMaxActionBytes, &action).ok()) return "";
  return IsUuidV7(action.id()) ? action.id() : "";
}

// What is known when a check fails, so that each check is one statement.
struct Refuse {
  std::string action_id;
  RefusedAction operator()(v1::Refusal::Reason reason, std::string_view detail) const {
    return RefusedAction{reason, std::string(detail), action_id};
  }
};

}  // namespace

std::variant<AuthorizedAction, RefusedAction> AuthorizeAction(std::string_view envelope_bytes,
                                                              const AuthorizationContext& context) {
  Refuse refuse;
  const auto envelope = ParseEnvelope(envelope_bytes, kActionPayloadType);
  if (!envelope.ok()) {
    return refuse(Reason::REASON_MALFORMED, ToStd(envelope.status().message()));
  }
  refuse.action_id = ClaimedActionId(*envelope);

  if (context.policy == nullptr) {
    return refuse(Reason::REASON_NO_POLICY, "no trust policy is held yet");
  }
  if (context.policy->expired(context.now)) {
    return refuse(
        Reason::REASON_POLICY_EXPIRED,
        StrCat("trust policy version ", context.policy->version(), " expired on ",
               Format(context.policy->expires()), ", this clock says ", Format(context.now)));
  }

  // The signature first: nothing that no investigator signed is looked into.
  const std::set<std::string> signers = context.policy->Signers(*envelope);
  if (signers.empty()) {
    return refuse(Reason::REASON_INSUFFICIENT_WEIGHT,
                  StrCat("no valid signature of an investigator of trust policy version ",
                         context.policy->version()));
  }

  absl::StatusOr<v1::Action> action = ParseAction(envelope->payload());
  if (!action.ok()) {
    return refuse(absl::IsUnimplemented(action.status()) ? Reason::REASON_UNSUPPORTED
                                                         : Reason::REASON_MALFORMED,
                  ToStd(action.status().message()));
  }
  if (action->fleet_id() != context.fleet_id) {
    return refuse(Reason::REASON_WRONG_FLEET,
                  StrCat("for fleet ", action->fleet_id(), ", this is fleet ", context.fleet_id));
  }

  for (const v1::Operation& operation : action->operations()) {
    const std::vector<std::string> needed = context.weights_needed(operation);
    if (needed.empty()) {
      return refuse(
          Reason::REASON_MODULE_NOT_ALLOWED,
          StrCat("module ", operation.module(), ", or one that it runs, does not exist here"));
    }
    for (const std::string& module : needed) {
      const absl::Status weight = context.policy->CheckWeight(module, signers);
      if (weight.ok()) continue;
      const std::string detail =
          StrCat(weight.message(), " (signed by ", absl::StrJoin(signers, ", "), ")");
      return refuse(context.policy->HasRuleFor(module) ? Reason::REASON_INSUFFICIENT_WEIGHT
                                                       : Reason::REASON_MODULE_NOT_ALLOWED,
                    detail);
    }
  }

  const absl::Time not_before = *ToTime(action->not_before());
  const absl::Time expires = *ToTime(action->expires());
  if (context.now < not_before) {
    return refuse(Reason::REASON_NOT_YET_VALID, StrCat("valid from ", Format(not_before),
                                                       ", this clock says ", Format(context.now)));
  }
  if (context.now > expires) {
    return refuse(Reason::REASON_EXPIRED, StrCat("expired on ", Format(expires),
                                                 ", this clock says ", Format(context.now)));
  }

  if (context.facts != nullptr) {
    const absl::StatusOr<bool> matches = TargetMatches(action->target(), *context.facts);
    if (!matches.ok()) {
      return refuse(Reason::REASON_NOT_TARGETED,
                    StrCat("target can't be evaluated: ", matches.status().message()));
    }
    if (!*matches) {
      return refuse(Reason::REASON_NOT_TARGETED,
                    StrCat("the target is not true of this host: ", action->target()));
    }
  }
  if (context.already_ran && context.already_ran(action->id())) {
    return refuse(Reason::REASON_REPLAYED, "this action was taken on before");
  }
  return AuthorizedAction{*std::move(action), signers};
}

}  // namespace dragnet
