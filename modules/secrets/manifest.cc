#include "modules/manifest.h"

#include <linux/capability.h>

namespace dragnet {

namespace {
// To read what the files' owners keep to themselves.
constexpr int kCapabilities[] = {CAP_DAC_READ_SEARCH};
// It reads files anywhere, as file does.
constexpr std::string_view kUses[] = {"file"};
}  // namespace

extern const ModuleManifest kSecretsManifest;
const ModuleManifest kSecretsManifest = {
    .name = "secrets",
    .summary = "Finds private keys, tokens and passwords that lie in files in clear text",
    .capabilities = kCapabilities,
    .network = NetworkAccess::kNone,
    .uses_powers_of = kUses,
};

}  // namespace dragnet
