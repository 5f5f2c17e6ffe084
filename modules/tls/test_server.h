// A TCP server on a free port of loopback, for tests: answers one connection at a
// time, in a thread of its own, until it goes out of scope.
#pragma once

#include <netinet/in.h>
#include <openssl/ssl.h>
#include <poll.h>
#include <sys/socket.h>

#include <atomic>
#include <functional>
#include <string>
#include <string_view>
#include <thread>
#include <vector>

#include "core/openssl.h"
#include "core/strings.h"
#include "core/unique_fd.h"

namespace dragnet::tls {

class TestServer {
 public:
  // Called for each connection; returning closes it.
  using Handler = std::function<void(int fd)>;

  explicit TestServer(Handler handler) : handler_(std::move(handler)) {
    listener_ = UniqueFd(socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0));
    sockaddr_in address = {};
    address.sin_family = AF_INET;
    address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
    socklen_t length = sizeof address;
    auto* raw = reinterpret_cast<sockaddr*>(&address);
    ok_ = bind(listener_.get(), raw, length) == 0 && listen(listener_.get(), 64) == 0 &&
          getsockname(listener_.get(), raw, &length) == 0;
    port_ = ntohs(address.sin_port);
    thread_ = std::thread([this] { Serve(); });
  }
  ~TestServer() {
    shutdown(listener_.get(), SHUT_RDWR);
    thread_.join();
  }

  bool ok() const { return ok_; }
  uint16_t port() const { return port_; }
  std::string target() const { return StrCat("127.0.0.1:", port_); }
  int connections() const { return connections_; }

 private:
  void Serve() {
    for (;;) {
      const UniqueFd connection(accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
      if (!connection.valid()) return;
      ++connections_;
      handler_(connection.get());
    }
  }

  Handler handler_;
  UniqueFd listener_;
  bool ok_ = false;
  uint16_t port_ = 0;
  std::atomic<int> connections_ = 0;
  std::thread thread_;
};

inline void SendText(int fd, std::string_view text) {
  [[maybe_unused]] const ssize_t sent = send(fd, text.data(), text.size(), MSG_NOSIGNAL);
}

// What comes next; empty when the peer has closed.
inline std::string ReceiveSome(int fd) {
  std::string bytes(16 * 1024, '\0');
  const ssize_t size = recv(fd, bytes.data(), bytes.size(), 0);
  bytes.resize(size > 0 ? static_cast<size_t>(size) : 0);
  return bytes;
}

inline void WaitUntilClosed(int fd) {
  while (!ReceiveSome(fd).empty()) {
  }
}

// Never answers.
inline void StaySilent(int fd) { WaitUntilClosed(fd); }
inline void HangUp(int) {}

// Speaks first, as mail servers do.
inline TestServer::Handler Greet(std::string greeting) {
  return [greeting](int fd) {
    SendText(fd, greeting);
    WaitUntilClosed(fd);
  };
}

// Answers every ClientHello with these bytes.
inline TestServer::Handler AnswerWith(std::string answer) {
  return [answer](int fd) {
    if (ReceiveSome(fd).empty()) return;
    SendText(fd, answer);
    WaitUntilClosed(fd);
  };
}

// One that waits for the end of a line, and complains.
inline void SpeakLines(int fd) {
  std::string text;
  while (text.find("\n\r\n") == std::string::npos) {
    const std::string more = ReceiveSome(fd);
    if (more.empty()) return;
    text += more;
  }
  SendText(fd, "-ERR unknown command\r\n");
}

using SslContextPtr = std::shared_ptr<SSL_CTX>;

inline SslContextPtr NewServerContext() {
  SslContextPtr context(SSL_CTX_new(TLS_server_method()), SSL_CTX_free);
  SSL_CTX_set_security_level(context.get(), 0);
  return context;
}

// TLS by OpenSSL.
inline TestServer::Handler SpeakTls(SslContextPtr context) {
  return [context](int fd) {
    const std::unique_ptr<SSL, OpensslDeleter<SSL_free>> ssl(SSL_new(context.get()));
    SSL_set_fd(ssl.get(), fd);
    char ignored[1024];
    if (SSL_accept(ssl.get()) == 1) {
      while (SSL_read(ssl.get(), ignored, sizeof ignored) > 0) {
      }
    }
    ERR_clear_error();
  };
}

// One line of a client; the bytes behind it wait in the socket.
inline std::string ReceiveLine(int fd) {
  std::string line;
  char byte = 0;
  while (line.size() < 16 * 1024 && recv(fd, &byte, 1, 0) == 1) {
    line += byte;
    if (byte == '\n') break;
  }
  return line;
}

struct Turn {
  // What the client's line must begin with.
  std::string asked;
  std::string answer;
};

// Greets, and answers lines in turn; then speaks TLS. Lines of another beginning
// are answered with `otherwise`.
inline TestServer::Handler SpeakTlsAfter(std::string greeting, std::vector<Turn> turns,
                                         std::string otherwise, SslContextPtr context) {
  return [=, tls = SpeakTls(context)](int fd) {
    SendText(fd, greeting);
    for (size_t i = 0; i < turns.size();) {
      const std::string line = ReceiveLine(fd);
      if (line.empty()) return;
      const bool is_next = line.starts_with(turns[i].asked);
      SendText(fd, is_next ? turns[i].answer : otherwise);
      if (is_next) ++i;
    }
    tls(fd);
  };
}

}  // namespace dragnet::tls
