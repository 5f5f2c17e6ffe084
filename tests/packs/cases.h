// The cases of a pack, out of their file (README.md): trees of files, each with the
// verdict that a check must come to on it. Not thread-safe.
#pragma once

#include <sys/types.h>

#include <map>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"

namespace dragnet::testing {

// What lies at a path of a tree.
struct Entry {
  enum class Kind { kFile, kDirectory, kLink, kFifo, kAbsent };
  Kind kind = Kind::kFile;
  // Of a link, where it leads.
  std::string content;
  mode_t mode = 0644;
  uid_t uid = 0;
  gid_t gid = 0;
};

// By path; parents are made as they are needed, 0755 and root's.
using Entries = std::map<std::string, Entry>;

struct Case {
  std::string check;
  // pass, fail, unknown or not_applicable.
  std::string verdict;
  // From 1, of this check and verdict.
  int number = 0;
  // As errors name it: file, line and column.
  std::string place;

  // Those of `base` included.
  Entries tree;
  // A script for /bin/sh: then the check is of the running system, in namespaces that the
  // script sets up, with the tree at $TREE.
  std::optional<std::string> setup;
  // --set.
  std::vector<std::string> variables;
  // Files beside the pack, by their paths from its directory, in place of what is there.
  std::map<std::string, std::string> pack_files;
  // Who runs it; root if unset.
  std::optional<uid_t> user;
  // A regular expression (RE2) that is found in the reason or in a row of the evidence.
  std::string because;
};

struct Cases {
  std::vector<Case> cases;
  // Ids, maybe with *, of checks that may pass where there is nothing at all.
  std::vector<std::string> pass_on_empty_root;
};

// InvalidArgument with every mistake, a line each. `file` names it in errors.
absl::StatusOr<Cases> ParseCases(std::string_view text, std::string_view file);

// Ids of the checks that stand in a pack's own file, without those that it includes.
absl::StatusOr<std::vector<std::string>> OwnChecks(std::string_view text, std::string_view file);

// Below `root`, which must exist.
void MakeTree(const Entries& entries, const std::string& root);

}  // namespace dragnet::testing
