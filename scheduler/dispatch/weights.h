// AuthorizationContext::weights_needed and OrderContext::weights_needed over the
// modules that this version knows.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "modules/manifest.h"

namespace dragnet::scheduler {

// The module itself and those whose powers it uses; empty for an unknown one.
inline std::vector<std::string> WeightsNeeded(std::string_view module) {
  const ModuleManifest* manifest = FindManifest(module);
  if (manifest == nullptr) return {};
  std::vector<std::string> modules = {std::string(module)};
  for (const std::string_view other : manifest->uses_powers_of) modules.emplace_back(other);
  return modules;
}

}  // namespace dragnet::scheduler
