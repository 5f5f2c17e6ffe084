// Until when `dragnet keep` keeps. Pure; thread-safe.
#pragma once

#include <string_view>

#include "absl/status/statusor.h"
#include "absl/time/time.h"

namespace dragnet::console {

// "2031-12-31": to the end of that day, UTC. InvalidArgument.
absl::StatusOr<absl::Time> ParseKeepUntil(std::string_view text, absl::Time now);
// "90d", "8w", "6m", "5y" from `now` on; a month is 30 days, a year 365.
absl::StatusOr<absl::Time> ParseKeepFor(std::string_view text, absl::Time now);

}  // namespace dragnet::console
