#include "modules/tls/listeners.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>

#include <set>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_split.h"
#include "core/strings.h"
#include "core/text.h"
#include "modules/netstat/proc_files.h"
#include "modules/ping/probe.h"

namespace dragnet::tls {
namespace {

// Listening sockets come first; a line has 150 bytes.
constexpr size_t kMaxBytes = 4 * 1024 * 1024;
constexpr std::string_view kListening = "0A";

// Addresses are words of 32 bits, each in the host's order.
bool ReadAddress(std::string_view hex, size_t size, unsigned char* address) {
  std::string bytes;
  if (hex.size() != 2 * size || !HexDecode(hex, &bytes)) return false;
  for (size_t i = 0; i < size; i += 4) {
    uint32_t word = 0;
    for (size_t j = 0; j < 4; ++j) word = word << 8 | static_cast<unsigned char>(bytes[i + j]);
    memcpy(address + i, &word, sizeof word);
  }
  return true;
}

bool ReadEndpoint(std::string_view text, bool is_v6, Listener* listener) {
  const size_t colon = text.find(':');
  if (colon == std::string_view::npos) return false;
  std::string port;
  if (!HexDecode(text.substr(colon + 1), &port) || port.size() != 2) return false;
  listener->port = static_cast<uint16_t>(static_cast<unsigned char>(port[0]) << 8 |
                                         static_cast<unsigned char>(port[1]));
  ping::Endpoint& bound = listener->bound;
  bound.storage.ss_family = is_v6 ? AF_INET6 : AF_INET;
  const std::string_view hex = text.substr(0, colon);
  if (is_v6) {
    auto& address = reinterpret_cast<sockaddr_in6&>(bound.storage);
    address.sin6_port = htons(listener->port);
    bound.length = sizeof address;
    return ReadAddress(hex, 16, address.sin6_addr.s6_addr);
  }
  auto& address = reinterpret_cast<sockaddr_in&>(bound.storage);
  address.sin_port = htons(listener->port);
  bound.length = sizeof address;
  return ReadAddress(hex, 4, reinterpret_cast<unsigned char*>(&address.sin_addr));
}

void SetReachable(Listener* listener) {
  listener->reachable = listener->bound;
  if (listener->bound.family() == AF_INET) {
    auto& address = reinterpret_cast<sockaddr_in&>(listener->reachable.storage);
    if (address.sin_addr.s_addr == INADDR_ANY) address.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
  } else {
    auto& address = reinterpret_cast<sockaddr_in6&>(listener->reachable.storage);
    if (IN6_IS_ADDR_UNSPECIFIED(&address.sin6_addr)) address.sin6_addr = in6addr_loopback;
  }
}

}  // namespace

void ParseListeners(std::string_view text, bool is_v6, std::vector<Listener>* listeners) {
  std::set<std::pair<std::string, uint16_t>> known;
  for (const absl::string_view line : absl::StrSplit(ToAbsl(text), '\n')) {
    // sl local_address rem_address st …
    const std::vector<absl::string_view> fields =
        absl::StrSplit(line, absl::ByAnyChar(" \t"), absl::SkipEmpty());
    if (fields.size() < 4 || ToStd(fields[3]) != kListening) continue;
    Listener listener;
    if (!ReadEndpoint(ToStd(fields[1]), is_v6, &listener)) continue;
    SetReachable(&listener);
    // Several processes can share a port (SO_REUSEPORT).
    if (known.emplace(listener.bound.Text(), listener.port).second) listeners->push_back(listener);
  }
}

Listeners FindListeners() {
  Listeners listeners;
  for (const char* path : {"/proc/self/net/tcp", "/proc/self/net/tcp6"}) {
    const bool is_v6 = std::string_view(path).ends_with('6');
    const auto text = netstat::ReadProcFile(AT_FDCWD, path, kMaxBytes);
    // A kernel without IPv6 has no tcp6.
    if (!text && !(is_v6 && errno == ENOENT))
      listeners.unread.push_back(StrCat(path, ": ", ping::ErrorWords(errno)));
    if (text) ParseListeners(*text, is_v6, &listeners.found);
  }
  return listeners;
}

}  // namespace dragnet::tls
