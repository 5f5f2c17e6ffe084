// What goes with an agent's identity, when the host is to have another one.
#pragma once

#include <string>

#include "absl/status/status.h"
#include "agent/monitor/upgrade/releases.h"

namespace dragnet {

// Removes, before the state forgets its id: keys and certificates, snapshots of the state,
// what restoring it set aside, and the mark that this host is being retired, which was the
// other identity's. An error: the key or the certificate is still there.
absl::Status RemoveBelongingsOfIdentity(const std::string& state_directory,
                                        ReleaseDirectory* releases);

}  // namespace dragnet
