#include "scheduler/dispatch/progress.h"

#include <algorithm>

#include "scheduler/dispatch/pair.h"

namespace dragnet::scheduler {
namespace {

void Count(v1::DispatchState state, v1::Progress* progress) {
  switch (state) {
    case v1::DISPATCH_STATE_SENT:
      return progress->set_sent(progress->sent() + 1);
    case v1::DISPATCH_STATE_RUNNING:
      return progress->set_running(progress->running() + 1);
    case v1::DISPATCH_STATE_FOUND:
      return progress->set_found(progress->found() + 1);
    case v1::DISPATCH_STATE_CLEAN:
      return progress->set_clean(progress->clean() + 1);
    case v1::DISPATCH_STATE_INCOMPLETE:
      return progress->set_incomplete(progress->incomplete() + 1);
    case v1::DISPATCH_STATE_REFUSED:
      return progress->set_refused(progress->refused() + 1);
    case v1::DISPATCH_STATE_NEVER_SENT:
      return progress->set_never_sent(progress->never_sent() + 1);
    default:
      return progress->set_waiting(progress->waiting() + 1);
  }
}

bool IsHeldBack(HeldBack held_back, bool connected) {
  return held_back == HeldBack::kAll || (held_back == HeldBack::kConnected && connected);
}

}  // namespace

v1::Progress CountPairs(const std::vector<PairState>& pairs, const PresenceOf& presence,
                        HeldBack held_back) {
  v1::Progress progress;
  progress.set_targeted(pairs.size());
  for (const PairState& pair : pairs) {
    Count(pair.state, &progress);
    progress.set_rows(progress.rows() + pair.rows);
    if (pair.failed) progress.set_failed(progress.failed() + 1);
    if (IsFinal(pair.state)) continue;
    const bool connected = presence(pair.agent_id) == Presence::kConnected;
    if (!connected) progress.set_offline(progress.offline() + 1);
    if (pair.state == v1::DISPATCH_STATE_WAITING && IsHeldBack(held_back, connected))
      progress.set_held_back(progress.held_back() + 1);
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
