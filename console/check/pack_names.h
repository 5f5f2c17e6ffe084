// The packs that come with Dragnet, by name. Thread-safe: no state.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "console/client/config.h"

namespace dragnet::console {

// $DRAGNET_PACKS, else share/dragnet/packs beside the directory of this program, else, of
// a build directory, the packs of its sources. NotFound when none of them is there.
absl::StatusOr<std::string> ShippedPackDirectory(const Environment& environment);

// Their names, in order, without .yaml.
absl::StatusOr<std::vector<std::string>> ShippedPacks(const std::string& directory);

// The file that a word of the command line means: a name without slash and suffix
// is a pack that is shipped; anything else is the file itself.
absl::StatusOr<std::string> PackPath(const std::string& word, const Environment& environment);

}  // namespace dragnet::console
