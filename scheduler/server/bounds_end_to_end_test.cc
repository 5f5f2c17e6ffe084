// Agents that send more than an operation may store, over real TLS: honest ones,
// whose own limits are larger than the scheduler's, and those that only pretend.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/strings.h"
#include "scheduler/server/server_fixture.h"

namespace dragnet::scheduler {
namespace {

using ::testing::HasSubstr;

constexpr uint64_t kMaxRows = 10;
// As Welcome says.
constexpr uint64_t kWindow = 32;

class BoundsEndToEndTest : public ServerTest {
 protected:
  void SetUp() override {
    ServerTest::SetUp();
    settings_.max_rows = kMaxRows;
    Stop();
    Start();
  }
  std::vector<v1::Refusal> RefusalsOf(const std::string& agent_id) {
    v1::ListRefusalsRequest request;
    request.set_agent_id(agent_id);
    v1::ListRefusalsResponse response;
    EXPECT_TRUE(Api().ListRefusals(Patience().get(), request, &response).ok());
    std::vector<v1::Refusal> refusals;
    for (const auto& refusal : response.refusals()) refusals.push_back(refusal.refusal());
    return refusals;
  }
  // As an agent does, a window at a time. How many were acknowledged, in order.
  static uint64_t SendAll(AgentPeer& peer, const std::string& action, uint64_t records) {
    const auto send = [&](uint64_t sequence) {
      if (sequence <= records) peer.SendRecord(RowsRecord(action, sequence, {"a", "b", "c"}));
    };
    for (uint64_t sequence = 1; sequence <= kWindow; ++sequence) send(sequence);
    for (uint64_t sequence = 1; sequence <= records; ++sequence) {
      if (peer.ReadAcknowledgement().sequence() != sequence) return sequence - 1;
      send(sequence + kWindow);
    }
    return records;
  }
};

TEST_F(BoundsEndToEndTest, AnHonestAgentThatIsOverTheCeilingEndsIncompleteInOneSession) {
  // More than may be missing, and many more than may be good for nothing.
  constexpr uint64_t kRecords = 1500;
  const Agent agent = Enrol("web1");
  const auto peer = Connect(agent);
  const std::string id = LaunchNew();
  const absl::Time start = SteadyNow();
  ASSERT_EQ(SendAll(*peer, id, kRecords), kRecords);
  // Held back, as DropLimit says: 400, and 200 a second.
  EXPECT_GT(SteadyNow() - start, absl::Seconds(4));
  peer->SendRecord(SummaryRecord(id, kRecords + 1, v1::OUTCOME_FOUND, 3 * kRecords));
  EXPECT_EQ(peer->ReadAcknowledgement().sequence(), kRecords + 1);

  const v1::AgentState state = StateOf(Results(id), agent.id);
  EXPECT_EQ(state.state(), v1::DISPATCH_STATE_INCOMPLETE);
  EXPECT_EQ(state.summaries_size(), 1);
  EXPECT_EQ(state.rows(), kMaxRows - kMaxRows % 3);
  EXPECT_THAT(state.detail(), HasSubstr(StrCat("more than ", kMaxRows, " rows")));
  EXPECT_THAT(state.detail(), HasSubstr("max_rows"));
  EXPECT_EQ(RefusalsOf(agent.id).size(), 1u);

  // It answers what it is asked next.
  const std::string next = LaunchNew();
  peer->SendRecord(SummaryRecord(next, 1, v1::OUTCOME_CLEAN, 0));
  EXPECT_EQ(peer->ReadAcknowledgement().action_id(), next);
  EXPECT_EQ(StateOf(Results(next), agent.id).state(), v1::DISPATCH_STATE_CLEAN);
}

TEST_F(BoundsEndToEndTest, ASchedulerThatStartsAnewMeanwhileCountsOn) {
  const Agent agent = Enrol("web1");
  auto peer = Connect(agent);
  const std::string id = LaunchNew();
  ASSERT_EQ(SendAll(*peer, id, 20), 20u);
  Stop();
  Start();
  peer = Connect(agent);
  // Its acknowledgement was lost, it thinks.
  peer->SendRecord(RowsRecord(id, 20, {"a", "b", "c"}));
  EXPECT_EQ(peer->ReadAcknowledgement().sequence(), 20u);
  peer->SendRecord(RowsRecord(id, 21, {"a", "b", "c"}));
  EXPECT_EQ(peer->ReadAcknowledgement().sequence(), 21u);
  peer->SendRecord(SummaryRecord(id, 22, v1::OUTCOME_FOUND, 63));
  EXPECT_EQ(peer->ReadAcknowledgement().sequence(), 22u);
  const v1::AgentState state = StateOf(Results(id), agent.id);
  EXPECT_EQ(state.state(), v1::DISPATCH_STATE_INCOMPLETE);
  EXPECT_THAT(state.detail(), HasSubstr("18 records were dropped"));
}

// The indulgence is for what comes next of an operation that runs, only.
TEST_F(BoundsEndToEndTest, WhoeverRepeatsWhatIsOverTheCeilingIsCutOff) {
  const Agent agent = Enrol("web1");
  const auto peer = Connect(agent);
  const std::string id = LaunchNew();
  ASSERT_EQ(SendAll(*peer, id, 10), 10u);
  v1::AgentMessage message;
  *message.mutable_record() = RowsRecord(id, 10, {"a", "b", "c"});
  int sent = 0;
  while (sent < 5000 && peer->Write(message) && peer->ReadAcknowledgement().sequence() == 10u)
    ++sent;
  EXPECT_LT(sent, 5000);
  EXPECT_EQ(peer->Finish().error_code(), grpc::StatusCode::RESOURCE_EXHAUSTED);
}

TEST_F(BoundsEndToEndTest, WhoeverGoesOnAfterTheSummaryIsCutOff) {
  const Agent agent = Enrol("web1");
  const auto peer = Connect(agent);
  const std::string id = LaunchNew();
  // A summary from far ahead leaves room for sequences below it.
  peer->SendRecord(SummaryRecord(id, 1'000'000, v1::OUTCOME_FOUND, 3));
  EXPECT_EQ(peer->ReadAcknowledgement().sequence(), 1'000'000u);
  uint64_t sent = 0;
  v1::AgentMessage message;
  for (; sent < 5000; ++sent) {
    *message.mutable_record() = RowsRecord(id, sent + 1, std::vector<std::string>(11, "x"));
    if (!peer->Write(message) || peer->ReadAcknowledgement().sequence() != sent + 1) break;
  }
  EXPECT_LT(sent, 5000u);
  EXPECT_EQ(peer->Finish().error_code(), grpc::StatusCode::RESOURCE_EXHAUSTED);
}

}  // namespace
}  // namespace dragnet::scheduler
