#include "modules/manifest.h"

#include <linux/capability.h>

namespace dragnet {

namespace {
constexpr int kCapabilities[] = {CAP_DAC_READ_SEARCH};
}  // namespace

extern const ModuleManifest kSysctlManifest;
const ModuleManifest kSysctlManifest = {
    .name = "sysctl",
    .summary = "Reads the kernel's running settings, beside what files configure",
    .capabilities = kCapabilities,
    // /proc/sys/net shows the namespace that its reader stands in.
    .network = NetworkAccess::kHostWithoutSockets,
    .needs_running_system = true,
    .uses_powers_of = {},
};

}  // namespace dragnet
