#include "modules/pkg/vulnerable.h"

#include <algorithm>

#include "core/strings.h"
#include "core/text.h"
#include "modules/pkg/version_compare.h"

namespace dragnet::pkg {
namespace {

constexpr size_t kMaxName = 512;
constexpr size_t kMaxId = 128;
constexpr size_t kMaxVersion = 256;
constexpr std::string_view kTypes[] = {"dpkg", "rpm", "apk", "python", "node", "go"};
constexpr std::string_view kSourceSuffix = "-source";

constexpr std::pair<std::string_view, Comparison> kSigns[] = {{"<=", Comparison::kLessOrEqual},
                                                              {">=", Comparison::kGreaterOrEqual},
                                                              {"<", Comparison::kLess},
                                                              {">", Comparison::kGreater},
                                                              {"=", Comparison::kEqual}};

absl::Status Wrong(std::string_view what, std::string_view text, std::string_view why) {
  return absl::InvalidArgumentError(StrCat(what, " '", ForTerminal(Shorten(text, 200)), "' ", why));
}

bool IsKnownType(std::string_view type) {
  return std::find(std::begin(kTypes), std::end(kTypes), type) != std::end(kTypes);
}

bool IsManager(std::string_view type) { return type == "dpkg" || type == "rpm" || type == "apk"; }

std::string_view TakeWord(std::string_view* line) {
  line->remove_prefix(std::min(line->find_first_not_of(" \t"), line->size()));
  const std::string_view word = line->substr(0, line->find_first_of(" \t"));
  line->remove_prefix(word.size());
  return word;
}

// Printable, without blanks.
bool IsWord(std::string_view text, size_t most) {
  return !text.empty() && text.size() <= most && IsValidUtf8(text) &&
         std::none_of(text.begin(), text.end(),
                      [](char c) { return static_cast<unsigned char>(c) <= ' ' || c == 0x7f; });
}

// Python's names are one whatever the case, and with - _ or . (PEP 503).
std::string PythonName(std::string_view name) {
  std::string normal;
  for (char c : name) {
    if (c == '-' || c == '_' || c == '.') {
      if (normal.empty() || normal.back() != '-') normal.push_back('-');
    } else {
      normal.push_back(c >= 'A' && c <= 'Z' ? static_cast<char>(c - 'A' + 'a') : c);
    }
  }
  return normal;
}

absl::StatusOr<VersionRange> ParseRange(std::string_view type, std::string_view text) {
  VersionRange range;
  if (text == "*") return range;
  const std::string_view whole = text;
  while (true) {
    const std::string_view test = text.substr(0, text.find(','));
    const auto sign = std::find_if(std::begin(kSigns), std::end(kSigns),
                                   [&](const auto& each) { return test.starts_with(each.first); });
    if (sign == std::end(kSigns))
      return Wrong("range", whole,
                   "has a test without < <= = >= or > in front; * is every version");
    VersionBound bound;
    bound.comparison = sign->second;
    bound.version = std::string(test.substr(sign->first.size()));
    if (!IsVersionOf(type, bound.version))
      return Wrong("version", bound.version, StrCat("isn't one as ", type, " has them"));
    range.push_back(std::move(bound));
    if (test.size() == text.size()) return range;
    text.remove_prefix(test.size() + 1);
  }
}

absl::Status ParseKind(std::string_view kind, VulnerableEntry* entry) {
  const size_t at = kind.find('@');
  std::string_view type = kind.substr(0, at);
  if (at != std::string_view::npos) {
    const std::string_view system = kind.substr(at + 1);
    const size_t colon = system.find(':');
    entry->system = std::string(system.substr(0, colon));
    if (colon != std::string_view::npos) entry->release = std::string(system.substr(colon + 1));
    if (entry->system.empty() || (colon != std::string_view::npos && entry->release.empty()))
      return Wrong("kind", kind, "has no system or release after its @ or :");
  }
  entry->source = type.ends_with(kSourceSuffix);
  if (entry->source) type.remove_suffix(kSourceSuffix.size());
  entry->type = std::string(type);
  if (!IsKnownType(type) || (entry->source && !IsManager(type)))
    return Wrong(
        "kind", kind,
        "is none of dpkg, dpkg-source, rpm, rpm-source, apk, apk-source, python, node, go");
  return absl::OkStatus();
}

// The name in NAME-VERSION-RELEASE.src.rpm.
std::string_view NameOfSourceRpm(std::string_view file) {
  for (int i = 0; i < 2; ++i) file = file.substr(0, std::min(file.rfind('-'), file.size()));
  return file;
}

std::string_view SourceName(const v1::PkgRow& row) {
  return row.type() == "rpm" ? NameOfSourceRpm(row.source()) : std::string_view(row.source());
}

// The source's own version, where it isn't the package's.
const std::string& SourceVersion(const v1::PkgRow& row) {
  return row.source_version().empty() ? row.version() : row.source_version();
}

// 12 is 12 and 12.4, not 120.
bool IsOf(const VulnerableEntry& entry, const SystemRelease& system) {
  if (entry.system.empty()) return true;
  if (entry.system != system.system) return false;
  return entry.release.empty() || entry.release == system.release ||
         system.release.starts_with(StrCat(entry.release, "."));
}

std::string Unquoted(std::string_view value) {
  if (value.size() >= 2 && (value.front() == '"' || value.front() == '\'') &&
      value.back() == value.front())
    value = value.substr(1, value.size() - 2);
  return std::string(value);
}

}  // namespace

SystemRelease ParseOsRelease(std::string_view text) {
  SystemRelease system;
  while (!text.empty()) {
    std::string_view line = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(line.size() + 1, text.size()));
    while (line.ends_with('\r') || line.ends_with(' ')) line.remove_suffix(1);
    if (line.starts_with("ID=")) system.system = Unquoted(line.substr(3));
    if (line.starts_with("VERSION_ID=")) system.release = Unquoted(line.substr(11));
  }
  return system;
}

int CompareVersions(std::string_view type, std::string_view a, std::string_view b) {
  if (type == "dpkg") return CompareDpkg(a, b);
  if (type == "rpm") return CompareRpm(a, b);
  if (type == "apk") return CompareApk(a, b);
  if (type == "python") return ComparePython(a, b);
  return CompareSemantic(a, b);
}

bool IsVersionOf(std::string_view type, std::string_view version) {
  if (!IsWord(version, kMaxVersion) || version.find(',') != std::string_view::npos) return false;
  if (type == "dpkg") return IsDpkgVersion(version);
  if (type == "rpm") return IsRpmVersion(version);
  if (type == "apk") return IsApkVersion(version);
  const bool begins =
      (version[0] >= '0' && version[0] <= '9') ||
      (version.size() > 1 && version[0] == 'v' && version[1] >= '0' && version[1] <= '9');
  return begins && std::all_of(version.begin(), version.end(), [](char c) {
           return (c >= '0' && c <= '9') || (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') ||
                  std::string_view(".+-_!*").find(c) != std::string_view::npos;
         });
}

bool HoldsComparison(Comparison comparison, int order) {
  switch (comparison) {
    case Comparison::kLess:
      return order < 0;
    case Comparison::kLessOrEqual:
      return order <= 0;
    case Comparison::kEqual:
      return order == 0;
    case Comparison::kGreaterOrEqual:
      return order >= 0;
    case Comparison::kGreater:
      return order > 0;
  }
  return false;
}

absl::StatusOr<VulnerableEntry> ParseVulnerableEntry(std::string_view line) {
  VulnerableEntry entry;
  if (line.size() > VulnerableList::kMaxLine) return Wrong("entry", line, "is over 64 KiB");
  entry.id = std::string(TakeWord(&line));
  if (!IsWord(entry.id, kMaxId)) return Wrong("id", entry.id, "isn't a word of at most 128 bytes");
  const std::string_view kind = TakeWord(&line);
  if (!IsWord(kind, kMaxName)) return Wrong("entry", entry.id, "has no kind");
  if (absl::Status status = ParseKind(kind, &entry); !status.ok()) return status;
  entry.name = std::string(TakeWord(&line));
  if (!IsWord(entry.name, kMaxName)) return Wrong("entry", entry.id, "has no package's name");
  while (true) {
    const std::string_view text = TakeWord(&line);
    if (text.empty()) break;
    absl::StatusOr<VersionRange> range = ParseRange(entry.type, text);
    if (!range.ok()) return range.status();
    entry.ranges.push_back(*std::move(range));
  }
  if (entry.ranges.empty())
    return Wrong("entry", entry.id, "has no range of versions; * is every version");
  return entry;
}

std::string FormatRange(const VersionRange& range) {
  std::string text;
  for (const VersionBound& bound : range) {
    for (const auto& [sign, comparison] : kSigns)
      if (comparison == bound.comparison)
        StrAppend(&text, text.empty() ? "" : ",", sign, bound.version);
  }
  return text.empty() ? "*" : text;
}

std::string FormatVulnerableEntry(const VulnerableEntry& entry) {
  std::string text =
      StrCat(entry.id, " ", entry.type, entry.source ? kSourceSuffix : std::string_view());
  if (!entry.system.empty()) StrAppend(&text, "@", entry.system);
  if (!entry.release.empty()) StrAppend(&text, ":", entry.release);
  StrAppend(&text, " ", entry.name);
  for (const VersionRange& range : entry.ranges) StrAppend(&text, " ", FormatRange(range));
  return text;
}

VulnerableList::Key VulnerableList::KeyOf(std::string_view type, bool source,
                                          std::string_view name) {
  return StrCat(type, source ? "-source " : " ", type == "python" ? PythonName(name) : name);
}

absl::StatusOr<VulnerableList> VulnerableList::Parse(std::string_view text) {
  VulnerableList list;
  if (text.size() > kMaxBytes) return absl::InvalidArgumentError("is over 64 MiB");
  for (size_t number = 1; !text.empty(); ++number) {
    std::string_view line = text.substr(0, text.find('\n'));
    text.remove_prefix(std::min(line.size() + 1, text.size()));
    while (line.ends_with('\r') || line.ends_with(' ') || line.ends_with('\t'))
      line.remove_suffix(1);
    if (line.empty() || line.starts_with('#')) continue;
    absl::StatusOr<VulnerableEntry> entry = ParseVulnerableEntry(line);
    if (!entry.ok())
      return absl::InvalidArgumentError(StrCat("line ", number, ": ", entry.status().message()));
    if (list.entries_.size() == kMaxEntries)
      return absl::InvalidArgumentError(
          StrCat("line ", number, ": at most 250,000 entries can be"));
    list.by_name_[KeyOf(entry->type, entry->source, entry->name)].push_back(
        static_cast<uint32_t>(list.entries_.size()));
    list.names_[entry->name] = true;
    list.types_.insert(entry->type);
    list.has_sources_ |= entry->source;
    list.has_python_ |= entry->type == "python";
    list.names_systems_ |= !entry->system.empty();
    list.entries_.push_back(*std::move(entry));
  }
  return list;
}

bool VulnerableList::MayMatchName(std::string_view name) const {
  return has_sources_ || has_python_ || names_.contains(std::string(name));
}

bool VulnerableList::ForEachMatch(
    const v1::PkgRow& row, const SystemRelease& system,
    const std::function<bool(const VulnerableEntry&, const VersionRange&)>& take) const {
  std::set<std::string_view> given;
  for (bool source : {false, true}) {
    const auto found =
        by_name_.find(KeyOf(row.type(), source, source ? SourceName(row) : row.name()));
    if (found == by_name_.end()) continue;
    const std::string& version = source ? SourceVersion(row) : row.version();
    for (uint32_t index : found->second) {
      const VulnerableEntry& entry = entries_[index];
      if (given.contains(entry.id) || !IsOf(entry, system)) continue;
      const auto holds = [&](const VersionRange& range) {
        return std::all_of(range.begin(), range.end(), [&](const VersionBound& bound) {
          return HoldsComparison(bound.comparison,
                                 CompareVersions(row.type(), version, bound.version));
        });
      };
      const auto range = std::find_if(entry.ranges.begin(), entry.ranges.end(), holds);
      if (range == entry.ranges.end()) continue;
      given.insert(entry.id);
      if (!take(entry, *range)) return false;
    }
  }
  return true;
}

}  // namespace dragnet::pkg
