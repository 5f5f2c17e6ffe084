#include "console/trust/signatures.h"

#include <set>

#include "console/trust/keys.h"
#include "core/envelope.h"
#include "core/strings.h"
#include "core/text.h"

namespace dragnet::console {
namespace {

// An id that is one is shown whole; another's text is bounded.
std::string KeyIdWords(const std::string& id) { return ForTerminal(Shorten(id, 128)); }

std::string StateWords(const SignatureState& state) {
  switch (state.validity) {
    case SignatureValidity::kValid:
      return StrCat("valid      ", ForTerminal(state.owner));
    case SignatureValidity::kInvalid:
      return StrCat("INVALID    ", ForTerminal(state.owner),
                    ": does not verify over this document");
    case SignatureValidity::kRepeated:
      return StrCat("repeated   ", ForTerminal(state.owner), ": counts once");
    case SignatureValidity::kUnknownKey:
      break;
  }
  return "not known  no key of this id is in the trust policy";
}

}  // namespace

std::vector<KnownKey> InvestigatorKeys(const v1::TrustPolicy& policy) {
  std::vector<KnownKey> keys;
  for (const v1::Investigator& person : policy.investigators()) {
    for (const v1::PublicKey& proto : person.keys()) {
      absl::StatusOr<PublicKey> key = KeyOf(proto);
      if (key.ok()) keys.push_back({*std::move(key), person.name()});
    }
  }
  return keys;
}

std::vector<KnownKey> KeysOfReleases(const TrustPolicy& policy) {
  std::vector<KnownKey> keys = RootKeys(policy.roots());
  if (!policy.release_keys().has_value()) return keys;
  for (const PublicKey& key : policy.release_keys()->keys()) {
    keys.push_back({key, "a release key"});
  }
  return keys;
}

std::vector<KnownKey> RootKeys(const RootSet& roots) {
  std::vector<KnownKey> keys;
  for (const PublicKey& key : roots.keys()) keys.push_back({key, "a root key"});
  return keys;
}

std::vector<SignatureState> SignatureStates(const v1::Envelope& envelope,
                                            const std::vector<KnownKey>& known) {
  const std::string message = PreAuthEncoding(envelope.payload_type(), envelope.payload());
  std::vector<SignatureState> states;
  std::set<std::string> valid;
  for (const v1::Signature& signature : envelope.signatures()) {
    SignatureState state;
    state.key_id = signature.keyid();
    for (const KnownKey& one : known) {
      if (one.key.id() != signature.keyid()) continue;
      state.owner = one.owner;
      if (!one.key.Verify(message, signature.sig())) {
        state.validity = SignatureValidity::kInvalid;
      } else {
        state.validity = valid.insert(state.key_id).second ? SignatureValidity::kValid
                                                           : SignatureValidity::kRepeated;
      }
      break;
    }
    states.push_back(std::move(state));
  }
  return states;
}

std::string DescribeSignatures(const std::vector<SignatureState>& states) {
  if (states.empty()) return "Signatures  none\n";
  std::string text = "Signatures\n";
  for (const SignatureState& state : states)
    StrAppend(&text, "  ", StateWords(state), "  (key ", KeyIdWords(state.key_id), ")\n");
  return text;
}

std::string DescribeKeySignatures(const v1::Envelope& envelope, const KeyThreshold& keys,
                                  std::string_view title) {
  std::vector<KnownKey> known;
  for (const PublicKey& key : keys.keys()) known.push_back({key, ""});
  std::set<std::string> valid;
  std::set<std::string> invalid;
  for (const SignatureState& state : SignatureStates(envelope, known)) {
    if (state.validity == SignatureValidity::kValid) valid.insert(state.key_id);
    if (state.validity == SignatureValidity::kInvalid) invalid.insert(state.key_id);
  }
  std::string text =
      StrCat(title, ": ", valid.size(), " of ", keys.keys().size(), " signed, ", keys.threshold(),
             " must: ", valid.size() >= keys.threshold() ? "enough" : "NOT ENOUGH", "\n");
  for (const PublicKey& key : keys.keys()) {
    StrAppend(&text,
              valid.contains(key.id())     ? "  signed      "
              : invalid.contains(key.id()) ? "  INVALID     "
                                           : "  not signed  ",
              KeyWords(key), "\n");
  }
  return text;
}

std::string DescribeRootSignatures(const v1::Envelope& envelope, const RootSet& roots,
                                   std::string_view whose) {
  return DescribeKeySignatures(envelope, roots, StrCat("Root keys ", whose));
}

absl::Status CheckUnchanged(const std::vector<SignatureState>& states) {
  for (const SignatureState& state : states) {
    if (state.validity != SignatureValidity::kInvalid) continue;
    return absl::FailedPreconditionError(
        StrCat("the signature of ", ForTerminal(state.owner), " (key ", KeyIdWords(state.key_id),
               ") does not verify: the document was changed after it was signed, or the signature "
               "was made up"));
  }
  return absl::OkStatus();
}

}  // namespace dragnet::console
