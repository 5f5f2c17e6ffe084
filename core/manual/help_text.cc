// A program described by its own help.
#include <algorithm>
#include <optional>

#include "absl/strings/ascii.h"
#include "absl/strings/str_split.h"
#include "core/manual/pages.h"
#include "core/status_macros.h"
#include "core/strings.h"

namespace dragnet::manual {
namespace {

constexpr std::string_view kUsageIndent = "  ";
constexpr std::string_view kTextIndent = "      ";

absl::Status Unreadable(std::string_view line, std::string_view why) {
  return absl::InvalidArgumentError(StrCat("help: \"", line, "\": ", why));
}

// "--config FILE [--respawn] NAME"
absl::Status ParseUsage(std::string_view usage, std::vector<Option>* options) {
  const std::vector<std::string> words = absl::StrSplit(ToAbsl(usage), ' ', absl::SkipWhitespace());
  for (size_t i = 0; i < words.size(); ++i) {
    std::string word = words[i];
    Option option;
    option.required = !word.starts_with('[');
    if (!option.required) word.erase(0, 1);
    const bool closed = word.ends_with(']');
    if (closed) word.pop_back();
    if (word == "|") continue;
    option.name = word;
    option.positional = !word.starts_with("--");
    if (!option.positional && !closed && i + 1 < words.size() && words[i + 1][0] != '[' &&
        words[i + 1][0] != '-' && words[i + 1][0] != '|') {
      option.value_name = words[++i];
      if (!option.required) {
        if (!option.value_name.ends_with(']')) return Unreadable(usage, "a bracket is open");
        option.value_name.pop_back();
      }
    }
    option.file = option.value_name.starts_with("FILE") || option.value_name == "DIR";
    options->push_back(std::move(option));
  }
  return absl::OkStatus();
}

// "--mig" of "--mig: NAME and parameters"; empty for other lines.
std::string_view FlagOf(std::string_view line) {
  if (!line.starts_with("--")) return "";
  const size_t end = line.find(": ");
  if (end == std::string_view::npos || line.substr(0, end).find(' ') != std::string_view::npos)
    return "";
  return line.substr(0, end);
}

void AddLine(std::string_view line, std::string* text) {
  StrAppend(text, text->empty() ? "" : "\n", line);
}

}  // namespace

absl::StatusOr<Program> ProgramFromHelp(std::string_view help) {
  Program program;
  CommandGroup commands{.title = "Commands"};
  std::string* text = nullptr;  // where lines of description go
  std::vector<Entry>* entries = nullptr;
  for (const absl::string_view raw : absl::StrSplit(ToAbsl(help), '\n')) {
    const std::string_view line = ToStd(raw);
    if (program.name.empty()) {
      const size_t colon = line.find(": ");
      if (colon == std::string_view::npos) return Unreadable(line, "not PROGRAM: what it is for");
      program.name = line.substr(0, colon);
      program.summary = line.substr(colon + 2);
      while (program.summary.ends_with('.')) program.summary.pop_back();
    } else if (line.empty()) {
      continue;
    } else if (line.starts_with(kTextIndent)) {
      const std::string_view words = line.substr(kTextIndent.size());
      if (text == nullptr) return Unreadable(line, "a description of nothing");
      if (const std::string_view flag = FlagOf(words); !flag.empty()) {
        std::vector<Option>& options = commands.commands.back().options;
        const auto option = std::find_if(options.begin(), options.end(),
                                         [&](const Option& other) { return other.name == flag; });
        if (option == options.end()) return Unreadable(line, "its usage has no such flag");
        text = &option->help;
        AddLine(words.substr(flag.size() + 2), text);
      } else {
        AddLine(words, text);
      }
    } else if (line.starts_with(StrCat(kUsageIndent, program.name, " "))) {
      std::string_view usage = line.substr(kUsageIndent.size() + program.name.size() + 1);
      if (usage.starts_with('-')) {
        DRAGNET_RETURN_IF_ERROR(ParseUsage(usage, &program.options));
        continue;
      }
      Command& command = commands.commands.emplace_back();
      command.name = usage.substr(0, usage.find(' '));
      usage.remove_prefix(command.name.size());
      DRAGNET_RETURN_IF_ERROR(ParseUsage(usage, &command.options));
      text = &command.description;
      entries = nullptr;
    } else if (line.starts_with(kUsageIndent) && entries != nullptr) {
      const std::string_view entry = line.substr(kUsageIndent.size());
      const size_t end = entry.find(' ');
      entries->push_back({std::string(entry.substr(0, end)),
                          std::string(absl::StripAsciiWhitespace(
                              ToAbsl(entry.substr(std::min(end, entry.size())))))});
    } else if (line.ends_with(':') && !line.starts_with(' ')) {
      text = nullptr;
      if (line == "Exit status:") {
        entries = &program.exit_status;
      } else if (line == "Modules:") {
        entries = &program.modules;
      } else {
        return Unreadable(line, "an unknown heading");
      }
    } else {
      return Unreadable(line, "neither a usage nor a description");
    }
  }
  if (commands.commands.empty()) return absl::InvalidArgumentError("help: it shows no command");
  program.groups.push_back(std::move(commands));
  return program;
}

}  // namespace dragnet::manual
