#include "modules/manifest.h"

#include <linux/capability.h>

namespace dragnet {

namespace {
// To follow links in paths whose directories others may not enter.
constexpr int kCapabilities[] = {CAP_DAC_READ_SEARCH};
}  // namespace

extern const ModuleManifest kMountsManifest;
const ModuleManifest kMountsManifest = {
    .name = "mounts",
    .summary = "Tells how file systems are mounted, with their options and what fstab says",
    .capabilities = kCapabilities,
    .network = NetworkAccess::kNone,
    .needs_running_system = true,
    .uses_powers_of = {},
};

}  // namespace dragnet
