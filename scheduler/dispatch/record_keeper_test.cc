#include "scheduler/dispatch/record_keeper.h"

#include <gtest/gtest.h>

#include <future>
#include <memory>

#include "core/keys.h"
#include "core/strings.h"
#include "core/testing.h"
#include "scheduler/store/sqlite_store.h"
#include "scheduler/testing/temporary_directory.h"

namespace dragnet::scheduler {
namespace {

constexpr char kAgent[] = "00010000-0000-4000-8000-000000000000";

class NotedPeers : public Peers {
 public:
  bool alone() const override { return false; }
  uint64_t lead_epoch() const override { return 1; }
  void OfferAgents(const std::string&, const std::vector<std::string>&) override {}
  void GrantAgents(const std::string&, const std::string&,
                   const std::vector<std::string>&) override {}
  void TellPhases(v1::Phases) override {}
  void TellWritten(v1::Written told) override { written.push_back(std::move(told)); }
  absl::StatusOr<v1::OrderReply> SendOrder(const std::string&, const std::string&) override {
    return absl::UnavailableError("");
  }
  void NoticeWritten() override {}
  std::vector<v1::Written> written;
};

class WorthSession : public AgentSession {
 public:
  void Send(OutgoingMessage) override {}
  bool SendAction(const std::string&, OutgoingMessage, bool) override { return true; }
  void Close(const absl::Status&) override {}
  void CutOffIfClosed() override {}
  void NoteWorth(RecordWorth worth) override { worths.push_back(worth); }
  std::vector<RecordWorth> worths;
};

class CountingWatcher : public Watcher {
 public:
  void Notify() override { ++count; }
  std::atomic<int> count = 0;
};

class RecordKeeperTest : public ::testing::Test {
 protected:
  void SetUp() override {
    const std::string path = directory_.path() + "/store.db";
    ASSERT_TRUE(SqliteStore::Create(path).ok());
    store_ = *SqliteStore::Open(path, StoreUse::kRun);
    ASSERT_TRUE(
        store_
            ->AddTrustPolicy({.version = 1, .envelope = fleet_.SignedPolicy(fleet_.PolicyProto())})
            .ok());
    StoredToken token;
    token.sha256 = Sha256("token");
    token.expires = fleet_.now + absl::Hours(1);
    token.uses_left = 10;
    ASSERT_TRUE(store_->AddToken(token).ok());
    Enrolment enrolment;
    enrolment.agent_id = kAgent;
    enrolment.spki = "key";
    enrolment.token_sha256 = token.sha256;
    enrolment.facts.set_id(kAgent);
    enrolment.facts.set_os("linux");
    enrolment.certificate.fingerprint = "f";
    enrolment.certificate.identity = StrCat("spiffe://fleet/agent/", kAgent);
    ASSERT_TRUE(store_->EnrolAgent(enrolment, fleet_.now).ok());
    agents_ = *Agents::Load(*store_, fleet_.now);
    policies_ = *Policies::Load(*store_, fleet_.id, fleet_.Pinned());
    dispatcher_ =
        std::make_unique<Dispatcher>(*store_, *agents_, *policies_, watchers_, background_, clock_,
                                     fleet_.id, OperationBounds{.rows = 1000, .bytes = 1 << 20});
    dispatcher_->SetPeers(peers_);
    ASSERT_TRUE(dispatcher_->Start().ok());
    keeper_ = std::make_unique<RecordKeeper>(*store_, *agents_, *dispatcher_, peers_);
    v1::Hello hello;
    hello.mutable_facts()->set_id(kAgent);
    hello.mutable_facts()->set_os("linux");
    ASSERT_TRUE(agents_->Connect(kAgent, session_, hello, fleet_.now).ok());
    const v1::Action action = fleet_.ActionProto();
    action_ = action.id();
    ASSERT_TRUE(dispatcher_->Launch(fleet_.SignedAction(action, {&fleet_.alice}), "alice").ok());
    watchers_.Add(action_, watcher_);
  }
  void TearDown() override { store_.reset(); }

  AgentRecord Rows(uint64_t sequence) const {
    v1::ResultRecord record;
    record.set_action_id(action_);
    record.set_sequence(sequence);
    record.mutable_rows()->add_rows("row");
    return {kAgent, record, clock_.Now()};
  }
  absl::Status Write(RecordBatch batch) {
    std::promise<absl::Status> done;
    keeper_->Write(std::move(batch), [&](const absl::Status& status) { done.set_value(status); });
    const absl::Status status = done.get_future().get();
    // What comes after it is done when the store's thread has gone on.
    std::promise<void> after;
    store_->MarkSent(action_, {}, [&](const absl::Status&) { after.set_value(); });
    after.get_future().wait();
    return status;
  }

  testing::Fleet fleet_;
  FakeClock clock_{fleet_.now};
  TemporaryDirectory directory_;
  Watchers watchers_;
  NotedPeers peers_;
  std::unique_ptr<SqliteStore> store_;
  std::unique_ptr<Agents> agents_;
  std::unique_ptr<Policies> policies_;
  std::unique_ptr<Dispatcher> dispatcher_;
  std::unique_ptr<RecordKeeper> keeper_;
  std::shared_ptr<WorthSession> session_ = std::make_shared<WorthSession>();
  std::shared_ptr<CountingWatcher> watcher_ = std::make_shared<CountingWatcher>();
  std::string action_;
  Executor background_{1, 100};
};

TEST_F(RecordKeeperTest, BatchOfTheBusIsStoredOnceAndToldToAll) {
  RecordBatch batch;
  batch.range = BusRange{2, 0, 7};
  batch.records = {Rows(1), Rows(2), Rows(2)};
  ASSERT_TRUE(Write(batch).ok());
  EXPECT_EQ(*keeper_->PositionOf(2), 7u);
  const std::optional<Pair> pair = *store_->FindPair(action_, kAgent);
  ASSERT_TRUE(pair.has_value());
  EXPECT_EQ(pair->rows(), 2u);
  ASSERT_EQ(peers_.written.size(), 1u);
  ASSERT_EQ(peers_.written[0].outcomes_size(), 3);
  EXPECT_EQ(peers_.written[0].outcomes(0).agent_id(), kAgent);
  EXPECT_EQ(peers_.written[0].outcomes(0).action_id(), action_);
  EXPECT_EQ(peers_.written[0].outcomes(0).state(), v1::DISPATCH_STATE_RUNNING);
  EXPECT_TRUE(peers_.written[0].outcomes(2).nothing_new());
  EXPECT_EQ(session_->worths, std::vector<RecordWorth>{RecordWorth::kNothingNew});
  EXPECT_GT(watcher_->count, 0);
  // Another scheduler has read it on.
  EXPECT_TRUE(absl::IsAborted(Write(batch)));
  EXPECT_EQ(peers_.written.size(), 1u);
}

TEST_F(RecordKeeperTest, RecordOfThisProcessHasNoPosition) {
  RecordBatch batch;
  batch.records = {Rows(1)};
  ASSERT_TRUE(Write(batch).ok());
  EXPECT_EQ(*keeper_->PositionOf(0), 0u);
  EXPECT_EQ((*store_->FindPair(action_, kAgent))->rows(), 1u);
}

TEST_F(RecordKeeperTest, WhatAnotherOneHasStoredReachesWatchersAndSessionsHere) {
  const int before = watcher_->count;
  v1::Written written;
  v1::Written::Outcome* outcome = written.add_outcomes();
  outcome->set_agent_id(kAgent);
  outcome->set_action_id(action_);
  outcome->set_state(v1::DISPATCH_STATE_RUNNING);
  outcome->set_over_bounds(true);
  keeper_->OnWritten(written);
  EXPECT_GT(watcher_->count, before);
  EXPECT_EQ(session_->worths, std::vector<RecordWorth>{RecordWorth::kOverBounds});
  // It isn't said on.
  EXPECT_TRUE(peers_.written.empty());
}

}  // namespace
}  // namespace dragnet::scheduler
