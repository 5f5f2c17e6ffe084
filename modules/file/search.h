// The parameters, checked and compiled: the same code decides in the console
// whether they can run, and in the worker what they find. Immutable and
// thread-safe once made.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "absl/container/flat_hash_set.h"
#include "absl/status/statusor.h"
#include "modules/file/digest.h"
#include "modules/file/file.pb.h"
#include "modules/file/filters.h"
#include "modules/file/pattern.h"

namespace dragnet::file {

inline constexpr int kMaxSearches = 128;
inline constexpr uint32_t kMaxThreads = 16;
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

// The hashes of one field; they hold together, when the file's hash is one of them.
struct HashFilter {
  std::string flag;
  DigestKinds kinds = 0;
  // Binary; lengths tell the kinds of one field apart.
  absl::flat_hash_set<std::string> hashes;
};

struct Search {
  std::string label;
  std::vector<std::string> paths;
  std::vector<TextFilter> names;
  std::vector<SizeFilter> sizes;
  std::vector<TextFilter> modes;
  std::vector<TimeFilter> mtimes;
  std::vector<ContentFilter> contents;
  std::vector<HashFilter> hashes;
  // As they were written, for rows.
  std::vector<std::string> size_texts;
  std::vector<std::string> mtime_texts;
  // A bit 1 << FileType for each type that is searched for.
  uint32_t types = 0;
  // All kinds that the hash filters and return_sha256 need.
  DigestKinds digests = 0;
  bool match_any = false;
  bool return_sha256 = false;
  uint32_t max_depth = 0;
  uint32_t match_limit = 0;

  bool WantsType(FileType type) const { return types & (1u << static_cast<int>(type)); }
  bool HasStatFilters() const { return !sizes.empty() || !modes.empty() || !mtimes.empty(); }
  bool HasContentFilters() const { return !contents.empty() || !hashes.empty(); }
  bool ReadsFiles() const { return !contents.empty() || digests != 0; }
  bool HasFilters() const { return !names.empty() || HasStatFilters() || HasContentFilters(); }
};

struct CompiledSearches {
  std::vector<Search> searches;
  std::vector<LinePattern> line_patterns;
  // 0 for as many as fit.
  uint32_t threads = 0;
};

// InvalidArgument names the search (when there are several), the field, the
// value, and what is wrong with it.
absl::StatusOr<CompiledSearches> CompileSearches(const v1::FileParameters& parameters);

}  // namespace dragnet::file
