// How a rule set is scanned: which of its rules go through the prefilter, and
// which must see all of the data. Internal to modules/scan.
#pragma once

#include <memory>
#include <span>
#include <string>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "absl/status/statusor.h"
#include "modules/scan/compile.h"
#include "modules/scan/prefilter.h"
#include "modules/scan/yara.h"

namespace dragnet::scan {

// Rules that are scanned in the same way.
struct Part {
  RulesPtr rules;
  // Null: the rules must see all of the data.
  std::unique_ptr<const Prefilter> filter;
  // Conditions read this many bytes at the beginning.
  uint64_t head_bytes = 0;
  // What matches an item without any window may depend on the item (its size,
  // its first bytes), or be something: conditions must be evaluated.
  bool evaluate_without_windows = true;
  // Rules that are here only because others name them are not reported.
  absl::flat_hash_set<std::string> silent;
};

struct YaraRules::Compiled {
  std::vector<Part> parts;
  // By name, for the order of matches.
  absl::flat_hash_map<std::string, size_t> order;
};

// With `use_prefilter` false, every rule sees all data: what the prefilter is
// tested against.
absl::StatusOr<std::unique_ptr<const YaraRules::Compiled>> PlanRules(
    const std::string& source, std::span<const std::string> externals, bool use_prefilter = true);

}  // namespace dragnet::scan
