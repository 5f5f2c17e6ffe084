#include "core/trust_policy.h"

#include <algorithm>

#include "core/action.h"
#include "core/envelope.h"
#include "core/status_macros.h"
#include "core/strict_proto.h"
#include "core/strings.h"

namespace dragnet {
namespace {

constexpr int kMaxThresholdKeys = 32;
constexpr int kMaxInvestigators = 1000;
constexpr int kMaxKeysPerInvestigator = 8;
constexpr int kMaxModulePolicies = 1000;
constexpr int kMaxCaCertificates = 16;
constexpr uint32_t kMaxWeight = 1000;

absl::Status Invalid(std::string_view field, std::string_view problem) {
  return absl::InvalidArgumentError(StrCat("trust policy ", field, ": ", problem));
}

template <typename Proto>
absl::StatusOr<std::vector<PublicKey>> ParseKeys(const Proto& proto) {
  std::vector<PublicKey> keys;
  for (const v1::PublicKey& key : proto.keys()) {
    DRAGNET_ASSIGN_OR_RETURN(PublicKey parsed, PublicKey::FromProto(key));
    keys.push_back(std::move(parsed));
    if (keys.size() > kMaxThresholdKeys) break;
  }
  return keys;
}

template <typename Proto>
Proto SetToProto(const KeyThreshold& set) {
  Proto proto;
  for (const PublicKey& key : set.keys()) *proto.add_keys() = key.ToProto();
  proto.set_threshold(set.threshold());
  return proto;
}

bool IsPlainName(std::string_view name) {
  if (name.empty() || name.size() > 64) return false;
  const auto alphanumeric = [](char c) { return (c >= 'a' && c <= 'z') || (c >= '0' && c <= '9'); };
  if (!alphanumeric(name.front())) return false;
  return std::all_of(name.begin(), name.end(),
                     [&](char c) { return alphanumeric(c) || c == '.' || c == '_' || c == '-'; });
}

absl::Status ValidateInvestigators(const v1::TrustPolicy& policy) {
  if (policy.investigators_size() > kMaxInvestigators) return Invalid("investigators", "too many");
  std::set<std::string> names;
  std::set<std::string> spkis;
  for (const v1::Investigator& investigator : policy.investigators()) {
    if (!IsInvestigatorName(investigator.name())) {
      return Invalid("investigators", "a name is not 1 to 64 characters of [a-z0-9._-]");
    }
    const std::string field = StrCat("investigator ", investigator.name());
    if (!names.insert(investigator.name()).second) return Invalid(field, "named twice");
    if (investigator.keys_size() == 0) return Invalid(field, "has no key");
    if (investigator.keys_size() > kMaxKeysPerInvestigator) return Invalid(field, "too many keys");
    for (const v1::PublicKey& key : investigator.keys()) {
      // A key shared by two names would count twice. By its SPKI, which is what
      // its id is made of: so not as a security key and as a plain one either.
      if (!spkis.insert(key.spki()).second) return Invalid(field, "a key that is listed twice");
      DRAGNET_RETURN_IF_ERROR(Annotate(PublicKey::FromProto(key).status(), field));
    }
    for (const int role : investigator.roles()) {
      if (!v1::Role_IsValid(role) || role == v1::ROLE_UNSPECIFIED) {
        return Invalid(field, "a role that is not known");
      }
    }
  }
  return absl::OkStatus();
}

// A key that is a root's and an investigator's is the same key in both places: a
// plain one in one of them would be a way round the token that holds it.
absl::Status ValidateSecurityKeys(const v1::TrustPolicy& policy) {
  std::map<std::string, std::string> roots;
  for (const v1::PublicKey& key : policy.roots().keys()) {
    roots[key.spki()] = key.SerializeAsString();
  }
  for (const v1::Investigator& investigator : policy.investigators()) {
    for (const v1::PublicKey& key : investigator.keys()) {
      const auto root = roots.find(key.spki());
      if (root != roots.end() && root->second != key.SerializeAsString()) {
        return Invalid(StrCat("investigator ", investigator.name()),
                       "a key that is a root key too, with another security_key there");
      }
    }
  }
  return absl::OkStatus();
}

// Who builds and who rolls out are two powers, and who changes the policy a third: one
// stolen key must not be two of them. By SPKI, so that it isn't the same key as a
// security key in one place and plain in another either.
absl::Status ValidateReleaseKeys(const v1::TrustPolicy& policy) {
  if (!policy.has_release_keys()) return absl::OkStatus();
  DRAGNET_ASSIGN_OR_RETURN(const ReleaseKeySet release,
                           ReleaseKeySet::FromProto(policy.release_keys()));
  std::map<std::string, std::string> owners;
  for (const v1::PublicKey& key : policy.roots().keys()) owners[key.spki()] = "a root key";
  for (const v1::Investigator& investigator : policy.investigators()) {
    for (const v1::PublicKey& key : investigator.keys()) {
      owners[key.spki()] = StrCat("a key of investigator ", investigator.name());
    }
  }
  for (const PublicKey& key : release.keys()) {
    const auto owner = owners.find(key.spki());
    if (owner == owners.end()) continue;
    return absl::InvalidArgumentError(
        StrCat("release key ", key.id(), " is ", owner->second, " too: make it one of its own"));
  }
  return absl::OkStatus();
}

absl::Status ValidateModules(const v1::TrustPolicy& policy) {
  if (policy.modules_size() > kMaxModulePolicies) return Invalid("modules", "too many");
  std::set<std::string> investigators;
  for (const v1::Investigator& investigator : policy.investigators()) {
    investigators.insert(investigator.name());
  }
  std::set<std::string> modules;
  for (const v1::ModulePolicy& module : policy.modules()) {
    if (!IsPlainName(module.module())) return Invalid("modules", "a name that can't be a module's");
    const std::string field = StrCat("module ", module.module());
    if (!modules.insert(module.module()).second) return Invalid(field, "listed twice");
    if (module.minimum_weight() == 0) return Invalid(field, "minimum_weight is 0");
    std::set<std::string> weighted;
    for (const v1::Weight& weight : module.weights()) {
      if (!investigators.contains(weight.investigator())) {
        return Invalid(field, StrCat("weight for ", weight.investigator(),
                                     ", who is not an investigator of this policy"));
      }
      if (!weighted.insert(weight.investigator()).second) {
        return Invalid(field, StrCat("two weights for ", weight.investigator()));
      }
      if (weight.weight() == 0 || weight.weight() > kMaxWeight) {
        return Invalid(
            field, StrCat("the weight of ", weight.investigator(), " is not in 1 to ", kMaxWeight));
      }
    }
  }
  return absl::OkStatus();
}

}  // namespace

bool IsInvestigatorName(std::string_view name) { return IsPlainName(name); }
bool IsFleetId(std::string_view id) { return IsPlainName(id); }

absl::StatusOr<KeyThreshold> KeyThreshold::Create(const char* kind, std::vector<PublicKey> keys,
                                                  uint32_t threshold) {
  if (keys.empty() || keys.size() > kMaxThresholdKeys) {
    return absl::InvalidArgumentError(
        StrCat(kind, " keys: ", keys.size(), ", must be 1 to ", kMaxThresholdKeys));
  }
  if (threshold < 1 || threshold > keys.size()) {
    return absl::InvalidArgumentError(StrCat(kind, " threshold: ", threshold,
                                             ", must be 1 to the number of ", kind, " keys (",
                                             keys.size(), ")"));
  }
  std::set<std::string> ids;
  for (const PublicKey& key : keys) {
    if (!ids.insert(key.id()).second) {
      return absl::InvalidArgumentError(StrCat(kind, " key ", key.id(), " is listed twice"));
    }
  }
  // In order of id, so that the same set is the same bytes.
  std::sort(keys.begin(), keys.end(),
            [](const PublicKey& a, const PublicKey& b) { return a.id() < b.id(); });
  KeyThreshold set;
  set.kind_ = kind;
  set.keys_ = std::move(keys);
  set.threshold_ = threshold;
  return set;
}

absl::Status KeyThreshold::CheckThreshold(const v1::Envelope& envelope) const {
  std::vector<const PublicKey*> keys;
  for (const PublicKey& key : keys_) keys.push_back(&key);
  const size_t valid = ValidSigners(envelope, keys).size();
  if (valid < threshold_ || threshold_ == 0) {
    return absl::PermissionDeniedError(StrCat("signed by ", valid, " of ", keys_.size(), " ", kind_,
                                              " keys, ", threshold_, " are needed"));
  }
  return absl::OkStatus();
}

absl::StatusOr<RootSet> RootSet::Create(std::vector<PublicKey> keys, uint32_t threshold) {
  DRAGNET_ASSIGN_OR_RETURN(KeyThreshold set,
                           KeyThreshold::Create("root", std::move(keys), threshold));
  return RootSet(std::move(set));
}

absl::StatusOr<RootSet> RootSet::FromProto(const v1::RootSet& proto) {
  DRAGNET_ASSIGN_OR_RETURN(std::vector<PublicKey> keys, ParseKeys(proto));
  return Create(std::move(keys), proto.threshold());
}

v1::RootSet RootSet::ToProto() const { return SetToProto<v1::RootSet>(*this); }

absl::StatusOr<ReleaseKeySet> ReleaseKeySet::Create(std::vector<PublicKey> keys,
                                                    uint32_t threshold) {
  DRAGNET_ASSIGN_OR_RETURN(KeyThreshold set,
                           KeyThreshold::Create("release", std::move(keys), threshold));
  return ReleaseKeySet(std::move(set));
}

absl::StatusOr<ReleaseKeySet> ReleaseKeySet::FromProto(const v1::ReleaseKeys& proto) {
  DRAGNET_ASSIGN_OR_RETURN(std::vector<PublicKey> keys, ParseKeys(proto));
  return Create(std::move(keys), proto.threshold());
}

v1::ReleaseKeys ReleaseKeySet::ToProto() const { return SetToProto<v1::ReleaseKeys>(*this); }

absl::Status ValidateTrustPolicy(const v1::TrustPolicy& policy) {
  if (!IsFleetId(policy.fleet_id())) return Invalid("fleet_id", "not a fleet id");
  if (policy.version() == 0) return Invalid("version", "starts at 1");
  const absl::StatusOr<absl::Time> issued = ToTime(policy.issued());
  const absl::StatusOr<absl::Time> expires = ToTime(policy.expires());
  if (!policy.has_issued() || !issued.ok()) return Invalid("issued", "missing or not a time");
  if (!policy.has_expires() || !expires.ok()) return Invalid("expires", "missing or not a time");
  if (*expires <= *issued) return Invalid("expires", "not after issued");
  DRAGNET_RETURN_IF_ERROR(
      Annotate(RootSet::FromProto(policy.roots()).status(), "trust policy roots"));
  if (policy.ca_certificates_size() > kMaxCaCertificates) {
    return Invalid("ca_certificates", "too many");
  }
  DRAGNET_RETURN_IF_ERROR(ValidateInvestigators(policy));
  DRAGNET_RETURN_IF_ERROR(ValidateSecurityKeys(policy));
  DRAGNET_RETURN_IF_ERROR(Annotate(ValidateReleaseKeys(policy), "trust policy release_keys"));
  return ValidateModules(policy);
}

absl::StatusOr<TrustPolicy> TrustPolicy::Parse(std::string_view envelope_bytes,
                                               v1::Envelope* envelope) {
  DRAGNET_ASSIGN_OR_RETURN(*envelope, ParseEnvelope(envelope_bytes, kTrustPolicyPayloadType));
  TrustPolicy policy;
  DRAGNET_RETURN_IF_ERROR(ParseStrict(envelope->payload(), kMaxEnvelopeBytes, &policy.proto_));
  DRAGNET_RETURN_IF_ERROR(ValidateTrustPolicy(policy.proto_));
  policy.envelope_bytes_ = std::string(envelope_bytes);
  DRAGNET_ASSIGN_OR_RETURN(policy.expires_, ToTime(policy.proto_.expires()));
  DRAGNET_ASSIGN_OR_RETURN(policy.roots_, RootSet::FromProto(policy.proto_.roots()));
  if (policy.proto_.has_release_keys()) {
    DRAGNET_ASSIGN_OR_RETURN(policy.release_keys_,
                             ReleaseKeySet::FromProto(policy.proto_.release_keys()));
  }
  for (const v1::Investigator& investigator : policy.proto_.investigators()) {
    for (const v1::PublicKey& key : investigator.keys()) {
      DRAGNET_ASSIGN_OR_RETURN(PublicKey parsed, PublicKey::FromProto(key));
      policy.keys_.push_back(std::move(parsed));
      policy.key_owners_.push_back(investigator.name());
    }
  }
  return policy;
}

absl::StatusOr<TrustPolicy> TrustPolicy::VerifyFirst(std::string_view envelope_bytes,
                                                     const RootSet& pinned,
                                                     std::string_view fleet_id) {
  // The pinned keys decide before anything of the payload is parsed.
  DRAGNET_ASSIGN_OR_RETURN(const v1::Envelope unparsed,
                           ParseEnvelope(envelope_bytes, kTrustPolicyPayloadType));
  DRAGNET_RETURN_IF_ERROR(Annotate(pinned.CheckThreshold(unparsed), "trust policy"));
  v1::Envelope envelope;
  DRAGNET_ASSIGN_OR_RETURN(TrustPolicy policy, Parse(envelope_bytes, &envelope));
  if (policy.fleet_id() != fleet_id) {
    return absl::FailedPreconditionError(
        StrCat("trust policy of fleet ", policy.fleet_id(), ", this is fleet ", fleet_id));
  }
  DRAGNET_RETURN_IF_ERROR(
      Annotate(policy.roots().CheckThreshold(envelope), "trust policy, by its own root keys"));
  return policy;
}

absl::StatusOr<TrustPolicy> TrustPolicy::FromOwnStorage(std::string_view envelope_bytes,
                                                        std::string_view fleet_id) {
  v1::Envelope envelope;
  DRAGNET_ASSIGN_OR_RETURN(TrustPolicy policy, Parse(envelope_bytes, &envelope));
  DRAGNET_RETURN_IF_ERROR(Annotate(policy.roots().CheckThreshold(envelope), "stored trust policy"));
  if (policy.fleet_id() != fleet_id) {
    return absl::FailedPreconditionError(StrCat("stored trust policy is of fleet ",
                                                policy.fleet_id(), ", this is fleet ", fleet_id));
  }
  return policy;
}

absl::StatusOr<TrustPolicy> TrustPolicy::VerifySuccessor(std::string_view envelope_bytes,
                                                         absl::Time now) const {
  DRAGNET_ASSIGN_OR_RETURN(TrustPolicy next, VerifyFirst(envelope_bytes, roots_, fleet_id()));
  if (next.version() <= version()) {
    return absl::FailedPreconditionError(StrCat("trust policy version ", next.version(),
                                                " is not newer than version ", version(),
                                                ", which is held"));
  }
  // An expired policy that rotates the roots is still a step of the chain that
  // leads to a newer one (TUF does the same): taking it allows nothing, because
  // an expired policy refuses every action.
  const bool rotates =
      next.roots().ToProto().SerializeAsString() != roots_.ToProto().SerializeAsString();
  if (next.expired(now) && !rotates) {
    return absl::FailedPreconditionError(
        StrCat("trust policy version ", next.version(), " expired on ",
               absl::FormatTime(absl::RFC3339_sec, next.expires(), absl::UTCTimeZone())));
  }
  return next;
}

std::set<std::string> TrustPolicy::Signers(const v1::Envelope& envelope) const {
  std::vector<const PublicKey*> keys;
  keys.reserve(keys_.size());
  for (const PublicKey& key : keys_) keys.push_back(&key);
  std::set<std::string> names;
  for (const size_t index : ValidSigners(envelope, keys)) names.insert(key_owners_[index]);
  return names;
}

absl::Status TrustPolicy::CheckWeight(std::string_view module,
                                      const std::set<std::string>& signers) const {
  for (const v1::ModulePolicy& rule : proto_.modules()) {
    if (rule.module() != module) continue;
    uint64_t weight = 0;
    for (const v1::Weight& entry : rule.weights()) {
      if (signers.contains(entry.investigator())) weight += entry.weight();
    }
    if (weight >= rule.minimum_weight()) return absl::OkStatus();
    return absl::PermissionDeniedError(StrCat("module ", module, " needs signatures of weight ",
                                              rule.minimum_weight(), ", this has ", weight));
  }
  return absl::PermissionDeniedError(
      StrCat("module ", module, " has no rule in trust policy version ", version()));
}

bool TrustPolicy::HasRuleFor(std::string_view module) const {
  return std::any_of(proto_.modules().begin(), proto_.modules().end(),
                     [&](const v1::ModulePolicy& rule) { return rule.module() == module; });
}

std::set<v1::Role> TrustPolicy::RolesOf(std::string_view investigator) const {
  std::set<v1::Role> roles;
  for (const v1::Investigator& entry : proto_.investigators()) {
    if (entry.name() != investigator) continue;
    for (const int role : entry.roles()) roles.insert(static_cast<v1::Role>(role));
  }
  return roles;
}

}  // namespace dragnet
