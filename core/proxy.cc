#include "core/proxy.h"

#include <algorithm>
#include <charconv>
#include <optional>

#include "absl/strings/ascii.h"
#include "absl/strings/escaping.h"
#include "core/status_macros.h"
#include "core/strings.h"

namespace dragnet {
namespace {

constexpr std::string_view kScheme = "http://";
constexpr size_t kMaxUrlBytes = 1024;
constexpr size_t kMaxHostBytes = 255;

absl::Status Wrong(std::string_view what) {
  return absl::InvalidArgumentError(
      StrCat(what, "; write \"http://host:port\" or \"http://user:password@host:port\""));
}

bool IsPlain(unsigned char c) { return c > 0x20 && c < 0x7f; }

// Nothing for what isn't percent-encoded text, or has control characters in it.
std::optional<std::string> Decode(std::string_view text) {
  std::string decoded;
  for (size_t i = 0; i < text.size(); ++i) {
    unsigned char c = static_cast<unsigned char>(text[i]);
    if (c == '%') {
      const std::string_view digits = text.substr(i + 1, 2);
      const auto [end, error] =
          std::from_chars(digits.data(), digits.data() + digits.size(), c, 16);
      if (error != std::errc() || digits.size() != 2 || end != digits.data() + 2) {
        return std::nullopt;
      }
      i += 2;
    }
    if (c < 0x20 || c == 0x7f) return std::nullopt;
    decoded.push_back(static_cast<char>(c));
  }
  return decoded;
}

bool IsHost(std::string_view host) {
  if (host.empty() || host.size() > kMaxHostBytes) return false;
  const bool is_ipv6 = host.front() == '[';
  if (is_ipv6) {
    if (host.size() < 4 || host.back() != ']') return false;
    host = host.substr(1, host.size() - 2);
  }
  return std::all_of(host.begin(), host.end(), [&](char c) {
    if (is_ipv6) return absl::ascii_isxdigit(c) || c == ':' || c == '.';
    return absl::ascii_isalnum(c) || c == '.' || c == '-' || c == '_';
  });
}

absl::StatusOr<std::string> AuthorizationOf(std::string_view user_info) {
  const size_t colon = user_info.find(':');
  if (colon == std::string_view::npos || colon == 0) {
    return Wrong("what is before the @ is not user:password");
  }
  const auto user = Decode(user_info.substr(0, colon));
  const auto password = Decode(user_info.substr(colon + 1));
  if (!user || !password || user_info.find('@') != std::string_view::npos ||
      user->find(':') != std::string::npos) {
    return Wrong(
        "user and password: what isn't a letter or digit is written as in URLs (%40 for @), and "
        "a user has no colon in it");
  }
  return StrCat("Basic ", absl::Base64Escape(StrCat(*user, ":", *password)));
}

}  // namespace

absl::StatusOr<Proxy> Proxy::FromUrl(std::string_view url) {
  if (url.size() > kMaxUrlBytes) return Wrong("over 1 KiB");
  if (!std::all_of(url.begin(), url.end(), IsPlain)) {
    return Wrong("spaces, control characters and what isn't ASCII don't belong there");
  }
  if (!url.starts_with(kScheme)) return Wrong("only proxies that speak HTTP can be used");
  url.remove_prefix(kScheme.size());
  Proxy proxy;
  if (const size_t at = url.rfind('@'); at != std::string_view::npos) {
    DRAGNET_ASSIGN_OR_RETURN(proxy.authorization_, AuthorizationOf(url.substr(0, at)));
    url.remove_prefix(at + 1);
  }
  const size_t colon = url.rfind(':');
  if (colon == std::string_view::npos) return Wrong("there is no port");
  const std::string_view port = url.substr(colon + 1);
  const auto [end, error] = std::from_chars(port.data(), port.data() + port.size(), proxy.port_);
  if (error != std::errc() || end != port.data() + port.size() || proxy.port_ == 0) {
    return Wrong("the port is not a number, 1 to 65535, or something is behind it");
  }
  if (!IsHost(url.substr(0, colon))) return Wrong("the host is not a name or an address");
  proxy.address_ = std::string(url);
  return proxy;
}

}  // namespace dragnet
