// The signatures of a document, one by one: whose each is, and whether it is
// one. Thread-safe: no state.
#pragma once

#include <string>
#include <vector>

#include "core/keys.h"
#include "core/trust_policy.h"
#include "dragnet/v1/envelope.pb.h"

namespace dragnet::console {

enum class SignatureValidity {
  kValid,
  // The key is known, and this is no signature of it over this document: the
  // document was changed, or the signature was made up.
  kInvalid,
  // No key of this id is known here, so nothing can be said.
  kUnknownKey,
  // Another valid signature of the same key came before: it counts once.
  kRepeated,
};

struct SignatureState {
  SignatureValidity validity = SignatureValidity::kUnknownKey;
  // As the envelope has it: raw text of whoever made the file.
  std::string key_id;
  // Whose key it is; empty for an unknown one.
  std::string owner;
};

struct KnownKey {
  PublicKey key;
  std::string owner;
};

std::vector<KnownKey> InvestigatorKeys(const v1::TrustPolicy& policy);
// Of the policy's release keys ("a release key") and of its root keys.
std::vector<KnownKey> KeysOfReleases(const TrustPolicy& policy);
// Their owner is "a root key".
std::vector<KnownKey> RootKeys(const RootSet& roots);

// In the order of the envelope.
std::vector<SignatureState> SignatureStates(const v1::Envelope& envelope,
                                            const std::vector<KnownKey>& known);

// A line for each; one that says so when there are none.
std::string DescribeSignatures(const std::vector<SignatureState>& states);

// "Root keys of version 3: 1 of the 2 that must have signed", then a line for each
// key that has and has not.
std::string DescribeRootSignatures(const v1::Envelope& envelope, const RootSet& roots,
                                   std::string_view whose);

// The same of any keys: "TITLE: 1 of 3 signed, 2 must: NOT ENOUGH".
std::string DescribeKeySignatures(const v1::Envelope& envelope, const KeyThreshold& keys,
                                  std::string_view title);

// The error for a document that one of `states` doesn't fit: FailedPrecondition
// that names it. OK if there is none.
absl::Status CheckUnchanged(const std::vector<SignatureState>& states);

}  // namespace dragnet::console
