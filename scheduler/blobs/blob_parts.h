// Answers to agents' requests for parts of blobs. A whole fleet asks for the
// same ones at the same time: all that are on their way share one copy, so that
// memory goes with the parts and not with the agents. Thread-safe.
#pragma once

#include <map>
#include <memory>
#include <string>
#include <utility>

#include "absl/base/thread_annotations.h"
#include "absl/synchronization/mutex.h"
#include "dragnet/v1/agent_gateway.pb.h"
#include "scheduler/blobs/blob_files.h"
#include "scheduler/dispatch/agents.h"

namespace dragnet::scheduler {

class BlobParts {
 public:
  explicit BlobParts(const BlobFiles& files) : files_(files) {}

  bool Has(const v1::BlobRequest& request) const { return files_.Has(request.sha256()); }
  // A serialised SchedulerMessage; its part is empty when there is nothing.
  OutgoingMessage Answer(const v1::BlobRequest& request);

 private:
  using Key = std::pair<std::string, uint64_t>;  // SHA-256 and offset

  OutgoingMessage Shared(const Key& key) const ABSL_EXCLUSIVE_LOCKS_REQUIRED(mutex_);

  const BlobFiles& files_;
  absl::Mutex mutex_;
  // Kept by who sends them.
  std::map<Key, std::weak_ptr<const std::string>> shared_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace dragnet::scheduler
