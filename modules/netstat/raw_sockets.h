// Raw sockets in the text form of /proc/net/raw and raw6: for kernels that were
// built without the part of sock_diag that lists them. Stateless.
#pragma once

#include <string_view>

#include "absl/status/statusor.h"
#include "modules/netstat/fact.h"

namespace dragnet::netstat {

// One line of the file behind its heading. `protocol`: kRaw or kRaw6.
// InvalidArgument when it isn't of that form.
absl::StatusOr<Fact> ParseRawLine(Protocol protocol, std::string_view line);

}  // namespace dragnet::netstat
