// The parameters, checked. Immutable and thread-safe once made.
#pragma once

#include <cstdint>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "absl/container/flat_hash_set.h"
#include "absl/status/statusor.h"
#include "modules/file/glob.h"
#include "modules/secrets/secrets.pb.h"

namespace dragnet::secrets {

struct Search {
  // Absolute.
  std::vector<std::string> paths;
  uint32_t max_depth = 0;
  size_t max_file_size = 0;
  // Empty: all.
  std::set<std::string, std::less<>> kinds;
  std::vector<file::Glob> exclude_paths;
  std::vector<std::string> exclude_names;
  bool world_readable = false;
  absl::flat_hash_set<std::string> allow;

  bool Wants(std::string_view kind) const { return kinds.empty() || kinds.contains(kind); }
  // By its own path and name, not by what it is in.
  bool IsExcluded(std::string_view path, std::string_view name) const;
};

// InvalidArgument names the field.
absl::StatusOr<Search> CompileSearch(const v1::SecretsParameters& parameters);

}  // namespace dragnet::secrets
