// Parameters, checked and compiled. Immutable and thread-safe once made.
#pragma once

#include <cstdint>
#include <limits>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "modules/memory/hex_pattern.h"
#include "modules/memory/memory.pb.h"
#include "modules/scan/yara.h"
#include "re2/re2.h"

namespace dragnet::memory {

inline constexpr int kMaxSearches = 128;
inline constexpr int kMaxPatterns = 256;
inline constexpr uint32_t kMaxMatches = 256;
inline constexpr uint32_t kDefaultMatches = 8;
inline constexpr uint32_t kMaxContext = 256;
// A longer match may be missed where blocks meet.
inline constexpr size_t kMaxMatchBytes = 64 * 1024;

inline constexpr uint64_t kNoBound = std::numeric_limits<uint64_t>::max();

// Part of a process's memory.
struct MemoryRange {
  uint64_t from = 0;
  uint64_t to = kNoBound;
  uint64_t max_read = kNoBound;
};

// A content or bytes filter's pattern: one of the two is there.
struct MemoryPattern {
  std::shared_ptr<const RE2> regex;
  // As RE2 has it, for the prefilter.
  std::string regex_source;
  std::optional<HexPattern> hex;
  MemoryRange range;
  uint32_t max_matches = kDefaultMatches;
  uint32_t context = 0;
  // Mapped files that aren't writable are no business of it.
  bool skip_files = false;
};

enum class FilterKind {
  kPids,
  kUsers,
  kNotUser,
  kName,
  kExe,
  kCommandLine,
  kDeletedExe,
  kLibrary,
  kWritableExecutable,
  // From here on memory is read.
  kContent,
  kBytes,
  kYara,
};

struct Filter {
  FilterKind kind;
  // As rows show it: FLAG=VALUE.
  std::string shown;
  bool inverted = false;
  std::shared_ptr<const RE2> regex;  // kName, kExe, kCommandLine, kLibrary
  std::vector<uint32_t> pids;
  std::vector<std::string> users;
  uint32_t pattern = 0;  // kContent, kBytes: index in CompiledSearches
};

struct Search {
  std::string label;
  // The cheap ones first.
  std::vector<Filter> filters;
  bool match_any = false;
  MemoryRange range;
  bool skip_files = false;
  uint32_t max_matches = kDefaultMatches;
  uint32_t match_limit = 0;
  std::shared_ptr<const scan::YaraRules> yara;
  bool yara_no_bytes = false;
};

struct CompiledSearches {
  std::vector<Search> searches;
  std::vector<MemoryPattern> patterns;
};

// InvalidArgument names the field, and what is wrong with it.
absl::StatusOr<CompiledSearches> CompileSearches(const v1::MemoryParameters& parameters);

// PermissionDenied names the field that would return memory.
absl::Status CheckPrivacy(const v1::MemoryParameters& parameters);

}  // namespace dragnet::memory
