// The trust policies that the scheduler hands on. It can't make one; it takes
// those that the root keys signed. Thread-safe.
#pragma once

#include <cstdint>
#include <functional>
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

  // What an agent with `version` (0: none) lacks, oldest first: those that changed the
  // root keys on the way, and the newest policy.
  std::vector<std::string> EnvelopesAfter(uint64_t version) const;

  // What agents must know (DER, as of now): Publish refuses a policy that names CA
  // certificates and not all of these, since agents that take it could not connect any
  // more. Before the first publication.
  void SetNeededCas(std::function<std::vector<std::string>()> needed) {
    needed_cas_ = std::move(needed);
  }

  // As TrustPolicy::VerifySuccessor; then it is stored and current.
  absl::Status Publish(std::string_view envelope_bytes, absl::Time now);
  // Those that another scheduler has published since. Whether there were any. Blocks.
  absl::StatusOr<bool> TakeUp();

 private:
  struct Version {
    uint64_t version;
    std::string envelope;
    std::string roots;
  };

  Policies(Store& store, std::string_view fleet_id) : store_(store), fleet_id_(fleet_id) {}
  absl::Status CheckCas(const v1::TrustPolicy& policy) const;
  absl::StatusOr<bool> TakeUpLocked() ABSL_EXCLUSIVE_LOCKS_REQUIRED(publishing_);
  void Add(std::shared_ptr<const TrustPolicy> policy);

  Store& store_;
  const std::string fleet_id_;
  std::function<std::vector<std::string>()> needed_cas_;
  // Held over the whole of a publication.
  absl::Mutex publishing_;
  mutable absl::Mutex mutex_;
  std::shared_ptr<const TrustPolicy> current_ ABSL_GUARDED_BY(mutex_);
  std::vector<Version> versions_ ABSL_GUARDED_BY(mutex_);
};

}  // namespace dragnet::scheduler
