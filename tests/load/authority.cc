#include "tests/load/authority.h"

#include <cstdio>
#include <utility>

#include "core/action.h"
#include "core/authorization.h"
#include "core/envelope.h"
#include "core/keys.h"
#include "core/order.h"
#include "core/status_macros.h"
#include "core/strings.h"
#include "modules/weights.h"

namespace dragnet::load {
namespace {

constexpr std::string_view kAnswerPrefix = "swarm:";

Refused RefusedFor(v1::Refusal::Reason reason, std::string_view detail, std::string_view id) {
  return {reason, std::string(detail), std::string(id)};
}

}  // namespace

absl::StatusOr<std::unique_ptr<Authority>> Authority::Create(std::string fleet_id, RootSet roots,
                                                             const Answer& default_answer,
                                                             bool verify_every) {
  std::unique_ptr<Authority> authority(new Authority);
  authority->fleet_id_ = std::move(fleet_id);
  authority->roots_ = std::move(roots);
  authority->default_answer_ = default_answer;
  authority->verify_every_ = verify_every;
  DRAGNET_ASSIGN_OR_RETURN(authority->targets_, TargetTable::Create());
  return authority;
}

absl::Status Authority::AddAgent(uint32_t place, const v1::Facts& facts) {
  places_[facts.id()] = place;
  return targets_->Upsert(facts);
}

absl::StatusOr<Authority::Policy> Authority::TakePolicy(const Policy& held,
                                                        std::string_view envelope) {
  if (held != nullptr && held->envelope_bytes() == envelope) return held;
  const std::pair key(Sha256(envelope), held.get());
  if (const auto found = policies_.find(key); found != policies_.end() && !verify_every_)
    return found->second;
  ++verifications_;
  absl::StatusOr<TrustPolicy> policy = held == nullptr
                                           ? TrustPolicy::VerifyFirst(envelope, roots_, fleet_id_)
                                           : held->VerifySuccessor(envelope, absl::Now());
  absl::StatusOr<Policy> taken = Policy();
  if (!policy.ok()) {
    taken = policy.status();
  } else {
    // One object for all agents that hold it, however often it is verified.
    const auto found = policies_.find(key);
    taken = found != policies_.end() && found->second.ok()
                ? *found->second
                : std::make_shared<const TrustPolicy>(*std::move(policy));
  }
  policies_.insert_or_assign(key, taken);
  return taken;
}

SharedAction* Authority::Share(v1::Action action) {
  auto& shared = actions_[action.id()];
  if (shared == nullptr) {
    shared = std::make_unique<SharedAction>();
    shared->number = static_cast<uint32_t>(actions_.size() - 1);
    shared->id = action.id();
    shared->answer = default_answer_;
  }
  // Also of one that an order spoke of first.
  if (action.description().starts_with(kAnswerPrefix)) {
    const absl::StatusOr<Answer> answer = ParseAnswer(
        std::string_view(action.description()).substr(kAnswerPrefix.size()), default_answer_);
    if (answer.ok()) {
      shared->answer = *answer;
    } else {
      std::fprintf(stderr, "dragnet-swarm: action %s: %s\n", action.id().c_str(),
                   std::string(answer.status().message()).c_str());
    }
  }
  if (const absl::StatusOr<absl::Time> expires = ToTime(action.expires()); expires.ok())
    shared->expires = *expires;
  shared->action = std::move(action);
  return shared.get();
}

SharedAction* Authority::Remember(const std::string& action_id, const std::string& answer) {
  v1::Action action;
  action.set_id(action_id);
  SharedAction* shared = Share(std::move(action));
  if (const auto parsed = ParseAnswer(answer, default_answer_); parsed.ok())
    shared->answer = *parsed;
  return shared;
}

Authority::Verdict Authority::Verify(std::string_view envelope, const Policy& policy,
                                     const v1::Facts* facts) {
  ++verifications_;
  AuthorizationContext context;
  context.policy = policy.get();
  context.fleet_id = fleet_id_;
  context.now = absl::Now();
  context.weights_needed = WeightsNeededBy;
  context.facts = facts;
  std::variant<AuthorizedAction, RefusedAction> result = AuthorizeAction(envelope, context);
  Verdict verdict;
  if (auto* refused = std::get_if<RefusedAction>(&result)) {
    verdict.decision.refused = RefusedFor(refused->reason, refused->detail, refused->action_id);
    return verdict;
  }
  v1::Action& action = std::get<AuthorizedAction>(result).action;
  if (facts == nullptr) {
    verdict.targeted.resize(places_.size());
    const auto matched = targets_->Select(action.target());
    if (!matched.ok()) {
      verdict.decision.refused =
          RefusedFor(v1::Refusal::REASON_MALFORMED, ToStd(matched.status().message()), action.id());
      return verdict;
    }
    for (const std::string& id : *matched) verdict.targeted[places_.find(id)->second] = true;
  }
  verdict.decision.action = Share(std::move(action));
  return verdict;
}

Authority::Decision Authority::Decide(std::string_view envelope, const Policy& policy,
                                      uint32_t place, const v1::Facts& facts) {
  if (verify_every_) return Verify(envelope, policy, &facts).decision;
  const std::pair key(Sha256(envelope), policy.get());
  auto found = verdicts_.find(key);
  if (found == verdicts_.end())
    found = verdicts_.emplace(key, Verify(envelope, policy, nullptr)).first;
  const Verdict& verdict = found->second;
  if (verdict.decision.action == nullptr) return verdict.decision;
  const std::string& id = verdict.decision.action->id;
  if (absl::Now() > verdict.decision.action->expires)
    return {nullptr, RefusedFor(v1::Refusal::REASON_EXPIRED, "expired", id)};
  if (!verdict.targeted[place])
    return {nullptr, RefusedFor(v1::Refusal::REASON_NOT_TARGETED, "not in the target", id)};
  return verdict.decision;
}

Authority::Ordered Authority::VerifyOrder(std::string_view envelope, const Policy& policy) {
  ++verifications_;
  const auto find = [this](std::string_view id) -> SharedAction* {
    const auto found = actions_.find(std::string(id));
    return found == actions_.end() ? nullptr : found->second.get();
  };
  OrderContext context;
  context.policy = policy.get();
  context.fleet_id = fleet_id_;
  context.now = absl::Now();
  context.weights_needed = WeightsNeeded;
  context.modules_of = [&](std::string_view id) -> std::optional<std::vector<std::string>> {
    const SharedAction* action = find(id);
    // One that only a ledger or an order spoke of has no operations here.
    if (action == nullptr || action->action.operations().empty()) return std::nullopt;
    return ModulesRun(action->action);
  };
  context.order_in_force = [&](std::string_view id) {
    const SharedAction* action = find(id);
    return action == nullptr ? std::string() : action->order_id;
  };
  std::variant<AuthorizedOrder, RefusedOrder> result = AuthorizeOrder(envelope, context);
  Ordered ordered;
  if (const auto* refused = std::get_if<RefusedOrder>(&result)) {
    ordered.action_id = refused->action_id;
    ordered.refused = RefusedFor(v1::Refusal::REASON_ORDER_REJECTED,
                                 ToStd(refused->status.message()), refused->action_id);
    return ordered;
  }
  const v1::Order& order = std::get<AuthorizedOrder>(result).order;
  ordered.action_id = order.action_id();
  ordered.kind = order.kind();
  SharedAction* action = find(order.action_id());
  if (action == nullptr) {
    // It may come later; then it is refused, if this was to cancel it.
    v1::Action unknown;
    unknown.set_id(order.action_id());
    action = Share(std::move(unknown));
  }
  action->order_id = order.id();
  if (action->order != v1::Order::KIND_CANCEL) action->order = order.kind();
  return ordered;
}

const Authority::Ordered& Authority::TakeOrder(std::string_view envelope, const Policy& policy) {
  const std::pair key(Sha256(envelope), policy.get());
  auto found = orders_.find(key);
  if (found == orders_.end()) found = orders_.emplace(key, VerifyOrder(envelope, policy)).first;
  return found->second;
}

}  // namespace dragnet::load
