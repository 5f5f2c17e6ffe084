// What a site package takes from the fleet: from the console's own configuration, or from a
// kit for hosts as `dragnet-scheduler init` makes it. Thread-safe: no state.
#pragma once

#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "console/client/config.h"
#include "console/package/site_config.h"
#include "core/trust_policy.h"

namespace dragnet::console {

// Fleet, pinned root keys, CA and schedulers of console.toml. No token. A scheduler that only
// this machine reaches is left out.
absl::StatusOr<SiteConfig> SiteOfConsole(const ConsoleConfig& config);

// The same of DIRECTORY/agent.toml, with tags and with the token, if its file is there.
// InvalidArgument for a kit with settings beyond what init writes.
absl::StatusOr<SiteConfig> SiteOfKit(const std::string& directory);

// Root keys and CA as `policy` has them, which `site`'s pinned keys verified: a host whose
// first policy comes after a rotation must pin the keys that sign now.
void TakePolicy(const TrustPolicy& policy, SiteConfig* site);

}  // namespace dragnet::console
