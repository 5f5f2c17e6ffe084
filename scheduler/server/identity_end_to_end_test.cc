// Attacks on who is who, over real TLS: each must end in a clear refusal.
#include <arpa/inet.h>
#include <gtest/gtest.h>
#include <openssl/ssl.h>
#include <sys/socket.h>
#include <sys/stat.h>

#include "core/certificate.h"
#include "core/envelope.h"
#include "core/file_io.h"
#include "core/openssl.h"
#include "core/strings.h"
#include "core/unique_fd.h"
#include "core/uuid.h"
#include "dragnet/v1/trust.pb.h"
#include "grpcpp/generic/generic_stub.h"
#include "scheduler/server/server_fixture.h"

namespace dragnet::scheduler {
namespace {

class IdentityEndToEndTest : public ServerTest {
 protected:
  // How a Session ends that only says Hello.
  grpc::Status SessionStatus(const rpc::TlsIdentity& tls, const v1::Facts& facts) {
    AgentPeer peer(Channel(tls), facts);
    v1::AgentMessage message;
    *message.mutable_hello()->mutable_facts() = facts;
    peer.Write(message);
    return peer.Finish();
  }
  grpc::Status ListStatus(const rpc::TlsIdentity& tls) {
    v1::ListActionsResponse response;
    return v1::InvestigatorService::NewStub(Channel(tls))
        ->ListActions(Patience().get(), {}, &response);
  }
  v1::RevokeResponse RevokeAgent(const std::string& id) {
    v1::RevokeRequest request;
    request.set_agent_id(id);
    v1::RevokeResponse response;
    const grpc::Status status = Api().Revoke(Patience().get(), request, &response);
    EXPECT_TRUE(status.ok()) << status.error_message();
    return response;
  }
  std::vector<v1::Refusal> RefusalsOf(const std::string& agent_id) {
    v1::ListRefusalsRequest request;
    request.set_agent_id(agent_id);
    v1::ListRefusalsResponse response;
    EXPECT_TRUE(Api().ListRefusals(Patience().get(), request, &response).ok());
    std::vector<v1::Refusal> refusals;
    for (const auto& entry : response.refusals()) refusals.push_back(entry.refusal());
    return refusals;
  }
};

TEST_F(IdentityEndToEndTest, WithoutACertificateOnlyEnrolmentIsPossible) {
  EXPECT_EQ(ListStatus({}).error_code(), grpc::StatusCode::UNAUTHENTICATED);
  EXPECT_EQ(SessionStatus({}, FactsOf(NewUuidV4(), "x")).error_code(),
            grpc::StatusCode::UNAUTHENTICATED);
  v1::EnrollRequest request;
  request.set_token("guess");
  request.set_agent_id(NewUuidV4());
  request.set_csr(*CreateSigningRequest(*PrivateKey::Generate(KeyAlgorithm::kEcdsaP256)));
  *request.mutable_facts() = FactsOf(request.agent_id(), "x");
  v1::EnrollResponse response;
  const grpc::Status status =
      v1::AgentGateway::NewStub(Channel({}))->Enroll(Patience().get(), request, &response);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::UNAUTHENTICATED);
  EXPECT_NE(status.error_message().find("token"), std::string::npos) << status.error_message();
}

TEST_F(IdentityEndToEndTest, InvestigatorsCertificateIsNoAgents) {
  EXPECT_EQ(SessionStatus(investigator_tls_, FactsOf(NewUuidV4(), "x")).error_code(),
            grpc::StatusCode::PERMISSION_DENIED);
}

TEST_F(IdentityEndToEndTest, AgentsCertificateIsNoInvestigators) {
  const Agent agent = Enrol("web1");
  EXPECT_EQ(ListStatus(agent.tls).error_code(), grpc::StatusCode::PERMISSION_DENIED);
  v1::LaunchRequest request;
  request.set_envelope(Sign(NewAction()));
  v1::LaunchResponse response;
  EXPECT_EQ(v1::InvestigatorService::NewStub(Channel(agent.tls))
                ->Launch(Patience().get(), request, &response)
                .error_code(),
            grpc::StatusCode::PERMISSION_DENIED);
}

TEST_F(IdentityEndToEndTest, CertificateOfAnotherCaGetsNoConnection) {
  const auto other = CertificateAuthority::Create(settings_.fleet_id, clock_.Now());
  const PrivateKey key = *PrivateKey::Generate(KeyAlgorithm::kEcdsaP256);
  const auto issued = other->IssueInvestigator(key.public_key(), settings_.fleet_id, "alice",
                                               clock_.Now(), absl::Hours(1));
  EXPECT_EQ(ListStatus({issued->chain_pem, key.ToPem()}).error_code(),
            grpc::StatusCode::UNAVAILABLE);
}

TEST_F(IdentityEndToEndTest, CertificateThatTheStoreDoesNotKnowIsRefused) {
  const rpc::TlsIdentity forged = Issue([&](const auto& ca, const PublicKey& key) {
    return ca.IssueInvestigator(key, settings_.fleet_id, "alice", clock_.Now(), absl::Hours(1));
  });
  EXPECT_EQ(ListStatus(forged).error_code(), grpc::StatusCode::UNAUTHENTICATED);
}

TEST_F(IdentityEndToEndTest, CertificateOfAnotherFleetIsRefused) {
  const rpc::TlsIdentity foreign = Issue([&](const auto& ca, const PublicKey& key) {
    return ca.IssueInvestigator(key, "other-0123456789ab", "alice", clock_.Now(), absl::Hours(1));
  });
  EXPECT_EQ(ListStatus(foreign).error_code(), grpc::StatusCode::UNAUTHENTICATED);
}

TEST_F(IdentityEndToEndTest, SchedulersOwnCertificateIsNoClients) {
  const rpc::TlsIdentity server = {*ReadFile(Path("scheduler/server.pem")),
                                   *ReadFile(Path("scheduler/server.key"))};
  EXPECT_FALSE(ListStatus(server).ok());
}

TEST_F(IdentityEndToEndTest, ExpiredCertificateGetsNoConnectionAndItsStreamsClose) {
  const rpc::TlsIdentity expired = Issue([&](const auto& ca, const PublicKey& key) {
    return ca.IssueInvestigator(key, settings_.fleet_id, "alice", clock_.Now() - absl::Hours(2),
                                absl::Hours(1));
  });
  EXPECT_EQ(ListStatus(expired).error_code(), grpc::StatusCode::UNAVAILABLE);

  const Agent agent = Enrol("web1");
  const auto peer = Connect(agent);
  clock_.Advance(settings_.agent_certificate_lifetime + absl::Hours(1));
  server_->Tick();
  EXPECT_EQ(peer->Finish().error_code(), grpc::StatusCode::UNAUTHENTICATED);
  EXPECT_EQ(SessionStatus(agent.tls, agent.facts).error_code(), grpc::StatusCode::UNAUTHENTICATED);
}

TEST_F(IdentityEndToEndTest, RevokedAgentsOpenStreamClosesAndItCanNotComeBack) {
  const Agent agent = Enrol("web1");
  const auto peer = Connect(agent);
  const v1::RevokeResponse revoked = RevokeAgent(agent.id);
  EXPECT_EQ(revoked.certificates(), 1u);
  EXPECT_EQ(revoked.streams(), 1u);
  const grpc::Status status = peer->Finish();
  EXPECT_EQ(status.error_code(), grpc::StatusCode::UNAUTHENTICATED);
  EXPECT_NE(status.error_message().find("revoked"), std::string::npos);
  EXPECT_EQ(SessionStatus(agent.tls, agent.facts).error_code(), grpc::StatusCode::UNAUTHENTICATED);
  v1::RenewRequest request;
  request.set_csr(*CreateSigningRequest(*PrivateKey::Generate(KeyAlgorithm::kEcdsaP256)));
  v1::RenewResponse response;
  EXPECT_EQ(v1::AgentGateway::NewStub(Channel(agent.tls))
                ->Renew(Patience().get(), request, &response)
                .error_code(),
            grpc::StatusCode::UNAUTHENTICATED);
  // Nor is it a target any more.
  v1::LaunchResponse launched;
  ASSERT_TRUE(Launch(Sign(NewAction()), &launched).ok());
  EXPECT_EQ(launched.targeted(), 0u);
}

TEST_F(IdentityEndToEndTest, RevocationHoldsOverARestart) {
  const Agent agent = Enrol("web1");
  RevokeAgent(agent.id);
  Stop();
  Start();
  EXPECT_EQ(SessionStatus(agent.tls, agent.facts).error_code(), grpc::StatusCode::UNAUTHENTICATED);
}

TEST_F(IdentityEndToEndTest, RevokedInvestigatorsWatchCloses) {
  Enrol("away");
  const std::string id = LaunchNew();
  v1::WatchRequest watch;
  watch.set_action_id(id);
  watch.set_until_expired(true);
  const auto context = Patience();
  const auto reader = Api().Watch(context.get(), watch);
  v1::WatchEvent event;
  ASSERT_TRUE(reader->Read(&event));
  v1::RevokeRequest request;
  request.set_investigator("alice");
  v1::RevokeResponse response;
  ASSERT_TRUE(Api().Revoke(Patience().get(), request, &response).ok());
  EXPECT_EQ(response.streams(), 1u);
  while (reader->Read(&event)) {
  }
  EXPECT_EQ(reader->Finish().error_code(), grpc::StatusCode::UNAUTHENTICATED);
  EXPECT_EQ(ListStatus(investigator_tls_).error_code(), grpc::StatusCode::UNAUTHENTICATED);
}

TEST_F(IdentityEndToEndTest, RenewedCertificateIsTheSameAgent) {
  Agent agent = Enrol("web1");
  const PrivateKey key = *PrivateKey::FromPem(agent.tls.private_key);
  v1::RenewRequest request;
  request.set_csr(*CreateSigningRequest(key));
  v1::RenewResponse response;
  ASSERT_TRUE(v1::AgentGateway::NewStub(Channel(agent.tls))
                  ->Renew(Patience().get(), request, &response)
                  .ok());
  agent.tls = {response.certificate_chain(), key.ToPem()};
  Connect(agent);
  EXPECT_EQ(RevokeAgent(agent.id).certificates(), 2u);
}

TEST_F(IdentityEndToEndTest, CallThatIsNotInTheTableIsRefused) {
  grpc::GenericStub stub(Channel(investigator_tls_));
  grpc::CompletionQueue queue;
  const auto context = Patience();
  grpc::ByteBuffer request, response;
  grpc::Status status;
  const auto call =
      stub.PrepareUnaryCall(context.get(), "/dragnet.v1.InvestigatorService/Nope", request, &queue);
  call->StartCall();
  call->Finish(&response, &status, nullptr);
  void* tag = nullptr;
  bool ok = false;
  ASSERT_TRUE(queue.Next(&tag, &ok));
  EXPECT_EQ(status.error_code(), grpc::StatusCode::PERMISSION_DENIED);
}

TEST_F(IdentityEndToEndTest, ClientThatSpeaksOnlyTls12GetsNoConnection) {
  const std::unique_ptr<SSL_CTX, OpensslDeleter<SSL_CTX_free>> context(
      SSL_CTX_new(TLS_client_method()));
  const auto handshake = [&](int version) {
    const UniqueFd socket(::socket(AF_INET, SOCK_STREAM, 0));
    sockaddr_in address = {};
    address.sin_family = AF_INET;
    const std::string& text = server_->address();
    address.sin_port = htons(static_cast<uint16_t>(std::stoi(text.substr(text.rfind(':') + 1))));
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    EXPECT_EQ(::connect(socket.get(), reinterpret_cast<sockaddr*>(&address), sizeof(address)), 0);
    const std::unique_ptr<SSL, OpensslDeleter<SSL_free>> ssl(SSL_new(context.get()));
    SSL_set_max_proto_version(ssl.get(), version);
    const unsigned char alpn[] = {2, 'h', '2'};
    SSL_set_alpn_protos(ssl.get(), alpn, sizeof(alpn));
    SSL_set_fd(ssl.get(), socket.get());
    const bool connected = SSL_connect(ssl.get()) == 1;
    ClearOpensslErrors();
    return connected;
  };
  EXPECT_TRUE(handshake(TLS1_3_VERSION));
  EXPECT_FALSE(handshake(TLS1_2_VERSION));
  EXPECT_FALSE(handshake(TLS1_1_VERSION));
}

TEST_F(IdentityEndToEndTest, AgentCanNotSayThatItIsAnotherOne) {
  const Agent a = Enrol("a"), b = Enrol("b");
  const grpc::Status status = SessionStatus(a.tls, b.facts);
  EXPECT_EQ(status.error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  EXPECT_NE(status.error_message().find(a.id), std::string::npos) << status.error_message();
  v1::Facts foreign = a.facts;
  foreign.set_fleet_id("other-0123456789ab");
  EXPECT_EQ(SessionStatus(a.tls, foreign).error_code(), grpc::StatusCode::INVALID_ARGUMENT);

  const auto peer = Connect(a);
  v1::AgentMessage message;
  *message.mutable_facts_changed()->mutable_facts() = b.facts;
  peer->Write(message);
  EXPECT_EQ(peer->Finish().error_code(), grpc::StatusCode::INVALID_ARGUMENT);
}

TEST_F(IdentityEndToEndTest, HelloComesFirstAndOnce) {
  const Agent agent = Enrol("web1");
  v1::AgentMessage heartbeat;
  heartbeat.mutable_heartbeat();
  {
    AgentPeer peer(Channel(agent.tls), agent.facts);
    peer.Write(heartbeat);
    EXPECT_EQ(peer.Finish().error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  }
  const auto peer = Connect(agent);
  v1::AgentMessage hello;
  *hello.mutable_hello()->mutable_facts() = agent.facts;
  peer->Write(hello);
  EXPECT_EQ(peer->Finish().error_code(), grpc::StatusCode::INVALID_ARGUMENT);
}

TEST_F(IdentityEndToEndTest, SecondSessionOfAnAgentReplacesTheFirst) {
  const Agent agent = Enrol("web1");
  const auto first = Connect(agent);
  const auto second = Connect(agent);
  const grpc::Status status = first->Finish();
  EXPECT_EQ(status.error_code(), grpc::StatusCode::ABORTED);
  LaunchNew();
  EXPECT_NE(second->ReadActionEnvelope(), "");
}

TEST_F(IdentityEndToEndTest, RecordsOfAnotherAgentsActionAreDroppedAndNoted) {
  const Agent a = Enrol("a"), b = Enrol("b");
  const auto peer_a = Connect(a), peer_b = Connect(b);
  const std::string id = LaunchNew("name='a'");
  peer_a->ReadActionEnvelope();
  peer_b->SendRecord(RowsRecord(id, 1, {"planted"}));
  peer_b->SendRecord(SummaryRecord(id, 2, v1::OUTCOME_FOUND, 1));
  // Acknowledged, or they would stand in its spool for ever.
  EXPECT_EQ(peer_b->ReadAcknowledgement().sequence(), 1u);
  EXPECT_EQ(peer_b->ReadAcknowledgement().sequence(), 2u);
  const auto events = Results(id);
  for (const v1::WatchEvent& event : events) EXPECT_FALSE(event.has_rows());
  EXPECT_EQ(events.back().end().progress().targeted(), 1u);
  const auto refusals = RefusalsOf(b.id);
  ASSERT_EQ(refusals.size(), 1u);
  EXPECT_NE(refusals[0].detail().find("not sent"), std::string::npos) << refusals[0].detail();
  EXPECT_TRUE(RefusalsOf(a.id).empty());
}

// Each is acknowledged at once, so the window alone doesn't slow it down.
TEST_F(IdentityEndToEndTest, AFloodOfRecordsThatAreDroppedEndsTheStream) {
  const Agent agent = Enrol("web1");
  const auto peer = Connect(agent);
  v1::AgentMessage message;
  v1::ResultRecord& record = *message.mutable_record();
  record.set_action_id("0190a000-0000-7000-8000-00000000ffff");
  record.mutable_rows()->add_rows("made up");
  uint64_t sent = 0;
  for (; sent < 5000; ++sent) {
    record.set_sequence(sent + 1);
    if (!peer->Write(message) || peer->ReadAcknowledgement().sequence() == ~uint64_t{0}) break;
  }
  EXPECT_GE(sent, 199u);
  EXPECT_LT(sent, 5000u);
  EXPECT_EQ(peer->Finish().error_code(), grpc::StatusCode::RESOURCE_EXHAUSTED);
  // The next session begins anew.
  const auto next = Connect(agent);
  record.set_sequence(1);
  next->SendRecord(record);
  EXPECT_EQ(next->ReadAcknowledgement().sequence(), 1u);
}

TEST_F(IdentityEndToEndTest, OversizedRecordsAreDroppedAndNotedLargerMessagesEndTheStream) {
  const Agent agent = Enrol("web1");
  const auto peer = Connect(agent);
  const std::string id = LaunchNew();
  peer->ReadActionEnvelope();
  v1::ResultRecord large = RowsRecord(id, 1, {});
  for (int i = 0; i < 20; ++i) large.mutable_rows()->add_rows(std::string(60000, 'x'));
  peer->SendRecord(large);
  EXPECT_EQ(peer->ReadAcknowledgement().sequence(), 1u);
  ASSERT_EQ(RefusalsOf(agent.id).size(), 1u);
  peer->SendRecord(SummaryRecord(id, 2, v1::OUTCOME_CLEAN, 0));
  peer->ReadAcknowledgement();
  EXPECT_EQ(ProgressOf(id).incomplete(), 1u);

  for (int i = 0; i < 20; ++i) large.mutable_rows()->add_rows(std::string(60000, 'x'));
  peer->SendRecord(large);
  EXPECT_FALSE(peer->Finish().ok());
  EXPECT_EQ(ProgressOf(id).rows(), 0u);
}

TEST_F(IdentityEndToEndTest, RecordWithAnEndlessKeyEndsTheStreamInsteadOfBeingEchoed) {
  const Agent agent = Enrol("web1");
  v1::ResultRecord record = RowsRecord(std::string(1 << 20, 'x'), 1, {"row"});
  const auto first = Connect(agent);
  first->SendRecord(record);
  EXPECT_EQ(first->Finish().error_code(), grpc::StatusCode::INVALID_ARGUMENT);
  record.Clear();
  record.mutable_refusal()->set_envelope_sha256(std::string(1 << 20, 'x'));
  const auto second = Connect(agent);
  second->SendRecord(record);
  EXPECT_EQ(second->Finish().error_code(), grpc::StatusCode::INVALID_ARGUMENT);
}

TEST_F(IdentityEndToEndTest, FloodOfMessagesThatAreNoResultsEndsTheStream) {
  const Agent agent = Enrol("web1");
  const auto peer = Connect(agent);
  v1::AgentMessage message;
  message.mutable_policy_taken()->set_version(1);
  for (int i = 0; i < 2000; ++i) peer->Write(message);
  EXPECT_EQ(peer->Finish().error_code(), grpc::StatusCode::RESOURCE_EXHAUSTED);
}

TEST_F(IdentityEndToEndTest, NewPolicyReachesConnectedAgentsAndOldOnesAreRefused) {
  const Agent agent = Enrol("web1");
  const auto peer = Connect(agent);
  v1::GetTrustPolicyResponse current;
  ASSERT_TRUE(Api().GetTrustPolicy(Patience().get(), {}, &current).ok());
  v1::Envelope envelope;
  ASSERT_TRUE(envelope.ParseFromString(current.envelope()));
  v1::TrustPolicy policy;
  ASSERT_TRUE(policy.ParseFromString(envelope.payload()));
  policy.set_version(2);
  // Without roles for the one who publishes it.
  policy.mutable_investigators(0)->clear_roles();
  policy.mutable_investigators(0)->add_roles(v1::ROLE_READER);
  envelope = NewEnvelope(kTrustPolicyPayloadType, policy.SerializeAsString());
  v1::PublishTrustPolicyRequest request;
  request.set_envelope(envelope.SerializeAsString());
  v1::PublishTrustPolicyResponse response;
  EXPECT_EQ(Api().PublishTrustPolicy(Patience().get(), request, &response).error_code(),
            grpc::StatusCode::PERMISSION_DENIED);
  ASSERT_TRUE(AddSignature(*PrivateKey::Load(Path("root/root-1.key")), &envelope).ok());
  request.set_envelope(envelope.SerializeAsString());
  const grpc::Status status = Api().PublishTrustPolicy(Patience().get(), request, &response);
  ASSERT_TRUE(status.ok()) << status.error_message();
  EXPECT_EQ(response.version(), 2u);
  v1::SchedulerMessage message;
  ASSERT_TRUE(peer->Read(&message));
  EXPECT_EQ(message.trust_policy_envelope(), request.envelope());
  // Roles follow the policy at once.
  EXPECT_TRUE(ListStatus(investigator_tls_).ok());
  v1::LaunchResponse launched;
  EXPECT_EQ(Launch(Sign(NewAction()), &launched).error_code(), grpc::StatusCode::PERMISSION_DENIED);
}

TEST_F(IdentityEndToEndTest, PortAndStoreThatAreTakenAreNamed) {
  Settings second = settings_;
  EXPECT_TRUE(absl::IsUnavailable(Server::Start(second, clock_).status()));
  Stop();
  const UniqueFd socket(::socket(AF_INET, SOCK_STREAM, 0));
  sockaddr_in address = {};
  address.sin_family = AF_INET;
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t length = sizeof(address);
  ASSERT_EQ(::bind(socket.get(), reinterpret_cast<sockaddr*>(&address), length), 0);
  ASSERT_EQ(::listen(socket.get(), 1), 0);
  ::getsockname(socket.get(), reinterpret_cast<sockaddr*>(&address), &length);
  settings_.listen = StrCat("127.0.0.1:", ntohs(address.sin_port));
  const absl::Status status = Server::Start(settings_, clock_).status();
  EXPECT_TRUE(absl::IsUnavailable(status));
  EXPECT_NE(status.ToString().find("in use"), std::string::npos) << status;
}

TEST_F(IdentityEndToEndTest, KeyThatOthersCanReadIsRefused) {
  Stop();
  ASSERT_EQ(::chmod(settings_.ca_key.c_str(), 0644), 0);
  EXPECT_TRUE(absl::IsPermissionDenied(Server::Start(settings_, clock_).status()));
}

}  // namespace
}  // namespace dragnet::scheduler
