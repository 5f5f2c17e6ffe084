// Approvals and activity over real TLS, with agents that count what they are sent.
#include <gmock/gmock.h>

#include <filesystem>

#include "core/action.h"
#include "core/envelope.h"
#include "core/file_io.h"
#include "core/order.h"
#include "core/strings.h"
#include "core/text.h"
#include "core/uuid.h"
#include "scheduler/server/server_fixture.h"

namespace dragnet::scheduler {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::SizeIs;

// A policy in which `ping` needs the first investigator and bob.
class ProposalsEndToEndTest : public ServerTest {
 protected:
  void SetUp() override {
    ServerTest::SetUp();
    ASSERT_NO_FATAL_FAILURE(NeedTwo());
  }

  PrivateKey KeyAt(const std::string& name) const {
    return *PrivateKey::FromPem(*ReadFile(Path(name)));
  }
  void Publish(const v1::TrustPolicy& policy) {
    const PrivateKey root = KeyAt("root/root-1.key");
    v1::Envelope envelope = NewEnvelope(kTrustPolicyPayloadType, policy.SerializeAsString());
    ASSERT_TRUE(AddSignature(root, &envelope).ok());
    v1::PublishTrustPolicyRequest request;
    request.set_envelope(envelope.SerializeAsString());
    v1::PublishTrustPolicyResponse response;
    const grpc::Status status = Api().PublishTrustPolicy(Patience().get(), request, &response);
    ASSERT_TRUE(status.ok()) << status.error_message();
  }
  void NeedTwo() {
    v1::GetTrustPolicyResponse response;
    ASSERT_TRUE(Api().GetTrustPolicy(Patience().get(), {}, &response).ok());
    v1::Envelope envelope;
    ASSERT_TRUE(envelope.ParseFromString(response.envelope()));
    ASSERT_TRUE(policy_.ParseFromString(envelope.payload()));
    policy_.set_version(policy_.version() + 1);
    v1::Investigator* bob = policy_.add_investigators();
    bob->set_name("bob");
    bob->add_keys()->set_spki(bob_.public_key().spki());
    bob->add_roles(v1::ROLE_INVESTIGATOR);
    for (v1::ModulePolicy& module : *policy_.mutable_modules()) {
      module.set_minimum_weight(2);
      v1::Weight* weight = module.add_weights();
      weight->set_investigator("bob");
      weight->set_weight(1);
    }
    ASSERT_NO_FATAL_FAILURE(Publish(policy_));
  }
  grpc::Status Propose(const std::string& envelope, v1::ProposeResponse* response) {
    v1::ProposeRequest request;
    request.set_envelope(envelope);
    return Api().Propose(Patience().get(), request, response);
  }
  std::string SignAsBob(const v1::Action& action) const {
    v1::Envelope envelope = NewEnvelope(kActionPayloadType, action.SerializeAsString());
    AddSignature(bob_, &envelope).IgnoreError();
    return envelope.SerializeAsString();
  }
  v1::ActionInfo InfoOf(const std::string& id) {
    v1::GetActionRequest request;
    request.set_action_id(id);
    v1::GetActionResponse response;
    const grpc::Status status = Api().GetAction(Patience().get(), request, &response);
    EXPECT_TRUE(status.ok()) << status.error_message();
    return response.action();
  }
  grpc::Status CancelAsBob(const v1::Action& action) {
    v1::Order order;
    order.set_id(NewUuidV7(clock_.Now()));
    order.set_fleet_id(action.fleet_id());
    order.set_action_id(action.id());
    order.set_kind(v1::Order::KIND_CANCEL);
    order.set_reason("too broad");
    *order.mutable_issued() = ToTimestamp(clock_.Now());
    *order.mutable_expires() = action.expires();
    v1::Envelope envelope = NewEnvelope(kOrderPayloadType, order.SerializeAsString());
    AddSignature(bob_, &envelope).IgnoreError();
    v1::SendOrderRequest request;
    request.set_envelope(envelope.SerializeAsString());
    v1::SendOrderResponse response;
    return Api().SendOrder(Patience().get(), request, &response);
  }

  const PrivateKey bob_ = *PrivateKey::Generate(KeyAlgorithm::kEd25519);
  v1::TrustPolicy policy_;
};

TEST_F(ProposalsEndToEndTest, AgentsGetItWithAllSignaturesAndNotBefore) {
  const Agent agent = Enrol("web1");
  const auto peer = Connect(agent);
  const v1::Action action = NewAction();
  v1::LaunchResponse launched;
  EXPECT_EQ(Launch(Sign(action), &launched).error_code(), grpc::StatusCode::PERMISSION_DENIED);
  v1::ProposeResponse response;
  ASSERT_TRUE(Propose(Sign(action), &response).ok());
  EXPECT_FALSE(response.has_launched());
  EXPECT_EQ(InfoOf(action.id().substr(20)).phase(), v1::DISPATCH_PHASE_PROPOSED);
  EXPECT_EQ(InfoOf(action.id()).progress().targeted(), 0u);
  v1::ListProposalsResponse listed;
  ASSERT_TRUE(Api().ListProposals(Patience().get(), {}, &listed).ok());
  EXPECT_THAT(listed.proposals(), SizeIs(1));
  // It comes to the one agent with both signatures; nothing came before.
  ASSERT_TRUE(Propose(SignAsBob(action), &response).ok());
  EXPECT_EQ(response.launched().connected(), 1u);
  v1::Envelope envelope;
  ASSERT_TRUE(envelope.ParseFromString(peer->ReadActionEnvelope()));
  EXPECT_EQ(envelope.signatures_size(), 2);
  EXPECT_EQ(envelope.payload(), action.SerializeAsString());
  EXPECT_THAT(InfoOf(action.id()).signed_by(), SizeIs(2));
  v1::ListAgentActionsRequest request;
  request.set_agent_id(agent.id);
  v1::ListAgentActionsResponse asked;
  ASSERT_TRUE(Api().ListAgentActions(Patience().get(), request, &asked).ok());
  ASSERT_THAT(asked.actions(), SizeIs(1));
  EXPECT_EQ(asked.actions(0).action_id(), action.id());
}

TEST_F(ProposalsEndToEndTest, ARefusedOneIsShownAsSuchAndNeverLaunched) {
  const v1::Action action = NewAction();
  v1::ProposeResponse response;
  ASSERT_TRUE(Propose(Sign(action), &response).ok());
  const grpc::Status refused = CancelAsBob(action);
  ASSERT_TRUE(refused.ok()) << refused.error_message();
  const v1::ActionInfo info = InfoOf(action.id());
  EXPECT_EQ(info.phase(), v1::DISPATCH_PHASE_REFUSED);
  EXPECT_EQ(info.phase_reason(), "cancelled by bob: too broad");
  EXPECT_THAT(info.orders(), SizeIs(1));
  EXPECT_EQ(Propose(SignAsBob(action), &response).error_code(),
            grpc::StatusCode::FAILED_PRECONDITION);
}

TEST_F(ProposalsEndToEndTest, ABlobThatIsNotThereIsAskedForFirst) {
  v1::Action action = NewAction();
  v1::Blob* blob = action.mutable_operations(0)->add_blobs();
  blob->set_field("yara");
  blob->set_sha256(Sha256("x"));
  blob->set_size(1);
  v1::ProposeResponse response;
  const grpc::Status status = Propose(Sign(action), &response);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::FAILED_PRECONDITION);
  EXPECT_THAT(status.error_message(), HasSubstr("bring it first"));
}

TEST_F(ProposalsEndToEndTest, WhoseWeightIsNotEnoughKeepsABlobForAWeekAndNotForAYear) {
  v1::PutBlobPartRequest part;
  part.set_sha256(Sha256("x"));
  part.set_size(1);
  part.set_data("x");
  v1::PutBlobPartResponse put;
  ASSERT_TRUE(Api().PutBlobPart(Patience().get(), part, &put).ok());
  v1::Action action = NewAction();
  *action.mutable_expires() = ToTimestamp(*ToTime(action.not_before()) + absl::Hours(300 * 24));
  v1::Blob* blob = action.mutable_operations(0)->add_blobs();
  blob->set_field("yara");
  blob->set_sha256(Sha256("x"));
  blob->set_size(1);
  const auto kept_for = [&] {
    return std::filesystem::last_write_time(
               StrCat(settings_.store, ".blobs/", HexEncode(Sha256("x")))) -
           std::filesystem::file_time_type::clock::now();
  };
  v1::ProposeResponse response;
  grpc::Status status = Propose(Sign(action), &response);
  ASSERT_TRUE(status.ok()) << status.error_message();
  EXPECT_GT(kept_for(), std::chrono::hours(6 * 24));
  EXPECT_LT(kept_for(), std::chrono::hours(8 * 24));
  status = Propose(SignAsBob(action), &response);
  ASSERT_TRUE(status.ok()) << status.error_message();
  EXPECT_GT(kept_for(), std::chrono::hours(299 * 24)) << "launched";
}

TEST_F(ProposalsEndToEndTest, ActivityTellsAllAtOnceAndThenWhatChanged) {
  auto context = Patience();
  const auto stream = Api().WatchActivity(context.get(), {});
  v1::Activity activity;
  ASSERT_TRUE(stream->Read(&activity));
  EXPECT_TRUE(activity.all_actions());
  EXPECT_TRUE(activity.proposals());
  EXPECT_TRUE(activity.trust_policy());
  EXPECT_TRUE(activity.agents());
  // Each of them, whatever comes together with what.
  const auto wait_for = [&](const std::function<bool(const v1::Activity&)>& what) {
    while (stream->Read(&activity))
      if (what(activity)) return true;
    return false;
  };
  const v1::Action action = NewAction();
  v1::ProposeResponse response;
  ASSERT_TRUE(Propose(Sign(action), &response).ok());
  EXPECT_TRUE(wait_for([](const auto& news) { return news.proposals(); }));
  ASSERT_TRUE(Propose(SignAsBob(action), &response).ok());
  EXPECT_TRUE(wait_for([&](const auto& news) {
    return news.action_ids_size() == 1 && news.action_ids(0) == action.id();
  }));
  const Agent agent = Enrol("web1");
  {
    const auto peer = Connect(agent);
    EXPECT_TRUE(wait_for([](const auto& news) { return news.agents(); }));
  }
  EXPECT_TRUE(wait_for([](const auto& news) { return news.agents(); }));
  policy_.set_version(policy_.version() + 1);
  ASSERT_NO_FATAL_FAILURE(Publish(policy_));
  EXPECT_TRUE(wait_for([](const auto& news) { return news.trust_policy() && news.proposals(); }));
}

TEST_F(ProposalsEndToEndTest, ActivityEndsForWhoIsRevoked) {
  auto context = Patience();
  const auto stream = Api().WatchActivity(context.get(), {});
  v1::Activity activity;
  ASSERT_TRUE(stream->Read(&activity));
  v1::RevokeRequest request;
  request.set_investigator(policy_.investigators(0).name());
  v1::RevokeResponse response;
  ASSERT_TRUE(Api().Revoke(Patience().get(), request, &response).ok());
  EXPECT_EQ(response.streams(), 1u);
  while (stream->Read(&activity)) {
  }
  EXPECT_EQ(stream->Finish().error_code(), grpc::StatusCode::UNAUTHENTICATED);
}

TEST_F(ProposalsEndToEndTest, WhatAnAgentSaysOfItsLimitsIsBoundedAndShown) {
  const Agent agent = Enrol("web1");
  auto context = Patience();
  const auto stub = v1::AgentGateway::NewStub(Channel(agent.tls));
  const auto session = stub->Session(context.get());
  v1::AgentMessage message;
  *message.mutable_hello()->mutable_facts() = agent.facts;
  for (int i = 0; i < 100; ++i)
    message.mutable_hello()->add_limits(StrCat(i, "\n\x1b[2J", std::string(1000, 'x')));
  ASSERT_TRUE(session->Write(message));
  v1::SchedulerMessage welcome;
  ASSERT_TRUE(session->Read(&welcome));
  v1::SearchAgentsResponse response;
  ASSERT_TRUE(Api().SearchAgents(Patience().get(), {}, &response).ok());
  ASSERT_THAT(response.agents(), SizeIs(1));
  EXPECT_THAT(response.agents(0).limits(), SizeIs(32));
  for (const std::string& limit : response.agents(0).limits()) {
    EXPECT_LE(limit.size(), 210u);
    EXPECT_EQ(limit.find_first_of("\n\x1b"), std::string::npos);
  }
  context->TryCancel();
  session->Finish();
}

}  // namespace
}  // namespace dragnet::scheduler
