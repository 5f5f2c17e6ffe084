#include "modules/tls/certificate.h"

#include <arpa/inet.h>
#include <openssl/asn1.h>
#include <openssl/x509v3.h>

#include <algorithm>
#include <ctime>

#include "absl/cleanup/cleanup.h"
#include "core/keys.h"
#include "core/openssl.h"
#include "core/text.h"
#include "modules/tls/names.h"

namespace dragnet::tls {
namespace {

constexpr size_t kMaxNameBytes = 512;
constexpr size_t kMaxNames = 64;
// Of all names together.
constexpr size_t kMaxNamesBytes = 8 * 1024;
// What a Timestamp can hold, and a certificate can say.
const absl::Time kFirstTime = absl::FromUnixSeconds(-62'135'596'800);
const absl::Time kLastTime = absl::FromUnixSeconds(253'402'300'799);

X509Ptr Parse(std::string_view der) {
  ClearOpensslErrors();
  const auto* at = reinterpret_cast<const unsigned char*>(der.data());
  const unsigned char* const end = at + der.size();
  X509Ptr certificate(d2i_X509(nullptr, &at, static_cast<long>(der.size())));
  ClearOpensslErrors();
  return at == end ? std::move(certificate) : nullptr;
}

std::string NameText(const X509_NAME* name) {
  const BioPtr bio(BIO_new(BIO_s_mem()));
  // RFC 2253, but with letters of all languages as they are.
  X509_NAME_print_ex(bio.get(), name, 0,
                     XN_FLAG_RFC2253 & ~static_cast<unsigned long>(ASN1_STRFLGS_ESC_MSB));
  return Shorten(ToValidUtf8(BioContent(bio.get())), kMaxNameBytes);
}

absl::Time TimeOf(const ASN1_TIME* time, absl::Time otherwise) {
  std::tm parts = {};
  if (ASN1_TIME_to_tm(time, &parts) != 1) return otherwise;
  return std::clamp(absl::FromTM(parts, absl::UTCTimeZone()), kFirstTime, kLastTime);
}

std::string_view BytesOf(const ASN1_STRING* string) {
  return {reinterpret_cast<const char*>(ASN1_STRING_get0_data(string)),
          static_cast<size_t>(ASN1_STRING_length(string))};
}

std::string AddressText(std::string_view bytes) {
  char text[INET6_ADDRSTRLEN] = "";
  if (bytes.size() != 4 && bytes.size() != 16) return HexEncode(bytes.substr(0, 32));
  inet_ntop(bytes.size() == 4 ? AF_INET : AF_INET6, bytes.data(), text, sizeof text);
  return text;
}

std::vector<std::string> NamesOf(const X509* certificate) {
  auto* names = static_cast<GENERAL_NAMES*>(
      X509_get_ext_d2i(certificate, NID_subject_alt_name, nullptr, nullptr));
  const absl::Cleanup free_names = [&] { GENERAL_NAMES_free(names); };
  std::vector<std::string> texts;
  size_t total = 0;
  for (int i = 0; i < sk_GENERAL_NAME_num(names) && texts.size() < kMaxNames; ++i) {
    const GENERAL_NAME* name = sk_GENERAL_NAME_value(names, i);
    std::string text;
    if (name->type == GEN_DNS) {
      text = Shorten(ToValidUtf8(BytesOf(name->d.dNSName)), kMaxNameBytes);
    } else if (name->type == GEN_IPADD) {
      text = AddressText(BytesOf(name->d.iPAddress));
    } else {
      continue;
    }
    total += text.size();
    if (total > kMaxNamesBytes) break;
    texts.push_back(std::move(text));
  }
  return texts;
}

// As names.h has it: OpenSSL calls secp256r1 by its other name.
std::string CurveName(EVP_PKEY* key) {
  char name[64] = "";
  size_t length = 0;
  if (EVP_PKEY_get_group_name(key, name, sizeof name, &length) != 1) return "";
  const std::string_view text(name);
  if (text == "prime256v1") return "secp256r1";
  if (text == "prime192v1") return "secp192r1";
  return std::string(text);
}

void ReadKey(X509* certificate, CertificateFacts* facts) {
  EVP_PKEY* key = X509_get0_pubkey(certificate);
  if (key == nullptr) {
    // Of an algorithm, or a size, that OpenSSL doesn't take.
    ASN1_OBJECT* algorithm = nullptr;
    X509_PUBKEY_get0_param(&algorithm, nullptr, nullptr, nullptr,
                           X509_get_X509_PUBKEY(certificate));
    char text[80] = "";
    OBJ_obj2txt(text, sizeof text, algorithm, 0);
    facts->key_type = ToValidUtf8(text);
    return;
  }
  facts->key_bits = static_cast<uint32_t>(std::max(EVP_PKEY_get_bits(key), 0));
  switch (EVP_PKEY_get_base_id(key)) {
    case EVP_PKEY_RSA:
      facts->key_type = "rsa";
      break;
    case EVP_PKEY_RSA_PSS:
      facts->key_type = "rsa-pss";
      break;
    case EVP_PKEY_EC:
      facts->key_type = "ecdsa";
      facts->key_curve = CurveName(key);
      break;
    case EVP_PKEY_ED25519:
      facts->key_type = "ed25519";
      break;
    case EVP_PKEY_ED448:
      facts->key_type = "ed448";
      break;
    case EVP_PKEY_DSA:
      facts->key_type = "dsa";
      break;
    default: {
      const char* name = EVP_PKEY_get0_type_name(key);
      facts->key_type = name == nullptr ? "unknown" : ToValidUtf8(name);
    }
  }
}

std::string SignatureName(const X509* certificate) {
  const X509_ALGOR* algorithm = X509_get0_tbs_sigalg(certificate);
  const ASN1_OBJECT* object = nullptr;
  X509_ALGOR_get0(&object, nullptr, nullptr, algorithm);
  char text[80] = "";
  OBJ_obj2txt(text, sizeof text, object, 0);
  return ToValidUtf8(text);
}

bool HasOcspResponder(X509* certificate) {
  STACK_OF(OPENSSL_STRING)* urls = X509_get1_ocsp(certificate);
  const bool has = sk_OPENSSL_STRING_num(urls) > 0;
  X509_email_free(urls);
  return has;
}

}  // namespace

absl::StatusOr<CertificateFacts> ReadCertificate(std::string_view der, const std::string& name) {
  const X509Ptr certificate = Parse(der);
  if (certificate == nullptr) return absl::InvalidArgumentError("a certificate that can't be read");
  X509* raw = certificate.get();
  CertificateFacts facts;
  facts.subject = NameText(X509_get_subject_name(raw));
  facts.issuer = NameText(X509_get_issuer_name(raw));
  facts.names = NamesOf(raw);
  ReadKey(raw, &facts);
  facts.signature = SignatureName(raw);
  // A time that can't be read protects nobody: the certificate was never valid.
  facts.not_before = TimeOf(X509_get0_notBefore(raw), kFirstTime);
  facts.not_after = TimeOf(X509_get0_notAfter(raw), kFirstTime);
  facts.self_signed = X509_NAME_cmp(X509_get_subject_name(raw), X509_get_issuer_name(raw)) == 0;
  facts.sha256 = HexEncode(Sha256(der));
  facts.has_ocsp_responder = HasOcspResponder(raw);
  if (!name.empty())
    facts.name_matches = X509_check_host(raw, name.data(), name.size(), 0, nullptr) == 1;
  ClearOpensslErrors();
  return facts;
}

uint32_t LifespanDays(const CertificateFacts& facts) {
  const absl::Duration lifespan = facts.not_after - facts.not_before;
  if (lifespan <= absl::ZeroDuration()) return 0;
  return static_cast<uint32_t>(absl::Ceil(lifespan, absl::Hours(24)) / absl::Hours(24));
}

bool IsRsa(std::string_view der) {
  const auto facts = ReadCertificate(der, "");
  return facts.ok() && facts->key_type.starts_with("rsa");
}

uint16_t CurveOf(std::string_view der) {
  const auto facts = ReadCertificate(der, "");
  const Group* group = facts.ok() ? FindGroupByName(facts->key_curve) : nullptr;
  return group == nullptr ? 0 : group->code;
}

}  // namespace dragnet::tls
