#include "scheduler/dispatch/dispatch.h"

#include <algorithm>
#include <limits>

#include "core/keys.h"
#include "core/strings.h"

namespace dragnet::scheduler {
namespace {

// Fewer than these say little of a fleet.
constexpr uint64_t kEndedToJudge = 10;
// A second's agents are sent to in about so many steps.
constexpr size_t kStepsPerSecond = 10;

uint64_t RoundUp(uint64_t dividend, uint64_t divisor) { return (dividend + divisor - 1) / divisor; }

}  // namespace

size_t RateLimiter::Allowed(absl::Time now) {
  if (per_second_ == 0) return std::numeric_limits<size_t>::max();
  // Also when the clock was set back: what is from the future is forgotten.
  while (!taken_.empty() &&
         (taken_.front().first <= now - absl::Seconds(1) || taken_.front().first > now))
    taken_.pop_front();
  size_t taken = 0;
  for (const auto& [when, count] : taken_) taken += count;
  if (taken >= per_second_) return 0;
  return std::min<size_t>(per_second_ - taken, RoundUp(per_second_, kStepsPerSecond));
}

void RateLimiter::Took(absl::Time now, size_t count) {
  if (per_second_ > 0 && count > 0) taken_.emplace_back(now, count);
}

Dispatch::Dispatch(std::string action_id, const v1::Dispatch& options, KeptDispatch kept)
    : action_id_(std::move(action_id)),
      options_(options),
      rate_(options.agents_per_second()),
      kept_(std::move(kept)) {}

bool Dispatch::plain() const {
  return options_.agents_per_second() == 0 && options_.canary_percent() == 0 &&
         options_.agent_limit() == 0 && options_.stop_when_failed_percent() == 0;
}

bool Dispatch::watches_failures() const {
  return options_.canary_percent() > 0 || options_.stop_when_failed_percent() > 0;
}

void Dispatch::Restore(const std::string& agent_id, std::optional<Ending> ending) {
  if (plain()) return;
  NoteSent(agent_id);
  if (ending.has_value()) NoteEnded(agent_id, *ending);
}

void Dispatch::FinishRestoring() {
  CountCanaries(/*connected=*/0);
  for (const std::string& id : canaries_)
    if (const auto ended = ended_.find(id);
        ended != ended_.end() && ended->second == Ending::kFailed)
      Stop("a canary failed");
  CheckCanaries();
  CheckFailures();
}

void Dispatch::NoteSent(const std::string& agent_id) {
  sent_.insert(agent_id);
  if (!in_canary_phase() || !canaries_.insert(agent_id).second) return;
  canaries_ended_ += ended_.contains(agent_id);
}

void Dispatch::TakeBack(const std::vector<std::string>& agent_ids) {
  if (cancelled_) return;
  for (const std::string& id : agent_ids) {
    // Its answer was faster than who sent it.
    if (ended_.contains(id)) continue;
    sent_.erase(id);
    canaries_.erase(id);
    ready_.emplace(OrderOf(id), id);
  }
}

bool Dispatch::HasPlace(const std::string& agent_id) const {
  return plain() || sent_.contains(agent_id);
}

void Dispatch::CountCanaries(uint64_t connected) {
  if (!in_canary_phase() || kept_.canaries > 0) return;
  kept_.canaries = std::max<uint64_t>(1, RoundUp(connected * options_.canary_percent(), 100));
  if (options_.agent_limit() > 0)
    kept_.canaries = std::min<uint64_t>(kept_.canaries, options_.agent_limit());
}

uint64_t Dispatch::OrderOf(const std::string& agent_id) const {
  const std::string digest = Sha256(StrCat(action_id_, " ", agent_id));
  uint64_t order = 0;
  for (int i = 0; i < 8; ++i) order = order << 8 | static_cast<unsigned char>(digest[i]);
  return order;
}

std::vector<std::string> Dispatch::Offer(const std::vector<std::string>& agent_ids, absl::Time now,
                                         const IsConnected& is_connected) {
  const v1::DispatchPhase now_in = phase();
  if (now_in == v1::DISPATCH_PHASE_CANCELLED) return {};
  const bool at_once = now_in == v1::DISPATCH_PHASE_OPEN &&
                       rate_.Allowed(now) == std::numeric_limits<size_t>::max() &&
                       options_.agent_limit() == 0;
  if (at_once) {
    if (!plain())
      for (const std::string& id : agent_ids) NoteSent(id);
    return agent_ids;
  }
  std::vector<std::string> again;
  for (const std::string& id : agent_ids) {
    // It has its place already; only the store didn't know yet.
    if (sent_.contains(id)) {
      again.push_back(id);
    } else {
      ready_.emplace(OrderOf(id), id);
    }
  }
  std::vector<std::string> taken = Take(now, is_connected);
  taken.insert(taken.end(), again.begin(), again.end());
  return taken;
}

size_t Dispatch::Budget(absl::Time now) {
  const v1::DispatchPhase now_in = phase();
  if (now_in != v1::DISPATCH_PHASE_OPEN && now_in != v1::DISPATCH_PHASE_CANARY) return 0;
  size_t budget = rate_.Allowed(now);
  if (options_.agent_limit() > 0) {
    const uint64_t left =
        options_.agent_limit() - std::min<uint64_t>(options_.agent_limit(), sent_.size());
    budget = std::min<size_t>(budget, left);
  }
  if (now_in == v1::DISPATCH_PHASE_CANARY) budget = std::min<size_t>(budget, missing_canaries());
  return budget;
}

std::vector<std::string> Dispatch::Take(absl::Time now, const IsConnected& is_connected) {
  std::vector<std::string> taken;
  const size_t budget = Budget(now);
  while (taken.size() < budget && !ready_.empty()) {
    const std::string id = ready_.extract(ready_.begin()).value().second;
    if (!is_connected(id)) continue;
    if (!plain()) NoteSent(id);
    taken.push_back(id);
  }
  rate_.Took(now, taken.size());
  return taken;
}

void Dispatch::OnEnded(const std::string& agent_id, std::string_view name, Ending ending) {
  // Who was never sent it could else stop it for all, or stand in for a canary.
  if (!watches_failures() || !sent_.contains(agent_id)) return;
  NoteEnded(agent_id, ending);
  if (in_canary_phase() && ending == Ending::kFailed && canaries_.contains(agent_id))
    return Stop(StrCat("canary ", name, " failed"));
  CheckCanaries();
  CheckFailures();
}

void Dispatch::NoteEnded(const std::string& agent_id, Ending ending) {
  const auto [entry, is_new] = ended_.emplace(agent_id, ending);
  if (!is_new) failed_ -= entry->second == Ending::kFailed;
  entry->second = ending;
  failed_ += ending == Ending::kFailed;
  if (is_new && canaries_.contains(agent_id)) ++canaries_ended_;
  // Another one takes its place.
  if (ending == Ending::kRefused && canaries_.erase(agent_id) > 0) --canaries_ended_;
}

void Dispatch::CheckCanaries() {
  if (!in_canary_phase() || kept_.canaries == 0 || kept_.stopped) return;
  if (missing_canaries() > 0 || unfinished_canaries() > 0) return;
  kept_.canaries_passed = true;
}

void Dispatch::CheckFailures() {
  const uint32_t percent = options_.stop_when_failed_percent();
  if (percent == 0 || kept_.stopped) return;
  const uint64_t ended = ended_.size() - std::min<uint64_t>(ended_.size(), kept_.ended_before);
  const uint64_t failed = failed_ - std::min<uint64_t>(failed_, kept_.failed_before);
  if (ended < kEndedToJudge && ended_.size() < targeted_) return;
  if (failed * 100 <= uint64_t{percent} * ended) return;
  Stop(StrCat(failed, " of ", ended, " agents failed, more than ", percent, " percent"));
}

void Dispatch::Stop(std::string reason) {
  if (kept_.stopped) return;
  kept_.stopped = true;
  kept_.reason = std::move(reason);
}

void Dispatch::Pause(std::string_view words) {
  paused_ = true;
  order_words_ = std::string(words);
}

void Dispatch::Resume() {
  if (cancelled_) return;
  kept_ = KeptAfterResume();
  paused_ = false;
  order_words_.clear();
}

KeptDispatch Dispatch::KeptAfterResume() const {
  KeptDispatch kept = kept_;
  if (paused_ || cancelled_) return kept;
  if (in_canary_phase()) kept.canaries_passed = true;
  kept.stopped = false;
  kept.reason.clear();
  kept.ended_before = ended_.size();
  kept.failed_before = failed_;
  return kept;
}

void Dispatch::Cancel(std::string_view words) {
  cancelled_ = true;
  paused_ = false;
  order_words_ = std::string(words);
  ready_.clear();
}

v1::DispatchPhase Dispatch::phase() const {
  if (cancelled_) return v1::DISPATCH_PHASE_CANCELLED;
  if (paused_) return v1::DISPATCH_PHASE_PAUSED;
  if (kept_.stopped) return v1::DISPATCH_PHASE_STOPPED;
  return in_canary_phase() ? v1::DISPATCH_PHASE_CANARY : v1::DISPATCH_PHASE_OPEN;
}

std::string Dispatch::reason() const {
  if (paused_ && kept_.stopped)
    return StrCat(order_words_, "; besides, it stopped by itself: ", kept_.reason);
  return cancelled_ || paused_ ? order_words_ : kept_.reason;
}

HeldBack Dispatch::held_back() const {
  if (options_.agent_limit() > 0 && sent_.size() >= options_.agent_limit()) return HeldBack::kAll;
  const bool open = phase() == v1::DISPATCH_PHASE_OPEN;
  return open && ready_.empty() ? HeldBack::kNone : HeldBack::kConnected;
}

uint64_t Dispatch::unfinished_canaries() const {
  return in_canary_phase() ? canaries_.size() - canaries_ended_ : 0;
}

std::vector<std::string> Dispatch::SomeUnfinishedCanaries(size_t most) const {
  std::vector<std::string> some;
  if (!in_canary_phase()) return some;
  for (const std::string& id : canaries_) {
    if (some.size() >= most) break;
    if (!ended_.contains(id)) some.push_back(id);
  }
  return some;
}

uint64_t Dispatch::missing_canaries() const {
  return kept_.canaries - std::min<uint64_t>(kept_.canaries, canaries_.size());
}

}  // namespace dragnet::scheduler
