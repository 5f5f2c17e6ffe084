#include "scheduler/api/investigator_service.h"

#include <atomic>
#include <memory>
#include <utility>

#include "core/clock.h"
#include "core/rpc/rpc.h"
#include "core/status_macros.h"
#include "core/strings.h"
#include "dragnet/v1/investigator.grpc.pb.h"
#include "scheduler/api/activity.h"
#include "scheduler/api/investigator_api.h"
#include "scheduler/api/stack.h"
#include "scheduler/api/sweep_verdicts.h"
#include "scheduler/api/tail.h"
#include "scheduler/auth/peer.h"
#include "scheduler/store/sweep_terms.h"
#include "scheduler/unary.h"

namespace dragnet::scheduler {
namespace {

// Ends a stream that can't begin.
template <typename Event>
class RefusedStream : public grpc::ServerWriteReactor<Event> {
 public:
  explicit RefusedStream(const absl::Status& reason) { this->Finish(rpc::ToGrpc(reason)); }
  void OnDone() override { std::unique_ptr<RefusedStream>(this); }
};

// So many Stack calls at a time: each may hold 256 MiB.
constexpr int kMaxStacks = 2;
// Then it is another call's turn on the thread.
constexpr absl::Duration kStackTurn = absl::Milliseconds(20);

// One Stack call. It goes back to the end of the executor's queue after each turn.
class StackCall : public std::enable_shared_from_this<StackCall> {
 public:
  // `running` counts those that haven't finished, this one too. Shared, because the
  // last turn may end after the service.
  StackCall(Executor& executor, std::shared_ptr<std::atomic<int>> running, Stacking stacking,
            grpc::CallbackServerContext* context, grpc::ServerUnaryReactor* reactor,
            v1::StackResponse* response)
      : executor_(executor),
        running_(std::move(running)),
        stacking_(std::move(stacking)),
        context_(context),
        reactor_(reactor),
        response_(response) {}
  StackCall(const StackCall&) = delete;
  StackCall& operator=(const StackCall&) = delete;

  void Continue() {
    if (executor_.Run([self = shared_from_this()] { self->Turn(); })) return;
    Finish(absl::ResourceExhaustedError("the scheduler has too much to do: try again later"));
  }

 private:
  void Turn() {
    const absl::Time end = SteadyNow() + kStackTurn;
    do {
      if (context_->IsCancelled()) return Finish(absl::CancelledError("the console is gone"));
      const absl::StatusOr<bool> done = stacking_.Step();
      if (!done.ok()) return Finish(done.status());
      if (*done) {
        stacking_.Answer(response_);
        return Finish(absl::OkStatus());
      }
    } while (SteadyNow() < end);
    Continue();
  }

  // Once, the last thing: nothing of the call may be there after it.
  void Finish(const absl::Status& status) {
    --*running_;
    reactor_->Finish(rpc::ToGrpc(status));
  }

  Executor& executor_;
  const std::shared_ptr<std::atomic<int>> running_;
  Stacking stacking_;
  // Until Finish.
  grpc::CallbackServerContext* const context_;
  grpc::ServerUnaryReactor* const reactor_;
  v1::StackResponse* const response_;
};

class InvestigatorServiceImpl : public v1::InvestigatorService::CallbackService {
 public:
  explicit InvestigatorServiceImpl(const ApiParts& parts)
      : parts_(parts),
        api_(parts.store, parts.agents, parts.policies, parts.dispatcher, parts.revocations,
             parts.blobs, parts.blob_source, parts.clock, parts.fleet_id, parts.status,
             parts.retention, parts.proposals, parts.progress, parts.watchers.news()) {}

  // Calls that go on the record under the caller's name.
#define DRAGNET_NAMED_CALL(method)                                                           \
  grpc::ServerUnaryReactor* method(grpc::CallbackServerContext* context,                     \
                                   const v1::method##Request* request,                       \
                                   v1::method##Response* response) override {                \
    return AnswerOn(parts_.executor, context, [=, this]() -> absl::Status {                  \
      DRAGNET_ASSIGN_OR_RETURN(const Identity caller,                                        \
                               IdentifyPeer(*context->auth_context(), parts_.certificates)); \
      return api_.method(caller.name, *request, response);                                   \
    });                                                                                      \
  }
  DRAGNET_NAMED_CALL(Launch)
  DRAGNET_NAMED_CALL(Propose)
  DRAGNET_NAMED_CALL(SendOrder)
  DRAGNET_NAMED_CALL(PutBlobPart)
  DRAGNET_NAMED_CALL(PublishTrustPolicy)
  DRAGNET_NAMED_CALL(CreateEnrolmentToken)
  DRAGNET_NAMED_CALL(RevokeEnrolmentToken)
  DRAGNET_NAMED_CALL(DecideEnrolment)
  DRAGNET_NAMED_CALL(Revoke)
  DRAGNET_NAMED_CALL(KeepAction)
#undef DRAGNET_NAMED_CALL

#define DRAGNET_CALL(method)                                                  \
  grpc::ServerUnaryReactor* method(grpc::CallbackServerContext* context,      \
                                   const v1::method##Request* request,        \
                                   v1::method##Response* response) override { \
    return AnswerOn(parts_.executor, context,                                 \
                    [=, this] { return api_.method(*request, response); });   \
  }
  DRAGNET_CALL(FindMissingBlobs)
  DRAGNET_CALL(ListActions)
  DRAGNET_CALL(ListProposals)
  DRAGNET_CALL(ListAgentActions)
  DRAGNET_CALL(GetAction)
  DRAGNET_CALL(SearchAgents)
  DRAGNET_CALL(ListRefusals)
  DRAGNET_CALL(ListEnrolmentTokens)
  DRAGNET_CALL(ListEnrolmentRequests)
  DRAGNET_CALL(GetStatus)
  DRAGNET_CALL(ListSweeps)
  DRAGNET_CALL(GetSweep)
  DRAGNET_CALL(SweepChanges)
#undef DRAGNET_CALL

  grpc::ServerUnaryReactor* GetTrustPolicy(grpc::CallbackServerContext* context,
                                           const v1::GetTrustPolicyRequest*,
                                           v1::GetTrustPolicyResponse* response) override {
    return AnswerOn(parts_.executor, context,
                    [this, response] { return api_.GetTrustPolicy(response); });
  }

  grpc::ServerUnaryReactor* Stack(grpc::CallbackServerContext* context,
                                  const v1::StackRequest* request,
                                  v1::StackResponse* response) override {
    absl::StatusOr<Stacking> stacking = Stacking::Create(parts_.store, *request);
    if (!stacking.ok()) return Refuse(context, stacking.status());
    if (++*stacks_ > kMaxStacks) {
      --*stacks_;
      return Refuse(context, absl::ResourceExhaustedError(
                                 StrCat(kMaxStacks, " stacks are counted now: try again later")));
    }
    // Before it begins: it may be over, and its context gone, before this returns.
    grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
    std::make_shared<StackCall>(parts_.executor, stacks_, *std::move(stacking), context, reactor,
                                response)
        ->Continue();
    return reactor;
  }

  grpc::ServerWriteReactor<v1::WatchEvent>* Watch(grpc::CallbackServerContext* context,
                                                  const v1::WatchRequest* request) override {
    return Stream(context, {.action_id = request->action_id(),
                            .after = request->after(),
                            .follow = true,
                            .until_expired = request->until_expired()});
  }

  grpc::ServerWriteReactor<v1::WatchEvent>* Results(grpc::CallbackServerContext* context,
                                                    const v1::ResultsRequest* request) override {
    return Stream(context, {.action_id = request->action_id(), .after = request->after()});
  }

  grpc::ServerWriteReactor<v1::Activity>* WatchActivity(grpc::CallbackServerContext* context,
                                                        const v1::WatchActivityRequest*) override {
    absl::StatusOr<Identity> peer = IdentifyPeer(*context->auth_context(), parts_.certificates);
    if (!peer.ok()) return std::make_unique<RefusedStream<v1::Activity>>(peer.status()).release();
    return ActivityStream::Start(parts_, *std::move(peer), context);
  }
  grpc::ServerWriteReactor<v1::SweepVerdict>* SweepVerdicts(
      grpc::CallbackServerContext* context, const v1::SweepVerdictsRequest* request) override {
    absl::StatusOr<Identity> peer = IdentifyPeer(*context->auth_context(), parts_.certificates);
    if (!peer.ok())
      return std::make_unique<RefusedStream<v1::SweepVerdict>>(peer.status()).release();
    return SweepVerdictsStream::Start(parts_, *std::move(peer), *request, context);
  }
  grpc::ServerWriteReactor<v1::TailEvent>* Tail(grpc::CallbackServerContext* context,
                                                const v1::TailRequest* request) override {
    absl::StatusOr<Identity> peer = IdentifyPeer(*context->auth_context(), parts_.certificates);
    if (!peer.ok()) return std::make_unique<RefusedStream<v1::TailEvent>>(peer.status()).release();
    return TailServerStream::Start(parts_, *std::move(peer), *request, context);
  }

 private:
  static grpc::ServerUnaryReactor* Refuse(grpc::CallbackServerContext* context,
                                          const absl::Status& reason) {
    grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
    reactor->Finish(rpc::ToGrpc(reason));
    return reactor;
  }

  grpc::ServerWriteReactor<v1::WatchEvent>* Stream(grpc::CallbackServerContext* context,
                                                   WatchOptions options) {
    absl::StatusOr<Identity> peer = IdentifyPeer(*context->auth_context(), parts_.certificates);
    absl::Status status = peer.status();
    if (status.ok() && !IsActionId(options.action_id))
      status = absl::InvalidArgumentError("action_id: give the whole id");
    if (!status.ok()) return std::make_unique<RefusedStream<v1::WatchEvent>>(status).release();
    return WatchStream::Start(parts_, *std::move(peer), std::move(options), context);
  }

  const ApiParts& parts_;
  InvestigatorApi api_;
  const std::shared_ptr<std::atomic<int>> stacks_ = std::make_shared<std::atomic<int>>(0);
};

}  // namespace

std::unique_ptr<grpc::Service> NewInvestigatorService(const ApiParts& parts) {
  return std::make_unique<InvestigatorServiceImpl>(parts);
}

}  // namespace dragnet::scheduler
