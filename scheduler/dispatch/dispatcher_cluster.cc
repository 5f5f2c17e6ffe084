// The part of Dispatcher about the schedulers beside this one.
#include <spdlog/spdlog.h>

#include <algorithm>
#include <map>
#include <set>
#include <utility>

#include "core/action.h"
#include "core/clock.h"
#include "core/envelope.h"
#include "core/order.h"
#include "core/status_macros.h"
#include "core/text.h"
#include "scheduler/dispatch/dispatcher.h"

namespace dragnet::scheduler {
namespace {

constexpr size_t kMaxLoggedText = 300;
// What was not granted is offered again so often: a message may have been lost.
constexpr absl::Duration kOfferAgain = absl::Seconds(2);
constexpr absl::Duration kTellPhasesAgain = absl::Seconds(2);
// In one message.
constexpr size_t kMaxAgents = 4096;
constexpr int kMaxPhases = 512;

std::string ForLog(std::string_view text) { return Shorten(ForTerminal(text), kMaxLoggedText); }

// Of the store: the next time.
bool MayGoWell(const absl::Status& status) {
  return absl::IsUnavailable(status) || absl::IsDeadlineExceeded(status) || absl::IsAborted(status);
}

bool GoesOn(v1::DispatchPhase phase) {
  return phase == v1::DISPATCH_PHASE_OPEN || phase == v1::DISPATCH_PHASE_CANARY;
}

absl::StatusOr<v1::Order> Parsed(const StoredOrder& order) {
  DRAGNET_ASSIGN_OR_RETURN(const v1::Envelope envelope,
                           ParseEnvelope(order.envelope, kOrderPayloadType));
  return ParseOrder(envelope.payload());
}

template <typename Send>
void InParts(const std::vector<std::string>& agent_ids, Send send) {
  for (size_t begin = 0; begin < agent_ids.size(); begin += kMaxAgents) {
    const size_t end = std::min(begin + kMaxAgents, agent_ids.size());
    send(std::vector<std::string>(agent_ids.begin() + static_cast<ptrdiff_t>(begin),
                                  agent_ids.begin() + static_cast<ptrdiff_t>(end)));
  }
}

}  // namespace

// Orders reach every scheduler by themselves, and count at once; the rest is said by the
// one that leads.
v1::DispatchPhase Dispatcher::PhaseHere(const ActiveAction& action) const {
  return DescribePhase(action).phase;
}

Dispatcher::Phase Dispatcher::DescribePhase(const ActiveAction& action) const {
  Phase phase{action.dispatch.phase(), "", HeldBack::kNone};
  const bool ordered =
      phase.phase == v1::DISPATCH_PHASE_CANCELLED || phase.phase == v1::DISPATCH_PHASE_PAUSED;
  if (!Decides(action) && action.told_phase.has_value()) {
    if (!ordered) return *action.told_phase;
    phase.held_back = action.told_phase->held_back;
  } else {
    phase.held_back = action.dispatch.held_back();
  }
  phase.reason = action.dispatch.reason();
  return phase;
}

// ---- what others have done

// Again until all that wait here were offered it: an order may have made it active before,
// or the store may have gone in between.
absl::Status Dispatcher::TakeUpAction(const std::string& action_id) {
  if (const ActivePtr known = FindActive(action_id); known != nullptr && known->offered_here)
    return absl::OkStatus();
  const absl::StatusOr<StoredAction> action = store_.FindAction(action_id);
  if (absl::IsNotFound(action.status())) return absl::OkStatus();
  DRAGNET_RETURN_IF_ERROR(action.status());
  watchers_.Notify(action_id);
  if (action->cancelled || action->expires < clock_.Now()) return absl::OkStatus();
  DRAGNET_ASSIGN_OR_RETURN(const std::vector<PairState> pairs, store_.Pairs(action_id));
  ActivePtr active = FindActive(action_id);
  if (active == nullptr) {
    absl::MutexLock lock(&ordering_);
    DRAGNET_ASSIGN_OR_RETURN(active, TakeUp(*action, pairs));
    // How many canaries there are.
    if (!active->plain) SaveDispatchLocked(*active);
  }
  DRAGNET_RETURN_IF_ERROR(TakeUpOrders(action_id));
  OfferWaiting(active, pairs);
  active->offered_here = true;
  return absl::OkStatus();
}

absl::Status Dispatcher::TakeUpOrders(const std::string& action_id) {
  ActivePtr active;
  {
    // From reading to applying: a resume that is applied twice would skip the canaries.
    absl::MutexLock lock(&ordering_);
    DRAGNET_ASSIGN_OR_RETURN(const std::vector<StoredOrder> orders, store_.Orders(action_id));
    if (orders.empty()) return absl::OkStatus();
    const StoredOrder& newest = orders.back();
    const absl::StatusOr<StoredAction> action = store_.FindAction(action_id);
    if (absl::IsNotFound(action.status())) return absl::OkStatus();
    DRAGNET_RETURN_IF_ERROR(action.status());
    DRAGNET_ASSIGN_OR_RETURN(const v1::Order parsed, Parsed(newest));
    active = FindActive(action_id);
    if (active == nullptr) {
      // Begins with that order.
      DRAGNET_ASSIGN_OR_RETURN(active, FindOrActivate(*action));
    } else {
      {
        absl::MutexLock action_lock(&active->mutex);
        if (active->order_id == newest.id) return absl::OkStatus();
      }
      if (!active->plain && Decides(*active)) {
        // Decided by who led before: what it has kept goes with it.
        DRAGNET_RETURN_IF_ERROR(RestoreAnew(*active));
      } else {
        // Of one that isn't decided here only the pause matters.
        absl::MutexLock action_lock(&active->mutex);
        if (parsed.kind() == v1::Order::KIND_RESUME) active->dispatch.Resume();
      }
      Apply(newest, parsed, *active);
    }
  }
  return HandOn(active, /*is_new=*/true).status();
}

void Dispatcher::OfferWaiting(const ActivePtr& action, const std::vector<PairState>& pairs) {
  std::vector<std::string> waiting;
  std::set<std::string> known;
  for (const PairState& pair : pairs) {
    known.insert(pair.agent_id);
    if (pair.state == v1::DISPATCH_STATE_WAITING && agents_.SessionOf(pair.agent_id) != nullptr)
      waiting.push_back(pair.agent_id);
  }
  Offer(action, waiting);
  // What is known of them here may not have been known yet where it was launched.
  const absl::StatusOr<std::vector<std::string>> targeted = agents_.Select(action->target);
  if (!targeted.ok()) return;
  for (const std::string& id : *targeted)
    if (!known.contains(id) && agents_.SessionOf(id) != nullptr) CatchUpSoon(id);
}

absl::Status Dispatcher::TakeUpAll() {
  DRAGNET_ASSIGN_OR_RETURN(const std::vector<StoredAction> actions,
                           store_.ActiveActions(clock_.Now()));
  absl::Status status;
  for (const StoredAction& action : actions) {
    const absl::Status taken = TakeUpAction(action.id);
    // One that can't be read is no reason to miss the others.
    if (!taken.ok()) {
      spdlog::error("action {}: {}", ForLog(action.id), ForLog(ToStd(taken.message())));
      status.Update(taken);
    }
  }
  for (const ActivePtr& action : ActiveActions()) {
    status.Update(TakeUpOrders(action->id));
    if (Decides(*action)) status.Update(LookForEnded(*action));
  }
  for (const auto& [id, session] : agents_.Sessions()) CatchUpSoon(id);
  return status;
}

absl::Status Dispatcher::RestoreAnew(ActiveAction& action) {
  const uint64_t epoch = peers_->lead_epoch();
  if (epoch == 0)
    return absl::UnavailableError("another scheduler leads since this moment: try again");
  DRAGNET_ASSIGN_OR_RETURN(const KeptDispatch kept, store_.FindDispatch(action.id));
  DRAGNET_ASSIGN_OR_RETURN(const std::vector<PairState> pairs, store_.Pairs(action.id));
  Dispatch dispatch(action.id, action.options, kept);
  DRAGNET_RETURN_IF_ERROR(Restore(action.id, pairs, &dispatch));
  DRAGNET_ASSIGN_OR_RETURN(const StoredAction stored, store_.FindAction(action.id));
  DRAGNET_ASSIGN_OR_RETURN(const std::vector<StoredOrder> orders, store_.Orders(action.id));
  std::optional<v1::Order> newest;
  if (!orders.empty()) {
    DRAGNET_ASSIGN_OR_RETURN(newest, Parsed(orders.back()));
  }
  // Before anyone can see it: not for a moment does it go on.
  if (stored.cancelled) dispatch.Cancel("cancelled");
  if (newest.has_value() && newest->kind() == v1::Order::KIND_PAUSE) dispatch.Pause("");
  {
    absl::MutexLock lock(&action.mutex);
    if (stored.cancelled) action.message = nullptr;
    action.dispatch = std::move(dispatch);
    action.offered.clear();
    action.told_phase.reset();
    NoteRestored(pairs, action);
  }
  // With its words.
  if (newest.has_value()) Apply(orders.back(), *newest, action);
  action.led = epoch;
  return absl::OkStatus();
}

absl::Status Dispatcher::OnLeaderChanged() {
  const bool leads = peers_->leads();
  absl::Status status;
  for (const ActivePtr& action : ActiveActions()) {
    if (action->plain) continue;
    absl::Status taken;
    if (leads && !Decides(*action)) {
      absl::MutexLock lock(&ordering_);
      taken = RestoreAnew(*action);
      if (taken.ok()) SaveDispatchLocked(*action);
    }
    const absl::StatusOr<std::vector<PairState>> pairs = store_.Pairs(action->id);
    taken.Update(pairs.status());
    if (taken.ok()) {
      OfferWaiting(action, *pairs);
      action->offered_here = true;
      continue;
    }
    spdlog::error("action {}: not taken up from the scheduler that led: {}", action->id,
                  ForLog(ToStd(taken.message())));
    // What can't be read won't be the next time either.
    if (MayGoWell(taken)) status.Update(taken);
  }
  // What that one stored and didn't come to.
  if (leads) status.Update(RetireThoseThatEnded());
  return status;
}

// ---- what others say

void Dispatcher::OnOffer(const std::string& action_id, const std::vector<std::string>& agent_ids) {
  if (!peers_->leads()) return;
  ActivePtr action = FindActive(action_id);
  if (action == nullptr) {
    // Launched elsewhere in this moment.
    if (const absl::Status status = TakeUpAction(action_id); !status.ok())
      return spdlog::error("action {}: {}", ForLog(action_id), ForLog(ToStd(status.message())));
    action = FindActive(action_id);
  }
  // What comes before it is known how far the action is comes again.
  if (action != nullptr && !action->plain && Decides(*action) && clock_.Now() <= action->expires)
    Offer(action, agent_ids);
}

void Dispatcher::OnGrant(const std::string& action_id, const std::vector<std::string>& agent_ids) {
  const ActivePtr action = FindActive(action_id);
  if (action == nullptr || action->plain || clock_.Now() > action->expires) return;
  // Those that are gone are offered by the scheduler that they come to.
  std::vector<std::string> here;
  for (const std::string& id : agent_ids)
    if (agents_.SessionOf(id) != nullptr) here.push_back(id);
  if (here.empty()) return;
  const absl::StatusOr<bool> goes_on = GoesOnInStore(action_id);
  if (!goes_on.ok())
    spdlog::warn("action {}: whether it goes on: {}", action_id,
                 ForLog(ToStd(goes_on.status().message())));
  // They stay among those that wait, and are offered again.
  if (!goes_on.value_or(false)) return;
  {
    absl::MutexLock lock(&action->mutex);
    for (const std::string& id : here) action->offered.erase(id);
  }
  SendTo(action, here, DecidedBy::kLeader);
}

absl::StatusOr<bool> Dispatcher::GoesOnInStore(const std::string& action_id) {
  DRAGNET_ASSIGN_OR_RETURN(const StoredAction stored, store_.FindAction(action_id));
  if (stored.cancelled) return false;
  DRAGNET_ASSIGN_OR_RETURN(const KeptDispatch kept, store_.FindDispatch(action_id));
  if (kept.stopped) return false;
  DRAGNET_ASSIGN_OR_RETURN(const std::vector<StoredOrder> orders, store_.Orders(action_id));
  if (orders.empty()) return true;
  DRAGNET_ASSIGN_OR_RETURN(const v1::Order newest, Parsed(orders.back()));
  return newest.kind() == v1::Order::KIND_RESUME;
}

void Dispatcher::OnPhases(const v1::Phases& phases) {
  for (const v1::Phases::Phase& told : phases.phases()) {
    const ActivePtr action = FindActive(told.action_id());
    if (action == nullptr || action->plain || peers_->leads()) continue;
    Phase phase{told.phase(), told.reason(), HeldBack::kNone};
    if (told.held_back() == static_cast<uint32_t>(HeldBack::kConnected))
      phase.held_back = HeldBack::kConnected;
    if (told.held_back() == static_cast<uint32_t>(HeldBack::kAll)) phase.held_back = HeldBack::kAll;
    {
      absl::MutexLock lock(&action->mutex);
      if (action->told_phase == phase) continue;
      action->told_phase = std::move(phase);
    }
    watchers_.Notify(action->id);
  }
}

std::vector<std::string> Dispatcher::GrantElsewhere(const ActivePtr& action,
                                                    const std::vector<std::string>& agent_ids) {
  if (peers_->alone()) return agent_ids;
  std::map<std::string, std::vector<std::string>> by_scheduler;
  for (const std::string& id : agent_ids) by_scheduler[agents_.SchedulerOf(id)].push_back(id);
  for (const auto& [scheduler, ids] : by_scheduler) {
    if (scheduler.empty()) continue;
    {
      absl::MutexLock lock(&action->mutex);
      if (!Decides(*action) || !GoesOn(PhaseHere(*action))) {
        TakeBack(ids, *action);
        continue;
      }
    }
    InParts(ids, [&](const std::vector<std::string>& part) {
      peers_->GrantAgents(scheduler, action->id, part);
    });
  }
  return std::move(by_scheduler[""]);
}

void Dispatcher::TakeBack(const std::vector<std::string>& agent_ids, ActiveAction& action) {
  if (Decides(action)) return action.dispatch.TakeBack(agent_ids);
  action.offered.insert(agent_ids.begin(), agent_ids.end());
}

void Dispatcher::OfferAgain() {
  const absl::Time now = SteadyNow();
  if (now - offered_again_ < kOfferAgain) return;
  offered_again_ = now;
  for (const ActivePtr& action : ActiveActions()) {
    if (Decides(*action)) continue;
    std::vector<std::string> offered;
    {
      absl::MutexLock lock(&action->mutex);
      if (clock_.Now() > action->expires) action->offered.clear();
      std::erase_if(action->offered,
                    [this](const std::string& id) { return agents_.SessionOf(id) == nullptr; });
      if (!GoesOn(PhaseHere(*action))) continue;
      offered.assign(action->offered.begin(), action->offered.end());
    }
    InParts(offered,
            [&](const std::vector<std::string>& part) { peers_->OfferAgents(action->id, part); });
  }
}

void Dispatcher::TellPhases() {
  if (!peers_->leads()) return;
  v1::Phases phases;
  for (const ActivePtr& action : ActiveActions()) {
    if (action->plain) continue;
    absl::MutexLock lock(&action->mutex);
    Phase phase = DescribePhase(*action);
    if (phase.phase == v1::DISPATCH_PHASE_CANARY) phase.reason = CanaryWords(action->dispatch);
    v1::Phases::Phase* told = phases.add_phases();
    told->set_action_id(action->id);
    told->set_phase(phase.phase);
    told->set_reason(phase.reason);
    told->set_held_back(static_cast<uint32_t>(phase.held_back));
    if (phases.phases_size() == kMaxPhases) break;
  }
  const absl::Time now = SteadyNow();
  std::string serialised = phases.SerializeAsString();
  if (serialised == told_phases_ && now - told_phases_at_ < kTellPhasesAgain) return;
  told_phases_ = std::move(serialised);
  told_phases_at_ = now;
  if (phases.phases_size() > 0) peers_->TellPhases(std::move(phases));
}

}  // namespace dragnet::scheduler
