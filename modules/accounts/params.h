// The parameters, checked. Immutable and thread-safe once made.
#pragma once

#include <optional>
#include <set>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "modules/accounts/accounts.pb.h"
#include "modules/accounts/departed.h"

namespace dragnet::accounts {

struct Search {
  std::set<std::string, std::less<>> kinds;
  // Empty: all.
  std::set<std::string, std::less<>> names;
  std::optional<DepartedList> departed;
  bool no_text = false;

  bool Wants(std::string_view kind) const { return kinds.contains(kind); }
};

// InvalidArgument names the field, and of `departed` the line.
absl::StatusOr<Search> CompileSearch(const v1::AccountsParameters& parameters);

}  // namespace dragnet::accounts
