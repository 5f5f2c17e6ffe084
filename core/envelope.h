// The signed envelope (DSSE v1). Verify first, then parse the very bytes that
// were verified. Thread-safe: no state.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "core/keys.h"
#include "dragnet/v1/envelope.pb.h"

namespace dragnet {

inline constexpr std::string_view kActionPayloadType = "application/vnd.dragnet.action.v1+protobuf";
inline constexpr std::string_view kTrustPolicyPayloadType =
    "application/vnd.dragnet.trust.v1+protobuf";
inline constexpr std::string_view kOrderPayloadType = "application/vnd.dragnet.order.v1+protobuf";
inline constexpr std::string_view kReleasePayloadType =
    "application/vnd.dragnet.release.v1+protobuf";

inline constexpr size_t kMaxEnvelopeBytes = 1024 * 1024;
inline constexpr int kMaxSignatures = 32;
inline constexpr size_t kMaxSignatureBytes = 512;

// Pre-authentication encoding: what a signature covers.
std::string PreAuthEncoding(std::string_view payload_type, std::string_view payload);

// An envelope without signatures.
v1::Envelope NewEnvelope(std::string_view payload_type, std::string_view payload);

// Adds `key`'s signature. AlreadyExists if this key has signed already.
absl::Status AddSignature(const Signer& key, v1::Envelope* envelope);

// Strict: within the bounds of envelope.proto, of `expected_type`, no unknown
// fields. Says nothing about the signatures.
absl::StatusOr<v1::Envelope> ParseEnvelope(std::string_view bytes, std::string_view expected_type);

// Which of `keys` have validly signed: indexes into `keys`, each once however
// often that key signed, in rising order. Key ids only select the key to try.
std::vector<size_t> ValidSigners(const v1::Envelope& envelope,
                                 const std::vector<const PublicKey*>& keys);

}  // namespace dragnet
