// One UDP packet there, one back. Thread-safe: no state.
#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "absl/time/time.h"
#include "modules/ping/endpoint.h"

namespace dragnet::timedrift {

struct Exchange {
  // 0 and an answer, or errno; ETIMEDOUT when none came.
  int error = 0;
  std::string answer;
  // The host's clock when the question left, and how long the answer took by one
  // that doesn't jump.
  absl::Time sent;
  absl::Duration travelled;
};

// `accept` is asked for each packet that comes from the endpoint, of at most 1500
// bytes; the last one that came is the answer if it accepts none in time.
Exchange Ask(const ping::Endpoint& endpoint, std::string_view question, absl::Duration timeout,
             const std::function<bool(std::string_view)>& accept);

}  // namespace dragnet::timedrift
