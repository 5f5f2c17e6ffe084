// Which machine this is, so that an agent notices that its disk was copied to another
// one. Only digests: what a mainboard or an installation is called is nobody's business.
// Thread-safe: no state.
#pragma once

#include <string>
#include <string_view>

namespace dragnet {

// As lines of "<kind>:<SHA-256, hex>": `dmi`, of the mainboard's or virtual machine's
// product UUID, and `machine-id`, of machine-id(5). What can't be read, or is one of the
// values that makers leave in place of a UUID, isn't there.
std::string CollectHostFingerprint();

// Of these texts, as the files have them. The same for both byte orders in which kernels
// print a product UUID.
std::string HostFingerprintOf(std::string_view product_uuid, std::string_view machine_id);

// Whether `stored` is of another machine than `now`: by the UUID, where both have it,
// else by the machine-id. Never on what only one of them has.
bool IsAnotherHost(std::string_view stored, std::string_view now);

}  // namespace dragnet
