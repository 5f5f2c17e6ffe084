// An installed file against what its package's database says of it. Thread-safe.
#pragma once

#include "modules/module.h"
#include "modules/pkg/package.h"
#include "modules/pkg/root.h"

namespace dragnet::pkg {

// Whether `file` is altered; the row's fields path to actual say how then. What
// can't be compared is noted.
bool IsAltered(const Root& root, const PackageFile& file, RunContext& context, v1::PkgRow* row);

}  // namespace dragnet::pkg
