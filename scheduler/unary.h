// Answers a unary RPC from a thread that may block.
#pragma once

#include <functional>
#include <utility>

#include "absl/status/status.h"
#include "core/rpc/rpc.h"
#include "grpcpp/server_context.h"
#include "grpcpp/support/server_callback.h"
#include "scheduler/executor.h"

namespace dragnet::scheduler {

inline grpc::ServerUnaryReactor* AnswerOn(Executor& executor, grpc::CallbackServerContext* context,
                                          std::function<absl::Status()> work) {
  // Request, response and reactor live until Finish.
  grpc::ServerUnaryReactor* reactor = context->DefaultReactor();
  const bool taken =
      executor.Run([reactor, work = std::move(work)] { reactor->Finish(rpc::ToGrpc(work())); });
  if (!taken)
    reactor->Finish(grpc::Status(grpc::StatusCode::RESOURCE_EXHAUSTED,
                                 "the scheduler has too much to do: try again later"));
  return reactor;
}

}  // namespace dragnet::scheduler
