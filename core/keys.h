// Signing keys: Ed25519 (RFC 8032) and ECDSA P-256 with SHA-256 (FIPS 186-5),
// through OpenSSL EVP, in the forms in which people have them: PEM, and
// OpenSSH's for what ssh-agent and FIDO security keys sign with.
// Immutable after construction, so thread-safe.
#pragma once

#include <memory>
#include <optional>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "core/signer.h"

typedef struct evp_pkey_st EVP_PKEY;

namespace dragnet {

namespace v1 {
class PublicKey;
}

enum class KeyAlgorithm { kEd25519, kEcdsaP256 };

// Of a key inside a FIDO security key: what its signatures must be of.
struct SecurityKeyTerms {
  std::string application;
  // The token must have verified its user, not only have been touched.
  bool user_verification = false;

  bool operator==(const SecurityKeyTerms&) const = default;
};

class PublicKey {
 public:
  // What a trust policy says of a key, security_key included. A policy's keys
  // are read through this and nothing else: by its spki() alone a security key
  // would be taken for a plain one.
  static absl::StatusOr<PublicKey> FromProto(const v1::PublicKey& proto);
  v1::PublicKey ToProto() const;

  // A public key file: one "PUBLIC KEY" PEM block, or OpenSSH's one line.
  static absl::StatusOr<PublicKey> FromText(std::string_view text);
  // "ssh-ed25519 AAAA… comment", or of type ecdsa-sha2-nistp256 or one of the
  // two security keys' (sk-…@openssh.com). A security key's line doesn't say
  // whether its user must be verified: see WithUserVerification().
  static absl::StatusOr<PublicKey> FromOpenSsh(std::string_view line);
  // What is in the line as base64; also what ssh-agent lists.
  static absl::StatusOr<PublicKey> FromSshBlob(std::string_view blob);
  // DER SubjectPublicKeyInfo. InvalidArgument for other algorithms and curves
  // and for encodings that aren't the canonical one.
  static absl::StatusOr<PublicKey> FromSpki(std::string_view der);
  // One "PUBLIC KEY" PEM block.
  static absl::StatusOr<PublicKey> FromPem(std::string_view pem);

  KeyAlgorithm algorithm() const { return algorithm_; }
  const std::string& spki() const { return spki_; }
  // Lower-case hex SHA-256 of spki(): the keyid of an envelope's signature.
  const std::string& id() const { return id_; }
  // SubjectPublicKeyInfo: of a security key too, whose application isn't in it.
  std::string ToPem() const;
  // The key as SSH sends it. One key, one encoding.
  std::string ToSshBlob() const;
  // "SHA256:…" as ssh-keygen -l prints it.
  std::string SshFingerprint() const;

  // Nothing for a plain key.
  const std::optional<SecurityKeyTerms>& security_key() const { return security_key_; }
  // A copy of a security key that also asks for the user's verification.
  PublicKey WithUserVerification() const;

  // A signature of this key over `message` in one of the forms of
  // envelope.proto: raw, or SSHSIG; of a security key SSHSIG only.
  bool Verify(std::string_view message, std::string_view signature) const;
  // The algorithm alone: 64 bytes of Ed25519, or DER of ECDSA. What it is over
  // is for the caller to say; documents go through Verify().
  bool VerifyRaw(std::string_view message, std::string_view signature) const;

  EVP_PKEY* evp() const { return key_.get(); }

 private:
  friend class PrivateKey;
  PublicKey() = default;
  static absl::StatusOr<PublicKey> FromEvp(std::shared_ptr<EVP_PKEY> key);

  std::shared_ptr<EVP_PKEY> key_;
  KeyAlgorithm algorithm_ = KeyAlgorithm::kEd25519;
  std::string spki_;
  std::string id_;
  std::optional<SecurityKeyTerms> security_key_;
};

class PrivateKey : public Signer {
 public:
  static absl::StatusOr<PrivateKey> Generate(KeyAlgorithm algorithm);
  // Unencrypted PKCS#8 PEM. An encrypted key is refused by name: programs that
  // run by themselves have no one to ask. console/signing opens those.
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
// SHA-512 as 64 bytes.
std::string Sha512(std::string_view bytes);
// Cryptographically random; aborts if the system has none to give.
std::string RandomBytes(size_t count);

}  // namespace dragnet
