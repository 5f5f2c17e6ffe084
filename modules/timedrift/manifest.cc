#include "modules/manifest.h"

namespace dragnet {

namespace {
constexpr std::string_view kMigNames[] = {"timedrift"};
}  // namespace

extern const ModuleManifest kTimedriftManifest;
const ModuleManifest kTimedriftManifest = {
    .name = "timedrift",
    .summary = "Tells how far the clock is off, by NTP servers and the host's time daemon",
    .capabilities = {},
    .network = NetworkAccess::kHost,
    .needs_running_system = true,
    .mig_names = kMigNames,
    .uses_powers_of = {},
};

}  // namespace dragnet
