// The schedules of recurring actions against a clock that does as it likes.
#include "agent/monitor/standing_actions.h"

#include <stdlib.h>

#include <filesystem>
#include <map>
#include <set>

#include "agent/monitor/zones_fake.h"
#include "core/keys.h"
#include "core/strings.h"
#include "core/testing.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace dragnet {
namespace {

using ::dragnet::testing::Fleet;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::UnorderedElementsAre;

absl::Time At(std::string_view text) {
  absl::Time time;
  std::string error;
  EXPECT_TRUE(absl::ParseTime(absl::RFC3339_full, ToAbsl(text), &time, &error)) << error;
  return time;
}

class StandingActionsTest : public ::testing::Test {
 protected:
  void SetUp() override {
    char pattern[] = "/tmp/dragnet-standing-XXXXXX";
    directory_ = ::mkdtemp(pattern);
    Restart();
  }
  void TearDown() override { std::filesystem::remove_all(directory_); }

  // As if the agent had been killed.
  void Restart() {
    standing_.reset();
    store_.reset();
    auto store = StateStore::Open(directory_ + "/agent.db");
    ASSERT_TRUE(store.ok()) << store.status();
    store_ = *std::move(store);
    orders_ = OrderBook();
    auto standing = StandingActions::Load(*store_, "agent", &orders_);
    ASSERT_TRUE(standing.ok()) << standing.status();
    standing_ = *std::move(standing);
  }

  v1::Action Recurring(std::string_view cron, absl::Time from,
                       v1::Recurrence::Missed missed = v1::Recurrence::MISSED_UNSPECIFIED) {
    v1::Action action = fleet_.ActionProto();
    *action.mutable_not_before() = ToTimestamp(from);
    *action.mutable_expires() = ToTimestamp(from + absl::Hours(24 * 300));
    action.mutable_recurrence()->set_cron(std::string(cron));
    action.mutable_recurrence()->set_time_zone("Europe/Berlin");
    action.mutable_recurrence()->set_missed(missed);
    return action;
  }
  void Take(const v1::Action& action, absl::Time now) {
    ASSERT_TRUE(
        standing_->Take(action, fleet_.SignedAction(action, {&fleet_.alice}), now, nullptr).ok());
  }
  // What the agent begins when it looks at this time.
  std::vector<std::string> BegunAt(absl::Time now) {
    standing_->Look(now, orders_);
    std::vector<std::string> begun;
    for (const StandingActions::Due& due : standing_->WhatIsDue()) {
      if (!standing_->Begin(due).ok()) continue;
      begun.push_back(absl::FormatTime("%d %H:%M", due.occurrence, absl::UTCTimeZone()));
    }
    return begun;
  }
  std::vector<std::string> BegunAt(std::string_view now) { return BegunAt(At(now)); }
  void Pause(const std::string& id, bool pause) {
    OrderBook::InForce order;
    order.order_id = pause ? "1" : "2";
    order.kind = pause ? v1::Order::KIND_PAUSE : v1::Order::KIND_RESUME;
    orders_ = OrderBook();
    orders_.Restore(id, order);
    standing_->Put(id, order);
  }

  Fleet fleet_;
  std::string directory_;
  std::unique_ptr<StateStore> store_;
  OrderBook orders_;
  std::unique_ptr<StandingActions> standing_;
};

TEST_F(StandingActionsTest, EachOccurrenceIsDueOnceAtItsTime) {
  Take(Recurring("0 3 * * *", At("2026-03-01T00:00:00Z")), At("2026-03-01T00:00:00Z"));
  EXPECT_THAT(BegunAt("2026-03-01T01:59:59Z"), IsEmpty());
  EXPECT_EQ(standing_->UntilNextLook(At("2026-03-01T01:59:59Z")), absl::Seconds(1));
  EXPECT_THAT(BegunAt("2026-03-01T02:00:00Z"), ElementsAre("01 02:00"));
  EXPECT_THAT(BegunAt("2026-03-01T02:00:00Z"), IsEmpty());
  EXPECT_THAT(BegunAt("2026-03-01T15:00:00Z"), IsEmpty());
  EXPECT_EQ(standing_->UntilNextLook(At("2026-03-01T15:00:00Z")), absl::Seconds(30));
  EXPECT_THAT(BegunAt("2026-03-02T02:00:10Z"), ElementsAre("02 02:00"));
}

TEST_F(StandingActionsTest, ThroughClockChangesItIsDueByTheZonesOwnTime) {
  Take(Recurring("30 2 * * *", At("2026-03-28T00:00:00Z")), At("2026-03-28T00:00:00Z"));
  std::vector<std::string> all;
  for (absl::Time now = At("2026-03-28T00:00:00Z"); now < At("2026-03-31T00:00:00Z");
       now += absl::Minutes(1)) {
    for (const std::string& begun : BegunAt(now)) all.push_back(begun);
  }
  // 02:30 of the 29th doesn't exist: it is due when the clock has jumped to 03:00.
  EXPECT_THAT(all, ElementsAre("28 01:30", "29 01:00", "30 00:30"));
}

TEST_F(StandingActionsTest, OccurrencesBeforeItWasTakenOrAfterItsEndAreNotDue) {
  v1::Action action = Recurring("0 * * * *", At("2026-03-01T00:00:00Z"));
  *action.mutable_recurrence()->mutable_until() = ToTimestamp(At("2026-03-01T14:00:00Z"));
  Take(action, At("2026-03-01T12:00:01Z"));
  EXPECT_THAT(BegunAt("2026-03-01T12:30:00Z"), IsEmpty());
  EXPECT_THAT(BegunAt("2026-03-01T13:00:00Z"), ElementsAre("01 13:00"));
  EXPECT_THAT(BegunAt("2026-03-01T14:00:30Z"), ElementsAre("01 14:00"));
  EXPECT_THAT(BegunAt("2026-03-01T15:00:00Z"), IsEmpty());
  EXPECT_EQ(standing_->size(), 1u);
  BegunAt("2026-03-02T15:00:00Z");
  EXPECT_EQ(standing_->size(), 0u);
  Restart();
  EXPECT_EQ(standing_->size(), 0u);
  EXPECT_TRUE(*store_->JournalHolds(action.id(), 0));
}

TEST_F(StandingActionsTest, OfWhatWasMissedTheLatestRunsOnceOrNone) {
  const absl::Time start = At("2026-03-01T00:00:00Z");
  Take(Recurring("0 3 * * *", start, v1::Recurrence::MISSED_RUN_LATE), start);
  Take(Recurring("0 4 * * *", start, v1::Recurrence::MISSED_SKIP), start);
  EXPECT_THAT(BegunAt("2026-03-01T12:00:00Z"), ElementsAre("01 02:00"));
  Restart();
  EXPECT_THAT(BegunAt("2026-03-05T12:00:00Z"), ElementsAre("05 02:00"));
  EXPECT_THAT(BegunAt("2026-03-05T12:01:00Z"), IsEmpty());
  // On time again, a little late as a busy loop is.
  EXPECT_THAT(BegunAt("2026-03-06T02:00:00Z"), ElementsAre("06 02:00"));
  EXPECT_THAT(BegunAt("2026-03-06T03:01:30Z"), ElementsAre("06 03:00"));
}

TEST_F(StandingActionsTest, AClockThatIsSetBackRunsNothingAgain) {
  const absl::Time start = At("2026-03-01T00:00:00Z");
  for (const auto missed : {v1::Recurrence::MISSED_RUN_LATE, v1::Recurrence::MISSED_SKIP}) {
    Take(Recurring("*/10 * * * *", start, missed), start);
  }
  EXPECT_THAT(BegunAt("2026-03-01T05:00:00Z"), ElementsAre("01 05:00", "01 05:00"));
  for (const bool restart : {false, true}) {
    if (restart) Restart();
    for (absl::Time now = start; now <= At("2026-03-01T05:09:00Z"); now += absl::Minutes(1)) {
      EXPECT_THAT(BegunAt(now), IsEmpty()) << now;
    }
  }
  EXPECT_THAT(BegunAt("2026-03-01T05:10:00Z"), ElementsAre("01 05:10", "01 05:10"));
}

TEST_F(StandingActionsTest, AClockThatJumpsToAndFroRunsNoOccurrenceTwice) {
  const absl::Time start = At("2026-03-01T00:00:00Z");
  Take(Recurring("* * * * *", start), start);
  std::set<std::string> seen;
  uint32_t random = 1;
  for (int i = 0; i < 3000; ++i) {
    random = random * 1664525 + 1013904223;
    for (const std::string& begun : BegunAt(start + absl::Seconds(random >> 18))) {
      EXPECT_TRUE(seen.insert(begun).second) << begun;
    }
    if (i % 500 == 499) Restart();
  }
  EXPECT_FALSE(seen.empty());
}

TEST_F(StandingActionsTest, WhatWasDueBeforeTheClockWasSetBackWaitsForItsTime) {
  Take(Recurring("0 3 * * *", At("2026-03-01T00:00:00Z")), At("2026-03-01T00:00:00Z"));
  standing_->Look(At("2026-03-01T02:00:00Z"), orders_);
  EXPECT_EQ(standing_->WhatIsDue().size(), 1u);
  EXPECT_THAT(BegunAt("2026-03-01T01:00:00Z"), IsEmpty());
  EXPECT_THAT(BegunAt("2026-03-01T02:00:00Z"), ElementsAre("01 02:00"));
}

TEST_F(StandingActionsTest, WhileOneWaitsOnlyTheLatestIsKept) {
  const absl::Time start = At("2026-03-01T00:00:00Z");
  Take(Recurring("*/10 * * * *", start, v1::Recurrence::MISSED_SKIP), start);
  standing_->Look(At("2026-03-01T01:00:00Z"), orders_);
  standing_->Look(At("2026-03-01T01:10:00Z"), orders_);
  // Noticed on time, so not missed, however long the one before it takes.
  EXPECT_THAT(BegunAt("2026-03-01T01:17:00Z"), ElementsAre("01 01:10"));
  EXPECT_THAT(BegunAt("2026-03-01T01:18:00Z"), IsEmpty());
}

TEST_F(StandingActionsTest, JitterDelaysEachOccurrenceAndNoMoreThanThat) {
  const absl::Time start = At("2026-03-01T00:00:00Z");
  v1::Action action = Recurring("0 * * * *", start);
  action.mutable_recurrence()->mutable_jitter()->set_seconds(3000);
  Take(action, start);
  int begun = 0;
  for (absl::Time now = start; now < start + absl::Hours(24); now += absl::Seconds(30)) {
    standing_->Look(now, orders_);
    for (const StandingActions::Due& due : standing_->WhatIsDue()) {
      const absl::Time time =
          due.occurrence + JitterOf(action.id(), "agent", due.occurrence, absl::Seconds(3000));
      EXPECT_GE(now, time);
      EXPECT_LT(now, time + absl::Seconds(30));
      ASSERT_TRUE(standing_->Begin(due).ok());
      ++begun;
    }
  }
  EXPECT_EQ(begun, 24);
}

TEST_F(StandingActionsTest, PausedItBeginsNothingAlsoAfterARestart) {
  const absl::Time start = At("2026-03-01T00:00:00Z");
  for (const auto missed : {v1::Recurrence::MISSED_RUN_LATE, v1::Recurrence::MISSED_SKIP}) {
    const v1::Action action = Recurring("0 3 * * *", start, missed);
    Take(action, start);
    Pause(action.id(), true);
    EXPECT_THAT(BegunAt("2026-03-01T02:00:00Z"), IsEmpty());
    Restart();
    EXPECT_TRUE(orders_.IsPaused(action.id()));
    EXPECT_THAT(BegunAt("2026-03-02T02:00:00Z"), IsEmpty());
    EXPECT_GT(standing_->UntilNextLook(At("2026-03-02T02:00:00Z")), absl::Seconds(1));
    Pause(action.id(), false);
    Restart();
    EXPECT_FALSE(orders_.IsPaused(action.id()));
    EXPECT_EQ(orders_.Find(action.id())->order_id, "2") << "an older one is not obeyed again";
    const std::vector<std::string> begun = BegunAt("2026-03-03T10:00:00Z");
    if (missed == v1::Recurrence::MISSED_SKIP) {
      EXPECT_THAT(begun, IsEmpty());
    } else {
      EXPECT_THAT(begun, ElementsAre("03 02:00"));
    }
    standing_->Cancel(action.id());
  }
}

TEST_F(StandingActionsTest, CancelledOrExpiredItIsGoneAlsoAfterARestart) {
  const absl::Time start = At("2026-03-01T00:00:00Z");
  const v1::Action cancelled = Recurring("* * * * *", start);
  v1::Action expired = Recurring("* * * * *", start);
  *expired.mutable_expires() = ToTimestamp(start + absl::Hours(1));
  Take(cancelled, start);
  Take(expired, start);
  standing_->Look(start + absl::Minutes(1), orders_);
  EXPECT_EQ(standing_->WhatIsDue().size(), 2u);
  standing_->Cancel(cancelled.id());
  EXPECT_EQ(standing_->WhatIsDue().size(), 1u);
  EXPECT_THAT(BegunAt(start + absl::Hours(2)), IsEmpty());
  for (const bool restart : {false, true}) {
    if (restart) Restart();
    EXPECT_EQ(standing_->size(), 0u);
    EXPECT_THAT(BegunAt(start + absl::Minutes(30)), IsEmpty()) << "nor when the clock goes back";
    EXPECT_TRUE(*store_->WasCancelled(cancelled.id()));
    EXPECT_FALSE(
        standing_->Take(cancelled, fleet_.SignedAction(cancelled, {&fleet_.alice}), start, nullptr)
            .ok());
    EXPECT_FALSE(
        standing_->Take(expired, fleet_.SignedAction(expired, {&fleet_.alice}), start, nullptr)
            .ok());
  }
}

TEST_F(StandingActionsTest, ARefusalIsNewsOncePerReason) {
  const absl::Time start = At("2026-03-01T00:00:00Z");
  Take(Recurring("0 * * * *", start), start);
  std::vector<bool> news;
  const auto pass_over = [&](int hour, v1::Refusal::Reason reason) {
    standing_->Look(start + absl::Hours(hour), orders_);
    ASSERT_EQ(standing_->WhatIsDue().size(), 1u);
    const auto is_news = standing_->PassOver(standing_->WhatIsDue()[0], reason);
    ASSERT_TRUE(is_news.ok());
    news.push_back(*is_news);
    EXPECT_THAT(standing_->WhatIsDue(), IsEmpty());
  };
  pass_over(1, v1::Refusal::REASON_NOT_TARGETED);
  pass_over(2, v1::Refusal::REASON_NOT_TARGETED);
  Restart();
  pass_over(3, v1::Refusal::REASON_NOT_TARGETED);
  pass_over(4, v1::Refusal::REASON_POLICY_EXPIRED);
  EXPECT_EQ(BegunAt(start + absl::Hours(5)).size(), 1u);
  pass_over(6, v1::Refusal::REASON_POLICY_EXPIRED);
  EXPECT_THAT(news, ElementsAre(true, false, false, true, true));
}

TEST_F(StandingActionsTest, WithoutItsTimeZoneNothingIsDueAndWithItAgainTheScheduleHolds) {
  const absl::Time start = At("2026-03-01T00:00:00Z");
  const v1::Action action = Recurring("0 3 * * *", start);
  Take(action, start);
  {
    const WithoutTimeZones without(directory_);
    Restart();
    EXPECT_EQ(standing_->size(), 1u);
    const auto news = standing_->TakeNews();
    ASSERT_EQ(news.size(), 1u);
    EXPECT_EQ(news[0].action_id, action.id());
    EXPECT_EQ(news[0].envelope, standing_->EnvelopeOf(action.id()));
    EXPECT_EQ(news[0].reason, v1::Refusal::REASON_UNSUPPORTED);
    EXPECT_THAT(BegunAt("2026-03-01T02:00:00Z"), IsEmpty());
    EXPECT_THAT(standing_->TakeNews(), IsEmpty()) << "told once";
  }
  EXPECT_THAT(BegunAt("2026-03-02T02:00:00Z"), ElementsAre("02 02:00"));
}

TEST_F(StandingActionsTest, ThatTheClockWasAheadIsToldOnce) {
  const absl::Time start = At("2026-03-01T00:00:00Z");
  const v1::Action action = Recurring("0 * * * *", start);
  Take(action, start);
  EXPECT_THAT(BegunAt("2026-03-20T05:00:00Z"), ElementsAre("20 05:00"));
  EXPECT_THAT(standing_->TakeNews(), IsEmpty());
  EXPECT_THAT(BegunAt("2026-03-20T04:50:00Z"), IsEmpty());
  EXPECT_THAT(standing_->TakeNews(), IsEmpty()) << "no more than clocks differ";
  for (int hour = 1; hour < 20; ++hour) {
    EXPECT_THAT(BegunAt(start + absl::Hours(hour)), IsEmpty());
    const auto news = standing_->TakeNews();
    ASSERT_EQ(news.size(), hour == 1 ? 1u : 0u);
    if (hour > 1) continue;
    EXPECT_EQ(news[0].action_id, action.id());
    EXPECT_EQ(news[0].reason, v1::Refusal::REASON_NOT_YET_VALID);
    EXPECT_THAT(news[0].detail, HasSubstr("2026-03-20T05:00:00"));
  }
  EXPECT_THAT(BegunAt("2026-03-20T06:00:00Z"), ElementsAre("20 06:00"));
  EXPECT_THAT(standing_->TakeNews(), IsEmpty());
}

TEST_F(StandingActionsTest, ThatItExpiredBeforeAnOccurrenceWasBegunIsTold) {
  const absl::Time start = At("2026-03-01T00:00:00Z");
  for (const auto missed : {v1::Recurrence::MISSED_RUN_LATE, v1::Recurrence::MISSED_SKIP}) {
    const v1::Action action = Recurring("0 * * * *", start, missed);
    Take(action, start);
    BegunAt(start);
    EXPECT_THAT(BegunAt("2027-03-01T00:00:00Z"), IsEmpty());
    EXPECT_EQ(standing_->size(), 0u);
    const auto news = standing_->TakeNews();
    ASSERT_EQ(news.size(), 1u);
    EXPECT_EQ(news[0].reason, v1::Refusal::REASON_EXPIRED);
    EXPECT_EQ(news[0].action_id, action.id());
  }
  // The usual end is none.
  v1::Action action = Recurring("0 * * * *", start);
  *action.mutable_expires() = ToTimestamp(start + absl::Minutes(90));
  Take(action, start);
  EXPECT_EQ(BegunAt(start).size(), 1u);
  EXPECT_EQ(BegunAt(start + absl::Hours(1)).size(), 1u);
  BegunAt(start + absl::Minutes(91));
  EXPECT_EQ(standing_->size(), 0u);
  EXPECT_THAT(standing_->TakeNews(), IsEmpty());
}

// Whoever writes to the store is root already; damage must not stop the agent.
TEST_F(StandingActionsTest, WhatCanNotBeReadAnyMoreIsForgottenAndTheRestStands) {
  const absl::Time start = At("2026-03-01T00:00:00Z");
  const v1::Action good = Recurring("0 * * * *", start);
  Take(good, start);
  v1::Action once = fleet_.ActionProto();
  for (const auto& [id, envelope] : std::map<std::string, std::string>{
           {"empty", ""},
           {"rubbish", RandomBytes(300)},
           {"another", fleet_.SignedAction(good, {&fleet_.alice})},
           {once.id(), fleet_.SignedAction(once, {&fleet_.alice})}}) {
    StoredStanding row;
    row.action_id = id;
    row.envelope = envelope;
    row.taken_at = start;
    ASSERT_TRUE(store_->TakeStanding(row, start).ok());
  }
  Restart();
  EXPECT_EQ(standing_->size(), 1u);
  EXPECT_NE(standing_->Find(good.id()), nullptr);
  EXPECT_EQ(store_->Standing()->size(), 1u);
  // Nobody would know why it runs no longer.
  std::set<std::string> told;
  for (const StandingActions::News& news : standing_->TakeNews()) {
    EXPECT_EQ(news.reason, v1::Refusal::REASON_UNSUPPORTED);
    EXPECT_THAT(news.detail, HasSubstr("forgot it"));
    told.insert(news.action_id);
  }
  EXPECT_THAT(told, UnorderedElementsAre("empty", "rubbish", "another", once.id()));
}

}  // namespace
}  // namespace dragnet
