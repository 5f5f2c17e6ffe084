// MIG's action files (syntaxversion 2), said as actions of Dragnet. Thread-safe:
// no state.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "console/form/module_catalog.h"
#include "dragnet/v1/action.pb.h"
#include "modules/blobs.h"

namespace dragnet::console {

struct MigAction {
  // Lacks what CompleteAction fills in.
  v1::Action action;
  // What was left out or understood in a way that the signer should know of.
  std::vector<std::string> notes;
};

// Strict: InvalidArgument names each key, module, operator or column that is
// unknown or has no counterpart, and what to write instead. Parameters become
// those of Dragnet's modules, one operation for each of MIG's. `target` is read
// only with `with_target` (without, the caller has another one). Large values go to
// `blobs`.
absl::StatusOr<MigAction> ActionFromMig(std::string_view json, const ModuleCatalog& modules,
                                        bool with_target, BlobContents* blobs);

}  // namespace dragnet::console
