// The stream of what happens to one action, for Watch and Results.
//
// It reads from the store, from its own position on, whenever it is told that
// there is something new and has nothing left to write: a slow console holds up
// no one and costs one batch of memory. When much happens it waits a moment after
// each step, so that of a pair that runs and ends meanwhile one state is read.
#pragma once

#include <deque>
#include <map>
#include <memory>
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
#include "scheduler/api/status.h"
#include "scheduler/auth/certificates.h"
#include "scheduler/auth/open_streams.h"
#include "scheduler/auth/revocations.h"
#include "scheduler/blobs/blob_files.h"
#include "scheduler/blobs/blob_source.h"
#include "scheduler/dispatch/action_progress.h"
#include "scheduler/dispatch/agents.h"
#include "scheduler/dispatch/dispatcher.h"
#include "scheduler/dispatch/proposals.h"
#include "scheduler/dispatch/watchers.h"
#include "scheduler/store/retention.h"

namespace dragnet::scheduler {

// What all calls of the investigators' API share. Everything in it outlives them.
struct ApiParts {
  Store& store;
  Agents& agents;
  Policies& policies;
  Dispatcher& dispatcher;
  Watchers& watchers;
  CertificateRegistry& certificates;
  Revocations& revocations;
  OpenStreams& streams;
  BlobFiles& blobs;
  BlobSource& blob_source;
  Executor& executor;
  const Clock& clock;
  std::string fleet_id;
  StatusReport& status;
  Retention& retention;
  Proposals& proposals;
  ActionProgress& progress;
};

struct WatchOptions {
  std::string action_id;
  uint64_t after = 0;
  // Wait for what is still to come; else end with what is there.
  bool follow = false;
  bool until_expired = false;
};

class WatchStream final : public grpc::ServerWriteReactor<v1::WatchEvent>,
                          public Watcher,
                          public OpenStream {
 public:
  // Lives until gRPC is done with it and no one else holds it.
  static WatchStream* Start(const ApiParts& parts, Identity identity, WatchOptions options,
                            grpc::CallbackServerContext* context);

  void Notify() override;
  void Close(const absl::Status& reason) override;
  void CutOffIfClosed() override;

 private:
  WatchStream(const ApiParts& parts, Identity identity, WatchOptions options,
              grpc::CallbackServerContext* context)
      : parts_(parts),
        identity_(std::move(identity)),
        options_(std::move(options)),
        position_(options_.after),
        context_(context) {}

  void OnWriteDone(bool ok) override;
  void OnCancel() override { Close(absl::CancelledError("the console is gone")); }
  void OnDone() override;

  // What the next events are; runs on the executor, one at a time.
  void Step();
  absl::Status ReadNext(std::vector<v1::WatchEvent>* events, bool* end);
  absl::Status ReadProgress(std::vector<v1::WatchEvent>* events, bool* end);
  // States of those that are waiting or sent, of which the console wasn't told yet.
  // True: there are more.
  bool TellUnheard(const std::vector<PairState>& pairs, std::vector<v1::WatchEvent>* events);
  absl::Status LoadAction();
  v1::WatchEvent EventOf(Change change) const;

  // A time at which to look again, on SteadyNow's scale.
  struct Wake {
    std::unique_ptr<grpc::Alarm> alarm;
    bool set = false;
  };
  void WakeLocked(absl::Time at, Wake* wake) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  void StepSoonLocked() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void WriteNextLocked() ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);
  void FinishLocked(const absl::Status& reason) ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const ApiParts& parts_;
  const Identity identity_;
  const WatchOptions options_;
  // Keeps this alive until OnDone.
  std::shared_ptr<WatchStream> self_;

  // Of Step alone.
  uint64_t position_;
  std::vector<std::string> modules_;
  absl::Time expires_;
  bool progress_sent_ = false;
  v1::Progress progress_;
  absl::Time last_change_ = absl::InfinitePast();  // steady
  // What was told by TellUnheard, by agent.
  std::map<std::string, v1::DispatchState> unheard_;
  absl::Time count_again_at_ = absl::InfinitePast();  // steady

  absl::Mutex mutex_;
  grpc::CallbackServerContext* context_ ABSL_GUARDED_BY(mutex_);
  // For the next count and the next step, when they have to wait.
  Wake count_ ABSL_GUARDED_BY(mutex_);
  Wake step_ ABSL_GUARDED_BY(mutex_);
  // Steady: a clock that is set back must not silence a watcher.
  absl::Time step_again_at_ ABSL_GUARDED_BY(mutex_) = absl::InfinitePast();
  bool finished_ ABSL_GUARDED_BY(mutex_) = false;
  // How often CutOffIfClosed found it so.
  int closed_for_ ABSL_GUARDED_BY(mutex_) = 0;
  // A step runs, or waits for a thread.
  bool stepping_ ABSL_GUARDED_BY(mutex_) = false;
  bool writing_ ABSL_GUARDED_BY(mutex_) = false;
  // Something was written.
  bool begun_ ABSL_GUARDED_BY(mutex_) = false;
  // Something happened since the last step began.
  bool news_ ABSL_GUARDED_BY(mutex_) = false;
  // The events that wait are the last ones.
  bool ending_ ABSL_GUARDED_BY(mutex_) = false;
  std::deque<v1::WatchEvent> events_ ABSL_GUARDED_BY(mutex_);
  v1::WatchEvent written_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace dragnet::scheduler
