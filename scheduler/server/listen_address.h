// host:port of a configuration. Thread-safe: no state.
#pragma once

#include <string>

#include "absl/status/status.h"

namespace dragnet::scheduler {

// InvalidArgument for what isn't host:port with a numeric host; Unavailable,
// with the system's words, for one that can't be listened on now.
absl::Status CheckFree(const std::string& address);

}  // namespace dragnet::scheduler
