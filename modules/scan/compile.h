// From the text of rules to libyara's rules, with errors that say where.
#pragma once

#include <cstdint>
#include <map>
#include <span>
#include <string>
#include <utility>

#include "absl/status/statusor.h"
#include "modules/scan/libyara.h"

namespace dragnet::scan {

// By rule and string identifier: the most characters that a regular expression
// or hex string can match; kUnboundedLength without a bound.
using StringLengths = std::map<std::pair<std::string, std::string>, uint64_t>;
inline constexpr uint64_t kUnboundedLength = uint64_t{1} << 40;

struct RuleSet {
  RulesPtr rules;
  StringLengths lengths;
};

// Compiles `source`, with `externals` (NAME=VALUE). InvalidArgument:
// `line 3, column 14: undefined string "$b"`.
absl::StatusOr<RuleSet> CompileRules(const std::string& source,
                                     std::span<const std::string> externals);

}  // namespace dragnet::scan
