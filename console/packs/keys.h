// Mappings with known keys, read strictly. Thread-safe: no state.
#pragma once

#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "console/packs/pack_keys.h"
#include "console/packs/problems.h"
#include "console/packs/yaml_node.h"

namespace dragnet::console {

// Reports unknown and missing keys. False when `node` is no mapping at all.
bool CheckKeysOf(const YamlNode& node, std::string_view path, std::span<const KeySpec> keys,
                 Problems* problems);

// The single value of a key; a node without text when there is none, or, with an
// error, something else.
YamlNode ScalarOf(const YamlNode& node, std::string_view key, std::string_view path,
                  Problems* problems);

// A single value or a list of them.
std::vector<YamlNode> TextsOf(const YamlNode& node, std::string_view key, std::string_view path,
                              Problems* problems);

// One of kSeverityWords; empty, with an error, for anything else.
std::string SeverityFrom(const YamlNode& node, std::string_view path, Problems* problems);

// "checks[0]" and "id" make "checks[0].id".
std::string Below(std::string_view path, std::string_view key);

}  // namespace dragnet::console
