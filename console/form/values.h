// Values as people write them. Thread-safe: no state. Errors say what was
// expected, with an example; the caller puts the flag's name in front.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "absl/time/time.h"

namespace dragnet::console {

// "90s", "5m", "1h30m", "7d", "2w": absl's units, and days and weeks.
absl::StatusOr<absl::Duration> ParseDuration(std::string_view text);

// "512M", "64k", "1G", "4096": bytes, in powers of 1024.
absl::StatusOr<uint64_t> ParseSize(std::string_view text);

// RFC 3339 ("2024-05-01T10:00:00+02:00"), "2024-05-01 10:00:00" or "2024-05-01"
// in the user's time zone, or a duration back from `now` ("-7d").
absl::StatusOr<absl::Time> ParseTime(std::string_view text, absl::Time now);

// "5 min", "1 h 30 min", "7 d": for people.
std::string DurationWords(absl::Duration duration);

}  // namespace dragnet::console
