// Runs compiled searches over this host's file systems.
#pragma once

#include "absl/time/time.h"
#include "modules/file/search.h"
#include "modules/file/walk.h"
#include "modules/module.h"

namespace dragnet::file {

// Reports all that there is to `context`. Ages of files count back from `now`.
void RunSearches(const CompiledSearches& searches, absl::Time now, RunContext& context,
                 const WalkOptions& options = {});

}  // namespace dragnet::file
