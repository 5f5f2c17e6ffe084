#include "tests/harness/api.h"

#include <grpcpp/generic/generic_stub.h>
#include <grpcpp/grpcpp.h>

#include <chrono>

#include "core/action.h"
#include "core/rpc/rpc.h"
#include "core/strings.h"
#include "dragnet/v1/agent_gateway.grpc.pb.h"
#include "dragnet/v1/investigator.grpc.pb.h"
#include "tests/harness/wait.h"

namespace dragnet::testing {
namespace {

void SetDeadline(grpc::ClientContext& context) {
  context.set_deadline(std::chrono::system_clock::now() + absl::ToChronoSeconds(kPatience));
}

template <typename Stub, typename Request, typename Response>
absl::StatusOr<Response> Ask(Stub& stub,
                             grpc::Status (Stub::*method)(grpc::ClientContext*, const Request&,
                                                          Response*),
                             const Request& request) {
  grpc::ClientContext context;
  SetDeadline(context);
  Response response;
  const grpc::Status status = (stub.*method)(&context, request, &response);
  if (!status.ok()) return rpc::FromGrpc(status);
  return response;
}

using Investigators = v1::InvestigatorService::Stub;
using Gateway = v1::AgentGateway::Stub;

std::vector<std::string> MethodsOf(const google::protobuf::ServiceDescriptor* service) {
  std::vector<std::string> methods;
  for (int i = 0; i < service->method_count(); ++i) {
    methods.push_back(StrCat("/", service->full_name(), "/", service->method(i)->name()));
  }
  return methods;
}

}  // namespace

struct Api::Parts {
  std::shared_ptr<grpc::Channel> channel;
  std::unique_ptr<Investigators> investigators;
  std::unique_ptr<Gateway> gateway;
};

Api::Api(const std::string& address, const std::string& ca_pem,
         const std::optional<TlsPair>& identity)
    : parts_(std::make_unique<Parts>()) {
  rpc::TlsIdentity tls;
  if (identity.has_value()) tls = {identity->certificate_chain, identity->private_key};
  parts_->channel = rpc::NewChannel(address, ca_pem, tls, /*keepalive_seconds=*/0);
  parts_->investigators = v1::InvestigatorService::NewStub(parts_->channel);
  parts_->gateway = v1::AgentGateway::NewStub(parts_->channel);
}

Api::~Api() = default;

absl::StatusOr<v1::LaunchResponse> Api::Launch(const std::string& envelope) {
  v1::LaunchRequest request;
  request.set_envelope(envelope);
  return Ask(*parts_->investigators, &Investigators::Launch, request);
}

absl::StatusOr<ActionResults> Api::Results(const std::string& action_id) {
  grpc::ClientContext context;
  SetDeadline(context);
  v1::ResultsRequest request;
  request.set_action_id(action_id);
  const auto reader = parts_->investigators->Results(&context, request);
  ActionResults results;
  v1::WatchEvent event;
  while (reader->Read(&event)) {
    if (event.has_rows()) {
      auto& rows = results.rows[event.rows().agent_name()];
      rows.insert(rows.end(), event.rows().rows().begin(), event.rows().rows().end());
    }
    if (event.has_agent_state()) {
      results.states[event.agent_state().agent_name()] = event.agent_state();
    }
    if (event.has_progress()) results.progress = event.progress();
    if (event.has_end()) results.progress = event.end().progress();
  }
  const grpc::Status status = reader->Finish();
  if (!status.ok()) return rpc::FromGrpc(status);
  return results;
}

absl::StatusOr<v1::ActionInfo> Api::GetAction(const std::string& action_id) {
  v1::GetActionRequest request;
  request.set_action_id(action_id);
  auto response = Ask(*parts_->investigators, &Investigators::GetAction, request);
  if (!response.ok()) return response.status();
  return response->action();
}

absl::StatusOr<v1::ListActionsResponse> Api::ListActions() {
  return Ask(*parts_->investigators, &Investigators::ListActions, v1::ListActionsRequest());
}

absl::StatusOr<v1::SendOrderResponse> Api::SendOrder(const std::string& envelope) {
  v1::SendOrderRequest request;
  request.set_envelope(envelope);
  return Ask(*parts_->investigators, &Investigators::SendOrder, request);
}

absl::StatusOr<v1::SearchAgentsResponse> Api::SearchAgents(const std::string& target) {
  v1::SearchAgentsRequest request;
  request.set_target(target);
  return Ask(*parts_->investigators, &Investigators::SearchAgents, request);
}

absl::StatusOr<std::vector<v1::ListRefusalsResponse::Entry>> Api::ListRefusals(
    const std::string& agent_id) {
  v1::ListRefusalsRequest request;
  request.set_agent_id(agent_id);
  request.set_page_size(1000);
  auto response = Ask(*parts_->investigators, &Investigators::ListRefusals, request);
  if (!response.ok()) return response.status();
  return std::vector<v1::ListRefusalsResponse::Entry>(response->refusals().begin(),
                                                      response->refusals().end());
}

absl::StatusOr<std::string> Api::GetTrustPolicy() {
  auto response =
      Ask(*parts_->investigators, &Investigators::GetTrustPolicy, v1::GetTrustPolicyRequest());
  if (!response.ok()) return response.status();
  return response->envelope();
}

absl::Status Api::PublishTrustPolicy(const std::string& envelope) {
  v1::PublishTrustPolicyRequest request;
  request.set_envelope(envelope);
  return Ask(*parts_->investigators, &Investigators::PublishTrustPolicy, request).status();
}

absl::StatusOr<std::string> Api::CreateEnrolmentToken(uint32_t uses, absl::Duration lifetime) {
  v1::CreateEnrolmentTokenRequest request;
  request.set_uses(uses);
  *request.mutable_lifetime() = ToProtoDuration(lifetime);
  auto response = Ask(*parts_->investigators, &Investigators::CreateEnrolmentToken, request);
  if (!response.ok()) return response.status();
  return response->token();
}

absl::StatusOr<v1::CreateEnrolmentTokenResponse> Api::CreateEnrolmentToken(
    const v1::CreateEnrolmentTokenRequest& request) {
  return Ask(*parts_->investigators, &Investigators::CreateEnrolmentToken, request);
}

absl::StatusOr<std::vector<v1::EnrolmentRequest>> Api::ListEnrolmentRequests() {
  auto response = Ask(*parts_->investigators, &Investigators::ListEnrolmentRequests,
                      v1::ListEnrolmentRequestsRequest());
  if (!response.ok()) return response.status();
  return std::vector<v1::EnrolmentRequest>(response->requests().begin(),
                                           response->requests().end());
}

absl::Status Api::DecideEnrolment(const std::string& agent_id, const std::string& key_sha256,
                                  bool approve) {
  v1::DecideEnrolmentRequest request;
  request.set_agent_id(agent_id);
  request.set_key_sha256(key_sha256);
  request.set_approve(approve);
  return Ask(*parts_->investigators, &Investigators::DecideEnrolment, request).status();
}

absl::StatusOr<v1::RevokeResponse> Api::RevokeAgent(const std::string& agent_id) {
  v1::RevokeRequest request;
  request.set_agent_id(agent_id);
  return Ask(*parts_->investigators, &Investigators::Revoke, request);
}

absl::StatusOr<v1::RevokeResponse> Api::RevokeInvestigator(const std::string& name) {
  v1::RevokeRequest request;
  request.set_investigator(name);
  return Ask(*parts_->investigators, &Investigators::Revoke, request);
}

absl::Status Api::Call(const std::string& method, const std::string& request) {
  grpc::ClientContext context;
  SetDeadline(context);
  grpc::CompletionQueue queue;
  grpc::GenericStub stub(parts_->channel);
  // As a stream, which every kind of method is on the wire.
  const auto call = stub.PrepareCall(&context, method, &queue);
  int tag = 0;
  const auto wait = [&] {
    void* got = nullptr;
    bool ok = false;
    return queue.Next(&got, &ok) && ok;
  };
  call->StartCall(&tag);
  wait();
  const grpc::Slice slice(request);
  call->WriteLast(grpc::ByteBuffer(&slice, 1), grpc::WriteOptions(), &tag);
  wait();
  // The first answer is enough to know that it was not refused.
  grpc::ByteBuffer answer;
  call->Read(&answer, &tag);
  if (wait()) context.TryCancel();
  grpc::Status status;
  call->Finish(&status, &tag);
  wait();
  queue.Shutdown();
  while (wait()) continue;
  if (answer.Valid() && status.error_code() == grpc::CANCELLED) return absl::OkStatus();
  return rpc::FromGrpc(status);
}

// --- Watch

struct Api::Watching::Parts {
  grpc::ClientContext context;
  std::unique_ptr<grpc::ClientReader<v1::WatchEvent>> reader;
  bool finished = false;
};

Api::Watching::Watching(std::unique_ptr<Parts> parts) : parts_(std::move(parts)) {}
Api::Watching::~Watching() {
  if (parts_->finished) return;
  parts_->context.TryCancel();
  while (Next().has_value()) continue;
  Finish().IgnoreError();
}

std::optional<v1::WatchEvent> Api::Watching::Next() {
  v1::WatchEvent event;
  if (!parts_->reader->Read(&event)) return std::nullopt;
  return event;
}

absl::Status Api::Watching::Finish() {
  parts_->finished = true;
  return rpc::FromGrpc(parts_->reader->Finish());
}

std::unique_ptr<Api::Watching> Api::Watch(const std::string& action_id, bool until_expired) {
  auto parts = std::make_unique<Watching::Parts>();
  SetDeadline(parts->context);
  v1::WatchRequest request;
  request.set_action_id(action_id);
  request.set_until_expired(until_expired);
  parts->reader = parts_->investigators->Watch(&parts->context, request);
  return std::unique_ptr<Watching>(new Watching(std::move(parts)));
}

// --- gateway

absl::StatusOr<std::string> Api::Enroll(const v1::EnrollRequest& request) {
  auto response = Ask(*parts_->gateway, &Gateway::Enroll, request);
  if (!response.ok()) return response.status();
  return response->certificate_chain();
}

absl::StatusOr<std::string> Api::Renew(const std::string& csr) {
  v1::RenewRequest request;
  request.set_csr(csr);
  auto response = Ask(*parts_->gateway, &Gateway::Renew, request);
  if (!response.ok()) return response.status();
  return response->certificate_chain();
}

struct Api::AgentSession::Parts {
  grpc::ClientContext context;
  std::unique_ptr<grpc::ClientReaderWriter<v1::AgentMessage, v1::SchedulerMessage>> stream;
  bool finished = false;
};

Api::AgentSession::AgentSession(std::unique_ptr<Parts> parts) : parts_(std::move(parts)) {}
Api::AgentSession::~AgentSession() {
  if (parts_->finished) return;
  Cancel();
  while (Receive().has_value()) continue;
  Finish().IgnoreError();
}

bool Api::AgentSession::Send(const v1::AgentMessage& message) {
  return parts_->stream->Write(message);
}

std::optional<v1::SchedulerMessage> Api::AgentSession::Receive() {
  v1::SchedulerMessage message;
  if (!parts_->stream->Read(&message)) return std::nullopt;
  return message;
}

void Api::AgentSession::Cancel() { parts_->context.TryCancel(); }

absl::Status Api::AgentSession::Finish() {
  parts_->finished = true;
  return rpc::FromGrpc(parts_->stream->Finish());
}

std::unique_ptr<Api::AgentSession> Api::OpenSession() {
  auto parts = std::make_unique<AgentSession::Parts>();
  SetDeadline(parts->context);
  parts->stream = parts_->gateway->Session(&parts->context);
  return std::unique_ptr<AgentSession>(new AgentSession(std::move(parts)));
}

std::vector<std::string> InvestigatorMethods() {
  return MethodsOf(
      v1::LaunchRequest::descriptor()->file()->FindServiceByName("InvestigatorService"));
}

std::vector<std::string> GatewayMethods() {
  return MethodsOf(v1::EnrollRequest::descriptor()->file()->FindServiceByName("AgentGateway"));
}

}  // namespace dragnet::testing
