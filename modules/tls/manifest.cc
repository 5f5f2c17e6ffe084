#include "modules/manifest.h"

namespace dragnet {

extern const ModuleManifest kTlsManifest;
const ModuleManifest kTlsManifest = {
    .name = "tls",
    .summary = "Probes TLS services: protocols, ciphers, certificates, and Mozilla's levels",
    .capabilities = {},
    .network = NetworkAccess::kHost,
    .needs_running_system = true,
    .uses_powers_of = {},
};

}  // namespace dragnet
