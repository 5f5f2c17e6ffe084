// Changes to a trust policy that is being drafted. Each function leaves the
// policy as it was when it fails, and says in its error what the policy has
// instead. The whole is checked by ValidateTrustPolicy afterwards, by who writes
// it. Thread-safe: no state.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "core/keys.h"
#include "dragnet/v1/trust.pb.h"

namespace dragnet::console {

// `current` with the next version, issued at `now`. Whoever is in it stays.
v1::TrustPolicy DraftSuccessor(const v1::TrustPolicy& current, absl::Time now,
                               absl::Duration lifetime);

// "reader", "investigator", "operator".
absl::StatusOr<v1::Role> ParseRole(std::string_view word);
std::string RoleWord(int role);

// A word before and a number after "=": "file=1".
struct NamedWeight {
  std::string name;
  uint32_t weight = 0;
};
absl::StatusOr<NamedWeight> ParseNamedWeight(std::string_view text);

// `weights` name modules that have a rule; "*" is each of them, and one that is
// named goes over it. AlreadyExists for a name that is taken.
absl::Status AddInvestigator(std::string_view name, const std::vector<PublicKey>& keys,
                             const std::vector<v1::Role>& roles,
                             const std::vector<NamedWeight>& weights, v1::TrustPolicy* policy);
// With all their weights. NotFound if there is no one of this name.
absl::Status RemoveInvestigator(std::string_view name, v1::TrustPolicy* policy);
// `remove` are ids or unique beginnings of at least 8 characters.
absl::Status ChangeKeys(std::string_view name, const std::vector<PublicKey>& add,
                        const std::vector<std::string>& remove, v1::TrustPolicy* policy);
// These and no others.
absl::Status SetRoles(std::string_view name, const std::vector<v1::Role>& roles,
                      v1::TrustPolicy* policy);

// Makes the rule where there is none, which takes a minimum. Weights name
// people; 0 takes one away.
absl::Status SetWeights(std::string_view module, std::optional<uint32_t> minimum,
                        const std::vector<NamedWeight>& people, v1::TrustPolicy* policy);
// Then no one may use it.
absl::Status RemoveModule(std::string_view module, v1::TrustPolicy* policy);

absl::Status ChangeRoots(const std::vector<PublicKey>& add, const std::vector<std::string>& remove,
                         std::optional<uint32_t> threshold, v1::TrustPolicy* policy);
// Keys of releases. Where there are none yet it takes a threshold; without a last one
// only root keys make a release.
absl::Status ChangeReleaseKeys(const std::vector<PublicKey>& add,
                               const std::vector<std::string>& remove,
                               std::optional<uint32_t> threshold, v1::TrustPolicy* policy);
// DER; `remove` as for keys, of fingerprints.
absl::Status ChangeCaCertificates(const std::vector<std::string>& add,
                                  const std::vector<std::string>& remove, v1::TrustPolicy* policy);

}  // namespace dragnet::console
