#include "modules/manifest.h"

#include <linux/capability.h>

namespace dragnet {

namespace {
// To read other users' processes, and the files in /proc that tell about them.
constexpr int kCapabilities[] = {CAP_SYS_PTRACE, CAP_DAC_READ_SEARCH};
constexpr std::string_view kMigNames[] = {"memory"};
}  // namespace

extern const ModuleManifest kMemoryManifest;
const ModuleManifest kMemoryManifest = {
    .name = "memory",
    .summary = "Finds processes by name, user, libraries and what is in their memory",
    .capabilities = kCapabilities,
    .network = NetworkAccess::kNone,
    .powers = {.inspect_processes = true},
    .needs_running_system = true,
    .mig_names = kMigNames,
    .uses_powers_of = {},
};

}  // namespace dragnet
