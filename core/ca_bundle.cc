#include "core/ca_bundle.h"

#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include "core/openssl.h"
#include "core/strings.h"
#include "core/text.h"

namespace dragnet {
namespace {

X509Ptr FirstCertificate(std::string_view pem) {
  const BioPtr bio(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
  return X509Ptr(PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr));
}

std::string Hex(const ASN1_OCTET_STRING* id) {
  if (id == nullptr) return "";
  return HexEncode({reinterpret_cast<const char*>(ASN1_STRING_get0_data(id)),
                    static_cast<size_t>(ASN1_STRING_length(id))});
}

}  // namespace

absl::StatusOr<std::vector<std::string>> SplitCertificates(std::string_view pem) {
  ClearOpensslErrors();
  const BioPtr bio(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
  std::vector<std::string> certificates;
  while (true) {
    const X509Ptr certificate(PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr));
    if (certificate == nullptr) break;
    const BioPtr out(BIO_new(BIO_s_mem()));
    if (PEM_write_bio_X509(out.get(), certificate.get()) != 1)
      return OpensslError("encode a certificate");
    certificates.push_back(BioContent(out.get()));
  }
  // That there is no further one is how it ends.
  const bool at_end = ERR_GET_REASON(ERR_peek_last_error()) == PEM_R_NO_START_LINE;
  if (!at_end || certificates.empty()) return OpensslError("certificates in PEM form");
  ClearOpensslErrors();
  return certificates;
}

absl::StatusOr<std::string> CertificateToDer(std::string_view pem) {
  ClearOpensslErrors();
  const X509Ptr certificate = FirstCertificate(pem);
  if (certificate == nullptr) return OpensslError("no certificate in PEM form");
  unsigned char* der = nullptr;
  const int length = i2d_X509(certificate.get(), &der);
  if (length <= 0) return OpensslError("encode a certificate");
  std::string bytes(reinterpret_cast<char*>(der), static_cast<size_t>(length));
  OPENSSL_free(der);
  return bytes;
}

std::string CertificateToPem(std::string_view der) {
  const BioPtr bio(BIO_new(BIO_s_mem()));
  PEM_write_bio(bio.get(), PEM_STRING_X509, "", reinterpret_cast<const unsigned char*>(der.data()),
                static_cast<long>(der.size()));
  return BioContent(bio.get());
}

std::string SubjectKeyId(std::string_view pem) {
  const X509Ptr certificate = FirstCertificate(pem);
  ClearOpensslErrors();
  return certificate == nullptr ? "" : Hex(X509_get0_subject_key_id(certificate.get()));
}

std::string IssuerKeyId(std::string_view pem) {
  const X509Ptr certificate = FirstCertificate(pem);
  ClearOpensslErrors();
  return certificate == nullptr ? "" : Hex(X509_get0_authority_key_id(certificate.get()));
}

}  // namespace dragnet
