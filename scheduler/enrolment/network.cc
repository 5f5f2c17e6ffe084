#include "scheduler/enrolment/network.h"

#include <arpa/inet.h>

#include <algorithm>
#include <charconv>

#include "absl/strings/str_replace.h"
#include "core/strings.h"
#include "core/text.h"

namespace dragnet::scheduler {
namespace {

constexpr size_t kMaxText = 100;
constexpr std::array<uint8_t, 12> kMappedPrefix = {0, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0xff, 0xff};

absl::Status Wrong(std::string_view text, std::string_view why) {
  return absl::InvalidArgumentError(
      StrCat("network \"", Shorten(ForTerminal(text), kMaxText), "\": ", why));
}

// Decimal, without a sign or leading zeros.
std::optional<int> ParsePrefix(std::string_view text, int most) {
  int prefix = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), prefix);
  if (error != std::errc() || end != text.data() + text.size() || prefix < 0 || prefix > most)
    return std::nullopt;
  if (text.front() == '-' || (text.size() > 1 && text.front() == '0')) return std::nullopt;
  return prefix;
}

std::string ToText(const std::array<uint8_t, 16>& bytes, bool v4) {
  char text[INET6_ADDRSTRLEN] = "";
  ::inet_ntop(v4 ? AF_INET : AF_INET6, bytes.data(), text, sizeof text);
  return text;
}

// The first `prefix` bits stay.
std::array<uint8_t, 16> Masked(std::array<uint8_t, 16> bytes, int prefix) {
  for (int bit = prefix; bit < 128; ++bit)
    bytes[static_cast<size_t>(bit / 8)] &= static_cast<uint8_t>(~(0x80 >> (bit % 8)));
  return bytes;
}

}  // namespace

std::optional<IpAddress> IpAddress::Parse(std::string_view text) {
  if (text.size() >= INET6_ADDRSTRLEN || text.find('\0') != std::string_view::npos)
    return std::nullopt;
  const std::string terminated(text);
  IpAddress address;
  if (::inet_pton(AF_INET, terminated.c_str(), address.bytes_.data()) == 1) {
    address.v4_ = true;
    return address;
  }
  if (::inet_pton(AF_INET6, terminated.c_str(), address.bytes_.data()) != 1) return std::nullopt;
  if (std::equal(kMappedPrefix.begin(), kMappedPrefix.end(), address.bytes_.begin())) {
    std::copy(address.bytes_.begin() + 12, address.bytes_.end(), address.bytes_.begin());
    std::fill(address.bytes_.begin() + 4, address.bytes_.end(), uint8_t{0});
    address.v4_ = true;
  }
  return address;
}

std::optional<IpAddress> IpAddress::OfPeer(std::string_view peer) {
  const size_t scheme_end = peer.find(':');
  if (scheme_end == std::string_view::npos || peer.size() > kMaxText) return std::nullopt;
  const std::string_view scheme = peer.substr(0, scheme_end);
  if (scheme != "ipv4" && scheme != "ipv6") return std::nullopt;
  std::string rest = absl::StrReplaceAll(std::string(peer.substr(scheme_end + 1)),
                                         {{"%5B", "["}, {"%5D", "]"}, {"%25", "%"}});
  const size_t port = rest.rfind(':');
  if (port == std::string::npos) return std::nullopt;
  rest.resize(port);
  if (scheme == "ipv6") {
    if (rest.size() < 2 || rest.front() != '[' || rest.back() != ']') return std::nullopt;
    rest = rest.substr(1, rest.size() - 2);
    if (rest.find(']') != std::string::npos) return std::nullopt;
    // The interface of a link-local address.
    rest = rest.substr(0, rest.find('%'));
    if (rest.find(':') == std::string::npos) return std::nullopt;
  }
  return Parse(rest);
}

std::string IpAddress::ToText() const { return scheduler::ToText(bytes_, v4_); }

absl::StatusOr<Network> Network::Parse(std::string_view text) {
  const size_t slash = text.find('/');
  const std::string_view address_text = text.substr(0, slash);
  const std::optional<IpAddress> address = IpAddress::Parse(address_text);
  if (!address.has_value())
    return Wrong(text, "not in CIDR notation, as in 10.0.0.0/8 or 2001:db8::/32");
  const bool written_as_v4 = address_text.find(':') == std::string_view::npos;
  if (address->is_v4() != written_as_v4)
    return Wrong(text, "write an IPv4 network as such, as in 10.0.0.0/8");
  const int bits = address->is_v4() ? 32 : 128;
  if (slash == std::string_view::npos)
    return Wrong(text,
                 StrCat("how many bits? One address alone is ", address->ToText(), "/", bits));
  const std::string_view prefix_text = text.substr(slash + 1);
  const std::optional<int> prefix =
      prefix_text.empty() ? std::nullopt : ParsePrefix(prefix_text, bits);
  if (!prefix.has_value()) return Wrong(text, StrCat("after the slash, a number from 0 to ", bits));
  const std::array<uint8_t, 16> masked = Masked(address->bytes(), *prefix);
  if (masked != address->bytes())
    return Wrong(text, StrCat("has bits of a host; the network is ",
                              scheduler::ToText(masked, address->is_v4()), "/", *prefix));
  return Network(*address, *prefix);
}

bool Network::Contains(const IpAddress& address) const {
  return address.is_v4() == address_.is_v4() &&
         Masked(address.bytes(), prefix_) == address_.bytes();
}

std::string Network::ToText() const { return StrCat(address_.ToText(), "/", prefix_); }

bool IsInOneOf(const std::vector<std::string>& networks, std::string_view peer) {
  if (networks.empty()) return true;
  const std::optional<IpAddress> address = IpAddress::OfPeer(peer);
  return address.has_value() &&
         std::any_of(networks.begin(), networks.end(), [&](const std::string& text) {
           const absl::StatusOr<Network> network = Network::Parse(text);
           return network.ok() && network->Contains(*address);
         });
}

}  // namespace dragnet::scheduler
