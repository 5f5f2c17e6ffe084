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

// How much of the data rules must see, in ascending order.
enum class Need {
  kWindows,   // the windows that the prefilter finds
  kReadable,  // and their conditions read elsewhere
  kWhole,     // all of it at once, to find their strings
};

// Rules that are scanned in the same way.
struct Part {
  RulesPtr rules;
  Need need = Need::kWhole;
  // kReadable: through a module that parses the file as a whole.
  bool parses_file = false;
  // Conditions must be evaluated for items without any window, too: a rule may
  // match there, depending on the item or not.
  bool evaluate_without_windows = true;
  // Rules that are here only because others name them are not reported.
  absl::flat_hash_set<std::string> silent;
};

struct YaraRules::Compiled {
  std::vector<Part> parts;
  // Of all parts that don't need the whole; never null.
  std::unique_ptr<const Prefilter> filter;
  // By name, for the order of matches.
  absl::flat_hash_map<std::string, size_t> order;
};

// With `use_prefilter` false, every rule sees all data: what the prefilter is
// tested against.
absl::StatusOr<std::unique_ptr<const YaraRules::Compiled>> PlanRules(
    const std::string& source, std::span<const std::string> externals, bool use_prefilter = true);

}  // namespace dragnet::scan
