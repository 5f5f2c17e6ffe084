// A scribe document, read strictly and checked. Values; immutable once made.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/status/statusor.h"
#include "re2/re2.h"

namespace dragnet::scribe {

inline constexpr std::string_view kChainRoot = "${chain_root}";

enum class ObjectKind : uint8_t { kPackage, kFileContent, kFileName, kRaw, kHasLine };

struct Object {
  std::string name;
  ObjectKind kind = ObjectKind::kRaw;
  // Of files.
  std::string path;
  std::string file;
  std::shared_ptr<const RE2> file_regex;
  std::shared_ptr<const RE2> expression;
  std::string concat;
  std::vector<size_t> import_chain;
  // Of packages.
  std::string package;
  std::shared_ptr<const RE2> collect_match;
  bool only_newest = false;
  // Identifiers and values.
  std::vector<std::pair<std::string, std::string>> raw;

  bool UsesFiles() const {
    return kind == ObjectKind::kFileContent || kind == ObjectKind::kFileName ||
           kind == ObjectKind::kHasLine;
  }
  // Its path is known only in a chain.
  bool IsChain() const { return path.find(kChainRoot) != std::string::npos; }
};

enum class Comparison : uint8_t { kAny, kEvr, kRegexp, kExact };

struct Test {
  std::string id;
  std::string name;
  std::string description;
  size_t object = 0;
  Comparison comparison = Comparison::kAny;
  // '<', '=' or '>'.
  char operation = '=';
  std::string value;
  std::shared_ptr<const RE2> regex;
  std::vector<size_t> depends_on;
  std::vector<std::pair<std::string, std::string>> tags;
  std::optional<bool> expected_result;
  bool expects_error = false;
};

struct Document {
  std::vector<Object> objects;
  std::vector<Test> tests;
  // Tests, each after those that it depends on.
  std::vector<size_t> order;
};

// InvalidArgument names the object or test, the key and what is wrong with it.
absl::StatusOr<Document> ReadDocument(std::string_view json);

}  // namespace dragnet::scribe
