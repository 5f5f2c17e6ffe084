#include "modules/manifest.h"

#include <linux/capability.h>

namespace dragnet {

namespace {
// To read what the files' owners keep to themselves, without being able to
// change or own anything.
constexpr int kCapabilities[] = {CAP_DAC_READ_SEARCH};
constexpr std::string_view kMigNames[] = {"file", "yara"};
}  // namespace

extern const ModuleManifest kFileManifest;
const ModuleManifest kFileManifest = {
    .name = "file",
    .summary =
        "Finds files by path, name, owner, age, content, hash and YARA rules, in archives, too",
    .capabilities = kCapabilities,
    .network = NetworkAccess::kNone,
    .powers = {},
    .mig_names = kMigNames,
    .uses_powers_of = {},
};

}  // namespace dragnet
