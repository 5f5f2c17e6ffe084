#include "scheduler/dispatch/dispatcher.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <set>
#include <utility>
#include <variant>

#include "core/action.h"
#include "core/authorization.h"
#include "core/envelope.h"
#include "core/order.h"
#include "core/status_macros.h"
#include "core/target.h"
#include "core/text.h"
#include "dragnet/v1/agent_gateway.pb.h"
#include "modules/weights.h"
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

// What is counted of a record once it is committed.
struct RecordSize {
  explicit RecordSize(const v1::ResultRecord& record)
      : rows(static_cast<uint64_t>(record.rows().rows_size())),
        bytes(record.ByteSizeLong()),
        refusal(record.has_refusal() ? static_cast<int>(record.refusal().reason()) : -1) {}
  uint64_t rows;
  uint64_t bytes;
  int refusal;  // its reason; -1: none
};

void Count(const RecordSize& size, const Appended& appended) {
  Metrics& metrics = TheMetrics();
  if (appended.duplicate) return metrics.records_repeated.Add();
  if (!appended.dropped.ok()) return metrics.records_dropped.Add();
  metrics.records_committed.Add();
  metrics.rows_committed.Add(size.rows);
  metrics.record_bytes_committed.Add(size.bytes);
  if (size.refusal >= 0) metrics.refusals.Add(size.refusal);
}

// It got the action and hasn't ended it.
bool HasIt(v1::DispatchState state) {
  return state == v1::DISPATCH_STATE_SENT || state == v1::DISPATCH_STATE_RUNNING;
}

Ending EndingOf(const Pair& pair) {
  if (pair.state == v1::DISPATCH_STATE_REFUSED) return Ending::kRefused;
  return Failed(pair) ? Ending::kFailed : Ending::kWell;
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
  for (const StoredAction& action : actions) {
    // One that can't be read, by this version or by any, is no reason to leave
    // the fleet without a scheduler.
    if (const absl::Status status = TakeUp(action).status(); !status.ok())
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
  return absl::OkStatus();
}

// Only when it is known how far it is: it would be sent to everyone else.
absl::StatusOr<Dispatcher::ActivePtr> Dispatcher::TakeUp(const StoredAction& action) {
  DRAGNET_ASSIGN_OR_RETURN(const KeptDispatch kept, store_.FindDispatch(action.id));
  DRAGNET_ASSIGN_OR_RETURN(const ActivePtr active, MakeActive(action, kept));
  DRAGNET_RETURN_IF_ERROR(Restore(*active));
  return Activate(active);
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
  action.order = OrderMessage(order.envelope);
  action.told.clear();
  action.order_expires = order.expires;
}

absl::Status Dispatcher::Restore(ActiveAction& action) {
  DRAGNET_ASSIGN_OR_RETURN(const std::vector<PairState> pairs, store_.Pairs(action.id));
  absl::MutexLock lock(&action.mutex);
  action.dispatch.AddTargeted(pairs.size());
  if (action.dispatch.plain()) return absl::OkStatus();
  for (const PairState& state : pairs) {
    if (state.state == v1::DISPATCH_STATE_WAITING || state.state == v1::DISPATCH_STATE_NEVER_SENT)
      continue;
    std::optional<Ending> ending;
    if (IsFinal(state.state)) {
      DRAGNET_ASSIGN_OR_RETURN(const std::optional<Pair> pair,
                               store_.FindPair(action.id, state.agent_id));
      ending = pair.has_value() ? EndingOf(*pair) : Ending::kWell;
    }
    action.dispatch.Restore(state.agent_id, ending);
  }
  action.dispatch.FinishRestoring();
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
  return TakeUp(action);
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

  // Who connects from here on may not be among those that the target selects.
  const uint64_t connections = agents_.connections();
  DRAGNET_ASSIGN_OR_RETURN(const std::vector<std::string> targeted,
                           agents_.Select(authorized.action.target()));
  absl::Status added = store_.AddAction(action, targeted);
  if (absl::IsAlreadyExists(added)) return AnswerAgain(action, envelope_bytes, added);
  DRAGNET_RETURN_IF_ERROR(added);
  TheMetrics().actions_launched.Add();
  // Also when it reaches no one.
  watchers_.Notify(action.id);
  DRAGNET_ASSIGN_OR_RETURN(const ActivePtr made, MakeActive(action, KeptDispatch()));

  std::vector<std::string> connected;
  for (const std::string& id : targeted)
    if (IsConnected(id)) connected.push_back(id);
  spdlog::info("action {} launched by {}: \"{}\", {} targeted, {} connected", action.id,
               launched_by, ForLog(authorized.action.name()), targeted.size(), connected.size());
  KeptDispatch kept;
  {
    absl::MutexLock lock(&made->mutex);
    made->dispatch.AddTargeted(targeted.size());
    made->dispatch.CountCanaries(connected.size());
    kept = made->dispatch.kept();
  }
  // An order may have made it active already, from the store.
  const ActivePtr active = Activate(made);
  if (kept != KeptDispatch()) SaveDispatch(*active);
  // Cancelled since it is in the store, by who didn't see it active yet.
  DRAGNET_ASSIGN_OR_RETURN(const StoredAction stored, store_.FindAction(action.id));
  if (stored.cancelled) return Launched{action.id, targeted.size(), 0};
  Offer(active, connected);
  for (const std::string& id : agents_.ConnectedSince(connections)) CatchUpSoon(id);
  return Launched{action.id, targeted.size(), connected.size()};
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
    if (agents_.SessionOf(pair.agent_id) != nullptr) ++launched.connected;
  return launched;
}

void Dispatcher::Offer(const ActivePtr& action, const std::vector<std::string>& agent_ids) {
  std::vector<std::string> to_send;
  {
    absl::MutexLock lock(&action->mutex);
    to_send = action->dispatch.Offer(agent_ids, clock_.Now(),
                                     [this](const std::string& id) { return IsConnected(id); });
  }
  SendTo(action, to_send);
}

void Dispatcher::SendTo(const ActivePtr& action, const std::vector<std::string>& agent_ids) {
  for (size_t begin = 0; begin < agent_ids.size(); begin += kFanOutChunk) {
    std::vector<std::string> chunk(
        agent_ids.begin() + static_cast<ptrdiff_t>(begin),
        agent_ids.begin() +
            static_cast<ptrdiff_t>(std::min(begin + kFanOutChunk, agent_ids.size())));
    auto send = [this, action, chunk = std::move(chunk)] { SendChunk(action, chunk); };
    // A small action is sent by who launched it: no thread to wait for.
    if (agent_ids.size() <= kFanOutChunk || !background_.Run(send)) send();
  }
}

void Dispatcher::SendChunk(const ActivePtr& action, const std::vector<std::string>& agent_ids) {
  OutgoingMessage message;
  {
    absl::MutexLock lock(&action->mutex);
    // An order may have come, or too many may have failed, since it was their turn.
    if (!GoesOn(action->dispatch.phase())) return action->dispatch.TakeBack(agent_ids);
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
    if (GoesOn(action->dispatch.phase()) || action->order == nullptr) return;
    order = action->order;
    for (const std::string& id : agent_ids)
      if (action->told.insert(id).second) untold.push_back(id);
  }
  for (const std::string& id : untold)
    if (auto session = agents_.SessionOf(id)) session->Send(order);
}

absl::StatusOr<uint64_t> Dispatcher::PublishPolicy(const std::string& envelope_bytes) {
  DRAGNET_RETURN_IF_ERROR(policies_.Publish(envelope_bytes, clock_.Now()));
  const uint64_t version = policies_.current()->version();
  spdlog::info("trust policy {} published", version);
  watchers_.news().OnTrustPolicy();
  for (const auto& [id, session] : agents_.Sessions()) SendPolicies(id, *session);
  return version;
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
    if (!status.ok())
      spdlog::error("action {} agent {}: {}", action->id, agent_id,
                    ForLog(ToStd(status.message())));
  }
}

absl::Status Dispatcher::CatchUpWith(const ActivePtr& action, const std::string& agent_id,
                                     AgentSession& session) {
  const bool expired = clock_.Now() > action->expires;
  v1::DispatchPhase phase;
  {
    absl::MutexLock lock(&action->mutex);
    phase = action->dispatch.phase();
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
  {
    absl::MutexLock lock(&action->mutex);
    parcel = ParcelOf(*action, pair->state);
    // It says that it has the action, and was never sent it: its turn may come.
    if (!action->dispatch.HasPlace(agent_id)) parcel.action = nullptr;
  }
  const bool again = pair->state == v1::DISPATCH_STATE_REFUSED;
  if (SendParcel(parcel, action->id, again, session))
    spdlog::info("action {} agent {}: sent", action->id, agent_id);
  return absl::OkStatus();
}

Dispatcher::Parcel Dispatcher::ParcelOf(const ActiveAction& action, v1::DispatchState state) const {
  Parcel parcel;
  const absl::Time now = clock_.Now();
  const v1::DispatchPhase phase = action.dispatch.phase();
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

void Dispatcher::OnRecord(const std::string& agent_id, v1::ResultRecord record, RecordDone done) {
  std::string refusal;
  if (record.has_refusal())
    refusal = StrCat(v1::Refusal::Reason_Name(record.refusal().reason()), ": ",
                     ForLog(record.refusal().detail()));
  const std::string action_id = record.action_id();
  const RecordSize size(record);
  store_.AppendRecord(agent_id, std::move(record), clock_.Now(),
                      [this, agent_id, action_id, refusal, size,
                       done = std::move(done)](absl::StatusOr<Appended> appended) {
                        if (!appended.ok())
                          return done(appended.status(), RecordWorth::kNothingNew);
                        Count(size, *appended);
                        record_log_.Say(ForLog(action_id), agent_id, refusal, *appended);
                        done(absl::OkStatus(), WorthOf(*appended, refusal));
                        // A run that ends is no end of its sweep.
                        const bool is_run = !appended->run_id.empty();
                        OnStored(agent_id, action_id,
                                 is_run ? v1::DISPATCH_STATE_RUNNING : appended->state);
                        if (is_run) return watchers_.NotifyRun(appended->run_id, action_id);
                        watchers_.Notify(action_id);
                        if (!appended->sweep_id.empty()) watchers_.Notify(appended->sweep_id);
                      });
}

Dispatcher::Activity Dispatcher::activity() const {
  Activity activity;
  const absl::Time now = clock_.Now();
  for (const ActivePtr& action : ActiveActions()) {
    absl::MutexLock lock(&action->mutex);
    if (action->closed || action->expires < now) continue;
    const v1::DispatchPhase phase = action->dispatch.phase();
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
      if (ended && action->dispatch.watches_failures()) action->ended.insert(agent_id);
    } else {
      // It was thought never to have got it, and runs it.
      tell = !GoesOn(action->dispatch.phase()) && action->told.insert(agent_id).second;
    }
  }
  if (tell) SendOrderTo(agent_id, action_id);
}

void Dispatcher::Pace() {
  for (const ActivePtr& action : ActiveActions()) {
    NoteEnded(*action);
    std::vector<std::string> to_send;
    {
      absl::MutexLock lock(&action->mutex);
      if (!action->dispatch.has_waiting() || clock_.Now() > action->expires) continue;
      to_send = action->dispatch.Take(clock_.Now(),
                                      [this](const std::string& id) { return IsConnected(id); });
    }
    SendTo(action, to_send);
  }
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
  if (!any) return;
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
