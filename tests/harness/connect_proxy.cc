#include "tests/harness/connect_proxy.h"

#include <errno.h>
#include <netdb.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <string_view>
#include <utility>

#include "core/file_io.h"
#include "core/strings.h"

namespace dragnet::testing {
namespace {

void Need(bool done, const char* what) {
  if (done) return;
  ::perror(what);
  ::abort();
}

// Of "host:port", by name or address; an invalid descriptor when it can't be reached.
UniqueFd ConnectTo(const std::string& target) {
  const size_t colon = target.rfind(':');
  if (colon == std::string::npos) return UniqueFd();
  addrinfo hints{};
  hints.ai_socktype = SOCK_STREAM;
  addrinfo* found = nullptr;
  if (::getaddrinfo(target.substr(0, colon).c_str(), target.substr(colon + 1).c_str(), &hints,
                    &found) != 0) {
    return UniqueFd();
  }
  UniqueFd connected;
  for (const addrinfo* one = found; one != nullptr && !connected.valid(); one = one->ai_next) {
    UniqueFd fd(::socket(one->ai_family, SOCK_STREAM | SOCK_CLOEXEC, 0));
    if (fd.valid() && ::connect(fd.get(), one->ai_addr, one->ai_addrlen) == 0) {
      connected = std::move(fd);
    }
  }
  ::freeaddrinfo(found);
  return connected;
}

void Say(int fd, std::string_view text) { ::send(fd, text.data(), text.size(), MSG_NOSIGNAL); }

// What is there; false at the end.
bool Copy(int from, int to) {
  char bytes[65536];
  const ssize_t count = ::read(from, bytes, sizeof bytes);
  if (count < 0 && errno == EINTR) return true;
  if (count <= 0) return false;
  ssize_t written = 0;
  while (written < count) {
    const ssize_t sent =
        ::send(to, bytes + written, static_cast<size_t>(count - written), MSG_NOSIGNAL);
    if (sent <= 0) return false;
    written += sent;
  }
  return true;
}

}  // namespace

ConnectProxy::ConnectProxy(Options options)
    : options_(std::move(options)),
      listener_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0)),
      stop_(::eventfd(0, EFD_CLOEXEC)) {
  const int on = 1;
  ::setsockopt(listener_.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<uint16_t>(options_.port));
  address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  socklen_t length = sizeof address;
  auto* raw = reinterpret_cast<sockaddr*>(&address);
  Need(::bind(listener_.get(), raw, length) == 0, "bind the proxy");
  Need(::listen(listener_.get(), SOMAXCONN) == 0, "listen");
  Need(::getsockname(listener_.get(), raw, &length) == 0, "getsockname");
  port_ = ntohs(address.sin_port);
  acceptor_ = std::jthread([this] { Accept(); });
}

ConnectProxy::~ConnectProxy() {
  ::eventfd_write(stop_.get(), 1);
  acceptor_.join();
  connections_.clear();
}

std::vector<std::string> ConnectProxy::requests() const {
  const std::lock_guard lock(mutex_);
  return requests_;
}

int ConnectProxy::tunnels() const {
  const std::lock_guard lock(mutex_);
  return tunnels_;
}

bool ConnectProxy::WaitFor(int fd) const {
  pollfd fds[] = {{stop_.get(), POLLIN, 0}, {fd, POLLIN, 0}};
  while (::poll(fds, 2, -1) < 0) {
  }
  return fds[0].revents == 0;
}

void ConnectProxy::Accept() {
  while (WaitFor(listener_.get())) {
    UniqueFd client(::accept4(listener_.get(), nullptr, nullptr, SOCK_CLOEXEC));
    if (!client.valid()) continue;
    connections_.emplace_back([this, fd = client.Release()]() mutable { Serve(UniqueFd(fd)); });
  }
}

std::string ConnectProxy::ReadRequest(int client) const {
  std::string request;
  char byte;
  while (!request.ends_with("\r\n\r\n") && request.size() < 16384 && WaitFor(client) &&
         ::read(client, &byte, 1) == 1) {
    request.push_back(byte);
  }
  return request;
}

void ConnectProxy::Serve(UniqueFd client) {
  const std::string request = ReadRequest(client.get());
  {
    const std::lock_guard lock(mutex_);
    requests_.push_back(request);
  }
  const std::string_view line = std::string_view(request).substr(0, request.find('\r'));
  constexpr std::string_view kConnect = "CONNECT ";
  if (!line.starts_with(kConnect)) return Say(client.get(), "HTTP/1.1 405 No\r\n\r\n");
  const std::string target(line.substr(kConnect.size(), line.rfind(' ') - kConnect.size()));
  switch (options_.behaviour) {
    case Behaviour::kConnect:
      break;
    case Behaviour::kHang:
      // Until the other end gives up.
      while (WaitFor(client.get())) {
        char byte;
        if (::read(client.get(), &byte, 1) <= 0) return;
      }
      return;
    case Behaviour::kGarbage:
      return Say(client.get(), "\x16\x03\x01 this is not HTTP\r\n\r\n");
    case Behaviour::kClose:
      return;
    case Behaviour::kEndless: {
      Say(client.get(), "HTTP/1.1 200 OK\r\n");
      const std::string header = "X: " + std::string(4000, 'x') + "\r\n";
      for (int i = 0; i < 4096; ++i) {
        if (::send(client.get(), header.data(), header.size(), MSG_NOSIGNAL) <= 0) return;
      }
      return;
    }
    case Behaviour::kRefuse:
      return Say(client.get(), "HTTP/1.1 403 Forbidden\r\nContent-Length: 0\r\n\r\n");
    case Behaviour::kImpostor:
      Say(client.get(), "HTTP/1.1 200 Connection established\r\n\r\n");
      WaitFor(client.get());
      return Say(client.get(), "I am your scheduler\r\n");
  }
  const std::string wanted = "\r\nProxy-Authorization: " + options_.authorization + "\r\n";
  if (!options_.authorization.empty() && request.find(wanted) == std::string::npos) {
    return Say(client.get(),
               "HTTP/1.1 407 Proxy Authentication Required\r\n"
               "Proxy-Authenticate: Basic realm=\"x\"\r\nContent-Length: 0\r\n\r\n");
  }
  const UniqueFd server = ConnectTo(target);
  if (!server.valid()) return Say(client.get(), "HTTP/1.1 502 Bad Gateway\r\n\r\n");
  {
    const std::lock_guard lock(mutex_);
    ++tunnels_;
  }
  Say(client.get(), "HTTP/1.1 200 Connection established\r\n\r\n");
  Forward(client.get(), server.get());
}

void ConnectProxy::Forward(int client, int server) const {
  while (true) {
    pollfd fds[] = {{stop_.get(), POLLIN, 0}, {client, POLLIN, 0}, {server, POLLIN, 0}};
    if (::poll(fds, 3, -1) < 0) continue;
    if (fds[0].revents != 0) return;
    if (fds[1].revents != 0 && !Copy(client, server)) return;
    if (fds[2].revents != 0 && !Copy(server, client)) return;
  }
}

}  // namespace dragnet::testing
