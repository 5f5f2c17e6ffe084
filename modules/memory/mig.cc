// MIG's module `memory`. What differs from MIG on purpose: docs/mig/memory.md.
#include "modules/mig.h"

#include <algorithm>
#include <map>
#include <set>

#include "absl/strings/ascii.h"
#include "absl/strings/str_format.h"
#include "core/status_macros.h"
#include "core/strings.h"
#include "core/text.h"
#include "modules/memory/memory.pb.h"

namespace dragnet {

const Module& MemoryModule();

namespace memory {
namespace {

// In the order in which MIG goes through them.
constexpr std::string_view kCheckKeys[] = {"names", "libraries", "contents", "bytes"};

// One filter of one of MIG's searches.
struct MigCheck {
  std::string key;
  std::string value;
};

struct MigSearch {
  std::string label;
  std::string description;
  std::vector<MigCheck> checks;
  uint64_t offset = 0;
  // 0 is all.
  uint64_t max_length = 0;
  bool log_failures = false;
  bool match_all = false;
};

absl::Status Invalid(std::string_view message) {
  return absl::InvalidArgumentError(ToAbsl(message));
}

std::string Shown(std::string_view text) { return ForTerminal(Shorten(text, 100)); }

absl::Status ReadChecks(const std::string& where, const std::string& key, const MigJson& values,
                        MigSearch* search) {
  if (values.is_null()) return absl::OkStatus();
  if (!values.is_array()) return Invalid(StrCat(where, key, " is no list of texts"));
  for (const MigJson& value : values) {
    if (!value.is_string() || value.get_ref<const std::string&>().empty())
      return Invalid(StrCat(where, key, " holds something that is no text, or an empty one"));
    const auto& text = value.get_ref<const std::string&>();
    if (key == "bytes" && !std::ranges::all_of(text, absl::ascii_isxdigit)) {
      return Invalid(StrCat(where, "bytes '", Shown(text),
                            "' is no hexadecimal byte string; MIG has no wildcards, the flag "
                            "--bytes has"));
    }
    search->checks.push_back({key, text});
  }
  return absl::OkStatus();
}

absl::Status ReadOptions(const std::string& where, const MigJson& options, MigSearch* search) {
  if (options.is_null()) return absl::OkStatus();
  if (!options.is_object()) return Invalid(StrCat(where, "options is no object"));
  for (const auto& [key, value] : options.items()) {
    const std::string here = StrCat(where, "options.", Shown(key));
    if (key == "offset" || key == "maxlength") {
      // Go's float64: 1e6 is written, too.
      const double number = value.is_number() ? value.get<double>() : -1;
      if (number < 0 || number >= 18446744073709551616.0 ||
          number != static_cast<double>(static_cast<uint64_t>(number))) {
        return Invalid(StrCat(here, " is no number of bytes"));
      }
      (key == "offset" ? search->offset : search->max_length) =
          value.is_number_unsigned() ? value.get<uint64_t>() : static_cast<uint64_t>(number);
    } else if (key == "matchall" || key == "logfailures") {
      if (!value.is_boolean()) return Invalid(StrCat(here, " is neither true nor false"));
      (key == "matchall" ? search->match_all : search->log_failures) = value.get<bool>();
    } else {
      return Invalid(
          StrCat(here, " is not known: offset, maxlength, logfailures and matchall are"));
    }
  }
  return absl::OkStatus();
}

absl::StatusOr<std::vector<MigSearch>> ReadSearches(const MigJson& parameters) {
  if (!parameters.is_object()) return Invalid("parameters of memory are an object with 'searches'");
  std::vector<MigSearch> searches;
  for (const auto& [key, value] : parameters.items()) {
    if (key != "searches")
      return Invalid(StrCat("'", Shown(key), "' is not known: memory takes 'searches'"));
    if (!value.is_object()) return Invalid("searches is no object of searches by label");
    for (const auto& [label, source] : value.items()) {
      const std::string where = StrCat("searches.", Shown(label), ".");
      if (label.empty() || label.size() > 64 || !std::ranges::all_of(label, [](char c) {
            return absl::ascii_isalnum(c) || c == '_' || c == '-';
          })) {
        return Invalid(StrCat("searches: the label '", Shown(label),
                              "' is not 1 to 64 letters, digits, _ and -"));
      }
      if (!source.is_object()) return Invalid(StrCat(where, " is no object"));
      MigSearch search;
      search.label = label;
      for (const auto& [name, values] : source.items()) {
        if (name == "description" && values.is_string()) {
          search.description = values.get<std::string>();
        } else if (name == "options") {
          DRAGNET_RETURN_IF_ERROR(ReadOptions(where, values, &search));
        } else if (std::ranges::find(kCheckKeys, name) == std::end(kCheckKeys)) {
          return Invalid(StrCat(where, Shown(name),
                                " is not known: description, names, libraries, bytes, contents and "
                                "options are"));
        }
      }
      for (const std::string_view name : kCheckKeys) {
        const auto values = source.find(std::string(name));
        if (values == source.end()) continue;
        DRAGNET_RETURN_IF_ERROR(ReadChecks(where, std::string(name), *values, &search));
      }
      searches.push_back(std::move(search));
    }
  }
  if (searches.empty()) return Invalid("searches: at least one is needed");
  // As Go writes maps.
  std::ranges::sort(searches, {}, &MigSearch::label);
  return searches;
}

// A ! in front inverts here, and is a letter in MIG.
std::string Literal(const std::string& regex) {
  return regex.starts_with('!') ? "\\" + regex : regex;
}

void AddCheck(const MigCheck& check, const MigSearch& search, v1::Search* to) {
  to->set_matches(1);
  if (check.key == "names") {
    to->add_exes(Literal(check.value));
  } else if (check.key == "libraries") {
    to->add_libraries(Literal(check.value));
  } else {
    if (check.key == "contents") {
      to->add_contents(Literal(check.value));
    } else {
      to->add_bytes(check.value);
    }
    if (search.offset > 0) to->set_offset(StrCat(search.offset));
    if (search.max_length > 0) to->set_max_read(StrCat(search.max_length));
  }
}

// A search that all checks decide is one search; otherwise each check is one,
// so that its rows say which it was.
std::string LabelOf(size_t search, size_t check) { return StrCat(search, ".", check); }

std::unique_ptr<v1::MemoryParameters> Translate(const std::vector<MigSearch>& searches) {
  auto translated = std::make_unique<v1::MemoryParameters>();
  for (size_t i = 0; i < searches.size(); ++i) {
    const MigSearch& search = searches[i];
    v1::Search* current = nullptr;
    for (size_t check = 0; check < std::max<size_t>(search.checks.size(), 1); ++check) {
      if (current == nullptr || !search.match_all) {
        current = translated->add_searches();
        current->set_label(LabelOf(i, check));
      }
      if (check < search.checks.size()) AddCheck(search.checks[check], search, current);
    }
  }
  return translated;
}

class MemoryElements : public MigElements {
 public:
  explicit MemoryElements(std::vector<MigSearch> searches) : searches_(std::move(searches)) {
    for (size_t i = 0; i < searches_.size(); ++i)
      for (size_t check = 0; check < CheckCount(searches_[i]); ++check) found_[LabelOf(i, check)];
  }

  void Add(const google::protobuf::Message& message) override {
    const auto* row = dynamic_cast<const v1::MemoryRow*>(&message);
    if (row == nullptr) return;
    const auto found = found_.find(row->search());
    if (found == found_.end()) return;
    // A process has a row for each match.
    if (found->second.pids.insert(row->pid()).second) {
      // Kernel threads have no program, but an empty name would say "no match".
      const std::string name = row->exe().empty() ? StrCat("[", row->name(), "]") : row->exe();
      found->second.processes.emplace_back(name, row->pid());
      ++hits_;
    }
  }

  MigJson Elements() override {
    MigJson elements = MigJson::object();
    for (size_t i = 0; i < searches_.size(); ++i) {
      MigJson list = MigJson::array();
      for (size_t check = 0; check < CheckCount(searches_[i]); ++check) {
        const auto& processes = found_.at(LabelOf(i, check)).processes;
        for (const auto& [name, pid] : processes)
          list.push_back(Element(name, pid, Echo(searches_[i], check)));
        if (processes.empty()) list.push_back(Element("", 0, Echo(searches_[i], check)));
      }
      elements[searches_[i].label] = std::move(list);
    }
    return elements;
  }

  MigJson Statistics(const MigStatistics& statistics) override {
    MigJson json = MigJson::object();
    json["processcount"] = statistics.items_examined;
    json["memoryread"] = statistics.bytes_examined;
    json["totalhits"] = hits_;
    json["exectime"] = GoDuration(statistics.seconds);
    return json;
  }

 private:
  struct Found {
    std::set<uint32_t> pids;
    std::vector<std::pair<std::string, uint32_t>> processes;
  };

  static size_t CheckCount(const MigSearch& search) {
    return search.match_all ? 1 : std::max<size_t>(search.checks.size(), 1);
  }

  static MigJson Element(std::string_view name, uint32_t pid, MigJson search) {
    MigJson element = MigJson::object();
    element["process"]["name"] = name;
    element["process"]["pid"] = pid;
    element["search"] = std::move(search);
    return element;
  }

  // The search as MIG repeats it: all of it, or the one check that held.
  static MigJson Echo(const MigSearch& search, size_t check) {
    MigJson echo = MigJson::object();
    if (search.match_all && !search.description.empty()) echo["description"] = search.description;
    for (const std::string_view key : {"names", "libraries", "bytes", "contents"}) {
      MigJson values = MigJson::array();
      for (size_t i = 0; i < search.checks.size(); ++i)
        if (search.checks[i].key == key && (search.match_all || i == check))
          values.push_back(search.checks[i].value);
      if (!values.empty()) echo[std::string(key)] = std::move(values);
    }
    MigJson options = MigJson::object();
    if (search.match_all && search.log_failures) options["logfailures"] = true;
    if (search.match_all) options["matchall"] = true;
    echo["options"] = std::move(options);
    return echo;
  }

  const std::vector<MigSearch> searches_;
  // By label of ours.
  std::map<std::string, Found> found_;
  uint64_t hits_ = 0;
};

class MigMemory : public MigModule {
 public:
  std::string_view name() const override { return "memory"; }
  const Module& module() const override { return MemoryModule(); }

  absl::StatusOr<std::unique_ptr<google::protobuf::Message>> TranslateParameters(
      const MigJson& parameters) const override {
    DRAGNET_ASSIGN_OR_RETURN(const std::vector<MigSearch> searches, ReadSearches(parameters));
    std::unique_ptr<v1::MemoryParameters> translated = Translate(searches);
    DRAGNET_RETURN_IF_ERROR(module().Validate(*translated));
    return translated;
  }

  std::unique_ptr<MigElements> NewElements(const MigJson& parameters) const override {
    absl::StatusOr<std::vector<MigSearch>> searches = ReadSearches(parameters);
    return std::make_unique<MemoryElements>(searches.ok() ? *std::move(searches)
                                                          : std::vector<MigSearch>());
  }
};

}  // namespace
}  // namespace memory

std::span<const MigModule* const> MemoryMigModules() {
  static const memory::MigMemory memory;
  static const MigModule* const modules[] = {&memory};
  return modules;
}

}  // namespace dragnet
