// Two dispatchers over one store: what each sends to its own agents, and how the one that
// leads decides for both.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <set>

#include "absl/synchronization/notification.h"
#include "core/keys.h"
#include "core/strings.h"
#include "core/testing.h"
#include "core/uuid.h"
#include "scheduler/dispatch/dispatcher.h"
#include "scheduler/store/sqlite_store.h"
#include "scheduler/testing/temporary_directory.h"

namespace dragnet::scheduler {
namespace {

using ::testing::HasSubstr;

class CountingSession : public AgentSession {
 public:
  void Send(OutgoingMessage message) override {
    v1::SchedulerMessage parsed;
    ASSERT_TRUE(parsed.ParseFromString(*message));
    orders += parsed.has_order_envelope();
  }
  bool SendAction(const std::string& action_id, OutgoingMessage, bool again) override {
    const bool is_new = sent_.insert(action_id).second;
    actions += is_new || again;
    return is_new || again;
  }
  void Close(const absl::Status&) override {}
  void CutOffIfClosed() override {}
  int actions = 0;
  int orders = 0;

 private:
  std::set<std::string> sent_;
};

// One scheduler; what it says reaches the other at once.
struct Scheduler : public Peers {
  Scheduler(std::string own_name, SqliteStore& store, const testing::Fleet& fleet,
            const Clock& clock)
      : name(std::move(own_name)),
        agents(*Agents::Load(store, clock.Now())),
        policies(*Policies::Load(store, fleet.id, fleet.Pinned())),
        background(std::make_unique<Executor>(1, 1000)),
        dispatcher(store, *agents, *policies, watchers, *background, clock, fleet.id,
                   OperationBounds{.rows = 1000, .bytes = 1 << 20}) {
    dispatcher.SetPeers(*this);
  }

  bool alone() const override { return false; }
  uint64_t lead_epoch() const override { return epoch; }
  void OfferAgents(const std::string& action_id,
                   const std::vector<std::string>& agent_ids) override {
    if (loses_messages || !other->leads()) return;
    other->dispatcher.OnOffer(action_id, agent_ids);
  }
  void GrantAgents(const std::string& scheduler, const std::string& action_id,
                   const std::vector<std::string>& agent_ids) override {
    EXPECT_EQ(scheduler, other->name);
    if (!loses_messages) other->dispatcher.OnGrant(action_id, agent_ids);
  }
  void TellPhases(v1::Phases phases) override { other->dispatcher.OnPhases(phases); }
  void TellWritten(v1::Written) override {}
  absl::StatusOr<v1::OrderReply> SendOrder(const std::string& envelope,
                                           const std::string& sent_by) override {
    if (!other->leads()) return absl::UnavailableError("no scheduler leads");
    const auto ordered = other->dispatcher.SendOrder(envelope, sent_by);
    v1::OrderReply reply;
    reply.set_code(static_cast<int>(ordered.status().code()));
    reply.set_message(std::string(ToStd(ordered.status().message())));
    if (ordered.ok()) reply.set_action_id(ordered->action_id);
    if (ordered.ok()) reply.set_sent(ordered->sent);
    return reply;
  }
  void NoticeWritten() override {}

  int SentActions() const {
    int sent = 0;
    for (const auto& [id, session] : sessions) sent += session->actions;
    return sent;
  }
  void WaitForBackground() {
    absl::Notification done;
    ASSERT_TRUE(background->Run([&] { done.Notify(); }));
    done.WaitForNotification();
  }

  const std::string name;
  std::unique_ptr<Agents> agents;
  std::unique_ptr<Policies> policies;
  Watchers watchers;
  std::unique_ptr<Executor> background;
  Dispatcher dispatcher;
  std::map<std::string, std::shared_ptr<CountingSession>> sessions;
  Scheduler* other = nullptr;
  uint64_t epoch = 0;
  bool loses_messages = false;
};

class DispatcherClusterTest : public ::testing::Test {
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
    token.uses_left = 100'000;
    ASSERT_TRUE(store_->AddToken(token).ok());
  }
  void TearDown() override {
    for (Scheduler* scheduler : {a_.get(), b_.get()}) scheduler->background.reset();
    store_.reset();
  }
  // So many agents at each; "a" leads.
  void Start(int at_a, int at_b) {
    for (int i = 0; i < at_a + at_b; ++i) Enrol(i);
    a_ = std::make_unique<Scheduler>("a", *store_, fleet_, clock_);
    b_ = std::make_unique<Scheduler>("b", *store_, fleet_, clock_);
    a_->other = b_.get();
    b_->other = a_.get();
    for (Scheduler* one : {a_.get(), b_.get()}) ASSERT_TRUE(one->dispatcher.Start().ok());
    a_->epoch = 1;
    for (int i = 0; i < at_a; ++i) Connect(i, *a_);
    for (int i = at_a; i < at_a + at_b; ++i) Connect(i, *b_);
  }
  static std::string IdOf(int number) {
    return StrCat("000", 10'000 + number, "-0000-4000-8000-000000000000");
  }
  void Enrol(int number) {
    Enrolment enrolment;
    enrolment.agent_id = IdOf(number);
    enrolment.spki = "key";
    enrolment.token_sha256 = Sha256("token");
    enrolment.facts.set_id(IdOf(number));
    enrolment.facts.set_os("linux");
    enrolment.certificate.fingerprint = IdOf(number);
    enrolment.certificate.identity = "spiffe://fleet/agent/" + IdOf(number);
    ASSERT_TRUE(store_->EnrolAgent(enrolment, fleet_.now).ok());
  }
  void Connect(int number, Scheduler& at) {
    const std::string id = IdOf(number);
    const auto session = std::make_shared<CountingSession>();
    v1::Hello hello;
    hello.mutable_facts()->set_id(id);
    hello.mutable_facts()->set_os("linux");
    const uint64_t epoch = ++epochs_[id];
    ASSERT_TRUE(at.agents->Connect(id, session, hello, clock_.Now(), epoch).ok());
    at.other->agents->NoteElsewhere({{id, at.name, epoch, "", true}}, clock_.Now());
    at.sessions[id] = session;
  }
  absl::Status Launch(Scheduler& at, const v1::Action& action) {
    return at.dispatcher.Launch(fleet_.SignedAction(action, {&fleet_.alice}), "alice").status();
  }
  absl::StatusOr<Dispatcher::Ordered> Send(Scheduler& at, const v1::Action& action,
                                           v1::Order::Kind kind) {
    const absl::Time issued = clock_.Now() + absl::Milliseconds(++orders_);
    v1::Order order;
    order.set_id(NewUuidV7(issued));
    order.set_fleet_id(fleet_.id);
    order.set_action_id(action.id());
    order.set_kind(kind);
    *order.mutable_issued() = ToTimestamp(issued);
    *order.mutable_expires() = action.expires();
    return at.dispatcher.SendOrder(testing::Signed(kOrderPayloadType, order, {&fleet_.alice}),
                                   "alice");
  }
  v1::DispatchPhase PhaseAt(Scheduler& at, const v1::Action& action) {
    return at.dispatcher.PhaseOf(*store_->FindAction(action.id()))->phase;
  }
  // Until what was sent is marked.
  void WaitForStore() {
    absl::Notification done;
    store_->MarkSent("none", {}, [&](const absl::Status&) { done.Notify(); });
    done.WaitForNotification();
  }

  TemporaryDirectory directory_;
  testing::Fleet fleet_;
  FakeClock clock_{fleet_.now};
  std::unique_ptr<SqliteStore> store_;
  std::unique_ptr<Scheduler> a_;
  std::unique_ptr<Scheduler> b_;
  std::map<std::string, uint64_t> epochs_;
  int orders_ = 0;
};

TEST_F(DispatcherClusterTest, EachSendsAPlainActionToItsOwnAgents) {
  Start(2, 3);
  const v1::Action action = fleet_.ActionProto();
  ASSERT_TRUE(Launch(*b_, action).ok());
  EXPECT_EQ(b_->SentActions(), 3);
  EXPECT_EQ(a_->SentActions(), 0);
  ASSERT_TRUE(a_->dispatcher.TakeUpAction(action.id()).ok());
  EXPECT_EQ(a_->SentActions(), 2);
  // To hear of it again changes nothing.
  ASSERT_TRUE(a_->dispatcher.TakeUpAction(action.id()).ok());
  ASSERT_TRUE(b_->dispatcher.TakeUpAction(action.id()).ok());
  EXPECT_EQ(a_->SentActions() + b_->SentActions(), 5);
}

TEST_F(DispatcherClusterTest, EndingThatNoOneToldOfIsFoundInTheStore) {
  Start(0, 4);
  v1::Action action = fleet_.ActionProto();
  action.mutable_dispatch()->set_canary_percent(25);
  ASSERT_TRUE(Launch(*b_, action).ok());
  ASSERT_EQ(b_->SentActions(), 1);
  std::string canary;
  for (const auto& [id, session] : b_->sessions)
    if (session->actions > 0) canary = id;
  WaitForStore();
  v1::ResultRecord record;
  record.set_action_id(action.id());
  record.set_sequence(1);
  record.mutable_refusal()->set_reason(v1::Refusal::REASON_UNSUPPORTED);
  absl::Notification stored;
  store_->AppendRecord(canary, record, clock_.Now(),
                       [&](const absl::StatusOr<Appended>&) { stored.Notify(); });
  stored.WaitForNotification();
  // Another canary takes its place.
  for (int i = 0; i < 200 && b_->SentActions() < 2; ++i) {
    a_->dispatcher.Pace();
    absl::SleepFor(absl::Milliseconds(50));
  }
  EXPECT_EQ(b_->SentActions(), 2);
}

TEST_F(DispatcherClusterTest, ResumeThatIsKeptIsNotAppliedOnceMore) {
  Start(4, 0);
  v1::Action action = fleet_.ActionProto();
  action.mutable_dispatch()->set_canary_percent(25);
  ASSERT_TRUE(Launch(*a_, action).ok());
  WaitForStore();
  ASSERT_TRUE(Send(*a_, action, v1::Order::KIND_PAUSE).ok());
  ASSERT_TRUE(Send(*a_, action, v1::Order::KIND_RESUME).ok());
  EXPECT_EQ(PhaseAt(*a_, action), v1::DISPATCH_PHASE_CANARY);
  a_->epoch = 0;
  b_->epoch = 2;
  ASSERT_TRUE(b_->dispatcher.TakeUpAction(action.id()).ok());
  ASSERT_TRUE(b_->dispatcher.TakeUpOrders(action.id()).ok());
  EXPECT_EQ(PhaseAt(*b_, action), v1::DISPATCH_PHASE_CANARY);
  // Nor by one that leads after it has followed.
  ASSERT_TRUE(a_->dispatcher.TakeUpOrders(action.id()).ok());
  a_->epoch = 3;
  b_->epoch = 0;
  ASSERT_TRUE(a_->dispatcher.OnLeaderChanged().ok());
  ASSERT_TRUE(a_->dispatcher.TakeUpOrders(action.id()).ok());
  EXPECT_EQ(PhaseAt(*a_, action), v1::DISPATCH_PHASE_CANARY);
}

TEST_F(DispatcherClusterTest, GrantThatComesAfterACancelSendsNothing) {
  Start(0, 2);
  v1::Action action = fleet_.ActionProto();
  action.mutable_dispatch()->set_agent_limit(1);
  b_->loses_messages = true;
  ASSERT_TRUE(Launch(*b_, action).ok());
  // The order hasn't reached this one yet.
  ASSERT_TRUE(Send(*a_, action, v1::Order::KIND_CANCEL).ok());
  b_->dispatcher.OnGrant(action.id(), {IdOf(0), IdOf(1)});
  EXPECT_EQ(b_->SentActions(), 0);
}

TEST_F(DispatcherClusterTest, OrderOfOneThatLedIsRefusedByTheStore) {
  Start(1, 0);
  const v1::Action action = fleet_.ActionProto();
  ASSERT_TRUE(Launch(*a_, action).ok());
  ASSERT_EQ(store_->TakeLease("lead", "a", absl::Minutes(1))->holder, "a");
  ASSERT_TRUE(Send(*a_, action, v1::Order::KIND_PAUSE).ok());
  // It doesn't know yet that it leads no more.
  ASSERT_TRUE(store_->GiveUpLease("lead", "a").ok());
  EXPECT_TRUE(absl::IsAborted(Send(*a_, action, v1::Order::KIND_RESUME).status()));
  KeptDispatch stopped;
  stopped.stopped = true;
  EXPECT_TRUE(absl::IsAborted(store_->SaveDispatch(action.id(), stopped)));
  EXPECT_EQ(store_->Orders(action.id())->size(), 1u);
  EXPECT_FALSE(store_->FindDispatch(action.id())->stopped);
}

TEST_F(DispatcherClusterTest, NothingFollowsACancel) {
  Start(1, 0);
  const v1::Action action = fleet_.ActionProto();
  ASSERT_TRUE(Launch(*a_, action).ok());
  ASSERT_TRUE(Send(*a_, action, v1::Order::KIND_CANCEL).ok());
  const StoredOrder late{.id = "late",
                         .action_id = action.id(),
                         .envelope = "resume",
                         .signed_by = {"alice"},
                         .expires = clock_.Now() + absl::Hours(1)};
  EXPECT_TRUE(absl::IsFailedPrecondition(store_->AddOrder(late, {}, /*cancels=*/false)));
  EXPECT_EQ(store_->Orders(action.id())->size(), 1u);
}

TEST_F(DispatcherClusterTest, OrderThatCameBeforeItsActionDoesNotKeepItFromAgents) {
  Start(1, 2);
  const v1::Action action = fleet_.ActionProto();
  ASSERT_TRUE(Launch(*a_, action).ok());
  ASSERT_TRUE(Send(*a_, action, v1::Order::KIND_PAUSE).ok());
  ASSERT_TRUE(Send(*a_, action, v1::Order::KIND_RESUME).ok());
  ASSERT_TRUE(b_->dispatcher.TakeUpOrders(action.id()).ok());
  EXPECT_EQ(b_->SentActions(), 0);
  ASSERT_TRUE(b_->dispatcher.TakeUpAction(action.id()).ok());
  EXPECT_EQ(b_->SentActions(), 2);
}

TEST_F(DispatcherClusterTest, OnlyTheOneThatLeadsLetsAnActionWithALimitGo) {
  Start(2, 4);
  v1::Action action = fleet_.ActionProto();
  action.mutable_dispatch()->set_agent_limit(3);
  ASSERT_TRUE(Launch(*b_, action).ok());
  EXPECT_EQ(a_->SentActions() + b_->SentActions(), 3);
  b_->dispatcher.Pace();
  a_->dispatcher.Pace();
  EXPECT_EQ(a_->SentActions() + b_->SentActions(), 3);
  EXPECT_EQ(b_->dispatcher.HeldBackOf(action.id()), HeldBack::kAll);
}

TEST_F(DispatcherClusterTest, OfferAndGrantThatWereLostComeAgain) {
  Start(0, 3);
  v1::Action action = fleet_.ActionProto();
  action.mutable_dispatch()->set_agent_limit(2);
  b_->loses_messages = true;
  ASSERT_TRUE(Launch(*b_, action).ok());
  EXPECT_EQ(b_->SentActions(), 0);
  b_->loses_messages = false;
  a_->loses_messages = true;
  b_->dispatcher.Pace();
  EXPECT_EQ(b_->SentActions(), 0);
  a_->loses_messages = false;
  // It comes every other second.
  for (int i = 0; i < 100 && b_->SentActions() == 0; ++i) {
    b_->dispatcher.Pace();
    absl::SleepFor(absl::Milliseconds(100));
  }
  EXPECT_EQ(b_->SentActions(), 2);
}

TEST_F(DispatcherClusterTest, WhoLeadsNextGoesOnFromWhatIsInTheStore) {
  Start(2, 2);
  v1::Action action = fleet_.ActionProto();
  action.mutable_dispatch()->set_agent_limit(3);
  ASSERT_TRUE(Launch(*a_, action).ok());
  ASSERT_EQ(a_->SentActions(), 2);
  WaitForStore();
  // It dies before the other has heard of anything.
  a_->epoch = 0;
  for (int i = 0; i < 2; ++i)
    b_->agents->NoteElsewhere({{IdOf(i), "a", 1, "", false}}, clock_.Now());
  ASSERT_TRUE(b_->dispatcher.TakeUpAction(action.id()).ok());
  EXPECT_EQ(b_->SentActions(), 0);
  b_->epoch = 2;
  ASSERT_TRUE(b_->dispatcher.OnLeaderChanged().ok());
  EXPECT_EQ(b_->SentActions(), 1);
  // The one that led decides nothing any more.
  a_->dispatcher.Pace();
  EXPECT_EQ(a_->SentActions(), 2);
}

TEST_F(DispatcherClusterTest, NewLeadDecidesNothingBeforeItKnowsHowFarTheActionIs) {
  Start(1, 2);
  v1::Action action = fleet_.ActionProto();
  action.mutable_dispatch()->set_agent_limit(1);
  ASSERT_TRUE(b_->dispatcher.TakeUpAction(action.id()).ok());
  ASSERT_TRUE(Launch(*a_, action).ok());
  ASSERT_EQ(a_->SentActions(), 1);
  ASSERT_TRUE(b_->dispatcher.TakeUpAction(action.id()).ok());
  WaitForStore();
  a_->epoch = 0;
  b_->epoch = 2;
  b_->dispatcher.OnOffer(action.id(), {IdOf(0)});
  b_->dispatcher.Pace();
  EXPECT_EQ(b_->SentActions(), 0);
  ASSERT_TRUE(b_->dispatcher.OnLeaderChanged().ok());
  EXPECT_EQ(b_->SentActions(), 0);
}

TEST_F(DispatcherClusterTest, OrderIsObeyedByTheOneThatLeadsAndHandedOnByAll) {
  Start(1, 1);
  const v1::Action action = fleet_.ActionProto();
  ASSERT_TRUE(Launch(*b_, action).ok());
  ASSERT_TRUE(a_->dispatcher.TakeUpAction(action.id()).ok());
  WaitForStore();
  const auto ordered = Send(*b_, action, v1::Order::KIND_PAUSE);
  ASSERT_TRUE(ordered.ok()) << ordered.status();
  EXPECT_EQ(ordered->sent, 2u);
  EXPECT_EQ(a_->sessions[IdOf(0)]->orders, 1);
  EXPECT_EQ(b_->sessions[IdOf(1)]->orders, 0);
  ASSERT_TRUE(b_->dispatcher.TakeUpOrders(action.id()).ok());
  ASSERT_TRUE(b_->dispatcher.TakeUpOrders(action.id()).ok());
  ASSERT_TRUE(a_->dispatcher.TakeUpOrders(action.id()).ok());
  EXPECT_EQ(a_->sessions[IdOf(0)]->orders, 1);
  EXPECT_EQ(b_->sessions[IdOf(1)]->orders, 1);
  EXPECT_EQ(PhaseAt(*b_, action), v1::DISPATCH_PHASE_PAUSED);
  ASSERT_TRUE(Send(*b_, action, v1::Order::KIND_RESUME).ok());
  ASSERT_TRUE(b_->dispatcher.TakeUpOrders(action.id()).ok());
  EXPECT_EQ(PhaseAt(*b_, action), v1::DISPATCH_PHASE_OPEN);
  EXPECT_EQ(b_->sessions[IdOf(1)]->orders, 2);
}

TEST_F(DispatcherClusterTest, PauseReachesAnAgentThatWaitsAtAnotherScheduler) {
  Start(1, 0);
  const v1::Action action = fleet_.ActionProto();
  ASSERT_TRUE(Launch(*a_, action).ok());
  ASSERT_TRUE(b_->dispatcher.TakeUpAction(action.id()).ok());
  ASSERT_TRUE(Send(*a_, action, v1::Order::KIND_PAUSE).ok());
  ASSERT_TRUE(b_->dispatcher.TakeUpOrders(action.id()).ok());
  Enrol(7);
  ASSERT_TRUE(b_->agents->Add(*store_->FindAgent(IdOf(7))).ok());
  ASSERT_TRUE(a_->agents->Add(*store_->FindAgent(IdOf(7))).ok());
  Connect(7, *b_);
  b_->dispatcher.OnConnected(IdOf(7), *b_->sessions[IdOf(7)]);
  b_->WaitForBackground();
  EXPECT_EQ(b_->SentActions(), 0);
  ASSERT_TRUE(Send(*a_, action, v1::Order::KIND_RESUME).ok());
  ASSERT_TRUE(b_->dispatcher.TakeUpOrders(action.id()).ok());
  b_->dispatcher.Pace();
  EXPECT_EQ(b_->SentActions(), 1);
}

TEST_F(DispatcherClusterTest, PhaseIsToldToThoseThatDoNotLead) {
  Start(1, 3);
  v1::Action action = fleet_.ActionProto();
  action.mutable_dispatch()->set_canary_percent(25);
  ASSERT_TRUE(Launch(*b_, action).ok());
  EXPECT_EQ(a_->SentActions() + b_->SentActions(), 1);
  a_->dispatcher.Pace();
  const auto phase = b_->dispatcher.PhaseOf(*store_->FindAction(action.id()));
  ASSERT_TRUE(phase.ok());
  EXPECT_EQ(phase->phase, v1::DISPATCH_PHASE_CANARY);
  EXPECT_THAT(phase->reason, HasSubstr("waits for 1 of 1 canaries"));
}

TEST_F(DispatcherClusterTest, OrderIsRefusedWhileNoneLeads) {
  Start(1, 1);
  const v1::Action action = fleet_.ActionProto();
  ASSERT_TRUE(Launch(*b_, action).ok());
  a_->epoch = 0;
  EXPECT_TRUE(absl::IsUnavailable(Send(*b_, action, v1::Order::KIND_PAUSE).status()));
}

}  // namespace
}  // namespace dragnet::scheduler
