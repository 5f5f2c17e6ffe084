// A list of packages' versions that are known to be bad, as advisories have them,
// asked in one pass over all packages. Immutable and thread-safe once made.
//
// The text, a line for each entry (PkgParameters.vulnerable):
//   ID KIND[@SYSTEM[:RELEASE]] NAME RANGE…
// RANGE is tests of the version that must all hold, with commas between (>=1.0,<1.2),
// or * for every version; of several ranges one has to hold.
#pragma once

#include <cstdint>
#include <functional>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/status/statusor.h"
#include "modules/pkg/pkg.pb.h"

namespace dragnet::pkg {

enum class Comparison { kLess, kLessOrEqual, kEqual, kGreaterOrEqual, kGreater };

struct VersionBound {
  Comparison comparison = Comparison::kEqual;
  std::string version;
};
// All must hold; none is every version.
using VersionRange = std::vector<VersionBound>;

struct VulnerableEntry {
  std::string id;
  // dpkg, rpm, apk, python, node or go.
  std::string type;
  // The name is that of the source package.
  bool source = false;
  // As os-release has them; empty for every system, or every release.
  std::string system;
  std::string release;
  std::string name;
  std::vector<VersionRange> ranges;
};

// ID, ID and VERSION_ID of os-release(5); empty where it has none.
struct SystemRelease {
  std::string system;
  std::string release;
};
SystemRelease ParseOsRelease(std::string_view text);

// An entry of the list, and as text. InvalidArgument says what is wrong with it.
absl::StatusOr<VulnerableEntry> ParseVulnerableEntry(std::string_view line);
std::string FormatVulnerableEntry(const VulnerableEntry& entry);

// Order of two versions by the rules of a type (PkgRow.type).
int CompareVersions(std::string_view type, std::string_view a, std::string_view b);
// Whether a version is one by these rules, and can be written in the list.
bool IsVersionOf(std::string_view type, std::string_view version);
bool HoldsComparison(Comparison comparison, int order);

class VulnerableList {
 public:
  static constexpr size_t kMaxEntries = 250'000;
  static constexpr size_t kMaxBytes = 64 * 1024 * 1024;
  static constexpr size_t kMaxLine = 64 * 1024;

  // Empty lines and those that begin with # are passed over. InvalidArgument names
  // the line.
  static absl::StatusOr<VulnerableList> Parse(std::string_view text);

  bool empty() const { return entries_.empty(); }
  // The types of its entries.
  const std::set<std::string, std::less<>>& types() const { return types_; }
  // Whether entries are for certain systems.
  bool names_systems() const { return names_systems_; }
  // Whether an entry may be about a package of this name: of which source it was
  // built isn't known yet.
  bool MayMatchName(std::string_view name) const;

  // Calls `take` with each entry that the package is one of, and the range (each id
  // once), until it returns false, which is returned.
  bool ForEachMatch(
      const v1::PkgRow& row, const SystemRelease& system,
      const std::function<bool(const VulnerableEntry&, const VersionRange&)>& take) const;

 private:
  // By type, "source" or not, and name.
  using Key = std::string;
  static Key KeyOf(std::string_view type, bool source, std::string_view name);

  std::vector<VulnerableEntry> entries_;
  absl::flat_hash_map<Key, std::vector<uint32_t>> by_name_;
  absl::flat_hash_map<std::string, bool> names_;
  std::set<std::string, std::less<>> types_;
  bool has_sources_ = false;
  bool has_python_ = false;
  bool names_systems_ = false;
};

// As it is written in the list: >=1.0,<1.2, or *.
std::string FormatRange(const VersionRange& range);

}  // namespace dragnet::pkg
