// The one decision that everything stands on: may this envelope's action run?
//
// The scheduler asks it to refuse early and clearly; each agent asks it again,
// over what it holds itself, and only that answer counts. Thread-safe.
#pragma once

#include <functional>
#include <set>
#include <string>
#include <string_view>
#include <variant>
#include <vector>

#include "absl/time/time.h"
#include "core/trust_policy.h"
#include "dragnet/v1/action.pb.h"
#include "dragnet/v1/facts.pb.h"
#include "dragnet/v1/results.pb.h"

namespace dragnet {

// An action that may run, and who ordered it.
struct AuthorizedAction {
  v1::Action action;
  std::set<std::string> signers;
};

// Why it may not, in the words that go to the scheduler.
struct RefusedAction {
  v1::Refusal::Reason reason = v1::Refusal::REASON_UNSPECIFIED;
  std::string detail;
  // Known only where the payload could be trusted enough to be read.
  std::string action_id;
};

// What an authorisation is decided over.
struct AuthorizationContext {
  // Null: no policy is held, everything is refused.
  const TrustPolicy* policy = nullptr;
  std::string_view fleet_id;
  absl::Time now;
  // The names of the modules whose weight an operation needs: those that it runs and
  // those whose powers these use. Empty: one of them doesn't exist here.
  std::function<std::vector<std::string>(const v1::Operation& operation)> weights_needed;
  // On agents: the facts the target is evaluated over. Null on schedulers.
  const v1::Facts* facts = nullptr;
  // On agents: whether the journal holds this action. Unset on schedulers.
  std::function<bool(std::string_view action_id)> already_ran;
};

// Checks in this order, and stops at the first that fails: form of the
// envelope, policy held and not expired, form of the action, fleet, signatures
// and weight for every operation, validity in time, target, replay. Nothing of the
// payload but its id is used, and that only for the report, before a signature
// of an investigator was found valid.
std::variant<AuthorizedAction, RefusedAction> AuthorizeAction(std::string_view envelope_bytes,
                                                              const AuthorizationContext& context);

}  // namespace dragnet
