// Parameters, checked. Immutable and thread-safe once made.
#pragma once

#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "modules/firewall/firewall.pb.h"
#include "modules/firewall/space.h"

namespace dragnet::firewall {

// What may be reached.
struct Allowed {
  bool tcp = true;
  bool udp = true;
  Interval ports;
  // From everywhere, or from these.
  bool from_any = true;
  std::vector<Interval> ipv4;
  std::vector<Interval> ipv6;
};

struct Search {
  // Asks for what can be reached, and not for rules.
  bool asks_reachable = false;
  std::vector<Allowed> allowed;
  std::set<std::string> interfaces;
  std::set<std::string> families;
  std::set<std::string> tables;
  std::set<std::string> hooks;
};

// '22/tcp from 10.0.0.0/8,2001:db8::/32'.
absl::StatusOr<Allowed> ParseAllowed(std::string_view text);

// InvalidArgument names the field and what to do.
absl::StatusOr<Search> CompileSearch(const v1::FirewallParameters& parameters);

}  // namespace dragnet::firewall
