#include "modules/tls/connection.h"

#include <errno.h>
#include <netinet/in.h>
#include <poll.h>
#include <sys/socket.h>

#include "modules/ping/wait.h"

namespace dragnet::tls {
namespace {

// 0 when the socket is ready.
int Await(int fd, short events, absl::Duration deadline) {
  // A peer that sends byte by byte keeps a socket ready for ever.
  if (ping::MonotonicNow() >= deadline) return ETIMEDOUT;
  const int ready = ping::WaitFor(fd, events, deadline);
  if (ready < 0) return errno;
  return ready == 0 ? ETIMEDOUT : 0;
}

}  // namespace

int Connection::Open(const ping::Endpoint& endpoint, absl::Duration deadline) {
  fd_ =
      UniqueFd(socket(endpoint.family(), SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, IPPROTO_TCP));
  if (!fd_.valid()) return errno;
  if (connect(fd_.get(), endpoint.address(), endpoint.length) == 0) return 0;
  if (errno != EINPROGRESS) return errno;
  if (const int error = Await(fd_.get(), POLLOUT, deadline); error != 0) return error;
  int error = 0;
  socklen_t length = sizeof error;
  if (getsockopt(fd_.get(), SOL_SOCKET, SO_ERROR, &error, &length) != 0) return errno;
  return error;
}

int Connection::Send(std::string_view bytes, absl::Duration deadline) {
  while (!bytes.empty()) {
    const ssize_t size = send(fd_.get(), bytes.data(), bytes.size(), MSG_NOSIGNAL);
    if (size >= 0) {
      bytes.remove_prefix(static_cast<size_t>(size));
      continue;
    }
    if (errno == EINTR) continue;
    if (errno != EAGAIN) return errno;
    if (const int error = Await(fd_.get(), POLLOUT, deadline); error != 0) return error;
  }
  return 0;
}

int Connection::Receive(absl::Duration deadline, std::string* bytes) {
  for (;;) {
    if (const int error = Await(fd_.get(), POLLIN, deadline); error != 0) return error;
    bytes->resize(16 * 1024);
    const ssize_t size = recv(fd_.get(), bytes->data(), bytes->size(), MSG_DONTWAIT);
    const int error = errno;
    bytes->resize(size > 0 ? static_cast<size_t>(size) : 0);
    if (size >= 0) return 0;
    if (error != EAGAIN && error != EINTR) return error;
  }
}

}  // namespace dragnet::tls
