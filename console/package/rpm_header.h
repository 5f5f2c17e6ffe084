// The headers of an .rpm file (format 3 and 4: lead, signature, header, payload), read
// strictly. Thread-safe: no state.
#pragma once

#include <cstdint>
#include <map>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"

namespace dragnet::console {

// Numbers of rpm's tags (rpmtag.h) that are used here.
enum class RpmTag : uint32_t {
  kName = 1000,
  kVersion = 1001,
  kRelease = 1002,
  kEpoch = 1003,
  kSummary = 1004,
  kDescription = 1005,
  kBuildTime = 1006,
  kVendor = 1011,
  kLicense = 1014,
  kPackager = 1015,
  kUrl = 1020,
  kArchitecture = 1022,
  kPreInstall = 1023,
  kPostInstall = 1024,
  kPreUninstall = 1025,
  kPostUninstall = 1026,
  kFileModes = 1030,
  kFileModified = 1034,
  kFileLinks = 1036,
  kFileFlags = 1037,
  kFileUsers = 1039,
  kFileGroups = 1040,
  kRequireFlags = 1048,
  kRequireName = 1049,
  kRequireVersion = 1050,
  kConflictFlags = 1053,
  kConflictName = 1054,
  kConflictVersion = 1055,
  kTriggerName = 1066,
  kPreInstallProgram = 1085,
  kPostInstallProgram = 1086,
  kPreUninstallProgram = 1087,
  kPostUninstallProgram = 1088,
  kObsoleteName = 1090,
  kDirectoryIndexes = 1116,
  kBaseNames = 1117,
  kDirectoryNames = 1118,
  kPreTransaction = 1151,
  kPostTransaction = 1152,
  kPreTransactionProgram = 1153,
  kPostTransactionProgram = 1154,
  kLongSize = 5009,
  kFileTriggerName = 5069,
  kTransactionFileTriggerName = 5079,
};

// Bits of kFileFlags.
inline constexpr uint64_t kRpmConfig = 1 << 0;
inline constexpr uint64_t kRpmDocumentation = 1 << 1;
inline constexpr uint64_t kRpmNoReplace = 1 << 4;
inline constexpr uint64_t kRpmGhost = 1 << 6;
inline constexpr uint64_t kRpmLicense = 1 << 7;

class RpmHeader {
 public:
  RpmHeader() = default;

  // Of a whole package; `payload` begins behind it. InvalidArgument: not an rpm, or damaged.
  static absl::StatusOr<RpmHeader> Parse(std::string_view package, size_t* payload);

  bool Has(RpmTag tag) const;
  // The first of several; empty when there is none.
  std::string Text(RpmTag tag) const;
  std::vector<std::string> Texts(RpmTag tag) const;
  std::vector<uint64_t> Numbers(RpmTag tag) const;

  struct File {
    std::string path;  // as it is written: "/usr/bin/dragnet-agent"
    uint64_t mode = 0;
    uint64_t flags = 0;
    std::string user;
    std::string group;
  };
  // In the header's order. InvalidArgument: lists of different lengths.
  absl::StatusOr<std::vector<File>> Files() const;

 private:
  std::map<uint32_t, std::vector<std::string>> texts_;
  std::map<uint32_t, std::vector<uint64_t>> numbers_;
};

}  // namespace dragnet::console
