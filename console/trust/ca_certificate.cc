#include "console/trust/ca_certificate.h"

#include <openssl/pem.h>
#include <openssl/x509.h>
#include <openssl/x509v3.h>

#include "absl/time/time.h"
#include "core/keys.h"
#include "core/openssl.h"
#include "core/strings.h"
#include "core/text.h"

namespace dragnet::console {

absl::StatusOr<std::string> CaCertificateFromPem(std::string_view pem) {
  ClearOpensslErrors();
  const BioPtr bio(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
  const X509Ptr certificate(PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr));
  if (certificate == nullptr) return OpensslError("no certificate in PEM form");
  const X509Ptr second(PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr));
  ClearOpensslErrors();
  if (second != nullptr) {
    return absl::InvalidArgumentError("more than one certificate: give the CA's alone");
  }
  if (X509_check_ca(certificate.get()) != 1) {
    return absl::InvalidArgumentError("not a CA's certificate");
  }
  unsigned char* der = nullptr;
  const int length = i2d_X509(certificate.get(), &der);
  if (length <= 0) return OpensslError("encode a certificate");
  std::string bytes(reinterpret_cast<char*>(der), static_cast<size_t>(length));
  OPENSSL_free(der);
  return bytes;
}

std::string CaFingerprint(std::string_view der) { return HexEncode(Sha256(der)); }

std::string CaWords(std::string_view der) {
  const auto* cursor = reinterpret_cast<const unsigned char*>(der.data());
  const X509Ptr certificate(d2i_X509(nullptr, &cursor, static_cast<long>(der.size())));
  std::tm parts = {};
  if (certificate == nullptr ||
      ASN1_TIME_to_tm(X509_get0_notAfter(certificate.get()), &parts) != 1) {
    ClearOpensslErrors();
    return StrCat(CaFingerprint(der), " (can't be read)");
  }
  return StrCat(
      CaFingerprint(der), " (until ",
      absl::FormatTime("%Y-%m-%d", absl::FromTM(parts, absl::UTCTimeZone()), absl::UTCTimeZone()),
      ")");
}

}  // namespace dragnet::console
