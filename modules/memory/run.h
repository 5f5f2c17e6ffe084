// Runs compiled searches over this host's processes.
#pragma once

#include "absl/status/status.h"
#include "modules/memory/search.h"
#include "modules/module.h"

namespace dragnet::memory {

// Reports all that there is to `context`. An error means that no process could
// be looked at.
absl::Status RunSearches(const CompiledSearches& searches, RunContext& context);

}  // namespace dragnet::memory
