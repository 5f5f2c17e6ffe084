// Recurring actions in the monitor, attacked by the clock, by kills, and by a
// scheduler that would have them run more often, elsewhere, or after they were cancelled.
#include <sys/resource.h>

#include "absl/cleanup/cleanup.h"
#include "agent/monitor/monitor_fixture.h"
#include "agent/monitor/zones_fake.h"

namespace dragnet {
namespace {

class MonitorRecurringTest : public MonitorOrderTest {
 protected:
  void SetUp() override {
    MonitorTest::SetUp();
    DeliverPolicy(fleet_.SignedPolicy(LongPolicy(1)));
  }
  v1::TrustPolicy LongPolicy(uint64_t version) const {
    v1::TrustPolicy policy = fleet_.PolicyProto(version);
    *policy.mutable_expires() = ToTimestamp(fleet_.now + absl::Hours(24 * 30));
    return policy;
  }
  // Every hour; it is a full hour now.
  v1::Action Hourly(std::string_view behaviour) {
    v1::Action action = ActionThat(behaviour);
    *action.mutable_expires() = ToTimestamp(fleet_.now + absl::Hours(24 * 20));
    action.mutable_recurrence()->set_cron("0 * * * *");
    action.mutable_recurrence()->set_time_zone("UTC");
    return action;
  }
  int64_t HourOf(int hour) const { return absl::ToUnixSeconds(fleet_.now + absl::Hours(hour)); }
  void TurnTo(absl::Duration since_start) {
    clock_.Set(fleet_.now + since_start);
    Turn();
  }
  void Turn() { ASSERT_TRUE(monitor_->Turn(/*stop_fd=*/-1, absl::ZeroDuration()).ok()); }
  // Past the first occurrence, which is at the hour when it is taken.
  void TakePastTheFirst(const v1::Action& action) {
    clock_.Set(fleet_.now + absl::Seconds(1));
    DeliverAction(SignedByAlice(action));
  }
  // The hours of the summaries that there are.
  std::vector<int64_t> Ended(const v1::Action& action) {
    std::vector<int64_t> hours;
    for (const v1::ResultRecord& record : RecordsOf(action)) {
      if (record.has_summary()) hours.push_back((record.occurrence() - HourOf(0)) / 3600);
    }
    return hours;
  }
  std::vector<v1::ResultRecord> Refusals() {
    std::vector<v1::ResultRecord> records = Spool();
    std::erase_if(records, [](const auto& record) { return !record.has_refusal(); });
    return records;
  }
  void RunUntilEnded(const v1::Action& action, size_t count) {
    RunUntil([&] { return Ended(action).size() == count; });
  }
};

using ::testing::ElementsAre;

TEST_F(MonitorRecurringTest, ItRunsAtEachOccurrenceAndItsRecordsSayWhich) {
  const v1::Action action = Hourly("not");
  DeliverAction(SignedByAlice(action));
  RunUntilEnded(action, 1);  // taken on the hour
  for (int i = 0; i < 10; ++i) TurnTo(absl::Minutes(59));
  EXPECT_THAT(RecordsOf(action), SizeIs(2));
  TurnTo(absl::Hours(1));
  RunUntilEnded(action, 2);
  EXPECT_THAT(Ended(action), ElementsAre(0, 1));
  for (const v1::ResultRecord& record : RecordsOf(action)) {
    EXPECT_TRUE(record.occurrence() == HourOf(0) || record.occurrence() == HourOf(1));
  }
  EXPECT_EQ(RecordsOf(action)[2].sequence(), 1u) << "each occurrence has its own";
  EXPECT_THAT(Refusals(), IsEmpty());
}

TEST_F(MonitorRecurringTest, SentAgainItIsNeitherRefusedNorRunAgain) {
  const v1::Action action = Hourly("not");
  const std::string envelope = SignedByAlice(action);
  DeliverAction(envelope);
  RunUntilEnded(action, 1);
  for (const bool restart : {false, true}) {
    if (restart) Restart();
    for (int i = 0; i < 20; ++i) {
      DeliverAction(envelope);
      Turn();
    }
    EXPECT_THAT(Ended(action), ElementsAre(0));
    EXPECT_THAT(Refusals(), IsEmpty());
  }
  // The same action in other bytes is a replay.
  DeliverAction(fleet_.SignedAction(action, {&fleet_.alice, &fleet_.bob}));
  ASSERT_THAT(Refusals(), SizeIs(1));
  EXPECT_EQ(Refusals()[0].refusal().reason(), v1::Refusal::REASON_REPLAYED);
}

TEST_F(MonitorRecurringTest, NoMoreThanSoManyStand) {
  for (size_t i = 0; i < StandingActions::kMaxStanding; ++i) {
    StoredStanding others;
    const v1::Action action = Hourly("not");
    others.action_id = action.id();
    others.envelope = fleet_.SignedAction(action, {&fleet_.carol});
    others.taken_at = fleet_.now + absl::Seconds(1);
    ASSERT_TRUE(store_->TakeStanding(others, fleet_.now).ok());
  }
  Restart();
  const v1::Action another = Hourly("not");
  TakePastTheFirst(another);
  ASSERT_THAT(Refusals(), SizeIs(1));
  EXPECT_EQ(Refusals()[0].refusal().reason(), v1::Refusal::REASON_BUSY);
  EXPECT_FALSE(*store_->JournalHolds(another.id(), 0)) << "it may come again later";
  // Others go on.
  const v1::Action once = ActionThat("clean");
  DeliverAction(SignedByAlice(once));
  RunUntil([&] { return SummaryOf(once).has_value(); });
}

TEST_F(MonitorRecurringTest, TheSameSignersDoNotTakeAllPlaces) {
  for (size_t i = 0; i < StandingActions::kMaxOfSigners; ++i) TakePastTheFirst(Hourly("not"));
  EXPECT_THAT(Refusals(), IsEmpty());
  for (const bool restart : {false, true}) {
    if (restart) Restart();
    TakePastTheFirst(Hourly("not"));
    ASSERT_THAT(Refusals(), SizeIs(restart ? 2 : 1));
    EXPECT_EQ(Refusals().back().refusal().reason(), v1::Refusal::REASON_BUSY);
    EXPECT_THAT(Refusals().back().refusal().detail(), HasSubstr("of the same signers"));
  }
  DeliverAction(fleet_.SignedAction(Hourly("not"), {&fleet_.bob}));
  EXPECT_THAT(Refusals(), SizeIs(2));
}

TEST_F(MonitorRecurringTest, TheyLeaveAPlaceToAnActionThatRunsOnce) {
  const v1::Action first = Hourly("hang");
  const v1::Action second = Hourly("hang");
  DeliverAction(SignedByAlice(first));
  DeliverAction(SignedByAlice(second));
  RunUntilItRuns(first);
  const v1::Action once = ActionThat("not");
  DeliverAction(SignedByAlice(once));
  RunUntil([&] { return SummaryOf(once).has_value(); });
  EXPECT_THAT(Ended(first), IsEmpty());
  EXPECT_THAT(RecordsOf(second), IsEmpty()) << "one of them at a time";
}

TEST_F(MonitorRecurringTest, OfThoseThatWaitTheActionThatRunsOnceIsNext) {
  configure_ = [](AgentConfig& config) { config.workers = 1; };
  Restart();
  v1::Action first = Hourly("hang");
  first.mutable_operations(0)->mutable_limits()->mutable_wall_time()->set_seconds(1);
  const v1::Action second = Hourly("not");
  const v1::Action once = ActionThat("not");
  DeliverAction(SignedByAlice(first));
  DeliverAction(SignedByAlice(second));
  DeliverAction(SignedByAlice(once));
  RunUntilEnded(second, 1);
  std::vector<std::string> order;
  for (const v1::ResultRecord& record : Spool()) {
    if (record.has_summary()) order.push_back(record.action_id());
  }
  EXPECT_THAT(order, ElementsAre(first.id(), once.id(), second.id()));
}

TEST_F(MonitorRecurringTest, TheHostIsLookedAtAgainForEachOccurrence) {
  std::string distribution_version = "12";
  look_at_host_ = [&] {
    v1::Facts facts;
    facts.set_os("linux");
    facts.set_distribution_version(distribution_version);
    return facts;
  };
  configure_ = [](AgentConfig& config) { config.tags = {{"role", "web"}}; };
  Restart();
  v1::Action action = Hourly("not");
  action.set_target("distribution_version = '13' and tags->>'role' = 'web'");
  clock_.Set(fleet_.now + absl::Seconds(1));
  StoredStanding row;
  row.action_id = action.id();
  row.envelope = SignedByAlice(action);
  row.taken_at = clock_.Now();
  ASSERT_TRUE(store_->TakeStanding(row, clock_.Now()).ok());
  Restart();
  TurnTo(absl::Hours(1));
  ASSERT_THAT(Refusals(), SizeIs(1));
  EXPECT_EQ(Refusals()[0].refusal().reason(), v1::Refusal::REASON_NOT_TARGETED);
  distribution_version = "13";
  TurnTo(absl::Hours(2));
  RunUntilEnded(action, 1);
  EXPECT_THAT(Ended(action), ElementsAre(2));
}

TEST_F(MonitorRecurringTest, KilledInTheMiddleItSaysSoAndThatOccurrenceRunsNeverAgain) {
  const v1::Action action = Hourly("hang");
  DeliverAction(SignedByAlice(action));
  RunUntilItRuns(action);
  Restart();
  for (int i = 0; i < 10; ++i) Turn();
  ASSERT_THAT(Ended(action), ElementsAre(0));
  EXPECT_EQ(SummaryOf(action)->termination(), v1::TERMINATION_INTERRUPTED);
  EXPECT_EQ(RecordsOf(action).back().occurrence(), HourOf(0));
  clock_.Set(fleet_.now - absl::Seconds(30));
  for (int i = 0; i < 10; ++i) Turn();
  EXPECT_THAT(Ended(action), ElementsAre(0));
  TurnTo(absl::Hours(1));
  RunUntil([&] { return RecordsOf(action).back().occurrence() == HourOf(1); });
}

TEST_F(MonitorRecurringTest, KilledBetweenTheJournalAndTheRunItSaysSo) {
  const v1::Action action = Hourly("not");
  TakePastTheFirst(action);
  ASSERT_TRUE(store_->BeginOccurrence(action.id(), fleet_.now + absl::Hours(1), 1).ok());
  clock_.Set(fleet_.now + absl::Hours(1));
  Restart();
  for (int i = 0; i < 10; ++i) Turn();
  ASSERT_THAT(Ended(action), ElementsAre(1));
  EXPECT_EQ(SummaryOf(action)->termination(), v1::TERMINATION_INTERRUPTED);
}

TEST_F(MonitorRecurringTest, WhatWasMissedWhileTheAgentWasOffRunsOnceLateOrNotAtAll) {
  v1::Action late = Hourly("not");
  v1::Action skip = Hourly("not");
  skip.mutable_recurrence()->set_missed(v1::Recurrence::MISSED_SKIP);
  TakePastTheFirst(late);
  TakePastTheFirst(skip);
  clock_.Set(fleet_.now + absl::Minutes(5 * 60 + 10));
  Restart();
  RunUntilEnded(late, 1);
  for (int i = 0; i < 10; ++i) Turn();
  EXPECT_THAT(Ended(late), ElementsAre(5));
  EXPECT_THAT(Ended(skip), IsEmpty());
  TurnTo(absl::Hours(6));
  RunUntilEnded(skip, 1);
  RunUntilEnded(late, 2);
  EXPECT_THAT(Ended(skip), ElementsAre(6));
  EXPECT_THAT(Ended(late), ElementsAre(5, 6));
}

TEST_F(MonitorRecurringTest, WhileOneRunsTheNextWaitsAndOnlyTheLatestIsKept) {
  v1::Action action = Hourly("hang");
  // It still runs when the others have come.
  action.mutable_operations(0)->mutable_limits()->mutable_wall_time()->set_seconds(4);
  DeliverAction(SignedByAlice(action));
  RunUntilItRuns(action);
  TurnTo(absl::Hours(1));
  TurnTo(absl::Hours(2));
  EXPECT_THAT(*store_->Interrupted(), SizeIs(1)) << "one at a time";
  RunUntilEnded(action, 2);
  EXPECT_THAT(Ended(action), ElementsAre(0, 2));
}

TEST_F(MonitorRecurringTest, EachOccurrenceIsAuthorisedAnewAndARefusalIsToldOnce) {
  configure_ = [](AgentConfig& config) { config.name = "web1"; };
  Restart();
  v1::Action action = Hourly("not");
  action.set_target("name = 'web1'");
  TakePastTheFirst(action);
  configure_ = [](AgentConfig& config) { config.name = "db1"; };
  Restart();
  for (int hour = 1; hour <= 3; ++hour) TurnTo(absl::Hours(hour));
  ASSERT_THAT(Refusals(), SizeIs(1));
  EXPECT_EQ(Refusals()[0].refusal().reason(), v1::Refusal::REASON_NOT_TARGETED);
  EXPECT_EQ(Refusals()[0].occurrence(), HourOf(1));
  EXPECT_EQ(Refusals()[0].action_id(), action.id());
  // Alice loses her weight.
  v1::TrustPolicy without = LongPolicy(2);
  without.mutable_modules(0)->mutable_weights()->DeleteSubrange(0, 1);
  DeliverPolicy(fleet_.SignedPolicy(without));
  for (int hour = 4; hour <= 6; ++hour) TurnTo(absl::Hours(hour));
  ASSERT_THAT(Refusals(), SizeIs(2));
  EXPECT_EQ(Refusals()[1].refusal().reason(), v1::Refusal::REASON_INSUFFICIENT_WEIGHT);
  // What was refused has passed, and doesn't come back when it is allowed again.
  DeliverPolicy(fleet_.SignedPolicy(LongPolicy(3)));
  configure_ = [](AgentConfig& config) { config.name = "web1"; };
  Restart();
  for (int i = 0; i < 10; ++i) Turn();
  EXPECT_THAT(Ended(action), IsEmpty());
  TurnTo(absl::Hours(7));
  RunUntilEnded(action, 1);
  EXPECT_THAT(Ended(action), ElementsAre(7));
}

TEST_F(MonitorRecurringTest, UnderAPolicyThatExpiredNothingRuns) {
  v1::TrustPolicy policy = LongPolicy(2);
  *policy.mutable_expires() = ToTimestamp(fleet_.now + absl::Minutes(90));
  DeliverPolicy(fleet_.SignedPolicy(policy));
  const v1::Action action = Hourly("not");
  TakePastTheFirst(action);
  TurnTo(absl::Hours(1));
  RunUntilEnded(action, 1);
  for (int hour = 2; hour <= 5; ++hour) TurnTo(absl::Hours(hour));
  EXPECT_THAT(Ended(action), ElementsAre(1));
  ASSERT_THAT(Refusals(), SizeIs(1));
  EXPECT_EQ(Refusals()[0].refusal().reason(), v1::Refusal::REASON_POLICY_EXPIRED);
  EXPECT_EQ(Refusals()[0].occurrence(), HourOf(2));
}

TEST_F(MonitorRecurringTest, ThatExpiredIsGoneAndCanNotBeSentAgain) {
  const v1::Action action = Hourly("not");
  TakePastTheFirst(action);
  TurnTo(absl::Hours(24 * 20 + 1));
  EXPECT_TRUE(store_->Standing()->empty());
  ASSERT_THAT(Refusals(), SizeIs(1)) << "it never ran";
  EXPECT_EQ(Refusals()[0].refusal().reason(), v1::Refusal::REASON_EXPIRED);
  clock_.Set(fleet_.now + absl::Minutes(30));
  DeliverAction(fleet_.SignedAction(action, {&fleet_.alice, &fleet_.bob}));
  ASSERT_THAT(Refusals(), SizeIs(2));
  EXPECT_EQ(Refusals()[1].refusal().reason(), v1::Refusal::REASON_REPLAYED);
  TurnTo(absl::Hours(1));
  EXPECT_THAT(Ended(action), IsEmpty());
}

TEST_F(MonitorRecurringTest, CancelledWhileItRunsItIsKilledAndNeverRunsAgain) {
  const v1::Action action = Hourly("hang");
  const std::string envelope = SignedByAlice(action);
  DeliverAction(envelope);
  RunUntilItRuns(action);
  const std::string resume = Signed(OrderFor(action, v1::Order::KIND_RESUME));
  Deliver(action, v1::Order::KIND_CANCEL);
  RunUntilEnded(action, 1);
  EXPECT_EQ(SummaryOf(action)->termination(), v1::TERMINATION_CANCELLED);
  EXPECT_EQ(RecordsOf(action).back().occurrence(), HourOf(0));
  EXPECT_THAT(Refusals(), IsEmpty()) << "its end tells";
  for (const bool restart : {false, true}) {
    if (restart) Restart();
    DeliverOrder(resume);
    DeliverOrder(Signed(OrderFor(action, v1::Order::KIND_RESUME)));
    DeliverAction(envelope);
    EXPECT_EQ(Spool().back().refusal().reason(), v1::Refusal::REASON_CANCELLED);
    TurnTo(restart ? absl::Hours(2) : absl::Hours(1));
    for (int i = 0; i < 10; ++i) Turn();
    EXPECT_THAT(Ended(action), SizeIs(1));
    EXPECT_TRUE(store_->Standing()->empty());
  }
}

TEST_F(MonitorRecurringTest, CancelledBetweenTwoOccurrencesItTellsAndNeverRunsAgain) {
  const v1::Action action = Hourly("not");
  TakePastTheFirst(action);
  const std::string cancel = Signed(OrderFor(action, v1::Order::KIND_CANCEL));
  DeliverOrder(cancel);
  ASSERT_THAT(Refusals(), SizeIs(1));
  EXPECT_EQ(Refusals()[0].refusal().reason(), v1::Refusal::REASON_CANCELLED);
  EXPECT_EQ(Refusals()[0].refusal().envelope_sha256(), Sha256(cancel));
  EXPECT_THAT(Refusals()[0].refusal().detail(), HasSubstr("cancelled by alice"));
  Restart();
  TurnTo(absl::Hours(1));
  for (int i = 0; i < 10; ++i) Turn();
  EXPECT_THAT(Ended(action), IsEmpty());
}

TEST_F(MonitorRecurringTest, WhereTheDiskHasNoRoomForItsCancellationItStillNeverRunsAgain) {
  const v1::Action action = Hourly("not");
  TakePastTheFirst(action);
  rlimit before{};
  ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &before), 0);
  ::signal(SIGXFSZ, SIG_IGN);
  rlimit full = before;
  full.rlim_cur = 1;
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &full), 0);
  const absl::Cleanup restore = [&] { ::setrlimit(RLIMIT_FSIZE, &before); };
  Deliver(action, v1::Order::KIND_CANCEL);
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &before), 0);
  EXPECT_FALSE(store_->Standing()->empty()) << "else this says nothing";
  TurnTo(absl::Hours(1));
  EXPECT_TRUE(store_->Standing()->empty());
  Restart();
  TurnTo(absl::Hours(2));
  EXPECT_THAT(Ended(action), IsEmpty());
}

TEST_F(MonitorRecurringTest, AnOccurrenceThatTheDiskHasNoRoomForWaits) {
  const v1::Action action = Hourly("not");
  TakePastTheFirst(action);
  rlimit before{};
  ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &before), 0);
  ::signal(SIGXFSZ, SIG_IGN);
  rlimit full = before;
  full.rlim_cur = 1;
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &full), 0);
  const absl::Cleanup restore = [&] { ::setrlimit(RLIMIT_FSIZE, &before); };
  TurnTo(absl::Hours(1));
  Turn();
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &before), 0);
  EXPECT_THAT(*store_->Interrupted(), IsEmpty()) << "nothing runs that isn't in the journal";
  RunUntilEnded(action, 1);
  EXPECT_THAT(Ended(action), ElementsAre(1));
}

TEST_F(MonitorRecurringTest, PausedItRunsNothingUntilResumedAlsoAfterARestart) {
  const v1::Action action = Hourly("not");
  TakePastTheFirst(action);
  const v1::Order old_resume = OrderFor(action, v1::Order::KIND_RESUME);
  const std::string pause = Signed(OrderFor(action, v1::Order::KIND_PAUSE));
  DeliverOrder(pause);
  TurnTo(absl::Hours(1));
  Restart();
  for (int hour = 1; hour <= 3; ++hour) TurnTo(absl::Hours(hour));
  EXPECT_THAT(Ended(action), IsEmpty());
  EXPECT_THAT(*store_->Interrupted(), IsEmpty());
  DeliverOrder(pause);
  EXPECT_THAT(Refusals(), IsEmpty()) << "sent again, it is known";
  // A scheduler that kept an older order back.
  ExpectRejected(Signed(old_resume), "not newer than order");
  TurnTo(absl::Hours(4));
  EXPECT_THAT(Ended(action), IsEmpty());
  // Whose orders those of others are not.
  v1::Order others = OrderFor(action, v1::Order::KIND_RESUME);
  ExpectRejected(testing::Signed(kOrderPayloadType, others, {&fleet_.carol}), "weight");
  Deliver(action, v1::Order::KIND_RESUME);
  RunUntilEnded(action, 1);
  EXPECT_THAT(Ended(action), ElementsAre(4));
}

TEST_F(MonitorRecurringTest, APauseThatCameFirstHoldsTheActionAlsoAfterARestart) {
  const v1::Action action = Hourly("not");
  Deliver(action, v1::Order::KIND_PAUSE);
  TakePastTheFirst(action);
  Restart();
  TurnTo(absl::Hours(1));
  for (int i = 0; i < 10; ++i) Turn();
  EXPECT_THAT(Ended(action), IsEmpty());
}

TEST_F(MonitorRecurringTest, WhileThisHostHasNotItsTimeZoneItStandsStillSaysSoAndObeys) {
  const auto taken_in_berlin = [&] {
    v1::Action action = Hourly("not");
    action.mutable_recurrence()->set_time_zone("Europe/Berlin");
    TakePastTheFirst(action);
    return action;
  };
  const v1::Action cancelled = taken_in_berlin();
  const v1::Action paused = taken_in_berlin();
  const std::string envelope = SignedByAlice(paused);
  {
    const WithoutTimeZones without(directory_);
    Restart();
    Turn();
    ASSERT_THAT(Refusals(), SizeIs(2));
    for (const v1::ResultRecord& record : Refusals()) {
      EXPECT_EQ(record.refusal().reason(), v1::Refusal::REASON_UNSUPPORTED);
      EXPECT_THAT(record.refusal().detail(), HasSubstr("Europe/Berlin"));
    }
    DeliverAction(envelope);
    Deliver(cancelled, v1::Order::KIND_CANCEL);
    Deliver(paused, v1::Order::KIND_PAUSE);
    ASSERT_THAT(Refusals(), SizeIs(3));
    EXPECT_EQ(Refusals()[2].refusal().reason(), v1::Refusal::REASON_CANCELLED);
    TurnTo(absl::Hours(1));
  }
  for (const bool restart : {false, true}) {
    if (restart) Restart();
    TurnTo(restart ? absl::Hours(3) : absl::Hours(2));
    for (int i = 0; i < 10; ++i) Turn();
    EXPECT_THAT(Ended(cancelled), IsEmpty());
    EXPECT_THAT(Ended(paused), IsEmpty());
  }
  EXPECT_TRUE(*store_->WasCancelled(cancelled.id()));
  Deliver(paused, v1::Order::KIND_RESUME);
  RunUntilEnded(paused, 1);
  EXPECT_THAT(Ended(paused), ElementsAre(3));
}

TEST_F(MonitorRecurringTest, APausedOccurrenceStandsStill) {
  const v1::Action action = Hourly("hang");
  DeliverAction(SignedByAlice(action));
  RunUntilItRuns(action);
  Deliver(action, v1::Order::KIND_PAUSE);
  RunUntil([&] { return StoppedWorkers() == 1; });
  TurnTo(absl::Hours(2));
  ExpectStillRuns(action);
  EXPECT_THAT(*store_->Interrupted(), SizeIs(1));
}

TEST_F(MonitorRecurringTest, OfAnotherFleetTargetOrSignerItIsNotEvenTakenOn) {
  v1::Action other_fleet = Hourly("not");
  other_fleet.set_fleet_id("other-0123456789ab");
  v1::Action elsewhere = Hourly("not");
  elsewhere.set_target("os = 'plan9'");
  v1::Action no_zone = Hourly("not");
  no_zone.mutable_recurrence()->clear_time_zone();
  for (const std::string& envelope :
       {SignedByAlice(other_fleet), SignedByAlice(elsewhere), SignedByAlice(no_zone),
        fleet_.SignedAction(Hourly("not"), {&fleet_.carol}),
        fleet_.SignedAction(Hourly("not"), {})}) {
    DeliverAction(envelope);
  }
  EXPECT_THAT(Refusals(), SizeIs(5));
  EXPECT_TRUE(store_->Standing()->empty());
}

TEST_F(MonitorRecurringTest, ChecksRecurAsAnyOperationDoes) {
  check::v1::CheckParameters parameters;
  check::v1::Check& check = *parameters.add_checks();
  check.set_id("a");
  check.set_title("It is so");
  check.set_severity("low");
  check.set_module("file");
  check.set_parameters("misbehave:pass");
  v1::Action action = Hourly("not");
  action.mutable_operations(0)->set_module("check");
  action.mutable_operations(0)->set_parameters(parameters.SerializeAsString());
  DeliverAction(SignedByAlice(action));
  RunUntilEnded(action, 1);
  EXPECT_EQ(SummaryOf(action)->outcome(), v1::OUTCOME_FOUND);
  EXPECT_EQ(RecordsOf(action)[0].occurrence(), HourOf(0));
}

}  // namespace
}  // namespace dragnet
