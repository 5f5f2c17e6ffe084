#include "modules/manifest.h"

namespace dragnet {

// The monitor does it: a worker could not change what the agent is. What may be put in
// place is signed besides (core/release.h).
extern const ModuleManifest kUpgradeManifest;
const ModuleManifest kUpgradeManifest = {
    .name = "upgrade",
    .summary = "Puts another version of the agent in place, tries it, and goes back when it fails",
    .capabilities = {},
    .network = NetworkAccess::kNone,
    .run_by_monitor = true,
    .mig_names = {},
    .uses_powers_of = {},
};

}  // namespace dragnet
