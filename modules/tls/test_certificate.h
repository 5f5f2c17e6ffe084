// Certificates signed by their own key, for tests.
#pragma once

#include <openssl/ec.h>
#include <openssl/rsa.h>
#include <openssl/x509v3.h>

#include <memory>
#include <string>

#include "absl/time/clock.h"
#include "absl/time/time.h"
#include "core/openssl.h"

namespace dragnet::tls {

using TestKey = std::shared_ptr<EVP_PKEY>;

inline TestKey NewEcKey(const char* curve) { return {EVP_EC_gen(curve), EVP_PKEY_free}; }
inline TestKey NewRsaKey(unsigned bits) { return {EVP_RSA_gen(bits), EVP_PKEY_free}; }

struct CertificateRequest {
  TestKey key;
  std::string subject = {};
  // As in openssl.cnf: DNS:www.example.com,IP:192.0.2.1.
  std::string names = {};
  absl::Time not_before = absl::Now() - absl::Hours(1);
  absl::Duration lifespan = absl::Hours(24 * 90);
  std::string ocsp = {};
};

inline X509Ptr MakeX509(const CertificateRequest& request) {
  X509Ptr certificate(X509_new());
  X509* raw = certificate.get();
  X509_set_version(raw, 2);
  ASN1_INTEGER_set(X509_get_serialNumber(raw), 1);
  ASN1_TIME_set(X509_getm_notBefore(raw), absl::ToTimeT(request.not_before));
  ASN1_TIME_set(X509_getm_notAfter(raw), absl::ToTimeT(request.not_before + request.lifespan));
  X509_NAME* name = X509_get_subject_name(raw);
  X509_NAME_add_entry_by_txt(name, "CN", MBSTRING_ASC,
                             reinterpret_cast<const unsigned char*>(request.subject.data()),
                             static_cast<int>(request.subject.size()), -1, 0);
  X509_set_issuer_name(raw, name);
  X509_set_pubkey(raw, request.key.get());
  const auto extend = [&](int nid, const std::string& value) {
    if (value.empty()) return;
    X509_EXTENSION* extension = X509V3_EXT_conf_nid(nullptr, nullptr, nid, value.c_str());
    X509_add_ext(raw, extension, -1);
    X509_EXTENSION_free(extension);
  };
  extend(NID_subject_alt_name, request.names);
  if (!request.ocsp.empty()) extend(NID_info_access, "OCSP;URI:" + request.ocsp);
  X509_sign(raw, request.key.get(), EVP_sha256());
  return certificate;
}

// DER.
inline std::string MakeCertificate(const CertificateRequest& request) {
  const X509Ptr certificate = MakeX509(request);
  unsigned char* der = nullptr;
  const int size = i2d_X509(certificate.get(), &der);
  std::string bytes(reinterpret_cast<char*>(der), static_cast<size_t>(size));
  OPENSSL_free(der);
  return bytes;
}

}  // namespace dragnet::tls
