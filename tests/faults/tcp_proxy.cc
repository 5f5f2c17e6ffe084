#include "tests/faults/tcp_proxy.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <unistd.h>

#include <list>
#include <vector>

#include "tests/harness/need.h"

namespace dragnet::testing {
namespace {

sockaddr_in Address(const std::string& host, int port) {
  sockaddr_in address{};
  address.sin_family = AF_INET;
  address.sin_port = htons(static_cast<uint16_t>(port));
  Need(::inet_pton(AF_INET, host.c_str(), &address.sin_addr) == 1, "an IPv4 address", host);
  return address;
}

// One way of a connection: what was read and not yet written.
struct Way {
  int from = -1;
  int to = -1;
  std::string buffer;
  bool ended = false;
};

struct Connection {
  UniqueFd client;
  UniqueFd server;
  Way up;
  Way down;
  bool broken = false;
};

// False when the connection is broken.
bool Forward(Way& way, std::atomic<uint64_t>& forwarded) {
  if (way.buffer.empty() && !way.ended) {
    char bytes[65536];
    const ssize_t count = ::read(way.from, bytes, sizeof bytes);
    if (count < 0 && errno != EAGAIN && errno != EINTR) return false;
    if (count == 0) {
      way.ended = true;
      ::shutdown(way.to, SHUT_WR);
    }
    if (count > 0) way.buffer.assign(bytes, static_cast<size_t>(count));
  }
  if (!way.buffer.empty()) {
    const ssize_t count = ::send(way.to, way.buffer.data(), way.buffer.size(), MSG_NOSIGNAL);
    if (count < 0 && errno != EAGAIN && errno != EINTR) return false;
    if (count > 0) {
      forwarded += static_cast<uint64_t>(count);
      way.buffer.erase(0, static_cast<size_t>(count));
    }
  }
  return true;
}

void Accept(int listener, const sockaddr_in& target, std::list<Connection>* connections) {
  Connection connection;
  connection.client.Reset(::accept4(listener, nullptr, nullptr, SOCK_CLOEXEC | SOCK_NONBLOCK));
  if (!connection.client.valid()) return;
  connection.server.Reset(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  const int server = connection.server.get();
  // Until it is connected, reading and writing say EAGAIN.
  if (::connect(server, reinterpret_cast<const sockaddr*>(&target), sizeof target) != 0 &&
      errno != EINPROGRESS)
    return;
  connection.up = {connection.client.get(), server, "", false};
  connection.down = {server, connection.client.get(), "", false};
  connections->push_back(std::move(connection));
}

void AddPoll(const Way& way, std::vector<pollfd>* fds) {
  if (!way.buffer.empty()) {
    fds->push_back({way.to, POLLOUT, 0});
  } else if (!way.ended) {
    fds->push_back({way.from, POLLIN, 0});
  }
}

}  // namespace

TcpProxy::TcpProxy(int port, const std::string& host, int target)
    : target_(Address(host, target)),
      listener_(::socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0)),
      wake_(::eventfd(0, EFD_CLOEXEC | EFD_NONBLOCK)) {
  const int on = 1;
  ::setsockopt(listener_.get(), SOL_SOCKET, SO_REUSEADDR, &on, sizeof on);
  const sockaddr_in address = Address("127.0.0.1", port);
  Need(::bind(listener_.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) == 0,
       "bind the proxy");
  Need(::listen(listener_.get(), SOMAXCONN) == 0, "listen");
  thread_ = std::jthread([this] { Run(); });
}

void TcpProxy::Run() {
  std::list<Connection> connections;
  while (!stop_) {
    ++turns_;
    turns_.notify_all();
    std::vector<pollfd> fds = {{wake_.get(), POLLIN, 0}};
    const bool hold = hold_answers_;
    if (!black_hole_) {
      fds.push_back({listener_.get(), POLLIN, 0});
      for (const Connection& connection : connections) {
        AddPoll(connection.up, &fds);
        if (!hold) AddPoll(connection.down, &fds);
      }
    }
    ::poll(fds.data(), fds.size(), -1);
    eventfd_t ignored;
    ::eventfd_read(wake_.get(), &ignored);
    if (break_) {
      connections.clear();
      break_ = false;
    }
    if (black_hole_) continue;
    Accept(listener_.get(), target_, &connections);
    for (Connection& connection : connections) {
      connection.broken = !Forward(connection.up, forwarded_) ||
                          (!hold && !Forward(connection.down, forwarded_)) ||
                          (connection.up.ended && connection.down.ended);
    }
    connections.remove_if([](const Connection& connection) { return connection.broken; });
  }
}

TcpProxy::~TcpProxy() {
  stop_ = true;
  Wake();
}

void TcpProxy::BlackHole() {
  black_hole_ = true;
  Wake();
}

void TcpProxy::Heal() {
  black_hole_ = false;
  Wake();
}

void TcpProxy::HoldAnswers(bool hold) {
  hold_answers_ = hold;
  WaitForTurn();
}

void TcpProxy::BreakConnections() {
  break_ = true;
  while (break_) WaitForTurn();
}

// Returns in a turn that sees what was set before.
void TcpProxy::WaitForTurn() const {
  const uint64_t now = turns_;
  Wake();
  turns_.wait(now);
}

void TcpProxy::Wake() const { ::eventfd_write(wake_.get(), 1); }

}  // namespace dragnet::testing
