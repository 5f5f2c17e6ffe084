// Who signed an action, and may it run: found out here, from the signed bytes
// and a verified trust policy, not from what a scheduler says. Thread-safe: no
// state.
#pragma once

#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "console/form/module_catalog.h"
#include "core/trust_policy.h"
#include "dragnet/v1/action.pb.h"
#include "google/protobuf/repeated_ptr_field.h"

namespace dragnet::console {

struct ActionVerification {
  v1::Action action;
  // Investigators with a valid signature.
  std::set<std::string> signers;
  // Signatures on the envelope, valid or not.
  int signatures = 0;
  // By operation: "" when the weight is met, else what is missing.
  std::vector<std::string> missing;
  // Anything else for which agents would refuse: expired policy, wrong fleet.
  std::vector<std::string> problems;

  bool authorized() const;
};

// InvalidArgument if `envelope_bytes` isn't an action's envelope at all.
absl::StatusOr<ActionVerification> VerifyAction(std::string_view envelope_bytes,
                                                const TrustPolicy& policy,
                                                const ModuleCatalog& modules, absl::Time now);

// Lines for people; one per fact.
std::string DescribeVerification(const ActionVerification& verification, const TrustPolicy& policy);

// A line for each order about the action: who gave it, or why it doesn't hold.
std::string DescribeOrders(const google::protobuf::RepeatedPtrField<std::string>& envelopes,
                           const v1::Action& action, const TrustPolicy& policy,
                           const ModuleCatalog& modules);

}  // namespace dragnet::console
