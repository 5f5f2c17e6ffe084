#include "modules/settings/run.h"

#include <charconv>
#include <set>

#include "absl/strings/ascii.h"
#include "core/strings.h"
#include "core/text.h"
#include "modules/partial_text.h"
#include "modules/settings/formats.h"

namespace dragnet::settings {
namespace {

// Bounds of a row's text.
constexpr size_t kMaxValueBytes = 4096;
constexpr size_t kMaxNameBytes = 1024;
constexpr int kMaxValues = 256;

std::string RowText(std::string_view bytes, size_t max_bytes) {
  // Of the beginning, so that a long one isn't copied as a whole.
  return Shorten(ToValidUtf8(bytes.substr(0, max_bytes + 16)), max_bytes);
}

// What says nothing of whom or what a host belongs to.
bool IsPlainWord(std::string_view value) {
  constexpr std::string_view kWords[] = {"",
                                         "yes",
                                         "no",
                                         "on",
                                         "off",
                                         "true",
                                         "false",
                                         "none",
                                         "any",
                                         "all",
                                         "enabled",
                                         "disabled",
                                         "enable",
                                         "disable",
                                         "auto",
                                         "never",
                                         "always",
                                         "required",
                                         "optional",
                                         "local",
                                         "prohibit-password",
                                         "forced-commands-only",
                                         "persistent",
                                         "volatile"};
  const std::string lower = absl::AsciiStrToLower(ToAbsl(value));
  return ParseWholeNumber(value).has_value() ||
         std::find(std::begin(kWords), std::end(kWords), lower) != std::end(kWords);
}

void ReadOne(const Search& search, const std::string& path, std::string_view text,
             ConfigFiles& files, std::vector<Setting>* settings) {
  switch (search.format) {
    case Format::kSshd:
      return ReadSshd(path, text, files, settings);
    case Format::kKeyValue:
      return ReadKeyValue(path, text, files, settings);
    case Format::kIni:
      return ReadIni(path, text, files, settings);
    case Format::kPam:
      return ReadPam(path, text, files, settings);
    case Format::kApt:
      return ReadApt(path, text, files, settings);
  }
}

std::string BaseName(const std::string& path) { return path.substr(path.rfind('/') + 1); }

class Reporter {
 public:
  Reporter(const Search& search, RunContext& context) : search_(search), context_(context) {}

  // `complete`: these are all that the files say.
  void Report(const std::vector<Setting>& settings, bool complete) {
    for (const Setting& setting : settings) {
      const std::string folded = search_.Fold(setting.key);
      if (setting.effective) set_.insert(folded);
      if (!IsWanted(setting, folded)) continue;
      if (!context_.EmitRow(RowOf(setting, folded))) return;
    }
    // What wasn't read may set it.
    if (!complete) return;
    for (const auto& [folded, value] : search_.defaults) {
      if (set_.contains(folded)) continue;
      if (!context_.EmitRow(DefaultRow(folded, value))) return;
    }
  }

 private:
  bool IsWanted(const Setting& setting, const std::string& folded) const {
    if (!search_.keys.empty() && !search_.keys.contains(folded)) return false;
    return search_.sections.empty() || search_.sections.contains(setting.section);
  }

  std::string Spelled(const std::string& folded, const std::string& written) const {
    const auto found = search_.spelling.find(folded);
    return RowText(found != search_.spelling.end() ? found->second : written, kMaxNameBytes);
  }

  void SetValue(const std::string& folded, std::string_view value,
                const std::vector<std::string>& values, v1::SettingsRow* row) const {
    // What is withheld is no empty text: a check that asks for it must not pass.
    if (search_.no_text && !IsPlainWord(value)) {
      row->set_value(std::string(kWithheld));
      row->add_values(std::string(kWithheld));
      return;
    }
    row->set_value(RowText(value, kMaxValueBytes));
    for (const std::string& word : values) {
      if (row->values_size() == kMaxValues) {
        row->add_values(std::string(kWithheld));
        break;
      }
      row->add_values(RowText(word, kMaxNameBytes));
    }
    if (const auto number = NumberOf(folded, value)) row->set_number(*number);
  }

  std::optional<int64_t> NumberOf(const std::string& folded, std::string_view value) const {
    if (search_.format == Format::kSshd)
      if (const auto seconds = SshdSeconds(folded, value)) return seconds;
    return ParseWholeNumber(value);
  }

  v1::SettingsRow RowOf(const Setting& setting, const std::string& folded) const {
    v1::SettingsRow row;
    row.set_path(RowText(setting.path, kMaxValueBytes));
    row.set_line(setting.line);
    row.set_section(RowText(setting.section, kMaxNameBytes));
    // It names users and hosts.
    row.set_scope(search_.no_text && setting.scope.starts_with("Match ") && !setting.overrides
                      ? "Match"
                      : RowText(setting.scope, kMaxNameBytes));
    row.set_key(Spelled(folded, setting.key));
    SetValue(folded, setting.value, setting.values, &row);
    row.set_effective(setting.effective);
    row.set_source("file");
    row.set_type(RowText(setting.type, kMaxNameBytes));
    row.set_control(RowText(setting.control, kMaxNameBytes));
    row.set_module(RowText(setting.module, kMaxNameBytes));
    row.set_position(setting.position);
    return row;
  }

  v1::SettingsRow DefaultRow(const std::string& folded, const std::string& value) const {
    v1::SettingsRow row;
    row.set_key(Spelled(folded, folded));
    // The investigator's own words, not the host's.
    row.set_value(value);
    for (std::string& word : SplitWords(value)) row.add_values(std::move(word));
    if (const auto number = NumberOf(folded, value)) row.set_number(*number);
    if (!search_.sections.empty()) row.set_section(*search_.sections.begin());
    row.set_effective(true);
    row.set_source("default");
    return row;
  }

  const Search& search_;
  RunContext& context_;
  // Folded keys that count for everybody.
  std::set<std::string> set_;
};

}  // namespace

std::optional<int64_t> ParseWholeNumber(std::string_view text) {
  const bool negative = text.starts_with('-');
  if (negative) text.remove_prefix(1);
  int base = 10;
  if (text.starts_with("0x") || text.starts_with("0X")) {
    base = 16;
    text.remove_prefix(2);
  } else if (text.size() > 1 && text.starts_with('0')) {
    base = 8;
    text.remove_prefix(1);
  }
  int64_t number = 0;
  const auto [end, error] = std::from_chars(text.data(), text.data() + text.size(), number, base);
  if (error != std::errc() || end != text.data() + text.size() || number < 0) return std::nullopt;
  return negative ? -number : number;
}

std::vector<Setting> ReadSettings(const Search& search, ConfigFiles& files) {
  std::vector<Setting> settings;
  std::set<std::string> services;
  const auto read = [&](const std::string& path, bool required) {
    const auto text = files.Read(path, required);
    if (!text) return;
    // /etc/pam.d/sshd stands for /usr/lib/pam.d/sshd.
    if (search.format == Format::kPam && !services.insert(BaseName(path)).second) return;
    ReadOne(search, path, *text, files, &settings);
  };
  for (const std::string& pattern : search.paths)
    for (const std::string& path : files.Expand(pattern)) read(path, search.required);
  for (const std::string& path : files.DropIns(search.drop_ins, ".conf")) read(path, false);
  if (search.format == Format::kPam) return settings;

  Precedence precedence;
  precedence.first_counts = search.first_counts;
  precedence.fold = [&](std::string_view key) { return search.Fold(key); };
  precedence.is_repeatable = [&](std::string_view folded) {
    if (search.repeatable.contains(std::string(folded))) return true;
    if (search.format == Format::kSshd) return IsRepeatableSshdKey(folded);
    return search.format == Format::kApt && folded.ends_with("::");
  };
  DecideEffective(precedence, &settings);
  return settings;
}

void RunSearch(const Search& search, const pkg::Root& root, RunContext& context) {
  ConfigFiles files(root, context);
  if (!search.if_present.empty() && !files.AnyIsThere(search.if_present)) return;
  const std::vector<Setting> settings = ReadSettings(search, files);
  Reporter(search, context).Report(settings, files.complete());
}

}  // namespace dragnet::settings
