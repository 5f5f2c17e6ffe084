#include "modules/firewall/search.h"

#include <arpa/inet.h>
#include <net/if.h>

#include <algorithm>
#include <charconv>

#include "absl/strings/str_split.h"
#include "core/status_macros.h"
#include "core/strings.h"

namespace dragnet::firewall {
namespace {

constexpr int kMaxAllowed = 256;
constexpr int kMaxNames = 64;
constexpr int kMaxAddresses = 64;

template <typename Number>
bool ParseNumber(std::string_view text, Number* number) {
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), *number);
  return error == std::errc() && end == text.data() + text.size();
}

bool ParsePorts(std::string_view text, Interval* ports) {
  if (text == "any") {
    *ports = {0, 0xffff};
    return true;
  }
  const size_t dash = text.find('-');
  uint16_t first = 0, last = 0;
  if (!ParseNumber(text.substr(0, dash), &first)) return false;
  last = first;
  if (dash != std::string_view::npos && !ParseNumber(text.substr(dash + 1), &last)) return false;
  *ports = {first, last};
  return first <= last;
}

bool ParseNetwork(std::string_view text, Allowed* allowed) {
  const size_t slash = text.find('/');
  const std::string address(text.substr(0, slash));
  unsigned char bytes[16];
  const bool is_ipv6 = address.find(':') != std::string::npos;
  if (::inet_pton(is_ipv6 ? AF_INET6 : AF_INET, address.c_str(), bytes) != 1) return false;
  const unsigned bits = is_ipv6 ? 128 : 32;
  unsigned prefix = bits;
  if (slash != std::string_view::npos &&
      (!ParseNumber(text.substr(slash + 1), &prefix) || prefix > bits))
    return false;
  Value value = 0;
  for (unsigned i = 0; i < bits / 8; ++i) value = value << 8 | bytes[i];
  Value hidden = 0;
  for (unsigned i = prefix; i < bits; ++i) hidden = hidden << 1 | 1;
  // 10.0.0.1/8 is a mistake of someone.
  if ((value & hidden) != 0) return false;
  (is_ipv6 ? allowed->ipv6 : allowed->ipv4).push_back({value, value | hidden});
  return true;
}

absl::StatusOr<std::set<std::string>> Names(
    std::string_view field, const google::protobuf::RepeatedPtrField<std::string>& values,
    std::initializer_list<std::string_view> known) {
  if (values.size() > kMaxNames)
    return absl::InvalidArgumentError(StrCat(field, ": at most ", kMaxNames));
  for (const std::string& value : values) {
    if (value.empty() || (known.size() > 0 && std::find(known.begin(), known.end(),
                                                        std::string_view(value)) == known.end())) {
      std::string all;
      for (std::string_view name : known) StrAppend(&all, all.empty() ? "" : ", ", name);
      return absl::InvalidArgumentError(
          StrCat(field, ": '", value, "' is none", all.empty() ? "" : "; there are ", all));
    }
  }
  return std::set<std::string>(values.begin(), values.end());
}

}  // namespace

absl::StatusOr<Allowed> ParseAllowed(std::string_view text) {
  const auto bad = [&](std::string_view what) {
    return absl::InvalidArgumentError(
        StrCat("reachable: '", text, "': ", what,
               "; write PORT[-PORT] or any, [/tcp or /udp], [from ADDRESS[/BITS][,…]], or none"));
  };
  const std::vector<absl::string_view> words = absl::StrSplit(ToAbsl(text), ' ', absl::SkipEmpty());
  if (words.size() != 1 && words.size() != 3) return bad("these are not one or three words");
  Allowed allowed;
  std::string_view ports = ToStd(words[0]);
  if (const size_t slash = ports.find('/'); slash != std::string_view::npos) {
    const std::string_view protocol = ports.substr(slash + 1);
    if (protocol != "tcp" && protocol != "udp") return bad("the protocol is tcp or udp");
    allowed.tcp = protocol == "tcp";
    allowed.udp = protocol == "udp";
    ports = ports.substr(0, slash);
  }
  if (!ParsePorts(ports, &allowed.ports)) return bad("these are no ports");
  if (words.size() == 1) return allowed;
  if (words[1] != "from") return bad("the second word is from");
  allowed.from_any = words[2] == "any";
  if (allowed.from_any) return allowed;
  const std::vector<absl::string_view> networks = absl::StrSplit(words[2], ',');
  if (networks.size() > kMaxAddresses) return bad("more than 64 addresses");
  for (absl::string_view network : networks)
    if (!ParseNetwork(ToStd(network), &allowed))
      return bad(StrCat("'", network, "' is no network, or has bits beyond its prefix"));
  return allowed;
}

absl::StatusOr<Search> CompileSearch(const v1::FirewallParameters& parameters) {
  Search search;
  if (parameters.reachable_size() > kMaxAllowed)
    return absl::InvalidArgumentError(StrCat("reachable: at most ", kMaxAllowed));
  search.asks_reachable = !parameters.reachable().empty();
  for (const std::string& text : parameters.reachable()) {
    if (text == "none") {
      if (parameters.reachable_size() != 1)
        return absl::InvalidArgumentError("reachable: none stands alone");
      continue;
    }
    DRAGNET_ASSIGN_OR_RETURN(Allowed allowed, ParseAllowed(text));
    search.allowed.push_back(std::move(allowed));
  }
  DRAGNET_ASSIGN_OR_RETURN(search.interfaces, Names("interfaces", parameters.interfaces(), {}));
  for (const std::string& name : search.interfaces)
    if (name.size() >= IFNAMSIZ || name == "lo")
      return absl::InvalidArgumentError(StrCat("interfaces: '", name, "' leads to no outside"));
  DRAGNET_ASSIGN_OR_RETURN(
      search.families,
      Names("families", parameters.families(), {"ip", "ip6", "inet", "arp", "bridge", "netdev"}));
  DRAGNET_ASSIGN_OR_RETURN(search.tables, Names("tables", parameters.tables(), {}));
  DRAGNET_ASSIGN_OR_RETURN(search.hooks, Names("hooks", parameters.hooks(),
                                               {"ingress", "prerouting", "input", "forward",
                                                "output", "postrouting", "egress"}));
  const bool filters = !search.families.empty() || !search.tables.empty() || !search.hooks.empty();
  if (search.asks_reachable && filters)
    return absl::InvalidArgumentError(
        "reachable: is about all rules; leave families, tables and hooks out");
  if (!search.asks_reachable && !search.interfaces.empty())
    return absl::InvalidArgumentError("interfaces: is for reachable; give that, too");
  return search;
}

}  // namespace dragnet::firewall
