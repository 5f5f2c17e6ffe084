#include "scheduler/dispatch/dispatcher.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <set>
#include <utility>
#include <variant>

#include "core/action.h"
#include "core/authorization.h"
#include "core/clock.h"
#include "core/envelope.h"
#include "core/order.h"
#include "core/status_macros.h"
#include "core/target.h"
#include "core/text.h"
#include "dragnet/v1/agent_gateway.pb.h"
#include "modules/weights.h"
#include "scheduler/dispatch/retirement.h"
#include "scheduler/observe/metrics.h"
#include "scheduler/store/sweep_terms.h"

namespace dragnet::scheduler {
namespace {

// So many agents are sent to in one go; more are shared between threads.
constexpr size_t kFanOutChunk = 256;
constexpr size_t kMaxLoggedText = 300;
// Runs of sweeps end without being active here.
constexpr absl::Duration kCloseRuns = absl::Minutes(10);
// A worker's wall time is bounded by a day: so long an action that has expired may
// still run somewhere, and orders about it matter.
constexpr absl::Duration kLongestAfterExpiry = absl::Hours(24);
constexpr absl::Duration kCatchUpAgain = absl::Seconds(2);
constexpr absl::Duration kLookForEnded = absl::Seconds(3);

absl::Status ToStatus(const RefusedAction& refused) {
  switch (refused.reason) {
    case v1::Refusal::REASON_MALFORMED:
      return absl::InvalidArgumentError(refused.detail);
    case v1::Refusal::REASON_INSUFFICIENT_WEIGHT:
    case v1::Refusal::REASON_MODULE_NOT_ALLOWED:
      return absl::PermissionDeniedError(refused.detail);
    case v1::Refusal::REASON_UNSUPPORTED:
      return absl::UnimplementedError(refused.detail);
    default:
      return absl::FailedPreconditionError(refused.detail);
  }
}

OutgoingMessage ActionMessage(const std::string& envelope) {
  v1::SchedulerMessage message;
  message.set_action_envelope(envelope);
  return std::make_shared<const std::string>(message.SerializeAsString());
}

OutgoingMessage OrderMessage(const std::string& envelope) {
  v1::SchedulerMessage message;
  message.set_order_envelope(envelope);
  return std::make_shared<const std::string>(message.SerializeAsString());
}

OutgoingMessage PolicyMessage(const std::string& envelope) {
  v1::SchedulerMessage message;
  message.set_trust_policy_envelope(envelope);
  return std::make_shared<const std::string>(message.SerializeAsString());
}

// It got the action and hasn't ended it.
bool HasIt(v1::DispatchState state) {
  return state == v1::DISPATCH_STATE_SENT || state == v1::DISPATCH_STATE_RUNNING;
}

Ending EndingOf(const Pair& pair) {
  if (pair.state == v1::DISPATCH_STATE_REFUSED) return Ending::kRefused;
  return Failed(pair) ? Ending::kFailed : Ending::kWell;
}

// Of the store: the next time.
bool MayGoWell(const absl::Status& status) {
  return absl::IsUnavailable(status) || absl::IsDeadlineExceeded(status) || absl::IsAborted(status);
}

bool GoesOn(v1::DispatchPhase phase) {
  return phase == v1::DISPATCH_PHASE_OPEN || phase == v1::DISPATCH_PHASE_CANARY;
}

std::string ForLog(std::string_view text) { return Shorten(ForTerminal(text), kMaxLoggedText); }

}  // namespace

absl::Status Dispatcher::Start() {
  // Those that expired while no scheduler ran.
  DRAGNET_RETURN_IF_ERROR(store_.CloseExpired(clock_.Now()).status());
  DRAGNET_ASSIGN_OR_RETURN(const std::vector<StoredAction> actions,
                           store_.ActiveActions(clock_.Now()));
  absl::MutexLock lock(&ordering_);
  for (const StoredAction& action : actions) {
    // One that can't be read, by this version or by any, is no reason to leave
    // the fleet without a scheduler.
    const absl::StatusOr<std::vector<PairState>> pairs = store_.Pairs(action.id);
    const absl::StatusOr<ActivePtr> active =
        pairs.ok() ? TakeUp(action, *pairs) : absl::StatusOr<ActivePtr>(pairs.status());
    const absl::Status& status = active.status();
    // No agent is connected yet: each catches up when it comes.
    if (status.ok()) (*active)->offered_here = true;
    if (!status.ok())
      spdlog::error("action {} of the store is not sent: {}", ForLog(action.id),
                    ForLog(ToStd(status.message())));
  }
  DRAGNET_ASSIGN_OR_RETURN(const std::vector<StoredOrder> orders,
                           store_.OrdersInForce(clock_.Now() - kLongestAfterExpiry));
  for (const StoredOrder& order : orders) {
    if (const absl::Status status = TakeUpOrder(order); !status.ok())
      spdlog::error("order {} of the store is not sent: {}", ForLog(order.id),
                    ForLog(ToStd(status.message())));
  }
  return RetireThoseThatEnded();
}

// Only when it is known how far it is: it would be sent to everyone else.
absl::StatusOr<Dispatcher::ActivePtr> Dispatcher::TakeUp(const StoredAction& action,
                                                         const std::vector<PairState>& pairs) {
  const uint64_t epoch = peers_->lead_epoch();
  DRAGNET_ASSIGN_OR_RETURN(const KeptDispatch kept, store_.FindDispatch(action.id));
  DRAGNET_ASSIGN_OR_RETURN(const ActivePtr active, MakeActive(action, kept));
  Dispatch dispatch(action.id, active->options, kept);
  DRAGNET_RETURN_IF_ERROR(Restore(action.id, pairs, &dispatch));
  {
    absl::MutexLock lock(&active->mutex);
    active->dispatch = std::move(dispatch);
    NoteRestored(pairs, *active);
  }
  DRAGNET_RETURN_IF_ERROR(ApplyNewest(action, *active));
  active->led = epoch;
  return Activate(active);
}

void Dispatcher::NoteRestored(const std::vector<PairState>& pairs, ActiveAction& action) {
  action.noted.clear();
  action.looked_up_to = 0;
  if (!action.dispatch.watches_failures()) return;
  for (const PairState& pair : pairs)
    if (IsFinal(pair.state)) action.noted[pair.agent_id] = pair.state;
}

// What a resume has changed is in what is kept of the dispatch, and isn't done again.
absl::Status Dispatcher::ApplyNewest(const StoredAction& stored, ActiveAction& action) {
  if (stored.cancelled) {
    absl::MutexLock lock(&action.mutex);
    action.dispatch.Cancel("cancelled");
    action.message = nullptr;
  }
  DRAGNET_ASSIGN_OR_RETURN(const std::vector<StoredOrder> orders, store_.Orders(stored.id));
  if (orders.empty()) return absl::OkStatus();
  const StoredOrder& newest = orders.back();
  const auto envelope = ParseEnvelope(newest.envelope, kOrderPayloadType);
  const auto parsed = envelope.ok() ? ParseOrder(envelope->payload()) : envelope.status();
  if (parsed.ok()) {
    Apply(newest, *parsed, action);
  } else {
    spdlog::error("order {} of the store is not sent: {}", ForLog(newest.id),
                  ForLog(ToStd(parsed.status().message())));
  }
  return absl::OkStatus();
}

absl::Status Dispatcher::TakeUpOrder(const StoredOrder& order) {
  DRAGNET_ASSIGN_OR_RETURN(const v1::Envelope envelope,
                           ParseEnvelope(order.envelope, kOrderPayloadType));
  DRAGNET_ASSIGN_OR_RETURN(const v1::Order parsed, ParseOrder(envelope.payload()));
  DRAGNET_ASSIGN_OR_RETURN(const StoredAction action, store_.FindAction(order.action_id));
  DRAGNET_ASSIGN_OR_RETURN(const ActivePtr active, FindOrActivate(action));
  Apply(order, parsed, *active);
  return absl::OkStatus();
}

// What was resumed is in what is kept of the dispatch.
void Dispatcher::Apply(const StoredOrder& order, const v1::Order& parsed, ActiveAction& action) {
  const std::string words =
      OrderWords(parsed, std::set<std::string>(order.signed_by.begin(), order.signed_by.end()));
  absl::MutexLock lock(&action.mutex);
  if (parsed.kind() == v1::Order::KIND_CANCEL) {
    action.dispatch.Cancel(words);
    action.message = nullptr;
  }
  if (parsed.kind() == v1::Order::KIND_PAUSE) action.dispatch.Pause(words);
  // Those who were told of this very one needn't be told again.
  if (action.order_id != order.id) action.told.clear();
  action.order = OrderMessage(order.envelope);
  action.order_id = order.id;
  action.order_expires = order.expires;
}

absl::Status Dispatcher::Restore(const std::string& action_id, const std::vector<PairState>& pairs,
                                 Dispatch* dispatch) {
  dispatch->AddTargeted(pairs.size());
  if (dispatch->plain()) return absl::OkStatus();
  uint64_t connected = 0;
  for (const PairState& state : pairs) {
    connected += agents_.IsReachable(state.agent_id);
    if (state.state == v1::DISPATCH_STATE_WAITING || state.state == v1::DISPATCH_STATE_NEVER_SENT)
      continue;
    std::optional<Ending> ending;
    if (IsFinal(state.state)) {
      DRAGNET_ASSIGN_OR_RETURN(const std::optional<Pair> pair,
                               store_.FindPair(action_id, state.agent_id));
      ending = pair.has_value() ? EndingOf(*pair) : Ending::kWell;
    }
    dispatch->Restore(state.agent_id, ending);
  }
  // Launched by a scheduler that doesn't lead, which left it to this one.
  dispatch->CountCanaries(connected);
  dispatch->FinishRestoring();
  return absl::OkStatus();
}

absl::StatusOr<Dispatcher::ActivePtr> Dispatcher::MakeActive(const StoredAction& action,
                                                             const KeptDispatch& kept) {
  DRAGNET_ASSIGN_OR_RETURN(const v1::Envelope envelope,
                           ParseEnvelope(action.envelope, kActionPayloadType));
  DRAGNET_ASSIGN_OR_RETURN(const v1::Action parsed, ParseAction(envelope.payload()));
  auto active = std::make_shared<ActiveAction>(Dispatch(action.id, parsed.dispatch(), kept));
  active->id = action.id;
  active->target = parsed.target();
  active->modules = ModulesRun(parsed);
  active->expires = action.expires;
  active->recurs = parsed.has_recurrence();
  active->options = parsed.dispatch();
  {
    absl::MutexLock lock(&active->mutex);
    active->plain = active->dispatch.plain();
  }
  // After it, a sweep is of no use to anyone.
  if (parsed.has_recurrence() && parsed.recurrence().has_until())
    active->expires =
        std::min(active->expires, ToTime(parsed.recurrence().until()).value_or(active->expires));
  absl::MutexLock lock(&active->mutex);
  active->message = ActionMessage(action.envelope);
  return active;
}

Dispatcher::ActivePtr Dispatcher::Activate(const ActivePtr& action) {
  absl::MutexLock lock(&mutex_);
  return active_.emplace(action->id, action).first->second;
}

std::vector<Dispatcher::ActivePtr> Dispatcher::ActiveActions() const {
  absl::MutexLock lock(&mutex_);
  std::vector<ActivePtr> actions;
  actions.reserve(active_.size());
  for (const auto& [id, action] : active_) actions.push_back(action);
  return actions;
}

Dispatcher::ActivePtr Dispatcher::FindActive(const std::string& action_id) const {
  absl::MutexLock lock(&mutex_);
  const auto found = active_.find(action_id);
  return found == active_.end() ? nullptr : found->second;
}

absl::StatusOr<Dispatcher::ActivePtr> Dispatcher::FindOrActivate(const StoredAction& action) {
  if (ActivePtr active = FindActive(action.id); active != nullptr) return active;
  DRAGNET_ASSIGN_OR_RETURN(const std::vector<PairState> pairs, store_.Pairs(action.id));
  return TakeUp(action, pairs);
}

absl::StatusOr<Dispatcher::Launched> Dispatcher::Launch(const std::string& envelope_bytes,
                                                        const std::string& launched_by) {
  const std::shared_ptr<const TrustPolicy> policy = policies_.current();
  AuthorizationContext context;
  context.policy = policy.get();
  context.fleet_id = fleet_id_;
  context.now = clock_.Now();
  context.weights_needed = WeightsNeededBy;
  std::variant<AuthorizedAction, RefusedAction> decision = AuthorizeAction(envelope_bytes, context);
  if (const auto* refused = std::get_if<RefusedAction>(&decision)) {
    TheMetrics().actions_refused.Add(ToStatus(*refused).code());
    spdlog::warn("action {} of {} refused: {}", ForLog(refused->action_id), launched_by,
                 ForLog(refused->detail));
    return ToStatus(*refused);
  }
  const auto& authorized = std::get<AuthorizedAction>(decision);

  StoredAction action;
  action.id = authorized.action.id();
  action.envelope = envelope_bytes;
  action.launched_by = launched_by;
  action.signed_by.assign(authorized.signers.begin(), authorized.signers.end());
  action.launched_at = context.now;
  DRAGNET_ASSIGN_OR_RETURN(action.expires, ToTime(authorized.action.expires()));
  action.bounds = BoundsOf(authorized.action, ceiling_);
  DRAGNET_RETURN_IF_ERROR(TakeSweepTerms(authorized.action, &action));

  const uint64_t epoch = peers_->lead_epoch();
  // Who connects from here on may not be among those that the target selects.
  const uint64_t connections = agents_.connections();
  DRAGNET_ASSIGN_OR_RETURN(const std::vector<std::string> targeted,
                           agents_.Select(authorized.action.target()));
  absl::Status added = store_.AddAction(action, targeted);
  if (absl::IsAlreadyExists(added)) return AnswerAgain(action, envelope_bytes, added);
  DRAGNET_RETURN_IF_ERROR(added);
  peers_->NoticeWritten();
  TheMetrics().actions_launched.Add();
  // Also when it reaches no one.
  watchers_.Notify(action.id);
  DRAGNET_ASSIGN_OR_RETURN(const ActivePtr made, MakeActive(action, KeptDispatch()));
  made->led = epoch;

  std::vector<std::string> here;
  uint64_t connected = 0;
  for (const std::string& id : targeted) {
    if (!agents_.IsReachable(id)) continue;
    ++connected;
    if (agents_.SessionOf(id) != nullptr) here.push_back(id);
  }
  spdlog::info("action {} launched by {}: \"{}\", {} targeted, {} connected", action.id,
               launched_by, ForLog(authorized.action.name()), targeted.size(), connected);
  KeptDispatch kept;
  {
    absl::MutexLock lock(&made->mutex);
    made->dispatch.AddTargeted(targeted.size());
    // Else by the scheduler that leads, when it takes it up.
    if (Decides(*made)) made->dispatch.CountCanaries(connected);
    kept = made->dispatch.kept();
  }
  // An order may have made it active already, from the store.
  const ActivePtr active = Activate(made);
  if (kept != KeptDispatch()) SaveDispatch(*active);
  // Cancelled since it is in the store, by who didn't see it active yet.
  DRAGNET_ASSIGN_OR_RETURN(const StoredAction stored, store_.FindAction(action.id));
  if (stored.cancelled) return Launched{action.id, targeted.size(), 0};
  Offer(active, here);
  active->offered_here = true;
  for (const std::string& id : agents_.ConnectedSince(connections)) CatchUpSoon(id);
  return Launched{action.id, targeted.size(), connected};
}

absl::Status Dispatcher::TakeSweepTerms(const v1::Action& action, StoredAction* stored) {
  if (action.has_recurrence()) {
    const v1::Dispatch& dispatch = action.dispatch();
    // An agent never ends it: no canary would, and none would ever have failed.
    if (dispatch.canary_percent() > 0 || dispatch.stop_when_failed_percent() > 0)
      return absl::InvalidArgumentError(
          "action dispatch: canary_percent and stop_when_failed_percent are for actions that "
          "end, and this one recurs: try an extra run, or a smaller target, first");
    DRAGNET_ASSIGN_OR_RETURN(const SweepTerms terms, SweepTerms::Of(action));
    stored->recurs_until = terms.end();
    return absl::OkStatus();
  }
  if (action.extra_run_of().empty()) return absl::OkStatus();
  const absl::StatusOr<StoredAction> sweep = store_.FindAction(action.extra_run_of());
  if (absl::IsNotFound(sweep.status()))
    return absl::FailedPreconditionError(
        StrCat("extra_run_of: this scheduler knows no sweep ", action.extra_run_of()));
  DRAGNET_RETURN_IF_ERROR(sweep.status());
  DRAGNET_ASSIGN_OR_RETURN(const v1::Envelope envelope,
                           ParseEnvelope(sweep->envelope, kActionPayloadType));
  DRAGNET_ASSIGN_OR_RETURN(const v1::Action parsed, ParseAction(envelope.payload()));
  if (!parsed.has_recurrence())
    return absl::FailedPreconditionError(
        StrCat("extra_run_of: ", action.extra_run_of(), " is an action that runs once"));
  DRAGNET_ASSIGN_OR_RETURN(const SweepTerms terms, SweepTerms::Of(parsed));
  if (sweep->cancelled || terms.end() < clock_.Now())
    return absl::FailedPreconditionError(
        StrCat("extra_run_of: the sweep ", action.extra_run_of(), " is over"));
  if (action.target() != parsed.target())
    return absl::FailedPreconditionError(StrCat("extra_run_of: the target isn't that of ",
                                                action.extra_run_of(), ": launch it without"));
  if (!SameOperations(action, parsed))
    return absl::FailedPreconditionError(StrCat("extra_run_of: the operations aren't those of ",
                                                action.extra_run_of(),
                                                ", byte for byte: launch it without"));
  stored->extra_run_of = action.extra_run_of();
  return absl::OkStatus();
}

absl::StatusOr<Dispatcher::Launched> Dispatcher::AnswerAgain(const StoredAction& action,
                                                             const std::string& envelope_bytes,
                                                             const absl::Status& added) {
  const absl::StatusOr<StoredAction> found = store_.FindAction(action.id);
  // It is a proposal's.
  if (absl::IsNotFound(found.status())) return added;
  DRAGNET_RETURN_IF_ERROR(found.status());
  const StoredAction& stored = *found;
  if (stored.envelope != envelope_bytes)
    return absl::AlreadyExistsError(
        StrCat("another action has the id ", action.id, " already: make a new one"));
  DRAGNET_ASSIGN_OR_RETURN(const std::vector<PairState> pairs, store_.Pairs(action.id));
  Launched launched{action.id, pairs.size(), 0};
  for (const PairState& pair : pairs)
    if (agents_.IsReachable(pair.agent_id)) ++launched.connected;
  return launched;
}

void Dispatcher::Offer(const ActivePtr& action, const std::vector<std::string>& agent_ids) {
  if (agent_ids.empty()) return;
  std::vector<std::string> to_send;
  const bool decides = Decides(*action);
  {
    absl::MutexLock lock(&action->mutex);
    if (decides) {
      to_send = action->dispatch.Offer(
          agent_ids, clock_.Now(), [&](const std::string& id) { return IsConnected(*action, id); });
    } else {
      action->offered.insert(agent_ids.begin(), agent_ids.end());
    }
  }
  if (!decides) return peers_->OfferAgents(action->id, agent_ids);
  SendTo(action, action->plain ? to_send : GrantElsewhere(action, to_send), DecidedBy::kThis);
}

void Dispatcher::SendTo(const ActivePtr& action, const std::vector<std::string>& agent_ids,
                        DecidedBy decided_by) {
  for (size_t begin = 0; begin < agent_ids.size(); begin += kFanOutChunk) {
    std::vector<std::string> chunk(
        agent_ids.begin() + static_cast<ptrdiff_t>(begin),
        agent_ids.begin() +
            static_cast<ptrdiff_t>(std::min(begin + kFanOutChunk, agent_ids.size())));
    auto send = [this, action, decided_by, chunk = std::move(chunk)] {
      SendChunk(action, chunk, decided_by);
    };
    // A small action is sent by who launched it: no thread to wait for.
    if (agent_ids.size() <= kFanOutChunk || !background_.Run(send)) send();
  }
}

void Dispatcher::SendChunk(const ActivePtr& action, const std::vector<std::string>& agent_ids,
                           DecidedBy decided_by) {
  OutgoingMessage message;
  {
    absl::MutexLock lock(&action->mutex);
    // An order may have come, or too many may have failed, since it was their turn; or
    // another one leads.
    const bool decided = decided_by == DecidedBy::kLeader || Decides(*action);
    if (!decided || !GoesOn(PhaseHere(*action))) return TakeBack(agent_ids, *action);
    message = action->message;
  }
  // First in the store's order, so that an answer finds the pair sent. Then an
  // order that comes from here on is handed on to them; to those that it missed
  // because they weren't marked yet, from there.
  store_.MarkSent(action->id, agent_ids, [this, id = action->id, agent_ids](absl::Status) {
    TellOfOrder(agent_ids, id);
    watchers_.Notify(id);
  });
  for (const std::string& id : agent_ids)
    if (auto session = agents_.SessionOf(id))
      session->SendAction(action->id, message, /*again=*/false);
}

void Dispatcher::TellOfOrder(const std::vector<std::string>& agent_ids,
                             const std::string& action_id) {
  const ActivePtr action = FindActive(action_id);
  if (action == nullptr) return;
  OutgoingMessage order;
  std::vector<std::string> untold;
  {
    absl::MutexLock lock(&action->mutex);
    if (GoesOn(PhaseHere(*action)) || action->order == nullptr) return;
    order = action->order;
    for (const std::string& id : agent_ids)
      if (action->told.insert(id).second) untold.push_back(id);
  }
  for (const std::string& id : untold)
    if (auto session = agents_.SessionOf(id)) session->Send(order);
}

absl::StatusOr<uint64_t> Dispatcher::PublishPolicy(const std::string& envelope_bytes) {
  DRAGNET_RETURN_IF_ERROR(policies_.Publish(envelope_bytes, clock_.Now()));
  peers_->NoticeWritten();
  const uint64_t version = policies_.current()->version();
  spdlog::info("trust policy {} published", version);
  OnPolicyPublished();
  return version;
}

void Dispatcher::OnPolicyPublished() {
  watchers_.news().OnTrustPolicy();
  for (const auto& [id, session] : agents_.Sessions()) SendPolicies(id, *session);
}

void Dispatcher::OnConnected(const std::string& agent_id, AgentSession& session) {
  SendPolicies(agent_id, session);
  CatchUpSoon(agent_id);
}

void Dispatcher::CatchUpSoon(const std::string& agent_id) {
  {
    absl::MutexLock lock(&mutex_);
    if (!catching_up_.insert(agent_id).second) return;
  }
  if (background_.Run([this, agent_id] { CatchUp(agent_id); })) return;
  absl::MutexLock lock(&mutex_);
  catching_up_.erase(agent_id);
  // It tries again by itself, later, as all of them do.
  if (auto session = agents_.SessionOf(agent_id))
    session->Close(absl::UnavailableError("too many agents connect at once: try again later"));
}

void Dispatcher::OnPolicyTaken(const std::string& agent_id, uint64_t version) {
  agents_.UpdatePolicyVersion(agent_id, version);
  // What it refused for want of a policy is worth another try.
  CatchUpSoon(agent_id);
}

void Dispatcher::SendPolicies(const std::string& agent_id, AgentSession& session) {
  for (const std::string& envelope : policies_.EnvelopesAfter(agents_.PolicyVersionOf(agent_id)))
    session.Send(PolicyMessage(envelope));
}

void Dispatcher::CatchUp(const std::string& agent_id) {
  {
    absl::MutexLock lock(&mutex_);
    catching_up_.erase(agent_id);
  }
  const std::shared_ptr<AgentSession> session = agents_.SessionOf(agent_id);
  if (session == nullptr) return;
  for (const ActivePtr& action : ActiveActions()) {
    const absl::Status status = CatchUpWith(action, agent_id, *session);
    if (status.ok()) continue;
    spdlog::error("action {} agent {}: {}", action->id, agent_id, ForLog(ToStd(status.message())));
    if (!MayGoWell(status)) continue;
    // The store comes back: see Pace. Not the others one by one now, each to fail as slowly.
    absl::MutexLock lock(&mutex_);
    catch_up_again_.insert(agent_id);
    return;
  }
}

void Dispatcher::CatchUpAgain() {
  const absl::Time now = SteadyNow();
  if (now - caught_up_again_ < kCatchUpAgain) return;
  caught_up_again_ = now;
  std::set<std::string> agents;
  {
    absl::MutexLock lock(&mutex_);
    agents.swap(catch_up_again_);
  }
  for (const std::string& id : agents)
    if (agents_.SessionOf(id) != nullptr) CatchUpSoon(id);
}

absl::Status Dispatcher::CatchUpWith(const ActivePtr& action, const std::string& agent_id,
                                     AgentSession& session) {
  const bool expired = clock_.Now() > action->expires;
  v1::DispatchPhase phase;
  {
    absl::MutexLock lock(&action->mutex);
    phase = PhaseHere(*action);
    if (expired && clock_.Now() > action->order_expires) return absl::OkStatus();
  }
  DRAGNET_ASSIGN_OR_RETURN(const std::optional<Pair> pair, store_.FindPair(action->id, agent_id));
  if (!pair.has_value() || pair->state == v1::DISPATCH_STATE_WAITING) {
    if (expired || phase == v1::DISPATCH_PHASE_CANCELLED) return absl::OkStatus();
    if (!pair.has_value()) return CatchUpNew(action, agent_id);
    Offer(action, {agent_id});
    return absl::OkStatus();
  }
  // Refused for what may have passed: as if it was sent for the first time.
  if (!IsWorthSending(*pair, action->recurs) ||
      (!HasIt(pair->state) && (expired || !GoesOn(phase))))
    return absl::OkStatus();
  Parcel parcel;
  const bool decides = Decides(*action);
  // That is said by the agent; all else by who has sent it.
  const bool says_itself = pair->state == v1::DISPATCH_STATE_RUNNING;
  {
    absl::MutexLock lock(&action->mutex);
    parcel = ParcelOf(*action, pair->state);
    // It says that it has the action, and was never sent it: its turn may come.
    if (decides ? !action->dispatch.HasPlace(agent_id) : says_itself) parcel.action = nullptr;
  }
  // The scheduler that leads knows.
  if (!decides && says_itself && !expired) Offer(action, {agent_id});
  const bool again = pair->state == v1::DISPATCH_STATE_REFUSED;
  if (SendParcel(parcel, action->id, again, session))
    spdlog::info("action {} agent {}: sent", action->id, agent_id);
  return absl::OkStatus();
}

Dispatcher::Parcel Dispatcher::ParcelOf(const ActiveAction& action, v1::DispatchState state) const {
  Parcel parcel;
  const absl::Time now = clock_.Now();
  const v1::DispatchPhase phase = PhaseHere(action);
  const bool refused = state == v1::DISPATCH_STATE_REFUSED;
  if (now <= action.order_expires && !refused) parcel.order = action.order;
  // What was paused or cancelled must not start, not even for a moment; a resume
  // is of no use before the action is there.
  parcel.order_first = !GoesOn(phase);
  const bool may_run = GoesOn(phase) || (phase == v1::DISPATCH_PHASE_PAUSED && parcel.order);
  if (may_run && now <= action.expires) parcel.action = action.message;
  return parcel;
}

bool Dispatcher::SendParcel(const Parcel& parcel, const std::string& action_id, bool again,
                            AgentSession& session) {
  if (parcel.order != nullptr && parcel.order_first) session.Send(parcel.order);
  const bool sent = parcel.action != nullptr && session.SendAction(action_id, parcel.action, again);
  if (parcel.order != nullptr && !parcel.order_first) session.Send(parcel.order);
  return sent;
}

absl::Status Dispatcher::CatchUpNew(const ActivePtr& action, const std::string& agent_id) {
  DRAGNET_ASSIGN_OR_RETURN(const v1::Facts facts, agents_.FactsOf(agent_id));
  DRAGNET_ASSIGN_OR_RETURN(const bool matches, TargetMatches(action->target, facts));
  if (!matches) return absl::OkStatus();
  DRAGNET_RETURN_IF_ERROR(store_.AddPair(action->id, agent_id, clock_.Now()));
  {
    absl::MutexLock lock(&action->mutex);
    action->dispatch.AddTargeted(1);
  }
  Offer(action, {agent_id});
  return absl::OkStatus();
}

void Dispatcher::OnAccepted(const std::string& agent_id, const std::string& action_id) {
  store_.MarkAccepted(action_id, agent_id, [this, agent_id, action_id](absl::Status status) {
    if (status.ok()) {
      // It may have been sent in the very moment in which an order came.
      SendOrderTo(agent_id, action_id);
      return watchers_.Notify(action_id);
    }
    spdlog::warn("action {} agent {}: accepted: {}", ForLog(action_id), agent_id,
                 ForLog(ToStd(status.message())));
  });
}

void Dispatcher::OnStored(const v1::Written& written) {
  // A batch has many of one action, and who watches that is told once.
  std::set<std::pair<std::string, std::string>> told;
  for (const v1::Written::Outcome& outcome : written.outcomes()) {
    const std::string& action_id = outcome.action_id();
    const std::string& sweep_id = outcome.sweep_id();
    const bool is_run = !sweep_id.empty() && action_id.starts_with(StrCat(sweep_id, "@"));
    // A run that ends is no end of its sweep.
    OnStored(outcome.agent_id(), is_run ? sweep_id : action_id,
             is_run ? v1::DISPATCH_STATE_RUNNING : outcome.state());
    if (!told.emplace(action_id, sweep_id).second) continue;
    if (is_run) {
      watchers_.NotifyRun(action_id, sweep_id);
      continue;
    }
    watchers_.Notify(action_id);
    if (!sweep_id.empty()) watchers_.Notify(sweep_id);
  }
}

void Dispatcher::OnStoredHere(const std::string& agent_id, const std::string& action_id,
                              const std::string& run_id, const std::string& sweep_id,
                              v1::DispatchState state) {
  // A run that ends is no end of its sweep.
  const bool is_run = !run_id.empty();
  OnStored(agent_id, action_id, is_run ? v1::DISPATCH_STATE_RUNNING : state);
  if (is_run) return watchers_.NotifyRun(run_id, action_id);
  watchers_.Notify(action_id);
  if (!sweep_id.empty()) watchers_.Notify(sweep_id);
}

bool Dispatcher::MayRetire(const std::string& action_id) const {
  if (retired_ == nullptr) return false;
  const ActivePtr action = FindActive(action_id);
  return action == nullptr || std::find(action->modules.begin(), action->modules.end(),
                                        kRetireModule) != action->modules.end();
}

void Dispatcher::RetireSoon(const std::string& agent_id, const std::string& action_id) {
  const bool taken = background_.Run([this, agent_id, action_id] {
    const absl::Status status = RetireIfEnded(agent_id, action_id);
    if (!status.ok())
      spdlog::error("agent {}: whether action {} retired it: {}", agent_id, ForLog(action_id),
                    ForLog(ToStd(status.message())));
  });
  if (!taken)
    spdlog::error("agent {}: action {} may have retired it, and the scheduler has too much to do",
                  agent_id, ForLog(action_id));
}

// By what is stored, and not by what the record says: that may be another one under the
// number of the one that was stored.
absl::Status Dispatcher::RetireIfEnded(const std::string& agent_id, const std::string& action_id) {
  const absl::StatusOr<StoredAction> action = store_.FindAction(action_id);
  if (absl::IsNotFound(action.status())) return absl::OkStatus();
  DRAGNET_RETURN_IF_ERROR(action.status());
  DRAGNET_ASSIGN_OR_RETURN(const std::vector<uint32_t> operations,
                           OperationsThatRetire(*action, agent_id));
  if (operations.empty()) return absl::OkStatus();
  DRAGNET_ASSIGN_OR_RETURN(const std::optional<Pair> pair, store_.FindPair(action_id, agent_id));
  if (!pair.has_value() || !HasRetired(*pair, operations)) return absl::OkStatus();
  DRAGNET_ASSIGN_OR_RETURN(const StoredAgent agent, store_.FindAgent(agent_id));
  if (!agent.revoked) retired_(agent_id);
  return absl::OkStatus();
}

absl::Status Dispatcher::RetireThoseThatEnded() {
  if (retired_ == nullptr) return absl::OkStatus();
  for (const ActivePtr& action : ActiveActions()) {
    if (!MayRetire(action->id)) continue;
    const absl::StatusOr<std::vector<PairState>> pairs = store_.Pairs(action->id);
    if (!pairs.ok()) {
      if (MayGoWell(pairs.status())) return pairs.status();
      spdlog::error("action {}: whom it has retired is not known: {}", ForLog(action->id),
                    ForLog(ToStd(pairs.status().message())));
      continue;
    }
    for (const PairState& pair : *pairs) {
      // As above: no action leaves the fleet without a scheduler.
      if (const absl::Status status = RetireIfEnded(pair.agent_id, action->id); !status.ok())
        spdlog::error("action {} agent {}: whether it has retired the agent is not known: {}",
                      ForLog(action->id), ForLog(pair.agent_id), ForLog(ToStd(status.message())));
    }
  }
  return absl::OkStatus();
}

Dispatcher::Activity Dispatcher::activity() const {
  Activity activity;
  const absl::Time now = clock_.Now();
  for (const ActivePtr& action : ActiveActions()) {
    absl::MutexLock lock(&action->mutex);
    if (action->closed || action->expires < now) continue;
    const v1::DispatchPhase phase = PhaseHere(*action);
    ++activity.by_phase[phase];
    if (phase == v1::DISPATCH_PHASE_STOPPED) activity.stopped.push_back(action->id);
  }
  return activity;
}

void Dispatcher::OnStored(const std::string& agent_id, const std::string& action_id,
                          v1::DispatchState state) {
  const ActivePtr action = FindActive(action_id);
  if (action == nullptr) return;
  bool tell = false;
  {
    absl::MutexLock lock(&action->mutex);
    if (IsFinal(state)) {
      const bool ended = state != v1::DISPATCH_STATE_UNSPECIFIED;
      if (ended && (action->plain || peers_->leads()) && action->dispatch.watches_failures())
        action->ended.insert(agent_id);
    } else {
      // It was thought never to have got it, and runs it.
      tell = !GoesOn(PhaseHere(*action)) && action->told.insert(agent_id).second;
    }
  }
  if (tell) SendOrderTo(agent_id, action_id);
}

void Dispatcher::Pace() {
  const absl::Time steady = SteadyNow();
  // Others tell of what they have stored by messages, which may be lost.
  const bool look = !peers_->alone() && steady - looked_for_ended_ >= kLookForEnded;
  if (look) looked_for_ended_ = steady;
  for (const ActivePtr& action : ActiveActions()) {
    if (!Decides(*action)) continue;
    if (look)
      if (const absl::Status status = LookForEnded(*action); !status.ok())
        spdlog::warn("action {}: who has ended it: {}", action->id,
                     ForLog(ToStd(status.message())));
    NoteEnded(*action);
    std::vector<std::string> to_send;
    {
      absl::MutexLock lock(&action->mutex);
      if (!action->dispatch.has_waiting() || clock_.Now() > action->expires) continue;
      to_send = action->dispatch.Take(
          clock_.Now(), [&](const std::string& id) { return IsConnected(*action, id); });
    }
    SendTo(action, action->plain ? to_send : GrantElsewhere(action, to_send), DecidedBy::kThis);
  }
  CatchUpAgain();
  if (peers_->alone()) return;
  OfferAgain();
  TellPhases();
}

absl::Status Dispatcher::LookForEnded(ActiveAction& action) {
  uint64_t position = 0;
  {
    absl::MutexLock lock(&action.mutex);
    if (!action.dispatch.watches_failures()) return absl::OkStatus();
    position = action.looked_up_to;
  }
  DRAGNET_ASSIGN_OR_RETURN(const ChangedPairs changed,
                           store_.PairsChangedAfter(action.id, position));
  absl::MutexLock lock(&action.mutex);
  // Restored meanwhile: it begins anew.
  if (action.looked_up_to != position) return absl::OkStatus();
  action.looked_up_to = changed.position;
  for (const PairState& pair : changed.pairs) {
    if (!IsFinal(pair.state)) continue;
    const auto noted = action.noted.find(pair.agent_id);
    if (noted == action.noted.end() || noted->second != pair.state)
      action.ended.insert(pair.agent_id);
  }
  return absl::OkStatus();
}

void Dispatcher::NoteEnded(ActiveAction& action) {
  std::set<std::string> ended;
  KeptDispatch before;
  {
    absl::MutexLock lock(&action.mutex);
    if (action.ended.empty()) return;
    ended.swap(action.ended);
    before = action.dispatch.kept();
  }
  for (const std::string& id : ended) {
    const absl::StatusOr<std::optional<Pair>> pair = store_.FindPair(action.id, id);
    if (!pair.ok()) {
      // Looked at again.
      absl::MutexLock lock(&action.mutex);
      action.ended.insert(id);
      continue;
    }
    if (!pair->has_value() || !IsFinal((*pair)->state)) continue;
    const std::string name = NameOf(id);
    absl::MutexLock lock(&action.mutex);
    action.noted[id] = (*pair)->state;
    action.dispatch.OnEnded(id, name, EndingOf(**pair));
  }
  KeptDispatch after;
  {
    absl::MutexLock lock(&action.mutex);
    after = action.dispatch.kept();
  }
  if (after == before) return;
  if (after.stopped && !before.stopped)
    spdlog::warn("action {} goes to no further agent: {}", action.id, ForLog(after.reason));
  SaveDispatch(action);
  watchers_.Notify(action.id);
}

// Under the lock, so that what a newer order left is never written over.
void Dispatcher::SaveDispatch(const ActiveAction& action) {
  absl::MutexLock lock(&ordering_);
  SaveDispatchLocked(action);
}

void Dispatcher::SaveDispatchLocked(const ActiveAction& action) {
  // Another one leads since: what it has decided stands.
  if (!Decides(action)) return;
  KeptDispatch kept;
  {
    absl::MutexLock lock(&action.mutex);
    kept = action.dispatch.kept();
  }
  const absl::Status saved = store_.SaveDispatch(action.id, kept);
  // It goes on from memory; only a restart would begin from what was saved.
  if (!saved.ok())
    spdlog::error("action {}: its dispatch was not saved: {}", action.id,
                  ForLog(ToStd(saved.message())));
}

std::string Dispatcher::NameOf(const std::string& agent_id) const {
  const absl::StatusOr<v1::Facts> facts = agents_.FactsOf(agent_id);
  return facts.ok() && !facts->name().empty() ? Shorten(facts->name(), kMaxLoggedText) : agent_id;
}

void Dispatcher::CloseExpired() {
  const absl::Time now = clock_.Now();
  bool any = false;
  {
    absl::MutexLock lock(&mutex_);
    any = now < closed_ || now - closed_ >= kCloseRuns;
    if (any) closed_ = now;
    std::erase_if(active_, [&](const auto& entry) {
      ActiveAction& action = *entry.second;
      if (action.expires >= now) return false;
      absl::MutexLock action_lock(&action.mutex);
      any = any || !action.closed;
      action.closed = true;
      // Agents that come back with it must still be told, while it may run there.
      return action.order == nullptr || action.order_expires < now ||
             action.expires + kLongestAfterExpiry < now;
    });
  }
  if (!any || !peers_->leads()) return;
  absl::StatusOr<std::vector<std::string>> closed = store_.CloseExpired(now);
  if (!closed.ok())
    return spdlog::error("close expired actions: {}", ForLog(ToStd(closed.status().message())));
  for (const std::string& id : *closed) {
    const std::optional<std::string> sweep = SweepOfRunId(id);
    if (sweep.has_value()) {
      watchers_.NotifyRun(id, *sweep);
    } else {
      watchers_.Notify(id);
    }
  }
}

}  // namespace dragnet::scheduler
