// Parameters, checked. Immutable and thread-safe once made.
#pragma once

#include <map>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "modules/settings/settings.pb.h"

namespace dragnet::settings {

enum class Format { kSshd, kKeyValue, kIni, kPam, kApt };

struct Search {
  Format format = Format::kKeyValue;
  std::vector<std::string> paths;
  std::vector<std::string> drop_ins;
  // Unless one of them is there, nothing is read.
  std::vector<std::string> if_present;
  // Folded, with the spelling that rows have.
  std::map<std::string, std::string> spelling;
  // Those that rows are wanted of; empty for all.
  std::set<std::string> keys;
  std::set<std::string> sections;
  // By folded keys.
  std::map<std::string, std::string> defaults;
  std::set<std::string> repeatable;
  bool first_counts = false;
  bool ignore_case = false;
  bool required = false;
  bool no_text = false;

  std::string Fold(std::string_view key) const;
};

// InvalidArgument names the field and what to do.
absl::StatusOr<Search> CompileSearch(const v1::SettingsParameters& parameters);

}  // namespace dragnet::settings
