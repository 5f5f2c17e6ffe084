// The modules that this program was built with, handed to what needs them, so
// that tests can have modules of their own. Thread-safe: immutable.
#pragma once

#include <functional>
#include <span>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "console/form/documentation.h"
#include "console/form/form.h"
#include "dragnet/v1/action.pb.h"
#include "modules/module.h"

namespace dragnet {
class MigModule;
}

namespace dragnet::console {

struct ModuleCatalog {
  std::span<const Module* const> modules;
  // As ModuleDescriptorSet of modules/module.h.
  std::function<std::string_view(std::string_view name)> descriptor_set;
  // Those that know MIG's form (modules/mig.h).
  std::vector<const MigModule*> mig_modules = {};

  // Null when there is none of this name.
  const Module* Find(std::string_view name) const;
  // "no such module: ...; this version has: ..." when there is none.
  absl::StatusOr<const Module*> Require(std::string_view name) const;
  // By MIG's name; null when there is none.
  const MigModule* FindMig(std::string_view name) const;
  // The names of the modules whose weight an operation of `name` needs: itself
  // and those whose powers it uses. Empty when there is none of this name.
  std::vector<std::string> WeightsNeeded(std::string_view name) const;
  // Of all modules that the operation runs (modules/weights.h). Empty when one of
  // them isn't known here.
  std::vector<std::string> WeightsNeededBy(const v1::Operation& operation) const;
  absl::StatusOr<Documentation> DocumentationOf(const Module& module) const;
};

// A form of the module's parameters.
Form FormOf(const Module& module, const Documentation& documentation);

}  // namespace dragnet::console
