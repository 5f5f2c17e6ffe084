// The checks of a pack as a person reads them before signing and afterwards. All of
// what is set is shown, made safe for a terminal. Thread-safe: no state.
#pragma once

#include <string>

#include "console/form/module_catalog.h"
#include "modules/check/check.pb.h"

namespace dragnet::console {

// "no row is found where value = 'yes'", raw.
std::string ExpectationWords(const check::v1::Expectation& expectation);

// In lines, indented by two.
std::string DescribeChecks(const check::v1::CheckParameters& pack, const ModuleCatalog& catalog);

}  // namespace dragnet::console
