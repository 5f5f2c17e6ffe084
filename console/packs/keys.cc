#include "console/packs/keys.h"

#include <algorithm>

#include "absl/strings/str_join.h"
#include "core/strings.h"
#include "core/text.h"

namespace dragnet::console {

std::string Below(std::string_view path, std::string_view key) {
  return path.empty() ? std::string(key) : StrCat(path, ".", key);
}

bool CheckKeysOf(const YamlNode& node, std::string_view path, std::span<const KeySpec> keys,
                 Problems* problems) {
  std::vector<std::string> names;
  for (const KeySpec& key : keys) names.emplace_back(key.name);
  if (!node.is_mapping()) {
    problems->Error(node.place, path,
                    StrCat("must be a mapping of ", absl::StrJoin(names, ", "), ", not ",
                           node.KindName()));
    return false;
  }
  for (const YamlNode& key : node.keys) {
    if (std::find(names.begin(), names.end(), key.text) != names.end()) continue;
    const std::string meant = DidYouMean(key.text, names);
    problems->Error(
        key.place, Below(path, Shorten(key.text, 100)),
        StrCat("unknown key", meant.empty() ? "; allowed: " + absl::StrJoin(names, ", ") : meant));
  }
  for (const KeySpec& key : keys) {
    if (key.required && node.Find(key.name) == nullptr) {
      problems->Error(node.place, path, StrCat("the key ", key.name, " is missing"));
    }
  }
  return true;
}

YamlNode ScalarOf(const YamlNode& node, std::string_view key, std::string_view path,
                  Problems* problems) {
  const YamlNode* value = node.Find(key);
  if (value == nullptr) return {.place = node.place};
  if (value->is_scalar()) return *value;
  problems->Error(value->place, Below(path, key),
                  StrCat("must be a single value, not ", value->KindName()));
  return {.place = value->place};
}

std::vector<YamlNode> TextsOf(const YamlNode& node, std::string_view key, std::string_view path,
                              Problems* problems) {
  const YamlNode* value = node.Find(key);
  if (value == nullptr) return {};
  if (value->is_scalar()) return {*value};
  const bool texts = value->is_list() &&
                     std::all_of(value->items.begin(), value->items.end(),
                                 [](const YamlNode& item) { return item.is_scalar(); });
  if (texts) return value->items;
  problems->Error(value->place, Below(path, key), "must be a single value or a list of such");
  return {};
}

std::string SeverityFrom(const YamlNode& node, std::string_view path, Problems* problems) {
  const std::vector<std::string> words(kSeverityWords.begin(), kSeverityWords.end());
  if (node.is_scalar() && std::find(words.begin(), words.end(), node.text) != words.end()) {
    return node.text;
  }
  problems->Error(node.place, path,
                  StrCat("\"", Shorten(node.text, 100), "\" is not one of: ",
                         absl::StrJoin(words, ", "), DidYouMean(node.text, words)));
  return "";
}

}  // namespace dragnet::console
