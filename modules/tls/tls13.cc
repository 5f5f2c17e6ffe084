#include "modules/tls/tls13.h"

#include <errno.h>
#include <openssl/ssl.h>

#include <algorithm>

#include "core/openssl.h"
#include "core/strings.h"
#include "core/text.h"
#include "modules/ping/probe.h"
#include "modules/ping/wait.h"

namespace dragnet::tls {
namespace {

using SslContextPtr = std::unique_ptr<SSL_CTX, OpensslDeleter<SSL_CTX_free>>;
using SslPtr = std::unique_ptr<SSL, OpensslDeleter<SSL_free>>;

// How long a ticket is waited for, at most: servers send it with their last message, or never.
constexpr absl::Duration kTicketTime = absl::Milliseconds(500);

constexpr char kSuites[] =
    "TLS_AES_128_GCM_SHA256:TLS_AES_256_GCM_SHA384:TLS_CHACHA20_POLY1305_SHA256:"
    "TLS_AES_128_CCM_SHA256:TLS_AES_128_CCM_8_SHA256";
constexpr char kGroups[] =
    "X25519:P-256:P-384:P-521:X448:ffdhe2048:ffdhe3072:ffdhe4096:ffdhe6144:ffdhe8192";
constexpr char kEcdsaAlgorithms[] =
    "ecdsa_secp256r1_sha256:ecdsa_secp384r1_sha384:ecdsa_secp521r1_sha512:ed25519:ed448";
constexpr char kRsaAlgorithms[] =
    "rsa_pss_rsae_sha256:rsa_pss_rsae_sha384:rsa_pss_rsae_sha512:"
    "rsa_pss_pss_sha256:rsa_pss_pss_sha384:rsa_pss_pss_sha512:"
    "rsa_pkcs1_sha256:rsa_pkcs1_sha384:rsa_pkcs1_sha512:rsa_pkcs1_sha1";

std::string Algorithms(SignatureFamily family) {
  switch (family) {
    case SignatureFamily::kRsa:
      return kRsaAlgorithms;
    case SignatureFamily::kEcdsa:
      return kEcdsaAlgorithms;
    case SignatureFamily::kAny:
      break;
  }
  return StrCat(kEcdsaAlgorithms, ":", kRsaAlgorithms);
}

int NoteTicket(SSL* ssl, SSL_SESSION*) {
  *static_cast<bool*>(SSL_get_app_data(ssl)) = true;
  return 0;  // The session is not kept.
}

int AcceptAnyStatus(SSL*, void*) { return 1; }

SslContextPtr NewContext(SignatureFamily family) {
  // The host's openssl.cnf would load what it names, and forbid what is looked for.
  if (OPENSSL_init_ssl(OPENSSL_INIT_NO_LOAD_CONFIG, nullptr) != 1) return nullptr;
  SslContextPtr context(SSL_CTX_new(TLS_client_method()));
  SSL_CTX* raw = context.get();
  if (raw == nullptr) return nullptr;
  SSL_CTX_set_security_level(raw, 0);
  SSL_CTX_set_verify(raw, SSL_VERIFY_NONE, nullptr);
  SSL_CTX_set_session_cache_mode(raw, SSL_SESS_CACHE_CLIENT | SSL_SESS_CACHE_NO_INTERNAL);
  SSL_CTX_sess_set_new_cb(raw, NoteTicket);
  SSL_CTX_set_tlsext_status_type(raw, TLSEXT_STATUSTYPE_ocsp);
  SSL_CTX_set_tlsext_status_cb(raw, AcceptAnyStatus);
  if (SSL_CTX_set_min_proto_version(raw, TLS1_3_VERSION) != 1 ||
      SSL_CTX_set_max_proto_version(raw, TLS1_3_VERSION) != 1 ||
      SSL_CTX_set_ciphersuites(raw, kSuites) != 1 || SSL_CTX_set1_groups_list(raw, kGroups) != 1 ||
      SSL_CTX_set1_sigalgs_list(raw, Algorithms(family).c_str()) != 1)
    return nullptr;
  return context;
}

std::string OpensslReason(std::string_view otherwise) {
  const unsigned long code = ERR_peek_last_error();
  const char* reason = code != 0 ? ERR_reason_error_string(code) : nullptr;
  ERR_clear_error();
  return std::string(reason == nullptr ? otherwise : std::string_view(reason));
}

// libssl over memory, with a connection at the other end of it.
class Session {
 public:
  Session(SSL* ssl, Connection& connection) : ssl_(ssl), connection_(connection) {
    in_ = BIO_new(BIO_s_mem());
    out_ = BIO_new(BIO_s_mem());
    SSL_set_bio(ssl_, in_, out_);  // Owns them from here on.
  }

  // Repeats `step` until it needs nothing more from the peer. True: it was done.
  template <typename Step>
  bool Drive(const Step& step, absl::Duration deadline) {
    for (;;) {
      ERR_clear_error();
      const int result = step();
      const int error = SSL_get_error(ssl_, result);
      if (!Flush(deadline)) return false;
      if (result > 0) return true;
      if (error != SSL_ERROR_WANT_READ) {
        error_ = OpensslReason("the handshake failed");
        return false;
      }
      if (!Feed(deadline)) return false;
    }
  }

  const std::string& error() const { return error_; }

 private:
  bool Fail(int error) {
    error_ = error == 0 ? "it hung up" : ping::ErrorWords(error);
    return false;
  }

  bool Flush(absl::Duration deadline) {
    char* bytes = nullptr;
    const long size = BIO_get_mem_data(out_, &bytes);
    if (size <= 0) return true;
    const int error = connection_.Send({bytes, static_cast<size_t>(size)}, deadline);
    if (BIO_reset(out_) != 1) return false;
    return error == 0 || Fail(error);
  }

  bool Feed(absl::Duration deadline) {
    std::string bytes;
    const int error = connection_.Receive(deadline, &bytes);
    if (error != 0 || bytes.empty()) return Fail(error);
    received_ += bytes.size();
    if (received_ > kMaxFlightBytes) {
      error_ = "more than 256 KiB of handshake";
      return false;
    }
    return BIO_write(in_, bytes.data(), static_cast<int>(bytes.size())) ==
           static_cast<int>(bytes.size());
  }

  SSL* ssl_;
  Connection& connection_;
  BIO* in_ = nullptr;
  BIO* out_ = nullptr;
  size_t received_ = 0;
  std::string error_;
};

std::vector<std::string> ChainOf(SSL* ssl) {
  std::vector<std::string> chain;
  const STACK_OF(X509)* sent = SSL_get_peer_cert_chain(ssl);
  for (int i = 0; sent != nullptr && i < sk_X509_num(sent); ++i) {
    if (chain.size() == kMaxCertificates) break;
    unsigned char* der = nullptr;
    const int size = i2d_X509(sk_X509_value(sent, i), &der);
    if (size > 0) chain.emplace_back(reinterpret_cast<const char*>(der), static_cast<size_t>(size));
    OPENSSL_free(der);
  }
  return chain;
}

}  // namespace

Tls13Facts ShakeHands(Prober& prober, const std::string& sni, SignatureFamily family) {
  Tls13Facts facts;
  ClearOpensslErrors();
  const SslContextPtr context = NewContext(family);
  const SslPtr ssl(context == nullptr ? nullptr : SSL_new(context.get()));
  if (ssl == nullptr || (!sni.empty() && SSL_set_tlsext_host_name(ssl.get(), sni.c_str()) != 1)) {
    facts.error = OpensslReason("OpenSSL can't be set up");
    return facts;
  }
  SSL_set_app_data(ssl.get(), &facts.session_ticket);
  Connection connection;
  if (const int error = prober.Connect(&connection); error != 0) {
    facts.error =
        prober.limit().empty() ? ping::ErrorWords(error) : StrCat("limit of ", prober.limit());
    return facts;
  }
  Session session(ssl.get(), connection);
  const bool connected = session.Drive([&] { return SSL_connect(ssl.get()); }, prober.Deadline());
  facts.chain = ChainOf(ssl.get());
  if (facts.chain.empty()) {
    facts.error = session.error().empty() ? "none was shown" : session.error();
    return facts;
  }
  unsigned char* response = nullptr;
  facts.has_ocsp_response = SSL_get_tlsext_status_ocsp_resp(ssl.get(), &response) > 0;
  if (connected && family == SignatureFamily::kAny) {
    char ignored[4096];
    const absl::Duration deadline = std::min(prober.Deadline(), ping::MonotonicNow() + kTicketTime);
    session.Drive(
        [&] {
          // Data of the service's own protocol can come, too.
          while (!facts.session_ticket) {
            const int size = SSL_read(ssl.get(), ignored, sizeof ignored);
            if (size <= 0) return facts.session_ticket ? 1 : size;
          }
          return 1;
        },
        deadline);
  }
  ClearOpensslErrors();
  return facts;
}

}  // namespace dragnet::tls
