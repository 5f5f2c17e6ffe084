#include "modules/manifest.h"

namespace dragnet {

extern const ModuleManifest kTimedriftManifest;
const ModuleManifest kTimedriftManifest = {
    .name = "timedrift",
    .summary = "Tells how far the clock is off, by NTP servers and the host's time daemon",
    .capabilities = {},
    .network = NetworkAccess::kHost,
    .uses_powers_of = {},
};

}  // namespace dragnet
