// The public half of private keys in DER: RFC 8017 (RSA), the traditional form of
// DSA, RFC 5915 (EC), RFC 5208 and RFC 8410 (PKCS#8). Thread-safe.
#pragma once

#include <string>
#include <string_view>

#include "absl/status/statusor.h"

namespace dragnet::sshkey {

struct DerFacts {
  // rsa, dsa, ecdsa, ed25519.
  std::string_view algorithm;
  // As SSH encodes it; empty when the file leaves it out, as EC keys may.
  std::string public_blob;
};

// InvalidArgument: damaged. NotFound: of an algorithm or a curve that SSH does
// not have.
absl::StatusOr<DerFacts> ReadRsaDer(std::string_view der);
absl::StatusOr<DerFacts> ReadDsaDer(std::string_view der);
absl::StatusOr<DerFacts> ReadEcDer(std::string_view der);
absl::StatusOr<DerFacts> ReadPkcs8Der(std::string_view der);

}  // namespace dragnet::sshkey
