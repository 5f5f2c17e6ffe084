// Packages of languages, which no package manager knows of: found by walking
// directories. Thread-safe: no state.
#pragma once

#include <string>
#include <vector>

#include "modules/pkg/package.h"

namespace dragnet::pkg {

struct EcosystemSearch {
  bool python = false;
  bool node = false;
  bool go = false;
  // Directories, seen from the root.
  const std::vector<std::string>& paths;
};

// False when the sink wants no more.
bool SearchEcosystems(const EcosystemSearch& search, const Reading& reading);

}  // namespace dragnet::pkg
