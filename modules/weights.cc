#include "modules/weights.h"

#include <algorithm>

#include "core/action.h"
#include "core/strict_proto.h"
#include "modules/check/check.pb.h"
#include "modules/manifest.h"

namespace dragnet {
namespace {

void AddOnce(std::string_view name, std::vector<std::string>* names) {
  if (std::find(names->begin(), names->end(), name) == names->end()) names->emplace_back(name);
}

}  // namespace

std::vector<std::string> ModulesRun(const v1::Operation& operation) {
  if (operation.module() != kCheckModule) return {operation.module()};
  check::v1::CheckParameters parameters;
  if (!ParseStrict(operation.parameters(), kMaxParameterBytes, &parameters).ok()) return {};
  std::vector<std::string> modules;
  for (const check::v1::Check& check : parameters.checks()) {
    if (check.module() == kCheckModule) return {};
    AddOnce(check.module(), &modules);
  }
  return modules;
}

std::vector<std::string> ModulesRun(const v1::Action& action) {
  std::vector<std::string> modules;
  for (const v1::Operation& operation : action.operations()) {
    for (const std::string& module : ModulesRun(operation)) AddOnce(module, &modules);
  }
  return modules;
}

std::vector<std::string> WeightsNeeded(std::string_view module) {
  const ModuleManifest* manifest = FindManifest(module);
  if (manifest == nullptr) return {};
  std::vector<std::string> modules = {std::string(module)};
  for (const std::string_view used : manifest->uses_powers_of) modules.emplace_back(used);
  return modules;
}

std::vector<std::string> WeightsNeededBy(const v1::Operation& operation) {
  std::vector<std::string> all;
  for (const std::string& module : ModulesRun(operation)) {
    const std::vector<std::string> needed = WeightsNeeded(module);
    if (needed.empty()) return {};
    for (const std::string& name : needed) AddOnce(name, &all);
  }
  return all;
}

}  // namespace dragnet
