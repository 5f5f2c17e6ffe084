#include "modules/timedrift/exchange.h"

#include <errno.h>
#include <poll.h>
#include <sys/socket.h>

#include "absl/time/clock.h"
#include "core/unique_fd.h"
#include "modules/ping/wait.h"

namespace dragnet::timedrift {

Exchange Ask(const ping::Endpoint& endpoint, std::string_view question, absl::Duration timeout,
             const std::function<bool(std::string_view)>& accept) {
  Exchange exchange;
  const auto failed = [&](int error) {
    // A wrong answer says more than that no right one came.
    if (error != ETIMEDOUT || exchange.answer.empty()) exchange.error = error;
    return exchange;
  };
  const UniqueFd fd(
      socket(endpoint.family(), SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, IPPROTO_UDP));
  if (!fd.valid()) return failed(errno);
  if (connect(fd.get(), endpoint.address(), endpoint.length) != 0) return failed(errno);
  exchange.sent = absl::Now();
  const absl::Duration started = ping::MonotonicNow();
  if (send(fd.get(), question.data(), question.size(), MSG_NOSIGNAL) < 0) return failed(errno);
  for (;;) {
    const int ready = ping::WaitFor(fd.get(), POLLIN, started + timeout);
    const absl::Duration now = ping::MonotonicNow();
    if (ready < 0) return failed(errno);
    // Wrong answers can keep coming.
    if (ready == 0 || now >= started + timeout) return failed(ETIMEDOUT);
    char packet[1500];
    const ssize_t size = recv(fd.get(), packet, sizeof packet, MSG_DONTWAIT);
    if (size < 0) {
      if (errno == EAGAIN || errno == EINTR) continue;
      return failed(errno);
    }
    exchange.travelled = now - started;
    exchange.answer.assign(packet, static_cast<size_t>(size));
    if (accept(exchange.answer)) return exchange;
  }
}

}  // namespace dragnet::timedrift
