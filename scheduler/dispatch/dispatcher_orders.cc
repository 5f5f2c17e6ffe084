// The part of Dispatcher about orders: what it checks, does and hands on.
#include <spdlog/spdlog.h>

#include <algorithm>
#include <set>
#include <utility>
#include <variant>

#include "core/action.h"
#include "core/envelope.h"
#include "core/order.h"
#include "core/status_macros.h"
#include "core/text.h"
#include "modules/weights.h"
#include "scheduler/dispatch/dispatcher.h"
#include "scheduler/store/sweep_terms.h"

namespace dragnet::scheduler {
namespace {

constexpr size_t kMaxLoggedText = 300;
constexpr size_t kCanariesNamed = 3;
// The same order again goes to all agents at most so often.
constexpr absl::Duration kHandOnAgain = absl::Seconds(1);

std::string ForLog(std::string_view text) { return Shorten(ForTerminal(text), kMaxLoggedText); }

bool HasIt(const PairState& pair) {
  return pair.state == v1::DISPATCH_STATE_SENT || pair.state == v1::DISPATCH_STATE_RUNNING;
}

// One that can't be read is none that was obeyed.
bool Cancels(const StoredOrder& stored) {
  const auto envelope = ParseEnvelope(stored.envelope, kOrderPayloadType);
  if (!envelope.ok()) return false;
  const auto order = ParseOrder(envelope->payload());
  return order.ok() && order->kind() == v1::Order::KIND_CANCEL;
}

// For looking it up before anything of it is believed; empty if it can't be read.
std::string ClaimedActionId(const std::string& envelope_bytes) {
  if (envelope_bytes.size() > kMaxOrderEnvelopeBytes) return "";
  const auto envelope = ParseEnvelope(envelope_bytes, kOrderPayloadType);
  if (!envelope.ok()) return "";
  const auto order = ParseOrder(envelope->payload());
  return order.ok() ? order->action_id() : "";
}

absl::StatusOr<std::vector<std::string>> ModulesOf(const StoredAction& action) {
  DRAGNET_ASSIGN_OR_RETURN(const v1::Envelope envelope,
                           ParseEnvelope(action.envelope, kActionPayloadType));
  DRAGNET_ASSIGN_OR_RETURN(const v1::Action parsed, ParseAction(envelope.payload()));
  return ModulesRun(parsed);
}

}  // namespace

absl::StatusOr<Dispatcher::Ordered> Dispatcher::SendOrder(const std::string& envelope_bytes,
                                                          const std::string& sent_by) {
  if (!peers_->leads()) {
    DRAGNET_ASSIGN_OR_RETURN(const v1::OrderReply reply,
                             peers_->SendOrder(envelope_bytes, sent_by));
    if (reply.code() == 0) return Ordered{reply.action_id(), reply.sent()};
    return absl::Status(static_cast<absl::StatusCode>(reply.code()), reply.message());
  }
  const std::string claimed = ClaimedActionId(envelope_bytes);
  std::vector<StoredOrder> earlier;
  if (!claimed.empty()) {
    DRAGNET_ASSIGN_OR_RETURN(earlier, store_.Orders(claimed));
  }
  // Whoever lost the answer asks again.
  if (!earlier.empty() && earlier.back().envelope == envelope_bytes) {
    const ActivePtr active = FindActive(claimed);
    if (active != nullptr) return HandOn(active, /*is_new=*/false);
  }
  absl::StatusOr<AuthorizedOrder> authorized = CheckOrder(envelope_bytes, earlier);
  if (!authorized.ok()) {
    spdlog::warn("order of {} refused: {}", sent_by, ForLog(ToStd(authorized.status().message())));
    return authorized.status();
  }
  const v1::Order& order = authorized->order;
  StoredOrder stored;
  stored.id = order.id();
  stored.action_id = order.action_id();
  stored.envelope = envelope_bytes;
  stored.signed_by.assign(authorized->signers.begin(), authorized->signers.end());
  DRAGNET_ASSIGN_OR_RETURN(stored.expires, ToTime(order.expires()));
  ActivePtr active;
  {
    absl::MutexLock lock(&ordering_);
    // Another one may have come since.
    DRAGNET_ASSIGN_OR_RETURN(earlier, store_.Orders(order.action_id()));
    DRAGNET_ASSIGN_OR_RETURN(const StoredAction action, store_.FindAction(order.action_id()));
    DRAGNET_RETURN_IF_ERROR(CheckHasUse(order, action, earlier));
    DRAGNET_ASSIGN_OR_RETURN(active, FindOrActivate(action));
    // It leads since a moment ago.
    if (!Decides(*active)) DRAGNET_RETURN_IF_ERROR(RestoreAnew(*active));
    DRAGNET_RETURN_IF_ERROR(CheckChangesSomething(order, *active));
    DRAGNET_RETURN_IF_ERROR(Obey(order, stored, *active));
  }
  spdlog::info("action {} {} (sent by {})", stored.action_id,
               ForLog(OrderWords(order, authorized->signers)), sent_by);
  return HandOn(active, /*is_new=*/true);
}

absl::StatusOr<AuthorizedOrder> Dispatcher::CheckOrder(const std::string& envelope_bytes,
                                                       const std::vector<StoredOrder>& earlier) {
  const std::shared_ptr<const TrustPolicy> policy = policies_.current();
  absl::Status store_error;
  OrderContext context;
  context.policy = policy.get();
  context.fleet_id = fleet_id_;
  context.now = clock_.Now();
  context.modules_of = [&](std::string_view action_id) {
    std::optional<std::vector<std::string>> modules;
    const absl::StatusOr<StoredAction> action = store_.FindAction(action_id);
    // Not here: found out, and said, when the order was found to be good.
    if (absl::IsNotFound(action.status())) return modules;
    absl::StatusOr<std::vector<std::string>> found =
        action.ok() ? ModulesOf(*action) : action.status();
    if (found.ok()) {
      modules = *std::move(found);
    } else {
      store_error = found.status();
      modules.emplace();
    }
    return modules;
  };
  context.weights_needed = WeightsNeeded;
  context.order_in_force = [&](std::string_view) {
    return earlier.empty() ? std::string() : earlier.back().id;
  };
  auto decision = AuthorizeOrder(envelope_bytes, context);
  if (!store_error.ok()) return store_error;
  if (const auto* refused = std::get_if<RefusedOrder>(&decision)) return refused->status;
  return std::get<AuthorizedOrder>(std::move(decision));
}

absl::Status Dispatcher::CheckHasUse(const v1::Order& order, const StoredAction& action,
                                     const std::vector<StoredOrder>& earlier) {
  if (action.cancelled || std::any_of(earlier.begin(), earlier.end(), Cancels)) {
    return absl::FailedPreconditionError("the action was cancelled; that can't be undone");
  }
  if (order.kind() != v1::Order::KIND_CANCEL && !earlier.empty() &&
      order.id() <= earlier.back().id) {
    return absl::FailedPreconditionError(
        StrCat("not newer than order ", earlier.back().id, ", which holds"));
  }
  // An agent that comes late must be able to obey it, or it isn't held to it.
  const absl::Time least = std::min(action.expires, *ToTime(order.issued()) + kMaxOrderLifetime);
  if (*ToTime(order.expires()) < least) {
    return absl::FailedPreconditionError("the order expires before the action does");
  }
  if (clock_.Now() <= action.expires) return absl::OkStatus();
  DRAGNET_ASSIGN_OR_RETURN(const std::vector<PairState> pairs, store_.Pairs(action.id));
  if (!std::any_of(pairs.begin(), pairs.end(), HasIt)) {
    return absl::FailedPreconditionError("the action has ended");
  }
  if (order.kind() == v1::Order::KIND_CANCEL) return absl::OkStatus();
  return absl::FailedPreconditionError(
      "the action has expired: what agents still run of it can only be cancelled");
}

// One that changes nothing would only push others out of what is kept of them.
absl::Status Dispatcher::CheckChangesSomething(const v1::Order& order, const ActiveAction& action) {
  absl::MutexLock lock(&action.mutex);
  const v1::DispatchPhase phase = action.dispatch.phase();
  if (order.kind() == v1::Order::KIND_PAUSE && phase == v1::DISPATCH_PHASE_PAUSED) {
    return absl::FailedPreconditionError("the action is paused already");
  }
  if (order.kind() == v1::Order::KIND_RESUME && phase == v1::DISPATCH_PHASE_OPEN) {
    return absl::FailedPreconditionError(
        "the action is neither paused nor stopped, and waits for no canary");
  }
  return absl::OkStatus();
}

// The store first: what is answered must stand.
absl::Status Dispatcher::Obey(const v1::Order& order, const StoredOrder& stored,
                              ActiveAction& action) {
  const bool resumes = order.kind() == v1::Order::KIND_RESUME;
  KeptDispatch kept;
  {
    absl::MutexLock lock(&action.mutex);
    kept = resumes ? action.dispatch.KeptAfterResume() : action.dispatch.kept();
  }
  DRAGNET_RETURN_IF_ERROR(
      store_.AddOrder(stored, kept, /*cancels=*/order.kind() == v1::Order::KIND_CANCEL));
  peers_->NoticeWritten();
  Apply(stored, order, action);
  if (!resumes) return absl::OkStatus();
  bool changed;
  {
    absl::MutexLock lock(&action.mutex);
    action.dispatch.Resume();
    changed = action.dispatch.kept() != kept;
  }
  // Agents may have ended in between.
  if (changed) SaveDispatchLocked(action);
  return absl::OkStatus();
}

absl::StatusOr<Dispatcher::Ordered> Dispatcher::HandOn(const ActivePtr& action, bool is_new) {
  Ordered ordered{action->id, 0};
  {
    absl::MutexLock lock(&action->mutex);
    const absl::Time now = clock_.Now();
    const absl::Duration ago = now - action->handed_on;
    if (!is_new && ago >= absl::ZeroDuration() && ago < kHandOnAgain) {
      ordered.sent = action->handed_on_to;
      return ordered;
    }
    action->handed_on = now;
    if (action->order == nullptr) return ordered;
  }
  DRAGNET_ASSIGN_OR_RETURN(const std::vector<PairState> pairs, store_.Pairs(action->id));
  for (const PairState& pair : pairs) {
    if (!HasIt(pair)) continue;
    const std::shared_ptr<AgentSession> session = agents_.SessionOf(pair.agent_id);
    if (session == nullptr) {
      // Its scheduler hands it on.
      if (agents_.IsReachable(pair.agent_id)) ++ordered.sent;
      continue;
    }
    // One that came back meanwhile may have the order and not the action.
    Parcel parcel;
    {
      absl::MutexLock lock(&action->mutex);
      parcel = ParcelOf(*action, pair.state);
      if (pair.state != v1::DISPATCH_STATE_SENT ||
          (Decides(*action) && !action->dispatch.HasPlace(pair.agent_id)))
        parcel.action = nullptr;
      if (parcel.order != nullptr) ++ordered.sent;
      // TellOfOrder may have been faster.
      if (!action->told.insert(pair.agent_id).second && is_new) parcel.order = nullptr;
    }
    SendParcel(parcel, action->id, /*again=*/false, *session);
  }
  {
    absl::MutexLock lock(&action->mutex);
    action->handed_on_to = ordered.sent;
  }
  watchers_.Notify(action->id);
  return ordered;
}

void Dispatcher::SendOrderTo(const std::string& agent_id, const std::string& action_id) {
  const ActivePtr action = FindActive(action_id);
  if (action == nullptr) return;
  OutgoingMessage order;
  {
    absl::MutexLock lock(&action->mutex);
    order = action->order;
  }
  if (order == nullptr) return;
  if (const auto session = agents_.SessionOf(agent_id)) session->Send(order);
}

HeldBack Dispatcher::HeldBackOf(const std::string& action_id) const {
  const ActivePtr action = FindActive(action_id);
  if (action == nullptr) return HeldBack::kNone;
  absl::MutexLock lock(&action->mutex);
  return DescribePhase(*action).held_back;
}

absl::StatusOr<Dispatcher::Phase> Dispatcher::PhaseOf(const StoredAction& action) {
  Phase phase;
  const ActivePtr active = FindActive(action.id);
  if (active != nullptr && (clock_.Now() <= active->expires || action.cancelled)) {
    absl::MutexLock lock(&active->mutex);
    phase = DescribePhase(*active);
    if (phase.phase == v1::DISPATCH_PHASE_CANARY && phase.reason.empty())
      phase.reason = CanaryWords(active->dispatch);
    return phase;
  }
  phase.phase = action.cancelled ? v1::DISPATCH_PHASE_CANCELLED : v1::DISPATCH_PHASE_ENDED;
  // Of a sweep: agents tell of it, and no one sends it.
  if (SweepOfRunId(action.id).has_value() && clock_.Now() <= action.expires)
    phase.phase = v1::DISPATCH_PHASE_OPEN;
  if (!action.cancelled) return phase;
  DRAGNET_ASSIGN_OR_RETURN(const std::vector<StoredOrder> orders, store_.Orders(action.id));
  if (orders.empty()) return phase;
  const auto envelope = ParseEnvelope(orders.back().envelope, kOrderPayloadType);
  const auto order = envelope.ok() ? ParseOrder(envelope->payload()) : envelope.status();
  if (order.ok())
    phase.reason = OrderWords(*order, std::set<std::string>(orders.back().signed_by.begin(),
                                                            orders.back().signed_by.end()));
  return phase;
}

std::string Dispatcher::CanaryWords(const Dispatch& dispatch) const {
  const uint64_t unfinished = dispatch.unfinished_canaries();
  const uint64_t missing = dispatch.missing_canaries();
  std::string words =
      StrCat("waits for ", unfinished + missing, " of ", dispatch.kept().canaries, " canaries");
  const std::vector<std::string> named = dispatch.SomeUnfinishedCanaries(kCanariesNamed);
  for (size_t i = 0; i < named.size(); ++i)
    StrAppend(&words, i == 0 ? ": " : ", ", NameOf(named[i]),
              agents_.IsReachable(named[i]) ? "" : " (offline)");
  if (unfinished > kCanariesNamed) StrAppend(&words, ", …");
  if (missing > 0)
    StrAppend(&words, unfinished == 0 ? ": " : "; ", missing,
              " to be found, because agents refused it or weren't connected");
  return words;
}

}  // namespace dragnet::scheduler
