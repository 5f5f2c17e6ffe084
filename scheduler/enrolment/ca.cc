#include "scheduler/enrolment/ca.h"

#include <arpa/inet.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <utility>

#include "core/openssl.h"
#include "core/status_macros.h"
#include "core/text.h"

namespace dragnet::scheduler {
namespace {

constexpr absl::Duration kCaLifetime = absl::Hours(10 * 365 * 24);
constexpr absl::Duration kBackdate = absl::Minutes(5);
constexpr int kSerialBytes = 16;

using ExtensionPtr = std::unique_ptr<X509_EXTENSION, OpensslDeleter<X509_EXTENSION_free>>;
using BignumPtr = std::unique_ptr<BIGNUM, OpensslDeleter<BN_free>>;

// Random, positive and never zero (RFC 5280, section 4.1.2.2).
bool SetRandomSerial(X509* certificate) {
  std::string bytes = RandomBytes(kSerialBytes);
  bytes[0] = static_cast<char>((bytes[0] & 0x3f) | 0x40);
  const BignumPtr number(
      BN_bin2bn(reinterpret_cast<const unsigned char*>(bytes.data()), kSerialBytes, nullptr));
  return number != nullptr &&
         BN_to_ASN1_INTEGER(number.get(), X509_get_serialNumber(certificate)) != nullptr;
}

bool SetValidity(X509* certificate, absl::Time from, absl::Time until) {
  return ASN1_TIME_set(X509_getm_notBefore(certificate), absl::ToTimeT(from)) != nullptr &&
         ASN1_TIME_set(X509_getm_notAfter(certificate), absl::ToTimeT(until)) != nullptr;
}

bool SetCommonName(X509_NAME* name, const std::string& text) {
  // RFC 5280 bounds common names to 64 characters. Names here are for people:
  // programs go by the URI.
  const std::string common_name = text.substr(0, 64);
  return X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_UTF8,
                                    reinterpret_cast<const unsigned char*>(common_name.c_str()), -1,
                                    -1, 0) == 1;
}

bool AddExtension(X509* certificate, X509* issuer, int nid, const std::string& value) {
  X509V3_CTX context;
  X509V3_set_ctx(&context, issuer, certificate, nullptr, nullptr, 0);
  X509V3_set_ctx_nodb(&context);
  const ExtensionPtr extension(X509V3_EXT_conf_nid(nullptr, &context, nid, value.c_str()));
  return extension != nullptr && X509_add_ext(certificate, extension.get(), -1) == 1;
}

std::string ToPem(X509* certificate) {
  const BioPtr bio(BIO_new(BIO_s_mem()));
  if (PEM_write_bio_X509(bio.get(), certificate) != 1) return "";
  return BioContent(bio.get());
}

// A name inside of an OpenSSL extension value must not start another one.
bool IsDnsName(std::string_view name) {
  if (name.empty() || name.size() > 253) return false;
  return std::all_of(name.begin(), name.end(), [](char c) {
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '-' ||
           c == '.' || c == '_';
  });
}

}  // namespace

bool IsIpAddress(const std::string& text) {
  unsigned char address[16];
  return inet_pton(AF_INET, text.c_str(), address) == 1 ||
         inet_pton(AF_INET6, text.c_str(), address) == 1;
}

absl::StatusOr<ServerNames> ServerNamesOf(std::string_view pem) {
  ClearOpensslErrors();
  const BioPtr bio(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
  const X509Ptr certificate(PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr));
  if (certificate == nullptr) return OpensslError("no certificate in PEM form");
  const std::unique_ptr<GENERAL_NAMES, OpensslDeleter<GENERAL_NAMES_free>> all(
      static_cast<GENERAL_NAMES*>(
          X509_get_ext_d2i(certificate.get(), NID_subject_alt_name, nullptr, nullptr)));
  ServerNames names;
  for (int i = 0; all != nullptr && i < sk_GENERAL_NAME_num(all.get()); ++i) {
    int kind = 0;
    const auto* value = static_cast<const ASN1_STRING*>(
        GENERAL_NAME_get0_value(sk_GENERAL_NAME_value(all.get(), i), &kind));
    if (kind != GEN_DNS && kind != GEN_IPADD) continue;
    const std::string bytes(reinterpret_cast<const char*>(ASN1_STRING_get0_data(value)),
                            static_cast<size_t>(ASN1_STRING_length(value)));
    if (kind == GEN_DNS) {
      names.dns.push_back(bytes);
      continue;
    }
    char text[INET6_ADDRSTRLEN] = {};
    const int family = bytes.size() == 4 ? AF_INET : AF_INET6;
    if ((bytes.size() != 4 && bytes.size() != 16) ||
        inet_ntop(family, bytes.data(), text, sizeof text) == nullptr)
      return absl::InvalidArgumentError("an address of another length in the certificate");
    names.ip.emplace_back(text);
  }
  return names;
}

absl::StatusOr<CertificateAuthority> CertificateAuthority::Create(std::string_view fleet_id,
                                                                  absl::Time now) {
  DRAGNET_ASSIGN_OR_RETURN(PrivateKey key, PrivateKey::Generate(KeyAlgorithm::kEcdsaP256));
  std::shared_ptr<X509> certificate(X509_new(), X509_free);
  X509* x509 = certificate.get();
  const absl::Time not_after = now + kCaLifetime;
  X509_NAME* name = X509_get_subject_name(x509);
  // Another name for each: OpenSSL finds an issuer by its name first.
  const bool made =
      X509_set_version(x509, X509_VERSION_3) == 1 && SetRandomSerial(x509) &&
      SetValidity(x509, now - kBackdate, not_after) &&
      SetCommonName(name, StrCat("Dragnet CA ", HexEncode(RandomBytes(4)), " ", fleet_id)) &&
      X509_set_issuer_name(x509, name) == 1 && X509_set_pubkey(x509, key.evp()) == 1 &&
      AddExtension(x509, x509, NID_basic_constraints, "critical,CA:TRUE,pathlen:0") &&
      AddExtension(x509, x509, NID_key_usage, "critical,keyCertSign,cRLSign") &&
      AddExtension(x509, x509, NID_subject_key_identifier, "hash") &&
      X509_sign(x509, key.evp(), EVP_sha256()) > 0;
  if (!made) return OpensslError("make the CA's certificate");
  std::string pem = ToPem(x509);
  return CertificateAuthority(std::move(key), std::move(certificate), std::move(pem), not_after);
}

absl::StatusOr<CertificateAuthority> CertificateAuthority::Load(std::string_view certificate_pem,
                                                                std::string_view key_pem,
                                                                absl::Time now) {
  DRAGNET_ASSIGN_OR_RETURN(PrivateKey key, PrivateKey::FromPem(key_pem));
  DRAGNET_ASSIGN_OR_RETURN(const CertificateInfo info, ParseCertificate(certificate_pem));
  if (info.not_after < now)
    return absl::FailedPreconditionError(
        StrCat("the CA's certificate expired on ",
               absl::FormatTime("%Y-%m-%d", info.not_after, absl::UTCTimeZone())));
  const BioPtr bio(
      BIO_new_mem_buf(certificate_pem.data(), static_cast<int>(certificate_pem.size())));
  std::shared_ptr<X509> certificate(PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr),
                                    X509_free);
  if (certificate == nullptr) return OpensslError("no certificate in PEM form");
  if (X509_check_private_key(certificate.get(), key.evp()) != 1)
    return OpensslError("the CA's key and certificate don't belong together");
  if (X509_check_ca(certificate.get()) != 1)
    return absl::InvalidArgumentError("not a CA's certificate");
  std::string pem = ToPem(certificate.get());
  return CertificateAuthority(std::move(key), std::move(certificate), std::move(pem),
                              info.not_after);
}

std::string CertificateAuthority::certificate_der() const {
  unsigned char* der = nullptr;
  const int length = i2d_X509(certificate_.get(), &der);
  if (length <= 0) return "";
  std::string bytes(reinterpret_cast<char*>(der), static_cast<size_t>(length));
  OPENSSL_free(der);
  return bytes;
}

absl::StatusOr<IssuedCertificate> CertificateAuthority::Issue(
    const PublicKey& key, const SpiffeId& owner, std::string_view other_names,
    std::string_view extended_usage, absl::Time now, absl::Duration lifetime) const {
  const std::string spiffe_id = FormatSpiffeId(owner);
  // What isn't a well-formed name can't be an identity later.
  if (!ParseSpiffeId(spiffe_id).has_value())
    return absl::InvalidArgumentError(StrCat("not a name for a certificate: ", spiffe_id));
  if (key.algorithm() != KeyAlgorithm::kEcdsaP256)
    return absl::InvalidArgumentError("the key of a certificate must be ECDSA P-256");

  std::unique_ptr<X509, OpensslDeleter<X509_free>> certificate(X509_new());
  X509* x509 = certificate.get();
  X509* issuer = certificate_.get();
  const bool made =
      X509_set_version(x509, X509_VERSION_3) == 1 && SetRandomSerial(x509) &&
      SetValidity(x509, now - kBackdate, std::min(now + lifetime, not_after_)) &&
      SetCommonName(X509_get_subject_name(x509), StrCat(owner.kind, " ", owner.name)) &&
      X509_set_issuer_name(x509, X509_get_subject_name(issuer)) == 1 &&
      X509_set_pubkey(x509, key.evp()) == 1 &&
      AddExtension(x509, issuer, NID_basic_constraints, "critical,CA:FALSE") &&
      AddExtension(x509, issuer, NID_key_usage, "critical,digitalSignature") &&
      AddExtension(x509, issuer, NID_ext_key_usage, std::string(extended_usage)) &&
      AddExtension(x509, issuer, NID_subject_alt_name, StrCat("URI:", spiffe_id, other_names)) &&
      AddExtension(x509, issuer, NID_subject_key_identifier, "hash") &&
      AddExtension(x509, issuer, NID_authority_key_identifier, "keyid:always") &&
      X509_sign(x509, key_.evp(), EVP_sha256()) > 0;
  if (!made) return OpensslError(StrCat("make the certificate of ", spiffe_id));

  IssuedCertificate issued;
  const std::string pem = ToPem(x509);
  DRAGNET_ASSIGN_OR_RETURN(issued.info, ParseCertificate(pem));
  issued.chain_pem = StrCat(pem, certificate_pem_);
  return issued;
}

absl::StatusOr<IssuedCertificate> CertificateAuthority::IssueServer(const PublicKey& key,
                                                                    std::string_view fleet_id,
                                                                    const ServerNames& names,
                                                                    absl::Time now,
                                                                    absl::Duration lifetime) const {
  std::string other_names;
  for (const std::string& name : names.dns) {
    if (!IsDnsName(name)) return absl::InvalidArgumentError(StrCat("not a host name: ", name));
    other_names += StrCat(",DNS:", name);
  }
  for (const std::string& ip : names.ip) {
    if (!IsIpAddress(ip)) return absl::InvalidArgumentError(StrCat("not an IP address: ", ip));
    other_names += StrCat(",IP:", ip);
  }
  return Issue(key, {std::string(fleet_id), "scheduler", "main"}, other_names, "serverAuth", now,
               lifetime);
}

absl::StatusOr<IssuedCertificate> CertificateAuthority::IssueAgent(const PublicKey& key,
                                                                   std::string_view fleet_id,
                                                                   std::string_view agent_id,
                                                                   absl::Time now,
                                                                   absl::Duration lifetime) const {
  return Issue(key, {std::string(fleet_id), "agent", std::string(agent_id)}, "", "clientAuth", now,
               lifetime);
}

absl::StatusOr<IssuedCertificate> CertificateAuthority::IssueInvestigator(
    const PublicKey& key, std::string_view fleet_id, std::string_view name, absl::Time now,
    absl::Duration lifetime) const {
  return Issue(key, {std::string(fleet_id), "investigator", std::string(name)}, "", "clientAuth",
               now, lifetime);
}

}  // namespace dragnet::scheduler
