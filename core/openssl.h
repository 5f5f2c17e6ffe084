// Owners for OpenSSL's objects and its errors as absl::Status. For .cc files
// that call OpenSSL; not for public headers.
#pragma once

#include <openssl/bio.h>
#include <openssl/err.h>
#include <openssl/evp.h>
#include <openssl/x509.h>

#include <memory>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "core/strings.h"

namespace dragnet {

template <auto Free>
struct OpensslDeleter {
  template <typename T>
  void operator()(T* object) const {
    Free(object);
  }
};

using BioPtr = std::unique_ptr<BIO, OpensslDeleter<BIO_free_all>>;
using EvpMdContextPtr = std::unique_ptr<EVP_MD_CTX, OpensslDeleter<EVP_MD_CTX_free>>;
using X509StorePtr = std::unique_ptr<X509_STORE, OpensslDeleter<X509_STORE_free>>;
using X509StoreContextPtr = std::unique_ptr<X509_STORE_CTX, OpensslDeleter<X509_STORE_CTX_free>>;
using X509Ptr = std::unique_ptr<X509, OpensslDeleter<X509_free>>;
using X509RequestPtr = std::unique_ptr<X509_REQ, OpensslDeleter<X509_REQ_free>>;

inline void ClearOpensslErrors() { ERR_clear_error(); }

// InvalidArgument: what was tried, and OpenSSL's last reason if it has one.
inline absl::Status OpensslError(std::string_view what) {
  const unsigned long code = ERR_peek_last_error();
  const char* reason = code != 0 ? ERR_reason_error_string(code) : nullptr;
  ERR_clear_error();
  if (reason == nullptr) return absl::InvalidArgumentError(ToAbsl(what));
  return absl::InvalidArgumentError(StrCat(what, ": ", reason));
}

inline std::string BioContent(BIO* memory_bio) {
  char* data = nullptr;
  const long length = BIO_get_mem_data(memory_bio, &data);
  return std::string(data, static_cast<size_t>(length));
}

}  // namespace dragnet
