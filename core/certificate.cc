#include "core/certificate.h"

#include <openssl/asn1.h>
#include <openssl/pem.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include <ctime>
#include <vector>

#include "absl/cleanup/cleanup.h"
#include "absl/strings/str_split.h"
#include "core/openssl.h"
#include "core/status_macros.h"
#include "core/strings.h"
#include "core/text.h"
#include "core/trust_policy.h"

namespace dragnet {
namespace {

constexpr std::string_view kScheme = "spiffe://";
constexpr size_t kMaxRequestBytes = 8192;

// i2d functions allocate when given a null pointer.
template <typename Encode>
std::string ToDer(Encode encode) {
  unsigned char* der = nullptr;
  const int length = encode(&der);
  if (length <= 0) return "";
  std::string bytes(reinterpret_cast<char*>(der), static_cast<size_t>(length));
  OPENSSL_free(der);
  return bytes;
}

absl::StatusOr<absl::Time> ToAbslTime(const ASN1_TIME* time) {
  std::tm parts = {};
  if (ASN1_TIME_to_tm(time, &parts) != 1) return OpensslError("certificate: validity");
  return absl::FromTM(parts, absl::UTCTimeZone());
}

std::string SpiffeUri(X509* certificate) {
  auto* names = static_cast<GENERAL_NAMES*>(
      X509_get_ext_d2i(certificate, NID_subject_alt_name, nullptr, nullptr));
  const absl::Cleanup free_names = [&] { GENERAL_NAMES_free(names); };
  std::vector<std::string> uris;
  for (int i = 0; i < sk_GENERAL_NAME_num(names); ++i) {
    const GENERAL_NAME* name = sk_GENERAL_NAME_value(names, i);
    if (name->type != GEN_URI) continue;
    const ASN1_STRING* uri = name->d.uniformResourceIdentifier;
    uris.emplace_back(reinterpret_cast<const char*>(ASN1_STRING_get0_data(uri)),
                      static_cast<size_t>(ASN1_STRING_length(uri)));
  }
  // An identity that has a second one is none.
  if (uris.size() != 1 || !uris[0].starts_with(kScheme)) return "";
  return uris[0];
}

// All certificates of a PEM text, and nothing else in it.
absl::StatusOr<std::vector<X509Ptr>> ReadCertificates(std::string_view pem) {
  const BioPtr bio(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
  std::vector<X509Ptr> certificates;
  ClearOpensslErrors();
  while (X509* certificate = PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr))
    certificates.emplace_back(certificate);
  const unsigned long code = ERR_peek_last_error();
  const bool at_end =
      ERR_GET_LIB(code) == ERR_LIB_PEM && ERR_GET_REASON(code) == PEM_R_NO_START_LINE;
  if (!at_end) return OpensslError("a certificate that can't be read");
  ClearOpensslErrors();
  if (certificates.empty()) return absl::InvalidArgumentError("no certificate in PEM form");
  return certificates;
}

absl::Status VerifyAgainst(X509* root, const std::vector<X509Ptr>& certificates) {
  const X509StorePtr store(X509_STORE_new());
  X509_STORE_add_cert(store.get(), root);
  STACK_OF(X509)* between = sk_X509_new_null();
  const absl::Cleanup free_between = [&] { sk_X509_free(between); };
  for (size_t i = 1; i < certificates.size(); ++i) sk_X509_push(between, certificates[i].get());
  const X509StoreContextPtr context(X509_STORE_CTX_new());
  if (X509_STORE_CTX_init(context.get(), store.get(), certificates[0].get(), between) != 1)
    return OpensslError("certificate chain");
  X509_STORE_CTX_set_purpose(context.get(), X509_PURPOSE_SSL_CLIENT);
  X509_STORE_CTX_set_flags(context.get(), X509_V_FLAG_NO_CHECK_TIME);
  if (X509_verify_cert(context.get()) == 1) return absl::OkStatus();
  ClearOpensslErrors();
  return absl::InvalidArgumentError(
      StrCat("the certificate doesn't verify against the CA: ",
             X509_verify_cert_error_string(X509_STORE_CTX_get_error(context.get()))));
}

}  // namespace

absl::Status VerifyClientChain(std::string_view chain, std::string_view ca_certificates) {
  DRAGNET_ASSIGN_OR_RETURN(const std::vector<X509Ptr> certificates, ReadCertificates(chain));
  DRAGNET_ASSIGN_OR_RETURN(const std::vector<X509Ptr> roots, ReadCertificates(ca_certificates));
  absl::Status status;
  // One by one: of two with one name OpenSSL would try the first alone.
  for (const X509Ptr& root : roots) {
    status = VerifyAgainst(root.get(), certificates);
    if (status.ok()) break;
  }
  return status;
}

absl::StatusOr<CertificateInfo> ParseCertificate(std::string_view pem) {
  const BioPtr bio(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
  const X509Ptr certificate(PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr));
  if (certificate == nullptr) return OpensslError("no certificate in PEM form");

  CertificateInfo info;
  info.fingerprint = HexEncode(
      Sha256(ToDer([&](unsigned char** out) { return i2d_X509(certificate.get(), out); })));
  info.spiffe_id = SpiffeUri(certificate.get());
  info.spki = ToDer(
      [&](unsigned char** out) { return i2d_PUBKEY(X509_get0_pubkey(certificate.get()), out); });
  DRAGNET_ASSIGN_OR_RETURN(info.not_before, ToAbslTime(X509_get0_notBefore(certificate.get())));
  DRAGNET_ASSIGN_OR_RETURN(info.not_after, ToAbslTime(X509_get0_notAfter(certificate.get())));
  return info;
}

absl::StatusOr<std::string> CreateSigningRequest(const PrivateKey& key) {
  const X509RequestPtr request(X509_REQ_new());
  const EVP_MD* digest =
      key.public_key().algorithm() == KeyAlgorithm::kEd25519 ? nullptr : EVP_sha256();
  if (X509_REQ_set_version(request.get(), X509_REQ_VERSION_1) != 1 ||
      X509_REQ_set_pubkey(request.get(), key.evp()) != 1 ||
      X509_REQ_sign(request.get(), key.evp(), digest) == 0) {
    return OpensslError("certificate signing request");
  }
  return ToDer([&](unsigned char** out) { return i2d_X509_REQ(request.get(), out); });
}

absl::StatusOr<PublicKey> ParseSigningRequest(std::string_view der) {
  if (der.size() > kMaxRequestBytes) {
    return absl::InvalidArgumentError("certificate signing request: too large");
  }
  const auto* cursor = reinterpret_cast<const unsigned char*>(der.data());
  const X509RequestPtr request(d2i_X509_REQ(nullptr, &cursor, static_cast<long>(der.size())));
  if (request == nullptr) return OpensslError("certificate signing request: not DER PKCS#10");
  EVP_PKEY* key = X509_REQ_get0_pubkey(request.get());
  if (key == nullptr || X509_REQ_verify(request.get(), key) != 1) {
    return OpensslError("certificate signing request: its signature is not valid");
  }
  return PublicKey::FromSpki(ToDer([&](unsigned char** out) { return i2d_PUBKEY(key, out); }));
}

std::optional<SpiffeId> ParseSpiffeId(std::string_view uri) {
  if (!uri.starts_with(kScheme) || uri.size() > 512) return std::nullopt;
  const std::vector<std::string> parts = absl::StrSplit(ToAbsl(uri.substr(kScheme.size())), '/');
  if (parts.size() != 3) return std::nullopt;
  if (!IsFleetId(parts[0]) || !IsInvestigatorName(parts[2])) return std::nullopt;
  if (parts[1] != "agent" && parts[1] != "investigator" && parts[1] != "scheduler") {
    return std::nullopt;
  }
  return SpiffeId{parts[0], parts[1], parts[2]};
}

std::string FormatSpiffeId(const SpiffeId& id) {
  return StrCat(kScheme, id.fleet_id, "/", id.kind, "/", id.name);
}

}  // namespace dragnet
