// Agents that answered an action with the module `retire`, over a real store: who is
// revoked for it, and who isn't.
#include "scheduler/dispatch/retirement.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>
#include <string>
#include <vector>

#include "absl/synchronization/notification.h"
#include "core/keys.h"
#include "core/strings.h"
#include "core/testing.h"
#include "core/uuid.h"
#include "modules/retire/retire.pb.h"
#include "scheduler/bus/in_process_bus.h"
#include "scheduler/dispatch/dispatcher.h"
#include "scheduler/dispatch/record_keeper.h"
#include "scheduler/store/sqlite_store.h"
#include "scheduler/testing/temporary_directory.h"

namespace dragnet::scheduler {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

constexpr char kAgent[] = "11111111-0000-4000-8000-000000000000";
constexpr char kOther[] = "22222222-0000-4000-8000-000000000000";

class RetirementTest : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_TRUE(SqliteStore::Create(Path()).ok());
    store_ = *SqliteStore::Open(Path(), StoreUse::kRun);
    const std::string policy = fleet_.SignedPolicy(fleet_.PolicyProto());
    ASSERT_TRUE(store_->AddTrustPolicy({.version = 1, .envelope = policy}).ok());
    StoredToken token;
    token.sha256 = Sha256("token");
    token.expires = fleet_.now + absl::Hours(1);
    token.uses_left = 2;
    ASSERT_TRUE(store_->AddToken(token).ok());
    for (const char* id : {kAgent, kOther}) {
      Enrolment enrolment;
      enrolment.agent_id = id;
      enrolment.spki = "key";
      enrolment.token_sha256 = token.sha256;
      enrolment.facts.set_id(id);
      enrolment.certificate.fingerprint = id;
      enrolment.certificate.identity = StrCat("spiffe://fleet/agent/", id);
      ASSERT_TRUE(store_->EnrolAgent(enrolment, fleet_.now).ok());
    }
  }
  void TearDown() override { Stop(); }

  std::string Path() const { return directory_.path() + "/store.db"; }

  void Start() {
    if (store_ == nullptr) store_ = *SqliteStore::Open(Path(), StoreUse::kRun);
    agents_ = *Agents::Load(*store_, clock_.Now());
    policies_ = *Policies::Load(*store_, fleet_.id, fleet_.Pinned());
    background_ = std::make_unique<Executor>(/*threads=*/1, /*max_waiting=*/1000);
    dispatcher_ =
        std::make_unique<Dispatcher>(*store_, *agents_, *policies_, watchers_, *background_, clock_,
                                     fleet_.id, OperationBounds{.rows = 1000, .bytes = 1 << 20});
    keeper_ = std::make_unique<RecordKeeper>(*store_, *agents_, *dispatcher_, no_peers_);
    bus_.SetWriter(*keeper_);
    if (listens_) dispatcher_->WhenRetired([this](const std::string& id) { OnRetired(id); });
    ASSERT_TRUE(dispatcher_->Start().ok());
  }
  void Stop() {
    background_.reset();
    store_.reset();
    dispatcher_.reset();
    policies_.reset();
    agents_.reset();
  }

  static v1::Operation Retire(const std::vector<std::string>& ids) {
    retire::v1::RetireParameters parameters;
    for (const std::string& id : ids) parameters.add_agent_ids(id);
    v1::Operation operation;
    operation.set_module(kRetireModule);
    operation.set_parameters(parameters.SerializeAsString());
    return operation;
  }
  // Launched long ago, for all; gives its id.
  std::string AddAction(const std::vector<v1::Operation>& operations) {
    v1::Action action = fleet_.ActionProto();
    action.clear_operations();
    for (const v1::Operation& operation : operations) *action.add_operations() = operation;
    StoredAction stored;
    stored.id = action.id();
    stored.envelope = fleet_.SignedAction(action, {&fleet_.alice});
    stored.launched_at = fleet_.now;
    stored.expires = fleet_.now + absl::Minutes(5);
    stored.bounds.assign(operations.size(), {.rows = 10, .bytes = 1000});
    EXPECT_TRUE(store_->AddAction(stored, {kAgent, kOther}).ok());
    return stored.id;
  }
  void Answer(const std::string& agent, const std::string& action, v1::Termination termination,
              uint32_t operation = 0) {
    v1::ResultRecord record;
    record.set_action_id(action);
    record.set_operation(operation);
    record.set_sequence(1);
    record.mutable_summary()->set_termination(termination);
    record.mutable_summary()->set_outcome(v1::OUTCOME_CLEAN);
    absl::Notification acknowledged;
    bus_.PublishRecord({agent, record, clock_.Now()}, [&](const absl::Status& status) {
      EXPECT_TRUE(status.ok()) << status;
      absl::MutexLock lock(&mutex_);
      events_.push_back(StrCat("acknowledged ", agent.substr(0, 1)));
      acknowledged.Notify();
    });
    acknowledged.WaitForNotification();
    // What comes after the acknowledgement is given to the background when the store's
    // callbacks have run: this one runs after them.
    absl::Notification after;
    store_->MarkSent(action, {}, [&](const absl::Status&) { after.Notify(); });
    after.WaitForNotification();
    absl::Notification done;
    ASSERT_TRUE(background_->Run([&] { done.Notify(); }));
    done.WaitForNotification();
  }
  void OnRetired(const std::string& agent) {
    absl::MutexLock lock(&mutex_);
    events_.push_back(StrCat("retired ", agent.substr(0, 1)));
  }
  std::vector<std::string> events() {
    absl::MutexLock lock(&mutex_);
    return events_;
  }

  TemporaryDirectory directory_;
  testing::Fleet fleet_;
  FakeClock clock_{fleet_.now};
  Watchers watchers_;
  bool listens_ = true;
  std::unique_ptr<SqliteStore> store_;
  std::unique_ptr<Agents> agents_;
  std::unique_ptr<Policies> policies_;
  std::unique_ptr<Executor> background_;
  std::unique_ptr<Dispatcher> dispatcher_;
  NoPeers no_peers_;
  std::unique_ptr<RecordKeeper> keeper_;
  InProcessBus bus_;
  absl::Mutex mutex_;
  std::vector<std::string> events_ ABSL_GUARDED_BY(mutex_);
};

TEST_F(RetirementTest, WhoHasRetiredIsRevokedAfterItWasTold) {
  const std::string action = AddAction({Retire({kAgent})});
  Start();
  Answer(kAgent, action, v1::TERMINATION_COMPLETED);
  EXPECT_THAT(events(), ElementsAre("acknowledged 1", "retired 1"));
}

TEST_F(RetirementTest, AnAgentThatTheActionDoesNotNameStays) {
  const std::string action = AddAction({Retire({kAgent})});
  Start();
  Answer(kOther, action, v1::TERMINATION_COMPLETED);
  EXPECT_THAT(events(), ElementsAre("acknowledged 2"));
}

TEST_F(RetirementTest, WhatDidNotCompleteRetiresNoOne) {
  const std::string action = AddAction({Retire({kAgent})});
  Start();
  Answer(kAgent, action, v1::TERMINATION_CRASHED);
  EXPECT_THAT(events(), ElementsAre("acknowledged 1"));
  // Another record under the number of the one that is stored changes nothing.
  Answer(kAgent, action, v1::TERMINATION_COMPLETED);
  EXPECT_THAT(events(), ElementsAre("acknowledged 1", "acknowledged 1"));
}

TEST_F(RetirementTest, OtherModulesAndOtherOperationsRetireNoOne) {
  v1::Operation file;
  file.set_module("file");
  // The parameters alone mean nothing.
  v1::Operation disguised = Retire({kAgent});
  disguised.set_module("file");
  const std::string plain = AddAction({disguised});
  const std::string both = AddAction({file, Retire({kAgent})});
  Start();
  Answer(kAgent, plain, v1::TERMINATION_COMPLETED);
  Answer(kAgent, both, v1::TERMINATION_COMPLETED, /*operation=*/0);
  EXPECT_THAT(events(), ElementsAre("acknowledged 1", "acknowledged 1"));
  Answer(kAgent, both, v1::TERMINATION_COMPLETED, /*operation=*/1);
  EXPECT_EQ(events().back(), "retired 1");
}

TEST_F(RetirementTest, AnActionThatTheStoreDoesNotKnowRetiresNoOne) {
  Start();
  Answer(kAgent, NewUuidV7(fleet_.now), v1::TERMINATION_COMPLETED);
  EXPECT_THAT(events(), ElementsAre("acknowledged 1"));
}

TEST_F(RetirementTest, AnAnswerThatComesAfterTheActionExpiredStillCounts) {
  const std::string action = AddAction({Retire({kAgent})});
  clock_.Advance(absl::Hours(1));
  Start();
  Answer(kAgent, action, v1::TERMINATION_COMPLETED);
  EXPECT_THAT(events(), ElementsAre("acknowledged 1", "retired 1"));
}

TEST_F(RetirementTest, WhatASchedulerDidNotComeToIsDoneByTheNextOne) {
  const std::string action = AddAction({Retire({kAgent, kOther})});
  listens_ = false;
  Start();
  Answer(kAgent, action, v1::TERMINATION_COMPLETED);
  Stop();
  EXPECT_THAT(events(), ElementsAre("acknowledged 1"));
  listens_ = true;
  Start();
  EXPECT_EQ(events().back(), "retired 1");
  // And no more once it is revoked.
  ASSERT_TRUE(store_->RevokeIdentity(StrCat("spiffe://fleet/agent/", kAgent)).ok());
  Stop();
  Start();
  EXPECT_THAT(events(), ElementsAre("acknowledged 1", "retired 1"));
}

// It was launched by who may retire: at a scheduler's start it must be no obstacle.
TEST_F(RetirementTest, ParametersThatDontParseRetireNoOne) {
  StoredAction stored;
  v1::Action action = fleet_.ActionProto();
  *action.mutable_operations(0) = Retire({kAgent});
  action.mutable_operations(0)->set_parameters("\xff");
  stored.envelope = fleet_.SignedAction(action, {&fleet_.alice});
  const auto operations = OperationsThatRetire(stored, kAgent);
  ASSERT_TRUE(operations.ok()) << operations.status();
  EXPECT_THAT(*operations, IsEmpty());
}

TEST_F(RetirementTest, ASweepRetiresNoOne) {
  StoredAction sweep;
  v1::Action action = fleet_.ActionProto();
  *action.mutable_operations(0) = Retire({kAgent});
  action.mutable_recurrence()->set_cron("0 3 * * *");
  action.mutable_recurrence()->set_time_zone("UTC");
  sweep.envelope = fleet_.SignedAction(action, {&fleet_.alice});
  EXPECT_THAT(*OperationsThatRetire(sweep, kAgent), IsEmpty());
  EXPECT_FALSE(OperationsThatRetire(StoredAction(), kAgent).ok());
}

}  // namespace
}  // namespace dragnet::scheduler
