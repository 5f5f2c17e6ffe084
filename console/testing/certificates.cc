#include "console/testing/certificates.h"

#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include "core/strings.h"

namespace dragnet::console::testing {
namespace {

struct Free {
  void operator()(X509* p) const { ::X509_free(p); }
  void operator()(BIO* p) const { ::BIO_free(p); }
  void operator()(X509_EXTENSION* p) const { ::X509_EXTENSION_free(p); }
};
using Certificate = std::unique_ptr<X509, Free>;

void AddExtension(X509* certificate, X509* issuer, int nid, const std::string& value) {
  X509V3_CTX context;
  X509V3_set_ctx(&context, issuer, certificate, nullptr, nullptr, 0);
  const std::unique_ptr<X509_EXTENSION, Free> extension(
      ::X509V3_EXT_conf_nid(nullptr, &context, nid, value.c_str()));
  ::X509_add_ext(certificate, extension.get(), -1);
}

Certificate NewCertificate(const PrivateKey& subject, const std::string& common_name,
                           const Validity& validity) {
  static long serial = 1;
  Certificate certificate(::X509_new());
  ::X509_set_version(certificate.get(), 2);
  ::ASN1_INTEGER_set(::X509_get_serialNumber(certificate.get()), ++serial);
  ::ASN1_TIME_set(::X509_getm_notBefore(certificate.get()), absl::ToTimeT(validity.not_before));
  ::ASN1_TIME_set(::X509_getm_notAfter(certificate.get()), absl::ToTimeT(validity.not_after));
  ::X509_set_pubkey(certificate.get(), subject.evp());
  ::X509_NAME_add_entry_by_txt(::X509_get_subject_name(certificate.get()), "CN", MBSTRING_ASC,
                               reinterpret_cast<const unsigned char*>(common_name.c_str()), -1, -1,
                               0);
  return certificate;
}

std::string ToPem(X509* certificate) {
  const std::unique_ptr<BIO, Free> memory(::BIO_new(::BIO_s_mem()));
  ::PEM_write_bio_X509(memory.get(), certificate);
  char* data = nullptr;
  const long size = ::BIO_get_mem_data(memory.get(), &data);
  return std::string(data, static_cast<size_t>(size));
}

Certificate FromPem(const std::string& pem) {
  const std::unique_ptr<BIO, Free> memory(
      ::BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
  return Certificate(::PEM_read_bio_X509(memory.get(), nullptr, nullptr, nullptr));
}

}  // namespace

TestCa::TestCa() : key_(*PrivateKey::Generate(KeyAlgorithm::kEcdsaP256)) {
  const Certificate certificate = NewCertificate(key_, "test CA", ValidNow());
  ::X509_set_issuer_name(certificate.get(), ::X509_get_subject_name(certificate.get()));
  AddExtension(certificate.get(), certificate.get(), NID_basic_constraints, "critical,CA:TRUE");
  AddExtension(certificate.get(), certificate.get(), NID_key_usage, "critical,keyCertSign");
  ::X509_sign(certificate.get(), key_.evp(), ::EVP_sha256());
  pem_ = ToPem(certificate.get());
}

TestCa::~TestCa() = default;

IssuedCertificate TestCa::Issue(const std::string& alternative_names, const std::string& usage,
                                const Validity& validity) const {
  const PrivateKey subject = *PrivateKey::Generate(KeyAlgorithm::kEcdsaP256);
  const Certificate issuer = FromPem(pem_);
  const Certificate certificate = NewCertificate(subject, "test", validity);
  ::X509_set_issuer_name(certificate.get(), ::X509_get_subject_name(issuer.get()));
  AddExtension(certificate.get(), issuer.get(), NID_subject_alt_name, alternative_names);
  AddExtension(certificate.get(), issuer.get(), NID_ext_key_usage, usage);
  ::X509_sign(certificate.get(), key_.evp(), ::EVP_sha256());
  return {ToPem(certificate.get()), subject.ToPem()};
}

IssuedCertificate TestCa::IssueServer(const Validity& validity, std::string host_name) const {
  return Issue(host_name.empty() ? "DNS:localhost,IP:127.0.0.1" : StrCat("DNS:", host_name),
               "serverAuth", validity);
}

IssuedCertificate TestCa::IssueInvestigator(const std::string& fleet_id, const std::string& name,
                                            const Validity& validity) const {
  return Issue(StrCat("URI:spiffe://", fleet_id, "/investigator/", name), "clientAuth", validity);
}

}  // namespace dragnet::console::testing
