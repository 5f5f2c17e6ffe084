// Writes the two JSON shapes that facts need. Everything else goes through
// protobuf's or nlohmann's JSON; this keeps both out of the monitor.
// Thread-safe: no state.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

namespace dragnet {

// RFC 8259 string, quotes included; invalid UTF-8 becomes U+FFFD.
std::string JsonString(std::string_view text);
// Keys in order, so equal maps give equal text.
std::string JsonObject(const std::map<std::string, std::string>& members);
std::string JsonArray(const std::vector<std::string>& items);

}  // namespace dragnet
