// What a file carries beyond its inode: capabilities and extended attributes.
// Thread-safe: no state.
#pragma once

#include <string>
#include <string_view>
#include <utility>
#include <vector>

namespace dragnet::file {

inline constexpr size_t kMaxAttributes = 256;
// Of one attribute's value, and of all names together: the kernel's own limit.
inline constexpr size_t kMaxAttributeBytes = 64 * 1024;

struct Attributes {
  // As getcap writes them; empty if there are none.
  std::string capabilities;
  // Name and value.
  std::vector<std::pair<std::string, std::string>> xattrs;
};

// Of an open file or directory. 0 or errno; E2BIG for more than kMaxAttributes.
// Where the file system has none, there are none.
int ReadAttributes(int fd, Attributes* attributes);

// The value of security.capability, in words: cap_net_raw=ep. Empty if it is
// none that the kernel would take.
std::string CapabilityText(std::string_view value);

}  // namespace dragnet::file
