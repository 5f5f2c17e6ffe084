// UUIDs (RFC 9562) in canonical lower-case text. Thread-safe.
#pragma once

#include <string>
#include <string_view>

#include "absl/time/time.h"

namespace dragnet {

// Version 7: 48 bits of Unix milliseconds, then random bits from OpenSSL.
// Sorts by time; used for action ids.
std::string NewUuidV7(absl::Time now);

// Version 4: all random; used for agent ids.
std::string NewUuidV4();

// True for canonical text of any version: 8-4-4-4-12 lower-case hex digits.
bool IsUuid(std::string_view text);
// True for canonical text of version 7, variant 10.
bool IsUuidV7(std::string_view text);

// The time in a UUID of version 7, to the millisecond. Only for such.
absl::Time TimeOfUuidV7(std::string_view text);

}  // namespace dragnet
