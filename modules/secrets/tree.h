// The files to look at, and the rows of what is in them. Thread-safe: no state.
#pragma once

#include "modules/module.h"
#include "modules/secrets/params.h"

namespace dragnet::secrets {

void SearchTrees(const Search& search, RunContext& context, size_t threads);

}  // namespace dragnet::secrets
