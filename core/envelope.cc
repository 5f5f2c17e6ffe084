#include "core/envelope.h"

#include <algorithm>

#include "core/status_macros.h"
#include "core/strict_proto.h"
#include "core/strings.h"

namespace dragnet {

std::string PreAuthEncoding(std::string_view payload_type, std::string_view payload) {
  return StrCat("DSSEv1 ", payload_type.size(), " ", payload_type, " ", payload.size(), " ",
                payload);
}

v1::Envelope NewEnvelope(std::string_view payload_type, std::string_view payload) {
  v1::Envelope envelope;
  envelope.set_payload_type(std::string(payload_type));
  envelope.set_payload(std::string(payload));
  return envelope;
}

absl::Status AddSignature(const Signer& key, v1::Envelope* envelope) {
  for (const v1::Signature& signature : envelope->signatures()) {
    if (signature.keyid() == key.public_key().id()) {
      return absl::AlreadyExistsError(
          StrCat("key ", key.public_key().id(), " has signed this document already"));
    }
  }
  if (envelope->signatures_size() >= kMaxSignatures) {
    return absl::InvalidArgumentError(
        StrCat("the document has ", kMaxSignatures, " signatures, the most allowed"));
  }
  DRAGNET_ASSIGN_OR_RETURN(
      std::string bytes, key.Sign(PreAuthEncoding(envelope->payload_type(), envelope->payload())));
  v1::Signature* signature = envelope->add_signatures();
  signature->set_sig(std::move(bytes));
  signature->set_keyid(key.public_key().id());
  return absl::OkStatus();
}

absl::StatusOr<v1::Envelope> ParseEnvelope(std::string_view bytes, std::string_view expected_type) {
  v1::Envelope envelope;
  DRAGNET_RETURN_IF_ERROR(ParseStrict(bytes, kMaxEnvelopeBytes, &envelope));
  if (envelope.payload_type() != expected_type) {
    return absl::InvalidArgumentError(StrCat("document of another type than ", expected_type));
  }
  if (envelope.signatures_size() > kMaxSignatures) {
    return absl::InvalidArgumentError(StrCat(envelope.signatures_size(), " signatures: at most ",
                                             kMaxSignatures, " are allowed"));
  }
  for (const v1::Signature& signature : envelope.signatures()) {
    if (signature.sig().size() > kMaxSignatureBytes || signature.keyid().size() > 128) {
      return absl::InvalidArgumentError("a signature is over its size");
    }
  }
  return envelope;
}

std::vector<size_t> ValidSigners(const v1::Envelope& envelope,
                                 const std::vector<const PublicKey*>& keys) {
  const std::string message = PreAuthEncoding(envelope.payload_type(), envelope.payload());
  std::vector<size_t> valid;
  for (const v1::Signature& signature : envelope.signatures()) {
    for (size_t i = 0; i < keys.size(); ++i) {
      if (keys[i]->id() != signature.keyid()) continue;
      if (std::find(valid.begin(), valid.end(), i) != valid.end()) break;
      if (keys[i]->Verify(message, signature.sig())) valid.push_back(i);
      break;
    }
  }
  std::sort(valid.begin(), valid.end());
  return valid;
}

}  // namespace dragnet
