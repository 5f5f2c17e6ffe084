// `dragnet-scheduler run`.
#pragma once

#include <string>

#include "absl/status/status.h"

namespace dragnet::scheduler {

// Runs until SIGTERM or SIGINT, then stops cleanly and returns OK. Errors
// before that: InvalidArgument and the like for configuration and files,
// Unavailable when the port or the store is taken.
absl::Status RunScheduler(const std::string& config_path);

}  // namespace dragnet::scheduler
