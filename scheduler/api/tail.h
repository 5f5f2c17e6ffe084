// The stream of everything that is stored, for Tail.
//
// It reads from the store, from its own position on, whenever it is told that
// there is something new and has nothing left to write: a slow reader holds up no
// one and costs one batch of memory.
#pragma once

#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "core/clock.h"
#include "dragnet/v1/investigator.pb.h"
#include "grpcpp/alarm.h"
#include "grpcpp/server_context.h"
#include "grpcpp/support/server_callback.h"
#include "scheduler/api/watch.h"
#include "scheduler/export/tail_reader.h"

namespace dragnet::scheduler {

class TailServerStream final : public grpc::ServerWriteReactor<v1::TailEvent>,
                               public Watcher,
                               public OpenStream {
 public:
  // Lives until gRPC is done with it and no one else holds it.
  static TailServerStream* Start(const ApiParts& parts, Identity identity,
                                 const v1::TailRequest& request,
                                 grpc::CallbackServerContext* context);

  void Notify() override;
  void Close(const absl::Status& reason) override;
  void CutOffIfClosed() override;

 private:
  TailServerStream(const ApiParts& parts, Identity identity, const v1::TailRequest& request,
                   grpc::CallbackServerContext* context)
      : parts_(parts), identity_(std::move(identity)), request_(request), context_(context) {}

  void OnWriteDone(bool ok) override;
  void OnCancel() override { Close(absl::CancelledError("the console is gone")); }
  void OnDone() override;

  // What the next events are; runs on the executor, one at a time.
  void Step();
  absl::Status ReadNext(std::vector<v1::TailEvent>* events, bool* end);

  void StepSoonLocked() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  // To look again then, on SteadyNow's scale.
  void WakeLocked(absl::Time at) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void WriteNextLocked() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void FinishLocked(const absl::Status& reason) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const ApiParts& parts_;
  const Identity identity_;
  const v1::TailRequest request_;
  // Keeps this alive until OnDone.
  std::shared_ptr<TailServerStream> self_;

  // Of Step alone. Made by the first one.
  std::optional<TailReader> reader_;

  absl::Mutex mutex_;
  grpc::CallbackServerContext* context_ ABSL_GUARDED_BY(mutex_);
  std::unique_ptr<grpc::Alarm> alarm_ ABSL_GUARDED_BY(mutex_);
  bool alarm_set_ ABSL_GUARDED_BY(mutex_) = false;
  // Steady.
  absl::Time step_again_at_ ABSL_GUARDED_BY(mutex_) = absl::InfinitePast();
  bool finished_ ABSL_GUARDED_BY(mutex_) = false;
  // How often CutOffIfClosed found it so.
  int closed_for_ ABSL_GUARDED_BY(mutex_) = 0;
  // A step runs, or waits for a thread.
  bool stepping_ ABSL_GUARDED_BY(mutex_) = false;
  bool writing_ ABSL_GUARDED_BY(mutex_) = false;
  // Something happened since the last step began.
  bool news_ ABSL_GUARDED_BY(mutex_) = false;
  // The events that wait are the last ones.
  bool ending_ ABSL_GUARDED_BY(mutex_) = false;
  std::deque<v1::TailEvent> events_ ABSL_GUARDED_BY(mutex_);
  v1::TailEvent written_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace dragnet::scheduler
