// Retention, status and metrics of a running scheduler whose clock a test moves.
#include <gmock/gmock.h>

#include "core/action.h"
#include "scheduler/server/server_fixture.h"

namespace dragnet::scheduler {
namespace {

using ::testing::HasSubstr;

class OperationsTest : public ServerTest {
 protected:
  // Restarts with these rules.
  void Keep(absl::Duration age) {
    Stop();
    settings_.retention = {.age = age, .clock_hold = absl::ZeroDuration()};
    Start();
  }

  v1::ActionInfo Info(const std::string& id) {
    v1::GetActionRequest request;
    request.set_action_id(id);
    v1::GetActionResponse response;
    EXPECT_TRUE(Api().GetAction(Patience().get(), request, &response).ok());
    return response.action();
  }

  v1::GetStatusResponse Status() {
    v1::GetStatusResponse status;
    EXPECT_TRUE(Api().GetStatus(Patience().get(), {}, &status).ok());
    return status;
  }

  grpc::Status KeepUntil(const std::string& id, absl::Time until) {
    v1::KeepActionRequest request;
    request.set_action_id(id);
    *request.mutable_keep_until() = ToTimestamp(until);
    v1::KeepActionResponse response;
    return Api().KeepAction(Patience().get(), request, &response);
  }

  // An action that one agent has answered with two rows.
  std::string Answered(AgentPeer& peer) {
    const std::string id = LaunchNew();
    EXPECT_NE(peer.ReadActionEnvelope(), "");
    peer.SendRecord(RowsRecord(id, 1, {"one", "two"}));
    peer.SendRecord(SummaryRecord(id, 2, v1::OUTCOME_FOUND, 2));
    EXPECT_EQ(peer.ReadAcknowledgement().sequence(), 1u);
    EXPECT_EQ(peer.ReadAcknowledgement().sequence(), 2u);
    return id;
  }
};

TEST_F(OperationsTest, OldResultsGoAndTheActionSaysSo) {
  Keep(absl::Hours(24));
  const Agent agent = Enrol("web");
  const auto peer = Connect(agent);
  const std::string id = Answered(*peer);
  const std::string kept = Answered(*peer);
  ASSERT_TRUE(KeepUntil(kept, clock_.Now() + absl::Hours(1000)).ok());
  EXPECT_EQ(Status().rows_stored(), 4u);
  EXPECT_FALSE(Info(id).has_results_removed_at());

  clock_.Advance(absl::Hours(26));
  // Its own threads do it, some moments later: asked for until it is so.
  const absl::Time deadline = absl::Now() + absl::Minutes(1);
  while (Status().rows_stored() != 2 && absl::Now() < deadline) continue;
  EXPECT_TRUE(Info(id).has_results_removed_at());
  EXPECT_EQ(Info(id).progress().found(), 1u);
  EXPECT_EQ(Info(id).progress().rows(), 2u);
  EXPECT_FALSE(Info(kept).has_results_removed_at());
  for (const v1::WatchEvent& event : Results(kept)) {
    if (event.has_rows()) {
      EXPECT_EQ(event.rows().rows_size(), 2);
    }
  }
  while (absl::Now() < deadline) {
    const std::vector<v1::WatchEvent> events = Results(id);
    if (std::none_of(events.begin(), events.end(),
                     [](const v1::WatchEvent& event) { return event.has_rows(); }))
      break;
  }
  EXPECT_EQ(StateOf(Results(id), agent.id).state(), v1::DISPATCH_STATE_FOUND);
  EXPECT_EQ(KeepUntil(id, clock_.Now() + absl::Hours(1)).error_code(),
            grpc::StatusCode::FAILED_PRECONDITION);
}

TEST_F(OperationsTest, KeepWantsAnActionAndATimeToCome) {
  const std::string id = LaunchNew();
  EXPECT_EQ(KeepUntil(id, clock_.Now() - absl::Hours(1)).error_code(),
            grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_EQ(KeepUntil(id, clock_.Now() + absl::Hours(24 * 366 * 200)).error_code(),
            grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_EQ(KeepUntil("last", clock_.Now() + absl::Hours(1)).error_code(),
            grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_EQ(
      KeepUntil("0190a000-0000-7000-8000-000000000001", clock_.Now() + absl::Hours(1)).error_code(),
      grpc::StatusCode::NOT_FOUND);
}

TEST_F(OperationsTest, StatusCountsAndFindsAWrongClock) {
  const Agent agent = Enrol("web");
  Enrol("away");
  const auto peer = Connect(agent);
  LaunchNew();
  v1::GetStatusResponse status = Status();
  EXPECT_EQ(status.fleet_id(), settings_.fleet_id);
  EXPECT_EQ(status.agents_online(), 1u);
  EXPECT_EQ(status.agents_online() + status.agents_idle() + status.agents_offline(), 2u);
  EXPECT_EQ(status.actions_active(), 1u);
  EXPECT_GT(status.store_bytes(), 0u);
  EXPECT_GT(status.resident_bytes(), 0u);

  v1::AgentMessage heartbeat;
  *heartbeat.mutable_heartbeat()->mutable_now() = ToTimestamp(clock_.Now() + absl::Minutes(3));
  ASSERT_TRUE(peer->Write(heartbeat));
  // Handled before this is answered: messages of a session are in order.
  peer->SendRecord(RowsRecord("0190a000-0000-7000-8000-000000000001", 1, {"x"}));
  peer->ReadAcknowledgement();
  status = Status();
  EXPECT_THAT(status.problems(),
              ::testing::Contains(HasSubstr("clock that is off by more than a minute (web)")));
}

}  // namespace
}  // namespace dragnet::scheduler
