#include "console/signing/key_file.h"

#include <openssl/asn1t.h>
#include <openssl/kdf.h>
#include <openssl/pem.h>
#include <openssl/pkcs12.h>
#include <openssl/x509.h>

#include "console/signing/secret.h"
#include "core/file_io.h"
#include "core/openssl.h"
#include "core/status_macros.h"
#include "core/strings.h"

namespace dragnet::console {
namespace {

using EncryptedPtr = std::unique_ptr<X509_SIG, OpensslDeleter<X509_SIG_free>>;
using Pkcs8Ptr = std::unique_ptr<PKCS8_PRIV_KEY_INFO, OpensslDeleter<PKCS8_PRIV_KEY_INFO_free>>;
using Pbe2Ptr = std::unique_ptr<PBE2PARAM, OpensslDeleter<PBE2PARAM_free>>;
using Pbkdf2Ptr = std::unique_ptr<PBKDF2PARAM, OpensslDeleter<PBKDF2PARAM_free>>;
using ScryptPtr = std::unique_ptr<SCRYPT_PARAMS, OpensslDeleter<SCRYPT_PARAMS_free>>;
using AlgorithmPtr = std::unique_ptr<X509_ALGOR, OpensslDeleter<X509_ALGOR_free>>;
using KeyPtr = std::unique_ptr<EVP_PKEY, OpensslDeleter<EVP_PKEY_free>>;

constexpr size_t kMaxFileBytes = 64 * 1024;
constexpr int kAttempts = 3;

// What a file may ask for: some seconds at the most.
constexpr uint64_t kMaxIterations = 20'000'000;
// OpenSSL's own bound (EVP_PBE_scrypt), above which it would only say that
// decryption failed.
constexpr uint64_t kMaxScryptMemory = 32ULL << 20;
constexpr uint64_t kMaxScryptParallel = 64;

// What is written: 16 MiB, five times over, as OWASP's password storage cheat
// sheet has it.
constexpr uint64_t kScryptN = 16384;
constexpr uint64_t kScryptR = 8;
constexpr uint64_t kScryptP = 5;
constexpr int kSaltBytes = 16;

absl::Status TooCostly() {
  return absl::InvalidArgumentError(
      "encrypted key: its key derivation asks for more work than any key of ours would: "
      "make a new file with openssl pkcs8 -topk8 -scrypt");
}

bool Positive(const ASN1_INTEGER* number, uint64_t* value) {
  return number != nullptr && ASN1_INTEGER_get_uint64(value, number) == 1 && *value > 0;
}

absl::Status CheckDerivation(const X509_ALGOR* derivation) {
  const ASN1_OBJECT* name = nullptr;
  int type = 0;
  const void* value = nullptr;
  X509_ALGOR_get0(&name, &type, &value, derivation);
  const auto* sequence = static_cast<const ASN1_TYPE*>(derivation->parameter);
  switch (OBJ_obj2nid(name)) {
    case NID_id_pbkdf2: {
      const Pbkdf2Ptr parameters(static_cast<PBKDF2PARAM*>(
          ASN1_TYPE_unpack_sequence(ASN1_ITEM_rptr(PBKDF2PARAM), sequence)));
      uint64_t iterations;
      if (parameters == nullptr || !Positive(parameters->iter, &iterations)) {
        return OpensslError("encrypted key: PBKDF2 parameters");
      }
      return iterations <= kMaxIterations ? absl::OkStatus() : TooCostly();
    }
    case NID_id_scrypt: {
      const ScryptPtr parameters(static_cast<SCRYPT_PARAMS*>(
          ASN1_TYPE_unpack_sequence(ASN1_ITEM_rptr(SCRYPT_PARAMS), sequence)));
      uint64_t n, r, p;
      if (parameters == nullptr || !Positive(parameters->costParameter, &n) ||
          !Positive(parameters->blockSize, &r) ||
          !Positive(parameters->parallelizationParameter, &p)) {
        return OpensslError("encrypted key: scrypt parameters");
      }
      if (p > kMaxScryptParallel || r > 1024 || n > kMaxScryptMemory ||
          128 * r * (n + 2 + p) > kMaxScryptMemory) {
        return TooCostly();
      }
      return absl::OkStatus();
    }
    default:
      return absl::UnimplementedError(
          "encrypted key: its key derivation is neither PBKDF2 nor scrypt: make a new file with "
          "openssl pkcs8 -topk8 -scrypt");
  }
}

absl::Status CheckEncryption(const X509_SIG* encrypted) {
  const X509_ALGOR* algorithm = nullptr;
  X509_SIG_get0(encrypted, &algorithm, nullptr);
  const ASN1_OBJECT* name = nullptr;
  X509_ALGOR_get0(&name, nullptr, nullptr, algorithm);
  if (OBJ_obj2nid(name) != NID_pbes2) {
    return absl::UnimplementedError(
        "encrypted key: not PBES2 (an old way to encrypt keys): make a new file with "
        "openssl pkcs8 -topk8 -scrypt");
  }
  const Pbe2Ptr parameters(static_cast<PBE2PARAM*>(
      ASN1_TYPE_unpack_sequence(ASN1_ITEM_rptr(PBE2PARAM), algorithm->parameter)));
  if (parameters == nullptr) return OpensslError("encrypted key: PBES2 parameters");
  return CheckDerivation(parameters->keyfunc);
}

absl::Status RefuseOtherForms(std::string_view pem) {
  if (pem.find("-----BEGIN OPENSSH PRIVATE KEY-----") != std::string_view::npos) {
    return absl::UnimplementedError(
        "is in OpenSSH's own form: add it to ssh-agent (ssh-add FILE) and use "
        "signing_key = \"ssh-agent:FILE.pub\"");
  }
  if (pem.find("Proc-Type:") != std::string_view::npos) {
    return absl::UnimplementedError(
        "is encrypted in OpenSSL's old way, which a guess costs nothing to try: make a new file "
        "with openssl pkcs8 -topk8 -scrypt");
  }
  if (pem.find("-----BEGIN PUBLIC KEY-----") != std::string_view::npos || pem.starts_with("ssh-") ||
      pem.starts_with("ecdsa-") || pem.starts_with("sk-")) {
    return absl::InvalidArgumentError(
        "is a public key: to sign with what ssh-agent holds of it, write \"ssh-agent:\" before "
        "its path");
  }
  return absl::OkStatus();
}

absl::StatusOr<PrivateKey> AskAndDecrypt(const std::string& path, std::string_view pem,
                                         const PassphrasePrompt& ask) {
  absl::Status wrong;
  for (int attempt = 0; attempt < kAttempts; ++attempt) {
    const std::string what =
        StrCat(attempt > 0 ? "Wrong passphrase. " : "", "Passphrase of ", path);
    DRAGNET_ASSIGN_OR_RETURN(std::string answer, ask(what));
    const Secret passphrase(std::move(answer));
    // Given up, as good as.
    if (passphrase.text().empty()) {
      return absl::CancelledError("no passphrase was given");
    }
    absl::StatusOr<PrivateKey> key = DecryptKey(pem, passphrase.text());
    if (key.ok() || !absl::IsPermissionDenied(key.status())) return key;
    wrong = key.status();
  }
  return wrong;
}

}  // namespace

bool IsEncryptedKey(std::string_view pem) {
  return pem.find("-----BEGIN ENCRYPTED PRIVATE KEY-----") != std::string_view::npos;
}

absl::StatusOr<std::unique_ptr<Signer>> OpenKeyFile(const std::string& path,
                                                    const PassphrasePrompt& ask) {
  DRAGNET_ASSIGN_OR_RETURN(std::string content, ReadSecretFile(path, kMaxFileBytes));
  const Secret pem(std::move(content));
  DRAGNET_RETURN_IF_ERROR(Annotate(RefuseOtherForms(pem.text()), path));
  absl::StatusOr<PrivateKey> key = IsEncryptedKey(pem.text()) ? AskAndDecrypt(path, pem.text(), ask)
                                                              : PrivateKey::FromPem(pem.text());
  if (!key.ok()) return Annotate(key.status(), path);
  return std::make_unique<PrivateKey>(*std::move(key));
}

absl::StatusOr<PrivateKey> DecryptKey(std::string_view pem, std::string_view passphrase) {
  const BioPtr bio(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
  const EncryptedPtr encrypted(PEM_read_bio_PKCS8(bio.get(), nullptr, nullptr, nullptr));
  if (encrypted == nullptr) return OpensslError("encrypted key: not PKCS#8");
  DRAGNET_RETURN_IF_ERROR(CheckEncryption(encrypted.get()));
  const Pkcs8Ptr decrypted(
      PKCS8_decrypt(encrypted.get(), passphrase.data(), static_cast<int>(passphrase.size())));
  if (decrypted == nullptr) {
    // Of a wrong passphrase OpenSSL says that padding or ASN.1 is bad: so would
    // a damaged file.
    ClearOpensslErrors();
    return absl::PermissionDeniedError("wrong passphrase (or the file is damaged)");
  }
  const KeyPtr key(EVP_PKCS82PKEY(decrypted.get()));
  if (key == nullptr) return OpensslError("encrypted key: what is inside is no private key");
  // By way of PEM in memory that OpenSSL wipes: PrivateKey has one way in.
  const BioPtr plain(BIO_new(BIO_s_secmem()));
  if (PEM_write_bio_PKCS8PrivateKey(plain.get(), key.get(), nullptr, nullptr, 0, nullptr,
                                    nullptr) != 1) {
    return OpensslError("encrypted key");
  }
  const Secret text(BioContent(plain.get()));
  return PrivateKey::FromPem(text.text());
}

absl::StatusOr<std::string> EncryptKey(const PrivateKey& key, std::string_view passphrase) {
  const Pkcs8Ptr plain(EVP_PKEY2PKCS8(key.evp()));
  std::string salt = RandomBytes(kSaltBytes);
  AlgorithmPtr algorithm(PKCS5_pbe2_set_scrypt(EVP_aes_256_cbc(),
                                               reinterpret_cast<unsigned char*>(salt.data()),
                                               kSaltBytes, nullptr, kScryptN, kScryptR, kScryptP));
  if (plain == nullptr || algorithm == nullptr) return OpensslError("encrypt key");
  const EncryptedPtr encrypted(PKCS8_set0_pbe(
      passphrase.data(), static_cast<int>(passphrase.size()), plain.get(), algorithm.get()));
  if (encrypted == nullptr) return OpensslError("encrypt key");
  algorithm.release();  // the result owns it now
  const BioPtr bio(BIO_new(BIO_s_mem()));
  if (PEM_write_bio_PKCS8(bio.get(), encrypted.get()) != 1) return OpensslError("encrypt key");
  return BioContent(bio.get());
}

}  // namespace dragnet::console
