// A TLS connection to a receiver of events: TLS 1.2 or 1.3, the server's certificate
// checked against its name, everything with a deadline. It only ever sends, and
// ends with the closure alerts of both sides, by which the sender knows that the
// receiver has read it all.
//
// Belongs to one thread; blocks.
#pragma once

#include <openssl/ssl.h>

#include <atomic>
#include <memory>
#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "core/openssl.h"
#include "core/unique_fd.h"

namespace dragnet::scheduler {

using SslContextPtr = std::unique_ptr<SSL_CTX, OpensslDeleter<SSL_CTX_free>>;
using SslPtr = std::unique_ptr<SSL, OpensslDeleter<SSL_free>>;

struct TlsClientFiles {
  // PEM files; empty: the system's certificates, and no certificate of our own.
  std::string ca;
  std::string certificate;
  std::string key;
};

// Errors name the file.
absl::StatusOr<SslContextPtr> NewTlsClientContext(const TlsClientFiles& files);

class TlsConnection {
 public:
  // What a step may take. `stop` ends any of them.
  struct Patience {
    absl::Duration connect;
    absl::Duration write;
    absl::Duration close;
    const std::atomic<bool>& stop;
  };

  // Unavailable when there is no connection; PermissionDenied when the certificate
  // isn't that of `host`.
  static absl::StatusOr<TlsConnection> Connect(SSL_CTX* context, const std::string& host,
                                               const std::string& port, const Patience& patience);

  absl::Status Write(std::string_view bytes);
  // Says that this is the end, and waits until the receiver says so too. With
  // `accept_plain_close` it is enough that the receiver closes in order.
  absl::Status Close(bool accept_plain_close);

 private:
  TlsConnection(UniqueFd socket, SslPtr ssl, const Patience& patience)
      : socket_(std::move(socket)), ssl_(std::move(ssl)), patience_(patience) {}

  absl::Status Handshake(const std::string& host);
  // Until the socket is as SSL_get_error's answer `error` wants it.
  absl::Status WaitFor(int error, absl::Time deadline, std::string_view what);
  absl::Status Failed(std::string_view what, int error) const;
  // Adds what was read meanwhile.
  absl::Status CheckNotEnded(size_t* received);

  UniqueFd socket_;
  SslPtr ssl_;
  Patience patience_;
};

}  // namespace dragnet::scheduler
