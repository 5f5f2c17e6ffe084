#include "scheduler/api/investigator_service.h"

#include <utility>

#include "core/rpc/rpc.h"
#include "core/status_macros.h"
#include "core/uuid.h"
#include "dragnet/v1/investigator.grpc.pb.h"
#include "scheduler/api/investigator_api.h"
#include "scheduler/auth/peer.h"
#include "scheduler/unary.h"

namespace dragnet::scheduler {
namespace {

// Ends a stream that can't begin.
class RefusedStream : public grpc::ServerWriteReactor<v1::WatchEvent> {
 public:
  explicit RefusedStream(const absl::Status& reason) { Finish(rpc::ToGrpc(reason)); }
  void OnDone() override { std::unique_ptr<RefusedStream>(this); }
};

class InvestigatorServiceImpl : public v1::InvestigatorService::CallbackService {
 public:
  explicit InvestigatorServiceImpl(const ApiParts& parts)
      : parts_(parts),
        api_(parts.store, parts.agents, parts.policies, parts.dispatcher, parts.certificates,
             parts.streams, parts.blobs, parts.clock, parts.fleet_id, parts.status,
             parts.retention) {}

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
  DRAGNET_NAMED_CALL(SendOrder)
  DRAGNET_NAMED_CALL(PutBlobPart)
  DRAGNET_NAMED_CALL(PublishTrustPolicy)
  DRAGNET_NAMED_CALL(CreateEnrolmentToken)
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
  DRAGNET_CALL(GetAction)
  DRAGNET_CALL(SearchAgents)
  DRAGNET_CALL(ListRefusals)
  DRAGNET_CALL(GetStatus)
#undef DRAGNET_CALL

  grpc::ServerUnaryReactor* GetTrustPolicy(grpc::CallbackServerContext* context,
                                           const v1::GetTrustPolicyRequest*,
                                           v1::GetTrustPolicyResponse* response) override {
    return AnswerOn(parts_.executor, context,
                    [this, response] { return api_.GetTrustPolicy(response); });
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

 private:
  grpc::ServerWriteReactor<v1::WatchEvent>* Stream(grpc::CallbackServerContext* context,
                                                   WatchOptions options) {
    absl::StatusOr<Identity> peer = IdentifyPeer(*context->auth_context(), parts_.certificates);
    absl::Status status = peer.status();
    if (status.ok() && !IsUuid(options.action_id))
      status = absl::InvalidArgumentError("action_id: give the whole id");
    if (!status.ok()) return std::make_unique<RefusedStream>(status).release();
    return WatchStream::Start(parts_, *std::move(peer), std::move(options), context);
  }

  const ApiParts& parts_;
  InvestigatorApi api_;
};

}  // namespace

std::unique_ptr<grpc::Service> NewInvestigatorService(const ApiParts& parts) {
  return std::make_unique<InvestigatorServiceImpl>(parts);
}

}  // namespace dragnet::scheduler
