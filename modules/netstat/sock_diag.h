// Sockets by NETLINK_SOCK_DIAG (sock_diag(7)): what to ask, and what is answered.
// Stateless.
#pragma once

#include <cstdint>
#include <string>

#include "absl/status/statusor.h"
#include "modules/netstat/fact.h"
#include "modules/netstat/netlink.h"

namespace dragnet::netstat {

// The body of a SOCK_DIAG_BY_FAMILY dump of all sockets of `protocol`, or only
// of those in state listen.
std::string SockDiagRequest(Protocol protocol, bool only_listening);

// One message of the answer. InvalidArgument when it isn't what was asked for.
absl::StatusOr<Fact> ParseSocket(Protocol protocol, const NetlinkMessage& message);

}  // namespace dragnet::netstat
