// A module for tests: sample.proto as its parameters and rows. It runs nowhere.
#pragma once

#include "console/form/module_catalog.h"
#include "modules/module.h"

namespace dragnet::console::testing {

// Refuses a name that contains "(", as a module refuses a bad regex.
const Module& SampleModule();

// Only the sample module.
const ModuleCatalog& SampleCatalog();

}  // namespace dragnet::console::testing
