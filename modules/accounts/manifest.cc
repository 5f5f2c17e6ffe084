#include "modules/manifest.h"

#include <linux/capability.h>

namespace dragnet {

namespace {
// /etc/shadow, sudoers, and the keys in homes that others can't enter.
constexpr int kCapabilities[] = {CAP_DAC_READ_SEARCH};
// It tells the same of authorized keys.
constexpr std::string_view kUses[] = {"sshkey"};
}  // namespace

extern const ModuleManifest kAccountsManifest;
const ModuleManifest kAccountsManifest = {
    .name = "accounts",
    .summary = "Finds accounts, groups, sudo rights, keys and sessions, and people who left",
    .capabilities = kCapabilities,
    .network = NetworkAccess::kNone,
    .uses_powers_of = kUses,
};

}  // namespace dragnet
