#include "scheduler/dispatch/progress.h"

#include <algorithm>

#include "scheduler/dispatch/pair.h"

namespace dragnet::scheduler {
namespace {

bool IsHeldBack(HeldBack held_back, bool connected) {
  return held_back == HeldBack::kAll || (held_back == HeldBack::kConnected && connected);
}

}  // namespace

void CountPair(const PairState& pair, int64_t times, v1::Progress* progress) {
  // Counts below zero can't be: only what was counted is taken back.
  const auto by = static_cast<uint64_t>(times);
  progress->set_targeted(progress->targeted() + by);
  progress->set_rows(progress->rows() + by * pair.rows);
  if (pair.failed) progress->set_failed(progress->failed() + by);
  switch (pair.state) {
    case v1::DISPATCH_STATE_SENT:
      return progress->set_sent(progress->sent() + by);
    case v1::DISPATCH_STATE_RUNNING:
      return progress->set_running(progress->running() + by);
    case v1::DISPATCH_STATE_FOUND:
      return progress->set_found(progress->found() + by);
    case v1::DISPATCH_STATE_CLEAN:
      return progress->set_clean(progress->clean() + by);
    case v1::DISPATCH_STATE_INCOMPLETE:
      return progress->set_incomplete(progress->incomplete() + by);
    case v1::DISPATCH_STATE_REFUSED:
      return progress->set_refused(progress->refused() + by);
    case v1::DISPATCH_STATE_NEVER_SENT:
      return progress->set_never_sent(progress->never_sent() + by);
    default:
      return progress->set_waiting(progress->waiting() + by);
  }
}

void CountUnfinished(v1::DispatchState state, bool connected, HeldBack held_back,
                     v1::Progress* progress) {
  if (!connected) progress->set_offline(progress->offline() + 1);
  if (state == v1::DISPATCH_STATE_WAITING && IsHeldBack(held_back, connected))
    progress->set_held_back(progress->held_back() + 1);
}

v1::Progress CountPairs(const std::vector<PairState>& pairs, const PresenceOf& presence,
                        HeldBack held_back) {
  v1::Progress progress;
  for (const PairState& pair : pairs) {
    CountPair(pair, 1, &progress);
    if (IsFinal(pair.state)) continue;
    CountUnfinished(pair.state, presence(pair.agent_id) == Presence::kConnected, held_back,
                    &progress);
  }
  return progress;
}

bool MoreToCome(const std::vector<PairState>& pairs, const PresenceOf& presence, bool until_expired,
                bool expired, HeldBack held_back) {
  return std::any_of(pairs.begin(), pairs.end(), [&](const PairState& pair) {
    if (IsFinal(pair.state)) return false;
    if (pair.state == v1::DISPATCH_STATE_WAITING && held_back == HeldBack::kAll) return false;
    if (until_expired && !expired) return true;
    switch (presence(pair.agent_id)) {
      case Presence::kConnected:
        // What waits for a connected agent is on its way, unless it is too late.
        return pair.state == v1::DISPATCH_STATE_RUNNING || !expired;
      case Presence::kJustLeft:
        return pair.state != v1::DISPATCH_STATE_WAITING;
      case Presence::kAway:
        return false;
    }
    return false;
  });
}

}  // namespace dragnet::scheduler
