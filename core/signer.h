// Whoever can put a signature on a document: a private key in memory
// (core/keys.h), or one that only its holder can use (ssh-agent, a PKCS#11
// token: console/signing).
#pragma once

#include <string>
#include <string_view>

#include "absl/status/statusor.h"

namespace dragnet {

class PublicKey;

// Not thread-safe, unless an implementation says so.
class Signer {
 public:
  virtual ~Signer() = default;

  virtual const PublicKey& public_key() const = 0;
  // Signs the message itself (Ed25519), or its SHA-256 (P-256), or in SSHSIG
  // form: one of those that PublicKey::Verify takes. May block: a person may have
  // to touch a token.
  virtual absl::StatusOr<std::string> Sign(std::string_view message) const = 0;
};

}  // namespace dragnet
