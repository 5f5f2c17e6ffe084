// The parameters, checked and compiled. Immutable and thread-safe once made.
#pragma once

#include <memory>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "modules/file/filters.h"
#include "modules/persistence/persistence.pb.h"
#include "re2/re2.h"

namespace dragnet::persistence {

struct Search {
  std::set<std::string, std::less<>> kinds;
  std::vector<std::unique_ptr<const RE2>> commands;
  std::optional<file::TimeFilter> changed_since;
  bool unowned = false;
  bool verify = false;
  bool enabled = false;
  bool world_writable = false;
  bool no_text = false;
  std::string root = "/";

  bool Wants(std::string_view kind) const { return kinds.contains(kind); }
  bool HoldsCommand(std::string_view command) const;
};

// InvalidArgument names the field.
absl::StatusOr<Search> CompileSearch(const v1::PersistenceParameters& parameters);

}  // namespace dragnet::persistence
