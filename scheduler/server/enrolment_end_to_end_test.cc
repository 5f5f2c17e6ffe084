// Over gRPC: agents that leave the fleet by an action or by another that takes their
// place, and what becomes of their streams.
#include <gtest/gtest.h>

#include "core/certificate.h"
#include "core/uuid.h"
#include "modules/retire/retire.pb.h"
#include "scheduler/server/server_fixture.h"

namespace dragnet::scheduler {
namespace {

class EnrolmentEndToEndTest : public ServerTest {
 protected:
  // Launched; gives its id.
  std::string LaunchRetire(const std::string& agent_id) {
    retire::v1::RetireParameters parameters;
    parameters.add_agent_ids(agent_id);
    v1::Action action = NewAction();
    action.mutable_operations(0)->set_module("retire");
    action.mutable_operations(0)->set_parameters(parameters.SerializeAsString());
    v1::LaunchResponse launched;
    const grpc::Status status = Launch(Sign(action), &launched);
    EXPECT_TRUE(status.ok()) << status.error_message();
    return action.id();
  }
  grpc::Status Enroll(const v1::EnrollRequest& request, v1::EnrollResponse* response) {
    return v1::AgentGateway::NewStub(Channel({}))->Enroll(Patience().get(), request, response);
  }
  v1::AgentInfo::State StateOfAgent(const std::string& id) {
    v1::SearchAgentsResponse agents;
    EXPECT_TRUE(Api().SearchAgents(Patience().get(), {}, &agents).ok());
    for (const v1::AgentInfo& agent : agents.agents())
      if (agent.facts().id() == id) return agent.state();
    return v1::AgentInfo::STATE_UNSPECIFIED;
  }
};

TEST_F(EnrolmentEndToEndTest, AnAgentThatRetiresIsRevokedAfterItReadItsAcknowledgement) {
  const Agent agent = Enrol("web1");
  const Agent stays = Enrol("web2");
  const auto peer = Connect(agent);
  const auto other = Connect(stays);
  const std::string action = LaunchRetire(agent.id);
  ASSERT_FALSE(peer->ReadActionEnvelope().empty());
  // Both say that they have done it; the action names one.
  other->SendRecord(SummaryRecord(action, 1, v1::OUTCOME_CLEAN, 0));
  EXPECT_EQ(other->ReadAcknowledgement().sequence(), 1u);
  peer->SendRecord(RowsRecord(action, 1, {"row"}));
  peer->SendRecord(SummaryRecord(action, 2, v1::OUTCOME_FOUND, 1));
  EXPECT_EQ(peer->ReadAcknowledgement().sequence(), 1u);
  EXPECT_EQ(peer->ReadAcknowledgement().sequence(), 2u);
  const grpc::Status status = peer->Finish();
  EXPECT_EQ(status.error_code(), grpc::StatusCode::UNAUTHENTICATED) << status.error_message();
  EXPECT_NE(status.error_message().find("revoked"), std::string::npos);
  EXPECT_EQ(StateOfAgent(agent.id), v1::AgentInfo::STATE_REVOKED);
  EXPECT_EQ(StateOfAgent(stays.id), v1::AgentInfo::STATE_ONLINE);
  // What it sent is there.
  EXPECT_EQ(StateOf(Results(action), agent.id).state(), v1::DISPATCH_STATE_FOUND);
}

TEST_F(EnrolmentEndToEndTest, TheStreamOfAnAgentThatWasReplacedCloses) {
  const Agent before = Enrol("web1");
  const auto peer = Connect(before);
  v1::CreateEnrolmentTokenRequest terms;
  terms.set_replaces_agent_id(before.id);
  v1::CreateEnrolmentTokenResponse token;
  ASSERT_TRUE(Api().CreateEnrolmentToken(Patience().get(), terms, &token).ok());
  const std::string id = NewUuidV4();
  v1::EnrollRequest request;
  request.set_token(token.token());
  request.set_agent_id(id);
  request.set_csr(*CreateSigningRequest(*PrivateKey::Generate(KeyAlgorithm::kEcdsaP256)));
  *request.mutable_facts() = FactsOf(id, "web1");
  v1::EnrollResponse response;
  const grpc::Status enrolled = Enroll(request, &response);
  ASSERT_TRUE(enrolled.ok()) << enrolled.error_message();
  EXPECT_EQ(peer->Finish().error_code(), grpc::StatusCode::UNAUTHENTICATED);
  EXPECT_EQ(StateOfAgent(before.id), v1::AgentInfo::STATE_REVOKED);
}

TEST_F(EnrolmentEndToEndTest, HostsThatWaitAreCountedInTheStatus) {
  v1::CreateEnrolmentTokenRequest terms;
  terms.set_needs_approval(true);
  v1::CreateEnrolmentTokenResponse token;
  ASSERT_TRUE(Api().CreateEnrolmentToken(Patience().get(), terms, &token).ok());
  const std::string id = NewUuidV4();
  v1::EnrollRequest request;
  request.set_token(token.token());
  request.set_agent_id(id);
  request.set_csr(*CreateSigningRequest(*PrivateKey::Generate(KeyAlgorithm::kEcdsaP256)));
  *request.mutable_facts() = FactsOf(id, "web1");
  v1::EnrollResponse response;
  EXPECT_EQ(Enroll(request, &response).error_code(), grpc::StatusCode::UNAVAILABLE);
  v1::GetStatusResponse status;
  ASSERT_TRUE(Api().GetStatus(Patience().get(), {}, &status).ok());
  bool said = false;
  for (const std::string& problem : status.problems())
    said |= problem == "1 host waits to be let in: dragnet enroll requests";
  EXPECT_TRUE(said);
  v1::ListEnrolmentRequestsResponse requests;
  ASSERT_TRUE(Api().ListEnrolmentRequests(Patience().get(), {}, &requests).ok());
  ASSERT_EQ(requests.total(), 1u);
  EXPECT_EQ(requests.requests(0).address(), "127.0.0.1");
  EXPECT_EQ(requests.requests(0).token_id(), token.token_id());
}

}  // namespace
}  // namespace dragnet::scheduler
