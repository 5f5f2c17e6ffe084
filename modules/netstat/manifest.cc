#include "modules/manifest.h"

#include <linux/capability.h>

namespace dragnet {

namespace {
// CAP_SYS_PTRACE and CAP_DAC_READ_SEARCH: descriptors, namespaces and executables
// of other users' processes. CAP_SYS_ADMIN: setns(2); given up before a byte that
// a socket's owner chose is looked at (modules/netstat/namespaces.h).
constexpr int kCapabilities[] = {CAP_SYS_PTRACE, CAP_DAC_READ_SEARCH, CAP_SYS_ADMIN};
constexpr std::string_view kMigNames[] = {"netstat"};
}  // namespace

extern const ModuleManifest kNetstatManifest;
const ModuleManifest kNetstatManifest = {
    .name = "netstat",
    .summary = "Finds sockets and their processes, neighbours, interfaces, addresses and routes",
    .capabilities = kCapabilities,
    .network = NetworkAccess::kHost,
    .powers = {.inspect_processes = true, .inspect_networks = true},
    .needs_running_system = true,
    .mig_names = kMigNames,
    .uses_powers_of = {},
};

}  // namespace dragnet
