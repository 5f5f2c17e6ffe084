// Retirement by the monitor: who may order it, in which order things go, and what a kill
// leaves, attacked through the link's socket.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/strings/ascii.h"
#include "agent/monitor/monitor_fixture.h"
#include "agent/monitor/retirement.h"
#include "core/file_io.h"
#include "modules/retire/retire.pb.h"

namespace dragnet {
namespace {

namespace fs = std::filesystem;
using ::testing::ElementsAre;

class MonitorRetirementTest : public MonitorTest {
 protected:
  void SetUp() override {
    configure_ = [this](AgentConfig& config) {
      config.release_directory = directory_ + "-releases";
      config.enrolment_token_file = directory_ + "/enrolment.token";
    };
    MonitorTest::SetUp();
    Deliver(Policy());
    fs::create_directory(directory_ + "/link");
    std::ofstream(directory_ + "/link/tls.key") << "key";
    std::ofstream(directory_ + "/blobs/" + std::string(64, 'a')) << "blob";
    std::ofstream(directory_ + "/enrolment.token") << "token";
  }
  void TearDown() override {
    MonitorTest::TearDown();
    fs::remove_all(directory_ + "-releases");
  }

  void Deliver(const v1::TrustPolicy& policy) { DeliverPolicy(fleet_.SignedPolicy(policy)); }
  v1::TrustPolicy Policy() {
    v1::TrustPolicy policy = fleet_.PolicyProto();
    testing::Fleet::AddModule("retire", 2, {{"alice", 1}, {"bob", 1}}, &policy);
    return policy;
  }
  v1::Action RetireAction(const std::vector<std::string>& ids) {
    v1::Action action = fleet_.ActionProto("retire");
    action.set_description("sold");
    retire::v1::RetireParameters parameters;
    for (const std::string& id : ids) parameters.add_agent_ids(id);
    action.mutable_operations(0)->set_parameters(parameters.SerializeAsString());
    return action;
  }
  v1::Action RetireThis() { return RetireAction({NewUuidV4(), *store_->AgentId()}); }
  void Order(const v1::Action& action) {
    DeliverAction(fleet_.SignedAction(action, {&fleet_.alice, &fleet_.bob}));
  }
  bool IsThere(const std::string& file) const { return fs::exists(directory_ + "/" + file); }
  bool Turn() { return *monitor_->Turn(/*stop_fd=*/-1, absl::ZeroDuration()); }
  void ExpectUntouched() {
    EXPECT_TRUE(IsThere("link/tls.key"));
    EXPECT_TRUE(IsThere("blobs/" + std::string(64, 'a')));
    EXPECT_TRUE(IsThere("enrolment.token"));
    EXPECT_FALSE(IsThere("retiring"));
    EXPECT_FALSE(IsThere("retired"));
    EXPECT_FALSE(Turn());
  }
  std::vector<std::string> OutcomesOf(const v1::Action& action) {
    std::vector<std::string> outcomes;
    for (const auto& record : RecordsOf(action)) {
      for (const std::string& bytes : record.rows().rows()) {
        retire::v1::RetireRow row;
        EXPECT_TRUE(row.ParseFromString(bytes));
        outcomes.push_back(StrCat(row.what(), " ", row.outcome()));
      }
    }
    return outcomes;
  }
};

TEST_F(MonitorRetirementTest, AnswersFirstAndIsRetiredWhenTheAnswerHasArrived) {
  const v1::Action action = RetireThis();
  Order(action);
  ASSERT_TRUE(SummaryOf(action).has_value());
  EXPECT_EQ(SummaryOf(action)->termination(), v1::TERMINATION_COMPLETED);
  EXPECT_EQ(SummaryOf(action)->outcome(), v1::OUTCOME_FOUND);
  EXPECT_EQ(SummaryOf(action)->rows(), 6u);
  EXPECT_THAT(OutcomesOf(action),
              ElementsAre("identity follows", "trust_policy follows", "recurring_actions follows",
                          "blobs destroyed", "releases absent", "enrolment_token destroyed"));
  EXPECT_FALSE(Turn());
  EXPECT_TRUE(IsThere("retiring"));
  EXPECT_TRUE(IsThere("link/tls.key"));
  AcknowledgeAll();
  EXPECT_TRUE(Turn());
  EXPECT_TRUE(IsThere("retired"));
  EXPECT_FALSE(IsThere("retiring"));
  EXPECT_THAT(*ReadFile(directory_ + "/retired"), HasSubstr("\nby alice, bob\n"));
  EXPECT_THAT(*ReadFile(directory_ + "/retired"), HasSubstr("\nreason sold\n"));
}

TEST_F(MonitorRetirementTest, PartOfTheAnswerIsNotEnough) {
  Order(RetireThis());
  AcknowledgeAll(/*count=*/1);
  EXPECT_FALSE(Turn());
  AcknowledgeAll();
  EXPECT_TRUE(Turn());
}

// A target that is true of more hosts than was thought.
TEST_F(MonitorRetirementTest, ActionThatNamesOtherAgentsDestroysNothing) {
  const v1::Action action = RetireAction({NewUuidV4()});
  Order(action);
  ASSERT_TRUE(SummaryOf(action).has_value());
  EXPECT_EQ(SummaryOf(action)->termination(), v1::TERMINATION_MODULE_ERROR);
  EXPECT_EQ(SummaryOf(action)->outcome(), v1::OUTCOME_INCOMPLETE);
  EXPECT_THAT(SummaryOf(action)->detail(), HasSubstr(*store_->AgentId()));
  AcknowledgeAll();
  ExpectUntouched();
}

TEST_F(MonitorRetirementTest, TooLittleWeightDestroysNothing) {
  DeliverAction(SignedByAlice(RetireThis()));
  EXPECT_EQ(OnlyRefusal(), v1::Refusal::REASON_INSUFFICIENT_WEIGHT);
  ExpectUntouched();
}

TEST_F(MonitorRetirementTest, ParametersThatAreNotUnderstoodDestroyNothing) {
  const std::string id = *store_->AgentId();
  v1::Action unknown_field = RetireThis();
  unknown_field.mutable_operations(0)->mutable_parameters()->append("\x78\x01");
  v1::Action upper = RetireAction({id, absl::AsciiStrToUpper(id)});
  for (const v1::Action& action : {RetireAction({}), unknown_field, upper, RetireAction({id, "*"}),
                                   RetireAction(std::vector<std::string>(1001, id))}) {
    Order(action);
    ASSERT_TRUE(SummaryOf(action).has_value());
    EXPECT_EQ(SummaryOf(action)->termination(), v1::TERMINATION_INVALID_PARAMETERS);
  }
  ExpectUntouched();
}

TEST_F(MonitorRetirementTest, WhatRunsEndsAndNothingElseBegins) {
  const v1::Action running = ActionThat("hang");
  DeliverAction(SignedByAlice(running));
  RunUntil([&] { return !RecordsOf(running).empty(); });
  Order(RetireThis());
  RunUntil([&] { return SummaryOf(running).has_value(); });
  EXPECT_EQ(SummaryOf(running)->termination(), v1::TERMINATION_CANCELLED);
  EXPECT_THAT(SummaryOf(running)->detail(), HasSubstr("retired"));
  const v1::Action late = ActionThat("hang");
  DeliverAction(SignedByAlice(late));
  const auto records = RecordsOf(late);
  ASSERT_THAT(records, SizeIs(1));
  EXPECT_EQ(records[0].refusal().reason(), v1::Refusal::REASON_BUSY);
}

TEST_F(MonitorRetirementTest, NewPolicyIsNotTakenAnyMore) {
  Order(RetireThis());
  v1::TrustPolicy next = Policy();
  next.set_version(2);
  Deliver(next);
  EXPECT_EQ((*store_->LoadTrustPolicy(fleet_.Pinned(), fleet_.id))->version(), 1u);
}

TEST_F(MonitorRetirementTest, SecondOperationOfTheActionDoesNotRun) {
  v1::Action action = RetireThis();
  *action.add_operations() = ActionThat("hang").operations(0);
  Order(action);
  EXPECT_FALSE(Turn());
  const auto records = RecordsOf(action);
  ASSERT_FALSE(records.empty());
  EXPECT_EQ(records.back().operation(), 1u);
  EXPECT_EQ(records.back().summary().termination(), v1::TERMINATION_CANCELLED);
}

TEST_F(MonitorRetirementTest, WaitsOverRestartsUntilItWasHeard) {
  Order(RetireThis());
  const size_t records = Spool().size();
  for (int restart = 0; restart < 3; ++restart) {
    Restart();
    EXPECT_FALSE(Turn());
    EXPECT_TRUE(IsThere("link/tls.key"));
    EXPECT_EQ(Spool().size(), records);
  }
  DeliverAction(SignedByAlice(ActionThat("hang")));
  EXPECT_EQ(Spool().back().refusal().reason(), v1::Refusal::REASON_BUSY);
  AcknowledgeAll();
  EXPECT_TRUE(Turn());
}

// As the scheduler does when it has the answer, whose acknowledgement then gets lost.
TEST_F(MonitorRetirementTest, RevokedIdentityHasBeenHeard) {
  Order(RetireThis());
  ipc::LinkToMonitor message;
  message.mutable_disconnected()->set_reason("no route to host");
  monitor_->HandleLinkMessage(message);
  EXPECT_FALSE(Turn());
  message.mutable_disconnected()->set_refused(true);
  monitor_->HandleLinkMessage(message);
  EXPECT_TRUE(Turn());
  EXPECT_TRUE(IsThere("retired"));
}

TEST_F(MonitorRetirementTest, RevokedIdentityAloneDestroysNothing) {
  ipc::LinkToMonitor message;
  message.mutable_disconnected()->set_refused(true);
  monitor_->HandleLinkMessage(message);
  ExpectUntouched();
}

TEST_F(MonitorRetirementTest, SchedulerThatNeverHearsKeepsNoKeyForEver) {
  Order(RetireThis());
  clock_.Advance(absl::Hours(7 * 24) - absl::Seconds(1));
  EXPECT_FALSE(Turn());
  clock_.Advance(absl::Seconds(1));
  EXPECT_TRUE(Turn());
  EXPECT_TRUE(IsThere("retired"));
}

// A kill between the mark and the answer: rows and summary are of one transaction, so the
// answer is wholly there or not at all.
TEST_F(MonitorRetirementTest, KilledBeforeItAnsweredItAnswersAtTheNextStart) {
  const v1::Action action = RetireThis();
  ASSERT_TRUE(store_->JournalTaken(action.id(), 0, 1, clock_.Now()).ok());
  ASSERT_TRUE(
      BeginRetirement(directory_, {.at = clock_.Now(), .by = "alice", .action_id = action.id()})
          .ok());
  Restart();
  ASSERT_TRUE(SummaryOf(action).has_value());
  EXPECT_EQ(SummaryOf(action)->termination(), v1::TERMINATION_COMPLETED);
  EXPECT_THAT(OutcomesOf(action), ::testing::Contains("enrolment_token destroyed"));
  EXPECT_FALSE(IsThere("enrolment.token"));
  EXPECT_TRUE(IsThere("link/tls.key"));
  AcknowledgeAll();
  EXPECT_TRUE(Turn());
}

TEST_F(MonitorRetirementTest, KilledBeforeItsMarkItIsInterruptedAndDestroysNothing) {
  const v1::Action action = RetireThis();
  ASSERT_TRUE(store_->JournalTaken(action.id(), 0, 1, clock_.Now()).ok());
  Restart();
  ASSERT_TRUE(SummaryOf(action).has_value());
  EXPECT_EQ(SummaryOf(action)->termination(), v1::TERMINATION_INTERRUPTED);
  AcknowledgeAll();
  ExpectUntouched();
}

TEST_F(MonitorRetirementTest, WithoutAMarkNothingIsDestroyed) {
  // A directory in its place, as a disk that is full or read only would.
  fs::create_directories(directory_ + "/retiring/x");
  const v1::Action action = RetireThis();
  Order(action);
  ASSERT_TRUE(SummaryOf(action).has_value());
  EXPECT_EQ(SummaryOf(action)->termination(), v1::TERMINATION_NOT_STARTED);
  EXPECT_THAT(SummaryOf(action)->detail(), HasSubstr("nothing was destroyed"));
  EXPECT_TRUE(IsThere("enrolment.token"));
  EXPECT_TRUE(IsThere("link/tls.key"));
}

TEST_F(MonitorRetirementTest, PausedOrCancelledItWaitsOrEnds) {
  const v1::Action action = RetireThis();
  v1::Order order;
  order.set_id(NewUuidV7(clock_.Now()));
  order.set_fleet_id(fleet_.id);
  order.set_action_id(action.id());
  order.set_kind(v1::Order::KIND_CANCEL);
  order.set_reason("not this one");
  *order.mutable_issued() = ToTimestamp(clock_.Now());
  *order.mutable_expires() = action.expires();
  ipc::LinkToMonitor message;
  message.set_order_envelope(testing::Signed(kOrderPayloadType, order, {&fleet_.alice}));
  monitor_->HandleLinkMessage(message);
  Order(action);
  ExpectUntouched();
}

}  // namespace
}  // namespace dragnet
