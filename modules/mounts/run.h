// Joins mounts with fstab and reports rows.
#pragma once

#include <set>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "modules/module.h"
#include "modules/mounts/mounts.pb.h"

namespace dragnet::mounts {

// Immutable and thread-safe once made.
struct Search {
  std::vector<std::string> paths;
  std::set<std::string> fs_types;
  bool no_kernel = false;
};

// InvalidArgument names the field and what to do.
absl::StatusOr<Search> CompileSearch(const v1::MountsParameters& parameters);

// Other files in tests.
struct Places {
  const char* mountinfo = "/proc/1/mountinfo";
  const char* fstab = "/etc/fstab";
};

// As Module::Run. Thread-safe.
void RunSearch(const Search& search, const Places& places, RunContext& context);

}  // namespace dragnet::mounts
