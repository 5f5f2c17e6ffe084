// One's own decision about a proposal, signed and sent. Thread-safe: no state. Calls
// block for as long as the signer or the scheduler takes.
#pragma once

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "console/client/client.h"
#include "console/form/module_catalog.h"
#include "console/tui/views/proposal_entry.h"
#include "core/signer.h"
#include "core/trust_policy.h"

namespace dragnet::console::tui {

struct SignResult {
  bool launched = false;
  // What it still needs.
  std::string words;
};

// Signs the very payload that `entry` was made of; nothing else that the scheduler
// put on it goes along. FailedPrecondition for a key that isn't `name`'s.
absl::StatusOr<SignResult> SignAndPropose(const ProposalEntry& entry, const Signer& signer,
                                          const std::string& name, const TrustPolicy& policy,
                                          const ModuleCatalog& modules, absl::Time now,
                                          Client& client);

// Cancels it, for good.
absl::Status SignRefusal(const v1::Action& action, const Signer& signer, const std::string& fleet,
                         const std::string& reason, absl::Time now, Client& client);

}  // namespace dragnet::console::tui
