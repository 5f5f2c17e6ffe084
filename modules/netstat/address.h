// IP addresses and networks, as the kernel gives them and as people write them.
// Values, thread-safe.
#pragma once

#include <array>
#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"

namespace dragnet::netstat {

// An IPv4 or IPv6 address, or none.
class IpAddress {
 public:
  IpAddress() = default;
  // `bytes` in network order: 4 or 16 of them; else there is no address.
  static IpAddress FromBytes(std::string_view bytes);
  // Nothing but an address: no zone, no prefix, no spaces.
  static std::optional<IpAddress> Parse(std::string_view text);

  bool empty() const { return size_ == 0; }
  bool is_v6() const { return size_ == 16; }
  // 0.0.0.0 or ::.
  bool is_unspecified() const;
  // ::ffff:192.0.2.1
  bool is_v4_mapped() const;
  // The IPv4 address of a mapped one, else the same.
  IpAddress Unmapped() const;
  int bits() const { return size_ * 8; }
  const uint8_t* bytes() const { return bytes_.data(); }

  // Empty when there is none.
  std::string ToString() const;

  bool operator==(const IpAddress&) const = default;

 private:
  std::array<uint8_t, 16> bytes_ = {};
  uint8_t size_ = 0;
};

// An address's first `prefix` bits. An IPv4-mapped one is an IPv4 network.
class Network {
 public:
  // "192.0.2.1" or "192.0.2.1/24"; bits behind the prefix don't matter.
  // InvalidArgument says what is wrong, without the text.
  static absl::StatusOr<Network> Parse(std::string_view text);

  // Never for no address, nor for one of the other family.
  bool Contains(const IpAddress& address) const;
  // Whether all of address/prefix is in it.
  bool Contains(const IpAddress& address, int prefix) const;

 private:
  Network(const IpAddress& address, int prefix) : address_(address), prefix_(prefix) {}

  IpAddress address_;
  int prefix_;
};

// "192.0.2.1:22", "[2001:db8::1]:22"; without a port, the address alone.
std::string EndpointText(const IpAddress& address, std::optional<uint16_t> port);

}  // namespace dragnet::netstat
