#include "modules/manifest.h"

namespace dragnet {

// It runs nothing itself: each check has the walls of its own module, and its weight
// (modules/weights.h).
extern const ModuleManifest kCheckManifest;
const ModuleManifest kCheckManifest = {
    .name = "check",
    .summary = "Runs checks: operations of other modules, with what is expected of their rows",
    .capabilities = {},
    .network = NetworkAccess::kNone,
    .mig_names = {},
    .uses_powers_of = {},
};

}  // namespace dragnet
