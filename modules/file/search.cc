#include "modules/file/search.h"

#include <algorithm>
#include <utility>

#include "absl/container/flat_hash_map.h"
#include "absl/strings/numbers.h"
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

// In the order of FilterKind.
constexpr std::string_view kFilterNames[kFilterKinds] = {
    "name",    "size",  "mode",       "mtime", "ctime",    "atime",      "btime",
    "owner",   "group", "capability", "xattr", "elf-type", "elf-needed", "elf-build-id",
    "content", "md5",   "sha1",       "sha2",  "sha3",     "hash-list",  "yara",
};

// An xattr filter may be two.
int CountPatterns(const v1::Search& search) {
  return search.names_size() + search.modes_size() + search.contents_size() +
         search.exclude_regexes_size() + search.capabilities_size() + 2 * search.xattrs_size() +
         search.elf_needed_size();
}

size_t MemoryForEachPattern(const v1::FileParameters& parameters) {
  size_t count = 0;
  for (const v1::Search& search : parameters.searches())
    count += static_cast<size_t>(CountPatterns(search));
  return std::min(kMaxPatternMemory, kPatternMemory / std::max<size_t>(count, 1));
}

// Counts that bound the work of everything after it.
absl::Status CheckCounts(const v1::FileParameters& parameters) {
  if (parameters.searches().empty()) return Invalid("searches: at least one is needed");
  if (parameters.searches_size() > kMaxSearches)
    return Invalid(StrCat("searches: at most ", kMaxSearches, " are taken"));
  int patterns = 0, hashes = 0;
  for (const v1::Search& search : parameters.searches()) {
    patterns += CountPatterns(search);
    hashes += search.elf_build_ids_size() + search.md5_size() + search.sha1_size() +
              search.sha2_size() + search.sha3_size();
    if (search.paths_size() > kMaxPaths)
      return Invalid(StrCat("paths: a search takes at most ", kMaxPaths));
    const int filters = search.names_size() + search.modes_size() + search.contents_size() +
                        search.sizes_size() + search.mtimes_size() + search.ctimes_size() +
                        search.atimes_size() + search.btimes_size() + search.owners_size() +
                        search.groups_size() + search.capabilities_size() + search.xattrs_size() +
                        search.elf_needed_size();
    if (filters > kMaxFilters) {
      return Invalid(
          StrCat("a search takes at most ", kMaxFilters, " filters, hashes not counted"));
    }
    if (search.excludes_size() + search.exclude_regexes_size() > kMaxPaths)
      return Invalid(StrCat("excludes: a search takes at most ", kMaxPaths));
    for (const int size : {search.types_size(), search.mismatch_size(), search.elf_types_size(),
                           search.yara_externals_size()}) {
      if (size > kMaxFilters)
        return Invalid("types, mismatch, elf_types, yara_externals: too many");
    }
  }
  if (patterns > kMaxPatterns) {
    return Invalid(
        StrCat("regular expressions: at most ", kMaxPatterns, " are taken in all searches"));
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
  for (absl::string_view part : absl::StrSplit(ToAbsl(path), '/'))
    if (part == "..") return Invalid("holds '..': write where it leads to");
  return absl::OkStatus();
}

struct HashField {
  std::string_view flag;
  FilterKind filter;
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
  filter.kind = field.filter;
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
    result_.max_errors = parameters_.max_errors();
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
      result_.any_archives |= search.archive_depth != 0;
      result_.searches.push_back(std::move(search));
    }
    return std::move(result_);
  }

 private:
  absl::Status Compile(const v1::Search& source, Search* search) {
    search->match_any = source.match_any();
    DRAGNET_RETURN_IF_ERROR(CompilePaths(source.paths(), search));
    DRAGNET_RETURN_IF_ERROR(CompileMismatch(source, search));
    DRAGNET_RETURN_IF_ERROR(CompileTexts("names", source.names(), true, &search->names));
    DRAGNET_RETURN_IF_ERROR(CompileTexts("modes", source.modes(), false, &search->modes));
    DRAGNET_RETURN_IF_ERROR(CompileSizes(source.sizes(), search));
    DRAGNET_RETURN_IF_ERROR(CompileTimes("mtimes", TimeKind::kModified, source.mtimes(), search));
    DRAGNET_RETURN_IF_ERROR(CompileTimes("ctimes", TimeKind::kChanged, source.ctimes(), search));
    DRAGNET_RETURN_IF_ERROR(CompileTimes("atimes", TimeKind::kAccessed, source.atimes(), search));
    DRAGNET_RETURN_IF_ERROR(CompileTimes("btimes", TimeKind::kBorn, source.btimes(), search));
    DRAGNET_RETURN_IF_ERROR(CompileOwners("owners", source.owners(), &search->owners));
    DRAGNET_RETURN_IF_ERROR(CompileOwners("groups", source.groups(), &search->groups));
    DRAGNET_RETURN_IF_ERROR(
        CompileTexts("capabilities", source.capabilities(), true, &search->capabilities));
    DRAGNET_RETURN_IF_ERROR(CompileXattrs(source.xattrs(), search));
    DRAGNET_RETURN_IF_ERROR(CompileElf(source, search));
    DRAGNET_RETURN_IF_ERROR(CompileExcludes(source, search));
    DRAGNET_RETURN_IF_ERROR(CompileContents(source.contents(), search));
    DRAGNET_RETURN_IF_ERROR(CompileAllHashes(source, search));
    DRAGNET_RETURN_IF_ERROR(CompileHashList(source, search));
    DRAGNET_RETURN_IF_ERROR(CompileYara(source, search));
    DRAGNET_RETURN_IF_ERROR(CompileTypes(source.types(), search));
    DRAGNET_RETURN_IF_ERROR(CompileSettings(source, search));
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
      if (!HasWildcard(values[i])) {
        search->paths.push_back(values[i]);
        continue;
      }
      absl::StatusOr<Glob> glob = Glob::Compile(values[i]);
      if (!glob.ok()) return Prefix(glob.status(), Where("paths", i, values[i]));
      search->globs.push_back(*std::move(glob));
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

  static absl::Status CompileTimes(std::string_view field, TimeKind kind, const Strings& values,
                                   Search* search) {
    std::vector<TimeFilter> filters;
    for (int i = 0; i < values.size(); ++i) {
      const absl::StatusOr<TimeFilter> filter = ParseTime(values[i]);
      if (!filter.ok()) return Prefix(filter.status(), Where(field, i, values[i]));
      filters.push_back(*filter);
      search->times.push_back({values[i], kind, *filter});
    }
    // What no time passes, mismatch makes every time pass.
    if (search->match_any || search->IsInverted(FilterOf(kind))) return absl::OkStatus();
    if (absl::Status status = CheckTimesMeet(filters); !status.ok())
      return Prefix(status, StrCat(field, " "));
    return absl::OkStatus();
  }

  static absl::Status CompileOwners(std::string_view field, const Strings& values,
                                    OwnerFilter* filter) {
    for (int i = 0; i < values.size(); ++i) {
      const Inversion split = SplitInversion(values[i]);
      OwnerFilter::Owner owner = {values[i], std::nullopt, std::string(split.pattern),
                                  split.inverted};
      if (split.pattern.empty()) return Invalid(StrCat(Where(field, i, values[i]), "is empty"));
      if (split.pattern.find_first_of(std::string_view(":\n\0", 3)) != std::string_view::npos ||
          split.pattern.size() > kMaxLabelBytes) {
        return Invalid(StrCat(Where(field, i, values[i]), "is neither a name nor a number"));
      }
      if (split.pattern.find_first_not_of("0123456789") == std::string_view::npos) {
        uint32_t id = 0;
        if (!absl::SimpleAtoi(ToAbsl(split.pattern), &id))
          return Invalid(StrCat(Where(field, i, values[i]), "is a number over 4294967295"));
        owner.id = id;
      }
      if (split.pattern == "?") owner.name.clear();
      filter->owners.push_back(std::move(owner));
    }
    return absl::OkStatus();
  }

  absl::Status CompileXattrs(const Strings& values, Search* search) {
    for (int i = 0; i < values.size(); ++i) {
      const Inversion split = SplitInversion(values[i]);
      const size_t equals = split.pattern.find('=');
      absl::StatusOr<TextPattern> name =
          TextPattern::Compile(split.pattern.substr(0, equals), pattern_memory_);
      if (!name.ok()) return Prefix(name.status(), Where("xattrs", i, values[i]));
      XattrFilter filter = {values[i], *std::move(name), std::nullopt, split.inverted};
      if (equals != std::string_view::npos) {
        absl::StatusOr<TextPattern> value =
            TextPattern::Compile(split.pattern.substr(equals + 1), pattern_memory_);
        if (!value.ok()) return Prefix(value.status(), Where("xattrs", i, values[i]));
        filter.value = *std::move(value);
      }
      search->xattrs.push_back(std::move(filter));
    }
    return absl::OkStatus();
  }

  absl::Status CompileElf(const v1::Search& source, Search* search) {
    for (int i = 0; i < source.elf_types_size(); ++i) {
      const std::string& type = source.elf_types(i);
      if (type != "exec" && type != "dyn" && type != "rel" && type != "core") {
        return Invalid(
            StrCat(Where("elf_types", i, type), "is not one of exec, dyn, rel and core"));
      }
      search->elf_types.push_back(type);
    }
    DRAGNET_RETURN_IF_ERROR(
        CompileTexts("elf_needed", source.elf_needed(), true, &search->elf_needed));
    for (int i = 0; i < source.elf_build_ids_size(); ++i) {
      const std::string& text = source.elf_build_ids(i);
      std::string bytes;
      if (!HexDecode(text, &bytes) || bytes.empty() || bytes.size() > 64)
        return Invalid(
            StrCat(Where("elf_build_ids", i, text), "is not 2 to 128 hexadecimal digits"));
      search->elf_build_ids.push_back(std::move(bytes));
    }
    search->return_elf = source.return_elf();
    return absl::OkStatus();
  }

  absl::Status CompileExcludes(const v1::Search& source, Search* search) {
    for (int i = 0; i < source.excludes_size(); ++i) {
      const std::string& text = source.excludes(i);
      Exclude exclude;
      absl::Status status;
      if (text.find('/') == std::string::npos) {
        status = text.empty() || text.find('\0') != std::string::npos ? Invalid("is no name")
                                                                      : CheckGlobName(text);
        exclude.name = text;
      } else if (status = CheckPath(text); status.ok()) {
        absl::StatusOr<Glob> glob = Glob::Compile(text);
        status = glob.status();
        if (glob.ok()) exclude.glob = *std::move(glob);
      }
      if (!status.ok()) return Prefix(status, Where("excludes", i, text));
      search->excludes.push_back(std::move(exclude));
    }
    for (int i = 0; i < source.exclude_regexes_size(); ++i) {
      const std::string& text = source.exclude_regexes(i);
      absl::StatusOr<TextPattern> pattern = TextPattern::Compile(text, pattern_memory_);
      if (!pattern.ok()) return Prefix(pattern.status(), Where("exclude_regexes", i, text));
      Exclude exclude;
      exclude.pattern = *std::move(pattern);
      search->excludes.push_back(std::move(exclude));
    }
    return absl::OkStatus();
  }

  static absl::Status CompileHashList(const v1::Search& source, Search* search) {
    if (source.hash_list().empty()) return absl::OkStatus();
    absl::StatusOr<HashList> list = HashList::Parse(source.hash_list());
    if (!list.ok()) return Prefix(list.status(), "hash_list ");
    search->digests |= list->kinds();
    search->hash_list = *std::move(list);
    return absl::OkStatus();
  }

  // The values of a kind of filter; 0 if the search has none.
  static size_t CountValues(const v1::Search& source, FilterKind kind) {
    const int sizes[kFilterKinds] = {
        source.names_size(),
        source.sizes_size(),
        source.modes_size(),
        source.mtimes_size(),
        source.ctimes_size(),
        source.atimes_size(),
        source.btimes_size(),
        source.owners_size(),
        source.groups_size(),
        source.capabilities_size(),
        source.xattrs_size(),
        source.elf_types_size(),
        source.elf_needed_size(),
        source.elf_build_ids_size(),
        source.contents_size(),
        source.md5_size(),
        source.sha1_size(),
        source.sha2_size(),
        source.sha3_size(),
        source.hash_list().empty() ? 0 : 1,
        source.yara().empty() ? 0 : 1,
    };
    return static_cast<size_t>(sizes[static_cast<size_t>(kind)]);
  }

  absl::Status CompileYara(const v1::Search& source, Search* search) {
    if (source.yara().empty()) {
      if (source.yara_externals().empty() && !source.yara_no_bytes()) return absl::OkStatus();
      return Invalid("yara_externals, yara_no_bytes: need yara, the rules that they are for");
    }
    const std::vector<std::string> externals(source.yara_externals().begin(),
                                             source.yara_externals().end());
    std::string key = source.yara();
    for (const std::string& external : externals)
      key += StrCat(std::string_view("\0", 1), external);
    const auto [known, is_new] =
        yara_indexes_.try_emplace(std::move(key), static_cast<uint32_t>(result_.yara_rules.size()));
    if (is_new) {
      absl::StatusOr<std::shared_ptr<const scan::YaraRules>> rules =
          scan::YaraRules::Compile(source.yara(), externals);
      if (!rules.ok()) return Prefix(rules.status(), "yara: ");
      result_.yara_rules.push_back(*std::move(rules));
    }
    search->yara = known->second;
    return absl::OkStatus();
  }

  static absl::Status CompileMismatch(const v1::Search& source, Search* search) {
    const Strings& values = source.mismatch();
    for (int i = 0; i < values.size(); ++i) {
      const auto* found = std::find(std::begin(kFilterNames), std::end(kFilterNames), values[i]);
      if (found == std::end(kFilterNames)) {
        std::string names;
        for (std::string_view name : kFilterNames) names += StrCat(names.empty() ? "" : ", ", name);
        return Invalid(StrCat(Where("mismatch", i, values[i]), "is no filter; there are ", names));
      }
      const auto kind = static_cast<FilterKind>(found - kFilterNames);
      if (CountValues(source, kind) == 0) {
        return Invalid(
            StrCat(Where("mismatch", i, values[i]), "names a filter that the search doesn't have"));
      }
      search->mismatch |= 1u << static_cast<int>(kind);
    }
    return absl::OkStatus();
  }

  static absl::Status CompileSettings(const v1::Search& source, Search* search) {
    search->macroal = source.macroal();
    search->decompress = source.decompress();
    search->one_filesystem = source.one_filesystem();
    search->required = source.required();
    search->network_filesystems = source.network_filesystems();
    search->yara_no_bytes = source.yara_no_bytes();
    search->lines = source.lines();
    search->context = source.context();
    if (source.lines() > kMaxMatchedLines)
      return Invalid(
          StrCat("lines ", source.lines(), ": at most ", kMaxMatchedLines, " are returned"));
    if (source.context() > kMaxContextLines) {
      return Invalid(
          StrCat("context ", source.context(), ": at most ", kMaxContextLines, " are returned"));
    }
    if (source.context() != 0 && source.lines() == 0)
      return Invalid("context: needs lines, whose context it is");
    if (source.lines() != 0 && source.contents_size() == 0)
      return Invalid("lines: needs contents, whose lines they are");
    if (source.macroal() && source.contents_size() == 0)
      return Invalid("macroal: needs contents, which all lines are to match");
    if (source.archive_depth() != 0 && !source.archives())
      return Invalid("archive_depth: needs archives");
    if (source.archive_depth() > kMaxArchiveDepth) {
      return Invalid(StrCat("archive_depth ", source.archive_depth(), ": at most ",
                            kMaxArchiveDepth, " are taken"));
    }
    if (source.archives()) search->archive_depth = std::max(source.archive_depth(), 1u);
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
        {"md5", FilterKind::kMd5, source.md5(), {kMd5}},
        {"sha1", FilterKind::kSha1, source.sha1(), {kSha1}},
        {"sha2", FilterKind::kSha2, source.sha2(), {kSha224, kSha256, kSha384, kSha512}},
        {"sha3", FilterKind::kSha3, source.sha3(), {kSha3_224, kSha3_256, kSha3_384, kSha3_512}},
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
    // What no size passes, mismatch makes every size pass.
    if (!search.match_any && !search.IsInverted(FilterKind::kSize)) {
      if (absl::Status status = CheckSizesMeet(search.sizes); !status.ok())
        return Prefix(status, "sizes ");
    }
    if ((search.ReadsFiles() || search.WantsElf() || search.archive_depth != 0) &&
        !search.WantsType(FileType::kRegular)) {
      return Invalid(
          "types: without 'file' nothing is read, so filters on content, hashes and ELF facts, "
          "archives and return_sha256 could never hold");
    }
    return absl::OkStatus();
  }

  const v1::FileParameters& parameters_;
  const size_t pattern_memory_;
  CompiledSearches result_;
  absl::flat_hash_map<std::string, uint32_t> pattern_indexes_;
  absl::flat_hash_map<std::string, uint32_t> yara_indexes_;
};

}  // namespace

std::string_view FilterName(FilterKind kind) { return kFilterNames[static_cast<size_t>(kind)]; }

absl::StatusOr<CompiledSearches> CompileSearches(const v1::FileParameters& parameters) {
  return Compiler(parameters).Run();
}

}  // namespace dragnet::file
