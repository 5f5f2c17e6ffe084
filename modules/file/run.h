// Runs compiled searches over this host's file systems, with several threads.
//
// Each thread walks a part of the tree of its own. When another one has nothing
// to do, it hands over a subdirectory that it has just opened, or a file that is
// to be read; large files are handed over whenever there is room for them, so
// that the walk goes on. All tables of the searches are shared and immutable.
#pragma once

#include <cstddef>

#include "absl/time/time.h"
#include "modules/file/search.h"
#include "modules/file/walk.h"
#include "modules/module.h"

namespace dragnet::file {

// Reports all that there is to `context`. Ages of files count back from `now`.
void RunSearches(const CompiledSearches& searches, absl::Time now, RunContext& context,
                 size_t threads, const WalkOptions& options = {});

// How many threads there are by default: one for each processor, at most four.
size_t DefaultThreads();

}  // namespace dragnet::file
