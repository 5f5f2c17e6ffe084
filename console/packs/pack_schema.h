// What a pack may look like, for editors. Thread-safe: no state.
#pragma once

#include <string>

#include "absl/status/statusor.h"
#include "console/form/module_catalog.h"

namespace dragnet::console {

// JSON Schema, draft 2020-12, of packs that use these modules; several lines. From the
// tables that packs are read by (pack_keys.h) and the modules' own .proto files.
absl::StatusOr<std::string> PackSchema(const ModuleCatalog& modules);

}  // namespace dragnet::console
