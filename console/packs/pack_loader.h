// A pack from YAML files to what a host runs (docs/packs.md). Thread-safe: no
// state.
#pragma once

#include <functional>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "console/form/module_catalog.h"
#include "console/packs/problems.h"
#include "console/packs/yaml_node.h"
#include "modules/check/check.pb.h"

namespace dragnet::console {

// Files in all of a pack, and how deep they include each other.
inline constexpr size_t kMaxPackFiles = 64;
inline constexpr size_t kMaxIncludeDepth = 8;
// Serialised: what a host is given.
inline constexpr size_t kMaxPackBytes = size_t{4} << 20;

struct Pack {
  check::v1::CheckParameters parameters;
  // Where each check was written.
  std::vector<Place> places;
  // As it was named.
  std::string file;
};

struct PackOptions {
  const ModuleCatalog& modules;
  // What relative times in commands count from.
  absl::Time now;
  // --set.
  std::map<std::string, std::string> set = {};
};

// The content of a file, by its path from the directory of the pack: no "." or ".."
// in it. InvalidArgument for one of more than `max_bytes`.
using PackFileSource =
    std::function<absl::StatusOr<std::string>(const std::string& path, size_t max_bytes)>;

// `path` on this machine. Only regular files within its directory are read, links that
// lead out of it are refused. Nothing, with errors, for what isn't a valid pack.
// Names of `options.set` that a pack has are added to `set_used`: with several packs
// one of them must have it.
std::optional<Pack> LoadPack(const std::string& path, const PackOptions& options,
                             std::map<std::string, bool>* set_used, Problems* problems);

// As LoadPack, with files from elsewhere. `directory` is put before names in errors.
std::optional<Pack> LoadPackFrom(const PackFileSource& source, const std::string& directory,
                                 const std::string& name, const PackOptions& options,
                                 std::map<std::string, bool>* set_used, Problems* problems);

}  // namespace dragnet::console
