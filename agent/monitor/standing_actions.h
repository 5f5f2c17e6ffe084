// Recurring actions that were taken on: each stands here until it expires or is
// cancelled, and says at each occurrence of its schedule that it is due.
//
// What decides is durable before anything follows from it (agent/monitor/
// state_store.h): which actions stand, which occurrence of each is the last that was
// begun or passed over, and the order that holds for it. An occurrence is begun once
// at most, whatever the clock does and whenever the agent is killed: only one behind
// the last is ever due. Whether it may run is not decided here: that is authorised
// anew at each (core/authorization.h).
//
// The time is the caller's, so that tests can turn it. Not thread-safe.
#pragma once

#include <functional>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "agent/monitor/orders.h"
#include "agent/monitor/state_store.h"
#include "core/schedule.h"
#include "dragnet/v1/action.pb.h"

namespace dragnet {

class StandingActions {
 public:
  // Further ones are refused.
  static constexpr size_t kMaxStanding = 32;
  // Of the same signers: one of them must not take all places.
  static constexpr size_t kMaxOfSigners = 8;
  // The clock was ahead when it is so much before the last occurrence.
  static constexpr absl::Duration kMaxClockAhead = absl::Minutes(15);
  // An occurrence that is noticed this long after it was due, or earlier, was not
  // missed: the loop looks at the clock at least every kLookInterval.
  static constexpr absl::Duration kOnTime = absl::Minutes(2);
  // Of steady time. The wall clock may be set meanwhile.
  static constexpr absl::Duration kLookInterval = absl::Seconds(30);

  struct Due {
    std::string action_id;
    absl::Time occurrence;
  };

  // What nobody would hear of otherwise: why nothing more of it runs, or not yet.
  struct News {
    std::string action_id;
    std::string envelope;
    v1::Refusal::Reason reason;
    std::string detail;
  };

  // Those that the store holds, and their orders, which go into `orders`. One that
  // can't be read any more is forgotten, and one whose time zone this host no longer
  // has stands still until it is back; both is news.
  static absl::StatusOr<std::unique_ptr<StandingActions>> Load(StateStore& store,
                                                               std::string_view agent_id,
                                                               OrderBook* orders);

  // Null when it doesn't stand here.
  const v1::Action* Find(std::string_view action_id) const;
  // The bytes that it was taken with; "" when it doesn't stand here.
  std::string_view EnvelopeOf(std::string_view action_id) const;
  // Of the one that was taken with these very bytes; "" when none was.
  std::string IdOf(std::string_view envelope) const;
  size_t size() const { return standing_.size(); }
  // Those whose envelopes are such.
  size_t Count(const std::function<bool(std::string_view envelope)>& is_such) const;

  // Durable when it returns OK, together with the journal's entry. Its occurrences from
  // `now` on are to come. `order`: what holds for it already; null for nothing.
  absl::Status Take(v1::Action action, const std::string& envelope, absl::Time now,
                    const OrderBook::InForce* order);
  // An order that holds for it from now on, as it goes into the store; again and again
  // until there is room for it.
  void Put(std::string_view action_id, const OrderBook::InForce& order);
  // It stands no longer from now on, and durably so as soon as the disk has room.
  void Cancel(std::string_view action_id);

  // Notes what has become due or was missed until `now`, and forgets what expired.
  void Look(absl::Time now, const OrderBook& orders);
  // What is to be begun or passed over, as Look found it: at most one occurrence of each.
  std::vector<Due> WhatIsDue() const;
  // Before anything of it runs: it is the last one from now on, durably.
  absl::Status Begin(const Due& due);
  // It doesn't run, for a reason that authorisation gave. True when that is another
  // reason than for the last one, or that one ran: only then it is news.
  absl::StatusOr<bool> PassOver(const Due& due, v1::Refusal::Reason reason);

  // Since it was asked last.
  std::vector<News> TakeNews() { return std::exchange(news_, {}); }

  // How long from `now` until Look may find more.
  absl::Duration UntilNextLook(absl::Time now) const;

 private:
  struct Standing {
    std::string envelope;
    v1::Action action;
    // Nothing while this host doesn't have its time zone.
    std::optional<Schedule> schedule;
    // Occurrences of interest: from the first to the second, both included.
    absl::Time from;
    absl::Time until;
    absl::Time expires;
    absl::Time last_occurrence;
    v1::Refusal::Reason refused = v1::Refusal::REASON_UNSPECIFIED;
    // That the last occurrence is one of the future was told.
    bool is_ahead = false;
    // To be begun.
    std::optional<absl::Time> due;
    // From the first to the second, that excluded, nothing more becomes due.
    absl::Time looked_at = absl::InfiniteFuture();
    absl::Time next_due = absl::InfinitePast();
  };

  StandingActions(StateStore& store, std::string_view agent_id)
      : store_(store), agent_id_(agent_id) {}
  absl::Status Add(v1::Action action, std::string envelope, absl::Time taken_at,
                   absl::Time last_occurrence, v1::Refusal::Reason refused);
  absl::Time DueTime(const Standing& standing, absl::Time occurrence) const;
  // The last occurrence that is due and wasn't begun or passed over.
  std::optional<absl::Time> LatestDue(const Standing& standing, absl::Time now) const;
  absl::Time NextDue(const Standing& standing, absl::Time now) const;
  std::optional<absl::Time> Lost(const Standing& standing, absl::Time now) const;
  // That its last occurrence is one of the future, once.
  void TellOfClock(const std::string& id, Standing& standing, absl::Time now);
  // False while this host doesn't have its time zone.
  static bool FindSchedule(const std::string& id, Standing& standing);
  void LookAt(const std::string& id, Standing& standing, absl::Time now, bool paused);
  static bool IsOver(const Standing& standing, absl::Time now, bool paused);
  void WriteWhatWaits();

  StateStore& store_;
  const std::string agent_id_;
  // By id.
  std::map<std::string, Standing, std::less<>> standing_;
  // Changes that the disk had no room for.
  std::map<std::string, OrderBook::InForce, std::less<>> unsaved_orders_;
  std::vector<std::string> unsaved_cancellations_;
  std::vector<News> news_;
};

}  // namespace dragnet
