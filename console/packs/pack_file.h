// One file of a pack, before its includes are followed: YAML into checks.
// Thread-safe: no state.
#pragma once

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "console/packs/operation.h"
#include "console/packs/problems.h"
#include "console/packs/variables.h"
#include "console/packs/yaml_node.h"
#include "modules/check/check.pb.h"

namespace dragnet::console {

// Values for variables, from outside of the file.
struct VariableValues {
  // Of --set: the strongest. Values are plain text.
  const std::map<std::string, std::string>& set;
  // Names of `set` that a file had.
  std::map<std::string, bool>* set_used;
  // The including file's: mapping of names to values; null when there is none.
  const YamlNode* including = nullptr;
};

struct IncludeEntry {
  YamlNode file;
  std::vector<YamlNode> only;
  std::vector<YamlNode> except;
  YamlNode variables;
  // Mapping of ids to severities.
  YamlNode severity;
};

struct ReadCheck {
  check::v1::Check check;
  Place place;
};

struct PackFile {
  YamlNode id;
  YamlNode title;
  YamlNode version;
  std::vector<IncludeEntry> includes;
  std::vector<ReadCheck> checks;
};

// Reads `root`, the tree of a file, with everything in it that needs no other pack.
// What could be read comes back even where there were errors.
PackFile ReadPackFile(YamlNode root, const VariableValues& values, const OperationReader& reader,
                      ExpansionBudget* budget);

}  // namespace dragnet::console
