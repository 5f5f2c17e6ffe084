#include "core/json.h"

#include <cstdio>

#include "core/text.h"

namespace dragnet {

std::string JsonString(std::string_view text) {
  std::string json = "\"";
  for (const char c : ToValidUtf8(text)) {
    if (c == '"' || c == '\\') {
      json.push_back('\\');
      json.push_back(c);
    } else if (static_cast<unsigned char>(c) < 0x20) {
      char escape[8];
      std::snprintf(escape, sizeof escape, "\\u%04x", c);
      json.append(escape);
    } else {
      json.push_back(c);
    }
  }
  json.push_back('"');
  return json;
}

std::string JsonObject(const std::map<std::string, std::string>& members) {
  std::string json = "{";
  for (const auto& [key, value] : members) {
    if (json.size() > 1) json.push_back(',');
    json.append(JsonString(key)).append(":").append(JsonString(value));
  }
  return json.append("}");
}

std::string JsonArray(const std::vector<std::string>& items) {
  std::string json = "[";
  for (const std::string& item : items) {
    if (json.size() > 1) json.push_back(',');
    json.append(JsonString(item));
  }
  return json.append("]");
}

}  // namespace dragnet
