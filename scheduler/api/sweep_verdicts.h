// The stream of the newest verdicts of a sweep, for SweepVerdicts. Reads a batch
// whenever it has nothing left to write: a slow reader holds up no one and costs one
// batch of memory.
#pragma once

#include <deque>
#include <memory>
#include <optional>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "dragnet/v1/investigator.pb.h"
#include "grpcpp/server_context.h"
#include "grpcpp/support/server_callback.h"
#include "scheduler/api/sweeps.h"
#include "scheduler/api/watch.h"

namespace dragnet::scheduler {

class SweepVerdictsStream final : public grpc::ServerWriteReactor<v1::SweepVerdict>,
                                  public OpenStream {
 public:
  // Lives until gRPC is done with it and no one else holds it.
  static SweepVerdictsStream* Start(const ApiParts& parts, Identity identity,
                                    const v1::SweepVerdictsRequest& request,
                                    grpc::CallbackServerContext* context);

  void Close(const absl::Status& reason) override;
  void CutOffIfClosed() override;

 private:
  SweepVerdictsStream(const ApiParts& parts, Identity identity,
                      const v1::SweepVerdictsRequest& request, grpc::CallbackServerContext* context)
      : parts_(parts), identity_(std::move(identity)), request_(request), context_(context) {}

  void OnWriteDone(bool ok) override;
  void OnCancel() override { Close(absl::CancelledError("the console is gone")); }
  void OnDone() override;

  // What comes next; runs on the executor, one at a time.
  void Step();
  absl::StatusOr<std::vector<v1::SweepVerdict>> ReadNext();

  void StepSoonLocked() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void WriteNextLocked() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void FinishLocked(const absl::Status& reason) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const ApiParts& parts_;
  const Identity identity_;
  const v1::SweepVerdictsRequest request_;
  // Keeps this alive until OnDone.
  std::shared_ptr<SweepVerdictsStream> self_;

  // Of Step alone. Made by the first one.
  std::optional<SweepVerdictReader> reader_;

  absl::Mutex mutex_;
  grpc::CallbackServerContext* context_ ABSL_GUARDED_BY(mutex_);
  bool finished_ ABSL_GUARDED_BY(mutex_) = false;
  // Something was written.
  bool begun_ ABSL_GUARDED_BY(mutex_) = false;
  // How often CutOffIfClosed found it so.
  int closed_for_ ABSL_GUARDED_BY(mutex_) = 0;
  std::deque<v1::SweepVerdict> verdicts_ ABSL_GUARDED_BY(mutex_);
  v1::SweepVerdict written_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace dragnet::scheduler
