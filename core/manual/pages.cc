#include "core/manual/pages.h"

#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "core/manual/roff.h"
#include "core/strings.h"

namespace dragnet::manual {
namespace {

std::string TermOf(const Option& option) {
  std::string term = option.short_name.empty() ? "" : StrCat(option.short_name, ", ");
  StrAppend(&term, option.name);
  if (!option.positional && !option.value_name.empty()) StrAppend(&term, " ", option.value_name);
  return term;
}

std::string TextOf(const Option& option) {
  std::string text = option.help;
  if (!option.choices.empty()) {
    StrAppend(&text, text.empty() ? "" : "\n\n", "One of: ", absl::StrJoin(option.choices, ", "),
              ".");
  }
  if (option.repeatable && !option.positional && text.find("repeatable") == std::string::npos) {
    StrAppend(&text, text.empty() ? "" : " ", "May be given repeatedly.");
  }
  return text;
}

std::string Synopsis(std::string_view words, const Command& command) {
  std::string line(words);
  bool options = false;
  std::string arguments;
  for (const Option& option : command.options) {
    if (option.positional) {
      StrAppend(&arguments, " ", option.required ? option.name : StrCat("[", option.name, "]"),
                option.repeatable ? "..." : "");
    } else if (option.required) {
      StrAppend(&line, " ", option.name, " ", option.value_name);
    } else {
      options = true;
    }
  }
  return StrCat(line, options ? " [OPTION]..." : "", arguments);
}

// Of the command, unless it only holds subcommands, and of those.
void AddSynopses(const std::string& words, const Command& command, Roff* page) {
  if (command.subcommands.empty() || !command.options.empty())
    page->Paragraph(StrCat("`", Synopsis(words, command), "`"));
  for (const Command& subcommand : command.subcommands)
    AddSynopses(StrCat(words, " ", subcommand.name), subcommand, page);
}

// Those of one group together, in the order in which the groups begin.
void AddOptions(const std::vector<Option>& options, bool headings, Roff* page) {
  std::vector<std::string> groups;
  for (const Option& option : options) {
    if (std::find(groups.begin(), groups.end(), option.group) == groups.end())
      groups.push_back(option.group);
  }
  for (const std::string& group : groups) {
    if (headings && groups.size() > 1) page->Subsection(group);
    for (const Option& option : options)
      if (option.group == group) page->Tagged(TermOf(option), TextOf(option));
  }
}

void AddCommand(const std::string& words, const Command& command, Roff* page) {
  page->Subsection(Synopsis(words, command));
  page->Paragraph(StrCat(command.summary, command.summary.empty() ? "" : "."));
  page->Prose(command.description);
  AddOptions(command.options, /*headings=*/false, page);
  for (const Command& subcommand : command.subcommands)
    AddCommand(StrCat(words, " ", subcommand.name), subcommand, page);
}

void AddEntries(std::string_view title, const std::vector<Entry>& entries, Roff* page) {
  if (entries.empty()) return;
  page->Section(title);
  for (const Entry& entry : entries) page->Tagged(entry.name, entry.text);
}

void AddEnd(const Program& program, Roff* page) {
  AddEntries("Modules", program.modules, page);
  AddEntries("Exit status", program.exit_status, page);
  AddEntries("Environment", program.environment, page);
  AddEntries("Files", program.files, page);
  if (program.see_also.empty()) return;
  page->Section("See also");
  page->Paragraph(absl::StrJoin(program.see_also, ", "));
}

PageHead HeadOf(const std::string& name, const std::string& summary, const PageStyle& style) {
  return {.name = name,
          .section = style.section,
          .summary = summary,
          .version = StrCat("dragnet ", style.version),
          .date = style.date};
}

Page PageOf(const std::string& name, const PageStyle& style, const Roff& page) {
  return {StrCat(name, ".", style.section), page.text()};
}

Page CommandPage(const Program& program, const Command& command, const PageStyle& style) {
  const std::string name = StrCat(program.name, "-", command.name);
  const std::string words = StrCat(program.name, " ", command.name);
  Roff page(HeadOf(name, command.summary, style));
  page.Section("Synopsis");
  AddSynopses(words, command, &page);
  if (!command.description.empty()) {
    page.Section("Description");
    page.Prose(command.description);
  }
  if (!command.subcommands.empty()) page.Section("Subcommands");
  for (const Command& subcommand : command.subcommands)
    AddCommand(StrCat(words, " ", subcommand.name), subcommand, &page);
  page.Section("Options");
  AddOptions(command.options, /*headings=*/true, &page);
  AddOptions(program.options, /*headings=*/false, &page);
  Program end = program;
  end.modules.clear();
  end.see_also.insert(end.see_also.begin(), StrCat(program.name, "(", style.section, ")"));
  AddEnd(end, &page);
  return PageOf(name, style, page);
}

}  // namespace

Page ProgramPage(const Program& program, const PageStyle& style) {
  Roff page(HeadOf(program.name, program.summary, style));
  page.Section("Synopsis");
  for (const CommandGroup& group : program.groups) {
    for (const Command& command : group.commands)
      AddSynopses(StrCat(program.name, " ", command.name), command, &page);
  }
  if (program.groups.empty()) page.Paragraph(StrCat("`", program.name, "`"));
  if (!program.description.empty()) {
    page.Section("Description");
    page.Prose(program.description);
  }
  for (const CommandGroup& group : program.groups) {
    page.Section(group.title);
    for (const Command& command : group.commands)
      AddCommand(StrCat(program.name, " ", command.name), command, &page);
  }
  if (!program.options.empty()) {
    page.Section("Options");
    AddOptions(program.options, /*headings=*/false, &page);
  }
  AddEnd(program, &page);
  return PageOf(program.name, style, page);
}

std::vector<Page> CommandPages(const Program& program, const PageStyle& style) {
  Roff overview(HeadOf(program.name, program.summary, style));
  overview.Section("Synopsis");
  overview.Paragraph(StrCat("`", program.name, " [--config FILE] COMMAND [OPTION]...`"));
  if (!program.description.empty()) {
    overview.Section("Description");
    overview.Prose(program.description);
  }
  std::vector<Page> pages;
  overview.Section("Commands");
  for (const CommandGroup& group : program.groups) {
    overview.Subsection(group.title);
    for (const Command& command : group.commands) {
      overview.Tagged(StrCat(program.name, "-", command.name, "(", style.section, ")"),
                      StrCat(command.summary, "."));
      pages.push_back(CommandPage(program, command, style));
    }
  }
  overview.Section("Options");
  AddOptions(program.options, /*headings=*/false, &overview);
  AddEnd(program, &overview);
  pages.insert(pages.begin(), PageOf(program.name, style, overview));
  return pages;
}

}  // namespace dragnet::manual
