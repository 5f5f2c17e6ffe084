#include "modules/manifest.h"

#include <linux/capability.h>

namespace dragnet {

namespace {
// For ICMP where the kernel lets nobody have ping sockets (ping_group_range).
constexpr int kCapabilities[] = {CAP_NET_RAW};
constexpr std::string_view kMigNames[] = {"ping"};
}  // namespace

extern const ModuleManifest kPingManifest;
const ModuleManifest kPingManifest = {
    .name = "ping",
    .summary = "Tells whether a destination answers by ICMP, TCP or UDP, and how fast",
    .capabilities = kCapabilities,
    .network = NetworkAccess::kHost,
    .powers = {.icmp_sockets = true},
    .needs_running_system = true,
    .mig_names = kMigNames,
    .uses_powers_of = {},
};

}  // namespace dragnet
