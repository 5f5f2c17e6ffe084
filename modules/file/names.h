// Names of users and groups as the host's own files have them. NSS is not asked:
// it loads libraries and talks to services, and what it says can depend on who
// asks. Immutable and thread-safe once made.
#pragma once

#include <cstdint>
#include <optional>
#include <string>
#include <string_view>

#include "absl/container/flat_hash_map.h"

namespace dragnet::file {

class NameTable {
 public:
  // Of /etc/passwd or /etc/group: NAME:PASSWORD:NUMBER and more. Lines that are
  // not of that form have no name and are passed over, as libc does.
  static NameTable Parse(std::string_view text);
  // Empty when the file isn't there; what can't be read is told by `error`,
  // which is errno, or EFBIG for a file of more than 16 MiB.
  static NameTable ReadFile(const char* path, int* error);

  // The first name in the file that has this number; empty when none has.
  std::string_view NameOf(uint32_t id) const;
  std::optional<uint32_t> IdOf(std::string_view name) const;

 private:
  absl::flat_hash_map<uint32_t, std::string> names_;
  absl::flat_hash_map<std::string, uint32_t> ids_;
};

struct OwnerNames {
  NameTable users;
  NameTable groups;
};

}  // namespace dragnet::file
