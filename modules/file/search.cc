#include "modules/file/search.h"

#include <algorithm>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/str_split.h"
#include "core/status_macros.h"
#include "core/strings.h"
#include "core/text.h"

namespace dragnet::file {
namespace {

using Strings = google::protobuf::RepeatedPtrField<std::string>;

absl::Status Invalid(std::string_view message) {
  return absl::InvalidArgumentError(ToAbsl(message));
}

// "contents[2] 'foo(' "
std::string Where(std::string_view field, int index, std::string_view value) {
  return StrCat(field, "[", index, "] '", ForTerminal(Shorten(value, 100)), "' ");
}

// The status, its message beginning with what it is about.
absl::Status Prefix(const absl::Status& status, std::string_view prefix) {
  return absl::Status(status.code(), StrCat(prefix, status.message()));
}

size_t MemoryForEachPattern(const v1::FileParameters& parameters) {
  size_t count = 0;
  for (const v1::Search& search : parameters.searches())
    count += search.names_size() + search.modes_size() + search.contents_size();
  return std::min(kMaxPatternMemory, kPatternMemory / std::max<size_t>(count, 1));
}

// Counts that bound the work of everything after it.
absl::Status CheckCounts(const v1::FileParameters& parameters) {
  if (parameters.searches().empty()) return Invalid("searches: at least one is needed");
  if (parameters.searches_size() > kMaxSearches)
    return Invalid(StrCat("searches: at most ", kMaxSearches, " are taken"));
  int patterns = 0, hashes = 0;
  for (const v1::Search& search : parameters.searches()) {
    const int regexes = search.names_size() + search.modes_size() + search.contents_size();
    patterns += regexes;
    hashes += search.md5_size() + search.sha1_size() + search.sha2_size() + search.sha3_size();
    if (search.paths_size() > kMaxPaths)
      return Invalid(StrCat("paths: a search takes at most ", kMaxPaths));
    if (regexes + search.sizes_size() + search.mtimes_size() > kMaxFilters) {
      return Invalid(StrCat("names, sizes, modes, mtimes, contents: a search takes at most ",
                            kMaxFilters, " of them"));
    }
    if (search.types_size() > kMaxFilters) return Invalid("types: too many");
  }
  if (patterns > kMaxPatterns) {
    return Invalid(
        StrCat("names, modes, contents: at most ", kMaxPatterns, " are taken in all searches"));
  }
  if (hashes > kMaxHashes) {
    return Invalid(
        StrCat("md5, sha1, sha2, sha3: at most ", kMaxHashes, " are taken in all searches"));
  }
  return absl::OkStatus();
}

absl::Status CheckLabel(std::string_view label) {
  if (label.size() > kMaxLabelBytes || ForTerminal(label) != label) {
    return Invalid(StrCat("label '", ForTerminal(Shorten(label, 100)),
                          "' must be printable and at most ", kMaxLabelBytes, " bytes"));
  }
  return absl::OkStatus();
}

absl::Status CheckPath(std::string_view path) {
  if (!path.starts_with("/")) return Invalid("is not absolute: begin it with /");
  if (path.size() > kMaxPathBytes)
    return Invalid(StrCat("is longer than ", kMaxPathBytes, " bytes"));
  if (path.find('\0') != std::string_view::npos) return Invalid("holds a NUL byte");
  if (path.find_first_of("*?[") != std::string_view::npos) {
    return Invalid(
        "holds a wildcard (*, ? or [), which paths don't take: give the directory, and a name "
        "filter");
  }
  for (absl::string_view part : absl::StrSplit(ToAbsl(path), '/'))
    if (part == "..") return Invalid("holds '..': write where it leads to");
  return absl::OkStatus();
}

struct HashField {
  std::string_view flag;
  const Strings& values;
  std::vector<DigestKind> kinds;
};

// By the length of a hash, in bytes.
const DigestKind* KindOfLength(const HashField& field, size_t bytes) {
  for (const DigestKind& kind : field.kinds)
    if (DigestSize(kind) == bytes) return &kind;
  return nullptr;
}

absl::StatusOr<HashFilter> CompileHashes(const HashField& field) {
  HashFilter filter;
  filter.flag = field.flag;
  for (int i = 0; i < field.values.size(); ++i) {
    std::string bytes;
    const DigestKind* kind = nullptr;
    if (HexDecode(field.values[i], &bytes)) kind = KindOfLength(field, bytes.size());
    if (kind == nullptr) {
      std::string lengths;
      for (const DigestKind& each : field.kinds)
        lengths += StrCat(lengths.empty() ? "" : ", ", 2 * DigestSize(each));
      return Invalid(StrCat(Where(field.flag, i, field.values[i]), "is not ", lengths,
                            " hexadecimal digits long"));
    }
    filter.kinds |= Bit(*kind);
    filter.hashes.insert(std::move(bytes));
  }
  return filter;
}

// Compiles one search after the other into a CompiledSearches.
class Compiler {
 public:
  explicit Compiler(const v1::FileParameters& parameters)
      : parameters_(parameters), pattern_memory_(MemoryForEachPattern(parameters)) {}

  absl::StatusOr<CompiledSearches> Run() {
    DRAGNET_RETURN_IF_ERROR(CheckCounts(parameters_));
    if (parameters_.threads() > kMaxThreads) {
      return Invalid(
          StrCat("threads ", parameters_.threads(), ": at most ", kMaxThreads, " are taken"));
    }
    result_.threads = parameters_.threads();
    absl::flat_hash_set<std::string> labels;
    for (int i = 0; i < parameters_.searches_size(); ++i) {
      const v1::Search& source = parameters_.searches(i);
      DRAGNET_RETURN_IF_ERROR(CheckLabel(source.label()));
      Search search;
      search.label = source.label().empty() ? StrCat("s", i + 1) : source.label();
      if (!labels.insert(search.label).second) {
        return Invalid(
            StrCat("searches[", i, "]: label '", search.label, "' is taken by another search"));
      }
      if (absl::Status status = Compile(source, &search); !status.ok()) {
        if (parameters_.searches_size() == 1) return status;
        return Prefix(status, StrCat("search '", search.label, "': "));
      }
      result_.searches.push_back(std::move(search));
    }
    return std::move(result_);
  }

 private:
  absl::Status Compile(const v1::Search& source, Search* search) {
    DRAGNET_RETURN_IF_ERROR(CompilePaths(source.paths(), search));
    DRAGNET_RETURN_IF_ERROR(CompileTexts("names", source.names(), true, &search->names));
    DRAGNET_RETURN_IF_ERROR(CompileTexts("modes", source.modes(), false, &search->modes));
    DRAGNET_RETURN_IF_ERROR(CompileSizes(source.sizes(), search));
    DRAGNET_RETURN_IF_ERROR(CompileTimes(source.mtimes(), search));
    DRAGNET_RETURN_IF_ERROR(CompileContents(source.contents(), search));
    DRAGNET_RETURN_IF_ERROR(CompileAllHashes(source, search));
    DRAGNET_RETURN_IF_ERROR(CompileTypes(source.types(), search));
    search->match_any = source.match_any();
    search->return_sha256 = source.return_sha256();
    if (search->return_sha256) search->digests |= Bit(DigestKind::kSha256);
    search->max_depth = source.max_depth();
    search->match_limit = source.match_limit();
    return CheckTogether(*search);
  }

  absl::Status CompilePaths(const Strings& values, Search* search) {
    if (values.empty()) return Invalid("paths: at least one is needed");
    for (int i = 0; i < values.size(); ++i) {
      if (absl::Status status = CheckPath(values[i]); !status.ok())
        return Prefix(status, Where("paths", i, values[i]));
      search->paths.push_back(values[i]);
    }
    return absl::OkStatus();
  }

  absl::Status CompileTexts(std::string_view field, const Strings& values, bool may_invert,
                            std::vector<TextFilter>* filters) {
    for (int i = 0; i < values.size(); ++i) {
      Inversion split = {values[i], false};
      if (may_invert) split = SplitInversion(values[i]);
      absl::StatusOr<TextPattern> pattern = TextPattern::Compile(split.pattern, pattern_memory_);
      if (!pattern.ok()) return Prefix(pattern.status(), Where(field, i, values[i]));
      filters->push_back({values[i], *std::move(pattern), split.inverted});
    }
    return absl::OkStatus();
  }

  absl::Status CompileSizes(const Strings& values, Search* search) {
    for (int i = 0; i < values.size(); ++i) {
      const absl::StatusOr<SizeFilter> filter = ParseSize(values[i]);
      if (!filter.ok()) return Prefix(filter.status(), Where("sizes", i, values[i]));
      search->sizes.push_back(*filter);
      search->size_texts.push_back(values[i]);
    }
    return absl::OkStatus();
  }

  absl::Status CompileTimes(const Strings& values, Search* search) {
    for (int i = 0; i < values.size(); ++i) {
      const absl::StatusOr<TimeFilter> filter = ParseTime(values[i]);
      if (!filter.ok()) return Prefix(filter.status(), Where("mtimes", i, values[i]));
      search->mtimes.push_back(*filter);
      search->mtime_texts.push_back(values[i]);
    }
    return absl::OkStatus();
  }

  absl::Status CompileContents(const Strings& values, Search* search) {
    for (int i = 0; i < values.size(); ++i) {
      const Inversion split = SplitInversion(values[i]);
      const auto [known, is_new] =
          pattern_indexes_.try_emplace(std::string(split.pattern), result_.line_patterns.size());
      if (is_new) {
        absl::StatusOr<LinePattern> pattern = LinePattern::Compile(split.pattern, pattern_memory_);
        if (!pattern.ok()) return Prefix(pattern.status(), Where("contents", i, values[i]));
        result_.line_patterns.push_back(*std::move(pattern));
      }
      search->contents.push_back({values[i], known->second, split.inverted});
    }
    return absl::OkStatus();
  }

  static absl::Status CompileAllHashes(const v1::Search& source, Search* search) {
    using enum DigestKind;
    const HashField fields[] = {
        {"md5", source.md5(), {kMd5}},
        {"sha1", source.sha1(), {kSha1}},
        {"sha2", source.sha2(), {kSha224, kSha256, kSha384, kSha512}},
        {"sha3", source.sha3(), {kSha3_224, kSha3_256, kSha3_384, kSha3_512}},
    };
    for (const HashField& field : fields) {
      if (field.values.empty()) continue;
      DRAGNET_ASSIGN_OR_RETURN(HashFilter filter, CompileHashes(field));
      search->digests |= filter.kinds;
      search->hashes.push_back(std::move(filter));
    }
    return absl::OkStatus();
  }

  static absl::Status CompileTypes(const Strings& values, Search* search) {
    if (values.empty()) search->types = 1u << static_cast<int>(FileType::kRegular);
    for (int i = 0; i < values.size(); ++i) {
      const absl::StatusOr<FileType> type = ParseType(values[i]);
      if (!type.ok()) return Prefix(type.status(), Where("types", i, values[i]));
      search->types |= 1u << static_cast<int>(*type);
    }
    return absl::OkStatus();
  }

  // Settings that are fine one by one, but not together.
  static absl::Status CheckTogether(const Search& search) {
    if (search.match_any && !search.HasFilters())
      return Invalid("match_any: there is no filter of which any could hold; leave it out");
    if (!search.match_any) {
      if (absl::Status status = CheckSizesMeet(search.sizes); !status.ok())
        return Prefix(status, "sizes ");
      if (absl::Status status = CheckTimesMeet(search.mtimes); !status.ok())
        return Prefix(status, "mtimes ");
    }
    if (search.ReadsFiles() && !search.WantsType(FileType::kRegular)) {
      return Invalid(
          "types: without 'file' nothing is read, so contents, hashes and return_sha256 could "
          "never hold");
    }
    return absl::OkStatus();
  }

  const v1::FileParameters& parameters_;
  const size_t pattern_memory_;
  CompiledSearches result_;
  absl::flat_hash_map<std::string, uint32_t> pattern_indexes_;
};

}  // namespace

absl::StatusOr<CompiledSearches> CompileSearches(const v1::FileParameters& parameters) {
  return Compiler(parameters).Run();
}

}  // namespace dragnet::file
