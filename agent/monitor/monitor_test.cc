// The monitor attacked through the link's socket: what a compromised link or
// scheduler can send it.
#include "agent/monitor/monitor.h"

#include <sys/resource.h>

#include "agent/monitor/monitor_fixture.h"

namespace dragnet {
namespace {

TEST_F(MonitorTest, WithoutAPolicyNothingRuns) {
  DeliverAction(SignedByAlice(fleet_.ActionProto()));
  EXPECT_EQ(OnlyRefusal(), v1::Refusal::REASON_NO_POLICY);
}

TEST_F(MonitorTest, AValidActionRunsAndItsSummaryIsSpooled) {
  DeliverPolicy(fleet_.SignedPolicy(fleet_.PolicyProto()));
  const v1::Action action = ActionThat("not");
  DeliverAction(SignedByAlice(action));
  RunUntil([&] { return !Spool().empty() && Spool().back().has_summary(); });
  const auto records = Spool();
  ASSERT_THAT(records, SizeIs(2));
  EXPECT_EQ(records[0].action_id(), action.id());
  EXPECT_EQ(records[0].sequence(), 1u);
  EXPECT_EQ(records[0].rows().rows_size(), 2);
  EXPECT_EQ(records[1].sequence(), 2u);
  EXPECT_EQ(records[1].summary().outcome(), v1::OUTCOME_FOUND);
}

// ---- blobs

// An action whose operation has `content` as a blob.
v1::Action WithBlob(v1::Action action, const std::string& content) {
  v1::Blob* blob = action.mutable_operations(0)->add_blobs();
  blob->set_field("searches[0].yara");
  blob->set_sha256(Sha256(content));
  blob->set_size(content.size());
  return action;
}

ipc::LinkToMonitor PartOf(const std::string& content, std::string data) {
  ipc::LinkToMonitor message;
  message.mutable_blob_part()->set_sha256(Sha256(content));
  message.mutable_blob_part()->set_data(std::move(data));
  return message;
}

TEST_F(MonitorTest, AnOperationStartsWhenItsBlobIsThereAndOthersDoNotWaitForIt) {
  DeliverPolicy(fleet_.SignedPolicy(fleet_.PolicyProto()));
  const v1::Action waiting = WithBlob(ActionThat("not"), "rules");
  const v1::Action other = ActionThat("not");
  DeliverAction(SignedByAlice(waiting));
  DeliverAction(SignedByAlice(other));
  RunUntil([&] { return !RecordsOf(other).empty() && RecordsOf(other).back().has_summary(); });
  EXPECT_THAT(RecordsOf(waiting), IsEmpty());
  monitor_->HandleLinkMessage(PartOf("rules", "rules"));
  RunUntil([&] { return !RecordsOf(waiting).empty() && RecordsOf(waiting).back().has_summary(); });
  EXPECT_EQ(RecordsOf(waiting).back().summary().outcome(), v1::OUTCOME_FOUND);
  // The next action that names it has it already.
  const v1::Action next = WithBlob(ActionThat("not"), "rules");
  DeliverAction(SignedByAlice(next));
  RunUntil([&] { return !RecordsOf(next).empty() && RecordsOf(next).back().has_summary(); });
}

TEST_F(MonitorTest, ABlobWithOtherContentThanWasSignedEndsTheOperationUnrun) {
  DeliverPolicy(fleet_.SignedPolicy(fleet_.PolicyProto()));
  const v1::Action action = WithBlob(ActionThat("not"), "rules");
  DeliverAction(SignedByAlice(action));
  monitor_->HandleLinkMessage(PartOf("rules", "RULES"));
  RunUntil([&] { return !RecordsOf(action).empty(); });
  const auto records = RecordsOf(action);
  ASSERT_THAT(records, SizeIs(1));
  EXPECT_EQ(records[0].summary().termination(), v1::TERMINATION_NOT_STARTED);
  EXPECT_EQ(records[0].summary().outcome(), v1::OUTCOME_INCOMPLETE);
  EXPECT_THAT(records[0].summary().detail(), HasSubstr("another SHA-256"));
}

TEST_F(MonitorTest, AnActionWithAWrongSizeOfABlobDoesNotEndThoseWithTheRightOne) {
  DeliverPolicy(fleet_.SignedPolicy(fleet_.PolicyProto()));
  v1::Action wrong = WithBlob(ActionThat("not"), "rules");
  wrong.mutable_operations(0)->mutable_blobs(0)->set_size(3);
  const v1::Action right = WithBlob(ActionThat("not"), "rules");
  DeliverAction(SignedByAlice(wrong));
  DeliverAction(SignedByAlice(right));
  monitor_->HandleLinkMessage(PartOf("rules", "rules"));
  RunUntil([&] { return !RecordsOf(wrong).empty(); });
  EXPECT_THAT(RecordsOf(wrong)[0].summary().detail(), HasSubstr("longer than the action says"));
  EXPECT_THAT(RecordsOf(right), IsEmpty());
  monitor_->HandleLinkMessage(PartOf("rules", "rules"));
  RunUntil([&] { return !RecordsOf(right).empty() && RecordsOf(right).back().has_summary(); });
  EXPECT_EQ(RecordsOf(right).back().summary().outcome(), v1::OUTCOME_FOUND);
}

TEST_F(MonitorTest, ABlobThatItsActionNoLongerWaitsForDoesNotHoldUpTheNext) {
  DeliverPolicy(fleet_.SignedPolicy(fleet_.PolicyProto()));
  v1::Action withheld = WithBlob(ActionThat("not"), "withheld");
  *withheld.mutable_expires() = ToTimestamp(fleet_.now + absl::Minutes(1));
  v1::Action other = WithBlob(ActionThat("not"), "rules");
  *other.mutable_expires() = ToTimestamp(fleet_.now + absl::Hours(1));
  DeliverAction(SignedByAlice(withheld));
  DeliverAction(SignedByAlice(other));
  clock_.Advance(absl::Minutes(2));
  RunUntil([&] { return !RecordsOf(withheld).empty(); });
  monitor_->HandleLinkMessage(PartOf("rules", "rules"));
  RunUntil([&] { return !RecordsOf(other).empty() && RecordsOf(other).back().has_summary(); });
  EXPECT_EQ(RecordsOf(other).back().summary().outcome(), v1::OUTCOME_FOUND);
}

TEST_F(MonitorTest, ABlobThatIsMissingForOneOperationDoesNotEndTheNext) {
  DeliverPolicy(fleet_.SignedPolicy(fleet_.PolicyProto()));
  v1::Action action = WithBlob(ActionThat("not"), "missing");
  *action.add_operations() = WithBlob(ActionThat("not"), "rules").operations(0);
  DeliverAction(SignedByAlice(action));
  monitor_->HandleLinkMessage(PartOf("missing", ""));
  RunUntil([&] { return !RecordsOf(action).empty(); });
  ASSERT_TRUE(monitor_->Turn(-1, absl::ZeroDuration()).ok());
  ASSERT_THAT(RecordsOf(action), SizeIs(1));
  monitor_->HandleLinkMessage(PartOf("rules", "rules"));
  RunUntil([&] { return RecordsOf(action).size() > 1 && RecordsOf(action).back().has_summary(); });
  EXPECT_EQ(RecordsOf(action).back().summary().outcome(), v1::OUTCOME_FOUND);
}

TEST_F(MonitorTest, ABlobThatNeverComesEndsWithTheActionsTime) {
  DeliverPolicy(fleet_.SignedPolicy(fleet_.PolicyProto()));
  const v1::Action action = WithBlob(ActionThat("not"), "rules");
  DeliverAction(SignedByAlice(action));
  ASSERT_TRUE(monitor_->Turn(-1, absl::ZeroDuration()).ok());
  EXPECT_THAT(RecordsOf(action), IsEmpty());
  clock_.Advance(absl::Hours(24));
  RunUntil([&] { return !RecordsOf(action).empty(); });
  EXPECT_THAT(RecordsOf(action)[0].summary().detail(), HasSubstr("no longer allowed"));
}

TEST_F(MonitorTest, AReplayIsRefusedAlsoAfterARestart) {
  DeliverPolicy(fleet_.SignedPolicy(fleet_.PolicyProto()));
  const std::string envelope = SignedByAlice(ActionThat("clean"));
  DeliverAction(envelope);
  RunUntil([&] { return !Spool().empty() && Spool().back().has_summary(); });
  DeliverAction(envelope);
  EXPECT_EQ(Spool().back().refusal().reason(), v1::Refusal::REASON_REPLAYED);
  Restart();
  DeliverAction(envelope);
  EXPECT_THAT(Spool(), SizeIs(2)) << "the same refusal is the same record";
  // Protobuf reads a message twice in a row as one: other bytes, the same action.
  DeliverAction(envelope + envelope);
  EXPECT_THAT(Spool(), SizeIs(3));
  EXPECT_EQ(Spool().back().refusal().reason(), v1::Refusal::REASON_REPLAYED);
  // Signed again: another envelope, the same id.
  v1::Envelope resigned;
  resigned.ParseFromString(envelope);
  ASSERT_TRUE(AddSignature(fleet_.bob, &resigned).ok());
  DeliverAction(resigned.SerializeAsString());
  EXPECT_EQ(Spool().back().refusal().reason(), v1::Refusal::REASON_REPLAYED);
}

// As an upgrade's, whose target asks for another version than it leaves behind.
TEST_F(MonitorTest, AReplayIsOneAlsoWhenItsTargetIsNoLongerTrue) {
  DeliverPolicy(fleet_.SignedPolicy(fleet_.PolicyProto()));
  v1::Action action = ActionThat("clean");
  action.set_target("name='before'");
  configure_ = [](AgentConfig& config) { config.name = "before"; };
  Restart();
  const std::string envelope = SignedByAlice(action);
  DeliverAction(envelope);
  RunUntil([&] { return !Spool().empty() && Spool().back().has_summary(); });
  configure_ = [](AgentConfig& config) { config.name = "after"; };
  Restart();
  DeliverAction(envelope);
  EXPECT_EQ(Spool().back().refusal().reason(), v1::Refusal::REASON_REPLAYED);
}

TEST_F(MonitorTest, WhatAKilledMonitorBeganSaysSoAndIsNotRunAgain) {
  DeliverPolicy(fleet_.SignedPolicy(fleet_.PolicyProto()));
  const v1::Action action = ActionThat("hang");
  DeliverAction(SignedByAlice(action));
  RunUntil([&] { return !Spool().empty(); });  // its first row
  Restart();
  const auto records = Spool();
  ASSERT_THAT(records, SizeIs(2));
  EXPECT_EQ(records[1].sequence(), 2u);
  EXPECT_EQ(records[1].summary().outcome(), v1::OUTCOME_INCOMPLETE);
  EXPECT_EQ(records[1].summary().termination(), v1::TERMINATION_INTERRUPTED);
  EXPECT_EQ(records[1].summary().rows(), 1u);
  Restart();
  EXPECT_THAT(Spool(), SizeIs(2)) << "said once";
}

TEST_F(MonitorTest, HostileEnvelopesRunNothingAndAreReported) {
  DeliverPolicy(fleet_.SignedPolicy(fleet_.PolicyProto()));
  const std::string good = SignedByAlice(ActionThat("not"));
  std::vector<std::string> attacks = {"", std::string(1024 * 1024, '\0'),
                                      std::string(1024 * 1024 + 1, 'x'),
                                      good.substr(0, good.size() / 2)};
  std::string nested;
  for (int i = 0; i < 10000; ++i) nested += "\x0a\x7f";
  attacks.push_back(nested);
  for (int i = 0; i < 50; ++i) attacks.push_back(RandomBytes(500));
  for (const std::string& attack : attacks) DeliverAction(attack);
  for (const auto& record : Spool()) EXPECT_TRUE(record.has_refusal());
  EXPECT_THAT(*store_->Interrupted(), IsEmpty());
}

TEST_F(MonitorTest, APolicyThatIsOlderBadlySignedOrExpiredIsRefused) {
  DeliverPolicy(fleet_.SignedPolicy(fleet_.PolicyProto(5)));
  EXPECT_THAT(Spool(), IsEmpty());
  DeliverPolicy(fleet_.SignedPolicy(fleet_.PolicyProto(4)));
  DeliverPolicy(
      testing::Signed(kTrustPolicyPayloadType, fleet_.PolicyProto(6), {&fleet_.roots[0]}));
  v1::TrustPolicy expired = fleet_.PolicyProto(7);
  *expired.mutable_expires() = ToTimestamp(fleet_.now - absl::Seconds(1));
  DeliverPolicy(fleet_.SignedPolicy(expired));
  DeliverPolicy("rubbish");
  const auto records = Spool();
  ASSERT_THAT(records, SizeIs(4));
  for (const auto& record : records) {
    EXPECT_EQ(record.refusal().reason(), v1::Refusal::REASON_POLICY_REJECTED);
  }
  EXPECT_THAT(records[0].refusal().detail(), HasSubstr("not newer"));
  // The one it holds is still there, also after a restart.
  Restart();
  EXPECT_EQ((*store_->LoadTrustPolicy(fleet_.Pinned(), fleet_.id))->version(), 5u);
}

TEST_F(MonitorTest, AFirstPolicyThatHasExpiredIsRefused) {
  v1::TrustPolicy expired = fleet_.PolicyProto(1);
  *expired.mutable_expires() = ToTimestamp(fleet_.now - absl::Seconds(1));
  DeliverPolicy(fleet_.SignedPolicy(expired));
  EXPECT_EQ(OnlyRefusal(), v1::Refusal::REASON_POLICY_REJECTED);
}

TEST_F(MonitorTest, AnActionThatWaitedIsAuthorisedAnewWhenItsTurnComes) {
  DeliverPolicy(fleet_.SignedPolicy(fleet_.PolicyProto()));
  // Two that take both places for a second.
  for (int i = 0; i < 2; ++i) {
    v1::Action hanging = ActionThat("hang");
    hanging.mutable_operations(0)->mutable_limits()->mutable_wall_time()->set_seconds(1);
    DeliverAction(SignedByAlice(hanging));
  }
  const v1::Action waiting = ActionThat("not");
  DeliverAction(SignedByAlice(waiting));
  // Alice is removed while it waits.
  v1::TrustPolicy without_alice = fleet_.PolicyProto(2);
  without_alice.mutable_investigators()->DeleteSubrange(0, 1);
  for (auto& module : *without_alice.mutable_modules()) {
    module.mutable_weights()->DeleteSubrange(0, 1);
  }
  DeliverPolicy(fleet_.SignedPolicy(without_alice));
  RunUntil([&] { return !RecordsOf(waiting).empty(); });
  ASSERT_THAT(RecordsOf(waiting), SizeIs(1));
  const v1::OperationSummary summary = RecordsOf(waiting)[0].summary();
  EXPECT_EQ(summary.outcome(), v1::OUTCOME_INCOMPLETE);
  EXPECT_EQ(summary.termination(), v1::TERMINATION_NOT_STARTED);
  EXPECT_THAT(summary.detail(), HasSubstr("no longer allowed"));
}

TEST_F(MonitorTest, AWorkerThatNeverPausesDoesNotHoldTheLoop) {
  DeliverPolicy(fleet_.SignedPolicy(fleet_.PolicyProto()));
  DeliverAction(SignedByAlice(ActionThat("endless-rows")));
  RunUntil([&] { return !Spool().empty(); });
  // Its row limit is far off: the loop has come back to us all the same.
  EXPECT_FALSE(Spool().back().has_summary());
}

TEST_F(MonitorTest, AnExpiredPolicyThatRotatesTheRootsIsAStepOfTheChain) {
  DeliverPolicy(fleet_.SignedPolicy(fleet_.PolicyProto(1)));
  const PrivateKey new_root = testing::NewKey();
  v1::TrustPolicy rotation = fleet_.PolicyProto(2);
  *rotation.mutable_roots() = RootSet::Create({new_root.public_key()}, 1)->ToProto();
  *rotation.mutable_expires() = ToTimestamp(fleet_.now - absl::Seconds(1));
  DeliverPolicy(testing::Signed(kTrustPolicyPayloadType, rotation,
                                {&fleet_.roots[0], &fleet_.roots[1], &new_root}));
  DeliverAction(SignedByAlice(ActionThat("not")));
  EXPECT_EQ(OnlyRefusal(), v1::Refusal::REASON_POLICY_EXPIRED) << "nothing runs under it";
  rotation.set_version(3);
  *rotation.mutable_expires() = ToTimestamp(fleet_.now + absl::Hours(1));
  DeliverPolicy(testing::Signed(kTrustPolicyPayloadType, rotation, {&new_root}));
  EXPECT_EQ((*store_->LoadTrustPolicy(fleet_.Pinned(), fleet_.id))->version(), 3u);
}

TEST_F(MonitorTest, MoreActionsThanItsBoundAreRefusedAsBusy) {
  DeliverPolicy(fleet_.SignedPolicy(fleet_.PolicyProto()));
  for (size_t i = 0; i < Monitor::kMaxActions; ++i)
    DeliverAction(SignedByAlice(ActionThat("hang")));
  DeliverAction(SignedByAlice(ActionThat("hang")));
  EXPECT_EQ(Spool().back().refusal().reason(), v1::Refusal::REASON_BUSY);
}

TEST_F(MonitorTest, AcknowledgementsOfWhatWasNeverSentChangeNothing) {
  DeliverPolicy(fleet_.SignedPolicy(fleet_.PolicyProto()));
  DeliverAction(SignedByAlice(ActionThat("not")));
  RunUntil([&] { return !Spool().empty() && Spool().back().has_summary(); });
  ipc::LinkToMonitor message;
  message.mutable_acknowledged()->set_action_id("../../etc");
  message.mutable_acknowledged()->set_sequence(UINT64_MAX);
  monitor_->HandleLinkMessage(message);
  EXPECT_THAT(Spool(), SizeIs(2));
}

// ---- the spool's bounds

// What can't be spooled is sent all the same, and acknowledged beyond the window: that
// must not have the acknowledgement of another record passed over.
TEST_F(MonitorTest, AcknowledgementsAboveTheWindowAreNotPassedOver) {
  DeliverPolicy(fleet_.SignedPolicy(fleet_.PolicyProto()));
  DeliverAction(SignedByAlice(ActionThat("not")));
  RunUntil([&] { return !Spool().empty() && Spool().back().has_summary(); });
  const auto spool = Spool();
  ipc::LinkToMonitor connected;
  connected.mutable_connected()->set_record_window(1);
  monitor_->HandleLinkMessage(connected);
  ipc::LinkToMonitor message;
  message.mutable_acknowledged()->set_action_id("one that was not spooled");
  monitor_->HandleLinkMessage(message);
  for (const v1::ResultRecord& record : spool) {
    v1::RecordKey* key = message.mutable_acknowledged();
    key->set_action_id(record.action_id());
    key->set_operation(record.operation());
    key->set_sequence(record.sequence());
    monitor_->HandleLinkMessage(message);
  }
  RunUntil([&] { return Spool().empty(); });
}

constexpr uint64_t kSmallSpool = uint64_t{1} << 20;

TEST_F(MonitorTest, AFullSpoolStopsTheWorkerAndItsSummaryGetsThroughAndSaysSo) {
  configure_ = [](AgentConfig& config) { config.spool_bytes = kSmallSpool; };
  Restart();
  DeliverPolicy(fleet_.SignedPolicy(fleet_.PolicyProto()));
  v1::Action action = ActionThat("many-rows");
  // Long enough for a megabyte of rows, instrumented and on a busy machine.
  action.mutable_operations(0)->mutable_limits()->mutable_wall_time()->set_seconds(8);
  DeliverAction(SignedByAlice(action));
  RunUntil([&] { return SummaryOf(action).has_value(); });
  const v1::OperationSummary summary = *SummaryOf(action);
  EXPECT_EQ(summary.outcome(), v1::OUTCOME_INCOMPLETE);
  EXPECT_EQ(summary.termination(), v1::TERMINATION_WALL_TIME_LIMIT);
  EXPECT_THAT(summary.detail(), HasSubstr("the spool or the disk was full"));
  EXPECT_GT(ToDuration(summary.stood_still_for_spool()), absl::ZeroDuration());
  EXPECT_GE(store_->spooled_bytes(), kSmallSpool);
  EXPECT_LT(store_->spooled_bytes(), kSmallSpool + (uint64_t{512} << 10)) << "one record above";
  uint64_t rows = 0;
  for (const auto& record : RecordsOf(action)) {
    rows += static_cast<uint64_t>(record.rows().rows_size());
  }
  EXPECT_EQ(summary.rows(), rows) << "nothing that it counted was dropped";
}

TEST_F(MonitorTest, AWorkerGoesOnWhenTheSpoolHasRoomAndNothingStartsBefore) {
  configure_ = [](AgentConfig& config) { config.spool_bytes = kSmallSpool; };
  Restart();
  DeliverPolicy(fleet_.SignedPolicy(fleet_.PolicyProto()));
  const v1::Action action = ActionThat("many-rows");
  DeliverAction(SignedByAlice(action));
  RunUntil([&] { return store_->spooled_bytes() >= kSmallSpool; });
  const v1::Action next = ActionThat("not");
  DeliverAction(SignedByAlice(next));
  for (int turn = 0; turn < 5; ++turn) {
    ASSERT_TRUE(monitor_->Turn(-1, absl::Milliseconds(20)).ok());
  }
  EXPECT_THAT(RecordsOf(next), IsEmpty());
  EXPECT_FALSE(SummaryOf(action).has_value());
  int rows = 0;
  RunUntil([&] {
    const bool ended = SummaryOf(action).has_value() && SummaryOf(next).has_value();
    if (!ended && store_->spooled_bytes() >= kSmallSpool) rows += AcknowledgeAll();
    return ended;
  });
  EXPECT_EQ(SummaryOf(action)->outcome(), v1::OUTCOME_FOUND);
  EXPECT_EQ(SummaryOf(action)->rows(), 10'000u);
  EXPECT_EQ(rows + AcknowledgeAll(), 10'002);
}

TEST_F(MonitorTest, AFullSpoolTakesRowsAgainWhenAnEighthOfItIsFree) {
  // An eighth is more than a record, and all is less than what the worker has.
  constexpr uint64_t kBound = kSmallSpool * 3 / 2;
  configure_ = [](AgentConfig& config) { config.spool_bytes = kBound; };
  Restart();
  DeliverPolicy(fleet_.SignedPolicy(fleet_.PolicyProto()));
  const v1::Action action = ActionThat("many-rows");
  DeliverAction(SignedByAlice(action));
  RunUntil([&] { return store_->spooled_bytes() >= kBound; });
  ASSERT_TRUE(monitor_->Turn(-1, absl::ZeroDuration()).ok());  // sees it
  const size_t records = Spool().size();
  EXPECT_GT(AcknowledgeAll(1), 0);
  for (int turn = 0; turn < 5; ++turn) {
    ASSERT_TRUE(monitor_->Turn(-1, absl::Milliseconds(20)).ok());
  }
  EXPECT_THAT(Spool(), SizeIs(records - 1)) << "nothing was added";
  AcknowledgeAll();
  RunUntil([&] { return SummaryOf(action).has_value(); });
  EXPECT_EQ(SummaryOf(action)->outcome(), v1::OUTCOME_FOUND);
}

TEST_F(MonitorTest, ADiskThatIsNearlyFullIsLeftToOthers) {
  DeliverPolicy(fleet_.SignedPolicy(fleet_.PolicyProto()));
  configure_ = [](AgentConfig& config) { config.spool_min_free_bytes = uint64_t{1} << 62; };
  Restart();
  const v1::Action action = ActionThat("not");
  DeliverAction(SignedByAlice(action));
  for (int turn = 0; turn < 5; ++turn) {
    ASSERT_TRUE(monitor_->Turn(-1, absl::Milliseconds(20)).ok());
  }
  EXPECT_THAT(Spool(), IsEmpty());
  // What refuses is small, and gets through.
  DeliverAction("rubbish");
  EXPECT_EQ(OnlyRefusal(), v1::Refusal::REASON_MALFORMED);
}

TEST_F(MonitorTest, AFloodOfRowsHoldsUpNoOtherOperation) {
  DeliverPolicy(fleet_.SignedPolicy(fleet_.PolicyProto()));
  const v1::Action flood = ActionThat("endless-rows");
  DeliverAction(SignedByAlice(flood));
  RunUntil([&] { return !RecordsOf(flood).empty(); });
  const v1::Action small = ActionThat("not");
  DeliverAction(SignedByAlice(small));
  RunUntil([&] { return SummaryOf(small).has_value(); });
  EXPECT_EQ(SummaryOf(small)->outcome(), v1::OUTCOME_FOUND);
  EXPECT_FALSE(SummaryOf(flood).has_value()) << "it goes on meanwhile";
}

TEST_F(MonitorTest, TheShareOfAllHoldsWorkersThatRunAtOnceTogether) {
  configure_ = [](AgentConfig& config) {
    config.cpu_share_percent_total = 20;
    config.limits.wall_time = absl::Seconds(3);
  };
  Restart();
  DeliverPolicy(fleet_.SignedPolicy(fleet_.PolicyProto()));
  const v1::Action actions[] = {ActionThat("burn-cpu"), ActionThat("burn-cpu-in-threads")};
  for (const v1::Action& action : actions) DeliverAction(SignedByAlice(action));
  RunUntil([&] { return SummaryOf(actions[0]).has_value() && SummaryOf(actions[1]).has_value(); });
  for (const v1::Action& action : actions) {
    const v1::OperationSummary summary = *SummaryOf(action);
    const double share =
        absl::FDivDuration(ToDuration(summary.cpu_time()), ToDuration(summary.wall_time()));
    EXPECT_LT(share, 0.15) << summary.ShortDebugString();
    EXPECT_GT(ToDuration(summary.held_for_cpu_share()), absl::ZeroDuration());
  }
}

// ---- clocks that jump

TEST_F(MonitorTest, AClockThatJumpsNeitherEndsWhatRunsNorHoldsIt) {
  DeliverPolicy(fleet_.SignedPolicy(fleet_.PolicyProto()));
  for (const absl::Duration jump : {absl::Hours(5000), absl::Hours(-9000), absl::Hours(4000)}) {
    const absl::Time before = clock_.Now();
    const v1::Action action = ActionThat("hang");
    const std::string envelope = SignedByAlice(action);
    clock_.Set(fleet_.now);
    DeliverAction(envelope);
    RunUntil([&] { return !RecordsOf(action).empty(); });  // it runs, and then hangs
    clock_.Set(before + jump);
    for (int turn = 0; turn < 5; ++turn) {
      ASSERT_TRUE(monitor_->Turn(-1, absl::Milliseconds(20)).ok());
    }
    EXPECT_FALSE(SummaryOf(action).has_value()) << jump;
    // Nor is it forgotten that it ran.
    clock_.Set(fleet_.now);
    DeliverAction(envelope);
    EXPECT_EQ(Spool().back().refusal().reason(), v1::Refusal::REASON_REPLAYED) << jump;
    Restart();
    DeliverAction(envelope);
    EXPECT_EQ(SummaryOf(action)->termination(), v1::TERMINATION_INTERRUPTED);
    AcknowledgeAll();
  }
}

TEST_F(MonitorTest, LimitsCountByASteadyClock) {
  DeliverPolicy(fleet_.SignedPolicy(fleet_.PolicyProto()));
  v1::Action action = ActionThat("hang");
  action.mutable_operations(0)->mutable_limits()->mutable_wall_time()->set_seconds(1);
  DeliverAction(SignedByAlice(action));
  clock_.Set(fleet_.now - absl::Hours(10000));
  RunUntil([&] { return SummaryOf(action).has_value(); });
  EXPECT_EQ(SummaryOf(action)->termination(), v1::TERMINATION_WALL_TIME_LIMIT);
  EXPECT_GE(ToDuration(SummaryOf(action)->wall_time()), absl::Seconds(1));
  EXPECT_LT(ToDuration(SummaryOf(action)->wall_time()), absl::Minutes(1));
}

TEST_F(MonitorTest, LaterOperationsRunAlthoughAnEarlierOneCrashed) {
  DeliverPolicy(fleet_.SignedPolicy(fleet_.PolicyProto()));
  v1::Action action = ActionThat("abort");
  *action.add_operations() = ActionThat("clean").operations(0);
  DeliverAction(SignedByAlice(action));
  RunUntil([&] { return Spool().size() == 2; });
  EXPECT_EQ(Spool()[0].summary().termination(), v1::TERMINATION_CRASHED);
  EXPECT_EQ(Spool()[1].operation(), 1u);
  EXPECT_EQ(Spool()[1].summary().outcome(), v1::OUTCOME_CLEAN);
}

// ---- orders

TEST_F(MonitorOrderTest, CancelKillsTheWorkerAndEndsWhatWaitsAndSaysWhoAndWhy) {
  const v1::Action action = TwoThatHang();
  DeliverAction(SignedByAlice(action));
  RunUntilItRuns(action);
  Deliver(action, v1::Order::KIND_CANCEL);
  RunUntil([&] { return Summaries(action) == 2; });
  const auto records = RecordsOf(action);
  for (size_t i = 1; i < records.size(); ++i) {
    const v1::OperationSummary& summary = records[i].summary();
    EXPECT_EQ(records[i].operation(), i - 1);
    EXPECT_EQ(summary.termination(), v1::TERMINATION_CANCELLED);
    EXPECT_EQ(summary.outcome(), v1::OUTCOME_INCOMPLETE);
    EXPECT_EQ(summary.detail(), "cancelled by alice: wrong target");
  }
  EXPECT_EQ(records.back().sequence(), 1u) << "the second never ran";
  // And it doesn't begin again.
  DeliverAction(SignedByAlice(action));
  EXPECT_EQ(Spool().back().refusal().reason(), v1::Refusal::REASON_REPLAYED);
}

TEST_F(MonitorOrderTest, AnActionThatComesAfterItsCancellationIsRefusedAlsoAfterARestart) {
  const v1::Action action = ActionThat("not");
  Deliver(action, v1::Order::KIND_CANCEL);
  // It may have been on its way: the scheduler sends it no more, so it is told.
  EXPECT_EQ(OnlyRefusal(), v1::Refusal::REASON_CANCELLED);
  DeliverAction(SignedByAlice(action));
  ASSERT_THAT(Spool(), SizeIs(2));
  EXPECT_EQ(Spool()[1].refusal().reason(), v1::Refusal::REASON_CANCELLED);
  EXPECT_EQ(Spool()[1].refusal().detail(), "cancelled by alice: wrong target");
  Restart();
  v1::Envelope twice_signed;
  ASSERT_TRUE(twice_signed.ParseFromString(SignedByAlice(action)));
  ASSERT_TRUE(AddSignature(fleet_.bob, &twice_signed).ok());
  DeliverAction(twice_signed.SerializeAsString());
  EXPECT_EQ(Spool().back().refusal().reason(), v1::Refusal::REASON_CANCELLED);
}

TEST_F(MonitorOrderTest, PauseHoldsTheWorkerAndStartsNothingFurtherUntilResumed) {
  v1::Action action = ActionThat("not");
  Deliver(action, v1::Order::KIND_PAUSE);
  DeliverAction(SignedByAlice(action));
  // Another action isn't held up.
  const v1::Action other = ActionThat("not");
  DeliverAction(SignedByAlice(other));
  RunUntil([&] { return Summaries(other) == 1; });
  EXPECT_THAT(RecordsOf(action), IsEmpty());
  Deliver(action, v1::Order::KIND_RESUME);
  RunUntil([&] { return Summaries(action) == 1; });
  EXPECT_EQ(RecordsOf(action).back().summary().outcome(), v1::OUTCOME_FOUND);
}

TEST_F(MonitorOrderTest, WorkersThatAreHeldLeaveTheirPlacesToOthersAndCanBeCancelled) {
  // As many as may run at a time.
  const std::vector<v1::Action> held = {TwoThatHang(), TwoThatHang()};
  ASSERT_EQ(AgentConfig().workers, static_cast<int>(held.size()));
  for (const v1::Action& action : held) DeliverAction(SignedByAlice(action));
  for (const v1::Action& action : held) RunUntilItRuns(action);
  const v1::Action other = ActionThat("not");
  DeliverAction(SignedByAlice(other));
  ExpectStillRuns(held[0]);
  EXPECT_THAT(RecordsOf(other), IsEmpty()) << "its turn hasn't come";
  for (const v1::Action& action : held) Deliver(action, v1::Order::KIND_PAUSE);
  RunUntil([&] { return Summaries(other) == 1; });
  for (const v1::Action& action : held) {
    EXPECT_EQ(Summaries(action), 0u);
    Deliver(action, v1::Order::KIND_CANCEL);
    RunUntil([&] { return Summaries(action) == 2; });
    EXPECT_EQ(RecordsOf(action).back().summary().termination(), v1::TERMINATION_CANCELLED);
  }
}

TEST_F(MonitorOrderTest, AResumedWorkerWaitsForAPlace) {
  const std::vector<v1::Action> held = {TwoThatHang(), TwoThatHang()};
  const std::vector<v1::Action> others = {TwoThatHang(), TwoThatHang()};
  for (const v1::Action& action : held) DeliverAction(SignedByAlice(action));
  for (const v1::Action& action : held) RunUntilItRuns(action);
  for (const v1::Action& action : held) Deliver(action, v1::Order::KIND_PAUSE);
  for (const v1::Action& action : others) DeliverAction(SignedByAlice(action));
  for (const v1::Action& action : others) RunUntilItRuns(action);
  RunUntil([&] { return StoppedWorkers() == 2; });
  Deliver(held[0], v1::Order::KIND_RESUME);
  ExpectStillRuns(held[0]);
  EXPECT_EQ(StoppedWorkers(), 2) << "more than there are places for";
  Deliver(others[0], v1::Order::KIND_CANCEL);
  RunUntil([&] { return StoppedWorkers() == 1; });
  EXPECT_EQ(Summaries(held[0]), 0u);
  EXPECT_EQ(Summaries(held[1]), 0u);
}

TEST_F(MonitorOrderTest, OfTooManyHeldWorkersTheOneHeldLongestEndsAndTheOthersRunOn) {
  configure_ = [](AgentConfig& config) { config.workers = 5; };
  Restart();
  std::vector<v1::Action> held;
  for (size_t i = 0; i <= Monitor::kMaxHeldBesides; ++i) {
    held.push_back(ActionThat("hang"));
    *held.back().add_operations() = held.back().operations(0);
    DeliverAction(SignedByAlice(held.back()));
  }
  for (const v1::Action& action : held) RunUntilItRuns(action);
  // Not in the order in which they came.
  for (size_t i = held.size(); i-- > 0;) {
    Deliver(held[i], v1::Order::KIND_PAUSE);
    ASSERT_TRUE(monitor_->Turn(/*stop_fd=*/-1, absl::ZeroDuration()).ok());
  }
  const v1::Action& longest = held.back();
  RunUntil([&] { return Summaries(longest) == 1; });
  EXPECT_EQ(SummaryOf(longest)->termination(), v1::TERMINATION_CANCELLED);
  EXPECT_EQ(SummaryOf(longest)->detail(),
            "paused by alice: wrong target; ended: too many others are paused");
  for (size_t i = 0; i + 1 < held.size(); ++i) EXPECT_EQ(Summaries(held[i]), 0u);
  // What comes of it later can be resumed, and killed like any other.
  Deliver(longest, v1::Order::KIND_RESUME);
  RunUntil([&] { return RecordsOf(longest).back().operation() == 1; });
  Deliver(longest, v1::Order::KIND_CANCEL);
  RunUntil([&] { return Summaries(longest) == 2; });
  EXPECT_EQ(SummaryOf(longest)->detail(), "cancelled by alice: wrong target");
}

TEST_F(MonitorOrderTest, PausedActionsDoNotTakeAllPlaces) {
  std::vector<v1::Action> paused;
  for (size_t i = 0; i < Monitor::kMaxPausedWithoutWorker; ++i) {
    paused.push_back(ActionThat("not"));
    Deliver(paused.back(), v1::Order::KIND_PAUSE);
    DeliverAction(SignedByAlice(paused.back()));
  }
  EXPECT_THAT(Spool(), IsEmpty());
  const v1::Action more = ActionThat("not");
  Deliver(more, v1::Order::KIND_PAUSE);
  DeliverAction(SignedByAlice(more));
  EXPECT_EQ(OnlyRefusal(), v1::Refusal::REASON_BUSY);
  // One that isn't paused is welcome.
  const v1::Action other = ActionThat("not");
  DeliverAction(SignedByAlice(other));
  RunUntil([&] { return Summaries(other) == 1; });
}

TEST_F(MonitorOrderTest, OfTooManyThatArePausedWhileTheyWaitTheOldestEnds) {
  const std::vector<v1::Action> busy = {TwoThatHang(), TwoThatHang()};
  for (const v1::Action& action : busy) DeliverAction(SignedByAlice(action));
  for (const v1::Action& action : busy) RunUntilItRuns(action);
  std::vector<v1::Action> paused;
  for (size_t i = 0; i <= Monitor::kMaxPausedWithoutWorker; ++i) {
    paused.push_back(ActionThat("not"));
    DeliverAction(SignedByAlice(paused.back()));
  }
  for (const v1::Action& action : paused) Deliver(action, v1::Order::KIND_PAUSE);
  RunUntil([&] { return Summaries(paused[0]) == 1; });
  EXPECT_EQ(SummaryOf(paused[0])->termination(), v1::TERMINATION_CANCELLED);
  EXPECT_THAT(SummaryOf(paused[0])->detail(), HasSubstr("too many others are paused"));
  for (size_t i = 1; i < paused.size(); ++i) EXPECT_EQ(Summaries(paused[i]), 0u);
}

TEST_F(MonitorOrderTest, AResumeThatComesAfterItsExpiryEndsTheWorker) {
  const v1::Action action = TwoThatHang();
  DeliverAction(SignedByAlice(action));
  RunUntilItRuns(action);
  Deliver(action, v1::Order::KIND_PAUSE);
  clock_.Set(*ToTime(action.expires()) + absl::Seconds(1));
  v1::Order resume = OrderFor(action, v1::Order::KIND_RESUME);
  *resume.mutable_expires() = ToTimestamp(clock_.Now() + absl::Hours(1));
  DeliverOrder(Signed(resume));
  RunUntil([&] { return Summaries(action) == 2; });
  const auto records = RecordsOf(action);
  EXPECT_THAT(records[records.size() - 2].summary().detail(),
              HasSubstr("no longer allowed when it was resumed: expired"));
}

TEST_F(MonitorOrderTest, ToResumeTakesTheWeightThatToStartDoes) {
  v1::Action action = fleet_.ActionProto("memory");  // which needs two
  Deliver(action, v1::Order::KIND_PAUSE);
  DeliverAction(fleet_.SignedAction(action, {&fleet_.alice, &fleet_.bob}));
  EXPECT_THAT(Spool(), IsEmpty());
  const v1::Order resume = OrderFor(action, v1::Order::KIND_RESUME);
  ExpectRejected(Signed(resume), "to resume takes what to start does");
  EXPECT_EQ(Summaries(action), 0u);
  DeliverOrder(testing::Signed(kOrderPayloadType, resume, {&fleet_.alice, &fleet_.bob}));
  RunUntil([&] { return Summaries(action) == 1; });
  EXPECT_NE(SummaryOf(action)->termination(), v1::TERMINATION_CANCELLED);
}

TEST_F(MonitorOrderTest, WhatIsNotHereCannotBeResumed) {
  const v1::Action action = ActionThat("not");
  Deliver(action, v1::Order::KIND_PAUSE);
  ExpectRejected(Signed(OrderFor(action, v1::Order::KIND_RESUME)), "isn't here");
  // One that ended in the meantime is nothing to report.
  const v1::Action ended = ActionThat("not");
  DeliverAction(SignedByAlice(ended));
  RunUntil([&] { return Summaries(ended) == 1; });
  const size_t before = Spool().size();
  Deliver(ended, v1::Order::KIND_RESUME);
  EXPECT_EQ(Spool().size(), before);
}

TEST_F(MonitorOrderTest, CancellationsOfMadeUpActionsShutNothingOut) {
  v1::Action from_the_future = ActionThat("not");
  from_the_future.set_id("fffffffe-ffff-7fff-bfff-ffffffffffff");
  ExpectRejected(Signed(OrderFor(from_the_future, v1::Order::KIND_CANCEL)), "action_id");
  for (int i = 0; i < 50; ++i) Deliver(ActionThat("not"), v1::Order::KIND_CANCEL);
  const v1::Action action = ActionThat("not");
  DeliverAction(SignedByAlice(action));
  RunUntil([&] { return Summaries(action) == 1; });
}

TEST_F(MonitorOrderTest, ACancellationIsTakenByAHostWhoseClockIsBehind) {
  const v1::Action action = TwoThatHang();
  DeliverAction(SignedByAlice(action));
  RunUntilItRuns(action);
  v1::Order pause = OrderFor(action, v1::Order::KIND_PAUSE);
  const absl::Time ahead = clock_.Now() + kOrderClockSkew - absl::Seconds(1);
  *pause.mutable_issued() = ToTimestamp(ahead);
  *pause.mutable_expires() = ToTimestamp(ahead + absl::Hours(1));
  pause.set_id(NewUuidV7(ahead));
  DeliverOrder(Signed(pause));
  const v1::Order cancel = OrderFor(action, v1::Order::KIND_CANCEL);
  ASSERT_LT(cancel.id(), pause.id());
  const std::string envelope = Signed(cancel);
  clock_.Advance(-absl::Hours(1));
  DeliverOrder(envelope);
  RunUntil([&] { return Summaries(action) == 2; });
  EXPECT_EQ(SummaryOf(action)->detail(), "cancelled by alice: wrong target");
}

TEST_F(MonitorOrderTest, ACancellationThatTheDiskHadNoRoomForIsJournaledLater) {
  const v1::Action action = ActionThat("not");
  rlimit before{};
  ASSERT_EQ(::getrlimit(RLIMIT_FSIZE, &before), 0);
  ::signal(SIGXFSZ, SIG_IGN);
  rlimit full = before;
  full.rlim_cur = 1;
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &full), 0);
  Deliver(action, v1::Order::KIND_CANCEL);
  ASSERT_EQ(::setrlimit(RLIMIT_FSIZE, &before), 0);
  EXPECT_FALSE(*store_->WasCancelled(action.id())) << "else this says nothing";
  RunUntil([&] { return *store_->WasCancelled(action.id()); });
  Restart();
  DeliverAction(SignedByAlice(action));
  ASSERT_FALSE(Spool().empty());
  EXPECT_EQ(Spool().back().refusal().reason(), v1::Refusal::REASON_CANCELLED);
}

TEST_F(MonitorOrderTest, AnOversizedOrderIsRefusedUnseen) {
  const std::string huge(kMaxOrderEnvelopeBytes + 1, 'x');
  DeliverOrder(huge);
  EXPECT_EQ(OnlyRefusal(), v1::Refusal::REASON_ORDER_REJECTED);
  EXPECT_THAT(Spool()[0].refusal().detail(), HasSubstr("bytes, at most"));
  EXPECT_EQ(Spool()[0].refusal().envelope_sha256(), Sha256(huge.substr(0, kMaxOrderEnvelopeBytes)));
}

TEST_F(MonitorOrderTest, AnActionThatExpiresWhileItIsPausedEndsAndSaysSo) {
  const v1::Action action = TwoThatHang();
  DeliverAction(SignedByAlice(action));
  RunUntilItRuns(action);
  Deliver(action, v1::Order::KIND_PAUSE);
  ExpectStillRuns(action);
  clock_.Set(*ToTime(action.expires()) + absl::Seconds(1));
  RunUntil([&] { return Summaries(action) == 2; });
  const auto records = RecordsOf(action);
  for (size_t i = 1; i < records.size(); ++i) {
    EXPECT_EQ(records[i].summary().termination(), v1::TERMINATION_CANCELLED);
    EXPECT_THAT(records[i].summary().detail(),
                HasSubstr("paused by alice: wrong target; it expired before it was resumed"));
  }
}

TEST_F(MonitorOrderTest, OrdersThatNoOneWithASayGaveChangeNothing) {
  const v1::Action action = TwoThatHang();
  DeliverAction(SignedByAlice(action));
  RunUntilItRuns(action);
  const v1::Order cancel = OrderFor(action, v1::Order::KIND_CANCEL);
  const PrivateKey mallory = testing::NewKey();
  ExpectRejected(testing::Signed(kOrderPayloadType, cancel, {}), "no valid signature");
  ExpectRejected(testing::Signed(kOrderPayloadType, cancel, {&mallory}), "no valid signature");
  ExpectRejected(testing::Signed(kOrderPayloadType, cancel, {&fleet_.carol}), "none of carol");
  ExpectRejected(testing::Signed(kActionPayloadType, cancel, {&fleet_.alice}), "another type");
  ExpectRejected(SignedByAlice(action), "another type");
  ExpectRejected("garbage", "");
  v1::Order other_fleet = cancel;
  other_fleet.set_fleet_id("other-0123456789ab");
  ExpectRejected(Signed(other_fleet), "for fleet other");
  v1::Order expired = cancel;
  *expired.mutable_issued() = ToTimestamp(clock_.Now() - absl::Minutes(2));
  *expired.mutable_expires() = ToTimestamp(clock_.Now() - absl::Minutes(1));
  expired.set_id(NewUuidV7(clock_.Now() - absl::Minutes(2)));
  ExpectRejected(Signed(expired), "expired on");
  ExpectStillRuns(action);
}

TEST_F(MonitorOrderTest, AnOlderOrderReplayedIsRefused) {
  const v1::Action action = TwoThatHang();
  DeliverAction(SignedByAlice(action));
  RunUntilItRuns(action);
  const std::string pause = Signed(OrderFor(action, v1::Order::KIND_PAUSE));
  const std::string resume = Signed(OrderFor(action, v1::Order::KIND_RESUME));
  DeliverOrder(pause);
  DeliverOrder(resume);
  // The one that holds is no news: a scheduler sends it again to be sure.
  const size_t before = Spool().size();
  DeliverOrder(resume);
  EXPECT_EQ(Spool().size(), before);
  ExpectRejected(pause, "not newer");
}

TEST_F(MonitorOrderTest, ACancellationCannotBeUndone) {
  const v1::Action action = TwoThatHang();
  DeliverAction(SignedByAlice(action));
  RunUntilItRuns(action);
  Deliver(action, v1::Order::KIND_CANCEL);
  ExpectRejected(Signed(OrderFor(action, v1::Order::KIND_PAUSE)), "can't be undone");
  RunUntil([&] { return Summaries(action) == 2; });
  ExpectRejected(Signed(OrderFor(action, v1::Order::KIND_RESUME)), "isn't here");
}

TEST_F(MonitorOrderTest, WithoutAPolicyOrdersAreRefused) {
  std::filesystem::remove_all(directory_);
  std::filesystem::create_directory(directory_);
  Restart();
  const v1::Action action = fleet_.ActionProto();
  ExpectRejected(Signed(OrderFor(action, v1::Order::KIND_CANCEL)), "no trust policy");
}

}  // namespace
}  // namespace dragnet
