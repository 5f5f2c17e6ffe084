#include "console/client/diagnose.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <openssl/err.h>
#include <openssl/pem.h>
#include <openssl/ssl.h>
#include <openssl/x509v3.h>
#include <poll.h>
#include <string.h>
#include <sys/socket.h>

#include <memory>
#include <string>

#include "absl/time/clock.h"
#include "core/strings.h"
#include "core/text.h"
#include "core/unique_fd.h"

namespace dragnet::console {
namespace {

struct Free {
  void operator()(addrinfo* p) const { ::freeaddrinfo(p); }
  void operator()(SSL_CTX* p) const { ::SSL_CTX_free(p); }
  void operator()(SSL* p) const { ::SSL_free(p); }
  void operator()(BIO* p) const { ::BIO_free(p); }
  void operator()(X509* p) const { ::X509_free(p); }
  void operator()(EVP_PKEY* p) const { ::EVP_PKEY_free(p); }
};
template <class T>
using Owned = std::unique_ptr<T, Free>;

bool WaitFor(int fd, short events, absl::Time deadline) {
  pollfd item{fd, events, 0};
  while (true) {
    const int64_t left = absl::ToInt64Milliseconds(deadline - absl::Now());
    if (left <= 0) return false;
    const int ready = ::poll(&item, 1, static_cast<int>(left));
    if (ready > 0) return true;
    if (ready == 0 || errno != EINTR) return false;
  }
}

// errno of the attempt; 0 when connected.
int ConnectTo(const addrinfo& address, absl::Time deadline, UniqueFd* out) {
  UniqueFd fd(::socket(address.ai_family, SOCK_STREAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0));
  if (!fd.valid()) return errno;
  if (::connect(fd.get(), address.ai_addr, address.ai_addrlen) != 0) {
    if (errno != EINPROGRESS) return errno;
    if (!WaitFor(fd.get(), POLLOUT, deadline)) return ETIMEDOUT;
    int error = 0;
    socklen_t size = sizeof error;
    ::getsockopt(fd.get(), SOL_SOCKET, SO_ERROR, &error, &size);
    if (error != 0) return error;
  }
  *out = std::move(fd);
  return 0;
}

absl::Status Unavailable(const ConsoleConfig& config, std::string_view what,
                         std::string_view advice) {
  return absl::UnavailableError(StrCat("connect ", config.scheduler, ": ", what, ": ", advice));
}

void SplitHostPort(const std::string& address, std::string* host, std::string* port) {
  const size_t colon = address.rfind(':');
  *host = address.substr(0, colon);
  *port = address.substr(colon + 1);
  if (host->size() > 2 && host->front() == '[' && host->back() == ']') {
    *host = host->substr(1, host->size() - 2);
  }
}

Owned<SSL_CTX> NewContext(const TlsFiles& files) {
  Owned<SSL_CTX> context(::SSL_CTX_new(::TLS_client_method()));
  ::SSL_CTX_set_min_proto_version(context.get(), TLS1_3_VERSION);
  ::SSL_CTX_set_verify(context.get(), SSL_VERIFY_PEER, nullptr);
  Owned<BIO> ca(::BIO_new_mem_buf(files.ca.data(), static_cast<int>(files.ca.size())));
  while (X509* certificate = ::PEM_read_bio_X509(ca.get(), nullptr, nullptr, nullptr)) {
    Owned<X509> owned(certificate);
    ::X509_STORE_add_cert(::SSL_CTX_get_cert_store(context.get()), certificate);
  }
  Owned<BIO> own(
      ::BIO_new_mem_buf(files.certificate.data(), static_cast<int>(files.certificate.size())));
  Owned<X509> certificate(::PEM_read_bio_X509(own.get(), nullptr, nullptr, nullptr));
  Owned<BIO> key_text(::BIO_new_mem_buf(files.key.data(), static_cast<int>(files.key.size())));
  Owned<EVP_PKEY> key(::PEM_read_bio_PrivateKey(key_text.get(), nullptr, nullptr, nullptr));
  if (certificate != nullptr) ::SSL_CTX_use_certificate(context.get(), certificate.get());
  if (key != nullptr) ::SSL_CTX_use_PrivateKey(context.get(), key.get());
  ::ERR_clear_error();
  return context;
}

absl::Status ExplainVerification(const ConsoleConfig& config, long error) {
  const std::string words =
      StrCat("the scheduler's certificate: ", ::X509_verify_cert_error_string(error));
  switch (error) {
    case X509_V_ERR_CERT_NOT_YET_VALID:
      return Unavailable(
          config, words,
          StrCat("is a clock wrong? this machine's says ",
                 absl::FormatTime("%Y-%m-%d %H:%M %Z", absl::Now(), absl::LocalTimeZone())));
    case X509_V_ERR_CERT_HAS_EXPIRED:
      return Unavailable(
          config, words,
          StrCat("the scheduler needs a new one, unless this machine's clock (",
                 absl::FormatTime("%Y-%m-%d %H:%M %Z", absl::Now(), absl::LocalTimeZone()),
                 ") is wrong"));
    case X509_V_ERR_HOSTNAME_MISMATCH:
    case X509_V_ERR_IP_ADDRESS_MISMATCH:
      return Unavailable(
          config, words,
          StrCat("the certificate is for another name: check scheduler in ", config.path));
    default:
      return Unavailable(
          config, words,
          StrCat("it belongs to another fleet, or ca_file in ", config.path, " is not its CA"));
  }
}

std::string OpenSslWords() {
  const unsigned long code = ::ERR_get_error();
  const char* reason = code == 0 ? nullptr : ::ERR_reason_error_string(code);
  return reason == nullptr ? "the connection was closed" : reason;
}

// One step of the session: true when done, false when it failed.
template <class Operation>
bool Drive(SSL* ssl, int fd, absl::Time deadline, const Operation& operation) {
  while (true) {
    const int result = operation();
    if (result > 0) return true;
    const int error = ::SSL_get_error(ssl, result);
    if (error != SSL_ERROR_WANT_READ && error != SSL_ERROR_WANT_WRITE) return false;
    if (!WaitFor(fd, error == SSL_ERROR_WANT_READ ? POLLIN : POLLOUT, deadline)) return false;
  }
}

absl::Status Handshake(const ConsoleConfig& config, const TlsFiles& files, const std::string& host,
                       int fd, absl::Time deadline) {
  const Owned<SSL_CTX> context = NewContext(files);
  const Owned<SSL> ssl(::SSL_new(context.get()));
  static constexpr unsigned char kHttp2[] = {2, 'h', '2'};
  ::SSL_set_alpn_protos(ssl.get(), kHttp2, sizeof kHttp2);
  in6_addr ip;
  if (::inet_pton(AF_INET, host.c_str(), &ip) == 1 ||
      ::inet_pton(AF_INET6, host.c_str(), &ip) == 1) {
    ::X509_VERIFY_PARAM_set1_ip_asc(::SSL_get0_param(ssl.get()), host.c_str());
  } else {
    ::SSL_set_tlsext_host_name(ssl.get(), host.c_str());
    ::SSL_set1_host(ssl.get(), host.c_str());
  }
  ::SSL_set_fd(ssl.get(), fd);
  if (!Drive(ssl.get(), fd, deadline, [&] { return ::SSL_connect(ssl.get()); })) {
    const long verification = ::SSL_get_verify_result(ssl.get());
    if (verification != X509_V_OK) return ExplainVerification(config, verification);
    return Unavailable(config, StrCat("TLS: ", OpenSslWords()),
                       "is it a dragnet-scheduler that listens there?");
  }
  // In TLS 1.3 the server looks at our certificate after our side is done:
  // whether it took it shows at the first byte that it sends (its SETTINGS).
  char byte;
  if (!Drive(ssl.get(), fd, deadline, [&] { return ::SSL_read(ssl.get(), &byte, 1); })) {
    return Unavailable(
        config, StrCat("the scheduler refused ", config.tls_certificate, ": ", OpenSslWords()),
        "have the operator of the fleet issue a new certificate, or check its clock");
  }
  return absl::OkStatus();
}

constexpr size_t kMaxProxyAnswer = 16 * 1024;

// Has the proxy at the other end of `fd` connect it to the scheduler.
absl::Status AskProxy(const ConsoleConfig& config, int fd, absl::Time deadline) {
  std::string request =
      StrCat("CONNECT ", config.scheduler, " HTTP/1.1\r\nHost: ", config.scheduler, "\r\n");
  if (!config.proxy->authorization().empty()) {
    StrAppend(&request, "Proxy-Authorization: ", config.proxy->authorization(), "\r\n");
  }
  request += "\r\n";
  const std::string advice = StrCat("check proxy in ", config.path);
  const std::string proxy = StrCat("proxy ", config.proxy->address());
  if (::send(fd, request.data(), request.size(), MSG_NOSIGNAL) !=
      static_cast<ssize_t>(request.size())) {
    return Unavailable(config, StrCat(proxy, ": ", ::strerror(errno)), advice);
  }
  std::string answer;
  // Byte by byte: what follows the empty line is the scheduler's.
  char byte;
  while (!answer.ends_with("\r\n\r\n")) {
    if (!WaitFor(fd, POLLIN, deadline)) {
      return Unavailable(config, StrCat(proxy, " does not answer"), advice);
    }
    if (::recv(fd, &byte, 1, 0) != 1 || answer.size() >= kMaxProxyAnswer) {
      return Unavailable(config, StrCat(proxy, " does not answer as a proxy"), advice);
    }
    answer.push_back(byte);
  }
  const size_t space = answer.find(' ');
  const std::string code = space == std::string::npos ? "" : answer.substr(space + 1, 3);
  if (!answer.starts_with("HTTP/1.") || code.empty() || code[0] < '0' || code[0] > '9') {
    return Unavailable(config, StrCat(proxy, " does not speak HTTP"), advice);
  }
  if (code[0] == '2') return absl::OkStatus();
  if (code == "407") {
    return Unavailable(config, StrCat(proxy, " wants another user and password"), advice);
  }
  return Unavailable(config, StrCat(proxy, " does not connect to it (", ForTerminal(code), ")"),
                     StrCat("check scheduler and proxy in ", config.path));
}

}  // namespace

absl::Status DiagnoseConnection(const ConsoleConfig& config, const TlsFiles& files,
                                absl::Duration timeout) {
  const absl::Time deadline = absl::Now() + timeout;
  std::string host;
  std::string port;
  SplitHostPort(config.proxy.has_value() ? config.proxy->address() : config.scheduler, &host,
                &port);
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  const int lookup = ::getaddrinfo(host.c_str(), port.c_str(), &hints, &found);
  if (lookup != 0) {
    return Unavailable(
        config, ::gai_strerror(lookup),
        StrCat("check ", config.proxy.has_value() ? "proxy" : "scheduler", " in ", config.path));
  }
  const Owned<addrinfo> addresses(found);
  UniqueFd fd;
  int error = 0;
  for (const addrinfo* address = found; address != nullptr && !fd.valid();
       address = address->ai_next) {
    error = ConnectTo(*address, deadline, &fd);
  }
  if (!fd.valid() && config.proxy.has_value()) {
    return Unavailable(config, StrCat("proxy ", config.proxy->address(), ": ", ::strerror(error)),
                       StrCat("check proxy in ", config.path));
  }
  if (!fd.valid()) {
    return Unavailable(
        config, ::strerror(error),
        StrCat("is dragnet-scheduler running there? (scheduler in ", config.path, ")"));
  }
  if (config.proxy.has_value()) {
    const absl::Status asked = AskProxy(config, fd.get(), deadline);
    if (!asked.ok()) return asked;
    SplitHostPort(config.scheduler, &host, &port);
  }
  return Handshake(config, files, host, fd.get(), deadline);
}

}  // namespace dragnet::console
