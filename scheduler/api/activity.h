// The stream that tells consoles that something changed: WatchActivity.
//
// It reads the news from its own position on, at most four times in a second, and
// only when it has nothing left to write: a slow console holds up no one, costs one
// message of memory, and is told all it missed in the next one.
#pragma once

#include <cstdint>
#include <memory>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/synchronization/mutex.h"
#include "core/clock.h"
#include "dragnet/v1/investigator.pb.h"
#include "grpcpp/alarm.h"
#include "grpcpp/server_context.h"
#include "grpcpp/support/server_callback.h"
#include "scheduler/api/watch.h"
#include "scheduler/dispatch/news.h"

namespace dragnet::scheduler {

class ActivityStream final : public grpc::ServerWriteReactor<v1::Activity>,
                             public NewsListener,
                             public OpenStream {
 public:
  // Lives until gRPC is done with it and no one else holds it.
  static ActivityStream* Start(const ApiParts& parts, Identity identity,
                               grpc::CallbackServerContext* context);

  void OnNews() override;
  void Close(const absl::Status& reason) override;
  void CutOffIfClosed() override;

 private:
  ActivityStream(const ApiParts& parts, Identity identity, grpc::CallbackServerContext* context)
      : parts_(parts), identity_(std::move(identity)), context_(context) {}

  void OnWriteDone(bool ok) override;
  void OnCancel() override { Close(absl::CancelledError("the console is gone")); }
  void OnDone() override;

  // Tells what is new; on the executor, one at a time.
  void Step();
  absl::Status CheckStillAllowed() const;
  void StepSoonLocked() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void FinishLocked(const absl::Status& reason) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const ApiParts& parts_;
  const Identity identity_;
  // Keeps this alive until OnDone.
  std::shared_ptr<ActivityStream> self_;

  absl::Mutex mutex_;
  grpc::CallbackServerContext* context_ ABSL_GUARDED_BY(mutex_);
  std::unique_ptr<grpc::Alarm> alarm_ ABSL_GUARDED_BY(mutex_);
  uint64_t position_ ABSL_GUARDED_BY(mutex_) = 0;
  bool begun_ ABSL_GUARDED_BY(mutex_) = false;
  bool writing_ ABSL_GUARDED_BY(mutex_) = false;
  bool finished_ ABSL_GUARDED_BY(mutex_) = false;
  // How often CutOffIfClosed found it so.
  int closed_for_ ABSL_GUARDED_BY(mutex_) = 0;
  // Before that, nothing further is told. Steady.
  absl::Time again_at_ ABSL_GUARDED_BY(mutex_) = absl::InfinitePast();
  v1::Activity written_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace dragnet::scheduler
