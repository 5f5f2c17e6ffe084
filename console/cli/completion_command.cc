// `dragnet completion bash|zsh`: scripts written from the commands themselves,
// so that a new flag or module needs nothing here.
#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "console/cli/command.h"
#include "console/form/documentation.h"
#include "core/status_macros.h"
#include "core/strings.h"

namespace dragnet::console {
namespace {

using Lines = std::vector<std::unique_ptr<CommandLine>>;

// Single quotes for both shells.
std::string Quote(std::string_view text) {
  return StrCat("'", absl::StrReplaceAll(ToAbsl(text), {{"'", "'\\''"}}), "'");
}

std::vector<std::string> FlagsOf(const CommandLine& line) {
  std::vector<std::string> flags = {"--help", "--config"};
  for (const OptionSpec& option : line.options())
    if (!option.positional) flags.push_back(option.name);
  return flags;
}

std::vector<std::string> NamesOf(const std::vector<std::unique_ptr<CommandLine>>& lines) {
  std::vector<std::string> names;
  for (const auto& line : lines) names.emplace_back(line->name());
  return names;
}

// ---- bash

std::string BashWords(const std::vector<std::string>& words) {
  return StrCat("_dragnet_words ", Quote(absl::StrJoin(words, " ")));
}

std::string BashValue(const OptionSpec& option) {
  if (!option.choices.empty()) return BashWords(option.choices);
  return option.completion == Completion::kFile ? "_dragnet_files" : ":";
}

void AppendBash(const CommandLine& line, std::string* values, std::string* words,
                std::string* paths) {
  const std::string path = line.path();
  for (const OptionSpec& option : line.options()) {
    if (option.positional || option.value_name.empty()) continue;
    std::string pattern = Quote(StrCat(path, " ", option.name));
    if (!option.short_name.empty()) {
      StrAppend(&pattern, "|", Quote(StrCat(path, " ", option.short_name)));
    }
    StrAppend(values, "    ", pattern, ") ", BashValue(option), "; return ;;\n");
  }
  StrAppend(values, "    ", Quote(path + " --config"), ") _dragnet_files; return ;;\n");

  std::string rest = BashWords(NamesOf(line.subcommands()));
  for (const OptionSpec& option : line.options()) {
    if (!option.positional) continue;
    rest = option.choices.empty() && option.completion == Completion::kFile ? "_dragnet_files"
           : !option.choices.empty() ? BashWords(option.choices)
                                     : rest;
  }
  StrAppend(words, "    ", Quote(path), ")\n      case \"$current\" in\n        -*) ",
            BashWords(FlagsOf(line)), " ;;\n        *) ", rest, " ;;\n      esac ;;\n");
  for (const auto& subcommand : line.subcommands()) {
    StrAppend(paths, "      ", Quote(StrCat(path, "/", subcommand->name())),
              ") command=", Quote(subcommand->path()), " ;;\n");
    AppendBash(*subcommand, values, words, paths);
  }
}

std::string BashScript(const Lines& lines) {
  std::string values;
  std::string words;
  std::string paths;
  std::vector<std::string> names = {"help"};
  for (const auto& line : lines) {
    names.emplace_back(line->name());
    StrAppend(&paths, "      ", Quote(StrCat("/", line->name())), ") command=", Quote(line->name()),
              " ;;\n");
    AppendBash(*line, &values, &words, &paths);
  }
  return StrCat(
      R"(# bash completion for dragnet:  source <(dragnet completion bash)
_dragnet_words() {
  mapfile -t COMPREPLY < <(compgen -W "$1" -- "$current")
}

_dragnet_files() {
  compopt -o filenames 2>/dev/null
  mapfile -t COMPREPLY < <(compgen -f -- "$current")
}

_dragnet() {
  local current="${COMP_WORDS[COMP_CWORD]}" previous="${COMP_WORDS[COMP_CWORD-1]}"
  local command='' index
  COMPREPLY=()
  # bash takes --output=json apart at the equals sign.
  if [[ $current == '=' ]]; then
    current=''
  elif [[ $previous == '=' ]]; then
    previous="${COMP_WORDS[COMP_CWORD-2]}"
  fi
  for ((index = 1; index < COMP_CWORD; index++)); do
    case "$command/${COMP_WORDS[index]}" in
)",
      paths,
      "      '/help') command='help' ;;\n    esac\n  done\n  case \"$command $previous\" in\n",
      values, "    ' --config') _dragnet_files; return ;;\n  esac\n  case \"$command\" in\n", words,
      "    'help') ", BashWords(NamesOf(lines)), " ;;\n    *)\n",
      "      case \"$current\" in\n        -*) _dragnet_words '--config --help --version' ;;\n"
      "        *) ",
      BashWords(names), " ;;\n      esac ;;\n  esac\n}\ncomplete -F _dragnet dragnet\n");
}

// ---- zsh

// Inside [...] of _arguments.
std::string ZshHelp(const OptionSpec& option) {
  return absl::StrReplaceAll(FirstSentence(option.help),
                             {{"[", "\\["}, {"]", "\\]"}, {":", "\\:"}, {"\\", "\\\\"}});
}

std::string ZshAction(const OptionSpec& option) {
  if (!option.choices.empty()) return StrCat("(", absl::StrJoin(option.choices, " "), ")");
  return option.completion == Completion::kFile ? "_files" : " ";
}

std::string ZshArguments(const CommandLine& line) {
  std::string text =
      "_arguments -s '(-h --help)'{-h,--help}'[Show help]' "
      "'--config[Configuration]:FILE:_files'";
  for (const OptionSpec& option : line.options()) {
    const std::string value = option.value_name.empty()
                                  ? ""
                                  : StrCat(":", absl::StrReplaceAll(option.value_name, {{":", ""}}),
                                           ":", ZshAction(option));
    if (option.positional) {
      StrAppend(
          &text, " \\\n        ",
          Quote(StrCat(option.repeatable ? "*" : "", ":",
                       absl::StrReplaceAll(option.name, {{":", ""}}), ":", ZshAction(option))));
      continue;
    }
    const std::string star = option.repeatable ? "*" : "";
    StrAppend(&text, " \\\n        ",
              Quote(StrCat(star, option.name, "[", ZshHelp(option), "]", value)));
    if (!option.short_name.empty()) {
      StrAppend(&text, " \\\n        ",
                Quote(StrCat(star, option.short_name, "[", ZshHelp(option), "]", value)));
    }
  }
  return text;
}

std::string ZshDescriptions(const Lines& lines) {
  std::string text;
  for (const auto& line : lines) {
    StrAppend(
        &text, " ",
        Quote(StrCat(line->name(), ":", absl::StrReplaceAll(line->summary(), {{":", "\\:"}}))));
  }
  return text;
}

std::string ZshFunctions(const CommandLine& line) {
  std::string functions;
  std::string name = absl::StrReplaceAll(line.path(), {{" ", "_"}});
  if (line.subcommands().empty()) {
    return StrCat("_dragnet_", name, "() {\n  ", ZshArguments(line), "\n}\n\n");
  }
  std::string cases;
  for (const auto& subcommand : line.subcommands()) {
    functions.append(ZshFunctions(*subcommand));
    StrAppend(&cases, "    ", subcommand->name(), ") _dragnet_",
              absl::StrReplaceAll(subcommand->path(), {{" ", "_"}}), " ;;\n");
  }
  return StrCat(functions, "_dragnet_", name, "() {\n  local state line\n  local -a subcommands=(",
                ZshDescriptions(line.subcommands()), ")\n  ", ZshArguments(line),
                " \\\n        '1:subcommand:->subcommand' '*::argument:->argument'\n"
                "  case $state in\n    subcommand) _describe subcommand subcommands ;;\n"
                "    argument) case $line[1] in\n",
                cases, "    esac ;;\n  esac\n}\n\n");
}

std::string ZshScript(const Lines& lines) {
  std::string functions;
  std::string cases;
  for (const auto& line : lines) {
    functions.append(ZshFunctions(*line));
    StrAppend(&cases, "      ", line->name(), ") _dragnet_", line->name(), " ;;\n");
  }
  return StrCat(
      "#compdef dragnet\n# zsh completion for dragnet:  source <(dragnet completion zsh)\n\n",
      functions, "_dragnet() {\n  local state line\n  local -a commands=(", ZshDescriptions(lines),
      " 'help:Everything about one command')\n",
      "  _arguments -C '--config[Configuration]:FILE:_files' '--version[Print the version]' "
      "'(-h --help)'{-h,--help}'[Show help]' \\\n"
      "    '1:command:->command' '*::argument:->argument'\n"
      "  case $state in\n    command) _describe command commands ;;\n"
      "    argument) case $line[1] in\n",
      cases, "      help) _describe command commands ;;\n    esac ;;\n  esac\n}\n\n",
      "if [[ $funcstack[1] == _dragnet ]]; then\n  _dragnet \"$@\"\nelse\n"
      "  compdef _dragnet dragnet\nfi\n");
}

class CompletionCommand : public Command {
 public:
  explicit CompletionCommand(const ModuleCatalog& modules) : modules_(modules) {}

  std::string name() const override { return "completion"; }
  std::string summary() const override { return "Print a completion script for bash or zsh"; }
  CommandGroup group() const override { return CommandGroup::kProgram; }

  absl::Status Define(CommandLine& line) override {
    line.SetDescription("To try it: source <(dragnet completion bash)");
    line.AddArgument({.name = "SHELL", .help = "", .choices = {"bash", "zsh"}, .required = true},
                     &shell_);
    return absl::OkStatus();
  }

  absl::StatusOr<int> Run(CommandLine&, Session& session) override {
    const CommandList commands = AllCommands(modules_);
    Lines lines;
    for (const auto& command : commands) {
      if (command->group() == CommandGroup::kHidden) continue;
      lines.push_back(
          std::make_unique<CommandLine>(StrCat("dragnet ", command->name()), command->summary()));
      DRAGNET_RETURN_IF_ERROR(command->Define(*lines.back()));
    }
    session.io().out->Write(shell_ == "bash" ? BashScript(lines) : ZshScript(lines));
    return kExitDone;
  }

 private:
  const ModuleCatalog& modules_;
  std::string shell_;
};

}  // namespace

std::unique_ptr<Command> NewCompletionCommand(const ModuleCatalog& modules) {
  return std::make_unique<CompletionCommand>(modules);
}

}  // namespace dragnet::console
