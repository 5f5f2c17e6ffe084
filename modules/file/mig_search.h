// MIG's form of a search of module file: read from its JSON or from its command
// line (which its module yara takes), and said as a Search. Thread-safe: values.
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "modules/file/file.pb.h"
#include "modules/mig.h"

namespace dragnet::file {

// In the order in which MIG checks and lists them.
enum class MigFilterKind : uint8_t {
  kContent,
  kBytes,
  kName,
  kSize,
  kMode,
  kMtime,
  kMd5,
  kSha1,
  kSha2,
  kSha3,
};
inline constexpr size_t kMigFilterKinds = 10;

// The key in MIG's JSON: contents, names, …
std::string_view MigKey(MigFilterKind kind);

struct MigFilter {
  MigFilterKind kind;
  // As MIG has it, and as a Search has it.
  std::string mig;
  std::string ours;
};

struct MigSearch {
  std::string label;
  std::string description;
  std::vector<std::string> paths;
  std::vector<MigFilter> filters;
  uint32_t max_depth = 0;
  uint32_t max_errors = 0;
  uint32_t match_limit = 0;
  bool match_all = false;
  bool macroal = false;
  bool remote_fs = false;
  bool return_sha256 = false;
  bool decompress = false;
  std::vector<std::string> mismatch;

  bool Mismatches(MigFilterKind kind) const;
  // MIG's echo of the search in its results, with these filters of it.
  MigJson Echo(const std::vector<std::string>& shown_paths,
               const std::vector<const MigFilter*>& shown, bool whole) const;
};

// {"searches": {LABEL: {…}}}, in order. InvalidArgument names the key.
absl::StatusOr<std::vector<MigSearch>> ReadMigSearches(const MigJson& parameters);
// "-path /usr/bin -name . -matchlimit 1000", with a shell's quotes, under the
// label s1. The defaults are those of MIG's command line.
absl::StatusOr<MigSearch> ReadMigFlags(std::string_view flags);

// The Search that finds the same. With `only`, of these filters alone.
v1::Search ToSearch(const MigSearch& search);
v1::Search ToSearch(const MigSearch& search, const std::vector<const MigFilter*>& only);

// Whether `entry` of a row's `matched` is this filter's.
bool IsEntryOf(std::string_view entry, const MigSearch& search, const MigFilter& filter);

}  // namespace dragnet::file
