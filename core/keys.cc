#include "core/keys.h"

#include <openssl/bio.h>
#include <openssl/ec.h>
#include <openssl/evp.h>
#include <openssl/pem.h>
#include <openssl/rand.h>
#include <openssl/sha.h>
#include <openssl/x509.h>

#include <cstdlib>

#include "core/file_io.h"
#include "core/openssl.h"
#include "core/ssh_signature.h"
#include "core/status_macros.h"
#include "core/strings.h"
#include "core/text.h"
#include "dragnet/v1/trust.pb.h"

namespace dragnet {
namespace {

const unsigned char* Bytes(std::string_view text) {
  return reinterpret_cast<const unsigned char*>(text.data());
}

// Ed25519 signs the message itself (PureEdDSA); ECDSA its SHA-256.
const EVP_MD* DigestFor(KeyAlgorithm algorithm) {
  return algorithm == KeyAlgorithm::kEd25519 ? nullptr : EVP_sha256();
}

absl::StatusOr<KeyAlgorithm> AlgorithmOf(EVP_PKEY* key) {
  if (EVP_PKEY_is_a(key, "ED25519")) return KeyAlgorithm::kEd25519;
  if (EVP_PKEY_is_a(key, "EC")) {
    char group[64] = {};
    if (EVP_PKEY_get_group_name(key, group, sizeof group, nullptr) == 1 &&
        std::string_view(group) == "prime256v1") {
      return KeyAlgorithm::kEcdsaP256;
    }
    return absl::InvalidArgumentError(
        StrCat("elliptic curve ", group, " is not supported: use Ed25519 or P-256"));
  }
  const char* name = EVP_PKEY_get0_type_name(key);
  return absl::InvalidArgumentError(StrCat("key type ", name != nullptr ? name : "unknown",
                                           " is not supported: use Ed25519 or P-256"));
}

// Sizes of a SubjectPublicKeyInfo: RFC 8410 for Ed25519; for P-256 by the curve's
// name with an uncompressed point (RFC 5480), which begins with 4 at byte 26.
bool IsCanonicalSpki(KeyAlgorithm algorithm, std::string_view spki) {
  if (algorithm == KeyAlgorithm::kEd25519) return spki.size() == 44;
  return spki.size() == 91 && spki[26] == 4;
}

int RefusePassphrase(char*, int, int, void*) { return -1; }

}  // namespace

absl::StatusOr<PublicKey> PublicKey::FromEvp(std::shared_ptr<EVP_PKEY> key) {
  PublicKey result;
  DRAGNET_ASSIGN_OR_RETURN(result.algorithm_, AlgorithmOf(key.get()));
  unsigned char* der = nullptr;
  const int length = i2d_PUBKEY(key.get(), &der);
  if (length <= 0) return OpensslError("encode public key");
  result.spki_.assign(reinterpret_cast<char*>(der), static_cast<size_t>(length));
  OPENSSL_free(der);
  // One key, one encoding, one id: a compressed point or explicit curve
  // parameters, which OpenSSL writes out as it read them, would give the same
  // key a second id.
  if (!IsCanonicalSpki(result.algorithm_, result.spki_)) {
    return absl::InvalidArgumentError(
        "public key is not in its canonical encoding: a named curve and an uncompressed point");
  }
  result.id_ = HexEncode(Sha256(result.spki_));
  result.key_ = std::move(key);
  return result;
}

absl::StatusOr<PublicKey> PublicKey::FromSpki(std::string_view der) {
  if (der.size() > 1024) return absl::InvalidArgumentError("public key is too large");
  const unsigned char* cursor = Bytes(der);
  std::shared_ptr<EVP_PKEY> key(d2i_PUBKEY(nullptr, &cursor, static_cast<long>(der.size())),
                                EVP_PKEY_free);
  if (key == nullptr) return OpensslError("public key is not a DER SubjectPublicKeyInfo");
  DRAGNET_ASSIGN_OR_RETURN(PublicKey result, FromEvp(std::move(key)));
  if (result.spki_ != der) {
    return absl::InvalidArgumentError("public key is not in its canonical encoding");
  }
  return result;
}

absl::StatusOr<PublicKey> PublicKey::FromPem(std::string_view pem) {
  BioPtr bio(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
  std::shared_ptr<EVP_PKEY> key(PEM_read_bio_PUBKEY(bio.get(), nullptr, RefusePassphrase, nullptr),
                                EVP_PKEY_free);
  if (key == nullptr) {
    return OpensslError("no public key in PEM form (\"-----BEGIN PUBLIC KEY-----\")");
  }
  return FromEvp(std::move(key));
}

std::string PublicKey::ToPem() const {
  BioPtr bio(BIO_new(BIO_s_mem()));
  PEM_write_bio_PUBKEY(bio.get(), key_.get());
  return BioContent(bio.get());
}

absl::StatusOr<PublicKey> PublicKey::FromProto(const v1::PublicKey& proto) {
  DRAGNET_ASSIGN_OR_RETURN(PublicKey key, FromSpki(proto.spki()));
  if (!proto.has_security_key()) return key;
  const std::string& application = proto.security_key().application();
  if (application.empty() || application.size() > kMaxApplicationBytes) {
    return absl::InvalidArgumentError(StrCat("security key: application is not 1 to ",
                                             kMaxApplicationBytes,
                                             " bytes (\"ssh:\" unless made with -O application)"));
  }
  key.security_key_ = SecurityKeyTerms{application, proto.security_key().user_verification()};
  return key;
}

v1::PublicKey PublicKey::ToProto() const {
  v1::PublicKey proto;
  proto.set_spki(spki_);
  if (security_key_.has_value()) {
    proto.mutable_security_key()->set_application(security_key_->application);
    proto.mutable_security_key()->set_user_verification(security_key_->user_verification);
  }
  return proto;
}

PublicKey PublicKey::WithUserVerification() const {
  PublicKey copy = *this;
  if (copy.security_key_.has_value()) copy.security_key_->user_verification = true;
  return copy;
}

bool PublicKey::Verify(std::string_view message, std::string_view signature) const {
  if (IsSshSignature(algorithm_, signature)) {
    return CheckSshSignature(*this, message, signature).ok();
  }
  // What a security key signs is never the document itself.
  if (security_key_.has_value()) return false;
  return VerifyRaw(message, signature);
}

bool PublicKey::VerifyRaw(std::string_view message, std::string_view signature) const {
  const EvpMdContextPtr context(EVP_MD_CTX_new());
  const bool valid = EVP_DigestVerifyInit(context.get(), nullptr, DigestFor(algorithm_), nullptr,
                                          key_.get()) == 1 &&
                     EVP_DigestVerify(context.get(), Bytes(signature), signature.size(),
                                      Bytes(message), message.size()) == 1;
  ClearOpensslErrors();
  return valid;
}

absl::StatusOr<PrivateKey> PrivateKey::Generate(KeyAlgorithm algorithm) {
  EVP_PKEY* raw = algorithm == KeyAlgorithm::kEd25519
                      ? EVP_PKEY_Q_keygen(nullptr, nullptr, "ED25519")
                      : EVP_EC_gen("P-256");
  std::shared_ptr<EVP_PKEY> key(raw, EVP_PKEY_free);
  if (key == nullptr) return OpensslError("generate key");
  DRAGNET_ASSIGN_OR_RETURN(PublicKey public_key, PublicKey::FromEvp(std::move(key)));
  return PrivateKey(std::move(public_key));
}

absl::StatusOr<PrivateKey> PrivateKey::FromPem(std::string_view pem) {
  if (pem.find("ENCRYPTED") != std::string_view::npos) {
    return absl::UnimplementedError(
        "the key is encrypted, and there is no one here to ask for its passphrase: give an "
        "unencrypted PKCS#8 key");
  }
  BioPtr bio(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
  std::shared_ptr<EVP_PKEY> key(
      PEM_read_bio_PrivateKey(bio.get(), nullptr, RefusePassphrase, nullptr), EVP_PKEY_free);
  if (key == nullptr) {
    return OpensslError("no private key in PEM form (\"-----BEGIN PRIVATE KEY-----\")");
  }
  DRAGNET_ASSIGN_OR_RETURN(PublicKey public_key, PublicKey::FromEvp(std::move(key)));
  return PrivateKey(std::move(public_key));
}

absl::StatusOr<PrivateKey> PrivateKey::Load(const std::string& path) {
  DRAGNET_ASSIGN_OR_RETURN(const std::string pem, ReadSecretFile(path));
  absl::StatusOr<PrivateKey> key = FromPem(pem);
  if (!key.ok()) return Annotate(key.status(), path);
  return key;
}

std::string PrivateKey::ToPem() const {
  BioPtr bio(BIO_new(BIO_s_mem()));
  PEM_write_bio_PKCS8PrivateKey(bio.get(), evp(), nullptr, nullptr, 0, nullptr, nullptr);
  return BioContent(bio.get());
}

absl::StatusOr<std::string> PrivateKey::Sign(std::string_view message) const {
  const EvpMdContextPtr context(EVP_MD_CTX_new());
  if (EVP_DigestSignInit(context.get(), nullptr, DigestFor(public_key_.algorithm()), nullptr,
                         evp()) != 1) {
    return OpensslError("sign");
  }
  size_t length = 0;
  if (EVP_DigestSign(context.get(), nullptr, &length, Bytes(message), message.size()) != 1) {
    return OpensslError("sign");
  }
  std::string signature(length, '\0');
  if (EVP_DigestSign(context.get(), reinterpret_cast<unsigned char*>(signature.data()), &length,
                     Bytes(message), message.size()) != 1) {
    return OpensslError("sign");
  }
  signature.resize(length);
  return signature;
}

std::string Sha256(std::string_view bytes) {
  std::string digest(SHA256_DIGEST_LENGTH, '\0');
  SHA256(Bytes(bytes), bytes.size(), reinterpret_cast<unsigned char*>(digest.data()));
  return digest;
}

std::string Sha512(std::string_view bytes) {
  std::string digest(SHA512_DIGEST_LENGTH, '\0');
  SHA512(Bytes(bytes), bytes.size(), reinterpret_cast<unsigned char*>(digest.data()));
  return digest;
}

std::string RandomBytes(size_t count) {
  std::string bytes(count, '\0');
  if (RAND_bytes(reinterpret_cast<unsigned char*>(bytes.data()), static_cast<int>(count)) != 1) {
    std::abort();
  }
  return bytes;
}

}  // namespace dragnet
