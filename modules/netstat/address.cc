#include "modules/netstat/address.h"

#include <arpa/inet.h>

#include <algorithm>
#include <cstring>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "core/strings.h"

namespace dragnet::netstat {
namespace {

constexpr uint8_t kMappedPrefix[12] = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};
constexpr int kMappedBits = 96;

bool SameBits(const uint8_t* a, const uint8_t* b, int bits) {
  if (std::memcmp(a, b, bits / 8) != 0) return false;
  const int rest = bits % 8;
  if (rest == 0) return true;
  const auto mask = static_cast<uint8_t>(0xff << (8 - rest));
  return (a[bits / 8] & mask) == (b[bits / 8] & mask);
}

}  // namespace

IpAddress IpAddress::FromBytes(std::string_view bytes) {
  IpAddress address;
  if (bytes.size() != 4 && bytes.size() != 16) return address;
  std::memcpy(address.bytes_.data(), bytes.data(), bytes.size());
  address.size_ = static_cast<uint8_t>(bytes.size());
  return address;
}

std::optional<IpAddress> IpAddress::Parse(std::string_view text) {
  // inet_pton would stop at a NUL.
  if (text.find('\0') != std::string_view::npos) return std::nullopt;
  const std::string copy(text);
  char bytes[16];
  if (::inet_pton(AF_INET, copy.c_str(), bytes) == 1) return FromBytes({bytes, 4});
  if (::inet_pton(AF_INET6, copy.c_str(), bytes) == 1) return FromBytes({bytes, 16});
  return std::nullopt;
}

bool IpAddress::is_unspecified() const {
  return size_ != 0 && std::all_of(bytes_.begin(), bytes_.end(), [](uint8_t b) { return b == 0; });
}

bool IpAddress::is_v4_mapped() const {
  return size_ == 16 && std::memcmp(bytes_.data(), kMappedPrefix, sizeof kMappedPrefix) == 0;
}

IpAddress IpAddress::Unmapped() const {
  if (!is_v4_mapped()) return *this;
  return FromBytes({reinterpret_cast<const char*>(bytes_.data()) + 12, 4});
}

std::string IpAddress::ToString() const {
  char text[INET6_ADDRSTRLEN] = "";
  if (size_ != 0) ::inet_ntop(is_v6() ? AF_INET6 : AF_INET, bytes_.data(), text, sizeof text);
  return text;
}

absl::StatusOr<Network> Network::Parse(std::string_view text) {
  const size_t slash = text.find('/');
  const std::optional<IpAddress> address = IpAddress::Parse(text.substr(0, slash));
  if (!address) {
    return absl::InvalidArgumentError(
        "is not an address or network: write 192.0.2.1, 192.0.2.0/24, 2001:db8::1 or "
        "2001:db8::/32");
  }
  int prefix = address->bits();
  if (slash != std::string_view::npos) {
    const std::string_view digits = text.substr(slash + 1);
    const bool number = !digits.empty() && digits.size() <= 3 &&
                        std::all_of(digits.begin(), digits.end(), absl::ascii_isdigit) &&
                        absl::SimpleAtoi(ToAbsl(digits), &prefix);
    if (!number || prefix > address->bits()) {
      return absl::InvalidArgumentError(
          StrCat("has a prefix that is not a number from 0 to ", address->bits()));
    }
  }
  if (address->is_v4_mapped() && prefix >= kMappedBits)
    return Network(address->Unmapped(), prefix - kMappedBits);
  return Network(*address, prefix);
}

bool Network::Contains(const IpAddress& address) const {
  const IpAddress plain = address.Unmapped();
  return plain.bits() == address_.bits() && SameBits(plain.bytes(), address_.bytes(), prefix_);
}

bool Network::Contains(const IpAddress& address, int prefix) const {
  if (address.is_v4_mapped()) prefix = std::max(0, prefix - kMappedBits);
  return prefix >= prefix_ && Contains(address);
}

std::string EndpointText(const IpAddress& address, std::optional<uint16_t> port) {
  if (address.empty()) return "";
  if (!port) return address.ToString();
  if (address.is_v6()) return StrCat("[", address.ToString(), "]:", *port);
  return StrCat(address.ToString(), ":", *port);
}

}  // namespace dragnet::netstat
