// Pieces of SARIF 2.1.0 (OASIS standard) that are the same for one machine's checks and
// for a sweep's. Thread-safe: no state.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>

#include "modules/check/check.pb.h"
#include "nlohmann/json.hpp"

namespace dragnet::console {

// note, warning or error, by a check's severity.
std::string_view SarifLevel(std::string_view severity);

// `line` from 1; 0: not known. Any bytes may be in `path`.
nlohmann::ordered_json SarifLocation(std::string_view path, uint64_t line);

// Text from a host, for a message: it makes neither placeholders nor links.
std::string SarifMessage(std::string_view text);

// A check as a rule.
nlohmann::ordered_json SarifRule(const check::v1::Check& check);

// The tool and its rules; without results.
nlohmann::ordered_json SarifTool(nlohmann::ordered_json rules);

// The whole document: whatever a terminal could obey is \u-escaped. Ends with a line's end.
std::string SarifDocument(nlohmann::ordered_json runs);

}  // namespace dragnet::console
