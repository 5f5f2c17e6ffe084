#include "scheduler/dispatch/action_progress.h"

#include "core/status_macros.h"
#include "scheduler/dispatch/pair.h"
#include "scheduler/dispatch/progress.h"

namespace dragnet::scheduler {

ActionProgress::Number ActionProgress::NumberOf(const std::string& agent_id) {
  return numbers_.try_emplace(agent_id, static_cast<Number>(numbers_.size())).first->second;
}

void ActionProgress::LookWhoIsConnected() {
  // Before they are asked for: a change in between is looked at the next time.
  const uint64_t changes = agents_.changes();
  if (changes == looked_at_ && connected_.size() >= numbers_.size()) return;
  looked_at_ = changes;
  const std::vector<std::string> connected = agents_.Connected();
  connected_.assign(numbers_.size() + connected.size(), false);
  for (const std::string& id : connected) connected_[NumberOf(id)] = true;
}

void ActionProgress::Take(const PairState& pair, Counted& counted) {
  const Number number = NumberOf(pair.agent_id);
  const auto [entry, is_new] = counted.pairs.try_emplace(number);
  Known& known = entry->second;
  if (is_new) {
    ++pairs_;
  } else {
    PairState before;
    before.state = known.state;
    before.rows = known.rows;
    before.failed = known.failed;
    CountPair(before, -1, &counted.progress);
  }
  known = {.rows = pair.rows, .state = pair.state, .failed = pair.failed};
  CountPair(pair, 1, &counted.progress);
  if (IsFinal(pair.state)) {
    counted.unfinished.erase(number);
  } else {
    counted.unfinished.insert(number);
  }
}

void ActionProgress::ForgetSome() {
  while (pairs_ > max_pairs_ && actions_.size() > 1) {
    pairs_ -= actions_.back().pairs.size();
    by_id_.erase(actions_.back().id);
    actions_.pop_back();
  }
}

absl::StatusOr<v1::Progress> ActionProgress::Of(std::string_view action_id, HeldBack held_back) {
  absl::MutexLock lock(&mutex_);
  const auto found = by_id_.find(action_id);
  const uint64_t position = found == by_id_.end() ? 0 : found->second->position;
  DRAGNET_ASSIGN_OR_RETURN(const ChangedPairs changed,
                           store_.PairsChangedAfter(action_id, position));
  if (found == by_id_.end()) {
    actions_.emplace_front().id = std::string(action_id);
    by_id_.emplace(std::string(action_id), actions_.begin());
  } else {
    actions_.splice(actions_.begin(), actions_, found->second);
  }
  Counted& counted = actions_.front();
  counted.position = changed.position;
  for (const PairState& pair : changed.pairs) Take(pair, counted);
  ForgetSome();

  v1::Progress progress = counted.progress;
  if (counted.unfinished.empty()) return progress;
  LookWhoIsConnected();
  for (const Number number : counted.unfinished)
    CountUnfinished(counted.pairs.find(number)->second.state, connected_[number], held_back,
                    &progress);
  return progress;
}

}  // namespace dragnet::scheduler
