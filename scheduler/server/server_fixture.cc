#include "scheduler/server/server_fixture.h"

#include <grpc/grpc_security_constants.h>
#include <spdlog/spdlog.h>

#include <utility>

#include "core/action.h"
#include "core/certificate.h"
#include "core/envelope.h"
#include "core/file_io.h"
#include "core/strings.h"
#include "core/uuid.h"
#include "scheduler/init/init.h"

namespace dragnet::scheduler {

std::unique_ptr<grpc::ClientContext> Patience() {
  auto context = std::make_unique<grpc::ClientContext>();
  context->set_deadline(std::chrono::system_clock::now() + std::chrono::minutes(1));
  return context;
}

v1::ResultRecord RowsRecord(const std::string& action_id, uint64_t sequence,
                            std::vector<std::string> rows, uint32_t operation) {
  v1::ResultRecord record;
  record.set_action_id(action_id);
  record.set_operation(operation);
  record.set_sequence(sequence);
  for (std::string& row : rows) record.mutable_rows()->add_rows(std::move(row));
  return record;
}

v1::ResultRecord SummaryRecord(const std::string& action_id, uint64_t sequence, v1::Outcome outcome,
                               uint64_t rows, uint32_t operation) {
  v1::ResultRecord record;
  record.set_action_id(action_id);
  record.set_operation(operation);
  record.set_sequence(sequence);
  record.mutable_summary()->set_outcome(outcome);
  record.mutable_summary()->set_termination(v1::TERMINATION_COMPLETED);
  record.mutable_summary()->set_rows(rows);
  return record;
}

AgentPeer::AgentPeer(std::shared_ptr<grpc::Channel> channel, v1::Facts facts)
    : stub_(v1::AgentGateway::NewStub(channel)), facts_(std::move(facts)) {
  context_.set_deadline(std::chrono::system_clock::now() + std::chrono::minutes(1));
  stream_ = stub_->Session(&context_);
}

AgentPeer::~AgentPeer() {
  if (finished_) return;
  context_.TryCancel();
  Finish();
}

void AgentPeer::Hello(uint64_t policy_version, const std::string& boot_id) {
  v1::AgentMessage message;
  *message.mutable_hello()->mutable_facts() = facts_;
  message.mutable_hello()->set_trust_policy_version(policy_version);
  message.mutable_hello()->set_boot_id(boot_id);
  stream_->Write(message);
  v1::SchedulerMessage answer;
  ASSERT_TRUE(stream_->Read(&answer));
  ASSERT_TRUE(answer.has_welcome()) << answer.ShortDebugString();
}

void AgentPeer::Heartbeat(absl::Time now) {
  v1::AgentMessage message;
  *message.mutable_heartbeat()->mutable_now() = ToTimestamp(now);
  stream_->Write(message);
}

bool AgentPeer::resumed() const {
  const auto values = context_.auth_context()->FindPropertyValues(GRPC_SSL_SESSION_REUSED_PROPERTY);
  return values.size() == 1 && values[0] == "true";
}

void AgentPeer::SendRecord(const v1::ResultRecord& record) {
  v1::AgentMessage message;
  *message.mutable_record() = record;
  stream_->Write(message);
}

std::string AgentPeer::ReadActionEnvelope() {
  v1::SchedulerMessage message;
  while (stream_->Read(&message))
    if (message.has_action_envelope()) return message.action_envelope();
  return "";
}

v1::RecordKey AgentPeer::ReadAcknowledgement() {
  v1::SchedulerMessage message;
  while (stream_->Read(&message))
    if (message.has_acknowledged()) return message.acknowledged();
  v1::RecordKey none;
  none.set_sequence(~uint64_t{0});
  return none;
}

grpc::Status AgentPeer::Finish() {
  v1::SchedulerMessage message;
  while (stream_->Read(&message)) {
  }
  finished_ = true;
  return stream_->Finish();
}

void ServerTest::SetUp() {
  MakeFleet();
  Start();
}

void ServerTest::MakeFleet() {
  spdlog::set_level(spdlog::level::off);
  InitOptions options;
  options.directory = directory_.path() + "/fleet";
  options.name = "test";
  options.investigator = "alice";
  options.allow_retire = true;
  options.listen = "127.0.0.1:0";
  ASSERT_TRUE(InitializeFleet(options, clock_.Now()).ok());
  settings_ = *LoadSettings(Path("scheduler.toml"));
  settings_.metrics_listen = "127.0.0.1:0";
  investigator_tls_ = {*ReadFile(Path("investigator/tls.pem")),
                       *ReadFile(Path("investigator/tls.key"))};
}

void ServerTest::Start() {
  absl::StatusOr<std::unique_ptr<Server>> server = Server::Start(settings_, clock_);
  ASSERT_TRUE(server.ok()) << server.status();
  server_ = *std::move(server);
  Use(*server_);
}

void ServerTest::Use(const Server& server) {
  address_ = server.address();
  api_ = v1::InvestigatorService::NewStub(Channel(investigator_tls_));
}

std::shared_ptr<grpc::Channel> ServerTest::Channel(const rpc::TlsIdentity& tls,
                                                   const rpc::SessionCache* sessions) {
  return rpc::NewChannel(address_, *ReadFile(Path("agent/ca.pem")), tls, 0, sessions);
}

v1::Facts ServerTest::FactsOf(const std::string& id, std::string_view name) const {
  v1::Facts facts;
  facts.set_id(id);
  facts.set_fleet_id(settings_.fleet_id);
  facts.set_name(std::string(name));
  facts.set_os("linux");
  return facts;
}

ServerTest::Agent ServerTest::Enrol(std::string_view name) {
  Agent agent;
  agent.id = NewUuidV4();
  agent.facts = FactsOf(agent.id, name);
  v1::CreateEnrolmentTokenResponse token;
  EXPECT_TRUE(api_->CreateEnrolmentToken(Patience().get(), {}, &token).ok());
  const PrivateKey key = *PrivateKey::Generate(KeyAlgorithm::kEcdsaP256);
  v1::EnrollRequest request;
  request.set_token(token.token());
  request.set_agent_id(agent.id);
  request.set_csr(*CreateSigningRequest(key));
  *request.mutable_facts() = agent.facts;
  v1::EnrollResponse response;
  const grpc::Status status =
      v1::AgentGateway::NewStub(Channel({}))->Enroll(Patience().get(), request, &response);
  EXPECT_TRUE(status.ok()) << status.error_message();
  agent.tls = {response.certificate_chain(), key.ToPem()};
  return agent;
}

std::unique_ptr<AgentPeer> ServerTest::Connect(const Agent& agent, const std::string& boot_id) {
  auto peer = std::make_unique<AgentPeer>(Channel(agent.tls), agent.facts);
  peer->Hello(/*policy_version=*/1, boot_id);
  return peer;
}

rpc::TlsIdentity ServerTest::Issue(const std::function<absl::StatusOr<IssuedCertificate>(
                                       const CertificateAuthority&, const PublicKey&)>& issue) {
  const auto ca = CertificateAuthority::Load(*ReadFile(Path("scheduler/ca.pem")),
                                             *ReadFile(Path("scheduler/ca.key")), clock_.Now());
  const PrivateKey key = *PrivateKey::Generate(KeyAlgorithm::kEcdsaP256);
  const auto issued = issue(*ca, key.public_key());
  EXPECT_TRUE(issued.ok()) << issued.status();
  return {issued->chain_pem, key.ToPem()};
}

v1::Action ServerTest::NewAction(std::string_view target, int operations) const {
  v1::Action action;
  action.set_id(NewUuidV7(clock_.Now()));
  action.set_fleet_id(settings_.fleet_id);
  action.set_name("test");
  action.set_target(std::string(target));
  *action.mutable_not_before() = ToTimestamp(clock_.Now() - absl::Minutes(1));
  *action.mutable_expires() = ToTimestamp(clock_.Now() + absl::Minutes(5));
  for (int i = 0; i < operations; ++i) action.add_operations()->set_module("file");
  return action;
}

std::string ServerTest::Sign(const v1::Action& action) const {
  v1::Envelope envelope = NewEnvelope(kActionPayloadType, action.SerializeAsString());
  const PrivateKey key = *PrivateKey::Load(Path("investigator/signing.key"));
  EXPECT_TRUE(AddSignature(key, &envelope).ok());
  return envelope.SerializeAsString();
}

grpc::Status ServerTest::Launch(const std::string& envelope, v1::LaunchResponse* response) {
  v1::LaunchRequest request;
  request.set_envelope(envelope);
  return api_->Launch(Patience().get(), request, response);
}

std::string ServerTest::LaunchNew(std::string_view target, int operations) {
  v1::LaunchResponse response;
  const grpc::Status status = Launch(Sign(NewAction(target, operations)), &response);
  EXPECT_TRUE(status.ok()) << status.error_message();
  return response.action_id();
}

std::vector<v1::WatchEvent> ServerTest::Results(const std::string& action_id) {
  v1::ResultsRequest request;
  request.set_action_id(action_id);
  const auto context = Patience();
  const auto reader = api_->Results(context.get(), request);
  std::vector<v1::WatchEvent> events;
  v1::WatchEvent event;
  while (reader->Read(&event)) events.push_back(event);
  const grpc::Status status = reader->Finish();
  EXPECT_TRUE(status.ok()) << status.error_message();
  return events;
}

std::vector<v1::WatchEvent> ServerTest::Watch(const std::string& action_id, bool until_expired) {
  v1::WatchRequest request;
  request.set_action_id(action_id);
  request.set_until_expired(until_expired);
  const auto context = Patience();
  const auto reader = api_->Watch(context.get(), request);
  std::vector<v1::WatchEvent> events;
  v1::WatchEvent event;
  while (reader->Read(&event)) events.push_back(event);
  const grpc::Status status = reader->Finish();
  EXPECT_TRUE(status.ok()) << status.error_message();
  return events;
}

v1::Progress ServerTest::ProgressOf(const std::string& action_id) {
  const std::vector<v1::WatchEvent> events = Results(action_id);
  EXPECT_FALSE(events.empty());
  return events.empty() ? v1::Progress() : events.back().end().progress();
}

v1::AgentState ServerTest::StateOf(const std::vector<v1::WatchEvent>& events,
                                   const std::string& agent_id) {
  v1::AgentState state;
  for (const v1::WatchEvent& event : events)
    if (event.has_agent_state() && event.agent_state().agent_id() == agent_id)
      state = event.agent_state();
  return state;
}

}  // namespace dragnet::scheduler
