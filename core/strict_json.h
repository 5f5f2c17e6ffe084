// JSON that a person wrote, read strictly. Thread-safe: no state.
#pragma once

#include <string_view>

#include "absl/status/statusor.h"
#include "nlohmann/json.hpp"

namespace dragnet {

// InvalidArgument, with line and column, when `text` isn't JSON, or when a key
// comes twice in an object: parsers differ in which of the two they go by, and
// a signer who reads the one and signs the other is what must not happen.
absl::StatusOr<nlohmann::ordered_json> ParseStrictJson(std::string_view text);

}  // namespace dragnet
