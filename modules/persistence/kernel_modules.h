// The kernel's list of loaded modules (/proc/modules). Thread-safe: no state.
#pragma once

#include <optional>
#include <string>
#include <string_view>
#include <vector>

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

}  // namespace dragnet::persistence
