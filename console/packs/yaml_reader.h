// YAML from hostile hands, bounded. The part of YAML that is needed to write
// something down: no anchors, aliases, merge keys, tags and second documents.
// Thread-safe: no state.
#pragma once

#include <string>
#include <string_view>

#include "console/packs/problems.h"
#include "console/packs/yaml_node.h"

namespace dragnet::console {

inline constexpr size_t kMaxYamlBytes = 1024 * 1024;
inline constexpr size_t kMaxYamlNodes = 50'000;
inline constexpr size_t kMaxYamlDepth = 24;

// `file` is the name in errors. False, with at least one error, when there is no
// tree to go on with. A key that comes twice is an error, but leaves a tree (with
// the first).
bool ReadYaml(std::string_view text, std::string_view file, YamlNode* root, Problems* problems);

}  // namespace dragnet::console
