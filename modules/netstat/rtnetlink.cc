#include "modules/netstat/rtnetlink.h"

#include <linux/if.h>
#include <linux/if_arp.h>
#include <linux/if_link.h>
#include <linux/neighbour.h>
#include <linux/rtnetlink.h>
#include <sys/socket.h>

#include <algorithm>

#include "absl/strings/escaping.h"
#include "core/status_macros.h"
#include "core/strings.h"
#include "core/text.h"

namespace dragnet::netstat {
namespace {

using Facts = absl::StatusOr<std::vector<Fact>>;

// A route of this many hops is not one.
constexpr size_t kMaxNextHops = 4096;

template <typename T>
std::string Bytes(const T& value) {
  return std::string(reinterpret_cast<const char*>(&value), sizeof value);
}

absl::Status Malformed(std::string_view what) { return absl::InvalidArgumentError(ToAbsl(what)); }

bool IsInet(int family) { return family == AF_INET || family == AF_INET6; }
std::string_view FamilyName(int family) { return family == AF_INET ? "inet" : "inet6"; }
int FamilyBits(int family) { return family == AF_INET ? 32 : 128; }

// The address of `family` that `value` is; false if it is none.
bool ReadAddress(int family, std::string_view value, IpAddress* address) {
  *address = IpAddress::FromBytes(value);
  return address->bits() == FamilyBits(family);
}

bool ReadIndex(std::string_view value, uint32_t* index) {
  const auto number = ReadExactly<uint32_t>(value);
  if (number) *index = *number;
  return number.has_value();
}

std::string ReadName(std::string_view value) {
  return ToValidUtf8(value.substr(0, value.find('\0')));
}

// Empty for what is no hardware address: all zero, as that of lo, or the end of a
// tunnel.
std::string MacText(std::string_view bytes) {
  if (std::all_of(bytes.begin(), bytes.end(), [](char c) { return c == 0; })) return "";
  std::string text;
  for (char c : bytes.substr(0, 32)) {
    if (!text.empty()) text += ':';
    text += HexEncode({&c, 1});
  }
  return text;
}

bool IsTunnel(uint16_t type) {
  return type == ARPHRD_TUNNEL || type == ARPHRD_TUNNEL6 || type == ARPHRD_SIT ||
         type == ARPHRD_IPGRE || type == ARPHRD_IP6GRE;
}

std::string LinkTypeName(uint16_t type) {
  switch (type) {
    case ARPHRD_ETHER:
      return "ether";
    case ARPHRD_LOOPBACK:
      return "loopback";
    case ARPHRD_PPP:
      return "ppp";
    case ARPHRD_INFINIBAND:
      return "infiniband";
    case ARPHRD_NONE:
      return "none";
    case ARPHRD_TUNNEL:
      return "ipip";
    case ARPHRD_TUNNEL6:
      return "tunnel6";
    case ARPHRD_SIT:
      return "sit";
    case ARPHRD_IPGRE:
      return "gre";
    case ARPHRD_IP6GRE:
      return "gre6";
    default:
      return StrCat(type);
  }
}

std::string_view NeighbourState(uint16_t state) {
  switch (state) {
    case NUD_INCOMPLETE:
      return "incomplete";
    case NUD_REACHABLE:
      return "reachable";
    case NUD_STALE:
      return "stale";
    case NUD_DELAY:
      return "delay";
    case NUD_PROBE:
      return "probe";
    case NUD_FAILED:
      return "failed";
    case NUD_NOARP:
      return "noarp";
    case NUD_PERMANENT:
      return "permanent";
    default:
      return "none";
  }
}

std::string_view RouteTypeName(uint8_t type) {
  constexpr std::string_view kNames[] = {"unspecified", "unicast",   "local",     "broadcast",
                                         "anycast",     "multicast", "blackhole", "unreachable",
                                         "prohibit",    "throw",     "nat",       "xresolve"};
  return type < std::size(kNames) ? kNames[type] : kNames[0];
}

Facts ParseLink(std::string_view payload) {
  ifinfomsg header;
  if (!TakeStruct(&payload, &header)) return Malformed("interface: a message that is too short");
  Fact fact;
  fact.kind = Kind::kInterface;
  fact.protocol_name = LinkTypeName(header.ifi_type);
  fact.state = header.ifi_flags & IFF_UP ? "up" : "down";
  fact.interface_index = static_cast<uint32_t>(header.ifi_index);
  DRAGNET_RETURN_IF_ERROR(ForEachAttribute(payload, [&](uint16_t type, std::string_view value) {
    if (type == IFLA_IFNAME) fact.interface = ReadName(value);
    if (type == IFLA_ADDRESS && !IsTunnel(header.ifi_type)) fact.mac = MacText(value);
  }));
  if (fact.interface.empty()) return Malformed("interface: without a name");
  return std::vector<Fact>{std::move(fact)};
}

Facts ParseAddress(std::string_view payload) {
  ifaddrmsg header;
  if (!TakeStruct(&payload, &header)) return Malformed("address: a message that is too short");
  if (!IsInet(header.ifa_family)) return std::vector<Fact>();
  Fact fact;
  fact.kind = Kind::kAddress;
  fact.protocol_name = FamilyName(header.ifa_family);
  fact.local_prefix = header.ifa_prefixlen;
  fact.interface_index = header.ifa_index;
  IpAddress address, local;
  bool right = header.ifa_prefixlen <= FamilyBits(header.ifa_family);
  DRAGNET_RETURN_IF_ERROR(ForEachAttribute(payload, [&](uint16_t type, std::string_view value) {
    if (type == IFA_ADDRESS) right = right && ReadAddress(header.ifa_family, value, &address);
    if (type == IFA_LOCAL) right = right && ReadAddress(header.ifa_family, value, &local);
  }));
  // On a point-to-point interface IFA_ADDRESS is the other end.
  fact.local = local.empty() ? address : local;
  if (!right || fact.local.empty()) return Malformed("address: none, or of the wrong size");
  return std::vector<Fact>{std::move(fact)};
}

Facts ParseNeighbour(std::string_view payload) {
  ndmsg header;
  if (!TakeStruct(&payload, &header)) return Malformed("neighbour: a message that is too short");
  if (!IsInet(header.ndm_family)) return std::vector<Fact>();
  Fact fact;
  fact.kind = Kind::kNeighbour;
  fact.protocol_name = FamilyName(header.ndm_family);
  fact.state = NeighbourState(header.ndm_state);
  fact.interface_index = static_cast<uint32_t>(header.ndm_ifindex);
  bool right = true;
  DRAGNET_RETURN_IF_ERROR(ForEachAttribute(payload, [&](uint16_t type, std::string_view value) {
    if (type == NDA_DST) right = right && ReadAddress(header.ndm_family, value, &fact.remote);
    if (type == NDA_LLADDR) fact.mac = MacText(value);
  }));
  if (!right || fact.remote.empty())
    return Malformed("neighbour: no address, or of the wrong size");
  return std::vector<Fact>{std::move(fact)};
}

// RTA_VIA: a gateway of the other family.
bool ReadVia(std::string_view value, IpAddress* gateway) {
  uint16_t family = 0;
  return TakeStruct(&value, &family) && IsInet(family) && ReadAddress(family, value, gateway);
}

// RTA_MULTIPATH: a list of struct rtnexthop, each with attributes behind it.
absl::Status ReadNextHops(int family, std::string_view hops, const Fact& route,
                          std::vector<Fact>* facts) {
  while (!hops.empty()) {
    rtnexthop header;
    std::string_view rest = hops;
    if (!TakeStruct(&rest, &header) || header.rtnh_len < sizeof header ||
        header.rtnh_len > hops.size() || facts->size() >= kMaxNextHops) {
      return Malformed("route: next hops of impossible length or number");
    }
    Fact fact = route;
    fact.interface_index = static_cast<uint32_t>(header.rtnh_ifindex);
    bool right = true;
    DRAGNET_RETURN_IF_ERROR(ForEachAttribute(rest.substr(0, header.rtnh_len - sizeof header),
                                             [&](uint16_t type, std::string_view value) {
                                               if (type == RTA_GATEWAY)
                                                 right = right &&
                                                         ReadAddress(family, value, &fact.gateway);
                                               if (type == RTA_VIA)
                                                 right = right && ReadVia(value, &fact.gateway);
                                             }));
    if (!right) return Malformed("route: an address of the wrong size");
    facts->push_back(std::move(fact));
    hops.remove_prefix(std::min<size_t>(hops.size(), RTNH_ALIGN(header.rtnh_len)));
  }
  return absl::OkStatus();
}

Facts ParseRoute(std::string_view payload) {
  rtmsg header;
  if (!TakeStruct(&payload, &header)) return Malformed("route: a message that is too short");
  const int family = header.rtm_family;
  // A cloned one is a cache entry of a single destination.
  if (!IsInet(family) || header.rtm_flags & RTM_F_CLONED) return std::vector<Fact>();
  if (header.rtm_dst_len > FamilyBits(family)) return Malformed("route: an impossible prefix");
  Fact fact;
  fact.kind = Kind::kRoute;
  fact.protocol_name = FamilyName(family);
  fact.state = RouteTypeName(header.rtm_type);
  fact.table = header.rtm_table;
  fact.remote_prefix = header.rtm_dst_len;
  // Without RTA_DST: the default route.
  constexpr char kZeros[16] = {};
  fact.remote = IpAddress::FromBytes({kZeros, family == AF_INET ? 4u : 16u});
  bool right = true;
  std::string_view hops;
  DRAGNET_RETURN_IF_ERROR(ForEachAttribute(payload, [&](uint16_t type, std::string_view value) {
    if (type == RTA_DST) right = right && ReadAddress(family, value, &fact.remote);
    if (type == RTA_PREFSRC) right = right && ReadAddress(family, value, &fact.local);
    if (type == RTA_GATEWAY) right = right && ReadAddress(family, value, &fact.gateway);
    if (type == RTA_VIA) right = right && ReadVia(value, &fact.gateway);
    if (type == RTA_OIF) right = right && ReadIndex(value, &fact.interface_index);
    if (type == RTA_TABLE) right = right && ReadIndex(value, &fact.table);
    if (type == RTA_MULTIPATH) hops = value;
  }));
  if (!right) return Malformed("route: an attribute of the wrong size");
  std::vector<Fact> facts;
  if (hops.empty()) {
    facts.push_back(std::move(fact));
  } else {
    DRAGNET_RETURN_IF_ERROR(ReadNextHops(family, hops, fact, &facts));
  }
  return facts;
}

}  // namespace

std::vector<RouteRequest> RouteRequests(Kind kind) {
  switch (kind) {
    case Kind::kSocket:
      break;
    case Kind::kInterface:
      return {{RTM_GETLINK, Bytes(ifinfomsg{})}};
    case Kind::kAddress:
      return {{RTM_GETADDR, Bytes(ifaddrmsg{})}};
    case Kind::kNeighbour:
      return {{RTM_GETNEIGH, Bytes(ndmsg{})}};
    case Kind::kRoute: {
      // Asked for all families, the kernel adds multicast routing caches.
      rtmsg v4 = {}, v6 = {};
      v4.rtm_family = AF_INET;
      v6.rtm_family = AF_INET6;
      return {{RTM_GETROUTE, Bytes(v4)}, {RTM_GETROUTE, Bytes(v6)}};
    }
  }
  return {};
}

absl::StatusOr<std::vector<Fact>> ParseRouteMessage(Kind kind, const NetlinkMessage& message) {
  switch (kind) {
    case Kind::kSocket:
      break;
    case Kind::kInterface:
      if (message.type == RTM_NEWLINK) return ParseLink(message.payload);
      break;
    case Kind::kAddress:
      if (message.type == RTM_NEWADDR) return ParseAddress(message.payload);
      break;
    case Kind::kNeighbour:
      if (message.type == RTM_NEWNEIGH) return ParseNeighbour(message.payload);
      break;
    case Kind::kRoute:
      if (message.type == RTM_NEWROUTE) return ParseRoute(message.payload);
      break;
  }
  return Malformed("a message of another type than was asked for");
}

}  // namespace dragnet::netstat
