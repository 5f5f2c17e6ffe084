#include "modules/manifest.h"

namespace dragnet {

// The monitor does it: the identity and the state are hidden from workers.
extern const ModuleManifest kRetireManifest;
const ModuleManifest kRetireManifest = {
    .name = "retire",
    .summary = "Takes the host out of the fleet: the agent destroys its identity and stops",
    .capabilities = {},
    .network = NetworkAccess::kNone,
    .run_by_monitor = true,
    .mig_names = {},
    .uses_powers_of = {},
};

}  // namespace dragnet
