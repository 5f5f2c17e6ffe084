#include "modules/manifest.h"

#include <linux/capability.h>

namespace dragnet {

namespace {
// To read other users' processes, and the files in /proc that tell about them.
constexpr int kCapabilities[] = {CAP_SYS_PTRACE, CAP_DAC_READ_SEARCH};
}  // namespace

extern const ModuleManifest kProcessManifest;
const ModuleManifest kProcessManifest = {
    .name = "process",
    .summary = "Lists processes with their program, user, unit, privileges and restrictions",
    .capabilities = kCapabilities,
    .network = NetworkAccess::kNone,
    .powers = {.inspect_processes = true},
    .needs_running_system = true,
    .uses_powers_of = {},
};

}  // namespace dragnet
