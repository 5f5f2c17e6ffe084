// Rows of evidence: JSON objects, if the host tells the truth. Thread-safe: no state.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "nlohmann/json.hpp"

namespace dragnet::console {

// The object, or, for anything else, the text itself as a JSON string.
nlohmann::ordered_json EvidenceJson(std::string_view row);

// "path=/etc/passwd size=3 owner={"name":"root"}": what says something (not 0, false,
// empty), in one line that is fit for a terminal, of at most about `max_bytes`.
std::string EvidenceLine(std::string_view row, size_t max_bytes);

struct EvidencePlace {
  std::string path;
  // From 1; 0: not known.
  uint64_t line = 0;
};
// Of rows that are about a file: `path` and `line`, or the first of `lines`.
std::optional<EvidencePlace> PlaceOf(std::string_view row);

}  // namespace dragnet::console
