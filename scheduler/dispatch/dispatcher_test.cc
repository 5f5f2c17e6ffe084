// The dispatcher over a real store, with sessions that only write down what they
// are sent: what orders change of a fan-out under way, and of a store that can't
// be read.
#include "scheduler/dispatch/dispatcher.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sqlite3.h>

#include <map>
#include <memory>
#include <set>

#include "absl/synchronization/notification.h"
#include "core/keys.h"
#include "core/strings.h"
#include "core/testing.h"
#include "core/uuid.h"
#include "scheduler/api/sweeps.h"
#include "scheduler/bus/in_process_bus.h"
#include "scheduler/dispatch/record_keeper.h"
#include "scheduler/store/sqlite_store.h"
#include "scheduler/testing/sweep_documents.h"
#include "scheduler/testing/temporary_directory.h"

namespace dragnet::scheduler {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

// "action" and "order", as they were sent.
class RecordingSession : public AgentSession {
 public:
  void Send(OutgoingMessage message) override { Note(*message); }
  bool SendAction(const std::string& action_id, OutgoingMessage message, bool again) override {
    {
      absl::MutexLock lock(&mutex_);
      if (!actions_.insert(action_id).second && !again) return false;
    }
    Note(*message);
    return true;
  }
  void Close(const absl::Status&) override {}
  void CutOffIfClosed() override {}
  void NoteWorth(RecordWorth worth) override {
    absl::MutexLock lock(&mutex_);
    worth_ = worth;
  }

  // Of the last record of which there was something to note.
  RecordWorth TakeWorth() {
    absl::MutexLock lock(&mutex_);
    return std::exchange(worth_, RecordWorth::kSomething);
  }
  std::vector<std::string> sent() const {
    absl::MutexLock lock(&mutex_);
    return sent_;
  }

 private:
  void Note(const std::string& bytes) {
    v1::SchedulerMessage message;
    ASSERT_TRUE(message.ParseFromString(bytes));
    absl::MutexLock lock(&mutex_);
    if (message.has_action_envelope()) sent_.push_back("action");
    if (message.has_order_envelope()) sent_.push_back("order");
  }

  mutable absl::Mutex mutex_;
  std::set<std::string> actions_ ABSL_GUARDED_BY(mutex_);
  std::vector<std::string> sent_ ABSL_GUARDED_BY(mutex_);
  RecordWorth worth_ ABSL_GUARDED_BY(mutex_) = RecordWorth::kSomething;
};

class DispatcherTest : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_TRUE(SqliteStore::Create(Path()).ok());
    store_ = *SqliteStore::Open(Path(), StoreUse::kRun);
    ASSERT_TRUE(store_->AddTrustPolicy({.version = 1, .envelope = Policy()}).ok());
    StoredToken token;
    token.sha256 = Sha256("token");
    token.expires = fleet_.now + absl::Hours(1);
    token.uses_left = 10'000;
    ASSERT_TRUE(store_->AddToken(token).ok());
  }
  void TearDown() override { Stop(); }

  std::string Path() const { return directory_.path() + "/store.db"; }
  std::string Policy() const { return fleet_.SignedPolicy(fleet_.PolicyProto()); }

  // Over the agents that are in the store by now.
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
    ASSERT_TRUE(dispatcher_->Start().ok());
  }
  void Stop() {
    // Runs what waits, which needs the others.
    background_.reset();
    // Calls the last callback, which needs the dispatcher.
    store_.reset();
    keeper_.reset();
    dispatcher_.reset();
    policies_.reset();
    agents_.reset();
    sessions_.clear();
  }
  static std::string IdOf(int number) {
    return StrCat("000", 10'000 + number, "-0000-4000-8000-000000000000");
  }
  std::string Enrol(int number) {
    const std::string id = IdOf(number);
    Enrolment enrolment;
    enrolment.agent_id = id;
    enrolment.spki = "key";
    enrolment.token_sha256 = Sha256("token");
    enrolment.facts.set_id(id);
    enrolment.facts.set_os("linux");
    enrolment.certificate.fingerprint = id;
    enrolment.certificate.identity = "spiffe://fleet/agent/" + id;
    const absl::Status status = store_->EnrolAgent(enrolment, fleet_.now);
    EXPECT_TRUE(status.ok()) << status;
    return id;
  }
  RecordingSession& Connect(const std::string& id) {
    auto session = std::make_shared<RecordingSession>();
    v1::Hello hello;
    hello.mutable_facts()->set_id(id);
    hello.mutable_facts()->set_os("linux");
    EXPECT_TRUE(agents_->Connect(id, session, hello, clock_.Now()).ok());
    return *(sessions_[id] = session);
  }
  // Returns when it is stored.
  void Publish(const std::string& agent, const v1::ResultRecord& record) {
    absl::Notification stored;
    bus_.PublishRecord({agent, record, clock_.Now()}, [&](const absl::Status& status) {
      EXPECT_TRUE(status.ok()) << status;
      stored.Notify();
    });
    stored.WaitForNotification();
  }
  // Returns when all that was given to the background has been done.
  void WaitForBackground() {
    absl::Notification done;
    ASSERT_TRUE(background_->Run([&] { done.Notify(); }));
    done.WaitForNotification();
  }

  absl::Status Send(const v1::Action& action, v1::Order::Kind kind) {
    const absl::Time issued = clock_.Now() + absl::Milliseconds(++orders_made_);
    v1::Order order;
    order.set_id(NewUuidV7(issued));
    order.set_fleet_id(fleet_.id);
    order.set_action_id(action.id());
    order.set_kind(kind);
    *order.mutable_issued() = ToTimestamp(issued);
    *order.mutable_expires() = action.expires();
    return dispatcher_
        ->SendOrder(testing::Signed(kOrderPayloadType, order, {&fleet_.alice}), "alice")
        .status();
  }
  void Launch(const v1::Action& action) {
    const auto launched =
        dispatcher_->Launch(fleet_.SignedAction(action, {&fleet_.alice}), "alice");
    ASSERT_TRUE(launched.ok()) << launched.status();
  }
  size_t SentTheAction() const {
    size_t count = 0;
    for (const auto& [id, session] : sessions_)
      for (const std::string& what : session->sent()) count += what == "action";
    return count;
  }

  TemporaryDirectory directory_;
  testing::Fleet fleet_;
  FakeClock clock_{fleet_.now};
  Watchers watchers_;
  std::unique_ptr<SqliteStore> store_;
  std::unique_ptr<Agents> agents_;
  std::unique_ptr<Policies> policies_;
  std::unique_ptr<Executor> background_;
  std::unique_ptr<Dispatcher> dispatcher_;
  NoPeers no_peers_;
  std::unique_ptr<RecordKeeper> keeper_;
  InProcessBus bus_;
  std::map<std::string, std::shared_ptr<RecordingSession>> sessions_;
  int orders_made_ = 0;
};

// More than are sent to in one go, so that others send it, later.
constexpr int kAgents = 300;

TEST_F(DispatcherTest, APauseHoldsAFanOutThatIsUnderWayAndAResumeLetsAllHaveIt) {
  for (int i = 0; i < kAgents; ++i) Enrol(i);
  Start();
  for (int i = 0; i < kAgents; ++i) Connect(IdOf(i));
  absl::Notification go_on;
  ASSERT_TRUE(background_->Run([&] { go_on.WaitForNotification(); }));
  const v1::Action action = fleet_.ActionProto();
  Launch(action);
  ASSERT_TRUE(Send(action, v1::Order::KIND_PAUSE).ok());
  go_on.Notify();
  WaitForBackground();
  EXPECT_EQ(SentTheAction(), 0u);
  ASSERT_TRUE(Send(action, v1::Order::KIND_RESUME).ok());
  dispatcher_->Pace();
  WaitForBackground();
  EXPECT_EQ(SentTheAction(), static_cast<size_t>(kAgents));
}

TEST_F(DispatcherTest, ACancellationEndsAFanOutThatIsUnderWay) {
  for (int i = 0; i < kAgents; ++i) Enrol(i);
  Start();
  for (int i = 0; i < kAgents; ++i) Connect(IdOf(i));
  absl::Notification go_on;
  ASSERT_TRUE(background_->Run([&] { go_on.WaitForNotification(); }));
  const v1::Action action = fleet_.ActionProto();
  Launch(action);
  ASSERT_TRUE(Send(action, v1::Order::KIND_CANCEL).ok());
  go_on.Notify();
  WaitForBackground();
  dispatcher_->Pace();
  WaitForBackground();
  EXPECT_EQ(SentTheAction(), 0u);
}

TEST_F(DispatcherTest, WhoHasItAndComesBackGetsWhatItsPhaseAllows) {
  const std::string id = Enrol(1);
  Start();
  Connect(id);
  v1::Action action = fleet_.ActionProto();
  Launch(action);
  const auto sent_again = [&] {
    RecordingSession& session = Connect(id);
    dispatcher_->OnConnected(id, session);
    WaitForBackground();
    return session.sent();
  };
  EXPECT_THAT(sent_again(), ElementsAre("action"));
  ASSERT_TRUE(Send(action, v1::Order::KIND_PAUSE).ok());
  EXPECT_THAT(sent_again(), ElementsAre("order", "action"));
  ASSERT_TRUE(Send(action, v1::Order::KIND_RESUME).ok());
  EXPECT_THAT(sent_again(), ElementsAre("action", "order"));
  ASSERT_TRUE(Send(action, v1::Order::KIND_CANCEL).ok());
  EXPECT_THAT(sent_again(), ElementsAre("order"));
  clock_.Set(*ToTime(action.expires()) + absl::Seconds(1));
  EXPECT_THAT(sent_again(), IsEmpty()) << "the order has expired, and so it is sent no more";
}

TEST_F(DispatcherTest, AnActionWhoseHistoryCannotBeReadIsSentToNoOne) {
  const std::string canary = Enrol(1), other = Enrol(2);
  Start();
  Connect(canary);
  v1::Action action = fleet_.ActionProto();
  action.mutable_dispatch()->set_canary_percent(50);
  Launch(action);
  ASSERT_EQ(SentTheAction(), 1u);
  v1::ResultRecord record;
  record.set_action_id(action.id());
  record.set_sequence(1);
  record.mutable_summary()->set_outcome(v1::OUTCOME_INCOMPLETE);
  record.mutable_summary()->set_termination(v1::TERMINATION_CRASHED);
  Publish(canary, record);
  Stop();
  sqlite3* database = nullptr;
  ASSERT_EQ(sqlite3_open(Path().c_str(), &database), SQLITE_OK);
  ASSERT_EQ(sqlite3_exec(database, "UPDATE pair_operations SET summary = x'ff'", nullptr, nullptr,
                         nullptr),
            SQLITE_OK);
  ASSERT_EQ(sqlite3_changes(database), 1);
  sqlite3_close(database);
  Start();
  RecordingSession& session = Connect(other);
  dispatcher_->OnConnected(other, session);
  WaitForBackground();
  dispatcher_->Pace();
  EXPECT_THAT(session.sent(), IsEmpty());
  // Not by way of an order either.
  EXPECT_FALSE(Send(action, v1::Order::KIND_PAUSE).ok());
  dispatcher_->OnConnected(other, session);
  WaitForBackground();
  EXPECT_THAT(session.sent(), IsEmpty());
}

// ---- sweeps

class SweepDispatchTest : public DispatcherTest {
 protected:
  void SetUp() override {
    DispatcherTest::SetUp();
    agent_ = Enrol(1);
    outsider_ = Enrol(2);
    Start();
    Connect(agent_);
  }
  // Hourly, in the fleet's hour and the next ones.
  v1::Action NewSweep() const {
    v1::Action sweep =
        SweepDocument(NewUuidV7(fleet_.now), "0 * * * *", fleet_.now - absl::Hours(20),
                      fleet_.now + absl::Hours(20), {"time", "disk"}, fleet_.id);
    sweep.set_target(StrCat("id='", agent_, "'"));
    return sweep;
  }
  absl::Status TryLaunch(const v1::Action& action) {
    return dispatcher_->Launch(fleet_.SignedAction(action, {&fleet_.alice}), "alice").status();
  }
  // As long ago as it begins: agents tell of no run before.
  absl::Status LaunchLongAgo(const v1::Action& sweep) {
    clock_.Set(fleet_.now - absl::Hours(20));
    const absl::Status launched = TryLaunch(sweep);
    clock_.Set(fleet_.now);
    return launched;
  }
  // Of so many hours ago.
  int64_t Hour(int ago) const {
    return absl::ToUnixSeconds(fleet_.now) / 3600 * 3600 - 3600 * int64_t{ago};
  }
  RecordWorth Tell(const std::string& agent, const v1::ResultRecord& record) {
    Publish(agent, record);
    const auto session = sessions_.find(agent);
    return session == sessions_.end() ? RecordWorth::kSomething : session->second->TakeWorth();
  }
  static v1::ResultRecord Verdicts(const std::string& sweep, int64_t occurrence, uint64_t sequence,
                                   const std::vector<std::string>& rows) {
    v1::ResultRecord record;
    record.set_action_id(sweep);
    record.set_occurrence(occurrence);
    record.set_sequence(sequence);
    for (const std::string& row : rows) record.mutable_rows()->add_rows(row);
    return record;
  }
  size_t RunsOf(const std::string& sweep) {
    return store_->Runs(sweep, absl::InfinitePast(), 100'000)->size();
  }
  std::string agent_;
  std::string outsider_;
};

TEST_F(SweepDispatchTest, ItIsSentUntilItIsAcceptedAndItsRunsAreNot) {
  const v1::Action sweep = NewSweep();
  ASSERT_TRUE(LaunchLongAgo(sweep).ok());
  WaitForBackground();
  EXPECT_EQ(SentTheAction(), 1u);
  dispatcher_->OnAccepted(agent_, sweep.id());
  Tell(agent_, Verdicts(sweep.id(), Hour(1), 1, {VerdictRow("time", "pass")}));
  EXPECT_EQ((*store_->FindPair(sweep.id(), agent_))->state, v1::DISPATCH_STATE_RUNNING);
  Stop();
  Start();
  RecordingSession& session = Connect(agent_);
  dispatcher_->OnConnected(agent_, session);
  WaitForBackground();
  EXPECT_THAT(session.sent(), ElementsAre("action"));
}

TEST_F(SweepDispatchTest, OrdersHoldForItAsForAnyAction) {
  const v1::Action sweep = NewSweep();
  ASSERT_TRUE(LaunchLongAgo(sweep).ok());
  dispatcher_->OnAccepted(agent_, sweep.id());
  Tell(agent_, Verdicts(sweep.id(), Hour(1), 1, {VerdictRow("time", "pass")}));
  ASSERT_TRUE(Send(sweep, v1::Order::KIND_PAUSE).ok());
  EXPECT_EQ(dispatcher_->PhaseOf(*store_->FindAction(sweep.id()))->phase,
            v1::DISPATCH_PHASE_PAUSED);
  ASSERT_TRUE(Send(sweep, v1::Order::KIND_RESUME).ok());
  ASSERT_TRUE(Send(sweep, v1::Order::KIND_CANCEL).ok());
  EXPECT_THAT(sessions_[agent_]->sent(), ElementsAre("action", "order", "order", "order"));
  // What was told before the agent knew is stored all the same.
  Tell(agent_, Verdicts(sweep.id(), Hour(0), 1, {VerdictRow("time", "fail")}));
  EXPECT_EQ(RunsOf(sweep.id()), 2u);
}

TEST_F(SweepDispatchTest, AHostileAgentMakesNoRunThatIsNotInTheSchedule) {
  const v1::Action sweep = NewSweep();
  ASSERT_TRUE(LaunchLongAgo(sweep).ok());
  const std::string row = VerdictRow("time", "fail");
  for (int64_t i = 0; i < 10'000; ++i)
    EXPECT_EQ(Tell(agent_, Verdicts(sweep.id(), Hour(0) - 7 * i - 1, 1, {row})) ==
                  RecordWorth::kSomething,
              (7 * i + 1) % 3600 == 0 && 7 * i + 1 <= 20 * 3600)
        << i;
  EXPECT_LE(RunsOf(sweep.id()), 20u);
  // One note for all of them.
  EXPECT_EQ(store_->Refusals(agent_, 1000)->size(), 1u);
  // Another's sweep, and one that there isn't.
  Tell(outsider_, Verdicts(sweep.id(), Hour(1), 1, {row}));
  Tell(agent_, Verdicts(NewUuidV7(fleet_.now), Hour(1), 1, {row}));
  Tell(agent_, Verdicts(RunId(sweep.id(), Hour(1)), 0, 1, {row}));
  EXPECT_EQ(store_->CountNewest(sweep.id())->agents.failed(), RunsOf(sweep.id()) > 0 ? 1u : 0u);
}

TEST_F(SweepDispatchTest, VerdictsOfUnknownChecksAndSecondOnesAreDropped) {
  const v1::Action sweep = NewSweep();
  ASSERT_TRUE(LaunchLongAgo(sweep).ok());
  Tell(agent_, Verdicts(sweep.id(), Hour(1), 1, {VerdictRow("made-up", "pass")}));
  Tell(agent_,
       Verdicts(sweep.id(), Hour(1), 2, {VerdictRow("time", "pass"), VerdictRow("time", "pass")}));
  EXPECT_EQ(store_->CountNewest(sweep.id())->verdicts.passed(), 0u);
  Tell(agent_, Verdicts(sweep.id(), Hour(1), 3, {VerdictRow("time", "pass")}));
  EXPECT_EQ(store_->CountNewest(sweep.id())->verdicts.passed(), 1u);
  EXPECT_EQ((*store_->FindPair(RunId(sweep.id(), Hour(1)), agent_))->dropped, 2u);
}

TEST_F(SweepDispatchTest, AnExtraRunMustRunWhatItsSweepRuns) {
  const v1::Action sweep = NewSweep();
  v1::Action extra = sweep;
  extra.set_id(NewUuidV7(fleet_.now));
  extra.clear_recurrence();
  extra.set_extra_run_of(sweep.id());
  EXPECT_TRUE(absl::IsFailedPrecondition(TryLaunch(extra)));
  ASSERT_TRUE(TryLaunch(sweep).ok());
  v1::Action other = extra;
  other.mutable_operations(0)->mutable_limits()->set_rows(7);
  EXPECT_TRUE(absl::IsFailedPrecondition(TryLaunch(other)));
  other = extra;
  other.set_target("true");
  EXPECT_TRUE(absl::IsFailedPrecondition(TryLaunch(other)));
  dispatcher_->OnAccepted(agent_, sweep.id());
  ASSERT_TRUE(TryLaunch(extra).ok());
  Tell(agent_, Verdicts(extra.id(), 0, 1, {VerdictRow("time", "fail")}));
  EXPECT_EQ(store_->CountNewest(sweep.id())->verdicts.failed(), 1u);
  EXPECT_EQ(store_->Runs(sweep.id(), absl::InfinitePast(), 9)->at(0).occurrence, fleet_.now);
  v1::Action of_no_sweep = extra;
  of_no_sweep.set_id(NewUuidV7(fleet_.now));
  of_no_sweep.set_extra_run_of(extra.id());
  EXPECT_TRUE(absl::IsFailedPrecondition(TryLaunch(of_no_sweep)));
}

TEST_F(SweepDispatchTest, NoExtraRunIsLaunchedOfASweepThatIsOver) {
  const v1::Action sweep = NewSweep();
  ASSERT_TRUE(TryLaunch(sweep).ok());
  v1::Action extra = sweep;
  extra.set_id(NewUuidV7(fleet_.now));
  extra.clear_recurrence();
  extra.set_extra_run_of(sweep.id());
  *extra.mutable_expires() = ToTimestamp(fleet_.now + absl::Hours(40));
  clock_.Set(fleet_.now + absl::Hours(21));
  EXPECT_THAT(TryLaunch(extra).ToString(), HasSubstr("is over"));
  clock_.Set(fleet_.now);
  ASSERT_TRUE(Send(sweep, v1::Order::KIND_CANCEL).ok());
  EXPECT_THAT(TryLaunch(extra).ToString(), HasSubstr("is over"));
}

TEST_F(SweepDispatchTest, ARefusalThatMayHavePassedIsAskedForAgain) {
  const v1::Action sweep = NewSweep();
  ASSERT_TRUE(TryLaunch(sweep).ok());
  WaitForBackground();
  v1::ResultRecord refusal;
  refusal.set_action_id(sweep.id());
  refusal.mutable_refusal()->set_reason(v1::Refusal::REASON_INSUFFICIENT_WEIGHT);
  Tell(agent_, refusal);
  ASSERT_EQ(SentTheAction(), 1u);
  dispatcher_->OnPolicyTaken(agent_, 1);
  WaitForBackground();
  EXPECT_EQ(SentTheAction(), 2u);
  refusal.mutable_refusal()->set_reason(v1::Refusal::REASON_NOT_TARGETED);
  Tell(agent_, refusal);
  dispatcher_->OnFactsChanged(agent_);
  WaitForBackground();
  EXPECT_EQ(SentTheAction(), 3u);
}

TEST_F(SweepDispatchTest, NothingWasDueAfterACancelOrBeforeAResume) {
  const v1::Action sweep = NewSweep();
  ASSERT_TRUE(LaunchLongAgo(sweep).ok());
  const SweepTerms terms = *SweepTerms::Of(sweep);
  const auto since = [&] {
    const StoredAction stored = *store_->FindAction(sweep.id());
    return *SilentSince(*store_, stored, terms, dispatcher_->PhaseOf(stored)->phase, clock_.Now());
  };
  ASSERT_TRUE(since().has_value());
  const absl::Time before = *since();
  ASSERT_TRUE(Send(sweep, v1::Order::KIND_PAUSE).ok());
  EXPECT_FALSE(since().has_value());
  clock_.Set(fleet_.now + absl::Hours(5));
  ASSERT_TRUE(Send(sweep, v1::Order::KIND_RESUME).ok());
  EXPECT_FALSE(since().has_value());
  clock_.Set(fleet_.now + absl::Hours(8));
  ASSERT_TRUE(since().has_value());
  EXPECT_GT(*since(), before + absl::Hours(5));
  ASSERT_TRUE(Send(sweep, v1::Order::KIND_CANCEL).ok());
  const absl::Time at_its_end = *since();
  clock_.Set(fleet_.now + absl::Hours(15));
  EXPECT_EQ(since(), at_its_end);
}

TEST_F(SweepDispatchTest, CanariesAreForWhatEnds) {
  v1::Action sweep = NewSweep();
  sweep.mutable_dispatch()->set_canary_percent(10);
  EXPECT_TRUE(absl::IsInvalidArgument(TryLaunch(sweep)));
  sweep.mutable_dispatch()->clear_canary_percent();
  sweep.mutable_dispatch()->set_agents_per_second(10);
  EXPECT_TRUE(TryLaunch(sweep).ok());
}

TEST_F(SweepDispatchTest, RunsAreClosedThoughNoActionHasExpired) {
  const v1::Action sweep = NewSweep();
  ASSERT_TRUE(LaunchLongAgo(sweep).ok());
  Tell(agent_, Verdicts(sweep.id(), Hour(19), 1, {VerdictRow("time", "pass")}));
  const StoredAction run = *store_->FindAction(RunId(sweep.id(), Hour(19)));
  EXPECT_EQ(dispatcher_->PhaseOf(run)->phase, v1::DISPATCH_PHASE_OPEN);
  clock_.Set(run.expires + absl::Seconds(1));
  dispatcher_->CloseExpired();
  EXPECT_EQ(dispatcher_->PhaseOf(run)->phase, v1::DISPATCH_PHASE_ENDED);
  EXPECT_TRUE(store_->CloseExpired(clock_.Now())->empty());
}

}  // namespace
}  // namespace dragnet::scheduler
