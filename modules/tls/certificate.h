// What certificates say, read by OpenSSL from DER that nobody vouches for.
// Thread-safe: no state.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"

namespace dragnet::tls {

// Texts are valid UTF-8; fields as tls.proto describes them.
struct CertificateFacts {
  std::string subject;
  std::string issuer;
  std::vector<std::string> names;
  std::string key_type;
  uint32_t key_bits = 0;
  std::string key_curve;
  std::string signature;
  absl::Time not_before;
  absl::Time not_after;
  bool self_signed = false;
  std::string sha256;
  // Someone can be asked about its revocation (RFC 6960).
  bool has_ocsp_responder = false;
  // Whether it is for the name that was given; nothing without one.
  std::optional<bool> name_matches;
};

// InvalidArgument when it isn't a certificate. `name` may be empty.
absl::StatusOr<CertificateFacts> ReadCertificate(std::string_view der, const std::string& name);

// Of a part of a day, a day.
uint32_t LifespanDays(const CertificateFacts& facts);

// Whether the key is RSA, of whatever form; false for what can't be read.
bool IsRsa(std::string_view der);
// The group (names.h) of an elliptic curve's key; 0 for others.
uint16_t CurveOf(std::string_view der);

}  // namespace dragnet::tls
