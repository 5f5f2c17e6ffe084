#include "console/client/client.h"

#include <stdlib.h>

#include <functional>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/strings/cord.h"
#include "absl/synchronization/mutex.h"
#include "console/client/diagnose.h"
#include "core/rpc/rpc.h"
#include "core/status_macros.h"
#include "core/strings.h"
#include "dragnet/v1/investigator.grpc.pb.h"
#include "grpcpp/client_context.h"
#include "grpcpp/completion_queue.h"

namespace dragnet::console {
namespace {

using v1::InvestigatorService;

constexpr char kFromScheduler[] = "dragnet.dev/from-scheduler";
constexpr absl::Duration kConnectTimeout = absl::Seconds(5);
constexpr absl::Duration kCallTimeout = absl::Seconds(30);
// About a second for each million rows.
constexpr absl::Duration kStackTimeout = absl::Minutes(10);

// Ends in words that one can act on for what the transport reports.
absl::Status Explain(const ConsoleConfig& config, const grpc::Status& status,
                     absl::Duration timeout = kCallTimeout) {
  if (status.ok()) return absl::OkStatus();
  const absl::Status plain = rpc::FromGrpc(status);
  switch (plain.code()) {
    case absl::StatusCode::kUnavailable:
      return absl::UnavailableError(
          StrCat("connection to ", config.scheduler, " lost: ", plain.message()));
    case absl::StatusCode::kDeadlineExceeded:
      return absl::DeadlineExceededError(
          StrCat("scheduler ", config.scheduler, ": no answer within ",
                 absl::FormatDuration(timeout), ": is it overloaded?"));
    case absl::StatusCode::kUnimplemented:
      return absl::UnimplementedError(StrCat("scheduler ", config.scheduler,
                                             ": doesn't know this call: it is of another "
                                             "version than this console (",
                                             plain.message(), ")"));
    default:
      return absl::Status(plain.code(),
                          StrCat("scheduler ", config.scheduler, ": ", plain.message()));
  }
}

// A completion-queue call, so that a reader can wait with a limit: terminals
// want to be redrawn and Ctrl-C to be noticed while nothing comes.
template <class Event>
class GrpcStream : public Stream<Event> {
 public:
  using Reader = grpc::ClientAsyncReader<Event>;

  GrpcStream(const ConsoleConfig& config,
             const std::function<std::unique_ptr<Reader>(grpc::ClientContext*,
                                                         grpc::CompletionQueue*)>& prepare)
      : config_(config), reader_(prepare(&context_, &queue_)) {
    reader_->StartCall(Tag(Stage::kStart));
  }

  ~GrpcStream() override {
    context_.TryCancel();
    Event ignored;
    while (GrpcStream::Next(absl::InfiniteDuration(), &ignored) != StreamStep::kEnd) {
    }
    queue_.Shutdown();
    void* tag;
    bool ok;
    while (queue_.Next(&tag, &ok)) {
    }
  }

  StreamStep Next(absl::Duration timeout, Event* event) override {
    const auto deadline = absl::ToChronoTime(absl::Now() + timeout);
    while (!ended_) {
      void* tag;
      bool ok;
      const bool forever = timeout == absl::InfiniteDuration();
      const auto got = forever ? (queue_.Next(&tag, &ok) ? grpc::CompletionQueue::GOT_EVENT
                                                         : grpc::CompletionQueue::SHUTDOWN)
                               : queue_.AsyncNext(&tag, &ok, deadline);
      if (got == grpc::CompletionQueue::TIMEOUT) return StreamStep::kTimeout;
      if (Advance(static_cast<Stage>(reinterpret_cast<intptr_t>(tag)), ok, event)) {
        return StreamStep::kEvent;
      }
    }
    return StreamStep::kEnd;
  }

  absl::Status status() const override { return MarkFromScheduler(Explain(config_, status_)); }

 private:
  enum class Stage : intptr_t { kStart = 1, kRead, kFinish };
  static void* Tag(Stage stage) { return reinterpret_cast<void*>(static_cast<intptr_t>(stage)); }

  // True when `event` was filled.
  bool Advance(Stage stage, bool ok, Event* event) {
    if (stage == Stage::kFinish) {
      ended_ = true;
      return false;
    }
    if (!ok) {
      reader_->Finish(&status_, Tag(Stage::kFinish));
      return false;
    }
    const bool filled = stage == Stage::kRead;
    if (filled) event->Swap(&incoming_);
    reader_->Read(&incoming_, Tag(Stage::kRead));
    return filled;
  }

  const ConsoleConfig& config_;
  grpc::ClientContext context_;
  grpc::CompletionQueue queue_;
  Event incoming_;
  grpc::Status status_;
  bool ended_ = false;
  std::unique_ptr<Reader> reader_;
};

class GrpcClient : public Client {
 public:
  GrpcClient(ConsoleConfig config, TlsFiles files)
      : config_(std::move(config)), files_(std::move(files)) {
    Reconnect();
  }

  absl::StatusOr<v1::LaunchResponse> Launch(const v1::LaunchRequest& request) override {
    return Call(&InvestigatorService::Stub::Launch, request);
  }
  absl::StatusOr<v1::FindMissingBlobsResponse> FindMissingBlobs(
      const v1::FindMissingBlobsRequest& request) override {
    return Call(&InvestigatorService::Stub::FindMissingBlobs, request);
  }
  absl::StatusOr<v1::PutBlobPartResponse> PutBlobPart(
      const v1::PutBlobPartRequest& request) override {
    return Call(&InvestigatorService::Stub::PutBlobPart, request);
  }
  absl::StatusOr<v1::ListActionsResponse> ListActions(
      const v1::ListActionsRequest& request) override {
    return Call(&InvestigatorService::Stub::ListActions, request);
  }
  absl::StatusOr<v1::GetActionResponse> GetAction(const v1::GetActionRequest& request) override {
    return Call(&InvestigatorService::Stub::GetAction, request);
  }
  absl::StatusOr<v1::SendOrderResponse> SendOrder(const v1::SendOrderRequest& request) override {
    return Call(&InvestigatorService::Stub::SendOrder, request);
  }
  absl::StatusOr<v1::SearchAgentsResponse> SearchAgents(
      const v1::SearchAgentsRequest& request) override {
    return Call(&InvestigatorService::Stub::SearchAgents, request);
  }
  absl::StatusOr<v1::ListRefusalsResponse> ListRefusals(
      const v1::ListRefusalsRequest& request) override {
    return Call(&InvestigatorService::Stub::ListRefusals, request);
  }
  absl::StatusOr<v1::GetTrustPolicyResponse> GetTrustPolicy() override {
    return Call(&InvestigatorService::Stub::GetTrustPolicy, v1::GetTrustPolicyRequest());
  }
  absl::StatusOr<v1::PublishTrustPolicyResponse> PublishTrustPolicy(
      const v1::PublishTrustPolicyRequest& request) override {
    return Call(&InvestigatorService::Stub::PublishTrustPolicy, request);
  }
  absl::StatusOr<v1::CreateEnrolmentTokenResponse> CreateEnrolmentToken(
      const v1::CreateEnrolmentTokenRequest& request) override {
    return Call(&InvestigatorService::Stub::CreateEnrolmentToken, request);
  }
  absl::StatusOr<v1::ListEnrolmentTokensResponse> ListEnrolmentTokens(
      const v1::ListEnrolmentTokensRequest& request) override {
    return Call(&InvestigatorService::Stub::ListEnrolmentTokens, request);
  }
  absl::StatusOr<v1::RevokeEnrolmentTokenResponse> RevokeEnrolmentToken(
      const v1::RevokeEnrolmentTokenRequest& request) override {
    return Call(&InvestigatorService::Stub::RevokeEnrolmentToken, request);
  }
  absl::StatusOr<v1::ListEnrolmentRequestsResponse> ListEnrolmentRequests(
      const v1::ListEnrolmentRequestsRequest& request) override {
    return Call(&InvestigatorService::Stub::ListEnrolmentRequests, request);
  }
  absl::StatusOr<v1::DecideEnrolmentResponse> DecideEnrolment(
      const v1::DecideEnrolmentRequest& request) override {
    return Call(&InvestigatorService::Stub::DecideEnrolment, request);
  }
  absl::StatusOr<v1::GetStatusResponse> GetStatus() override {
    return Call(&InvestigatorService::Stub::GetStatus, v1::GetStatusRequest());
  }
  absl::StatusOr<v1::KeepActionResponse> KeepAction(const v1::KeepActionRequest& request) override {
    return Call(&InvestigatorService::Stub::KeepAction, request);
  }
  absl::StatusOr<v1::RevokeResponse> Revoke(const v1::RevokeRequest& request) override {
    return Call(&InvestigatorService::Stub::Revoke, request);
  }
  absl::StatusOr<v1::StackResponse> Stack(const v1::StackRequest& request) override {
    return Call(&InvestigatorService::Stub::Stack, request, kStackTimeout);
  }

  absl::StatusOr<v1::ProposeResponse> Propose(const v1::ProposeRequest& request) override {
    return Call(&InvestigatorService::Stub::Propose, request);
  }
  absl::StatusOr<v1::ListProposalsResponse> ListProposals(
      const v1::ListProposalsRequest& request) override {
    return Call(&InvestigatorService::Stub::ListProposals, request);
  }
  absl::StatusOr<v1::ListAgentActionsResponse> ListAgentActions(
      const v1::ListAgentActionsRequest& request) override {
    return Call(&InvestigatorService::Stub::ListAgentActions, request);
  }

  absl::StatusOr<v1::ListSweepsResponse> ListSweeps(const v1::ListSweepsRequest& request) override {
    return Call(&InvestigatorService::Stub::ListSweeps, request);
  }
  absl::StatusOr<v1::GetSweepResponse> GetSweep(const v1::GetSweepRequest& request) override {
    return Call(&InvestigatorService::Stub::GetSweep, request);
  }
  absl::StatusOr<v1::SweepChangesResponse> SweepChanges(
      const v1::SweepChangesRequest& request) override {
    return Call(&InvestigatorService::Stub::SweepChanges, request);
  }

  absl::StatusOr<std::unique_ptr<EventStream>> Watch(const v1::WatchRequest& request) override {
    return Open<v1::WatchEvent>(&InvestigatorService::Stub::PrepareAsyncWatch, request);
  }
  absl::StatusOr<std::unique_ptr<EventStream>> Results(const v1::ResultsRequest& request) override {
    return Open<v1::WatchEvent>(&InvestigatorService::Stub::PrepareAsyncResults, request);
  }
  absl::StatusOr<std::unique_ptr<ActivityStream>> WatchActivity() override {
    return Open<v1::Activity>(&InvestigatorService::Stub::PrepareAsyncWatchActivity,
                              v1::WatchActivityRequest());
  }
  absl::StatusOr<std::unique_ptr<TailStream>> Tail(const v1::TailRequest& request) override {
    return Open<v1::TailEvent>(&InvestigatorService::Stub::PrepareAsyncTail, request);
  }
  absl::StatusOr<std::unique_ptr<VerdictStream>> SweepVerdicts(
      const v1::SweepVerdictsRequest& request) override {
    return Open<v1::SweepVerdict>(&InvestigatorService::Stub::PrepareAsyncSweepVerdicts, request);
  }

 private:
  struct Connection {
    std::shared_ptr<grpc::Channel> channel;
    std::shared_ptr<InvestigatorService::Stub> stub;
  };

  template <class Request, class Response>
  absl::StatusOr<Response> Call(grpc::Status (InvestigatorService::Stub::*method)(
                                    grpc::ClientContext*, const Request&, Response*),
                                const Request& request, absl::Duration timeout = kCallTimeout) {
    DRAGNET_ASSIGN_OR_RETURN(const Connection connection, Connected());
    grpc::ClientContext context;
    context.set_deadline(absl::ToChronoTime(absl::Now() + timeout));
    Response response;
    const grpc::Status status = ((*connection.stub).*method)(&context, request, &response);
    if (!status.ok()) return MarkFromScheduler(Explain(config_, status, timeout));
    return response;
  }

  template <class Event, class Request>
  absl::StatusOr<std::unique_ptr<Stream<Event>>> Open(
      std::unique_ptr<grpc::ClientAsyncReader<Event>> (InvestigatorService::Stub::*prepare)(
          grpc::ClientContext*, const Request&, grpc::CompletionQueue*),
      const Request& request) {
    DRAGNET_ASSIGN_OR_RETURN(const Connection connection, Connected());
    return std::make_unique<GrpcStream<Event>>(config_, [&](auto* context, auto* queue) {
      return ((*connection.stub).*prepare)(context, request, queue);
    });
  }

  Connection Current() const {
    absl::MutexLock lock(&mutex_);
    return connection_;
  }

  // A new channel in place of one that failed: that would wait for up to two
  // minutes before it tries again, whatever we ask of it.
  void Reconnect() {
    Connection connection;
    connection.channel =
        rpc::NewChannel(config_.scheduler, files_.ca, {files_.certificate, files_.key},
                        /*keepalive_seconds=*/30, /*sessions=*/nullptr,
                        config_.proxy.has_value() ? &*config_.proxy : nullptr);
    connection.stub = InvestigatorService::NewStub(connection.channel);
    connection.channel->GetState(/*try_to_connect=*/true);
    absl::MutexLock lock(&mutex_);
    connection_ = std::move(connection);
  }

  static bool WaitUntilReady(grpc::Channel& channel, absl::Time deadline) {
    while (true) {
      const grpc_connectivity_state state = channel.GetState(/*try_to_connect=*/true);
      if (state == GRPC_CHANNEL_READY) return true;
      if (state == GRPC_CHANNEL_TRANSIENT_FAILURE || state == GRPC_CHANNEL_SHUTDOWN) return false;
      if (!channel.WaitForStateChange(state, absl::ToChronoTime(deadline))) return false;
    }
  }

  // gRPC itself would go on trying for as long as a call may take; a person
  // wants to hear at once that no one listens. Tries a second time if the
  // diagnosis finds nothing wrong: the scheduler has just come up.
  absl::StatusOr<Connection> Connected() {
    const absl::Time deadline = absl::Now() + kConnectTimeout;
    for (int attempt = 0; attempt < 2; ++attempt) {
      const Connection connection = Current();
      if (WaitUntilReady(*connection.channel, deadline)) return connection;
      const absl::Duration left = std::max(deadline - absl::Now(), absl::Seconds(1));
      const absl::Status cause = DiagnoseConnection(config_, files_, left);
      Reconnect();
      if (!cause.ok()) return MarkFromScheduler(cause);
    }
    return MarkFromScheduler(absl::UnavailableError(StrCat(
        "connect ", config_.scheduler,
        ": TLS comes about, but no session: is it a dragnet-scheduler that listens there?")));
  }

  const ConsoleConfig config_;
  const TlsFiles files_;
  mutable absl::Mutex mutex_;
  Connection connection_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace

void InitializeProcess() {
  rpc::InitializeProcess();
  // gRPC writes its own diary of failed handshakes to standard error; what went
  // wrong is said once, in words (diagnose.h).
  ::setenv("GRPC_VERBOSITY", "NONE", /*overwrite=*/0);
}

absl::Status MarkFromScheduler(absl::Status status) {
  if (!status.ok()) status.SetPayload(kFromScheduler, absl::Cord());
  return status;
}

bool IsFromScheduler(const absl::Status& status) {
  return status.GetPayload(kFromScheduler).has_value();
}

absl::StatusOr<std::unique_ptr<Client>> Client::Create(const ConsoleConfig& config,
                                                       absl::Time now) {
  DRAGNET_ASSIGN_OR_RETURN(TlsFiles files, LoadTlsFiles(config, now));
  return std::make_unique<GrpcClient>(config, std::move(files));
}

}  // namespace dragnet::console
