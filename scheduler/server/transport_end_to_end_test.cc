// What ten thousand agents make of connections: resumed ones, too much at once,
// and two hosts that are one agent. Over real TLS.
#include <gtest/gtest.h>

#include <chrono>
#include <thread>

#include "core/action.h"
#include "core/uuid.h"
#include "scheduler/observe/metrics.h"
#include "scheduler/server/server_fixture.h"

namespace dragnet::scheduler {
namespace {

class TransportEndToEndTest : public ServerTest {
 protected:
  // A session that says Hello; the caller looks how it went.
  std::unique_ptr<AgentPeer> Resume(const Agent& agent, const rpc::SessionCache& sessions) {
    return std::make_unique<AgentPeer>(Channel(agent.tls, &sessions), agent.facts);
  }
  v1::AgentInfo InfoOf(const Agent& agent) {
    v1::SearchAgentsRequest request;
    request.set_target("id='" + agent.id + "'");
    v1::SearchAgentsResponse response;
    EXPECT_TRUE(Api().SearchAgents(Patience().get(), request, &response).ok());
    return response.agents_size() == 1 ? response.agents(0) : v1::AgentInfo();
  }
  // Until the scheduler has handled what was sent before on this session.
  void Settle(AgentPeer& peer) {
    v1::AgentMessage message;
    message.mutable_blob_request()->set_sha256(std::string(32, 'x'));
    peer.Write(message);
    v1::SchedulerMessage answer;
    while (peer.Read(&answer) && !answer.has_blob_part()) {
    }
  }
};

// ---- resumed TLS sessions

TEST_F(TransportEndToEndTest, AResumedSessionShowsTheCertificateOfTheFirst) {
  const Agent agent = Enrol("web1");
  const rpc::SessionCache sessions;
  {
    const auto first = Resume(agent, sessions);
    first->Hello();
    EXPECT_FALSE(first->resumed());
  }
  const auto second = Resume(agent, sessions);
  second->Hello();
  EXPECT_TRUE(second->resumed());
  // It is this agent and no other one.
  EXPECT_EQ(InfoOf(agent).state(), v1::AgentInfo::STATE_ONLINE);
}

TEST_F(TransportEndToEndTest, ARevokedCertificateIsRefusedOnAResumedSession) {
  const Agent agent = Enrol("web1");
  const rpc::SessionCache sessions;
  Resume(agent, sessions)->Hello();
  v1::RevokeRequest request;
  request.set_agent_id(agent.id);
  v1::RevokeResponse response;
  ASSERT_TRUE(Api().Revoke(Patience().get(), request, &response).ok());
  const grpc::Status status = Resume(agent, sessions)->Finish();
  EXPECT_EQ(status.error_code(), grpc::StatusCode::UNAUTHENTICATED);
  EXPECT_NE(status.error_message().find("revoked"), std::string::npos) << status.error_message();
}

TEST_F(TransportEndToEndTest, AnExpiredCertificateIsRefusedOnAResumedSession) {
  const Agent agent = Enrol("web1");
  const rpc::SessionCache sessions;
  Resume(agent, sessions)->Hello();
  clock_.Advance(absl::Hours(366 * 24));
  const grpc::Status status = Resume(agent, sessions)->Finish();
  EXPECT_EQ(status.error_code(), grpc::StatusCode::UNAUTHENTICATED);
  EXPECT_NE(status.error_message().find("expired"), std::string::npos) << status.error_message();
}

TEST_F(TransportEndToEndTest, ARestartedSchedulerTakesWholeHandshakesInstead) {
  const Agent agent = Enrol("web1");
  const rpc::SessionCache sessions;
  Resume(agent, sessions)->Hello();
  settings_.listen = server_->address();
  Stop();
  Start();
  const auto peer = Resume(agent, sessions);
  peer->Hello();
  // Its keys for tickets are new.
  EXPECT_FALSE(peer->resumed());
}

// ---- silence

TEST_F(TransportEndToEndTest, ASessionInWhichNothingIsToBeSaidIsToldSo) {
  settings_.listen = server_->address();
  settings_.heartbeat_interval = absl::Seconds(1);
  Stop();
  Start();
  const auto peer = Connect(Enrol("web1"));
  v1::SchedulerMessage message;
  for (int i = 0; i < 2; ++i) {
    ASSERT_TRUE(peer->Read(&message));
    EXPECT_TRUE(message.has_alive()) << message.ShortDebugString();
  }
}

// ---- the budget of records

TEST_F(TransportEndToEndTest, RecordsOverTheirSizeEndTheSessionByNameAndHoldUpNoOne) {
  const Agent honest = Enrol("honest");
  const auto good = Connect(honest);
  const std::string action = LaunchNew();
  // A megabyte that grows to fifty.
  v1::ResultRecord rows = RowsRecord(action, 1, {});
  for (int i = 0; i < 700'000; ++i) rows.mutable_rows()->add_rows();
  // Half of one, of another kind, that grows to more than an agent's share.
  v1::ResultRecord summary = SummaryRecord(action, 1, v1::OUTCOME_CLEAN, 0);
  for (int i = 0; i < 250'000; ++i) summary.mutable_summary()->mutable_module()->add_unexamined();
  uint64_t sequence = 0;
  for (const v1::ResultRecord& record : {rows, summary}) {
    const Agent liar = Enrol("liar");
    const auto bad = Connect(liar);
    bad->SendRecord(record);
    const grpc::Status status = bad->Finish();
    EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
    EXPECT_NE(status.error_message().find("over its size"), std::string::npos)
        << status.error_message();
    good->SendRecord(RowsRecord(action, ++sequence, {"a"}));
    EXPECT_EQ(good->ReadAcknowledgement().sequence(), sequence);
  }
}

TEST_F(TransportEndToEndTest, TheLargestRecordIsStored) {
  const Agent agent = Enrol("web1");
  const auto peer = Connect(agent);
  const std::string action = LaunchNew();
  peer->SendRecord(RowsRecord(action, 1, std::vector<std::string>(8, std::string(65'000, 'x'))));
  EXPECT_EQ(peer->ReadAcknowledgement().sequence(), 1u);
  EXPECT_EQ(ProgressOf(action).rows(), 8u);
}

TEST_F(TransportEndToEndTest, ARecordBeforeHelloEndsTheSession) {
  const Agent agent = Enrol("web1");
  AgentPeer peer(Channel(agent.tls), agent.facts);
  peer.SendRecord(RowsRecord(NewUuidV4(), 1, {"a"}));
  EXPECT_EQ(peer.Finish().error_code(), grpc::StatusCode::INVALID_ARGUMENT);
}

TEST_F(TransportEndToEndTest, AnAgentThatReadsNoAcknowledgementsIsNotReadOnUntilItDoes) {
  const Agent agent = Enrol("web1");
  const auto peer = Connect(agent);
  const std::string action = LaunchNew();
  const uint64_t before = TheMetrics().records_committed.value();
  const auto committed = [&] { return TheMetrics().records_committed.value() - before; };
  // More than have room, acknowledged, on the way to it.
  constexpr uint64_t kRecords = 6000;
  std::thread writer([&] {
    for (uint64_t i = 1; i <= kRecords; ++i) peer->SendRecord(RowsRecord(action, i, {"x"}));
  });
  // Until nothing more is taken: that may be too soon, but not too late.
  for (uint64_t last = 0; last == 0 || last != committed();) {
    last = committed();
    std::this_thread::sleep_for(std::chrono::milliseconds(500));
  }
  EXPECT_LT(committed(), kRecords);
  for (uint64_t i = 1; i <= kRecords; ++i) {
    const uint64_t sequence = peer->ReadAcknowledgement().sequence();
    EXPECT_EQ(sequence, i);
    if (sequence != i) break;
  }
  writer.join();
  EXPECT_EQ(ProgressOf(action).rows(), kRecords);
}

// ---- streams of one identity

TEST_F(TransportEndToEndTest, StreamsThatSayNothingDontKeepTheAgentOut) {
  const Agent agent = Enrol("web1");
  const auto channel = Channel(agent.tls);
  std::vector<std::unique_ptr<AgentPeer>> silent;
  for (int i = 0; i < 70; ++i) silent.push_back(std::make_unique<AgentPeer>(channel, agent.facts));
  // The first ones are cut off for the later ones; once they are, all have come,
  // and none of them comes between the next one and its Hello.
  for (int i = 0; i < 66; ++i) EXPECT_FALSE(silent[static_cast<size_t>(i)]->Finish().ok());
  const auto peer = Connect(agent);
  EXPECT_EQ(InfoOf(agent).state(), v1::AgentInfo::STATE_ONLINE);
}

class SmallBudgetTest : public TransportEndToEndTest {
 protected:
  void SetUp() override {
    TransportEndToEndTest::SetUp();
    settings_.record_budget = size_t{200} << 10;
    Stop();
    Start();
  }
};

TEST_F(SmallBudgetTest, WhoeverHasToWaitGetsEveryRecordAcknowledgedInTheEnd) {
  constexpr int kAgents = 12;
  constexpr uint64_t kRecords = 40;
  std::vector<Agent> agents;
  std::vector<std::unique_ptr<AgentPeer>> peers;
  for (int i = 0; i < kAgents; ++i) {
    agents.push_back(Enrol("web"));
    peers.push_back(Connect(agents.back()));
  }
  const std::string action = LaunchNew();
  std::vector<std::thread> threads;
  for (auto& peer : peers)
    threads.emplace_back([&action, &peer] {
      // Each is a tenth of the budget; all are sent before an answer is read.
      for (uint64_t i = 1; i <= kRecords; ++i)
        peer->SendRecord(RowsRecord(action, i, {std::string(8000, 'x')}));
      for (uint64_t i = 1; i <= kRecords; ++i) EXPECT_EQ(peer->ReadAcknowledgement().sequence(), i);
    });
  for (std::thread& thread : threads) thread.join();
  EXPECT_EQ(ProgressOf(action).rows(), kAgents * kRecords);
}

TEST_F(SmallBudgetTest, ThoseThatLeaveWhileTheyWaitLeaveRoomToTheOthers) {
  const Agent agent = Enrol("stays");
  const auto stays = Connect(agent);
  const std::string action = LaunchNew();
  for (int round = 0; round < 10; ++round) {
    const Agent other = Enrol("leaves");
    const auto leaves = Connect(other);
    for (uint64_t i = 1; i <= 20; ++i)
      leaves->SendRecord(RowsRecord(action, i, {std::string(60'000, 'x')}));
  }
  for (uint64_t i = 1; i <= 20; ++i) {
    stays->SendRecord(RowsRecord(action, i, {std::string(60'000, 'x')}));
    EXPECT_EQ(stays->ReadAcknowledgement().sequence(), i);
  }
}

TEST_F(SmallBudgetTest, RecordsLargerThanTheBudgetPassOneAfterTheOther) {
  const Agent a = Enrol("a");
  const Agent b = Enrol("b");
  const auto peer_a = Connect(a);
  const auto peer_b = Connect(b);
  const std::string action = LaunchNew();
  for (uint64_t i = 1; i <= 3; ++i) {
    std::vector<std::string> rows(7, std::string(60'000, 'x'));
    peer_a->SendRecord(RowsRecord(action, i, rows));
    peer_b->SendRecord(RowsRecord(action, i, rows));
  }
  for (uint64_t i = 1; i <= 3; ++i) {
    EXPECT_EQ(peer_a->ReadAcknowledgement().sequence(), i);
    EXPECT_EQ(peer_b->ReadAcknowledgement().sequence(), i);
  }
}

// ---- two hosts with one identity

TEST_F(TransportEndToEndTest, OfTwoHostsWithOneIdentityBothStayAndNeitherIsSentActions) {
  Agent agent = Enrol("web1");
  *agent.facts.mutable_boot_time() = ToTimestamp(clock_.Now() - absl::Hours(1));
  const std::string boot_a = NewUuidV4();
  const std::string boot_b = NewUuidV4();
  const auto a = Connect(agent, boot_a);
  const std::string running = LaunchNew();
  EXPECT_NE(a->ReadActionEnvelope(), "");
  auto b = Connect(agent, boot_b);
  EXPECT_EQ(InfoOf(agent).state(), v1::AgentInfo::STATE_ONLINE);
  clock_.Advance(absl::Seconds(31));
  a->Heartbeat(clock_.Now());
  Settle(*a);
  const v1::AgentInfo info = InfoOf(agent);
  EXPECT_EQ(info.state(), v1::AgentInfo::STATE_DUPLICATE);
  ASSERT_EQ(info.same_identity_size(), 2);
  EXPECT_NE(info.same_identity(0).find(boot_a), std::string::npos);
  EXPECT_NE(info.same_identity(1).find(boot_b), std::string::npos);

  // What runs already is stored, whoever sends it.
  a->SendRecord(RowsRecord(running, 1, {"a"}));
  EXPECT_EQ(a->ReadAcknowledgement().sequence(), 1u);
  b->SendRecord(RowsRecord(running, 2, {"b"}));
  EXPECT_EQ(b->ReadAcknowledgement().sequence(), 2u);
  // What is new waits.
  v1::Action action = NewAction();
  *action.mutable_expires() = ToTimestamp(clock_.Now() + absl::Hours(1));
  v1::LaunchResponse launched;
  ASSERT_TRUE(Launch(Sign(action), &launched).ok());
  EXPECT_EQ(launched.connected(), 0u);
  EXPECT_EQ(ProgressOf(action.id()).waiting(), 1u);
  EXPECT_EQ(ProgressOf(action.id()).offline(), 1u);

  // One is switched off.
  b.reset();
  for (int minute = 0; minute < 10; ++minute) {
    clock_.Advance(absl::Minutes(1));
    a->Heartbeat(clock_.Now());
    Settle(*a);
    server_->Tick();
  }
  EXPECT_EQ(InfoOf(agent).state(), v1::AgentInfo::STATE_ONLINE);
  EXPECT_NE(a->ReadActionEnvelope(), "");
}

TEST_F(TransportEndToEndTest, AHostThatWasBootedAnewIsNoClone) {
  Agent agent = Enrol("web1");
  const auto before = Connect(agent, NewUuidV4());
  clock_.Advance(absl::Minutes(5));
  *agent.facts.mutable_boot_time() = ToTimestamp(clock_.Now());
  const auto after = Connect(agent, NewUuidV4());
  // Its last words come late, but not as late as that.
  before->Heartbeat(clock_.Now() - absl::Minutes(1));
  Settle(*before);
  EXPECT_EQ(InfoOf(agent).state(), v1::AgentInfo::STATE_ONLINE);
  LaunchNew();
  EXPECT_NE(after->ReadActionEnvelope(), "");
}

}  // namespace
}  // namespace dragnet::scheduler
