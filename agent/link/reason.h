// Why there is no session, in words that tell an operator what to do.
// Thread-safe: no state.
#pragma once

#include <string>
#include <string_view>

#include "absl/status/status.h"
#include "absl/time/time.h"

namespace dragnet {

enum class Attempt { kEnrolment, kRenewal, kSession };

// Whether the scheduler, asked to enrol this host, said that an operator has to agree first.
bool WaitsForOperator(const absl::Status& status);

// One line, at most 500 bytes, fit for a log: what the scheduler or its network
// says is hostile. `now` is this host's clock, for where it could be wrong. `proxy` is the
// host:port of the proxy that is used, if one is.
std::string PlainReason(Attempt attempt, std::string_view scheduler, const absl::Status& status,
                        absl::Time now, std::string_view proxy = "");

}  // namespace dragnet
