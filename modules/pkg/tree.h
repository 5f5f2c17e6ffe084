// A walk over directories of a root, for what lies around in them. Never follows
// a symbolic link, never leaves the root, doesn't enter pseudo and network file
// systems. Thread-safe: no state.
#pragma once

#include <functional>
#include <string>
#include <string_view>

#include "modules/module.h"
#include "modules/pkg/root.h"

namespace dragnet::pkg {

struct TreeEntry {
  // The directory that it is in, and its name in it.
  int dir_fd;
  const std::string& directory;
  std::string_view name;
  // DT_REG, DT_DIR…, as readdir(3) says; never DT_UNKNOWN.
  unsigned char type;
};

enum class TreeStep { kNext, kDescend, kStop };

// Visits what is beneath `path`. False when a visit said kStop.
bool WalkTree(const Root& root, const std::string& path, RunContext& context,
              const std::function<TreeStep(const TreeEntry&)>& visit);

}  // namespace dragnet::pkg
