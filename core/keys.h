// Signing keys: Ed25519 (RFC 8032) and ECDSA P-256 with SHA-256 (FIPS 186-5),
// through OpenSSL EVP. Immutable after construction, so thread-safe.
#pragma once

#include <memory>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "core/signer.h"

typedef struct evp_pkey_st EVP_PKEY;

namespace dragnet {

enum class KeyAlgorithm { kEd25519, kEcdsaP256 };

class PublicKey {
 public:
  // DER SubjectPublicKeyInfo. InvalidArgument for other algorithms and curves
  // and for encodings that aren't the canonical one.
  static absl::StatusOr<PublicKey> FromSpki(std::string_view der);
  // One "PUBLIC KEY" PEM block.
  static absl::StatusOr<PublicKey> FromPem(std::string_view pem);

  KeyAlgorithm algorithm() const { return algorithm_; }
  const std::string& spki() const { return spki_; }
  // Lower-case hex SHA-256 of spki(): the keyid of an envelope's signature.
  const std::string& id() const { return id_; }
  std::string ToPem() const;

  bool Verify(std::string_view message, std::string_view signature) const;

  EVP_PKEY* evp() const { return key_.get(); }

 private:
  friend class PrivateKey;
  PublicKey() = default;
  static absl::StatusOr<PublicKey> FromEvp(std::shared_ptr<EVP_PKEY> key);

  std::shared_ptr<EVP_PKEY> key_;
  KeyAlgorithm algorithm_ = KeyAlgorithm::kEd25519;
  std::string spki_;
  std::string id_;
};

class PrivateKey : public Signer {
 public:
  static absl::StatusOr<PrivateKey> Generate(KeyAlgorithm algorithm);
  // Unencrypted PKCS#8 PEM. An encrypted key is refused by name.
  static absl::StatusOr<PrivateKey> FromPem(std::string_view pem);
  // FromPem of ReadSecretFile: refused when others can read the file.
  static absl::StatusOr<PrivateKey> Load(const std::string& path);

  const PublicKey& public_key() const override { return public_key_; }
  // PKCS#8. Write it with mode 0600.
  std::string ToPem() const;

  absl::StatusOr<std::string> Sign(std::string_view message) const override;

  EVP_PKEY* evp() const { return public_key_.evp(); }

 private:
  explicit PrivateKey(PublicKey key) : public_key_(std::move(key)) {}
  // Holds the EVP_PKEY, private half included.
  PublicKey public_key_;
};

// SHA-256 as 32 bytes.
std::string Sha256(std::string_view bytes);
// Cryptographically random; aborts if the system has none to give.
std::string RandomBytes(size_t count);

}  // namespace dragnet
