// The fleet's trust policy as this console takes it: never on the scheduler's
// word. Thread-safe: no state in memory.
#pragma once

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "console/client/client.h"
#include "console/client/config.h"
#include "core/trust_policy.h"

namespace dragnet::console {

struct TrustedPolicy {
  TrustPolicy policy;
  // Not OK: an older policy will not be noticed next time, and why.
  absl::Status remembered;
};

// The scheduler's newest policy, verified against the root keys pinned in
// console.toml. FailedPrecondition if a newer one was seen here before.
absl::StatusOr<TrustedPolicy> FetchPolicy(const ConsoleConfig& config, Client& client);

}  // namespace dragnet::console
