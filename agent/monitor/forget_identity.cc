#include "agent/monitor/forget_identity.h"

#include "agent/monitor/retirement.h"
#include "agent/monitor/upgrade/restore.h"
#include "core/status_macros.h"

namespace dragnet {

absl::Status RemoveBelongingsOfIdentity(const std::string& state_directory,
                                        ReleaseDirectory* releases) {
  DRAGNET_RETURN_IF_ERROR(RemoveTlsIdentity(state_directory));
  releases->RemoveSnapshotsFrom(0);
  RemoveSetAside(state_directory + "/agent.db");
  return ForgetRetiring(state_directory);
}

}  // namespace dragnet
