// Headers of packages as RPM's databases hold them: an index of tags and the
// data that it points into, big-endian. Every offset and count is checked
// against the bytes that are there. Thread-safe: no state but what it is given.
//
// The form: RPM's documentation, "RPM Package format", Header Structure.
#pragma once

#include <cstdint>
#include <optional>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"

namespace dragnet::pkg {

enum class RpmTag : uint32_t {
  kName = 1000,
  kVersion = 1001,
  kRelease = 1002,
  kEpoch = 1003,
  kInstallTime = 1008,
  kSize = 1009,
  kVendor = 1011,
  kPackager = 1015,
  kArch = 1022,
  kOldFileNames = 1027,
  kFileSizes = 1028,
  kFileStates = 1029,
  kFileModes = 1030,
  kFileDigests = 1035,
  kFileLinkTargets = 1036,
  kFileFlags = 1037,
  kSourceRpm = 1044,
  kFileVerifyFlags = 1045,
  kDirIndexes = 1116,
  kBaseNames = 1117,
  kDirNames = 1118,
  kLongFileSizes = 5008,
  kLongSize = 5009,
  kFileDigestAlgorithm = 5011,
};

class RpmHeader {
 public:
  // `blob` must stay. InvalidArgument says what is malformed.
  static absl::StatusOr<RpmHeader> Parse(std::string_view blob);

  // A string, or the first of several; empty if there is none.
  std::string_view String(RpmTag tag) const;
  // All strings of a tag.
  std::vector<std::string_view> Strings(RpmTag tag) const;
  // A number of any size, or the first of several.
  std::optional<uint64_t> Number(RpmTag tag) const;
  // How many numbers a tag has, and one of them.
  size_t NumberCount(RpmTag tag) const;
  std::optional<uint64_t> Number(RpmTag tag, size_t index) const;

 private:
  struct Entry {
    uint32_t tag, type, offset, count;
  };
  const Entry* Find(RpmTag tag) const;

  std::string_view data_;
  // Sorted by tag.
  std::vector<Entry> entries_;
};

}  // namespace dragnet::pkg
