// One run: namespaces and processes first, then the kernel's lists.
#pragma once

#include <vector>

#include "absl/status/status.h"
#include "modules/module.h"
#include "modules/netstat/search.h"

namespace dragnet::netstat {

struct RunOptions {
  // Whether the calling thread gives up CAP_SYS_ADMIN for good once it isn't
  // needed any more. Only tests, which go on after a run, don't.
  bool drop_privilege = true;
};

// What can't be looked at is noted in `context`. An error when nothing can be.
absl::Status RunSearches(const std::vector<Search>& searches, const RunOptions& options,
                         RunContext& context);

}  // namespace dragnet::netstat
