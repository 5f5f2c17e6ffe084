#include "modules/manifest.h"

#include <linux/capability.h>

namespace dragnet {

namespace {
// Databases and packaged programs that only root may read.
constexpr int kCapabilities[] = {CAP_DAC_READ_SEARCH};
}  // namespace

extern const ModuleManifest kPkgManifest;
const ModuleManifest kPkgManifest = {
    .name = "pkg",
    .summary = "Finds installed packages by name, version and files, and altered files of packages",
    .capabilities = kCapabilities,
    .network = NetworkAccess::kNone,
    .uses_powers_of = {},
};

}  // namespace dragnet
