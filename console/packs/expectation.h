// `expect:` of a check. Thread-safe: no state.
#pragma once

#include <string_view>

#include "console/packs/problems.h"
#include "console/packs/yaml_node.h"
#include "modules/check/check.pb.h"

namespace dragnet::console {

// Conditions over rows are not looked at (they need the module). False with errors.
bool ExpectationFrom(const YamlNode& node, std::string_view path,
                     check::v1::Expectation* expectation, Problems* problems);

// The condition in it, where there is one: for errors about it.
const YamlNode* WhereOf(const YamlNode& expect);

}  // namespace dragnet::console
