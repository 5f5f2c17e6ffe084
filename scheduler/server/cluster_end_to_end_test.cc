// Several schedulers of one process on one store and one bus, over real TLS: what agents
// and investigators see of them, and what changes when one of them is cut off.
#include <gtest/gtest.h>

#include <map>
#include <memory>
#include <set>

#include "core/action.h"
#include "core/envelope.h"
#include "core/keys.h"
#include "core/order.h"
#include "core/strings.h"
#include "core/uuid.h"
#include "scheduler/server/server_fixture.h"
#include "scheduler/store/sqlite_store.h"
#include "scheduler/testing/fake_bus.h"
#include "scheduler/testing/shared_store.h"

namespace dragnet::scheduler {
namespace {

constexpr char kBootOne[] = "5f7c0a56-9d6b-4c6f-8a63-0c2f0a3f5b11";
constexpr char kBootTwo[] = "0e0f3c5e-77c1-4f55-b0c8-4f3b1d2c9a22";

class ClusterEndToEndTest : public ServerTest {
 protected:
  struct Scheduler {
    // Of `server`.
    SharedStore* store = nullptr;
    FakeBus* bus = nullptr;
    std::unique_ptr<Server> server;
  };

  void SetUp() override {
    MakeFleet();
    database_ = *SqliteStore::Open(settings_.store, StoreUse::kRun, {.shared = true});
    times_.keep = absl::Milliseconds(100);
    times_.relay = absl::Milliseconds(20);
    times_.revocations = absl::Milliseconds(50);
    times_.lost_sessions = absl::Milliseconds(100);
    times_.resync = absl::Milliseconds(500);
  }
  void TearDown() override { schedulers_.clear(); }

  void Run(const std::string& name, bool with_ca = true) {
    Settings settings = settings_;
    settings.scheduler_name = name;
    settings.bus = {"nats://127.0.0.1:1"};
    if (!with_ca) settings.ca_key.clear();
    ServerParts parts;
    auto store = std::make_unique<SharedStore>(*database_);
    auto bus = std::make_unique<FakeBus>(hub_, name);
    Scheduler& scheduler = schedulers_[name];
    scheduler.store = store.get();
    scheduler.bus = bus.get();
    parts.store = std::move(store);
    parts.bus = std::move(bus);
    parts.upkept = database_.get();
    parts.files = StrCat(directory_.path(), "/", name);
    parts.times = times_;
    absl::StatusOr<std::unique_ptr<Server>> server =
        Server::Start(settings, clock_, std::move(parts));
    ASSERT_TRUE(server.ok()) << server.status();
    scheduler.server = *std::move(server);
    At(name);
  }
  void At(const std::string& name) { Use(*schedulers_.at(name).server); }
  Scheduler& Of(const std::string& name) { return schedulers_.at(name); }

  // Generously: what is waited for comes within moments.
  template <typename Condition>
  static bool Await(Condition condition) {
    for (int i = 0; i < 3000; ++i) {
      if (condition()) return true;
      absl::SleepFor(absl::Milliseconds(20));
    }
    return false;
  }
  // "a" and "b" know of each other.
  bool AwaitBoth() {
    return Await([&] {
      return Of("a").bus->partitions_read().size() == 2 &&
             Of("b").bus->partitions_read().size() == 2;
    });
  }
  // The state of an agent, as the scheduler in use describes it.
  v1::AgentInfo Describe(const std::string& agent_id) {
    v1::SearchAgentsResponse response;
    EXPECT_TRUE(Api().SearchAgents(Patience().get(), {}, &response).ok());
    for (const v1::AgentInfo& agent : response.agents())
      if (agent.facts().id() == agent_id) return agent;
    return {};
  }
  bool AwaitState(const std::string& agent_id, v1::AgentInfo::State state) {
    return Await([&] { return Describe(agent_id).state() == state; });
  }
  StoredSession SessionOf(const std::string& agent_id) {
    const auto sessions = database_->Sessions();
    EXPECT_TRUE(sessions.ok()) << sessions.status();
    for (const StoredSession& session : *sessions)
      if (session.agent_id == agent_id) return session;
    return {};
  }
  std::string LeaderName() {
    const auto leases = database_->Leases("lead");
    return !leases.ok() || leases->empty() ? "" : leases->begin()->second.holder;
  }
  std::string SignOrder(const std::string& action_id, v1::Order::Kind kind) {
    v1::Order order;
    order.set_id(NewUuidV7(clock_.Now() + absl::Milliseconds(++orders_)));
    order.set_fleet_id(settings_.fleet_id);
    order.set_action_id(action_id);
    order.set_kind(kind);
    order.set_reason("test");
    *order.mutable_issued() = ToTimestamp(clock_.Now());
    *order.mutable_expires() = ToTimestamp(clock_.Now() + absl::Hours(1));
    v1::Envelope envelope = NewEnvelope(kOrderPayloadType, order.SerializeAsString());
    EXPECT_TRUE(AddSignature(*PrivateKey::Load(Path("investigator/signing.key")), &envelope).ok());
    return envelope.SerializeAsString();
  }
  grpc::Status SendOrder(const std::string& envelope, v1::SendOrderResponse* response) {
    v1::SendOrderRequest request;
    request.set_envelope(envelope);
    return Api().SendOrder(Patience().get(), request, response);
  }
  // Sends it and waits for the acknowledgement.
  static void Deliver(AgentPeer& peer, const v1::ResultRecord& record) {
    peer.SendRecord(record);
    EXPECT_EQ(peer.ReadAcknowledgement().sequence(), record.sequence());
  }

  ClusterTimes times_;
  std::unique_ptr<SqliteStore> database_;
  std::shared_ptr<FakeBusHub> hub_ = std::make_shared<FakeBusHub>(4);
  std::map<std::string, Scheduler> schedulers_;
  int orders_ = 0;
};

TEST_F(ClusterEndToEndTest, ActionOfOneSchedulerReachesAnAgentOfAnotherAndAThirdSeesItsRows) {
  Run("a");
  Run("b");
  Run("c");
  At("b");
  const Agent agent = Enrol("web1");
  const auto peer = Connect(agent);
  At("a");
  ASSERT_TRUE(AwaitState(agent.id, v1::AgentInfo::STATE_ONLINE));
  const std::string envelope = Sign(NewAction("os='linux'"));
  v1::LaunchResponse launched;
  ASSERT_TRUE(Launch(envelope, &launched).ok());
  EXPECT_EQ(launched.targeted(), 1u);
  EXPECT_EQ(launched.connected(), 1u);
  EXPECT_EQ(peer->ReadActionEnvelope(), envelope);
  Deliver(*peer, RowsRecord(launched.action_id(), 1, {"x", "y"}));
  Deliver(*peer, SummaryRecord(launched.action_id(), 2, v1::OUTCOME_FOUND, 2));
  At("c");
  const std::vector<v1::WatchEvent> events = Watch(launched.action_id());
  ASSERT_FALSE(events.empty());
  EXPECT_EQ(events.back().end().progress().found(), 1u);
  EXPECT_EQ(events.back().end().progress().rows(), 2u);
}

TEST_F(ClusterEndToEndTest, RecordsArePartitionedOverThoseThatLive) {
  Run("a");
  EXPECT_TRUE(Await([&] { return Of("a").bus->partitions_read().size() == 4; }));
  Run("b");
  EXPECT_TRUE(AwaitBoth());
  schedulers_.erase("a");
  EXPECT_TRUE(Await([&] { return Of("b").bus->partitions_read().size() == 4; }));
}

TEST_F(ClusterEndToEndTest, AgentThatGoesOnToAnotherSchedulerHasItsFormerSessionClosed) {
  Run("a");
  Run("b");
  At("a");
  const Agent agent = Enrol("web1");
  const auto before = Connect(agent, kBootOne);
  ASSERT_TRUE(AwaitState(agent.id, v1::AgentInfo::STATE_ONLINE));
  At("b");
  const auto after = Connect(agent, kBootOne);
  EXPECT_EQ(before->Finish().error_code(), grpc::StatusCode::ABORTED);
  EXPECT_EQ(SessionOf(agent.id).scheduler, "b");
  EXPECT_EQ(SessionOf(agent.id).epoch, 2u);
  At("a");
  EXPECT_TRUE(AwaitState(agent.id, v1::AgentInfo::STATE_ONLINE));
  const std::string envelope = Sign(NewAction());
  v1::LaunchResponse launched;
  ASSERT_TRUE(Launch(envelope, &launched).ok());
  EXPECT_EQ(launched.connected(), 1u);
  EXPECT_EQ(after->ReadActionEnvelope(), envelope);
}

TEST_F(ClusterEndToEndTest, LostSessionIsClosedAlsoWhenNoMessageSaysSo) {
  Run("a");
  Run("b");
  At("a");
  const Agent agent = Enrol("web1");
  const auto before = Connect(agent, kBootOne);
  Of("a").bus->LoseMessages(true);
  At("b");
  const auto after = Connect(agent, kBootOne);
  EXPECT_EQ(before->Finish().error_code(), grpc::StatusCode::ABORTED);
}

TEST_F(ClusterEndToEndTest, TwoHostsOfOneIdentityAtTwoSchedulersAreDuplicates) {
  Run("a");
  Run("b");
  At("a");
  const Agent agent = Enrol("web1");
  const auto one = Connect(agent, kBootOne);
  At("b");
  ASSERT_TRUE(AwaitState(agent.id, v1::AgentInfo::STATE_ONLINE));
  const auto two = Connect(agent, kBootTwo);
  At("a");
  ASSERT_TRUE(Await([&] { return SessionOf(agent.id).boot_id == kBootTwo; }));
  // The first one comes back after the second.
  const auto again = Connect(agent, kBootOne);
  EXPECT_TRUE(AwaitState(agent.id, v1::AgentInfo::STATE_DUPLICATE));
  At("b");
  EXPECT_TRUE(AwaitState(agent.id, v1::AgentInfo::STATE_DUPLICATE));
}

TEST_F(ClusterEndToEndTest, CanariesAreCountedOverAllSchedulers) {
  Run("a");
  Run("b");
  ASSERT_TRUE(Await([&] { return LeaderName() == "a"; }));
  std::vector<Agent> agents;
  std::vector<std::unique_ptr<AgentPeer>> peers;
  for (int i = 0; i < 4; ++i) {
    At(i % 2 == 0 ? "a" : "b");
    agents.push_back(Enrol(StrCat("web", i)));
    peers.push_back(Connect(agents.back()));
  }
  for (const char* name : {"a", "b"}) {
    At(name);
    for (const Agent& agent : agents)
      ASSERT_TRUE(AwaitState(agent.id, v1::AgentInfo::STATE_ONLINE));
  }
  // Launched where none leads.
  At("b");
  v1::Action action = NewAction();
  action.mutable_dispatch()->set_canary_percent(25);
  v1::LaunchResponse launched;
  ASSERT_TRUE(Launch(Sign(action), &launched).ok());
  EXPECT_EQ(launched.connected(), 4u);
  ASSERT_TRUE(Await([&] { return ProgressOf(action.id()).sent() == 1; }));
  const auto pairs = database_->Pairs(action.id());
  ASSERT_TRUE(pairs.ok());
  size_t canary = agents.size();
  for (const PairState& pair : *pairs)
    for (size_t i = 0; i < agents.size(); ++i)
      if (pair.agent_id == agents[i].id && pair.state == v1::DISPATCH_STATE_SENT) canary = i;
  ASSERT_LT(canary, agents.size());
  v1::GetActionRequest request;
  request.set_action_id(action.id());
  for (const char* name : {"a", "b"}) {
    At(name);
    EXPECT_TRUE(Await([&] {
      v1::GetActionResponse response;
      return Api().GetAction(Patience().get(), request, &response).ok() &&
             response.action().phase() == v1::DISPATCH_PHASE_CANARY &&
             response.action().phase_reason().find("canaries") != std::string::npos;
    })) << name;
  }
  EXPECT_NE(peers[canary]->ReadActionEnvelope(), "");
  Deliver(*peers[canary], SummaryRecord(action.id(), 1, v1::OUTCOME_CLEAN, 0));
  for (size_t i = 0; i < peers.size(); ++i) {
    if (i == canary) continue;
    EXPECT_NE(peers[i]->ReadActionEnvelope(), "") << i;
  }
  EXPECT_TRUE(Await([&] { return ProgressOf(action.id()).sent() == 3; }));
}

TEST_F(ClusterEndToEndTest, LimitOfAgentsHoldsOverAllSchedulersAndAChangeOfTheLeader) {
  Run("a");
  Run("b");
  ASSERT_TRUE(Await([&] { return LeaderName() == "a"; }));
  std::vector<std::unique_ptr<AgentPeer>> peers;
  At("b");
  std::vector<Agent> agents;
  for (int i = 0; i < 4; ++i) {
    agents.push_back(Enrol(StrCat("web", i)));
    peers.push_back(Connect(agents.back()));
  }
  At("a");
  for (const Agent& agent : agents) ASSERT_TRUE(AwaitState(agent.id, v1::AgentInfo::STATE_ONLINE));
  v1::Action action = NewAction();
  action.mutable_dispatch()->set_agent_limit(2);
  v1::LaunchResponse launched;
  ASSERT_TRUE(Launch(Sign(action), &launched).ok());
  At("b");
  ASSERT_TRUE(Await([&] { return ProgressOf(action.id()).sent() == 2; }));
  // Another one leads from now on, and knows how many have it.
  schedulers_.erase("a");
  ASSERT_TRUE(Await([&] { return LeaderName() == "b"; }));
  v1::Action next = NewAction();
  next.mutable_dispatch()->set_agent_limit(3);
  ASSERT_TRUE(Launch(Sign(next), &launched).ok());
  ASSERT_TRUE(Await([&] { return ProgressOf(next.id()).sent() == 3; }));
  EXPECT_EQ(ProgressOf(action.id()).sent(), 2u);
  EXPECT_EQ(ProgressOf(action.id()).waiting(), 2u);
}

TEST_F(ClusterEndToEndTest, OrderSentWhereNoneLeadsIsObeyedEverywhere) {
  Run("a");
  Run("b");
  ASSERT_TRUE(Await([&] { return LeaderName() == "a"; }));
  At("b");
  const Agent agent = Enrol("web1");
  const auto peer = Connect(agent);
  At("a");
  ASSERT_TRUE(AwaitState(agent.id, v1::AgentInfo::STATE_ONLINE));
  At("b");
  const std::string id = LaunchNew();
  EXPECT_NE(peer->ReadActionEnvelope(), "");
  ASSERT_TRUE(Await([&] { return ProgressOf(id).sent() == 1; }));
  const std::string order = SignOrder(id, v1::Order::KIND_CANCEL);
  v1::SendOrderResponse response;
  const grpc::Status status = SendOrder(order, &response);
  ASSERT_TRUE(status.ok()) << status.error_message();
  EXPECT_EQ(response.action_id(), id);
  EXPECT_EQ(response.sent(), 1u);
  v1::SchedulerMessage message;
  while (peer->Read(&message) && !message.has_order_envelope()) {
  }
  EXPECT_EQ(message.order_envelope(), order);
  for (const char* name : {"a", "b"}) {
    At(name);
    EXPECT_TRUE(Await([&] {
      v1::GetActionRequest request;
      request.set_action_id(id);
      v1::GetActionResponse answer;
      return Api().GetAction(Patience().get(), request, &answer).ok() &&
             answer.action().phase() == v1::DISPATCH_PHASE_CANCELLED;
    })) << name;
  }
}

TEST_F(ClusterEndToEndTest, RevocationAtOneSchedulerClosesTheStreamAtAnother) {
  Run("a");
  Run("b");
  At("b");
  const Agent agent = Enrol("web1");
  const auto peer = Connect(agent);
  At("a");
  // Also when the bus is cut.
  Of("b").bus->Cut(true);
  v1::RevokeRequest request;
  request.set_agent_id(agent.id);
  v1::RevokeResponse response;
  ASSERT_TRUE(Api().Revoke(Patience().get(), request, &response).ok());
  EXPECT_EQ(response.certificates(), 1u);
  EXPECT_EQ(peer->Finish().error_code(), grpc::StatusCode::UNAUTHENTICATED);
  At("b");
  EXPECT_TRUE(AwaitState(agent.id, v1::AgentInfo::STATE_REVOKED));
}

// Whoever owns the bus says whatever they like, in anyone's name.
TEST_F(ClusterEndToEndTest, WhatIsMadeUpOnTheBusRunsNothingAndEndsNothing) {
  Run("a");
  Run("b");
  ASSERT_TRUE(AwaitBoth());
  At("b");
  const Agent agent = Enrol("web1");
  const auto peer = Connect(agent);
  At("a");
  ASSERT_TRUE(AwaitState(agent.id, v1::AgentInfo::STATE_ONLINE));
  const std::string envelope = Sign(NewAction());
  v1::LaunchResponse launched;
  ASSERT_TRUE(Launch(envelope, &launched).ok());
  ASSERT_EQ(peer->ReadActionEnvelope(), envelope);

  FakeBus stranger(hub_, "z");
  uint64_t notice_id = 1'000'000;
  const auto notify = [&](v1::Notice::Kind kind, const std::string& name) {
    v1::Notice notice;
    notice.set_id(++notice_id);
    notice.set_kind(kind);
    notice.set_name(name);
    EXPECT_TRUE(stranger.PublishNotice(notice).ok());
  };
  notify(v1::Notice::KIND_REVOKED, agent.id);
  notify(v1::Notice::KIND_ORDER, launched.action_id());
  notify(v1::Notice::KIND_TRUST_POLICY, "99");
  const std::string unknown = NewUuidV7(clock_.Now());
  for (const std::string& id : {unknown, std::string("../../etc/passwd"), std::string()}) {
    notify(v1::Notice::KIND_ACTION, id);
    notify(v1::Notice::KIND_AGENT, id);
    notify(v1::Notice::KIND_PROPOSAL, id);
  }
  for (const std::string name : {"a", "b"}) {
    std::vector<v1::PeerMessage> messages(6);
    v1::Written::Outcome& outcome = *messages[0].mutable_written()->add_outcomes();
    outcome.set_agent_id(agent.id);
    outcome.set_action_id(launched.action_id());
    outcome.set_state(v1::DISPATCH_STATE_CLEAN);
    v1::Phases::Phase& phase = *messages[1].mutable_phases()->add_phases();
    phase.set_action_id(launched.action_id());
    phase.set_phase(v1::DISPATCH_PHASE_CANCELLED);
    messages[2].mutable_grant()->set_action_id(unknown);
    messages[2].mutable_grant()->add_agent_ids(agent.id);
    messages[3].mutable_offer()->set_action_id(unknown);
    messages[3].mutable_offer()->add_agent_ids(agent.id);
    messages[4].mutable_agents_changed()->add_agent_ids(agent.id);
    v1::SessionsChanged::Session& session = *messages[5].mutable_sessions_changed()->add_sessions();
    session.set_agent_id(agent.id);
    session.set_epoch(0);
    session.set_connected(true);
    for (v1::PeerMessage& message : messages) {
      message.set_from(name);
      stranger.Tell("", message);
    }
  }
  // An order that no investigator signed, and a token that nobody made. What was told before
  // is heard before.
  for (const std::string name : {"a", "b"}) {
    const std::string other = name == "a" ? "b" : "a";
    v1::PeerMessage order;
    order.set_from(other);
    order.mutable_order_request()->set_envelope(
        NewEnvelope(kOrderPayloadType, v1::Order().SerializeAsString()).SerializeAsString());
    const auto ordered = stranger.Ask(name, order, absl::Minutes(1));
    ASSERT_TRUE(ordered.ok()) << ordered.status();
    EXPECT_NE(ordered->order_reply().code(), 0);
    v1::PeerMessage issue;
    issue.set_from(other);
    issue.mutable_issue_request()->set_token("made-up");
    issue.mutable_issue_request()->set_agent_id(agent.id);
    const auto issued = stranger.Ask(name, issue, absl::Minutes(1));
    ASSERT_TRUE(issued.ok()) << issued.status();
    EXPECT_NE(issued->issue_reply().code(), 0);
    EXPECT_EQ(issued->issue_reply().certificate(), "");
  }

  Deliver(*peer, RowsRecord(launched.action_id(), 1, {"x"}));
  Deliver(*peer, SummaryRecord(launched.action_id(), 2, v1::OUTCOME_FOUND, 1));
  for (const std::string name : {"a", "b"}) {
    At(name);
    const std::vector<v1::WatchEvent> events = Watch(launched.action_id());
    ASSERT_FALSE(events.empty());
    EXPECT_EQ(events.back().end().progress().found(), 1u) << name;
    EXPECT_EQ(events.back().end().progress().rows(), 1u) << name;
    EXPECT_EQ(StateOf(events, agent.id).state(), v1::DISPATCH_STATE_FOUND) << name;
  }
  At("a");
  const std::string next = Sign(NewAction());
  ASSERT_TRUE(Launch(next, &launched).ok());
  EXPECT_EQ(peer->ReadActionEnvelope(), next);
}

// It is believed for as long as it takes to ask the store.
TEST_F(ClusterEndToEndTest, AgentWhoseNewerSessionIsMadeUpComesBack) {
  Run("a");
  Run("b");
  ASSERT_TRUE(AwaitBoth());
  At("b");
  const Agent agent = Enrol("web1");
  const auto peer = Connect(agent, kBootOne);
  FakeBus stranger(hub_, "z");
  v1::PeerMessage message;
  message.set_from("a");
  v1::SessionsChanged::Session& session = *message.mutable_sessions_changed()->add_sessions();
  session.set_agent_id(agent.id);
  session.set_epoch(uint64_t{1} << 62);
  session.set_boot_id(kBootOne);
  session.set_connected(true);
  stranger.Tell("", message);
  EXPECT_EQ(peer->Finish().error_code(), grpc::StatusCode::ABORTED);
  // Until the store is asked for all sessions, none that is older than the made-up one is
  // taken: the agent tries again.
  ASSERT_TRUE(Await([&] { return Describe(agent.id).state() != v1::AgentInfo::STATE_ONLINE; }));
  const auto again = Connect(agent, kBootOne);
  const std::string envelope = Sign(NewAction());
  v1::LaunchResponse launched;
  ASSERT_TRUE(Launch(envelope, &launched).ok());
  EXPECT_EQ(again->ReadActionEnvelope(), envelope);
}

TEST_F(ClusterEndToEndTest, SchedulerThatIsCutOffFromTheStoreSendsItsAgentsElsewhere) {
  times_.lease = absl::Seconds(3);
  Run("a");
  Run("b");
  At("a");
  const Agent agent = Enrol("web1");
  const auto peer = Connect(agent);
  Of("a").store->Cut(true);
  EXPECT_EQ(peer->Finish().error_code(), grpc::StatusCode::UNAVAILABLE);
  AgentPeer refused(Channel(agent.tls), agent.facts);
  EXPECT_EQ(refused.Finish().error_code(), grpc::StatusCode::UNAVAILABLE);
  ASSERT_TRUE(Await([&] { return LeaderName() == "b"; }));
  At("b");
  const auto elsewhere = Connect(agent);
  const std::string id = LaunchNew();
  EXPECT_NE(elsewhere->ReadActionEnvelope(), "");
  Deliver(*elsewhere, SummaryRecord(id, 1, v1::OUTCOME_CLEAN, 0));
  // And back again: it has learnt what happened meanwhile.
  Of("a").store->Cut(false);
  At("a");
  EXPECT_TRUE(AwaitState(agent.id, v1::AgentInfo::STATE_ONLINE));
  EXPECT_TRUE(Await([&] { return ProgressOf(id).clean() == 1; }));
}

TEST_F(ClusterEndToEndTest, SchedulerThatIsCutOffFromTheBusAcknowledgesNothing) {
  Run("a");
  Run("b");
  At("a");
  const Agent agent = Enrol("web1");
  const auto peer = Connect(agent);
  const std::string id = LaunchNew();
  EXPECT_NE(peer->ReadActionEnvelope(), "");
  Of("a").bus->Cut(true);
  peer->SendRecord(SummaryRecord(id, 1, v1::OUTCOME_CLEAN, 0));
  EXPECT_EQ(peer->Finish().error_code(), grpc::StatusCode::UNAVAILABLE);
  At("b");
  const auto elsewhere = Connect(agent);
  Deliver(*elsewhere, SummaryRecord(id, 1, v1::OUTCOME_CLEAN, 0));
  // Also if it was one of those that it read: others do so now.
  EXPECT_TRUE(Await([&] { return ProgressOf(id).clean() == 1; }));
  EXPECT_TRUE(Await([&] { return Of("b").bus->partitions_read().size() == 4; }));
  EXPECT_TRUE(Await([&] { return LeaderName() == "b"; }));
  Of("a").bus->Cut(false);
  EXPECT_TRUE(Await([&] { return Of("a").bus->partitions_read().size() == 2; }));
}

TEST_F(ClusterEndToEndTest, HostEnrolsWhereTheKeyOfTheCaIsNot) {
  Run("a");
  Run("b", /*with_ca=*/false);
  ASSERT_TRUE(AwaitBoth());
  At("b");
  const Agent agent = Enrol("web1");
  const auto peer = Connect(agent);
  EXPECT_TRUE(AwaitState(agent.id, v1::AgentInfo::STATE_ONLINE));
  At("a");
  EXPECT_TRUE(AwaitState(agent.id, v1::AgentInfo::STATE_ONLINE));
}

TEST_F(ClusterEndToEndTest, BlobThatWasBroughtToOneIsHandedOutByAnother) {
  Run("a");
  Run("b");
  ASSERT_TRUE(AwaitBoth());
  At("b");
  const Agent agent = Enrol("web1");
  const auto peer = Connect(agent);
  At("a");
  ASSERT_TRUE(AwaitState(agent.id, v1::AgentInfo::STATE_ONLINE));
  const std::string content(600'000, 'x');
  for (size_t offset = 0; offset < content.size(); offset += kMaxBlobPartBytes) {
    v1::PutBlobPartRequest part;
    part.set_sha256(Sha256(content));
    part.set_size(content.size());
    part.set_offset(offset);
    part.set_data(content.substr(offset, kMaxBlobPartBytes));
    v1::PutBlobPartResponse response;
    ASSERT_TRUE(Api().PutBlobPart(Patience().get(), part, &response).ok());
  }
  v1::Action action = NewAction();
  v1::Blob* blob = action.mutable_operations(0)->add_blobs();
  blob->set_field("rules");
  blob->set_sha256(Sha256(content));
  blob->set_size(content.size());
  v1::LaunchResponse launched;
  const grpc::Status status = Launch(Sign(action), &launched);
  ASSERT_TRUE(status.ok()) << status.error_message();
  // The one that has it first may be gone from here on.
  schedulers_.erase("a");
  EXPECT_NE(peer->ReadActionEnvelope(), "");
  std::string got;
  while (got.size() < content.size()) {
    v1::AgentMessage message;
    message.mutable_blob_request()->set_sha256(Sha256(content));
    message.mutable_blob_request()->set_offset(got.size());
    ASSERT_TRUE(peer->Write(message));
    v1::SchedulerMessage answer;
    while (peer->Read(&answer) && !answer.has_blob_part()) {
    }
    ASSERT_FALSE(answer.blob_part().data().empty());
    got += answer.blob_part().data();
  }
  EXPECT_EQ(got, content);
}

TEST_F(ClusterEndToEndTest, ChangedFactsAreKnownAtTheOthers) {
  Run("a");
  Run("b");
  At("b");
  const Agent agent = Enrol("web1");
  const auto peer = Connect(agent);
  v1::AgentMessage message;
  *message.mutable_facts_changed()->mutable_facts() = agent.facts;
  message.mutable_facts_changed()->mutable_facts()->set_name("db1");
  ASSERT_TRUE(peer->Write(message));
  At("a");
  EXPECT_TRUE(Await([&] { return Describe(agent.id).facts().name() == "db1"; }));
}

}  // namespace
}  // namespace dragnet::scheduler
