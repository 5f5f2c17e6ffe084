// The parameters of a look at the clock, checked. Thread-safe: no state.
#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "modules/timedrift/timedrift.pb.h"

namespace dragnet::timedrift {

inline constexpr uint16_t kNtpPort = 123;

struct Plan {
  std::vector<std::string> servers;
  absl::Duration max_drift;
  absl::Duration timeout;
  bool configured = false;
  bool first_answer = false;
  bool daemons = true;
};

// InvalidArgument names the field.
absl::StatusOr<Plan> CompilePlan(const v1::TimedriftParameters& parameters);

}  // namespace dragnet::timedrift
