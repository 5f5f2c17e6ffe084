#include "scheduler/dispatch/policies.h"

#include <algorithm>
#include <utility>

#include "core/keys.h"
#include "core/status_macros.h"
#include "core/strings.h"
#include "core/text.h"

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
  std::unique_ptr<Policies> policies(new Policies(store, fleet_id));
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
  // A policy that changes the roots is signed by those before and by its own: an agent
  // takes it whichever of both it goes by, and one without a policy may have pinned
  // either. One in between that changes none leads nowhere that the next such one
  // doesn't, and who pinned later roots would refuse it.
  const Version* before = nullptr;
  for (const Version& one : versions_) {
    const bool rotates = before != nullptr && one.roots != before->roots;
    const bool newest = &one == &versions_.back();
    if (one.version > version && (rotates || newest)) envelopes.push_back(one.envelope);
    before = &one;
  }
  return envelopes;
}

absl::Status Policies::CheckCas(const v1::TrustPolicy& policy) const {
  const auto& named = policy.ca_certificates();
  if (needed_cas_ == nullptr) return absl::OkStatus();
  if (named.empty()) {
    // They would go back to their ca_file, which may be of a CA that is gone.
    if (current()->proto().ca_certificates().empty()) return absl::OkStatus();
    return absl::FailedPreconditionError(
        "the policy names no CA certificate, and the one in force does: agents that take it could "
        "not connect any more (dragnet trust ca)");
  }
  for (const std::string& needed : needed_cas_())
    if (std::find(named.begin(), named.end(), needed) == named.end())
      return absl::FailedPreconditionError(
          StrCat("the policy doesn't name CA certificate ", HexEncode(Sha256(needed)),
                 ", which this scheduler's own certificate, or what it issues, is of: agents that "
                 "take the policy could not connect any more (dragnet trust ca)"));
  return absl::OkStatus();
}

absl::Status Policies::Publish(std::string_view envelope_bytes, absl::Time now) {
  absl::MutexLock publishing(&publishing_);
  DRAGNET_RETURN_IF_ERROR(TakeUpLocked().status());
  DRAGNET_ASSIGN_OR_RETURN(TrustPolicy policy, current()->VerifySuccessor(envelope_bytes, now));
  DRAGNET_RETURN_IF_ERROR(CheckCas(policy.proto()));
  DRAGNET_RETURN_IF_ERROR(
      store_.AddTrustPolicy({.version = policy.version(), .envelope = policy.envelope_bytes()}));
  Add(std::make_shared<const TrustPolicy>(std::move(policy)));
  return absl::OkStatus();
}

absl::StatusOr<bool> Policies::TakeUp() {
  absl::MutexLock publishing(&publishing_);
  return TakeUpLocked();
}

// As Load: whoever published them verified each against the one before.
absl::StatusOr<bool> Policies::TakeUpLocked() {
  DRAGNET_ASSIGN_OR_RETURN(const std::vector<StoredTrustPolicy> stored, store_.TrustPolicies());
  bool any = false;
  for (const StoredTrustPolicy& one : stored) {
    if (one.version <= current()->version()) continue;
    absl::StatusOr<TrustPolicy> policy = TrustPolicy::FromOwnStorage(one.envelope, fleet_id_);
    DRAGNET_RETURN_IF_ERROR(
        Annotate(policy.status(), StrCat("trust policy ", one.version, " of the store")));
    Add(std::make_shared<const TrustPolicy>(*std::move(policy)));
    any = true;
  }
  return any;
}

}  // namespace dragnet::scheduler
