#include "console/cli/app.h"

#include <algorithm>
#include <optional>

#include "absl/strings/ascii.h"
#include "console/cli/command.h"
#include "console/cli/help.h"
#include "console/cli/self_description.h"
#include "core/status_macros.h"
#include "core/strings.h"
#include "core/text.h"
#include "core/version.h"

namespace dragnet::console {
namespace {

// What comes before the command's name.
struct Invocation {
  std::string config;
  bool help = false;
  bool version = false;
  std::optional<std::string> command;
  std::vector<std::string> rest;
};

absl::StatusOr<Invocation> ParseInvocation(const std::vector<std::string>& args) {
  Invocation invocation;
  for (size_t i = 0; i < args.size(); ++i) {
    const std::string& word = args[i];
    if (word == "-h" || word == "--help") {
      invocation.help = true;
    } else if (word == "--version") {
      invocation.version = true;
    } else if (word == "--config" && i + 1 < args.size()) {
      invocation.config = args[++i];
    } else if (word.starts_with("--config=")) {
      invocation.config = word.substr(sizeof "--config=" - 1);
    } else if (word.starts_with('-')) {
      return absl::InvalidArgumentError(
          StrCat(word, word == "--config" ? ": needs a FILE" : ": no such flag before a command",
                 " (see dragnet help)"));
    } else {
      invocation.command = word;
      invocation.rest.assign(args.begin() + i + 1, args.end());
      break;
    }
  }
  return invocation;
}

std::vector<HelpEntry> EntriesOf(const CommandList& commands, CommandGroup group) {
  std::vector<HelpEntry> entries;
  for (const auto& command : commands)
    if (command->group() == group) entries.push_back({command->name(), command->summary()});
  return entries;
}

std::string TopHelp(const CommandList& commands, size_t width) {
  std::vector<HelpEntry> program = EntriesOf(commands, CommandGroup::kProgram);
  program.push_back({"help", std::string(kHelpCommandHelp)});
  std::string text =
      "dragnet: ask every host of a fleet, now\n\n"
      "Usage: dragnet [--config FILE] COMMAND [flags]\n\n";
  StrAppend(&text,
            RenderEntries(std::string(GroupTitle(CommandGroup::kModules)),
                          EntriesOf(commands, CommandGroup::kModules), width),
            "\n",
            RenderEntries(std::string(GroupTitle(CommandGroup::kInvestigations)),
                          EntriesOf(commands, CommandGroup::kInvestigations), width),
            "\n",
            RenderEntries(std::string(GroupTitle(CommandGroup::kFleet)),
                          EntriesOf(commands, CommandGroup::kFleet), width),
            "\n", RenderEntries(std::string(GroupTitle(CommandGroup::kProgram)), program, width),
            "\n",
            RenderEntries("Flags",
                          {{"--config FILE", std::string(kConfigHelp)},
                           {"--version", std::string(kVersionHelp)},
                           {"-h, --help", std::string(kHelpHelp)}},
                          width),
            "\n", RenderEntries("Exit status", ExitStatuses(), width));
  return text;
}

Command* Find(const CommandList& commands, std::string_view name) {
  for (const auto& command : commands)
    if (command->name() == name) return command.get();
  return nullptr;
}

absl::Status NoSuchCommand(const CommandList& commands, const std::string& word) {
  std::vector<std::string> names = {"help"};
  for (const auto& command : commands)
    if (command->group() != CommandGroup::kHidden) names.push_back(command->name());
  const std::string nearest = Nearest(word, names);
  return absl::InvalidArgumentError(StrCat(
      "no command \"", word, "\"", nearest.empty() ? "" : StrCat("; did you mean ", nearest, "?"),
      " (see dragnet help)"));
}

size_t HelpWidth(const Io& io) { return std::clamp<size_t>(io.width, 60, 100); }

void AddProgramFlags(CommandLine& line, std::string* config) {
  line.StartGroup("Program");
  line.AddValue({.name = "--config",
                 .value_name = "FILE",
                 .help = std::string(kConfigHelp),
                 .completion = Completion::kFile},
                config);
}

absl::Status ShowHelp(const CommandList& commands, const std::vector<std::string>& words, Io& io) {
  if (words.empty() || words.front().starts_with('-')) {
    io.out->Write(TopHelp(commands, HelpWidth(io)));
    return io.out->Flush();
  }
  Command* command = Find(commands, words.front());
  if (command == nullptr) return NoSuchCommand(commands, words.front());
  CommandLine line(StrCat("dragnet ", command->name()), command->summary());
  DRAGNET_RETURN_IF_ERROR(command->Define(line));
  std::string config;
  AddProgramFlags(line, &config);
  const CommandLine* shown = &line;
  for (size_t i = 1; i < words.size(); ++i) {
    const auto& below = shown->subcommands();
    const auto next = std::find_if(below.begin(), below.end(),
                                   [&](const auto& sub) { return sub->name() == words[i]; });
    if (next == below.end()) {
      return absl::InvalidArgumentError(
          StrCat(shown->program(), ": no subcommand \"", words[i], "\""));
    }
    shown = next->get();
  }
  io.out->Write(RenderHelp(*shown, HelpDetail::kWhole, HelpWidth(io)));
  return io.out->Flush();
}

absl::StatusOr<int> RunCommand(Command& command, const Invocation& invocation, Io& io,
                               const ModuleCatalog& modules) {
  CommandLine line(StrCat("dragnet ", command.name()), command.summary());
  Session session(io, modules, invocation.config);
  DRAGNET_RETURN_IF_ERROR(command.Define(line));
  AddProgramFlags(line, session.config_flag());
  DRAGNET_RETURN_IF_ERROR(line.Parse(invocation.rest));
  if (line.help_requested()) {
    io.out->Write(RenderHelp(*line.chosen(), HelpDetail::kShort, HelpWidth(io)));
    DRAGNET_RETURN_IF_ERROR(io.out->Flush());
    return kExitDone;
  }
  DRAGNET_ASSIGN_OR_RETURN(const int status, command.Run(line, session));
  if (const absl::Status written = io.out->Flush(); !written.ok()) {
    io.Say(StrCat("dragnet: ", ForTerminal(ToStd(written.message()))));
    return status == kExitDone ? kExitIncomplete : status;
  }
  return status;
}

absl::StatusOr<int> Dispatch(const std::vector<std::string>& args, Io& io,
                             const ModuleCatalog& modules) {
  DRAGNET_ASSIGN_OR_RETURN(const Invocation invocation, ParseInvocation(args));
  if (invocation.version) {
    io.out->Write(StrCat("dragnet ", kVersion, "\n"));
    DRAGNET_RETURN_IF_ERROR(io.out->Flush());
    return kExitDone;
  }
  const CommandList commands = AllCommands(modules);
  if (invocation.help || invocation.command == "help") {
    std::vector<std::string> words = invocation.rest;
    if (invocation.help && invocation.command.has_value()) {
      words.insert(words.begin(), *invocation.command);
    }
    DRAGNET_RETURN_IF_ERROR(ShowHelp(commands, words, io));
    return kExitDone;
  }
  if (!invocation.command.has_value()) {
    io.err->Write(TopHelp(commands, HelpWidth(io)));
    return kExitBadInput;
  }
  Command* command = Find(commands, *invocation.command);
  if (command == nullptr) return NoSuchCommand(commands, *invocation.command);
  return RunCommand(*command, invocation, io, modules);
}

}  // namespace

int RunDragnet(const std::vector<std::string>& args, Io& io, const ModuleCatalog& modules) {
  const absl::StatusOr<int> status = Dispatch(args, io, modules);
  int exit_status = kExitDone;
  if (status.ok()) {
    exit_status = *status;
  } else {
    // Parts of an error may come from a scheduler or a file: one safe line.
    io.out->Flush().IgnoreError();
    const absl::string_view message = absl::StripTrailingAsciiWhitespace(status.status().message());
    io.Say(StrCat("dragnet: ", ForTerminal(ToStd(message))));
    exit_status = ExitStatusOf(status.status());
  }
  io.err->Flush().IgnoreError();
  return exit_status;
}

}  // namespace dragnet::console
