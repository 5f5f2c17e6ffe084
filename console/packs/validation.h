// What a check means to the module that it uses, reported where it was written.
// Thread-safe: no state.
#pragma once

#include <string_view>

#include "console/form/module_catalog.h"
#include "console/packs/problems.h"
#include "console/packs/yaml_node.h"
#include "modules/check/check.pb.h"

namespace dragnet::console {

// As ValidateCheck (modules/check/validate.h) of a check that was read from `node`,
// but all that is wrong, not only the first.
void ValidateReadCheck(const YamlNode& node, std::string_view path, const ModuleCatalog& modules,
                       const check::v1::Check& check, Problems* problems);

}  // namespace dragnet::console
