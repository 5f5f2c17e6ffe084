#include "modules/ping/endpoint.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <string.h>

#include <memory>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/strings/str_split.h"
#include "core/file_io.h"
#include "core/status_macros.h"
#include "core/strings.h"

namespace dragnet::ping {
namespace {

constexpr size_t kMaxName = 253;
constexpr size_t kMaxLabel = 63;
constexpr size_t kMaxEndpoints = 16;

struct AddressListDeleter {
  void operator()(addrinfo* list) const { freeaddrinfo(list); }
};

bool IsAddress(int family, const std::string& text) {
  in6_addr ignored;
  return inet_pton(family, text.c_str(), &ignored) == 1;
}

bool IsLabel(absl::string_view label) {
  if (label.empty() || label.size() > kMaxLabel) return false;
  if (label.front() == '-' || label.back() == '-') return false;
  for (char c : label)
    if (!absl::ascii_isalnum(static_cast<unsigned char>(c)) && c != '-' && c != '_') return false;
  return true;
}

}  // namespace

std::string Endpoint::Text() const {
  char text[INET6_ADDRSTRLEN] = "";
  const void* bytes =
      family() == AF_INET
          ? static_cast<const void*>(&reinterpret_cast<const sockaddr_in&>(storage).sin_addr)
          : &reinterpret_cast<const sockaddr_in6&>(storage).sin6_addr;
  inet_ntop(family(), bytes, text, sizeof text);
  return text;
}

absl::Status CheckHost(std::string_view host) {
  const std::string text(host);
  if (text.find('\0') == std::string::npos &&
      (IsAddress(AF_INET, text) || IsAddress(AF_INET6, text)))
    return absl::OkStatus();
  absl::string_view name = ToAbsl(host);
  if (!name.empty() && name.back() == '.') name.remove_suffix(1);
  if (name.empty() || name.size() > kMaxName)
    return absl::InvalidArgumentError("is neither an address nor a host name of 1 to 253 bytes");
  absl::string_view last;
  for (absl::string_view label : absl::StrSplit(name, '.')) {
    if (!IsLabel(label)) {
      return absl::InvalidArgumentError(
          "is neither an address nor a host name (letters, digits, - and _, parted by dots)");
    }
    last = label;
  }
  if (absl::ascii_isdigit(static_cast<unsigned char>(last.front()))) {
    return absl::InvalidArgumentError(
        "is no address; write IPv4 as four decimal numbers, as in 192.0.2.1");
  }
  return absl::OkStatus();
}

absl::StatusOr<HostAndPort> ParseHostAndPort(std::string_view text, uint16_t default_port) {
  HostAndPort parsed{std::string(text), default_port};
  std::string_view port;
  bool has_port = false;
  if (text.starts_with('[')) {
    const size_t end = text.find(']');
    if (end == std::string_view::npos)
      return absl::InvalidArgumentError("has no ] after its address");
    parsed.host = std::string(text.substr(1, end - 1));
    if (!IsAddress(AF_INET6, parsed.host))
      return absl::InvalidArgumentError("has something else than an IPv6 address in its brackets");
    text.remove_prefix(end + 1);
    has_port = !text.empty();
    if (has_port && !text.starts_with(':'))
      return absl::InvalidArgumentError("has something else than :PORT after its brackets");
    if (has_port) port = text.substr(1);
  } else if (const size_t colon = text.find(':');
             colon != std::string_view::npos &&
             text.find(':', colon + 1) == std::string_view::npos) {
    parsed.host = std::string(text.substr(0, colon));
    port = text.substr(colon + 1);
    has_port = true;
  }
  if (has_port) {
    uint32_t number = 0;
    if (!absl::SimpleAtoi(ToAbsl(port), &number) || number < 1 || number > 65535)
      return absl::InvalidArgumentError("has a port that isn't a number from 1 to 65535");
    parsed.port = static_cast<uint16_t>(number);
  }
  DRAGNET_RETURN_IF_ERROR(CheckHost(parsed.host));
  return parsed;
}

absl::StatusOr<std::vector<Endpoint>> Resolve(const std::string& host, uint16_t port, int family) {
  addrinfo hints = {};
  hints.ai_family = family;
  hints.ai_socktype = SOCK_DGRAM;
  addrinfo* found = nullptr;
  const int result = getaddrinfo(host.c_str(), nullptr, &hints, &found);
  const int error = errno;
  const std::unique_ptr<addrinfo, AddressListDeleter> list(found);
  switch (result) {
    case 0:
      break;
    case EAI_NONAME:
    case EAI_NODATA:
    case EAI_ADDRFAMILY:
      return absl::NotFoundError(StrCat(host, ": ", gai_strerror(result)));
    case EAI_SYSTEM:
      return absl::UnavailableError(
          StrCat("look up ", host, ": ", ErrnoStatus("", error).message()));
    default:
      return absl::UnavailableError(StrCat("look up ", host, ": ", gai_strerror(result)));
  }
  std::vector<Endpoint> endpoints;
  for (const addrinfo* at = list.get(); at != nullptr; at = at->ai_next) {
    if (at->ai_family != AF_INET && at->ai_family != AF_INET6) continue;
    if (at->ai_addrlen > sizeof(sockaddr_storage) || endpoints.size() == kMaxEndpoints) continue;
    Endpoint endpoint;
    memcpy(&endpoint.storage, at->ai_addr, at->ai_addrlen);
    endpoint.length = at->ai_addrlen;
    if (endpoint.family() == AF_INET) {
      reinterpret_cast<sockaddr_in&>(endpoint.storage).sin_port = htons(port);
    } else {
      reinterpret_cast<sockaddr_in6&>(endpoint.storage).sin6_port = htons(port);
    }
    endpoints.push_back(endpoint);
  }
  if (endpoints.empty()) return absl::NotFoundError(StrCat(host, ": no address"));
  return endpoints;
}

}  // namespace dragnet::ping
