#include "modules/firewall/extensions.h"

#include <linux/netfilter/nf_conntrack_common.h>
#include <linux/netfilter/x_tables.h>
#include <linux/netfilter/xt_conntrack.h>
#include <linux/netfilter/xt_mark.h>
#include <linux/netfilter/xt_multiport.h>
#include <linux/netfilter/xt_tcpudp.h>

#include <algorithm>
#include <cstring>

namespace dragnet::firewall {
namespace {

using Conditions = std::optional<std::vector<Condition>>;

constexpr uint32_t kStateNew = 1U << (IP_CT_NEW % IP_CT_IS_REPLY + 1);
constexpr uint16_t kLocalAddress = 1U << 2;  // XT_ADDRTYPE_LOCAL, xt_addrtype.h
constexpr uint8_t kTcpSyn = 0x02;

// The extension's data, which the kernel may fill up at the end.
template <typename T>
bool Read(std::string_view info, T* value) {
  if (info.size() < sizeof(T)) return false;
  std::memcpy(value, info.data(), sizeof(T));
  return true;
}

Box SideBox(const Space& space, Dimension side, Value first, Value last) {
  Box box = space.all;
  box.sides[side] = {first, last};
  return box;
}

Conditions Always(const Space& space, bool holds) {
  return std::vector<Condition>{{{space.all}, /*negated=*/!holds}};
}

void AddPorts(const Space& space, Dimension side, const uint16_t (&ports)[2], bool inverted,
              std::vector<Condition>* conditions) {
  if (ports[0] == 0 && ports[1] == 0xffff && !inverted) return;
  if (ports[0] > ports[1]) {
    conditions->push_back({{}, inverted});
    return;
  }
  conditions->push_back({{SideBox(space, side, ports[0], ports[1])}, inverted});
}

Conditions Tcp(std::string_view info, const Space& space) {
  xt_tcp tcp;
  if (!Read(info, &tcp)) return std::nullopt;
  if (space.protocol != IPPROTO_TCP) return Always(space, false);
  if (tcp.option != 0) return std::nullopt;
  std::vector<Condition> conditions;
  AddPorts(space, kSourcePort, tcp.spts, (tcp.invflags & XT_TCP_INV_SRCPT) != 0, &conditions);
  AddPorts(space, kDestinationPort, tcp.dpts, (tcp.invflags & XT_TCP_INV_DSTPT) != 0, &conditions);
  const bool flags =
      ((kTcpSyn & tcp.flg_mask) == tcp.flg_cmp) != ((tcp.invflags & XT_TCP_INV_FLAGS) != 0);
  conditions.push_back({{space.all}, !flags});
  return conditions;
}

Conditions Udp(std::string_view info, const Space& space) {
  xt_udp udp;
  if (!Read(info, &udp)) return std::nullopt;
  if (space.protocol != IPPROTO_UDP) return Always(space, false);
  std::vector<Condition> conditions;
  AddPorts(space, kSourcePort, udp.spts, (udp.invflags & XT_UDP_INV_SRCPT) != 0, &conditions);
  AddPorts(space, kDestinationPort, udp.dpts, (udp.invflags & XT_UDP_INV_DSTPT) != 0, &conditions);
  return conditions;
}

Conditions Multiport(std::string_view info, const Space& space) {
  xt_multiport_v1 ports;
  if (!Read(info, &ports) || ports.count > XT_MULTI_PORTS) return std::nullopt;
  Condition condition;
  condition.negated = ports.invert != 0;
  for (int i = 0; i < ports.count; ++i) {
    const Value first = ports.ports[i];
    Value last = first;
    if (ports.pflags[i] != 0 && i + 1 < ports.count) last = ports.ports[++i];
    if (first > last) continue;
    if (ports.flags != XT_MULTIPORT_DESTINATION)
      condition.boxes.push_back(SideBox(space, kSourcePort, first, last));
    if (ports.flags != XT_MULTIPORT_SOURCE)
      condition.boxes.push_back(SideBox(space, kDestinationPort, first, last));
  }
  return std::vector<Condition>{condition};
}

Conditions Conntrack(std::string_view info, uint32_t revision, const Space& space) {
  if (space.tracking_unknown) return std::nullopt;
  uint16_t asked = 0, inverted = 0, states = 0;
  if (revision == 1) {
    xt_conntrack_mtinfo1 data;
    if (!Read(info, &data)) return std::nullopt;
    asked = data.match_flags, inverted = data.invert_flags, states = data.state_mask;
  } else if (revision == 2) {
    xt_conntrack_mtinfo2 data;
    if (!Read(info, &data)) return std::nullopt;
    asked = data.match_flags, inverted = data.invert_flags, states = data.state_mask;
  } else if (revision == 3) {
    xt_conntrack_mtinfo3 data;
    if (!Read(info, &data)) return std::nullopt;
    asked = data.match_flags, inverted = data.invert_flags, states = data.state_mask;
  }
  if (asked != XT_CONNTRACK_STATE) return std::nullopt;
  return Always(space, ((states & kStateNew) != 0) != ((inverted & XT_CONNTRACK_STATE) != 0));
}

Conditions AddressType(std::string_view info, uint32_t revision, const Space& space) {
  // xt_addrtype_info and _v1 begin the same; headers of the former are IPv4's.
  struct {
    uint16_t source, destination;
    uint32_t flags;
  } data;
  constexpr uint32_t kInvertDestination = 2;
  if (!Read(info, &data) || revision > 1 || data.source != 0) return std::nullopt;
  bool inverted = (data.flags & kInvertDestination) != 0;
  if (revision == 0) {
    uint32_t second = 0;
    if (info.size() < 12) return std::nullopt;
    std::memcpy(&second, info.data() + 8, sizeof second);
    inverted = second != 0;
  } else if ((data.flags & ~uint32_t{3}) != 0) {
    return std::nullopt;
  }
  return Always(space, ((data.destination & kLocalAddress) != 0) != inverted);
}

}  // namespace

Conditions ConditionsOfMatch(const Expression& match, const Space& space) {
  const std::string_view name = match.text, info = match.info;
  if (name == "comment") return std::vector<Condition>();
  if (name == "icmp" || name == "icmp6") return Always(space, false);
  if (name == "tcp") return Tcp(info, space);
  if (name == "udp") return Udp(info, space);
  if (name == "multiport" && match.flags == 1) return Multiport(info, space);
  if (name == "conntrack") return Conntrack(info, match.flags, space);
  if (name == "addrtype") return AddressType(info, match.flags, space);
  if (name == "state" && !space.tracking_unknown) {
    uint32_t states = 0;
    if (!Read(info, &states)) return std::nullopt;
    return Always(space, (states & kStateNew) != 0);
  }
  if (name == "mark" && match.flags == 1 && !space.marks_unknown) {
    xt_mark_mtinfo1 mark;
    if (!Read(info, &mark)) return std::nullopt;
    return Always(space, (mark.mark == 0) != (mark.invert != 0));
  }
  return std::nullopt;
}

TargetEffect EffectOfTarget(std::string_view name) {
  for (std::string_view each :
       {"LOG",     "NFLOG", "ULOG",    "TRACE",   "AUDIT", "MARK",     "CONNMARK", "CONNSECMARK",
        "SECMARK", "DSCP",  "TOS",     "TTL",     "HL",    "CLASSIFY", "TCPMSS",   "CHECKSUM",
        "SET",     "CT",    "NOTRACK", "RATEEST", "LED",   "TEE"})
    if (name == each) return TargetEffect::kContinue;
  if (name == "REJECT") return TargetEffect::kDrop;
  for (std::string_view each : {"DNAT", "REDIRECT", "NETMAP", "TPROXY"})
    if (name == each) return TargetEffect::kTranslate;
  if (name == "NFQUEUE") return TargetEffect::kQueue;
  return TargetEffect::kUnknown;
}

bool SetsMarks(std::string_view target) {
  return target == "MARK" || target == "CONNMARK" || target == "SET" || target == "HMARK";
}

bool ChangesTracking(std::string_view target) { return target == "CT" || target == "NOTRACK"; }

}  // namespace dragnet::firewall
