#include "modules/memory/search.h"

#include <algorithm>
#include <charconv>
#include <set>
#include <utility>

#include "absl/status/status.h"
#include "core/status_macros.h"
#include "core/strings.h"
#include "core/text.h"
#include "modules/memory/byte_regex.h"

namespace dragnet::memory {
namespace {

// Compiled regexes of a run take at most so much, each at most the second.
constexpr size_t kPatternMemory = 16 << 20;
constexpr size_t kMaxPatternMemory = 8 << 20;
constexpr int kMaxFilters = 128;
constexpr size_t kMaxLabel = 256;
constexpr size_t kMaxShown = 200;
constexpr int kMaxExternals = 256;

using Strings = google::protobuf::RepeatedPtrField<std::string>;

absl::Status Invalid(std::string_view message) {
  return absl::InvalidArgumentError(ToAbsl(message));
}

// "contents[2] 'foo(' "
std::string Where(std::string_view field, int index, std::string_view value) {
  return StrCat(field, "[", index, "] '", ForTerminal(Shorten(value, 100)), "' ");
}
absl::Status Prefix(const absl::Status& status, std::string_view prefix) {
  return absl::Status(status.code(), StrCat(prefix, status.message()));
}

int PatternCount(const v1::Search& search) {
  return search.names_size() + search.exes_size() + search.command_lines_size() +
         search.libraries_size() + search.contents_size() + search.bytes_size();
}

absl::Status CheckCounts(const v1::MemoryParameters& parameters) {
  if (parameters.searches().empty()) return Invalid("searches: at least one is needed");
  if (parameters.searches_size() > kMaxSearches)
    return Invalid(StrCat("searches: at most ", kMaxSearches, " are taken"));
  int patterns = 0;
  for (const v1::Search& search : parameters.searches()) {
    patterns += PatternCount(search);
    if (PatternCount(search) + search.users_size() > kMaxFilters)
      return Invalid(StrCat("a search takes at most ", kMaxFilters, " filters"));
    if (search.pids_size() > 65536) return Invalid("pids: a search takes at most 65536");
    if (search.yara_externals_size() > kMaxExternals)
      return Invalid(StrCat("yara_externals: a search takes at most ", kMaxExternals));
  }
  if (patterns > kMaxPatterns) {
    return Invalid(StrCat("names, exes, command_lines, libraries, contents, bytes: at most ",
                          kMaxPatterns, " are taken in all searches, not ", patterns));
  }
  return absl::OkStatus();
}

bool TakeNot(std::string_view* text) {
  if (!text->starts_with('!')) return false;
  text->remove_prefix(1);
  return true;
}

// 4096, 0x1000; with `suffixes` also 4k.
absl::StatusOr<uint64_t> ParseNumber(std::string_view text, bool suffixes) {
  uint64_t scale = 1;
  const bool hex = text.starts_with("0x") || text.starts_with("0X");
  if (suffixes && !hex && !text.empty()) {
    const size_t power = std::string_view("kmgt").find(static_cast<char>(text.back() | 0x20));
    if (power != std::string_view::npos) {
      scale = uint64_t{1} << (10 * (power + 1));
      text.remove_suffix(1);
    }
  }
  if (hex) text.remove_prefix(2);
  uint64_t value = 0;
  const auto [end, error] =
      std::from_chars(text.data(), text.data() + text.size(), value, hex ? 16 : 10);
  if (error != std::errc() || end != text.data() + text.size() || value > kNoBound / scale) {
    return Invalid(suffixes ? "is no size: write bytes, or 64k, 16m, 2g, 1t"
                            : "is no address: write 4096 or 0x1000");
  }
  return value * scale;
}

class Compiler {
 public:
  explicit Compiler(const v1::MemoryParameters& parameters) : parameters_(parameters) {}

  absl::StatusOr<CompiledSearches> Run() {
    DRAGNET_RETURN_IF_ERROR(CheckCounts(parameters_));
    int count = 1;
    for (const v1::Search& search : parameters_.searches()) count += PatternCount(search);
    pattern_memory_ = std::min(kMaxPatternMemory, kPatternMemory / static_cast<size_t>(count));
    std::set<std::string> labels;
    for (int i = 0; i < parameters_.searches_size(); ++i) {
      const v1::Search& source = parameters_.searches(i);
      absl::StatusOr<Search> search = CompileOne(source);
      // With one search, which it is needs no saying.
      if (!search.ok()) {
        return parameters_.searches_size() == 1
                   ? search.status()
                   : Prefix(search.status(), StrCat("searches[", i, "] "));
      }
      search->label = source.label().empty() ? StrCat("s", i + 1) : source.label();
      if (search->label.size() > kMaxLabel)
        return Invalid(StrCat("searches[", i, "] label: is longer than ", kMaxLabel, " bytes"));
      if (!labels.insert(search->label).second) {
        return Invalid(StrCat("searches[", i, "] label '", ForTerminal(search->label),
                              "' is another search's, too"));
      }
      result_.searches.push_back(*std::move(search));
    }
    return std::move(result_);
  }

 private:
  absl::StatusOr<Search> CompileOne(const v1::Search& source) {
    Search search;
    search.match_any = source.match_any();
    search.skip_files = source.skip_files();
    search.match_limit = source.match_limit();
    DRAGNET_RETURN_IF_ERROR(CompileBounds(source, &search));
    DRAGNET_RETURN_IF_ERROR(CompileIdentity(source, &search));
    DRAGNET_RETURN_IF_ERROR(
        CompileTexts("names", "name", source.names(), FilterKind::kName, &search));
    DRAGNET_RETURN_IF_ERROR(CompileTexts("exes", "exe", source.exes(), FilterKind::kExe, &search));
    if (source.deleted_exe())
      search.filters.push_back({.kind = FilterKind::kDeletedExe, .shown = "deleted-exe"});
    DRAGNET_RETURN_IF_ERROR(CompileTexts("command_lines", "cmdline", source.command_lines(),
                                         FilterKind::kCommandLine, &search));
    DRAGNET_RETURN_IF_ERROR(CompileTexts("libraries", "library", source.libraries(),
                                         FilterKind::kLibrary, &search));
    if (source.writable_executable())
      search.filters.push_back({.kind = FilterKind::kWritableExecutable, .shown = "wx"});
    DRAGNET_RETURN_IF_ERROR(CompileContents(source, &search));
    DRAGNET_RETURN_IF_ERROR(CompileYara(source, &search));
    if (search.match_any && search.filters.empty())
      return Invalid("match_any: there is no filter of which any could hold; leave it out");
    return search;
  }

  static absl::Status CompileBounds(const v1::Search& source, Search* search) {
    const bool reads = source.contents_size() > 0 || source.bytes_size() > 0 ||
                       !source.yara().empty();
    const auto number = [&](std::string_view field, const std::string& text, bool suffixes,
                            uint64_t* value) {
      if (text.empty()) return absl::OkStatus();
      const absl::StatusOr<uint64_t> parsed = ParseNumber(text, suffixes);
      const std::string where = StrCat(field, " '", ForTerminal(Shorten(text, 100)), "' ");
      if (!parsed.ok()) return Prefix(parsed.status(), where);
      if (suffixes && *parsed == 0) return Invalid(StrCat(where, "is nothing to look at"));
      if (!reads) {
        return Invalid(StrCat(where, "has no effect: no filter reads memory (contents, bytes, "
                                     "yara)"));
      }
      *value = *parsed;
      return absl::OkStatus();
    };
    MemoryRange& range = search->range;
    uint64_t length = kNoBound;
    DRAGNET_RETURN_IF_ERROR(number("offset", source.offset(), false, &range.from));
    DRAGNET_RETURN_IF_ERROR(number("length", source.length(), true, &length));
    DRAGNET_RETURN_IF_ERROR(number("max_read", source.max_read(), true, &range.max_read));
    range.to = length > kNoBound - range.from ? kNoBound : range.from + length;
    if (!source.max_read().empty() && !source.yara().empty())
      return Invalid("max_read: can't be combined with yara, whose rules see all of the range");
    if (source.skip_files() && !reads) {
      return Invalid(
          "skip_files: has no effect: no filter reads memory (contents, bytes, yara)");
    }
    if (source.matches() > kMaxMatches)
      return Invalid(StrCat("matches: ", source.matches(), " is more than ", kMaxMatches));
    if (source.matches() > 0) search->max_matches = source.matches();
    if (source.context() > kMaxContext)
      return Invalid(StrCat("context: ", source.context(), " is more than ", kMaxContext));
    if (source.context() > 0 && source.contents().empty() && source.bytes().empty())
      return Invalid("context: has no effect without contents or bytes");
    return absl::OkStatus();
  }

  // Pids and users.
  static absl::Status CompileIdentity(const v1::Search& source, Search* search) {
    if (!source.pids().empty()) {
      Filter filter{.kind = FilterKind::kPids, .shown = "pid"};
      for (int i = 0; i < source.pids_size(); ++i) {
        if (source.pids(i) == 0 || source.pids(i) > 0x7fffffff)
          return Invalid(StrCat("pids[", i, "] ", source.pids(i), " is no process id"));
        filter.pids.push_back(source.pids(i));
      }
      std::sort(filter.pids.begin(), filter.pids.end());
      search->filters.push_back(std::move(filter));
    }
    Filter any{.kind = FilterKind::kUsers, .shown = "user"};
    for (int i = 0; i < source.users_size(); ++i) {
      std::string_view user = source.users(i);
      const bool inverted = TakeNot(&user);
      if (user.empty()) return Invalid(StrCat(Where("users", i, source.users(i)), "is empty"));
      if (user.size() > 256 || user.find_first_of(":\n") != std::string_view::npos)
        return Invalid(StrCat(Where("users", i, source.users(i)), "is no user's name"));
      if (!inverted) {
        any.users.emplace_back(user);
        continue;
      }
      search->filters.push_back({.kind = FilterKind::kNotUser,
                                 .shown = StrCat("user=", source.users(i)),
                                 .users = {std::string(user)}});
    }
    if (!any.users.empty()) search->filters.push_back(std::move(any));
    return absl::OkStatus();
  }

  absl::Status CompileTexts(std::string_view field, std::string_view flag, const Strings& values,
                            FilterKind kind, Search* search) const {
    for (int i = 0; i < values.size(); ++i) {
      std::string_view pattern = values[i];
      Filter filter{.kind = kind, .shown = StrCat(flag, "=", Shorten(values[i], kMaxShown))};
      filter.inverted = TakeNot(&pattern);
      absl::StatusOr<std::unique_ptr<const RE2>> regex = CompileForText(pattern, pattern_memory_);
      if (!regex.ok()) return Prefix(regex.status(), Where(field, i, values[i]));
      filter.regex = *std::move(regex);
      search->filters.push_back(std::move(filter));
    }
    return absl::OkStatus();
  }

  absl::Status CompileContents(const v1::Search& source, Search* search) {
    const MemoryPattern common{.range = search->range,
                               .max_matches = search->max_matches,
                               .context = source.context(),
                               .skip_files = search->skip_files};
    for (int i = 0; i < source.contents_size(); ++i) {
      std::string_view text = source.contents(i);
      Filter filter{.kind = FilterKind::kContent,
                    .shown = StrCat("content=", Shorten(text, kMaxShown))};
      filter.inverted = TakeNot(&text);
      absl::StatusOr<std::unique_ptr<const RE2>> regex = CompileForMemory(text, pattern_memory_);
      if (!regex.ok()) return Prefix(regex.status(), Where("contents", i, source.contents(i)));
      MemoryPattern pattern = common;
      pattern.regex_source = (*regex)->pattern();
      pattern.regex = *std::move(regex);
      AddPattern(std::move(pattern), std::move(filter), search);
    }
    for (int i = 0; i < source.bytes_size(); ++i) {
      std::string_view text = source.bytes(i);
      Filter filter{.kind = FilterKind::kBytes, .shown = StrCat("bytes=", Shorten(text, kMaxShown))};
      filter.inverted = TakeNot(&text);
      absl::StatusOr<HexPattern> hex = HexPattern::Parse(text);
      if (!hex.ok()) return Prefix(hex.status(), Where("bytes", i, source.bytes(i)));
      MemoryPattern pattern = common;
      pattern.hex = *std::move(hex);
      AddPattern(std::move(pattern), std::move(filter), search);
    }
    return absl::OkStatus();
  }

  void AddPattern(MemoryPattern pattern, Filter filter, Search* search) {
    // Of what must not be there, one is enough to know.
    if (filter.inverted) pattern.max_matches = 1;
    filter.pattern = static_cast<uint32_t>(result_.patterns.size());
    result_.patterns.push_back(std::move(pattern));
    search->filters.push_back(std::move(filter));
  }

  static absl::Status CompileYara(const v1::Search& source, Search* search) {
    if (source.yara().empty()) {
      if (!source.yara_externals().empty())
        return Invalid("yara_externals: there are no rules that could use them; give yara");
      if (source.yara_no_bytes()) return Invalid("yara_no_bytes: there are no rules; give yara");
      return absl::OkStatus();
    }
    const std::vector<std::string> externals(source.yara_externals().begin(),
                                             source.yara_externals().end());
    absl::StatusOr<std::shared_ptr<const scan::YaraRules>> rules =
        scan::YaraRules::Compile(source.yara(), externals);
    if (!rules.ok()) return Annotate(rules.status(), "yara");
    search->yara = *std::move(rules);
    search->yara_no_bytes = source.yara_no_bytes();
    search->filters.push_back({.kind = FilterKind::kYara, .shown = "yara"});
    return absl::OkStatus();
  }

  const v1::MemoryParameters& parameters_;
  size_t pattern_memory_ = 0;
  CompiledSearches result_;
};

}  // namespace

absl::StatusOr<CompiledSearches> CompileSearches(const v1::MemoryParameters& parameters) {
  return Compiler(parameters).Run();
}

absl::Status CheckPrivacy(const v1::MemoryParameters& parameters) {
  for (const v1::Search& search : parameters.searches()) {
    if (search.context() > 0)
      return absl::PermissionDeniedError("context: would return memory of processes");
    if (!search.yara().empty() && !search.yara_no_bytes()) {
      return absl::PermissionDeniedError(
          "yara: would return bytes of memory that matched; set yara_no_bytes");
    }
  }
  return absl::OkStatus();
}

}  // namespace dragnet::memory
