// Wildcard paths: *, ?, [a-z], [!a-z] within one name, ** for any number of
// names, \ in front of a byte that is to be taken as it is. Bytes, not
// characters. Nothing is expanded: a walk asks, from name to name, whether it is
// on the way to a match. Immutable and thread-safe once made.
#pragma once

#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"

namespace dragnet::file {

// Whether `name` as a whole matches one name's pattern, checked by CheckGlobName.
// Takes at most pattern × name steps.
bool GlobNameMatches(std::string_view pattern, std::string_view name);
// InvalidArgument says what is wrong: a set without its ], a \ at the end.
absl::Status CheckGlobName(std::string_view pattern);

// Whether there is a wildcard, or a \, in it.
bool HasWildcard(std::string_view path);

class Glob {
 public:
  // How far names have matched so far: a bit for each pattern that may come next.
  using Progress = uint64_t;
  static constexpr size_t kMaxNames = 62;

  // Of an absolute path.
  static absl::StatusOr<Glob> Compile(std::string_view path);

  // The leading part without wildcards, /home of /home/*/.ssh.
  const std::string& prefix() const { return prefix_; }

  // At prefix().
  Progress Start() const { return Close(1); }
  // Beneath it, by one more name. 0 if nothing that begins so matches.
  Progress Step(Progress progress, std::string_view name) const;
  // What was passed so far is a match.
  bool IsMatch(Progress progress) const { return progress >> names_.size() & 1; }
  // More names may lead to a match.
  bool GoesOn(Progress progress) const {
    return (progress & ((Progress{1} << names_.size()) - 1)) != 0;
  }

  // A whole absolute path.
  bool Matches(std::string_view path) const;

 private:
  // What can be passed without a name: **.
  Progress Close(Progress progress) const;

  std::string prefix_;
  // After the prefix.
  std::vector<std::string> names_;
};

}  // namespace dragnet::file
