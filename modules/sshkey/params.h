// The parameters of a search for keys, checked. Thread-safe: no state.
#pragma once

#include <cstdint>
#include <optional>
#include <set>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "modules/sshkey/sshkey.pb.h"

namespace dragnet::sshkey {

struct Search {
  // Empty: the default ones.
  std::vector<std::string> paths;
  uint32_t max_depth = 0;
  std::set<std::string> kinds;
  // As PublicKey has them, of both sorts.
  std::set<std::string> fingerprints;
  std::set<std::string> algorithms;
  std::optional<bool> encrypted;
  uint32_t bits_below = 0;
  bool no_text = false;

  bool Wants(std::string_view kind) const { return kinds.contains(std::string(kind)); }
  bool Holds(const v1::SshkeyRow& row) const;
};

// InvalidArgument names the field.
absl::StatusOr<Search> CompileSearch(const v1::SshkeyParameters& parameters);

}  // namespace dragnet::sshkey
