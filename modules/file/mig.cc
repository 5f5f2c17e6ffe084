// MIG's modules `file` and `yara`, both by module file. What differs from MIG
// on purpose: docs/mig/file.md.
#include "modules/mig.h"

#include <algorithm>
#include <map>

#include "absl/strings/ascii.h"
#include "absl/strings/numbers.h"
#include "absl/time/time.h"
#include "core/status_macros.h"
#include "core/strings.h"
#include "core/text.h"
#include "modules/file/file.pb.h"
#include "modules/file/mig_mode.h"
#include "modules/file/mig_search.h"

namespace dragnet {

const Module& FileModule();

namespace file {
namespace {

// As Go writes a time in UTC: 2024-02-03 04:05:06.5 +0000 UTC.
std::string GoTime(const google::protobuf::Timestamp& timestamp) {
  const absl::Time time =
      absl::FromUnixSeconds(timestamp.seconds()) + absl::Nanoseconds(timestamp.nanos());
  return absl::FormatTime("%Y-%m-%d %H:%M:%E*S +0000 UTC", time, absl::UTCTimeZone());
}

std::string Directory(const std::string& path) {
  const size_t slash = path.rfind('/');
  return slash == 0 || slash == std::string::npos ? "/" : path.substr(0, slash);
}

MigJson Element(std::string_view file, MigJson search, const v1::FileRow* row) {
  MigJson element = MigJson::object();
  element["file"] = file;
  element["search"] = std::move(search);
  MigJson info = MigJson::object();
  info["size"] = row == nullptr ? 0 : row->size();
  info["mode"] = row == nullptr ? "" : GoMode(row->mode());
  info["lastmodified"] = row == nullptr ? "" : GoTime(row->mtime());
  if (row != nullptr && !row->sha256().empty())
    info["sha256"] = absl::AsciiStrToUpper(row->sha256());
  element["fileinfo"] = std::move(info);
  return element;
}

class FileElements : public MigElements {
 public:
  explicit FileElements(std::vector<MigSearch> searches) : searches_(std::move(searches)) {
    for (size_t i = 0; i < searches_.size(); ++i) {
      findings_.emplace_back(std::max<size_t>(searches_[i].filters.size(), 1));
      by_label_[searches_[i].label] = i;
    }
  }

  void Add(const google::protobuf::Message& message) override {
    const auto* row = dynamic_cast<const v1::FileRow*>(&message);
    if (row == nullptr) return;
    const auto found = by_label_.find(row->search());
    if (found == by_label_.end()) return;
    const MigSearch& search = searches_[found->second];
    std::vector<std::vector<MigJson>>& findings = findings_[found->second];
    if (search.match_all || search.filters.empty()) {
      findings[0].push_back(Element(row->path(), Whole(search), row));
      ++hits_;
      return;
    }
    for (size_t i = 0; i < search.filters.size(); ++i) {
      const MigFilter& filter = search.filters[i];
      const bool matched = std::ranges::any_of(
          row->matched(), [&](const auto& entry) { return IsEntryOf(entry, search, filter); });
      if (!matched) continue;
      findings[i].push_back(
          Element(row->path(), search.Echo({Directory(row->path())}, {&filter}, false), row));
      ++hits_;
    }
  }

  MigJson Elements() override {
    MigJson elements = MigJson::object();
    // By label, as Go writes maps.
    for (const auto& [label, index] : by_label_) {
      MigJson list = MigJson::array();
      for (std::vector<MigJson>& of_filter : findings_[index])
        for (MigJson& element : of_filter) list.push_back(std::move(element));
      if (list.empty()) list.push_back(Element("", Whole(searches_[index]), nullptr));
      elements[label] = std::move(list);
    }
    return elements;
  }

  MigJson Statistics(const MigStatistics& statistics) override {
    MigJson json = MigJson::object();
    json["filescount"] = statistics.items_examined;
    json["openfailed"] = statistics.items_unexamined;
    json["totalhits"] = hits_;
    json["exectime"] = GoDuration(statistics.seconds);
    return json;
  }

 private:
  static MigJson Whole(const MigSearch& search) {
    std::vector<const MigFilter*> all;
    for (const MigFilter& filter : search.filters) all.push_back(&filter);
    return search.Echo(search.paths, all, true);
  }

  const std::vector<MigSearch> searches_;
  std::map<std::string, size_t> by_label_;
  // By search, by filter: what was found. A search of all its filters has one list.
  std::vector<std::vector<std::vector<MigJson>>> findings_;
  uint64_t hits_ = 0;
};

class MigFile : public MigModule {
 public:
  std::string_view name() const override { return "file"; }
  const Module& module() const override { return FileModule(); }

  absl::StatusOr<std::unique_ptr<google::protobuf::Message>> TranslateParameters(
      const MigJson& parameters) const override {
    DRAGNET_ASSIGN_OR_RETURN(const std::vector<MigSearch> searches, ReadMigSearches(parameters));
    auto translated = std::make_unique<v1::FileParameters>();
    uint32_t max_errors = 0;
    for (const MigSearch& search : searches) {
      *translated->add_searches() = ToSearch(search);
      max_errors = std::max(max_errors, search.max_errors);
    }
    translated->set_max_errors(max_errors);
    return translated;
  }

  std::unique_ptr<MigElements> NewElements(const MigJson& parameters) const override {
    absl::StatusOr<std::vector<MigSearch>> searches = ReadMigSearches(parameters);
    if (!searches.ok()) searches.emplace();
    return std::make_unique<FileElements>(*std::move(searches));
  }
};

class YaraElements : public MigElements {
 public:
  void Add(const google::protobuf::Message& message) override {
    const auto* row = dynamic_cast<const v1::FileRow*>(&message);
    if (row == nullptr) return;
    // A file that several searches found is one object.
    std::vector<std::string>& rules = matches_[row->path()];
    for (const std::string& rule : row->rules())
      if (std::ranges::find(rules, rule) == rules.end()) rules.push_back(rule);
  }

  MigJson Elements() override {
    MigJson matches;  // null, as MIG has it, when there is none
    for (const auto& [path, rules] : matches_) {
      MigJson match = MigJson::object();
      match["Object"] = path;
      match["MatchedRules"] = rules;
      matches.push_back(std::move(match));
    }
    MigJson elements = MigJson::object();
    elements["Matches"] = std::move(matches);
    return elements;
  }

  // MIG's yara has none.
  MigJson Statistics(const MigStatistics&) override { return nullptr; }

 private:
  std::map<std::string, std::vector<std::string>> matches_;
};

class MigYara : public MigModule {
 public:
  std::string_view name() const override { return "yara"; }
  const Module& module() const override { return FileModule(); }

  absl::StatusOr<std::unique_ptr<google::protobuf::Message>> TranslateParameters(
      const MigJson& parameters) const override {
    if (!parameters.is_object())
      return absl::InvalidArgumentError("parameters: must be a JSON object");
    std::string rules;
    std::string flags;
    for (const auto& [key, value] : parameters.items()) {
      std::string* to = key == "yara" ? &rules : key == "filesearch" ? &flags : nullptr;
      if (to == nullptr) {
        return absl::InvalidArgumentError(StrCat(ForTerminal(Shorten(key, 100)),
                                                 ": unknown: yara has the keys yara (the rules) "
                                                 "and filesearch"));
      }
      if (!value.is_string()) return absl::InvalidArgumentError(StrCat(key, ": must be a text"));
      *to = value.get<std::string>();
    }
    if (rules.empty()) {
      return absl::InvalidArgumentError("yara: missing: the rules, as one text");
    }
    if (flags.empty()) {
      return absl::InvalidArgumentError(
          "filesearch: missing: MIG scans nothing then; write the flags of its file module, like "
          "\"-path /usr/bin -name .\"");
    }
    absl::StatusOr<MigSearch> search = ReadMigFlags(flags);
    if (!search.ok()) return Annotate(search.status(), "filesearch");
    auto translated = std::make_unique<v1::FileParameters>();
    translated->set_max_errors(search->max_errors);
    // The rules hold besides the other filters, of which one is enough with
    // -matchany: that is a search for each of them.
    std::vector<v1::Search> searches;
    if (search->match_all || search->filters.size() <= 1) {
      searches.push_back(ToSearch(*search));
    } else {
      for (const MigFilter& filter : search->filters) {
        searches.push_back(ToSearch(*search, {&filter}));
        searches.back().set_label(StrCat("s", searches.size()));
      }
    }
    for (v1::Search& each : searches) {
      each.set_match_any(false);
      each.set_yara(rules);
      // MIG tells the rules, not what they matched.
      each.set_yara_no_bytes(true);
      *translated->add_searches() = std::move(each);
    }
    return translated;
  }

  std::unique_ptr<MigElements> NewElements(const MigJson&) const override {
    return std::make_unique<YaraElements>();
  }
};

}  // namespace
}  // namespace file

std::span<const MigModule* const> FileMigModules() {
  static const file::MigFile file;
  static const file::MigYara yara;
  static const MigModule* const modules[] = {&file, &yara};
  return modules;
}

}  // namespace dragnet
