// The parameters of a ping, checked. Thread-safe: no state.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "modules/ping/ping.pb.h"
#include "modules/ping/probe.h"

namespace dragnet::ping {

struct Plan {
  std::vector<std::string> destinations;
  Protocol protocol = Protocol::kIcmp;
  uint16_t port = 0;
  uint32_t count = 0;
  absl::Duration timeout;
  int family = 0;
};

// InvalidArgument names the field.
absl::StatusOr<Plan> CompilePlan(const v1::PingParameters& parameters);

// "5s", "500ms": between `least` and `most`; `fallback` when empty. The
// error's message has no field name.
absl::StatusOr<absl::Duration> ParseTime(std::string_view text, absl::Duration fallback,
                                         absl::Duration least, absl::Duration most);

}  // namespace dragnet::ping
