#include "modules/pkg/query.h"

#include <algorithm>
#include <array>

#include "core/status_macros.h"
#include "core/strings.h"
#include "core/text.h"
#include "modules/pkg/version_compare.h"

namespace dragnet::pkg {
namespace {

constexpr int kMaxFilters = 64;
constexpr int kMaxOwns = 256;
constexpr size_t kMaxFilterBytes = 4096;
constexpr int64_t kPatternMemory = 2 * 1024 * 1024;

constexpr std::string_view kManagers[] = {"dpkg", "rpm", "apk"};
constexpr std::string_view kEcosystems[] = {"python", "node", "go"};
constexpr const char* kSearchPaths[] = {"/usr",  "/opt", "/srv",    "/home",
                                        "/root", "/app", "/var/www"};

absl::Status Invalid(std::string_view field, int index, std::string_view value,
                     std::string_view wrong) {
  return absl::InvalidArgumentError(
      StrCat(field, "[", index, "] '", Shorten(value, 200), "': ", wrong));
}

using Texts = google::protobuf::RepeatedPtrField<std::string>;

absl::Status CheckCount(std::string_view field, const Texts& texts, int most) {
  if (texts.size() <= most) return absl::OkStatus();
  return absl::InvalidArgumentError(
      StrCat(field, ": ", texts.size(), " are given, at most ", most, " can be"));
}

template <size_t n>
absl::Status CheckChoice(std::string_view field, const Texts& texts,
                         const std::string_view (&choices)[n], std::string_view all) {
  DRAGNET_RETURN_IF_ERROR(CheckCount(field, texts, kMaxFilters));
  for (int i = 0; i < texts.size(); ++i) {
    if (std::find(std::begin(choices), std::end(choices), texts[i]) == std::end(choices))
      return Invalid(field, i, texts[i], StrCat("is none of ", all));
  }
  return absl::OkStatus();
}

std::string_view Trim(std::string_view text) {
  while (text.starts_with(' ')) text.remove_prefix(1);
  while (text.ends_with(' ')) text.remove_suffix(1);
  return text;
}

// What no package manager's version looks like is a slip.
absl::Status CheckVersion(std::string_view version) {
  if (version.empty()) return absl::InvalidArgumentError("no version is given");
  const auto is_part = [](unsigned char c) {
    return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
           std::string_view(".+~^:_!-").find(static_cast<char>(c)) != std::string_view::npos;
  };
  if (!std::all_of(version.begin(), version.end(), is_part))
    return absl::InvalidArgumentError(
        StrCat("'", version, "' is no version: letters, digits and . + ~ ^ : _ ! - are"));
  if (std::none_of(version.begin(), version.end(), [](char c) { return c >= '0' && c <= '9'; }))
    return absl::InvalidArgumentError(StrCat("'", version, "' is no version: no digit is in it"));
  return absl::OkStatus();
}

}  // namespace

absl::StatusOr<std::string> CleanPath(std::string_view path) {
  if (!path.starts_with('/')) return absl::InvalidArgumentError("isn't an absolute path");
  if (path.size() > kMaxFilterBytes) return absl::InvalidArgumentError("is over 4 KiB");
  if (path.find('\0') != std::string_view::npos)
    return absl::InvalidArgumentError("has a NUL in it");
  std::string clean;
  while (!path.empty()) {
    const size_t end = std::min(path.find('/'), path.size());
    const std::string_view part = path.substr(0, end);
    path.remove_prefix(std::min(end + 1, path.size()));
    if (part.empty() || part == ".") continue;
    if (part == "..") return absl::InvalidArgumentError("has .. in it: write where it leads to");
    StrAppend(&clean, "/", part);
  }
  return clean.empty() ? "/" : clean;
}

absl::Status Query::CompilePatterns(std::string_view field, const Texts& texts,
                                    std::vector<Pattern>* patterns) {
  DRAGNET_RETURN_IF_ERROR(CheckCount(field, texts, kMaxFilters));
  RE2::Options options;
  options.set_log_errors(false);
  options.set_dot_nl(true);
  options.set_max_mem(kPatternMemory);
  for (int i = 0; i < texts.size(); ++i) {
    std::string_view text = texts[i];
    if (text.size() > kMaxFilterBytes) return Invalid(field, i, text, "is over 4 KiB");
    Pattern pattern;
    pattern.inverted = text.starts_with('!');
    if (pattern.inverted) text.remove_prefix(1);
    if (text.empty()) return Invalid(field, i, texts[i], "is empty");
    pattern.regex =
        std::make_unique<const RE2>(re2::StringPiece(text.data(), text.size()), options);
    if (!pattern.regex->ok()) return Invalid(field, i, texts[i], pattern.regex->error());
    patterns->push_back(std::move(pattern));
  }
  return absl::OkStatus();
}

absl::StatusOr<Query::VersionTest> Query::ParseTest(std::string_view text) {
  VersionTest test;
  text = Trim(text);
  static constexpr std::pair<std::string_view, Comparison> kOperators[] = {
      {"<=", Comparison::kLessOrEqual},
      {">=", Comparison::kGreaterOrEqual},
      {"<", Comparison::kLess},
      {">", Comparison::kGreater},
      {"=", Comparison::kEqual}};
  const auto found = std::find_if(std::begin(kOperators), std::end(kOperators),
                                  [&](const auto& each) { return text.starts_with(each.first); });
  if (found == std::end(kOperators))
    return absl::InvalidArgumentError("has none of < <= = >= > before the version");
  test.op = found->second;
  text.remove_prefix(found->first.size());
  test.version = std::string(Trim(text));
  DRAGNET_RETURN_IF_ERROR(CheckVersion(test.version));
  return test;
}

absl::Status Query::CompileTests() {
  const Texts& version_is = parameters_.version_is();
  DRAGNET_RETURN_IF_ERROR(CheckCount("version_is", version_is, kMaxFilters));
  for (int i = 0; i < version_is.size(); ++i) {
    absl::StatusOr<VersionTest> test = ParseTest(version_is[i]);
    if (!test.ok()) return Invalid("version_is", i, version_is[i], ToStd(test.status().message()));
    version_is_.push_back(*std::move(test));
  }
  const Texts& compares = parameters_.compares();
  DRAGNET_RETURN_IF_ERROR(CheckCount("compares", compares, kMaxFilters));
  for (int i = 0; i < compares.size(); ++i) {
    const std::string_view text = compares[i];
    if (text.size() > kMaxFilterBytes) return Invalid("compares", i, text, "is over 4 KiB");
    const size_t sign = text.find_first_of("<>=");
    if (sign == std::string_view::npos)
      return Invalid("compares", i, text, "isn't NAME < VERSION (or <=, =, >=, >)");
    const std::string_view name = Trim(text.substr(0, sign));
    if (name.empty() || name.find(' ') != std::string_view::npos)
      return Invalid("compares", i, text, "doesn't begin with a package's name");
    absl::StatusOr<VersionTest> test = ParseTest(text.substr(sign));
    if (!test.ok()) return Invalid("compares", i, text, ToStd(test.status().message()));
    test->name = std::string(name);
    compares_.push_back(*std::move(test));
  }
  return absl::OkStatus();
}

absl::Status Query::CheckPlaces() {
  const auto clean = [](std::string_view field, const Texts& texts, int most,
                        std::vector<std::string>* paths) -> absl::Status {
    DRAGNET_RETURN_IF_ERROR(CheckCount(field, texts, most));
    for (int i = 0; i < texts.size(); ++i) {
      absl::StatusOr<std::string> path = CleanPath(texts[i]);
      if (!path.ok()) return Invalid(field, i, texts[i], ToStd(path.status().message()));
      // The same place twice would give the same rows twice.
      if (std::find(paths->begin(), paths->end(), *path) == paths->end())
        paths->push_back(*std::move(path));
    }
    return absl::OkStatus();
  };
  DRAGNET_RETURN_IF_ERROR(clean("roots", parameters_.roots(), kMaxFilters, &roots_));
  DRAGNET_RETURN_IF_ERROR(
      clean("search_paths", parameters_.search_paths(), kMaxFilters, &search_paths_));
  DRAGNET_RETURN_IF_ERROR(clean("owns", parameters_.owns(), kMaxOwns, &owns_));
  if (roots_.empty()) roots_.push_back("/");
  const bool ecosystems = uses_ecosystems();
  if (!search_paths_.empty() && !ecosystems)
    return absl::InvalidArgumentError(
        "search_paths: say where ecosystems are searched for; no ecosystems are given");
  if (search_paths_.empty()) search_paths_.assign(std::begin(kSearchPaths), std::end(kSearchPaths));
  if (ecosystems && !owns_.empty())
    return absl::InvalidArgumentError("owns: can't be asked of ecosystems; make two operations");
  if (ecosystems && parameters_.verify())
    return absl::InvalidArgumentError("verify: can't be asked of ecosystems; make two operations");
  if (parameters_.verify() && !owns_.empty())
    return absl::InvalidArgumentError("verify: not together with owns; make two operations");
  if (parameters_.verify_config() && !parameters_.verify())
    return absl::InvalidArgumentError("verify_config: only with verify");
  return absl::OkStatus();
}

absl::Status Query::CompileVulnerable() {
  if (parameters_.vulnerable().empty()) return absl::OkStatus();
  if (parameters_.verify() || !parameters_.owns().empty())
    return absl::InvalidArgumentError(
        "vulnerable: not together with verify or owns; make two operations");
  absl::StatusOr<VulnerableList> list = VulnerableList::Parse(parameters_.vulnerable());
  if (!list.ok())
    return absl::InvalidArgumentError(StrCat("vulnerable: ", list.status().message()));
  // Without entries nothing would be a filter, and every package be found.
  if (list->empty()) return absl::InvalidArgumentError("vulnerable: has no entries");
  vulnerable_ = *std::move(list);
  for (const std::string& type : vulnerable_.types()) {
    if (!Uses(type))
      return absl::InvalidArgumentError(
          StrCat("vulnerable: has entries for ", type,
                 ", which managers and ecosystems leave out; name it there or name none"));
  }
  return absl::OkStatus();
}

absl::StatusOr<Query> Query::Compile(const v1::PkgParameters& parameters) {
  Query query;
  query.parameters_ = parameters;
  DRAGNET_RETURN_IF_ERROR(CompilePatterns("names", parameters.names(), &query.names_));
  DRAGNET_RETURN_IF_ERROR(CompilePatterns("versions", parameters.versions(), &query.versions_));
  DRAGNET_RETURN_IF_ERROR(CompilePatterns("archs", parameters.archs(), &query.archs_));
  DRAGNET_RETURN_IF_ERROR(query.CompileTests());
  DRAGNET_RETURN_IF_ERROR(
      CheckChoice("managers", parameters.managers(), kManagers, "dpkg, rpm, apk"));
  DRAGNET_RETURN_IF_ERROR(
      CheckChoice("ecosystems", parameters.ecosystems(), kEcosystems, "python, node, go"));
  DRAGNET_RETURN_IF_ERROR(query.CompileVulnerable());
  DRAGNET_RETURN_IF_ERROR(query.CheckPlaces());
  return query;
}

bool Query::Pattern::Holds(std::string_view text) const {
  return RE2::PartialMatch(re2::StringPiece(text.data(), text.size()), *regex) != inverted;
}

bool Query::VersionTest::Holds(const v1::PkgRow& row, RunContext& context) const {
  if (!name.empty() && name != row.name()) return false;
  const std::string& type = row.type();
  bool comparable = true;
  if (type == "dpkg") comparable = IsDpkgVersion(version);
  if (type == "rpm") comparable = IsRpmVersion(version);
  if (type == "apk") comparable = IsApkVersion(version);
  if (!comparable) {
    context.NoteUnexamined(StrCat("'", version, "' isn't a version as ", type, " has them"),
                           row.name());
    return false;
  }
  return HoldsComparison(op, CompareVersions(type, row.version(), version));
}

bool Query::MayMatchName(std::string_view name) const {
  const auto is_named = [&](const VersionTest& test) { return test.name == name; };
  if (!compares_.empty() && std::none_of(compares_.begin(), compares_.end(), is_named))
    return false;
  if (!vulnerable_.empty() && !vulnerable_.MayMatchName(name)) return false;
  // As the row will have it: filters see what people see.
  if (names_.empty()) return true;
  const std::string text = IsValidUtf8(name) ? std::string(name) : ToValidUtf8(name);
  return std::all_of(names_.begin(), names_.end(),
                     [&](const Pattern& pattern) { return pattern.Holds(text); });
}

bool Query::Matches(const v1::PkgRow& row, RunContext& context) const {
  if (!MayMatchName(row.name())) return false;
  for (const Pattern& pattern : versions_)
    if (!pattern.Holds(row.version())) return false;
  for (const Pattern& pattern : archs_)
    if (!pattern.Holds(row.arch())) return false;
  for (const VersionTest& test : version_is_)
    if (!test.Holds(row, context)) return false;
  if (compares_.empty()) return true;
  bool any = false;
  for (const VersionTest& test : compares_) any = any || test.Holds(row, context);
  return any;
}

bool Query::Uses(std::string_view manager_or_ecosystem) const {
  const auto contains = [&](const Texts& texts) {
    return std::find(texts.begin(), texts.end(), manager_or_ecosystem) != texts.end();
  };
  if (contains(parameters_.managers()) || contains(parameters_.ecosystems())) return true;
  if (!parameters_.managers().empty() || !parameters_.ecosystems().empty()) return false;
  if (!vulnerable_.empty()) return vulnerable_.types().contains(manager_or_ecosystem);
  return std::find(std::begin(kManagers), std::end(kManagers), manager_or_ecosystem) !=
         std::end(kManagers);
}

bool Query::uses_ecosystems() const {
  return std::any_of(std::begin(kEcosystems), std::end(kEcosystems),
                     [&](std::string_view ecosystem) { return Uses(ecosystem); });
}

}  // namespace dragnet::pkg
