// Events as syslog messages (RFC 5424) in the frames of syslog over TLS (RFC 5425).
// Thread-safe: no state.
#pragma once

#include <string>
#include <string_view>

#include "absl/time/time.h"

namespace dragnet::scheduler {

// "LENGTH <134>1 TIME HOST dragnet - ecs - JSON": facility local0, severity
// informational. `host` may be any text.
std::string SyslogFrame(std::string_view host, absl::Time time, std::string_view json);

}  // namespace dragnet::scheduler
