// The parameters, checked and compiled: the same code decides in the console
// whether they can run, and in the worker what they find. Immutable and
// thread-safe once made.
#pragma once

#include <algorithm>
#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/container/flat_hash_set.h"
#include "absl/status/statusor.h"
#include "modules/file/digest.h"
#include "modules/file/file.pb.h"
#include "modules/file/filters.h"
#include "modules/file/glob.h"
#include "modules/file/hash_list.h"
#include "modules/file/matched_lines.h"
#include "modules/file/pattern.h"
#include "modules/scan/yara.h"

namespace dragnet::file {

inline constexpr int kMaxSearches = 128;
inline constexpr uint32_t kMaxThreads = 16;
inline constexpr uint32_t kMaxArchiveDepth = 5;
inline constexpr int kMaxPaths = 128;
inline constexpr int kMaxFilters = 128;
inline constexpr int kMaxPatterns = 256;
inline constexpr int kMaxHashes = 100'000;
inline constexpr size_t kMaxPathBytes = 4095;
inline constexpr size_t kMaxLabelBytes = 128;
// Of all patterns together; each gets an equal share of it, up to kMaxPatternMemory.
inline constexpr size_t kPatternMemory = 32 * 1024 * 1024;
inline constexpr size_t kMaxPatternMemory = 8 * 1024 * 1024;

struct TextFilter {
  std::string text;
  TextPattern pattern;
  bool inverted = false;
};

struct ContentFilter {
  std::string text;
  // Index in CompiledSearches::line_patterns, where equal patterns are one.
  uint32_t pattern = 0;
  bool inverted = false;
};

// Which of an inode's times.
enum class TimeKind : uint8_t { kModified, kChanged, kAccessed, kBorn };

struct NamedTimeFilter {
  std::string text;
  TimeKind kind;
  TimeFilter filter;
};

// Users or groups: of those that are not inverted, one must be the file's; of
// those that are, none.
struct OwnerFilter {
  struct Owner {
    std::string text;
    // A number, or a name; neither is any owner that has no name.
    std::optional<uint32_t> id;
    std::string name;
    bool inverted = false;
  };
  std::vector<Owner> owners;
};

struct XattrFilter {
  std::string text;
  TextPattern name;
  std::optional<TextPattern> value;
  bool inverted = false;
};

struct Exclude {
  // A name at any depth, a wildcard path, or an expression on the path.
  std::string name;
  std::optional<Glob> glob;
  std::optional<TextPattern> pattern;
};

// Each kind of filter, in the order of the row's `matched`.
enum class FilterKind : uint8_t {
  kName,
  kSize,
  kMode,
  kMtime,
  kCtime,
  kAtime,
  kBtime,
  kOwner,
  kGroup,
  kCapability,
  kXattr,
  kElfType,
  kElfNeeded,
  kElfBuildId,
  kContent,
  kMd5,
  kSha1,
  kSha2,
  kSha3,
  kHashList,
  kYara,
};
inline constexpr size_t kFilterKinds = 21;
// By kind: the flag.
std::string_view FilterName(FilterKind kind);
constexpr FilterKind FilterOf(TimeKind kind) {
  return static_cast<FilterKind>(static_cast<int>(FilterKind::kMtime) + static_cast<int>(kind));
}

// The hashes of one field; they hold together, when the file's hash is one of them.
struct HashFilter {
  FilterKind kind;
  DigestKinds kinds = 0;
  // Binary; lengths tell the kinds of one field apart.
  absl::flat_hash_set<std::string> hashes;
};

struct Search {
  std::string label;
  // Without wildcards.
  std::vector<std::string> paths;
  std::vector<Glob> globs;
  std::vector<Exclude> excludes;
  std::vector<TextFilter> names;
  std::vector<SizeFilter> sizes;
  std::vector<TextFilter> modes;
  // In the order of TimeKind.
  std::vector<NamedTimeFilter> times;
  OwnerFilter owners;
  OwnerFilter groups;
  std::vector<TextFilter> capabilities;
  std::vector<XattrFilter> xattrs;
  std::vector<std::string> elf_types;
  std::vector<TextFilter> elf_needed;
  // Binary.
  std::vector<std::string> elf_build_ids;
  std::vector<ContentFilter> contents;
  std::vector<HashFilter> hashes;
  std::optional<HashList> hash_list;
  // Index in CompiledSearches::yara_rules, where equal rule sets are one.
  std::optional<uint32_t> yara;
  // As they were written, for rows.
  std::vector<std::string> size_texts;
  // A bit 1 << FileType for each type that is searched for.
  uint32_t types = 0;
  // All kinds that the hash filters and return_sha256 need.
  DigestKinds digests = 0;
  bool match_any = false;
  bool return_sha256 = false;
  uint32_t max_depth = 0;
  uint32_t match_limit = 0;
  // A bit 1 << FilterKind for each kind that is inverted.
  uint32_t mismatch = 0;
  bool macroal = false;
  bool decompress = false;
  bool one_filesystem = false;
  bool required = false;
  bool network_filesystems = false;
  // 0 looks into none.
  uint32_t archive_depth = 0;
  uint32_t lines = 0;
  uint32_t context = 0;
  bool return_elf = false;
  bool yara_no_bytes = false;

  bool IsInverted(FilterKind kind) const { return mismatch >> static_cast<int>(kind) & 1; }
  bool WantsType(FileType type) const { return types & (1u << static_cast<int>(type)); }
  bool HasStatFilters() const {
    return !sizes.empty() || !modes.empty() || !times.empty() || !owners.owners.empty() ||
           !groups.owners.empty();
  }
  bool HasTime(TimeKind kind) const {
    return std::any_of(times.begin(), times.end(),
                       [kind](const NamedTimeFilter& filter) { return filter.kind == kind; });
  }
  bool HasAttributeFilters() const { return !capabilities.empty() || !xattrs.empty(); }
  bool HasElfFilters() const {
    return !elf_types.empty() || !elf_needed.empty() || !elf_build_ids.empty();
  }
  bool WantsElf() const { return HasElfFilters() || return_elf; }
  // Filters that need all of a file's bytes.
  bool HasContentFilters() const {
    return !contents.empty() || !hashes.empty() || hash_list || yara;
  }
  // Needs all of a file's bytes.
  bool ReadsFiles() const { return !contents.empty() || digests != 0 || yara; }
  // Needs it open, at least.
  bool OpensFiles() const { return ReadsFiles() || WantsElf() || HasAttributeFilters(); }
  bool HasFilters() const {
    return !names.empty() || HasStatFilters() || HasAttributeFilters() || HasElfFilters() ||
           HasContentFilters();
  }
};

struct CompiledSearches {
  std::vector<Search> searches;
  std::vector<LinePattern> line_patterns;
  std::vector<std::shared_ptr<const scan::YaraRules>> yara_rules;
  // 0 for as many as fit.
  uint32_t threads = 0;
  bool any_archives = false;
  // 0 for all.
  uint32_t max_errors = 0;
};

// InvalidArgument names the search (when there are several), the field, the
// value, and what is wrong with it.
absl::StatusOr<CompiledSearches> CompileSearches(const v1::FileParameters& parameters);

}  // namespace dragnet::file
