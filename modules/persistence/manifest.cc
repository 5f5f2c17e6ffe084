#include "modules/manifest.h"

#include <linux/capability.h>

namespace dragnet {

namespace {
// Crontabs, homes and sudoers' kin are for their owners' eyes only.
constexpr int kCapabilities[] = {CAP_DAC_READ_SEARCH};
// It hashes files in homes and reads the lines of authorized_keys.
constexpr std::string_view kUses[] = {"file", "pkg", "sshkey"};
}  // namespace

extern const ModuleManifest kPersistenceManifest;
const ModuleManifest kPersistenceManifest = {
    .name = "persistence",
    .summary = "Lists what starts by itself or hooks into other programs, and the owning packages",
    .capabilities = kCapabilities,
    .network = NetworkAccess::kNone,
    .uses_powers_of = kUses,
};

}  // namespace dragnet
