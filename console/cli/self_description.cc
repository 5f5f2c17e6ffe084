#include "console/cli/self_description.h"

#include <algorithm>

#include "core/status_macros.h"
#include "core/strings.h"

namespace dragnet::console {
namespace {

manual::Command Describe(const CommandLine& line) {
  manual::Command command{.name = std::string(line.name()),
                          .summary = line.summary(),
                          .description = line.description()};
  for (const OptionSpec& option : line.options()) {
    command.options.push_back({.name = option.name,
                               .short_name = option.short_name,
                               .value_name = option.value_name,
                               .help = option.help,
                               .choices = option.choices,
                               .file = option.completion == Completion::kFile,
                               .required = option.required,
                               .repeatable = option.repeatable,
                               .positional = option.positional,
                               .group = option.group});
  }
  for (const auto& subcommand : line.subcommands())
    command.subcommands.push_back(Describe(*subcommand));
  return command;
}

manual::Command HelpCommand(const std::vector<manual::CommandGroup>& groups) {
  manual::Option about{.name = "COMMAND", .positional = true};
  for (const manual::CommandGroup& group : groups)
    for (const manual::Command& command : group.commands) about.choices.push_back(command.name);
  return {.name = "help", .summary = std::string(kHelpCommandHelp), .options = {about}};
}

}  // namespace

std::string_view GroupTitle(CommandGroup group) {
  switch (group) {
    case CommandGroup::kModules:
      return "Ask the hosts (one command per module; you see what you sign first)";
    case CommandGroup::kInvestigations:
      return "Investigations";
    case CommandGroup::kFleet:
      return "Fleet";
    case CommandGroup::kProgram:
      return "This program";
    case CommandGroup::kHidden:
      break;
  }
  return "";
}

std::vector<HelpEntry> ExitStatuses() {
  return {{"0", "done: every agent of the target looked at everything"},
          {"1", "a check failed"},
          {"2", "wrong usage or input"},
          {"3", "incomplete: something was not looked at, or agents are offline"},
          {"4", "refused, or no scheduler"}};
}

absl::StatusOr<manual::Program> DescribeProgram(const ModuleCatalog& modules) {
  manual::Program program{.name = "dragnet", .summary = std::string(kProgramSummary)};
  program.options = {
      {.name = "--config",
       .value_name = "FILE",
       .help = std::string(kConfigHelp),
       .file = true,
       .group = "Program"},
      {.name = "--version", .help = std::string(kVersionHelp), .group = "Program"},
      {.name = "--help", .short_name = "-h", .help = std::string(kHelpHelp), .group = "Program"}};
  const CommandList commands = AllCommands(modules);
  for (const CommandGroup group : {CommandGroup::kModules, CommandGroup::kInvestigations,
                                   CommandGroup::kFleet, CommandGroup::kProgram}) {
    manual::CommandGroup described{.title = std::string(GroupTitle(group))};
    for (const auto& command : commands) {
      if (command->group() != group) continue;
      CommandLine line(StrCat("dragnet ", command->name()), command->summary());
      DRAGNET_RETURN_IF_ERROR(command->Define(line));
      described.commands.push_back(Describe(line));
    }
    program.groups.push_back(std::move(described));
  }
  manual::Command help = HelpCommand(program.groups);
  program.groups.back().commands.push_back(std::move(help));
  for (const HelpEntry& status : ExitStatuses())
    program.exit_status.push_back({status.name, status.text});
  return program;
}

}  // namespace dragnet::console
