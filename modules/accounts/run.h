// The search itself. Thread-safe: no state.
#pragma once

#include <cstdint>

#include "modules/accounts/params.h"
#include "modules/module.h"
#include "modules/pkg/root.h"

namespace dragnet::accounts {

// `now` in seconds since 1970.
void RunSearch(const Search& search, const pkg::Root& root, int64_t now, RunContext& context);

}  // namespace dragnet::accounts
