// ${name} in the values of a document. Not thread-safe.
#pragma once

#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "console/packs/problems.h"
#include "console/packs/yaml_node.h"

namespace dragnet::console {

// What all files of a pack may grow to by their variables: small values that are
// used often must not fill the memory.
struct ExpansionBudget {
  size_t nodes = 200'000;
  size_t bytes = 8 * 1024 * 1024;
};

// Variables of one file.
class Variables {
 public:
  explicit Variables(ExpansionBudget* budget) : budget_(budget) {}

  // `value` is a scalar or a list of scalars.
  void Define(const std::string& name, YamlNode value, const Place& declared);

  // Counts as used. Nothing for a name that wasn't defined.
  const YamlNode* ValueOf(std::string_view name);
  std::vector<std::string> Names() const;

  // Replaces in the node and all beneath, not in keys. A value that is nothing but
  // ${name} becomes the variable's, of its type; it keeps its place. Reports what is
  // undefined.
  void Substitute(std::string_view path, YamlNode* node, Problems* problems);

  // Declared, and replaced nothing.
  std::vector<std::pair<std::string, Place>> Unused() const;

 private:
  struct Variable {
    YamlNode value;
    Place declared;
    bool used = false;
  };

  Variable* Find(std::string_view name, std::string_view path, const Place& place,
                 Problems* problems);
  void SubstituteScalar(std::string_view path, YamlNode* node, Problems* problems);
  bool Take(size_t nodes, size_t bytes, std::string_view path, const Place& place,
            Problems* problems);

  ExpansionBudget* const budget_;
  std::map<std::string, Variable, std::less<>> variables_;
};

// A letter or _, then letters, digits and _; at most 64.
bool IsVariableName(std::string_view name);

}  // namespace dragnet::console
