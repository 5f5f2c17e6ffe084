#include "console/check/evidence.h"

#include "absl/strings/numbers.h"
#include "core/strict_json.h"
#include "core/strings.h"
#include "core/text.h"

namespace dragnet::console {
namespace {

using Json = nlohmann::ordered_json;

bool SaysNothing(const Json& value) {
  if (value.is_null()) return true;
  if (value.is_boolean()) return !value.get<bool>();
  if (value.is_number()) return value == 0;
  if (value.is_string()) return value.get_ref<const std::string&>().empty() || value == "0";
  return value.empty();
}

std::string Dump(const Json& value) {
  return value.dump(-1, ' ', false, Json::error_handler_t::replace);
}

// 64-bit numbers are texts in protobuf's JSON.
uint64_t LineNumber(const Json& value) {
  if (value.is_number_unsigned()) return value.get<uint64_t>();
  if (!value.is_string()) return 0;
  uint64_t number = 0;
  return absl::SimpleAtoi(value.get_ref<const std::string&>(), &number) ? number : 0;
}

}  // namespace

Json EvidenceJson(std::string_view row) {
  absl::StatusOr<Json> parsed = ParseStrictJson(row);
  if (parsed.ok() && parsed->is_object()) return *std::move(parsed);
  return ToValidUtf8(row);
}

std::string EvidenceLine(std::string_view row, size_t max_bytes) {
  const Json json = EvidenceJson(row);
  if (!json.is_object()) return Shorten(ForTerminal(row), max_bytes);
  std::string line;
  for (const auto& [key, value] : json.items()) {
    if (SaysNothing(value)) continue;
    StrAppend(&line, line.empty() ? "" : " ", key, "=",
              value.is_string() ? value.get<std::string>() : Dump(value));
  }
  return Shorten(ForTerminal(line), max_bytes);
}

std::optional<EvidencePlace> PlaceOf(std::string_view row) {
  const Json json = EvidenceJson(row);
  if (!json.is_object()) return std::nullopt;
  const auto path = json.find("path");
  if (path == json.end() || !path->is_string() || SaysNothing(*path)) return std::nullopt;
  EvidencePlace place{.path = path->get<std::string>()};
  if (const auto line = json.find("line"); line != json.end()) place.line = LineNumber(*line);
  const auto lines = json.find("lines");
  if (place.line == 0 && lines != json.end() && lines->is_array() && !lines->empty() &&
      lines->front().is_object() && lines->front().contains("number")) {
    place.line = LineNumber(lines->front()["number"]);
  }
  return place;
}

}  // namespace dragnet::console
