// libyara's C types owned as C++ objects. Internal to modules/scan.
#pragma once

#include <yara.h>

#include <memory>
#include <string>

#include "absl/status/status.h"

namespace dragnet::scan {

struct CompilerDeleter {
  void operator()(YR_COMPILER* compiler) const { yr_compiler_destroy(compiler); }
};
struct RulesDeleter {
  void operator()(YR_RULES* rules) const { yr_rules_destroy(rules); }
};
struct ScannerDeleter {
  void operator()(YR_SCANNER* scanner) const { yr_scanner_destroy(scanner); }
};
using CompilerPtr = std::unique_ptr<YR_COMPILER, CompilerDeleter>;
using RulesPtr = std::unique_ptr<YR_RULES, RulesDeleter>;
using ScannerPtr = std::unique_ptr<YR_SCANNER, ScannerDeleter>;

// Initialises libyara, once in the process's life.
absl::Status InitializeLibyara();

// libyara's error codes in words.
std::string LibyaraError(int code);

}  // namespace dragnet::scan
