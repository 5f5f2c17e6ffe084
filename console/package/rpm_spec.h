// The spec by which rpmbuild makes the site package of a vendor's .rpm. Thread-safe: no state.
#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "console/package/archive.h"
#include "console/package/site_config.h"

namespace dragnet::console {

// %install copies the directory `tree`, in which `files` lie; `added` are those of the site.
// InvalidArgument for what a spec of ours can't say: triggers, %ghost files, names with
// characters that a spec gives a meaning to.
absl::StatusOr<std::string> RpmSpec(const Package& vendor, const std::vector<PackageFile>& files,
                                    const std::vector<PackageFile>& added,
                                    const std::string& fleet_id, absl::Time made,
                                    const std::string& tree);

// "1.site20261129140000".
std::string RpmRelease(const Package& vendor, absl::Time made);

}  // namespace dragnet::console
