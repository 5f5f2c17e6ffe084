// The two fields of a package.json that an inventory needs. Thread-safe.
#pragma once

#include <optional>
#include <string>
#include <string_view>

namespace dragnet::pkg {

struct NodePackage {
  std::string name;
  std::string version;
};

// Nothing when `text` isn't a JSON object. Fields that aren't strings are empty.
// Reads without building the document: nesting of any depth takes no memory.
std::optional<NodePackage> ParsePackageJson(std::string_view text);

}  // namespace dragnet::pkg
