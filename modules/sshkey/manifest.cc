#include "modules/manifest.h"

#include <linux/capability.h>

namespace dragnet {

namespace {
// To read what the files' owners keep to themselves.
constexpr int kCapabilities[] = {CAP_DAC_READ_SEARCH};
// It reads files anywhere, as file does.
constexpr std::string_view kUses[] = {"file"};
constexpr std::string_view kMigNames[] = {"sshkey"};
}  // namespace

extern const ModuleManifest kSshkeyManifest;
const ModuleManifest kSshkeyManifest = {
    .name = "sshkey",
    .summary = "Finds SSH keys, certificates and authorized keys by fingerprint, kind and strength",
    .capabilities = kCapabilities,
    .network = NetworkAccess::kNone,
    .mig_names = kMigNames,
    .uses_powers_of = kUses,
};

}  // namespace dragnet
