// Reads /proc/sys and the files, and reports rows.
#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "modules/module.h"
#include "modules/pkg/root.h"
#include "modules/sysctl/sysctl.pb.h"

namespace dragnet::sysctl {

// Immutable and thread-safe once made.
struct Search {
  // As paths beneath /proc/sys.
  std::vector<std::string> patterns;
  bool only_configured = false;
  bool only_differing = false;

  bool Wants(std::string_view path) const;
};

// InvalidArgument names the field and what to do.
absl::StatusOr<Search> CompileSearch(const v1::SysctlParameters& parameters);

// As Module::Run, of the system at `root`. Thread-safe.
void RunSearch(const Search& search, const pkg::Root& root, RunContext& context);

}  // namespace dragnet::sysctl
