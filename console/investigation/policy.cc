#include "console/investigation/policy.h"

#include "console/client/trust_version.h"
#include "core/status_macros.h"
#include "core/strings.h"

namespace dragnet::console {

absl::StatusOr<TrustedPolicy> FetchPolicy(const ConsoleConfig& config, Client& client) {
  DRAGNET_ASSIGN_OR_RETURN(const RootSet roots, LoadRootKeys(config));
  DRAGNET_ASSIGN_OR_RETURN(const v1::GetTrustPolicyResponse response, client.GetTrustPolicy());
  absl::StatusOr<TrustPolicy> policy =
      TrustPolicy::VerifyFirst(response.envelope(), roots, config.fleet_id);
  if (!policy.ok()) {
    return Annotate(policy.status(),
                    "the scheduler's trust policy does not stand up to the root "
                    "keys pinned here; don't trust this scheduler");
  }
  const uint64_t version = policy->version();
  DRAGNET_ASSIGN_OR_RETURN(const uint64_t seen, SeenTrustVersion(config));
  if (version < seen) {
    return absl::FailedPreconditionError(
        StrCat("the scheduler's trust policy: version ", version, " is older than version ", seen,
               ", seen here before (", TrustVersionPath(config), "): don't trust this scheduler"));
  }
  return TrustedPolicy{*std::move(policy),
                       version == seen ? absl::OkStatus() : KeepTrustVersion(config, version)};
}

}  // namespace dragnet::console
