// What signed orders do to the actions of this host: the part of the monitor that
// cancels, pauses and resumes.
#include <algorithm>
#include <utility>

#include "agent/monitor/log.h"
#include "agent/monitor/monitor.h"
#include "core/action.h"
#include "core/order.h"
#include "core/strings.h"
#include "modules/weights.h"

namespace dragnet {

OrderContext Monitor::OrderAuthorization() const {
  OrderContext context;
  context.policy = policy_.has_value() ? &*policy_ : nullptr;
  context.fleet_id = environment_.config.fleet_id;
  context.now = clock_.Now();
  context.modules_of = [this](std::string_view action_id) {
    std::optional<std::vector<std::string>> modules;
    const ActionRun* run = FindRun(action_id);
    const v1::Action* action = run != nullptr ? &run->action : standing_->Find(action_id);
    if (action != nullptr) modules = ModulesRun(*action);
    return modules;
  };
  context.weights_needed = WeightsNeeded;
  context.order_in_force = [this](std::string_view action_id) {
    const OrderBook::InForce* order = orders_.Find(action_id);
    return order == nullptr ? std::string() : order->order_id;
  };
  return context;
}

const Monitor::ActionRun* Monitor::FindRun(std::string_view action_id) const {
  for (const auto& run : actions_) {
    // Without an envelope: left over from an earlier process, only to be reported.
    if (run->action.id() == action_id && !run->envelope.empty()) return run.get();
  }
  return nullptr;
}

bool Monitor::IsHere(std::string_view action_id) const {
  return FindRun(action_id) != nullptr || standing_->Find(action_id) != nullptr;
}

std::string Monitor::CancellationWords(std::string_view action_id) const {
  // Unknown after a restart: then only the journal knows of it.
  return orders_.IsCancelled(action_id) ? orders_.Find(action_id)->words
                                        : "cancelled by a signed order";
}

void Monitor::HandleOrderEnvelope(const std::string& bytes) {
  if (bytes.size() > kMaxOrderEnvelopeBytes) {
    // Not even hashed as a whole.
    return Refuse(bytes.substr(0, kMaxOrderEnvelopeBytes), "", v1::Refusal::REASON_ORDER_REJECTED,
                  StrCat("an order of ", bytes.size(), " bytes, at most ", kMaxOrderEnvelopeBytes));
  }
  if (orders_.HoldsEnvelope(bytes)) return;
  const auto decision = AuthorizeOrder(bytes, OrderAuthorization());
  if (const auto* refused = std::get_if<RefusedOrder>(&decision)) {
    // It has ended here, faster than the scheduler could know: no news to anyone.
    if (absl::IsNotFound(refused->status) && !orders_.IsCancelled(refused->action_id) &&
        store_->JournalHolds(refused->action_id, 0).value_or(false)) {
      return;
    }
    return Refuse(bytes, refused->action_id, v1::Refusal::REASON_ORDER_REJECTED,
                  ToStd(refused->status.message()));
  }
  const auto& authorized = std::get<AuthorizedOrder>(decision);
  const std::string& action_id = authorized.order.action_id();
  if (orders_.IsCancelled(action_id)) {
    return Refuse(bytes, action_id, v1::Refusal::REASON_ORDER_REJECTED,
                  StrCat(orders_.Find(action_id)->words, "; that can't be undone"));
  }
  orders_.Put(authorized, bytes, clock_.Now(), [this](std::string_view id) { return IsHere(id); });
  LogInfo(StrCat("action ", action_id, " ", orders_.Find(action_id)->words), action_id);
  if (authorized.order.kind() != v1::Order::KIND_CANCEL) {
    standing_->Put(action_id, *orders_.Find(action_id));
  } else if (standing_->Find(action_id) != nullptr) {
    CancelStanding(bytes, action_id);
  } else if (FindRun(action_id) == nullptr) {
    KeepCancelled(bytes, action_id);
  }
  AdvanceActions();
}

void Monitor::KeepCancelled(const std::string& envelope, const std::string& action_id) {
  const absl::StatusOr<bool> is_new = store_->JournalCancelled(action_id);
  if (!is_new.ok()) {
    LogWarning(StrCat("a cancellation is not in the journal: ", is_new.status().message()));
    // The book holds no more either.
    if (unjournaled_.size() < OrderBook::kMaxOrders) unjournaled_.push_back(action_id);
  }
  // The scheduler doesn't send the action any more: so it knows that it never ran.
  if (!is_new.ok() || *is_new) {
    Refuse(envelope, action_id, v1::Refusal::REASON_CANCELLED, CancellationWords(action_id));
  }
}

// What runs of it is killed as any action's is, and its end tells; if nothing does,
// this tells.
void Monitor::CancelStanding(const std::string& envelope, const std::string& action_id) {
  standing_->Cancel(action_id);
  if (FindRun(action_id) != nullptr) return;
  Refuse(envelope, action_id, v1::Refusal::REASON_CANCELLED, CancellationWords(action_id));
}

void Monitor::JournalCancellations() {
  std::erase_if(unjournaled_,
                [this](const std::string& id) { return store_->JournalCancelled(id).ok(); });
}

void Monitor::ObeyOrder(ActionRun& run) {
  const OrderBook::InForce* order = orders_.Find(run.action.id());
  if (order == nullptr || run.next_operation >= run.action.operations_size()) return;
  if (order->kind == v1::Order::KIND_CANCEL) return EndByOrder(run, order->words);
  const bool paused = order->kind == v1::Order::KIND_PAUSE;
  if (paused && clock_.Now() > *ToTime(run.action.expires())) {
    return EndByOrder(run, StrCat(order->words, "; it expired before it was resumed"));
  }
  if (!paused || run.worker == nullptr || run.held || run.killed_by_order) return;
  run.worker->Hold(true);
  run.held = true;
  run.held_as = ++holds_;
}

void Monitor::ReleaseHeld() {
  for (auto& run : actions_) {
    if (!HasPlace(*run)) continue;
    if (!run->held || run->killed_by_order || orders_.IsPaused(run->action.id())) continue;
    if (const std::string why = WhyNoLonger(*run); !why.empty()) {
      KillWorker(*run, StrCat("no longer allowed when it was resumed: ", why));
      continue;
    }
    run->worker->Hold(false);
    run->held = false;
  }
}

bool Monitor::WaitsPaused(const ActionRun& run) const {
  return run.worker == nullptr && run.next_operation < run.action.operations_size() &&
         orders_.IsPaused(run.action.id());
}

void Monitor::EndSurplusPaused() {
  std::vector<ActionRun*> held;
  std::vector<ActionRun*> waiting;
  for (auto& run : actions_) {
    if (run->held && !run->killed_by_order) held.push_back(run.get());
    if (WaitsPaused(*run)) waiting.push_back(run.get());
  }
  const auto words = [this](const ActionRun& run) {
    return StrCat(orders_.Find(run.action.id())->words, "; ended: too many others are paused");
  };
  // What was resumed and waits for a place goes on soon.
  std::sort(held.begin(), held.end(),
            [](const ActionRun* a, const ActionRun* b) { return a->held_as < b->held_as; });
  size_t surplus = held.size() - std::min(held.size(), kMaxHeldBesides);
  for (ActionRun* run : held) {
    if (surplus == 0) break;
    if (!orders_.IsPaused(run->action.id())) continue;
    KillWorker(*run, words(*run));
    --surplus;
  }
  for (size_t i = 0; i + kMaxPausedWithoutWorker < waiting.size(); ++i) {
    EndByOrder(*waiting[i], words(*waiting[i]));
  }
}

void Monitor::KillWorker(ActionRun& run, std::string_view detail) {
  if (!run.killed_by_order) run.worker->Stop(v1::TERMINATION_CANCELLED, detail);
  run.killed_by_order = true;
}

void Monitor::EndByOrder(ActionRun& run, std::string_view detail) {
  if (run.worker != nullptr) return KillWorker(run, detail);
  while (run.next_operation < run.action.operations_size()) {
    StopWaiting(run);
    run.next_sequence = 1;
    EndOperation(run, NotRun(v1::TERMINATION_CANCELLED, detail));
  }
}

}  // namespace dragnet
