#include "console/signing/tls_request.h"

#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include "absl/cleanup/cleanup.h"
#include "core/openssl.h"

namespace dragnet::console {

absl::StatusOr<std::string> CreateTlsRequest(const PrivateKey& key, const SpiffeId& owner) {
  const X509RequestPtr request(X509_REQ_new());
  STACK_OF(X509_EXTENSION)* extensions = sk_X509_EXTENSION_new_null();
  const absl::Cleanup free_extensions = [&] {
    sk_X509_EXTENSION_pop_free(extensions, X509_EXTENSION_free);
  };
  X509_EXTENSION* name = X509V3_EXT_conf_nid(nullptr, nullptr, NID_subject_alt_name,
                                             ("URI:" + FormatSpiffeId(owner)).c_str());
  if (name == nullptr || sk_X509_EXTENSION_push(extensions, name) == 0) {
    return OpensslError("certificate request: name");
  }
  const EVP_MD* digest =
      key.public_key().algorithm() == KeyAlgorithm::kEd25519 ? nullptr : EVP_sha256();
  if (X509_REQ_set_version(request.get(), X509_REQ_VERSION_1) != 1 ||
      X509_REQ_set_pubkey(request.get(), key.evp()) != 1 ||
      X509_REQ_add_extensions(request.get(), extensions) != 1 ||
      X509_REQ_sign(request.get(), key.evp(), digest) == 0) {
    return OpensslError("certificate request");
  }
  const BioPtr bio(BIO_new(BIO_s_mem()));
  if (PEM_write_bio_X509_REQ(bio.get(), request.get()) != 1) {
    return OpensslError("certificate request");
  }
  return BioContent(bio.get());
}

}  // namespace dragnet::console
