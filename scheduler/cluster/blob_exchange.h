// Blobs between schedulers. Each has its own files; what an action names is fetched by
// every one that takes the action up, in parts over the bus, and gets its name only when
// its SHA-256 is right. Before a launch is answered another scheduler has what it names.
//
// Thread-safe. Calls block unless they say otherwise.
#pragma once

#include <functional>
#include <map>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "absl/time/time.h"
#include "core/clock.h"
#include "dragnet/v1/cluster.pb.h"
#include "scheduler/blobs/blob_files.h"
#include "scheduler/blobs/blob_source.h"
#include "scheduler/executor.h"
#include "scheduler/observe/repeated_lines.h"

namespace dragnet::scheduler {

class BlobExchange final : public BlobSource {
 public:
  // In one message.
  static constexpr int kMaxBlobs = 256;

  // As Bus::Ask and Bus::Tell; those that are alive, without this one.
  using Ask = std::function<absl::StatusOr<v1::PeerMessage>(
      const std::string& to, v1::PeerMessage message, absl::Duration timeout)>;
  using Tell = std::function<void(const std::string& to, v1::PeerMessage message)>;
  using Others = std::function<std::vector<std::string>()>;

  // All must outlive it.
  BlobExchange(BlobFiles& files, const Clock& clock, Ask ask, Tell tell, Others others)
      : files_(files),
        clock_(clock),
        ask_(std::move(ask)),
        tell_(std::move(tell)),
        others_(std::move(others)) {}

  absl::Status Fetch(std::string_view sha256) override;
  absl::Status MakeSafe(const std::vector<std::string>& sha256s, absl::Time until) override;

  // An action that is valid until then names these. Doesn't block: FetchWanted does it.
  void Want(const std::vector<std::string>& sha256s, absl::Time until);
  // What is wanted and isn't here yet. Now and then, by one thread.
  void FetchWanted();

  // ---- answers to other schedulers
  v1::BlobPartReply OnPartRequest(const v1::BlobPartRequest& request) const;
  v1::KeepBlobsReply OnKeep(const std::string& from, const v1::KeepBlobs& keep);

 private:
  // Only one at a time fetches a digest: what is here in part is one file.
  class Turn;
  absl::Status FetchFrom(const std::string& scheduler, const std::string& sha256)
      ABSL_LOCKS_EXCLUDED(mutex_);

  BlobFiles& files_;
  const Clock& clock_;
  const Ask ask_;
  const Tell tell_;
  const Others others_;
  RepeatedLines lines_;
  absl::Mutex mutex_;
  // Until when. Bounded.
  std::map<std::string, absl::Time> wanted_ ABSL_GUARDED_BY(mutex_);
  std::set<std::string> fetching_ ABSL_GUARDED_BY(mutex_);
  // Asks several others at once. Last, so that it has ended before anything else goes.
  Executor asking_{/*threads=*/4, /*max_waiting=*/64};
};

}  // namespace dragnet::scheduler
