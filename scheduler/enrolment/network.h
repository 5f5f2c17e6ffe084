// From which addresses hosts may enrol: networks in CIDR notation, and the address of a
// connection. Values; thread-safe.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"

namespace dragnet::scheduler {

// An IPv4 or IPv6 address. An IPv4 address that is written as an IPv6 one
// (::ffff:10.1.2.3) is that IPv4 address.
class IpAddress {
 public:
  static std::optional<IpAddress> Parse(std::string_view text);
  // As gRPC names a peer: "ipv4:10.1.2.3:4711", "ipv6:[2001:db8::1]:4711", the brackets
  // perhaps as %5B and %5D. Nothing for what isn't one, as "unix:…".
  static std::optional<IpAddress> OfPeer(std::string_view peer);

  bool is_v4() const { return v4_; }
  // 4 or 16 of them count.
  const std::array<uint8_t, 16>& bytes() const { return bytes_; }
  std::string ToText() const;

 private:
  std::array<uint8_t, 16> bytes_ = {};
  bool v4_ = false;
};

class Network {
 public:
  // "10.0.0.0/8", "2001:db8::/32". Strict: no host bits, no prefix that is left out, no
  // IPv4 written as IPv6. InvalidArgument says how it should be written.
  static absl::StatusOr<Network> Parse(std::string_view text);

  bool Contains(const IpAddress& address) const;
  std::string ToText() const;

 private:
  Network(const IpAddress& address, int prefix) : address_(address), prefix_(prefix) {}

  IpAddress address_;
  int prefix_;
};

// Whether a peer, as gRPC names it, is in one of these. All are, when there are none; one
// whose address isn't known is in no network.
bool IsInOneOf(const std::vector<std::string>& networks, std::string_view peer);

}  // namespace dragnet::scheduler
