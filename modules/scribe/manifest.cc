#include "modules/manifest.h"

#include <linux/capability.h>

namespace dragnet {

namespace {
// As file and pkg, which do the looking.
constexpr int kCapabilities[] = {CAP_DAC_READ_SEARCH};
constexpr std::string_view kMigNames[] = {"scribe"};
constexpr std::string_view kUses[] = {"file", "pkg"};
}  // namespace

extern const ModuleManifest kScribeManifest;
const ModuleManifest kScribeManifest = {
    .name = "scribe",
    .summary = "Evaluates scribe documents: checks of files and package versions",
    .capabilities = kCapabilities,
    .network = NetworkAccess::kNone,
    .powers = {},
    .mig_names = kMigNames,
    .uses_powers_of = kUses,
};

}  // namespace dragnet
