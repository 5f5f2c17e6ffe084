#include "console/testing/fake_scheduler.h"

#include <signal.h>
#include <unistd.h>

#include <algorithm>
#include <string>

#include "absl/synchronization/notification.h"
#include "core/action.h"
#include "core/envelope.h"
#include "core/rpc/rpc.h"
#include "core/strings.h"
#include "dragnet/v1/investigator.grpc.pb.h"
#include "grpcpp/server.h"
#include "grpcpp/server_builder.h"

namespace dragnet::console::testing {

class FakeScheduler::Service final : public v1::InvestigatorService::Service {
 public:
  Service(FakeScheduler* fake, const std::string& ca, const IssuedCertificate& identity, int port)
      : fake_(*fake) {
    grpc::ServerBuilder builder;
    builder.AddListeningPort(StrCat("localhost:", port),
                             rpc::NewServerCredentials(ca, {identity.certificate, identity.key}),
                             &port_);
    builder.RegisterService(this);
    server_ = builder.BuildAndStart();
  }

  void Stop() {
    stopping_.Notify();
    server_->Shutdown();
    server_->Wait();
  }

  int port() const { return port_; }

  grpc::Status Launch(grpc::ServerContext*, const v1::LaunchRequest* request,
                      v1::LaunchResponse*) override {
    fake_.launched.push_back(request->envelope());
    return Answer();
  }

  grpc::Status FindMissingBlobs(grpc::ServerContext*, const v1::FindMissingBlobsRequest* request,
                                v1::FindMissingBlobsResponse* response) override {
    for (const std::string& sha256 : request->sha256())
      if (fake_.blobs[sha256].empty()) response->add_sha256(sha256);
    return Answer();
  }
  grpc::Status PutBlobPart(grpc::ServerContext*, const v1::PutBlobPartRequest* request,
                           v1::PutBlobPartResponse*) override {
    std::string& blob = fake_.blobs[request->sha256()];
    if (blob.size() == request->offset()) blob += request->data();
    return Answer();
  }

  grpc::Status Watch(grpc::ServerContext*, const v1::WatchRequest* request,
                     grpc::ServerWriter<v1::WatchEvent>* writer) override {
    fake_.watched_until_expired.push_back(request->until_expired());
    return Stream(request->after(), writer);
  }

  grpc::Status Results(grpc::ServerContext*, const v1::ResultsRequest* request,
                       grpc::ServerWriter<v1::WatchEvent>* writer) override {
    return Stream(request->after(), writer);
  }

  grpc::Status Tail(grpc::ServerContext*, const v1::TailRequest*,
                    grpc::ServerWriter<v1::TailEvent>* writer) override {
    for (const v1::TailEvent& event : fake_.tail) writer->Write(event);
    return Answer();
  }

  grpc::Status ListActions(grpc::ServerContext*, const v1::ListActionsRequest*,
                           v1::ListActionsResponse* response) override {
    for (const v1::ActionInfo& action : fake_.actions) *response->add_actions() = action;
    return Answer();
  }

  grpc::Status GetAction(grpc::ServerContext*, const v1::GetActionRequest* request,
                         v1::GetActionResponse* response) override {
    if (!fake_.error.ok()) return Answer();
    for (const v1::ActionInfo& action : fake_.actions) {
      if (!fake_.any_action_id && !action.action_id().starts_with(request->action_id())) continue;
      *response->mutable_action() = action;
      return grpc::Status::OK;
    }
    return grpc::Status(grpc::StatusCode::NOT_FOUND, "no such action");
  }

  grpc::Status SendOrder(grpc::ServerContext*, const v1::SendOrderRequest* request,
                         v1::SendOrderResponse* response) override {
    fake_.orders.push_back(request->envelope());
    *response = fake_.ordered;
    return Answer();
  }

  grpc::Status Propose(grpc::ServerContext*, const v1::ProposeRequest* request,
                       v1::ProposeResponse* response) override {
    const size_t call = fake_.propositions.size();
    fake_.propositions.push_back(request->envelope());
    if (!fake_.proposed.empty())
      *response = fake_.proposed[std::min(call, fake_.proposed.size() - 1)];
    return Answer();
  }

  grpc::Status ListProposals(grpc::ServerContext*, const v1::ListProposalsRequest*,
                             v1::ListProposalsResponse* response) override {
    for (const v1::Proposal& proposal : fake_.proposals) *response->add_proposals() = proposal;
    return Answer();
  }

  grpc::Status SearchAgents(grpc::ServerContext*, const v1::SearchAgentsRequest* request,
                            v1::SearchAgentsResponse* response) override {
    fake_.targets.push_back(request->target());
    uint64_t connected = 0;
    for (const v1::AgentInfo& agent : fake_.agents) {
      if (!request->count_only()) *response->add_agents() = agent;
      connected += agent.state() == v1::AgentInfo::STATE_ONLINE;
    }
    response->set_total(fake_.agents.size());
    response->set_connected(connected);
    return Answer();
  }

  grpc::Status ListRefusals(grpc::ServerContext*, const v1::ListRefusalsRequest*,
                            v1::ListRefusalsResponse* response) override {
    for (const auto& refusal : fake_.refusals) *response->add_refusals() = refusal;
    return Answer();
  }

  grpc::Status Stack(grpc::ServerContext*, const v1::StackRequest* request,
                     v1::StackResponse* response) override {
    fake_.stacked.push_back(*request);
    *response = fake_.stack;
    return Answer();
  }

  grpc::Status GetTrustPolicy(grpc::ServerContext*, const v1::GetTrustPolicyRequest*,
                              v1::GetTrustPolicyResponse* response) override {
    response->set_envelope(fake_.policy);
    return Answer();
  }

  grpc::Status PublishTrustPolicy(grpc::ServerContext*,
                                  const v1::PublishTrustPolicyRequest* request,
                                  v1::PublishTrustPolicyResponse* response) override {
    fake_.published.push_back(request->envelope());
    response->set_version(2);
    return Answer();
  }

  grpc::Status CreateEnrolmentToken(grpc::ServerContext*,
                                    const v1::CreateEnrolmentTokenRequest* request,
                                    v1::CreateEnrolmentTokenResponse* response) override {
    fake_.tokens.push_back(*request);
    response->set_token(fake_.token);
    response->set_token_id("0123456789abcdef");
    *response->mutable_expires() =
        ToTimestamp(fake_.token_expires.value_or(absl::Now() + ToDuration(request->lifetime())));
    return Answer();
  }

  grpc::Status ListEnrolmentTokens(grpc::ServerContext*, const v1::ListEnrolmentTokensRequest*,
                                   v1::ListEnrolmentTokensResponse* response) override {
    for (const v1::EnrolmentToken& token : fake_.enrolment_tokens) *response->add_tokens() = token;
    return Answer();
  }

  grpc::Status RevokeEnrolmentToken(grpc::ServerContext*,
                                    const v1::RevokeEnrolmentTokenRequest* request,
                                    v1::RevokeEnrolmentTokenResponse* response) override {
    fake_.revoked_tokens.push_back(request->token_id());
    response->set_uses_taken(3);
    return Answer();
  }

  grpc::Status ListEnrolmentRequests(grpc::ServerContext*, const v1::ListEnrolmentRequestsRequest*,
                                     v1::ListEnrolmentRequestsResponse* response) override {
    for (const v1::EnrolmentRequest& one : fake_.enrolment_requests)
      *response->add_requests() = one;
    response->set_total(fake_.enrolment_requests.size());
    return Answer();
  }

  grpc::Status DecideEnrolment(grpc::ServerContext*, const v1::DecideEnrolmentRequest* request,
                               v1::DecideEnrolmentResponse*) override {
    fake_.decisions.push_back(*request);
    return Answer();
  }

  grpc::Status GetStatus(grpc::ServerContext*, const v1::GetStatusRequest*,
                         v1::GetStatusResponse* response) override {
    *response = fake_.status;
    return Answer();
  }

  grpc::Status KeepAction(grpc::ServerContext*, const v1::KeepActionRequest* request,
                          v1::KeepActionResponse*) override {
    fake_.kept.push_back(*request);
    return Answer();
  }

  grpc::Status ListSweeps(grpc::ServerContext*, const v1::ListSweepsRequest*,
                          v1::ListSweepsResponse* response) override {
    for (const v1::SweepInfo& sweep : fake_.sweeps) *response->add_sweeps() = sweep;
    response->set_left_out(fake_.sweeps_left_out);
    return Answer();
  }

  grpc::Status GetSweep(grpc::ServerContext*, const v1::GetSweepRequest* request,
                        v1::GetSweepResponse* response) override {
    fake_.asked_sweeps.push_back(*request);
    *response = fake_.sweep;
    return Answer();
  }

  grpc::Status SweepVerdicts(grpc::ServerContext*, const v1::SweepVerdictsRequest* request,
                             grpc::ServerWriter<v1::SweepVerdict>* writer) override {
    fake_.asked_verdicts.push_back(*request);
    const auto wanted = [](const auto& list, const std::string& value) {
      return list.empty() || std::find(list.begin(), list.end(), value) != list.end();
    };
    for (const v1::SweepVerdict& verdict : fake_.verdicts)
      if (verdict.check().empty() || (wanted(request->checks(), verdict.check()) &&
                                      wanted(request->statuses(), verdict.status())))
        writer->Write(verdict);
    return Answer();
  }

  grpc::Status SweepChanges(grpc::ServerContext*, const v1::SweepChangesRequest* request,
                            v1::SweepChangesResponse* response) override {
    fake_.asked_changes.push_back(*request);
    size_t at = request->page_token().empty() ? 0 : std::stoul(request->page_token());
    for (size_t end = at + 2; at < end && at < fake_.changes.size(); ++at)
      *response->add_changes() = fake_.changes[at];
    if (at < fake_.changes.size()) response->set_next_page_token(StrCat(at));
    return Answer();
  }

  grpc::Status Revoke(grpc::ServerContext*, const v1::RevokeRequest* request,
                      v1::RevokeResponse* response) override {
    fake_.revoked.push_back(request->agent_id());
    response->set_certificates(1);
    return Answer();
  }

 private:
  grpc::Status Answer() const { return rpc::ToGrpc(fake_.error); }

  grpc::Status Stream(uint64_t after, grpc::ServerWriter<v1::WatchEvent>* writer) {
    if (fake_.streams.empty()) return rpc::ToGrpc(absl::NotFoundError("this test has no rows"));
    const size_t call = std::min(fake_.watched_after.size(), fake_.streams.size() - 1);
    fake_.watched_after.push_back(after);
    if (!fake_.error.ok()) return Answer();
    bool ended = false;
    for (const v1::WatchEvent& event : fake_.streams[call]) {
      writer->Write(event);
      ended = event.has_end();
    }
    if (fake_.interrupt_after_stream) {
      ::kill(::getpid(), SIGINT);
      stopping_.WaitForNotification();
    }
    return ended ? grpc::Status::OK : grpc::Status(grpc::StatusCode::UNAVAILABLE, "going down");
  }

  FakeScheduler& fake_;
  int port_ = 0;
  std::unique_ptr<grpc::Server> server_;
  absl::Notification stopping_;
};

FakeScheduler::FakeScheduler(const std::string& ca, const IssuedCertificate& identity, int port)
    : service_(std::make_unique<Service>(this, ca, identity, port)) {}

FakeScheduler::~FakeScheduler() { service_->Stop(); }

int FakeScheduler::port() const { return service_->port(); }

}  // namespace dragnet::console::testing
