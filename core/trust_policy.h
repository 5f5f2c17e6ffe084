// Who may order what: the verified form of trust.proto. Immutable, so
// thread-safe.
#pragma once

#include <map>
#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "core/keys.h"
#include "dragnet/v1/envelope.pb.h"
#include "dragnet/v1/trust.pb.h"

namespace dragnet {

// Different keys of which some number must sign: m of n.
class KeyThreshold {
 public:
  // PermissionDenied unless at least the threshold of different keys signed.
  absl::Status CheckThreshold(const v1::Envelope& envelope) const;

  const std::vector<PublicKey>& keys() const { return keys_; }
  uint32_t threshold() const { return threshold_; }

 protected:
  // `kind` is for errors and a literal: "root", "release". InvalidArgument: no keys,
  // more than 32, twice the same, threshold outside of [1, keys].
  static absl::StatusOr<KeyThreshold> Create(const char* kind, std::vector<PublicKey> keys,
                                             uint32_t threshold);

 private:
  const char* kind_ = "";
  std::vector<PublicKey> keys_;
  uint32_t threshold_ = 0;
};

// The root keys that a policy is checked against: those pinned in agent.toml
// until a policy is held, then those of that policy.
class RootSet : public KeyThreshold {
 public:
  RootSet() = default;
  // InvalidArgument: no keys, twice the same, threshold outside of [1, keys].
  static absl::StatusOr<RootSet> Create(std::vector<PublicKey> keys, uint32_t threshold);
  static absl::StatusOr<RootSet> FromProto(const v1::RootSet& proto);
  v1::RootSet ToProto() const;

 private:
  explicit RootSet(KeyThreshold keys) : KeyThreshold(std::move(keys)) {}
};

// Whose signatures make a build of the agent a release (core/release.h).
class ReleaseKeySet : public KeyThreshold {
 public:
  // InvalidArgument: no keys, twice the same, threshold outside of [1, keys].
  static absl::StatusOr<ReleaseKeySet> Create(std::vector<PublicKey> keys, uint32_t threshold);
  static absl::StatusOr<ReleaseKeySet> FromProto(const v1::ReleaseKeys& proto);
  v1::ReleaseKeys ToProto() const;

 private:
  explicit ReleaseKeySet(KeyThreshold keys) : KeyThreshold(std::move(keys)) {}
};

class TrustPolicy {
 public:
  // The first policy that a program takes, against pinned root keys.
  // PermissionDenied: too few root signatures. InvalidArgument: malformed.
  // FailedPrecondition: another fleet. Expiry is not checked here: see expired().
  static absl::StatusOr<TrustPolicy> VerifyFirst(std::string_view envelope_bytes,
                                                 const RootSet& pinned, std::string_view fleet_id);

  // A policy that this program verified before it stored it where no one else
  // can write. Checked against its own root keys only, so that it can be read
  // back after a rotation away from the pinned ones.
  static absl::StatusOr<TrustPolicy> FromOwnStorage(std::string_view envelope_bytes,
                                                    std::string_view fleet_id);

  // A successor of `this`: same fleet, higher version, signed by the threshold
  // of this policy's roots and of its own. FailedPrecondition: an older or the
  // same version, or already expired at `now` (unless it rotates the roots).
  absl::StatusOr<TrustPolicy> VerifySuccessor(std::string_view envelope_bytes,
                                              absl::Time now) const;

  const v1::TrustPolicy& proto() const { return proto_; }
  const std::string& envelope_bytes() const { return envelope_bytes_; }
  const std::string& fleet_id() const { return proto_.fleet_id(); }
  uint64_t version() const { return proto_.version(); }
  absl::Time expires() const { return expires_; }
  bool expired(absl::Time now) const { return now > expires_; }
  const RootSet& roots() const { return roots_; }
  // Nothing: this policy names none, and only root keys make a release.
  const std::optional<ReleaseKeySet>& release_keys() const { return release_keys_; }

  // Names of the different investigators with a valid signature on `envelope`.
  std::set<std::string> Signers(const v1::Envelope& envelope) const;

  // Whether `signers` together may have `module` run. PermissionDenied says the
  // weight that there is and the one that it takes, or that no rule exists.
  absl::Status CheckWeight(std::string_view module, const std::set<std::string>& signers) const;
  bool HasRuleFor(std::string_view module) const;

  // Empty for someone who isn't in the policy.
  std::set<v1::Role> RolesOf(std::string_view investigator) const;

 private:
  static absl::StatusOr<TrustPolicy> Parse(std::string_view envelope_bytes, v1::Envelope* envelope);

  v1::TrustPolicy proto_;
  std::string envelope_bytes_;
  absl::Time expires_;
  RootSet roots_;
  std::optional<ReleaseKeySet> release_keys_;
  // Parallel: the key, and whose it is.
  std::vector<PublicKey> keys_;
  std::vector<std::string> key_owners_;
};

// The bounds of trust.proto that need no signature: for those who write policies.
absl::Status ValidateTrustPolicy(const v1::TrustPolicy& policy);

// 1 to 64 characters of [a-z0-9._-], starting with a letter or digit.
bool IsInvestigatorName(std::string_view name);
// As a SPIFFE trust domain: 1 to 64 characters of [a-z0-9._-].
bool IsFleetId(std::string_view id);

}  // namespace dragnet
