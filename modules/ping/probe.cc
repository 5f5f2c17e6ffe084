#include "modules/ping/probe.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/icmp6.h>
#include <netinet/ip.h>
#include <netinet/ip_icmp.h>
#include <poll.h>
#include <string.h>
#include <sys/random.h>
#include <sys/socket.h>

#include <array>

#include "core/unique_fd.h"
#include "modules/ping/wait.h"

namespace dragnet::ping {
namespace {

constexpr size_t kEchoHeader = 8;
constexpr size_t kCookie = 16;
using EchoPacket = std::array<unsigned char, kEchoHeader + kCookie>;

ProbeResult FromErrno(int error) { return {StatusOfErrno(error), {}, ErrorWords(error)}; }

ProbeResult Answered(absl::Duration started) {
  return {PingStatus::kReachable, MonotonicNow() - started, ""};
}

// A refusal is an answer and has a round-trip time.
ProbeResult FromErrno(int error, absl::Duration started) {
  ProbeResult result = FromErrno(error);
  if (result.status == PingStatus::kRefused) result.rtt = MonotonicNow() - started;
  return result;
}

// Has the kernel tell what routers say, not only what ends a connection.
void AskForIcmpErrors(int fd, int family) {
  const int on = 1;
  if (family == AF_INET) {
    setsockopt(fd, IPPROTO_IP, IP_RECVERR, &on, sizeof on);
  } else {
    setsockopt(fd, IPPROTO_IPV6, IPV6_RECVERR, &on, sizeof on);
  }
}

ProbeResult ProbeTcp(const Endpoint& endpoint, absl::Duration timeout) {
  const UniqueFd fd(
      socket(endpoint.family(), SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, IPPROTO_TCP));
  if (!fd.valid()) return FromErrno(errno);
  const absl::Duration started = MonotonicNow();
  if (connect(fd.get(), endpoint.address(), endpoint.length) == 0) return Answered(started);
  if (errno != EINPROGRESS) return FromErrno(errno, started);
  const int ready = WaitFor(fd.get(), POLLOUT, started + timeout);
  if (ready < 0) return FromErrno(errno);
  if (ready == 0) return FromErrno(ETIMEDOUT);
  int error = 0;
  socklen_t length = sizeof error;
  if (getsockopt(fd.get(), SOL_SOCKET, SO_ERROR, &error, &length) != 0) return FromErrno(errno);
  return error == 0 ? Answered(started) : FromErrno(error, started);
}

ProbeResult ProbeUdp(const Endpoint& endpoint, absl::Duration timeout) {
  constexpr std::string_view kPayload = "dragnet ping\n";
  const UniqueFd fd(
      socket(endpoint.family(), SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, IPPROTO_UDP));
  if (!fd.valid()) return FromErrno(errno);
  AskForIcmpErrors(fd.get(), endpoint.family());
  if (connect(fd.get(), endpoint.address(), endpoint.length) != 0) return FromErrno(errno);
  const absl::Duration started = MonotonicNow();
  if (send(fd.get(), kPayload.data(), kPayload.size(), MSG_NOSIGNAL) < 0)
    return FromErrno(errno, started);
  for (;;) {
    const int ready = WaitFor(fd.get(), POLLIN, started + timeout);
    if (ready < 0) return FromErrno(errno);
    if (ready == 0) return FromErrno(ETIMEDOUT);
    // The socket is connected: only the destination's packets come in.
    char answer[1];
    if (recv(fd.get(), answer, sizeof answer, MSG_DONTWAIT) >= 0) return Answered(started);
    if (errno != EAGAIN && errno != EINTR) return FromErrno(errno, started);
  }
}

uint16_t InternetChecksum(const unsigned char* bytes, size_t size) {
  uint32_t sum = 0;
  for (size_t i = 0; i + 1 < size; i += 2) sum += uint32_t{bytes[i]} << 8 | bytes[i + 1];
  while (sum >> 16 != 0) sum = (sum & 0xffff) + (sum >> 16);
  return static_cast<uint16_t>(~sum);
}

struct IcmpSocket {
  UniqueFd fd;
  bool raw = false;
};

// Ping sockets where the kernel grants them (net.ipv4.ping_group_range), which
// get nobody else's packets; else raw ones.
IcmpSocket OpenIcmp(int family) {
  const int protocol = family == AF_INET ? int{IPPROTO_ICMP} : int{IPPROTO_ICMPV6};
  constexpr int kFlags = SOCK_CLOEXEC | SOCK_NONBLOCK;
  IcmpSocket opened{UniqueFd(socket(family, SOCK_DGRAM | kFlags, protocol)), false};
  if (opened.fd.valid()) return opened;
  return {UniqueFd(socket(family, SOCK_RAW | kFlags, protocol)), true};
}

// Whether `packet` is the answer to `sent`. A raw IPv4 socket gets the IP header,
// too, and whatever other ICMP the destination sends us.
bool IsEchoReply(int family, bool raw, const unsigned char* packet, size_t size,
                 const EchoPacket& sent) {
  if (raw && family == AF_INET) {
    if (size < 20) return false;
    const size_t header = size_t{packet[0] & 0xfu} * 4;
    if (header < 20 || size < header) return false;
    packet += header;
    size -= header;
  }
  const int reply = family == AF_INET ? ICMP_ECHOREPLY : ICMP6_ECHO_REPLY;
  if (size < sent.size() || packet[0] != reply || packet[1] != 0) return false;
  // The identifier is the kernel's with ping sockets; sequence and cookie are ours.
  return memcmp(packet + 6, sent.data() + 6, sent.size() - 6) == 0;
}

ProbeResult ProbeIcmp(const Endpoint& endpoint, uint16_t sequence, absl::Duration timeout) {
  const int family = endpoint.family();
  const IcmpSocket opened = OpenIcmp(family);
  if (!opened.fd.valid()) return FromErrno(errno);
  const int fd = opened.fd.get();
  AskForIcmpErrors(fd, family);
  Endpoint destination = endpoint;
  // A port means a protocol to raw IPv6 sockets.
  if (family == AF_INET6) reinterpret_cast<sockaddr_in6&>(destination.storage).sin6_port = 0;
  if (connect(fd, destination.address(), destination.length) != 0) return FromErrno(errno);

  EchoPacket packet = {};
  packet[0] = family == AF_INET ? ICMP_ECHO : ICMP6_ECHO_REQUEST;
  if (getrandom(packet.data() + 4, packet.size() - 4, 0) != ssize_t(packet.size() - 4))
    return FromErrno(errno);
  packet[6] = static_cast<unsigned char>(sequence >> 8);
  packet[7] = static_cast<unsigned char>(sequence & 0xff);
  // ICMPv6's is the kernel's work: it covers the addresses.
  if (family == AF_INET) {
    const uint16_t checksum = InternetChecksum(packet.data(), packet.size());
    packet[2] = static_cast<unsigned char>(checksum >> 8);
    packet[3] = static_cast<unsigned char>(checksum & 0xff);
  }
  const absl::Duration started = MonotonicNow();
  if (send(fd, packet.data(), packet.size(), MSG_NOSIGNAL) < 0) return FromErrno(errno, started);
  for (;;) {
    const int ready = WaitFor(fd, POLLIN, started + timeout);
    if (ready < 0) return FromErrno(errno);
    // Others' packets can keep a raw socket ready for ever.
    if (ready == 0 || MonotonicNow() >= started + timeout) return FromErrno(ETIMEDOUT);
    unsigned char answer[1500];
    const ssize_t size = recv(fd, answer, sizeof answer, MSG_DONTWAIT);
    if (size < 0) {
      if (errno != EAGAIN && errno != EINTR) return FromErrno(errno);
      continue;
    }
    if (IsEchoReply(family, opened.raw, answer, static_cast<size_t>(size), packet))
      return Answered(started);
  }
}

}  // namespace

PingStatus StatusOfErrno(int error) {
  switch (error) {
    case ECONNREFUSED:
      return PingStatus::kRefused;
    case EHOSTUNREACH:
    case ENETUNREACH:
    case EHOSTDOWN:
    case ENETDOWN:
    case ENONET:
    case EADDRNOTAVAIL:
      return PingStatus::kUnreachable;
    case EPERM:
    case EACCES:
      return PingStatus::kNotPermitted;
    case ETIMEDOUT:
      return PingStatus::kTimeout;
    default:
      return PingStatus::kError;
  }
}

std::string ErrorWords(int error) {
  const char* words = strerrordesc_np(error);
  return words != nullptr ? words : "unknown error";
}

std::string_view ProtocolName(Protocol protocol) {
  switch (protocol) {
    case Protocol::kIcmp:
      return "icmp";
    case Protocol::kTcp:
      return "tcp";
    case Protocol::kUdp:
      return "udp";
  }
  return "";
}

std::string_view StatusName(PingStatus status) {
  switch (status) {
    case PingStatus::kReachable:
      return "reachable";
    case PingStatus::kRefused:
      return "refused";
    case PingStatus::kUnreachable:
      return "unreachable";
    case PingStatus::kNotPermitted:
      return "not_permitted";
    case PingStatus::kTimeout:
      return "timeout";
    case PingStatus::kError:
      return "error";
    case PingStatus::kNameNotFound:
      return "name_not_found";
    case PingStatus::kNameLookupFailed:
      return "name_lookup_failed";
  }
  return "";
}

ProbeResult ProbeOnce(Protocol protocol, const Endpoint& endpoint, uint16_t sequence,
                      absl::Duration timeout) {
  switch (protocol) {
    case Protocol::kTcp:
      return ProbeTcp(endpoint, timeout);
    case Protocol::kUdp:
      return ProbeUdp(endpoint, timeout);
    case Protocol::kIcmp:
      break;
  }
  return ProbeIcmp(endpoint, sequence, timeout);
}

}  // namespace dragnet::ping
