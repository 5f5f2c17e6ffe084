#include "modules/events/document.h"

#include <utility>

#include "absl/strings/str_split.h"
#include "core/safe_json.h"
#include "core/strings.h"

namespace dragnet::events {

Document::Node& Document::At(std::string_view name) {
  Node* node = &root_;
  for (const auto part : absl::StrSplit(ToAbsl(name), '.'))
    node = &node->members[std::string(ToStd(part))];
  return *node;
}

void Document::SetJson(std::string_view name, std::string json) { At(name).json = std::move(json); }

void Document::SetText(std::string_view name, std::string_view text) {
  if (!text.empty()) SetJson(name, SafeJsonString(text));
}

void Document::SetNumber(std::string_view name, int64_t number) { SetJson(name, StrCat(number)); }

void Document::SetUnsigned(std::string_view name, uint64_t number) {
  SetJson(name, StrCat(number));
}

void Document::SetTime(std::string_view name, absl::Time time) {
  SetJson(name, StrCat("\"", absl::FormatTime("%Y-%m-%d%ET%H:%M:%E3SZ", time, absl::UTCTimeZone()),
                       "\""));
}

void Document::AddText(std::string_view name, std::string_view text) {
  if (text.empty()) return;
  Node& node = At(name);
  node.array = true;
  const std::string item = SafeJsonString(text);
  // Quotes inside of an item are escaped, so that this finds whole items only.
  if (StrCat(",", node.json, ",").find(StrCat(",", item, ",")) != std::string::npos) return;
  StrAppend(&node.json, node.json.empty() ? "" : ",", item);
}

void Document::Append(const Node& node, std::string* json) {
  if (node.array) {
    StrAppend(json, "[", node.json, "]");
    return;
  }
  if (node.members.empty()) {
    json->append(node.json);
    return;
  }
  json->push_back('{');
  bool first = true;
  for (const auto& [name, member] : node.members) {
    if (!first) json->push_back(',');
    first = false;
    StrAppend(json, SafeJsonString(name), ":");
    Append(member, json);
  }
  json->push_back('}');
}

std::string Document::Take() const {
  std::string json;
  Append(root_, &json);
  return json;
}

}  // namespace dragnet::events
