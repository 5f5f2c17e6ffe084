// Actions that wait for more signatures: whether one's own is enough, what waits,
// and one's own signature on it. All of it is found out here, from the signed bytes
// and a verified trust policy, not from what a scheduler says. Thread-safe: no state.
#pragma once

#include <set>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "console/client/client.h"
#include "console/form/module_catalog.h"
#include "console/investigation/verification.h"
#include "core/keys.h"
#include "core/signer.h"
#include "core/trust_policy.h"
#include "dragnet/v1/action.pb.h"
#include "dragnet/v1/investigator.pb.h"

namespace dragnet::console {

// How long an action that must be proposed is valid, if nobody said how long: others
// must find the time to read it.
inline constexpr absl::Duration kProposalLifetime = absl::Hours(24);

// In whose name a signature of `key` counts; empty for a key that isn't in the policy.
std::set<std::string> PeopleOf(const PublicKey& key, const TrustPolicy& policy);

struct SignatureNeed {
  // Nothing is missing.
  bool enough = true;
  // A module has no rule, or doesn't exist here: nobody's signatures make it run.
  bool impossible = false;
  // These have some weight in it.
  bool has_a_say = false;
  // "needs weight 2 for memory, the signatures give 1"; empty when it is enough.
  std::string words;
};

// What the signatures of `signers` are worth for `action`. `whose` for the words:
// "your signature gives".
SignatureNeed NeedOf(const v1::Action& action, const std::set<std::string>& signers,
                     const TrustPolicy& policy, const ModuleCatalog& modules,
                     std::string_view whose);

struct CheckedProposal {
  v1::Proposal proposal;
  ActionVerification verification;
};

// What the scheduler has, newest first, with `signed_by` and `missing` as they are
// found to be here. DataLoss if it gives the document of another action than it says.
absl::StatusOr<std::vector<CheckedProposal>> FindProposals(bool with_closed, Client& client,
                                                           const TrustPolicy& policy,
                                                           const ModuleCatalog& modules,
                                                           absl::Time now);

// Nobody signs what they can't be shown: FailedPrecondition for an action with a
// module that this version doesn't have, or with parameters that it can't read.
absl::Status CheckReadable(const v1::Action& action, const ModuleCatalog& modules);

// An envelope of the same payload that holds nothing but `signer`'s signature: what
// is sent to be joined with the others. Whatever else the scheduler put on it stays
// behind.
absl::StatusOr<v1::Envelope> SignSamePayload(std::string_view envelope_bytes, const Signer& signer);

}  // namespace dragnet::console
