#include "modules/manifest.h"

#include <linux/capability.h>

namespace dragnet {

namespace {
// CAP_NET_ADMIN: the kernel tells its rules to nobody else; given up before they are
// read (modules/firewall/dump.h). CAP_DAC_READ_SEARCH: /proc/net/ip_tables_names.
constexpr int kCapabilities[] = {CAP_NET_ADMIN, CAP_DAC_READ_SEARCH};
}  // namespace

extern const ModuleManifest kFirewallManifest;
const ModuleManifest kFirewallManifest = {
    .name = "firewall",
    .summary = "Reads the firewall's rules, or what they leave reachable that should not be",
    .capabilities = kCapabilities,
    .network = NetworkAccess::kHost,
    .powers = {.inspect_firewall = true},
    .needs_running_system = true,
    .uses_powers_of = {},
};

}  // namespace dragnet
