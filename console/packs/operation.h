// The operation of a check, out of the two forms in which a pack has it.
// Thread-safe: no state.
#pragma once

#include <string_view>

#include "absl/time/time.h"
#include "console/form/module_catalog.h"
#include "console/packs/message_from_yaml.h"
#include "console/packs/problems.h"
#include "console/packs/yaml_node.h"
#include "modules/check/check.pb.h"

namespace dragnet::console {

struct OperationReader {
  const ModuleCatalog& modules;
  // What relative times in a command count from.
  absl::Time now;
  NamedFileReader read_file;
  Problems* problems;

  // `module: NAME` and `parameters:`, which may be missing (null). Sets the check's
  // module and parameters; false with errors. `path` is the check's.
  bool FromParameters(const YamlNode& module, const YamlNode* parameters, std::string_view path,
                      check::v1::Check* check) const;

  // `command: file --path /etc`.
  bool FromCommand(const YamlNode& command, std::string_view path, check::v1::Check* check) const;
};

}  // namespace dragnet::console
