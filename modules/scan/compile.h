// From the text of rules to libyara's rules, with errors that say where.
#pragma once

#include <span>
#include <string>
#include <string_view>

#include "absl/status/statusor.h"
#include "modules/scan/libyara.h"

namespace dragnet::scan {

// Compiles `source`, with `externals` (NAME=VALUE). InvalidArgument:
// `line 3, column 14: undefined string "$b"`.
absl::StatusOr<RulesPtr> CompileRules(const std::string& source,
                                      std::span<const std::string> externals);

}  // namespace dragnet::scan
