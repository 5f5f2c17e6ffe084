// A YAML document as a tree in which every value knows where it was written.
// Thread-safe as far as values are.
#pragma once

#include <memory>
#include <string>
#include <string_view>
#include <vector>

namespace dragnet::console {

struct Place {
  // As errors name it. Null: nowhere.
  std::shared_ptr<const std::string> file = nullptr;
  // From 1; 0 when the place is the whole file. Columns are characters.
  int line = 0;
  int column = 0;

  // "pack.yaml:12:5"
  std::string ToString() const;
};

struct YamlNode {
  enum class Kind {
    // Nothing, or ~, or null.
    kNull,
    // Without quotes: may be a number, or true, or false.
    kPlain,
    // With quotes, or a block: text, whatever it looks like.
    kText,
    kList,
    kMapping,
  };
  Kind kind = Kind::kNull;
  // Of kPlain and kText.
  std::string text{};
  Place place{};
  // Of kMapping: scalars, as many as `items`, all different.
  std::vector<YamlNode> keys{};
  // Of kList, and the values of kMapping.
  std::vector<YamlNode> items{};

  bool is_null() const { return kind == Kind::kNull; }
  bool is_scalar() const { return kind == Kind::kPlain || kind == Kind::kText; }
  bool is_list() const { return kind == Kind::kList; }
  bool is_mapping() const { return kind == Kind::kMapping; }
  // The value of a key; null when there is none, or this is no mapping.
  const YamlNode* Find(std::string_view key) const;
  // "a text", "a list": for errors.
  std::string_view KindName() const;
};

// A text that stands where `place` says.
YamlNode TextNode(std::string text, const Place& place);

}  // namespace dragnet::console
