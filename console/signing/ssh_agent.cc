#include "console/signing/ssh_agent.h"

#include <errno.h>
#include <poll.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include <cstring>

#include "absl/time/clock.h"
#include "core/file_io.h"
#include "core/ssh_wire.h"
#include "core/status_macros.h"
#include "core/strings.h"

namespace dragnet::console {
namespace {

// Message numbers of the protocol.
constexpr uint8_t kFailure = 5;
constexpr uint8_t kRequestIdentities = 11;
constexpr uint8_t kIdentitiesAnswer = 12;
constexpr uint8_t kSignRequest = 13;
constexpr uint8_t kSignResponse = 14;

// As OpenSSH's own agent has it.
constexpr size_t kMaxAnswer = 256 * 1024;
constexpr uint32_t kMaxIdentities = 2048;
constexpr absl::Duration kListPatience = absl::Seconds(10);
// Somebody may have to find the token, type its PIN and touch it.
constexpr absl::Duration kSignPatience = absl::Seconds(120);

absl::Status Broken(std::string_view what) {
  return absl::DataLossError(StrCat("ssh-agent: ", what));
}

// Until `events` or the deadline.
absl::Status Wait(int fd, short events, absl::Time deadline) {
  while (true) {
    const absl::Duration left = deadline - absl::Now();
    if (left <= absl::ZeroDuration()) {
      return absl::DeadlineExceededError("ssh-agent: gave no answer in time");
    }
    pollfd poll_fd{fd, events, 0};
    const int64_t milliseconds = absl::ToInt64Milliseconds(left) + 1;
    const int ready = ::poll(&poll_fd, 1, static_cast<int>(milliseconds));
    if (ready > 0) return absl::OkStatus();
    if (ready < 0 && errno != EINTR) return ErrnoStatus("ssh-agent: poll", errno);
  }
}

absl::Status Send(int fd, std::string_view bytes, absl::Time deadline) {
  while (!bytes.empty()) {
    DRAGNET_RETURN_IF_ERROR(Wait(fd, POLLOUT, deadline));
    const ssize_t sent = ::send(fd, bytes.data(), bytes.size(), MSG_NOSIGNAL | MSG_DONTWAIT);
    if (sent < 0 && (errno == EINTR || errno == EAGAIN)) continue;
    if (sent < 0) return ErrnoStatus("ssh-agent: send", errno);
    bytes.remove_prefix(static_cast<size_t>(sent));
  }
  return absl::OkStatus();
}

absl::StatusOr<std::string> Receive(int fd, size_t count, absl::Time deadline) {
  std::string bytes(count, '\0');
  for (size_t got = 0; got < count;) {
    DRAGNET_RETURN_IF_ERROR(Wait(fd, POLLIN, deadline));
    const ssize_t read = ::recv(fd, bytes.data() + got, count - got, MSG_DONTWAIT);
    if (read < 0 && (errno == EINTR || errno == EAGAIN)) continue;
    if (read < 0) return ErrnoStatus("ssh-agent: receive", errno);
    if (read == 0) return Broken("hung up in place of an answer");
    got += static_cast<size_t>(read);
  }
  return bytes;
}

}  // namespace

absl::StatusOr<SshAgent> SshAgent::Connect(const std::string& socket_path) {
  sockaddr_un address{};
  address.sun_family = AF_UNIX;
  if (socket_path.size() >= sizeof address.sun_path) {
    return absl::InvalidArgumentError(
        StrCat("ssh-agent: SSH_AUTH_SOCK is longer than a socket's path can be: ", socket_path));
  }
  std::memcpy(address.sun_path, socket_path.data(), socket_path.size());
  // Not to wait, without an end, for one that takes no connections.
  UniqueFd socket(::socket(AF_UNIX, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0));
  if (!socket.valid()) return ErrnoStatus("ssh-agent: socket", errno);
  if (::connect(socket.get(), reinterpret_cast<const sockaddr*>(&address), sizeof address) != 0) {
    if (errno == EAGAIN) {
      return absl::UnavailableError(StrCat("ssh-agent: ", socket_path,
                                           " (SSH_AUTH_SOCK) takes no connections: the agent "
                                           "hangs, start another one, e.g. eval $(ssh-agent)"));
    }
    return absl::UnavailableError(StrCat("ssh-agent: connect to ", socket_path,
                                         " (SSH_AUTH_SOCK): ", std::strerror(errno),
                                         ": start one, e.g. eval $(ssh-agent)"));
  }
  return SshAgent(std::move(socket));
}

absl::StatusOr<std::pair<uint8_t, std::string>> SshAgent::Ask(std::string_view message,
                                                              absl::Duration patience) {
  const absl::Time deadline = absl::Now() + patience;
  std::string framed;
  AppendWireString(&framed, message);
  DRAGNET_RETURN_IF_ERROR(Send(socket_.get(), framed, deadline));
  DRAGNET_ASSIGN_OR_RETURN(const std::string size_bytes, Receive(socket_.get(), 4, deadline));
  const uint32_t size = WireReader(size_bytes).Uint32();
  if (size == 0 || size > kMaxAnswer) return Broken("an answer of no size that one can have");
  DRAGNET_ASSIGN_OR_RETURN(const std::string answer, Receive(socket_.get(), size, deadline));
  return std::make_pair(static_cast<uint8_t>(answer[0]), answer.substr(1));
}

absl::StatusOr<std::vector<SshAgent::Identity>> SshAgent::List() {
  DRAGNET_ASSIGN_OR_RETURN(
      const auto answer, Ask(std::string(1, static_cast<char>(kRequestIdentities)), kListPatience));
  if (answer.first == kFailure)
    return Broken("refused to list its keys: is it locked (ssh-add -X)?");
  if (answer.first != kIdentitiesAnswer) return Broken("an answer of another kind");
  WireReader reader(answer.second);
  const uint32_t count = reader.Uint32();
  if (count > kMaxIdentities) return Broken("more keys than an agent holds");
  std::vector<Identity> identities;
  for (uint32_t i = 0; i < count && reader.ok(); ++i) {
    Identity identity;
    identity.blob = std::string(reader.String());
    identity.comment = std::string(reader.String());
    identities.push_back(std::move(identity));
  }
  if (!reader.AtEnd()) return Broken("a list of keys that is cut off, or that something follows");
  return identities;
}

absl::StatusOr<std::string> SshAgent::Sign(std::string_view blob, std::string_view data) {
  std::string request(1, static_cast<char>(kSignRequest));
  AppendWireString(&request, blob);
  AppendWireString(&request, data);
  AppendWireUint32(&request, 0);  // no flags: those are RSA's
  DRAGNET_ASSIGN_OR_RETURN(const auto answer, Ask(request, kSignPatience));
  if (answer.first == kFailure) {
    return absl::PermissionDeniedError(
        "ssh-agent: refused to sign: confirm it when asked, touch the security key while it "
        "blinks, or see that its PIN can be asked for (SSH_ASKPASS)");
  }
  if (answer.first != kSignResponse) return Broken("an answer of another kind");
  WireReader reader(answer.second);
  const std::string_view signature = reader.String();
  if (!reader.AtEnd()) return Broken("a signature that is cut off, or that something follows");
  return std::string(signature);
}

}  // namespace dragnet::console
