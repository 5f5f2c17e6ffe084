#include "core/service_notify.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <algorithm>
#include <cstddef>

#include "absl/strings/numbers.h"
#include "core/clock.h"
#include "core/file_io.h"
#include "core/status_macros.h"
#include "core/strings.h"
#include "core/text.h"

namespace dragnet {
namespace {

constexpr size_t kMaxStatusBytes = 512;
// How often news is told, and what could not be told is tried again.
constexpr absl::Duration kNewsInterval = absl::Seconds(1);

std::string Variable(const char* name) {
  const char* value = ::getenv(name);
  return value == nullptr ? "" : value;
}

absl::StatusOr<std::string> SocketAddress(const std::string& name) {
  sockaddr_un address = {};
  address.sun_family = AF_UNIX;
  if (name.front() != '/' && name.front() != '@') {
    return absl::InvalidArgumentError(
        StrCat("NOTIFY_SOCKET=", name, ": neither an absolute path nor an abstract name (@…)"));
  }
  if (name.size() < 2 || name.size() >= sizeof address.sun_path) {
    return absl::InvalidArgumentError(StrCat("NOTIFY_SOCKET=", name, ": not a socket's name"));
  }
  ::memcpy(address.sun_path, name.data(), name.size());
  size_t size = offsetof(sockaddr_un, sun_path) + name.size();
  if (name.front() == '@') {
    address.sun_path[0] = '\0';
  } else {
    ++size;
  }
  return std::string(reinterpret_cast<const char*>(&address), size);
}

absl::StatusOr<UniqueFd> Connect(const std::string& address) {
  UniqueFd fd(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!fd.valid()) return ErrnoStatus("NOTIFY_SOCKET: socket", errno);
  if (::connect(fd.get(), reinterpret_cast<const sockaddr*>(address.data()),
                static_cast<socklen_t>(address.size())) != 0) {
    return ErrnoStatus("NOTIFY_SOCKET: connect", errno);
  }
  return fd;
}

// Infinite: no watchdog over this process.
absl::StatusOr<absl::Duration> WatchdogOf(const ServiceNotifier::Variables& variables, pid_t self) {
  if (variables.watchdog_microseconds.empty()) return absl::InfiniteDuration();
  int64_t microseconds = 0;
  if (!absl::SimpleAtoi(variables.watchdog_microseconds, &microseconds) || microseconds <= 0) {
    return absl::InvalidArgumentError(
        StrCat("WATCHDOG_USEC=", variables.watchdog_microseconds, ": not a time"));
  }
  if (!variables.watchdog_pid.empty()) {
    pid_t watched = 0;
    if (!absl::SimpleAtoi(variables.watchdog_pid, &watched) || watched <= 0) {
      return absl::InvalidArgumentError(
          StrCat("WATCHDOG_PID=", variables.watchdog_pid, ": not a process id"));
    }
    if (watched != self) return absl::InfiniteDuration();
  }
  return absl::Microseconds(microseconds);
}

}  // namespace

ServiceNotifier::Variables ServiceNotifier::FromEnvironment() {
  return {.socket = Variable("NOTIFY_SOCKET"),
          .watchdog_microseconds = Variable("WATCHDOG_USEC"),
          .watchdog_pid = Variable("WATCHDOG_PID")};
}

absl::StatusOr<ServiceNotifier> ServiceNotifier::Open(const Variables& variables, pid_t self) {
  ServiceNotifier notifier;
  if (variables.socket.empty()) return notifier;
  DRAGNET_ASSIGN_OR_RETURN(const std::string address, SocketAddress(variables.socket));
  DRAGNET_ASSIGN_OR_RETURN(notifier.watchdog_, WatchdogOf(variables, self));
  DRAGNET_ASSIGN_OR_RETURN(notifier.socket_, Connect(address));
  if (variables.socket.front() == '/') notifier.address_ = address;
  if (notifier.has_watchdog()) notifier.next_keep_alive_ = absl::InfinitePast();
  return notifier;
}

ServiceNotifier ServiceNotifier::OpenFromEnvironment(std::string* problem) {
  absl::StatusOr<ServiceNotifier> notifier = Open(FromEnvironment(), ::getpid());
  if (notifier.ok()) return *std::move(notifier);
  *problem = StrCat("the service manager hears nothing of this: ",
                    ForTerminal(ToStd(notifier.status().message())));
  return ServiceNotifier();
}

void ServiceNotifier::SetReady() { ready_wanted_ = is_open(); }

void ServiceNotifier::SetStatus(std::string_view text) {
  if (is_open()) status_ = Shorten(ForTerminal(Shorten(text, kMaxStatusBytes)), kMaxStatusBytes);
}

void ServiceNotifier::Advance() {
  if (!is_open()) return;
  const absl::Time now = SteadyNow();
  if (now < deadline()) return;
  std::string state;
  if (ready_wanted_) state.append("READY=1\n");
  if (status_ != told_status_) StrAppend(&state, "STATUS=", status_, "\n");
  if (has_watchdog()) state.append("WATCHDOG=1\n");
  next_news_ = now + kNewsInterval;
  if (!Send(state)) {
    if (has_watchdog()) next_keep_alive_ = now + std::min(kNewsInterval, watchdog_ / 4);
    return;
  }
  ready_wanted_ = false;
  told_status_ = status_;
  next_keep_alive_ = now + watchdog_ / 2;
}

absl::Time ServiceNotifier::deadline() const {
  return has_news() ? std::min(next_news_, next_keep_alive_) : next_keep_alive_;
}

void ServiceNotifier::KeepAlive() {
  if (!has_watchdog()) return;
  if (Send("WATCHDOG=1\n")) next_keep_alive_ = SteadyNow() + watchdog_ / 2;
}

void ServiceNotifier::Stopping() {
  if (is_open()) Send("STOPPING=1\n");
}

bool ServiceNotifier::Send(std::string_view state) {
  const auto send = [&] {
    return ::send(socket_.get(), state.data(), state.size(), MSG_NOSIGNAL) >= 0;
  };
  if (send()) return true;
  // The manager was restarted, and its socket is another one of the same name.
  if ((errno != ECONNREFUSED && errno != ENOTCONN && errno != ECONNRESET) || address_.empty()) {
    return false;
  }
  absl::StatusOr<UniqueFd> socket = Connect(address_);
  if (!socket.ok()) return false;
  socket_ = *std::move(socket);
  return send();
}

}  // namespace dragnet
