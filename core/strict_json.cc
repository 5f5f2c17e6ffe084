#include "core/strict_json.h"

#include <set>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "core/strings.h"
#include "core/text.h"

namespace dragnet {

using Json = nlohmann::ordered_json;

// Values of a JSON text nested deeper than this are refused: what reads the
// document afterwards may recurse.
constexpr int kMaxDepth = 64;

absl::StatusOr<Json> ParseStrictJson(std::string_view text) {
  std::vector<std::set<std::string>> seen;
  std::string twice;
  bool too_deep = false;
  const Json::parser_callback_t watch = [&](int depth, Json::parse_event_t event, Json& parsed) {
    if (depth > kMaxDepth) too_deep = true;
    if (event == Json::parse_event_t::object_start) seen.emplace_back();
    if (event == Json::parse_event_t::object_end && !seen.empty()) seen.pop_back();
    if (event == Json::parse_event_t::key && !seen.empty() &&
        !seen.back().insert(parsed.get<std::string>()).second) {
      twice = parsed.get<std::string>();
    }
    return !too_deep;
  };
  try {
    Json document = Json::parse(text, watch);
    if (too_deep) {
      return absl::InvalidArgumentError(StrCat("nested deeper than ", kMaxDepth, " levels"));
    }
    if (!twice.empty()) {
      return absl::InvalidArgumentError(StrCat("key \"", ForTerminal(twice), "\" comes twice"));
    }
    return document;
  } catch (const nlohmann::json::exception& error) {
    // "[json.exception.parse_error.101] parse error at line 3, column 7: …"
    std::string_view words = error.what();
    if (const size_t end = words.find("] "); end != std::string_view::npos) {
      words.remove_prefix(end + 2);
    }
    return absl::InvalidArgumentError(std::string(words));
  }
}

}  // namespace dragnet
