// Why there is no session, in words that tell an operator what to do.
// Thread-safe: no state.
#pragma once

#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/time/time.h"

namespace dragnet {

enum class Attempt { kEnrolment, kRenewal, kSession };

// One line, at most 500 bytes, fit for a log: what the scheduler or its network
// says is hostile. `now` is this host's clock, for where it could be wrong.
std::string PlainReason(Attempt attempt, std::string_view scheduler, const absl::Status& status,
                        absl::Time now);

}  // namespace dragnet
