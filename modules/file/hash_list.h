// A list of hashes from a file, as many as threat feeds have: sorted arrays of
// binary hashes, 16 to 32 bytes each. Immutable and thread-safe once made.
#pragma once

#include <array>
#include <cstdint>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "modules/file/digest.h"

namespace dragnet::file {

inline constexpr size_t kMaxHashListEntries = 250'000;
inline constexpr size_t kMaxHashListBytes = 64 * 1024 * 1024;

class HashList {
 public:
  // One hash a line, MD5, SHA-1 or SHA-256 by its length, in hexadecimal digits;
  // what follows after white space is passed over, and what follows a #.
  // InvalidArgument names the line.
  static absl::StatusOr<HashList> Parse(std::string_view text);

  // Those that there are.
  DigestKinds kinds() const;
  size_t size() const { return md5_.size() + sha1_.size() + sha256_.size(); }
  // Binary, of any length.
  bool Contains(std::string_view hash) const;

 private:
  template <size_t kBytes>
  using Hashes = std::vector<std::array<char, kBytes>>;

  Hashes<16> md5_;
  Hashes<20> sha1_;
  Hashes<32> sha256_;
};

}  // namespace dragnet::file
