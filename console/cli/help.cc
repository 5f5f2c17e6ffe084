#include "console/cli/help.h"

#include <algorithm>

#include "absl/strings/str_join.h"
#include "console/form/documentation.h"
#include "console/output/text_width.h"
#include "core/strings.h"

namespace dragnet::console {
namespace {

// Names longer than this have a line of their own.
constexpr size_t kNameColumn = 24;

size_t NameWidth(const std::vector<HelpEntry>& entries) {
  size_t widest = 0;
  for (const HelpEntry& entry : entries)
    if (entry.name.size() <= kNameColumn) widest = std::max(widest, entry.name.size());
  return widest;
}

std::string NameOf(const OptionSpec& option) {
  if (option.positional) return option.name;
  std::string name = option.short_name.empty() ? "    " : StrCat(option.short_name, ", ");
  name.append(option.name);
  if (!option.value_name.empty()) name.append(" ").append(option.value_name);
  return name;
}

std::string TextOf(const OptionSpec& option, HelpDetail detail) {
  std::string text = detail == HelpDetail::kShort ? FirstSentence(option.help) : option.help;
  std::vector<std::string> notes;
  if (!option.choices.empty()) {
    notes.push_back(StrCat("One of: ", absl::StrJoin(option.choices, ", "), "."));
  }
  if (option.repeatable && !option.positional) notes.push_back("Repeatable.");
  for (const std::string& note : notes) {
    if (!text.empty()) text.push_back(text.find('\n') == std::string::npos ? ' ' : '\n');
    text.append(note);
  }
  return text;
}

constexpr size_t kMaxSubcommandWords = 48;

std::string Usage(const CommandLine& line) {
  std::string usage = StrCat("Usage: ", line.program());
  if (!line.subcommands().empty()) {
    std::vector<std::string> names;
    for (const auto& subcommand : line.subcommands()) names.emplace_back(subcommand->name());
    const std::string words = StrCat(" [", absl::StrJoin(names, "|"), "]");
    // They are listed below, too.
    usage.append(words.size() <= kMaxSubcommandWords ? words : " SUBCOMMAND");
  }
  for (const OptionSpec& option : line.options()) {
    if (!option.positional) continue;
    StrAppend(&usage, " ", option.required ? option.name : StrCat("[", option.name, "]"),
              option.repeatable ? "..." : "");
  }
  return usage.append(" [flags]\n");
}

}  // namespace

std::string RenderEntries(const std::string& title, const std::vector<HelpEntry>& entries,
                          size_t width) {
  return RenderEntries(title, entries, width, NameWidth(entries));
}

std::string RenderEntries(const std::string& title, const std::vector<HelpEntry>& entries,
                          size_t width, size_t widest) {
  std::string text = StrCat(title, ":\n");
  const size_t indent = widest + 4;
  for (const HelpEntry& entry : entries) {
    const bool own_line = entry.name.size() > widest;
    std::string line = StrCat("  ", own_line ? entry.name : PadRight(entry.name, widest));
    if (!entry.text.empty()) {
      line.append(own_line ? "\n" + std::string(indent, ' ') : "  ");
      line.append(Wrap(entry.text, width, indent));
    }
    while (line.ends_with(' ')) line.pop_back();
    text.append(line).append("\n");
  }
  return text;
}

std::string RenderHelp(const CommandLine& line, HelpDetail detail, size_t width) {
  std::string text = StrCat(Wrap(StrCat(line.program(), ": ", line.summary()), width, 2), "\n\n");
  text.append(Usage(line));
  if (!line.description().empty()) {
    const bool whole = detail == HelpDetail::kWhole;
    StrAppend(&text, "\n", Wrap(whole ? line.description() : Opening(line.description()), width, 0),
              "\n");
  }
  if (!line.subcommands().empty()) {
    std::vector<HelpEntry> entries;
    for (const auto& subcommand : line.subcommands())
      entries.push_back({std::string(subcommand->name()), subcommand->summary()});
    StrAppend(&text, "\n", RenderEntries("Subcommands", entries, width));
  }
  std::vector<std::string> groups;
  for (const OptionSpec& option : line.options()) {
    if (std::find(groups.begin(), groups.end(), option.group) == groups.end())
      groups.push_back(option.group);
  }
  std::vector<std::vector<HelpEntry>> entries(groups.size());
  size_t widest = 0;
  for (size_t i = 0; i < groups.size(); ++i) {
    for (const OptionSpec& option : line.options())
      if (option.group == groups[i]) entries[i].push_back({NameOf(option), TextOf(option, detail)});
    widest = std::max(widest, NameWidth(entries[i]));
  }
  for (size_t i = 0; i < groups.size(); ++i) {
    StrAppend(&text, "\n", RenderEntries(groups[i], entries[i], width, widest));
  }
  if (detail == HelpDetail::kShort) {
    StrAppend(&text, "\nMore: dragnet help ", line.path(), "\n");
  }
  return text;
}

}  // namespace dragnet::console
