// The kernel's list of loaded modules (/proc/modules).
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "modules/persistence/finding.h"
#include "modules/persistence/host.h"

namespace dragnet::persistence {

struct LoadedModule {
  std::string_view name;
  std::vector<std::string> taints;
};

// Nothing for a line that isn't of its form.
std::optional<LoadedModule> ParseLoadedModule(std::string_view line);

// The module's name of a file, kernel/fs/xfs/xfs.ko.xz: - is _ in it. Empty when it
// isn't a module's.
std::string ModuleOfFile(std::string_view path);

// The modules of such a list, with their files beneath /lib/modules/RELEASE.
void AddLoadedModules(Host& host, Findings& findings, std::string_view list,
                      std::string_view release);

}  // namespace dragnet::persistence
