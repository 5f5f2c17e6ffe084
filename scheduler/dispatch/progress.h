// Counts of pairs, and whether more is to be expected of them. Pure functions.
#pragma once

#include <functional>
#include <string>
#include <vector>

#include "dragnet/v1/investigator.pb.h"
#include "scheduler/dispatch/dispatch.h"
#include "scheduler/store/store.h"

namespace dragnet::scheduler {

enum class Presence {
  kConnected,
  // Was connected a moment ago: a link that restarts is back within seconds.
  kJustLeft,
  kAway,
};

using PresenceOf = std::function<Presence(const std::string& agent_id)>;

v1::Progress CountPairs(const std::vector<PairState>& pairs, const PresenceOf& presence,
                        HeldBack held_back = HeldBack::kNone);

// One pair in `progress`, `times` 1 or -1: everything but whether it is connected.
void CountPair(const PairState& pair, int64_t times, v1::Progress* progress);
// One that hasn't ended: `offline` and `held_back`.
void CountUnfinished(v1::DispatchState state, bool connected, HeldBack held_back,
                     v1::Progress* progress);

// Whether someone who watches should go on waiting: an agent that was reached
// has not ended and is there or about to be; or, with `until_expired`, any
// agent may still come before the action expires. Those that it will never be
// sent to are not waited for.
bool MoreToCome(const std::vector<PairState>& pairs, const PresenceOf& presence, bool until_expired,
                bool expired, HeldBack held_back = HeldBack::kNone);

}  // namespace dragnet::scheduler
