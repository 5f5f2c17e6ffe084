#include "console/tui/command/completion.h"

#include <dirent.h>
#include <sys/stat.h>

#include <algorithm>
#include <memory>

#include "absl/strings/ascii.h"
#include "console/investigation/action_builder.h"
#include "console/investigation/launch_options.h"
#include "console/investigation/shell_words.h"
#include "console/tui/command/draft.h"
#include "core/strings.h"
#include "modules/weights.h"

namespace dragnet::console::tui {
namespace {

constexpr size_t kMostPaths = 1000;
constexpr std::string_view kColumns[] = {
    "addresses",   "arch", "boot_time", "distribution", "distribution_version",
    "environment", "id",   "kernel",    "modules",      "name",
    "os",          "tags", "version"};

struct DirectoryCloser {
  void operator()(DIR* directory) const { ::closedir(directory); }
};

// A word as it is typed: quoted where sh would take it apart, with the quote that is
// open already.
std::string AsTyped(const std::string& word, char quote) {
  const bool goes_on = word.ends_with('/') || word.ends_with('=');
  if (quote == 0) {
    std::string typed = ShellLine({word});
    // The closing quote comes with what follows.
    if (goes_on && typed.ends_with('\'')) typed.pop_back();
    return typed;
  }
  std::string typed(1, quote);
  for (const char c : word) {
    if (quote == '"' && (c == '"' || c == '\\' || c == '$' || c == '`')) typed.push_back('\\');
    if (quote == '\'' && c == '\'') {
      typed.append("'\\''");
      continue;
    }
    typed.push_back(c);
  }
  if (!goes_on) typed.push_back(quote);
  return typed;
}

std::vector<std::string> AllAsTyped(const std::vector<std::string>& words, char quote) {
  std::vector<std::string> typed;
  for (const std::string& word : words) typed.push_back(AsTyped(word, quote));
  return typed;
}

void KeepBeginning(std::string_view beginning, std::vector<std::string>* words) {
  std::erase_if(*words, [&](const std::string& word) { return !word.starts_with(beginning); });
}

// An expression has quotes and spaces in it: it is put between double quotes.
std::vector<std::string> TargetAsTyped(std::string_view last, char quote) {
  std::vector<std::string> typed;
  for (const std::string& expression : CompleteTarget(last)) {
    std::string word = AsTyped(expression, quote == 0 ? '"' : quote);
    word.pop_back();
    typed.push_back(std::move(word));
  }
  return typed;
}

class ModuleLine {
 public:
  ModuleLine(const ModuleForm& form, const UnfinishedLine& line) : form_(form), line_(line) {}

  std::vector<std::string> Complete(size_t* start) const {
    *start = line_.last_start;
    const std::string flag = FlagThatWaits();
    if (!flag.empty()) return Values(flag, line_.last);
    const size_t equals = line_.last.find('=');
    if (line_.last.starts_with("--") && equals != std::string::npos && line_.quote == 0) {
      *start += equals + 1;
      return Values(line_.last.substr(0, equals), line_.last.substr(equals + 1));
    }
    std::vector<std::string> flags = Flags();
    KeepBeginning(line_.last, &flags);
    return flags;
  }

 private:
  const FormField* FieldOf(std::string_view flag) const {
    for (const FormField& field : form_.form.fields())
      if (flag == "--" + field.flag ||
          (!field.short_flag.empty() && flag == "-" + field.short_flag))
        return &field;
    return nullptr;
  }
  static const LaunchOption* OptionOf(std::string_view flag) {
    for (const LaunchOption& option : AllLaunchOptions())
      if (flag == option.flag || (!option.short_flag.empty() && flag == option.short_flag))
        return &option;
    return nullptr;
  }

  bool TakesValue(std::string_view flag) const {
    const FormField* field = FieldOf(flag);
    if (field != nullptr) return !field->is_switch;
    return OptionOf(flag) != nullptr;
  }

  // The flag whose value the last word is; empty: it is none.
  std::string FlagThatWaits() const {
    for (size_t i = 1; i < line_.words.size(); ++i) {
      if (!TakesValue(line_.words[i])) continue;
      if (i + 1 == line_.words.size()) return line_.words[i];
      ++i;
    }
    return "";
  }

  // Those that may be given (once more).
  std::vector<std::string> Flags() const {
    const auto given = [&](std::string_view flag) {
      return std::any_of(line_.words.begin(), line_.words.end(), [&](const std::string& word) {
        return word == flag || word.starts_with(StrCat(flag, "="));
      });
    };
    std::vector<std::string> flags;
    for (const FormField& field : form_.form.fields()) {
      const std::string flag = StrCat("--", field.flag);
      if (field.repeated || !given(flag)) flags.push_back(flag);
    }
    for (const LaunchOption& option : AllLaunchOptions())
      if (!given(option.flag)) flags.emplace_back(option.flag);
    return flags;
  }

  std::vector<std::string> Values(std::string_view flag, std::string_view typed) const {
    const LaunchOption* option = OptionOf(flag);
    if (option != nullptr) {
      if (option->value == &LaunchOptions::target) return TargetAsTyped(typed, line_.quote);
      return {};
    }
    const FormField* field = FieldOf(flag);
    if (field == nullptr) return {};
    std::vector<std::string> words = field->choices;
    // Hosts have other files than this machine, but mostly the same places.
    if (field->from_file || field->value_name == "PATH") words = CompletePath(typed);
    KeepBeginning(field->from_file ? ExpandHome(typed) : typed, &words);
    return AllAsTyped(words, line_.quote);
  }

  const ModuleForm& form_;
  const UnfinishedLine& line_;
};

}  // namespace

std::vector<std::string> CompletePath(std::string_view typed) {
  const std::string expanded = ExpandHome(typed);
  const size_t slash = expanded.rfind('/');
  const std::string directory = slash == std::string::npos ? "" : expanded.substr(0, slash + 1);
  const std::string beginning = expanded.substr(directory.size());
  std::vector<std::string> paths;
  const std::unique_ptr<DIR, DirectoryCloser> open(
      ::opendir(directory.empty() ? "." : directory.c_str()));
  if (open == nullptr) return paths;
  while (paths.size() < kMostPaths) {
    const dirent* entry = ::readdir(open.get());
    if (entry == nullptr) break;
    const std::string_view name(entry->d_name);
    if (!name.starts_with(beginning) || name == "." || name == "..") continue;
    if (name.starts_with('.') && !beginning.starts_with('.')) continue;
    std::string path = StrCat(directory, name);
    struct stat status;
    const bool is_directory =
        entry->d_type == DT_DIR || ((entry->d_type == DT_LNK || entry->d_type == DT_UNKNOWN) &&
                                    ::stat(path.c_str(), &status) == 0 && S_ISDIR(status.st_mode));
    if (is_directory) path.push_back('/');
    paths.push_back(std::move(path));
  }
  std::sort(paths.begin(), paths.end());
  return paths;
}

std::vector<std::string> CompleteTarget(std::string_view expression) {
  size_t begin = expression.size();
  const auto in_word = [](char c) {
    return absl::ascii_isalnum(static_cast<unsigned char>(c)) || c == '_';
  };
  while (begin > 0 && in_word(expression[begin - 1])) --begin;
  std::vector<std::string> words;
  // Between its quotes, a text is not a column.
  if (std::count(expression.begin(), expression.end(), '\'') % 2 != 0) return words;
  for (const std::string_view column : kColumns)
    if (column.starts_with(expression.substr(begin)))
      words.push_back(StrCat(expression.substr(0, begin), column));
  return words;
}

std::vector<std::string> CompleteCommand(const ModuleCatalog& modules,
                                         const std::vector<std::string>& templates,
                                         std::string_view before, size_t* start) {
  const UnfinishedLine line = SplitUnfinished(before);
  std::vector<std::string> words;
  *start = line.last_start;
  if (line.words.empty()) {
    for (const Module* module : modules.modules) {
      const ModuleManifest& manifest = module->manifest();
      if (manifest.name != kCheckModule && !manifest.run_by_monitor) {
        words.emplace_back(manifest.name);
      }
    }
    for (const std::string_view command : kScreenCommands) words.emplace_back(command);
    KeepBeginning(line.last, &words);
    return words;
  }
  const std::string& command = line.words.front();
  if (command == "load" || command == "save") {
    if (line.words.size() > 1) return words;
    words = line.last.find('/') == std::string::npos && !line.last.starts_with('~')
                ? templates
                : CompletePath(line.last);
    KeepBeginning(ExpandHome(line.last), &words);
    return AllAsTyped(words, line.quote);
  }
  if (modules.Find(command) == nullptr) return words;
  const absl::StatusOr<Draft> draft = NewDraft(command, modules);
  if (!draft.ok()) return words;
  return ModuleLine(*draft->operations.front().form, line).Complete(start);
}

}  // namespace dragnet::console::tui
