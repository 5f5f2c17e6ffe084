#include "console/packs/yaml_node.h"

#include <utility>

#include "core/strings.h"

namespace dragnet::console {

std::string Place::ToString() const {
  const std::string name = file == nullptr ? "" : *file;
  return line == 0 ? name : StrCat(name, ":", line, ":", column);
}

const YamlNode* YamlNode::Find(std::string_view key) const {
  for (size_t i = 0; i < keys.size(); ++i)
    if (keys[i].text == key) return &items[i];
  return nullptr;
}

std::string_view YamlNode::KindName() const {
  switch (kind) {
    case Kind::kNull:
      return "nothing";
    case Kind::kPlain:
    case Kind::kText:
      return "a single value";
    case Kind::kList:
      return "a list";
    case Kind::kMapping:
      return "a mapping";
  }
  return "";
}

YamlNode TextNode(std::string text, const Place& place) {
  return {.kind = YamlNode::Kind::kText, .text = std::move(text), .place = place};
}

}  // namespace dragnet::console
