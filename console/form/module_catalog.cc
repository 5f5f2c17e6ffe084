#include "console/form/module_catalog.h"

#include <set>

#include "absl/strings/str_join.h"
#include "core/strings.h"
#include "modules/mig.h"
#include "modules/weights.h"

namespace dragnet::console {

const Module* ModuleCatalog::Find(std::string_view name) const {
  for (const Module* module : modules)
    if (module->manifest().name == name) return module;
  return nullptr;
}

absl::StatusOr<const Module*> ModuleCatalog::Require(std::string_view name) const {
  const Module* module = Find(name);
  if (module != nullptr) return module;
  std::vector<std::string> names;
  for (const Module* known : modules) names.emplace_back(known->manifest().name);
  return absl::InvalidArgumentError(
      StrCat("module \"", name, "\": this version has only: ", absl::StrJoin(names, ", ")));
}

const MigModule* ModuleCatalog::FindMig(std::string_view name) const {
  for (const MigModule* module : mig_modules)
    if (module->name() == name) return module;
  return nullptr;
}

std::vector<std::string> ModuleCatalog::WeightsNeeded(std::string_view name) const {
  const Module* module = Find(name);
  if (module == nullptr) return {};
  std::vector<std::string> names = {std::string(name)};
  for (const std::string_view used : module->manifest().uses_powers_of) names.emplace_back(used);
  return names;
}

std::vector<std::string> ModuleCatalog::WeightsNeededBy(const v1::Operation& operation) const {
  std::set<std::string> all;
  for (const std::string& module : ModulesRun(operation)) {
    const std::vector<std::string> needed = WeightsNeeded(module);
    if (needed.empty()) return {};
    all.insert(needed.begin(), needed.end());
  }
  return {all.begin(), all.end()};
}

absl::StatusOr<Documentation> ModuleCatalog::DocumentationOf(const Module& module) const {
  return Documentation::FromDescriptorSet(descriptor_set(module.manifest().name));
}

Form FormOf(const Module& module, const Documentation& documentation) {
  return Form::Of(module.NewParameters()->GetDescriptor(), documentation);
}

}  // namespace dragnet::console
