#include "modules/netstat/match.h"

#include "core/strings.h"

namespace dragnet::netstat {
namespace {

bool TextHolds(const ValueSet<Pattern>& patterns, std::string_view text) {
  if (patterns.empty()) return true;
  if (text.empty()) return false;
  return patterns.Holds([&](const Pattern& pattern) {
    return RE2::PartialMatch(re2::StringPiece(text.data(), text.size()), *pattern);
  });
}

bool AddressHolds(const ValueSet<Network>& networks, const IpAddress& address) {
  if (networks.empty()) return true;
  return !address.empty() &&
         networks.Holds([&](const Network& network) { return network.Contains(address); });
}

bool PortHolds(const ValueSet<PortRange>& ports, std::optional<uint16_t> port) {
  if (ports.empty()) return true;
  return port.has_value() && ports.Holds([&](const PortRange& range) {
    return range.first <= *port && *port <= range.last;
  });
}

bool RemoteHolds(const Search& search, const Fact& fact) {
  if (search.remote.empty() || fact.kind != Kind::kRoute)
    return AddressHolds(search.remote, fact.remote);
  return search.remote.Holds([&](const Network& network) {
    return network.Contains(fact.gateway) || network.Contains(fact.remote, fact.remote_prefix);
  });
}

bool IsUdp(Protocol protocol) { return protocol == Protocol::kUdp || protocol == Protocol::kUdp6; }

bool ListeningHolds(const Search& search, const Fact& fact) {
  if (!search.listening || fact.state == kListen) return true;
  return search.bound_udp && IsUdp(fact.protocol) && fact.state == kUnconnected &&
         fact.local_port.value_or(0) != 0;
}

}  // namespace

bool FactHolds(const Search& search, const Fact& fact) {
  if (!search.Wants(fact.kind)) return false;
  if (fact.kind == Kind::kSocket &&
      (!search.Wants(fact.protocol) || !ListeningHolds(search, fact))) {
    return false;
  }
  if (!search.states.empty() &&
      (fact.state.empty() ||
       !search.states.Holds([&](const std::string& state) { return state == fact.state; }))) {
    return false;
  }
  return PortHolds(search.local_ports, fact.local_port) &&
         PortHolds(search.remote_ports, fact.remote_port) &&
         AddressHolds(search.local, fact.local) && RemoteHolds(search, fact) &&
         TextHolds(search.macs, fact.mac) && TextHolds(search.interfaces, fact.interface);
}

bool ProcessHolds(const Search& search, const ProcessView& process) {
  if (!search.pids.empty() &&
      !search.pids.Holds([&](uint32_t pid) { return pid == process.pid; })) {
    return false;
  }
  if (!search.containers.empty() &&
      (process.container.empty() || !search.containers.Holds([&](const std::string& prefix) {
        return process.container.starts_with(prefix);
      }))) {
    return false;
  }
  return UserHolds(search, process.uid, process.user) &&
         TextHolds(search.processes, process.name) && TextHolds(search.exes, process.exe) &&
         TextHolds(search.cmdlines, process.cmdline);
}

bool UserHolds(const Search& search, std::optional<uint32_t> uid, std::string_view user) {
  if (search.users.empty()) return true;
  if (!uid) return false;
  const std::string number = StrCat(*uid);
  return search.users.Holds(
      [&](const std::string& wanted) { return wanted == number || wanted == user; });
}

}  // namespace dragnet::netstat
