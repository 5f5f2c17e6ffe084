#include "scheduler/export/tls_connection.h"

#include <arpa/inet.h>
#include <netdb.h>
#include <netinet/in.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>
#include <poll.h>
#include <sys/socket.h>

#include <algorithm>
#include <cstring>
#include <utility>

#include "core/clock.h"
#include "core/file_io.h"
#include "core/status_macros.h"
#include "core/strings.h"

namespace dragnet::scheduler {
namespace {

// How often `stop` is looked at.
constexpr absl::Duration kLook = absl::Milliseconds(200);
// A receiver of syslog has nothing to say.
constexpr size_t kMaxReceived = 64 * 1024;

using EvpKeyPtr = std::unique_ptr<EVP_PKEY, OpensslDeleter<EVP_PKEY_free>>;
using AddressesPtr = std::unique_ptr<addrinfo, OpensslDeleter<::freeaddrinfo>>;

bool IsIpAddress(const std::string& host) {
  unsigned char bytes[16];
  return ::inet_pton(AF_INET, host.c_str(), bytes) == 1 ||
         ::inet_pton(AF_INET6, host.c_str(), bytes) == 1;
}

// Until `events` of poll(2), the deadline, or `stop`.
absl::Status WaitForSocket(int fd, short events, absl::Time deadline, const std::atomic<bool>& stop,
                           std::string_view what) {
  while (true) {
    if (stop) return absl::CancelledError("the scheduler stops");
    const absl::Duration left = deadline - SteadyNow();
    if (left <= absl::ZeroDuration())
      return absl::DeadlineExceededError(StrCat(what, ": nothing happened for too long"));
    pollfd item{fd, events, 0};
    const int ready =
        ::poll(&item, 1, 1 + static_cast<int>(absl::ToInt64Milliseconds(std::min(left, kLook))));
    if (ready > 0) return absl::OkStatus();
    if (ready < 0 && errno != EINTR) return ErrnoStatus(what, errno);
  }
}

absl::Status NoSyslog() {
  return absl::UnavailableError("the receiver sends data: is this a receiver of syslog?");
}

absl::StatusOr<UniqueFd> ConnectTo(const addrinfo& address, absl::Time deadline,
                                   const std::atomic<bool>& stop) {
  UniqueFd socket(::socket(address.ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (socket.get() < 0) return ErrnoStatus("socket", errno);
  if (::connect(socket.get(), address.ai_addr, address.ai_addrlen) == 0) return socket;
  if (errno != EINPROGRESS) return absl::UnavailableError(std::strerror(errno));
  DRAGNET_RETURN_IF_ERROR(WaitForSocket(socket.get(), POLLOUT, deadline, stop, "no answer"));
  int error = 0;
  socklen_t length = sizeof error;
  ::getsockopt(socket.get(), SOL_SOCKET, SO_ERROR, &error, &length);
  if (error != 0) return absl::UnavailableError(std::strerror(error));
  return socket;
}

absl::StatusOr<UniqueFd> ConnectToAny(const std::string& host, const std::string& port,
                                      const TlsConnection::Patience& patience) {
  addrinfo hints{};
  hints.ai_family = AF_UNSPEC;
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  if (const int error = ::getaddrinfo(host.c_str(), port.c_str(), &hints, &found); error != 0)
    return absl::UnavailableError(StrCat("resolve ", host, ": ", ::gai_strerror(error)));
  const AddressesPtr addresses(found);
  const absl::Time deadline = SteadyNow() + patience.connect;
  absl::Status status = absl::UnavailableError("no address");
  for (const addrinfo* address = found; address != nullptr; address = address->ai_next) {
    absl::StatusOr<UniqueFd> socket = ConnectTo(*address, deadline, patience.stop);
    if (socket.ok()) return socket;
    status = socket.status();
  }
  return status;
}

}  // namespace

absl::StatusOr<SslContextPtr> NewTlsClientContext(const TlsClientFiles& files) {
  ClearOpensslErrors();
  SslContextPtr context(SSL_CTX_new(TLS_client_method()));
  if (context == nullptr) return OpensslError("make a TLS context");
  SSL_CTX_set_min_proto_version(context.get(), TLS1_2_VERSION);
  SSL_CTX_set_verify(context.get(), SSL_VERIFY_PEER, nullptr);
  if (files.ca.empty()) {
    if (SSL_CTX_set_default_verify_paths(context.get()) != 1)
      return OpensslError("read the system's certificates");
  } else if (SSL_CTX_load_verify_file(context.get(), files.ca.c_str()) != 1) {
    return OpensslError(StrCat("read ", files.ca));
  }
  if (files.certificate.empty()) return context;
  if (SSL_CTX_use_certificate_chain_file(context.get(), files.certificate.c_str()) != 1)
    return OpensslError(StrCat("read ", files.certificate));
  DRAGNET_ASSIGN_OR_RETURN(const std::string pem, ReadSecretFile(files.key));
  const BioPtr bio(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
  // No callback, and so no passphrase: there is no one to ask.
  const EvpKeyPtr key(PEM_read_bio_PrivateKey(
      bio.get(), nullptr, [](char*, int, int, void*) { return 0; }, nullptr));
  if (key == nullptr || SSL_CTX_use_PrivateKey(context.get(), key.get()) != 1 ||
      SSL_CTX_check_private_key(context.get()) != 1)
    return OpensslError(StrCat(files.key, ": not the key of ", files.certificate));
  return context;
}

absl::StatusOr<TlsConnection> TlsConnection::Connect(SSL_CTX* context, const std::string& host,
                                                     const std::string& port,
                                                     const Patience& patience) {
  DRAGNET_ASSIGN_OR_RETURN(UniqueFd socket, ConnectToAny(host, port, patience));
  ClearOpensslErrors();
  SslPtr ssl(SSL_new(context));
  if (ssl == nullptr || SSL_set_fd(ssl.get(), socket.get()) != 1)
    return OpensslError("make a TLS connection");
  TlsConnection connection(std::move(socket), std::move(ssl), patience);
  DRAGNET_RETURN_IF_ERROR(connection.Handshake(host));
  return connection;
}

absl::Status TlsConnection::Handshake(const std::string& host) {
  const bool name_set =
      IsIpAddress(host)
          ? X509_VERIFY_PARAM_set1_ip_asc(SSL_get0_param(ssl_.get()), host.c_str()) == 1
          : SSL_set1_host(ssl_.get(), host.c_str()) == 1 &&
                SSL_set_tlsext_host_name(ssl_.get(), host.c_str()) == 1;
  if (!name_set) return OpensslError(StrCat("check certificates for ", host));
  const absl::Time deadline = SteadyNow() + patience_.connect;
  while (true) {
    ClearOpensslErrors();
    const int result = SSL_connect(ssl_.get());
    if (result == 1) return absl::OkStatus();
    const long verified = SSL_get_verify_result(ssl_.get());
    if (verified != X509_V_OK)
      return absl::PermissionDeniedError(StrCat("the certificate is not taken for one of ", host,
                                                ": ", X509_verify_cert_error_string(verified)));
    const int error = SSL_get_error(ssl_.get(), result);
    if (error != SSL_ERROR_WANT_READ && error != SSL_ERROR_WANT_WRITE)
      return Failed("TLS handshake", error);
    DRAGNET_RETURN_IF_ERROR(WaitFor(error, deadline, "TLS handshake"));
  }
}

absl::Status TlsConnection::Failed(std::string_view what, int error) const {
  const int system = errno;
  if (error == SSL_ERROR_SYSCALL && ERR_peek_last_error() == 0)
    return absl::UnavailableError(
        StrCat(what, ": ", system == 0 ? "the connection was closed" : std::strerror(system)));
  return absl::UnavailableError(OpensslError(what).message());
}

absl::Status TlsConnection::WaitFor(int error, absl::Time deadline, std::string_view what) {
  const short events = error == SSL_ERROR_WANT_WRITE ? POLLOUT : POLLIN;
  return WaitForSocket(socket_.get(), events, deadline, patience_.stop, what);
}

absl::Status TlsConnection::Write(std::string_view bytes) {
  // Of the receiver, which may be slow: for each part that it takes.
  while (!bytes.empty()) {
    const absl::Time deadline = SteadyNow() + patience_.write;
    size_t written = 0;
    while (true) {
      ClearOpensslErrors();
      // A TLS record at a time.
      const size_t part = std::min<size_t>(bytes.size(), 16 * 1024);
      const int result = SSL_write_ex(ssl_.get(), bytes.data(), part, &written);
      if (result == 1) break;
      const int error = SSL_get_error(ssl_.get(), result);
      if (error != SSL_ERROR_WANT_READ && error != SSL_ERROR_WANT_WRITE)
        return Failed("send", error);
      DRAGNET_RETURN_IF_ERROR(WaitFor(error, deadline, "send"));
    }
    bytes.remove_prefix(written);
  }
  return absl::OkStatus();
}

// A receiver that is stopped says that it ends, too, and may have read nothing: what
// came before our own alert is no answer to it.
absl::Status TlsConnection::CheckNotEnded(size_t* received) {
  while (true) {
    char ignored[4096];
    size_t got = 0;
    ClearOpensslErrors();
    errno = 0;
    const int result = SSL_read_ex(ssl_.get(), ignored, sizeof ignored, &got);
    if (result == 1) {
      *received += got;
      if (*received > kMaxReceived) return NoSyslog();
      continue;
    }
    const int error = SSL_get_error(ssl_.get(), result);
    if (error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE) return absl::OkStatus();
    if (error != SSL_ERROR_ZERO_RETURN) return Failed("send", error);
    return absl::UnavailableError("the receiver closed the connection before it had everything");
  }
}

absl::Status TlsConnection::Close(bool accept_plain_close) {
  const absl::Time deadline = SteadyNow() + patience_.close;
  bool said = false;
  size_t received = 0;
  DRAGNET_RETURN_IF_ERROR(CheckNotEnded(&received));
  while (true) {
    ClearOpensslErrors();
    if (!said) {
      const int result = SSL_shutdown(ssl_.get());
      if (result == 1) return absl::OkStatus();
      said = result == 0;
      const int error = said ? 0 : SSL_get_error(ssl_.get(), result);
      if (error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE) {
        DRAGNET_RETURN_IF_ERROR(WaitFor(error, deadline, "close"));
      } else if (!said) {
        return Failed("close", error);
      }
      continue;
    }
    char ignored[4096];
    size_t got = 0;
    errno = 0;
    const int result = SSL_read_ex(ssl_.get(), ignored, sizeof ignored, &got);
    if (result == 1) {
      received += got;
      if (received > kMaxReceived) return NoSyslog();
      continue;
    }
    const int error = SSL_get_error(ssl_.get(), result);
    if (error == SSL_ERROR_ZERO_RETURN) return absl::OkStatus();
    if (error == SSL_ERROR_WANT_READ || error == SSL_ERROR_WANT_WRITE) {
      DRAGNET_RETURN_IF_ERROR(WaitFor(error, deadline, "wait for the receiver to confirm"));
      continue;
    }
    const bool plain = ERR_GET_REASON(ERR_peek_last_error()) == SSL_R_UNEXPECTED_EOF_WHILE_READING;
    if (plain && accept_plain_close) return absl::OkStatus();
    if (plain)
      return absl::UnavailableError(
          "the receiver closed without TLS's closure alert, so nothing says that it has read it "
          "all (one that never sends it needs accept_plain_close = true)");
    return Failed("wait for the receiver to confirm", error);
  }
}

}  // namespace dragnet::scheduler
