// The other way round of flags: an action's operation as the words that one would
// type for it. Thread-safe: no state.
#pragma once

#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "console/form/module_catalog.h"
#include "dragnet/v1/action.pb.h"

namespace dragnet::console {

// {"file", "--path", "/etc", …}: without target, limits and what else is the
// action's and not the operation's. Read back, these words give the very same
// parameters, or it is FailedPrecondition: several operations, a module that
// isn't here, parameters that no flags can say, large values.
absl::StatusOr<std::vector<std::string>> CommandWords(const v1::Action& action,
                                                      const ModuleCatalog& modules, absl::Time now);

}  // namespace dragnet::console
