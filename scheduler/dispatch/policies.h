// The trust policies that the scheduler hands on. It can't make one; it takes
// those that the root keys signed. Thread-safe.
#pragma once

#include <cstdint>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/base/thread_annotations.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/synchronization/mutex.h"
#include "core/trust_policy.h"
#include "scheduler/store/store.h"

namespace dragnet::scheduler {

class Policies {
 public:
  // From the store. FailedPrecondition when it has none; PermissionDenied when
  // the first one isn't signed by `pinned`, the keys of scheduler.toml.
  static absl::StatusOr<std::unique_ptr<Policies>> Load(Store& store, std::string_view fleet_id,
                                                        const RootSet& pinned);

  std::shared_ptr<const TrustPolicy> current() const;

  // What an agent with `version` lacks, oldest first: the newest policy, and
  // those in between if the root keys changed on the way.
  std::vector<std::string> EnvelopesAfter(uint64_t version) const;

  // As TrustPolicy::VerifySuccessor; then it is stored and current.
  absl::Status Publish(std::string_view envelope_bytes, absl::Time now);

 private:
  struct Version {
    uint64_t version;
    std::string envelope;
    std::string roots;
  };

  explicit Policies(Store& store) : store_(store) {}
  void Add(std::shared_ptr<const TrustPolicy> policy);

  Store& store_;
  // Held over the whole of a publication.
  absl::Mutex publishing_;
  mutable absl::Mutex mutex_;
  std::shared_ptr<const TrustPolicy> current_ ABSL_GUARDED_BY(mutex_);
  std::vector<Version> versions_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace dragnet::scheduler
