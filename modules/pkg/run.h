// One run of the module over all its roots.
#pragma once

#include "modules/module.h"
#include "modules/pkg/query.h"

namespace dragnet::pkg {

void RunQuery(const Query& query, RunContext& context);

}  // namespace dragnet::pkg
