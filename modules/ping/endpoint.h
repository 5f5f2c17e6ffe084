// Destinations on the network: what people write, and the addresses it means.
// Thread-safe: no state.
#pragma once

#include <netinet/in.h>
#include <sys/socket.h>

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"

namespace dragnet::ping {

struct Endpoint {
  sockaddr_storage storage = {};
  socklen_t length = 0;

  int family() const { return storage.ss_family; }
  const sockaddr* address() const { return reinterpret_cast<const sockaddr*>(&storage); }
  // The address without the port: 192.0.2.1, 2001:db8::1.
  std::string Text() const;
};

struct HostAndPort {
  std::string host;
  uint16_t port = 0;
};

// InvalidArgument unless `host` is an IPv4 or IPv6 address, or could be a host
// name. Old forms of IPv4 addresses (127.1, 0x7f000001) are refused: they look
// like names, and resolvers take them for addresses.
absl::Status CheckHost(std::string_view host);

// HOST, HOST:PORT, or [IPv6]:PORT; an IPv6 address without brackets has no port.
absl::StatusOr<HostAndPort> ParseHostAndPort(std::string_view text, uint16_t default_port);

// Asks the system (files, then DNS); waits as long as its configuration says.
// `family` is AF_INET, AF_INET6 or AF_UNSPEC. At most 16 endpoints, in the
// system's order. NotFound: there is no such name. Unavailable: nobody
// could say.
absl::StatusOr<std::vector<Endpoint>> Resolve(const std::string& host, uint16_t port, int family);

}  // namespace dragnet::ping
