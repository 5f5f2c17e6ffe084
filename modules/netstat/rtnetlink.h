// Interfaces, addresses, neighbours and routes by NETLINK_ROUTE (rtnetlink(7)):
// what to ask, and what is answered. Stateless.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "modules/netstat/fact.h"
#include "modules/netstat/netlink.h"

namespace dragnet::netstat {

struct RouteRequest {
  uint16_t type;
  std::string body;
};
// What to ask for all of `kind` (not sockets): one dump or two.
std::vector<RouteRequest> RouteRequests(Kind kind);

// The facts in one message of the answer: none for what is of another family, as
// many as a route has next hops. InvalidArgument when it isn't what was asked
// for.
absl::StatusOr<std::vector<Fact>> ParseRouteMessage(Kind kind, const NetlinkMessage& message);

}  // namespace dragnet::netstat
