#include "modules/manifest.h"

#include <linux/capability.h>

namespace dragnet {

namespace {
// Configuration may be readable by root alone.
constexpr int kCapabilities[] = {CAP_DAC_READ_SEARCH};
// It reads files anywhere, as file does.
constexpr std::string_view kUses[] = {"file"};
}  // namespace

extern const ModuleManifest kSettingsManifest;
const ModuleManifest kSettingsManifest = {
    .name = "settings",
    .summary = "Reads settings of sshd, systemd, PAM, apt and others, and which of them count",
    .capabilities = kCapabilities,
    .network = NetworkAccess::kNone,
    .uses_powers_of = kUses,
};

}  // namespace dragnet
