// A certificate authority in a few lines, for tests only: it issues whatever it
// is told to, wrong things too.
#pragma once

#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include <cstdlib>
#include <string>

#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "core/keys.h"
#include "core/openssl.h"

namespace dragnet {

class TestCa {
 public:
  TestCa() : key_(*PrivateKey::Generate(KeyAlgorithm::kEcdsaP256)) {
    certificate_ = New("ca", key_.public_key(), absl::Now() - absl::Hours(1), absl::Hours(1000));
    X509_set_issuer_name(certificate_.get(), X509_get_subject_name(certificate_.get()));
    Extend(certificate_.get(), NID_basic_constraints, "critical,CA:TRUE");
    X509_sign(certificate_.get(), key_.evp(), EVP_sha256());
  }

  std::string pem() const { return Pem(certificate_.get()); }

  // The certificate, then the CA's. `names` as for subjectAltName: "DNS:localhost".
  std::string Issue(const PublicKey& key, const std::string& names, absl::Time not_before,
                    absl::Duration lifetime) const {
    X509Ptr certificate = New("leaf", key, not_before, lifetime);
    X509_set_issuer_name(certificate.get(), X509_get_subject_name(certificate_.get()));
    Extend(certificate.get(), NID_subject_alt_name, names);
    X509_sign(certificate.get(), key_.evp(), EVP_sha256());
    return Pem(certificate.get()) + pem();
  }

 private:
  static X509Ptr New(const char* name, const PublicKey& key, absl::Time not_before,
                     absl::Duration lifetime) {
    X509Ptr certificate(X509_new());
    X509_set_version(certificate.get(), X509_VERSION_3);
    ASN1_INTEGER_set(X509_get_serialNumber(certificate.get()), 1 + ::rand());
    ASN1_TIME_set(X509_getm_notBefore(certificate.get()), absl::ToTimeT(not_before));
    ASN1_TIME_set(X509_getm_notAfter(certificate.get()), absl::ToTimeT(not_before + lifetime));
    X509_NAME_add_entry_by_txt(X509_get_subject_name(certificate.get()), "CN", MBSTRING_UTF8,
                               reinterpret_cast<const unsigned char*>(name), -1, -1, 0);
    X509_set_pubkey(certificate.get(), key.evp());
    return certificate;
  }

  static void Extend(X509* certificate, int nid, const std::string& value) {
    X509_EXTENSION* extension = X509V3_EXT_conf_nid(nullptr, nullptr, nid, value.c_str());
    X509_add_ext(certificate, extension, -1);
    X509_EXTENSION_free(extension);
  }

  static std::string Pem(X509* certificate) {
    BioPtr bio(BIO_new(BIO_s_mem()));
    PEM_write_bio_X509(bio.get(), certificate);
    return BioContent(bio.get());
  }

  PrivateKey key_;
  X509Ptr certificate_;
};

}  // namespace dragnet
