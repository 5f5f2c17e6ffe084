#include "scheduler/gateway/gateway_service.h"

#include <spdlog/spdlog.h>

#include <optional>
#include <utility>

#include "core/clock.h"
#include "core/rpc/rpc.h"
#include "core/status_macros.h"
#include "core/strings.h"
#include "core/text.h"
#include "dragnet/v1/agent_gateway.grpc.pb.h"
#include "scheduler/auth/log_sampler.h"
#include "scheduler/auth/peer.h"
#include "scheduler/observe/metrics.h"
#include "scheduler/unary.h"

namespace dragnet::scheduler {
namespace {

using Base = v1::AgentGateway::WithCallbackMethod_Enroll<v1::AgentGateway::WithCallbackMethod_Renew<
    v1::AgentGateway::WithRawCallbackMethod_Session<v1::AgentGateway::Service>>>;

// Facts, a signing request and a token.
constexpr size_t kMaxEnrolmentBytes = kMaxFactsBytes + 16 * 1024;

// Ends a session whose peer could not be established. The call guard refuses
// such calls before, so this is reached only by a certificate that was revoked
// in between.
class RefusedSession : public grpc::ServerBidiReactor<grpc::ByteBuffer, grpc::ByteBuffer> {
 public:
  explicit RefusedSession(const absl::Status& reason) {
    TheMetrics().sessions_refused.Add(reason.code());
    Finish(rpc::ToGrpc(reason));
  }
  void OnDone() override { std::unique_ptr<RefusedSession>(this); }
};

void CountEnrolment(const absl::Status& status) {
  if (status.ok()) return TheMetrics().enrolments.Add();
  TheMetrics().enrolments_refused.Add(status.code());
}

class GatewayService : public Base {
 public:
  GatewayService(const GatewayParts& parts, const EnrolmentCalls& desk, Executor& executor)
      : parts_(parts), desk_(desk), executor_(executor) {}

  grpc::ServerUnaryReactor* Enroll(grpc::CallbackServerContext* context,
                                   const v1::EnrollRequest* request,
                                   v1::EnrollResponse* response) override {
    // Anyone may call this: what waits must be small.
    if (request->ByteSizeLong() > kMaxEnrolmentBytes) {
      grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
      reactor->Finish({grpc::StatusCode::INVALID_ARGUMENT, "an enrolment over its size"});
      return reactor;
    }
    return AnswerOn(executor_, context, [this, request, response, peer = context->peer()] {
      const absl::Status status = DoEnroll(*request, peer, response);
      CountEnrolment(status);
      // Who waits asks again and again: the log has it from the first time.
      if (!status.ok() && !absl::IsUnavailable(status)) LogRefusal(*request, peer, status);
      return status;
    });
  }

  grpc::ServerUnaryReactor* Renew(grpc::CallbackServerContext* context,
                                  const v1::RenewRequest* request,
                                  v1::RenewResponse* response) override {
    return AnswerOn(executor_, context, [this, context, request, response]() -> absl::Status {
      DRAGNET_ASSIGN_OR_RETURN(const Identity peer,
                               IdentifyPeer(*context->auth_context(), parts_.certificates));
      DRAGNET_ASSIGN_OR_RETURN(const IssuedCertificate issued,
                               desk_.Renew(peer.name, request->csr()));
      response->set_certificate_chain(issued.chain_pem);
      spdlog::info("agent {}: certificate renewed", peer.name);
      return absl::OkStatus();
    });
  }

  grpc::ServerBidiReactor<grpc::ByteBuffer, grpc::ByteBuffer>* Session(
      grpc::CallbackServerContext* context) override {
    absl::StatusOr<Identity> peer = IdentifyPeer(*context->auth_context(), parts_.certificates);
    if (!peer.ok()) return std::make_unique<RefusedSession>(peer.status()).release();
    if (parts_.claims != nullptr) {
      const absl::Status accepting = parts_.claims->accepting();
      if (!accepting.ok()) return std::make_unique<RefusedSession>(accepting).release();
    }
    return scheduler::Session::Start(parts_, *std::move(peer),
                                     IssuerKeyIdOfPeer(*context->auth_context()), context);
  }

 private:
  // Anyone who reaches the port can cause these, as often as they like.
  void LogRefusal(const v1::EnrollRequest& request, const std::string& peer,
                  const absl::Status& status) {
    const std::optional<uint64_t> left_out = log_.Take(SteadyNow());
    if (!left_out.has_value()) return;
    spdlog::warn("agent {}: enrolment from {} refused: {} ({} more such lines left out)",
                 Shorten(ForTerminal(request.agent_id()), 64), Shorten(ForTerminal(peer), 100),
                 ForTerminal(ToStd(status.message())), *left_out);
  }

  absl::Status DoEnroll(const v1::EnrollRequest& request, const std::string& peer,
                        v1::EnrollResponse* response) {
    v1::Facts facts = request.facts();
    facts.DiscardUnknownFields();
    DRAGNET_ASSIGN_OR_RETURN(
        const Enrolled issued,
        desk_.Enrol(request.token(), request.agent_id(), request.csr(), std::move(facts), peer));
    // In the store it is revoked already; here its streams are still open.
    if (!issued.replaced_agent_id.empty())
      DRAGNET_RETURN_IF_ERROR(parts_.revocations.RevokeAgent(issued.replaced_agent_id).status());
    DRAGNET_ASSIGN_OR_RETURN(StoredAgent agent, parts_.store.FindAgent(request.agent_id()));
    DRAGNET_RETURN_IF_ERROR(parts_.agents.Add(std::move(agent)));
    response->set_certificate_chain(issued.chain_pem);
    spdlog::info(
        "agent {}: enrolled as \"{}\" from {} with token {}{}", request.agent_id(),
        Shorten(ForTerminal(request.facts().name()), 100), Shorten(ForTerminal(peer), 100),
        issued.token_id,
        issued.replaced_agent_id.empty()
            ? ""
            : StrCat(", in the place of ", issued.replaced_agent_id, ", which is revoked"));
    return absl::OkStatus();
  }

  const GatewayParts& parts_;
  const EnrolmentCalls& desk_;
  Executor& executor_;
  LogSampler log_{/*per_second=*/10};
};

}  // namespace

std::unique_ptr<grpc::Service> NewGatewayService(const GatewayParts& parts,
                                                 const EnrolmentCalls& desk, Executor& executor) {
  return std::make_unique<GatewayService>(parts, desk, executor);
}

}  // namespace dragnet::scheduler
