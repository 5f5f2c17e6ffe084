// One run of the module.
#pragma once

#include "absl/status/status.h"
#include "modules/module.h"
#include "modules/persistence/params.h"

namespace dragnet::persistence {

// NotFound and the like when the root can't be opened.
absl::Status RunSearch(const Search& search, RunContext& context);

}  // namespace dragnet::persistence
