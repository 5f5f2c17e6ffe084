// A pack as `dragnet sweep add` takes it. Thread-safe: no state.
#pragma once

#include <map>
#include <string>

#include "absl/status/statusor.h"
#include "console/cli/session.h"
#include "modules/check/check.pb.h"

namespace dragnet::console {

// `word`: a file, or the name of a pack that is shipped. `set`: values for the pack's variables;
// InvalidArgument for one that the pack doesn't have. Warnings are said, errors name file, line and
// column.
absl::StatusOr<check::v1::CheckParameters> LoadSweepPack(
    const std::string& word, const std::map<std::string, std::string>& set, Session& session);

}  // namespace dragnet::console
