#include "scheduler/dispatch/policies.h"

#include <utility>

#include "core/status_macros.h"

namespace dragnet::scheduler {

absl::StatusOr<std::unique_ptr<Policies>> Policies::Load(Store& store, std::string_view fleet_id,
                                                         const RootSet& pinned) {
  DRAGNET_ASSIGN_OR_RETURN(const std::vector<StoredTrustPolicy> stored, store.TrustPolicies());
  if (stored.empty())
    return absl::FailedPreconditionError(
        "the store holds no trust policy: make the fleet with dragnet-scheduler init");
  DRAGNET_RETURN_IF_ERROR(
      Annotate(TrustPolicy::VerifyFirst(stored.front().envelope, pinned, fleet_id).status(),
               "first trust policy of the store, against root_keys"));
  std::unique_ptr<Policies> policies(new Policies(store));
  for (const StoredTrustPolicy& one : stored) {
    absl::StatusOr<TrustPolicy> policy = TrustPolicy::FromOwnStorage(one.envelope, fleet_id);
    DRAGNET_RETURN_IF_ERROR(
        Annotate(policy.status(), StrCat("trust policy ", one.version, " of the store")));
    policies->Add(std::make_shared<const TrustPolicy>(*std::move(policy)));
  }
  return policies;
}

void Policies::Add(std::shared_ptr<const TrustPolicy> policy) {
  absl::MutexLock lock(&mutex_);
  versions_.push_back({.version = policy->version(),
                       .envelope = policy->envelope_bytes(),
                       .roots = policy->proto().roots().SerializeAsString()});
  current_ = std::move(policy);
}

std::shared_ptr<const TrustPolicy> Policies::current() const {
  absl::MutexLock lock(&mutex_);
  return current_;
}

std::vector<std::string> Policies::EnvelopesAfter(uint64_t version) const {
  absl::MutexLock lock(&mutex_);
  std::vector<std::string> envelopes;
  if (version >= versions_.back().version) return envelopes;
  // The roots that the agent goes by are those of its policy, or, without one,
  // those that it pinned: taken to be the first policy's.
  std::string roots = versions_.front().roots;
  bool rotated = false;
  for (const Version& one : versions_) {
    if (one.version <= version) {
      roots = one.roots;
    } else if (one.roots != roots) {
      rotated = true;
    }
  }
  if (!rotated) return {versions_.back().envelope};
  for (const Version& one : versions_)
    if (one.version > version) envelopes.push_back(one.envelope);
  return envelopes;
}

absl::Status Policies::Publish(std::string_view envelope_bytes, absl::Time now) {
  absl::MutexLock publishing(&publishing_);
  DRAGNET_ASSIGN_OR_RETURN(TrustPolicy policy, current()->VerifySuccessor(envelope_bytes, now));
  DRAGNET_RETURN_IF_ERROR(
      store_.AddTrustPolicy({.version = policy.version(), .envelope = policy.envelope_bytes()}));
  Add(std::make_shared<const TrustPolicy>(std::move(policy)));
  return absl::OkStatus();
}

}  // namespace dragnet::scheduler
