#include "core/manual/completion.h"

#include "absl/strings/str_join.h"
#include "absl/strings/str_replace.h"
#include "core/strings.h"

namespace dragnet::manual {
namespace {

// Single quotes for bash and zsh.
std::string Quote(std::string_view text) {
  return StrCat("'", absl::StrReplaceAll(ToAbsl(text), {{"'", "'\\''"}}), "'");
}

// "_dragnet_agent" of "dragnet-agent".
std::string FunctionName(std::string_view words) {
  return StrCat("_", absl::StrReplaceAll(ToAbsl(words), {{"-", "_"}, {" ", "_"}}));
}

std::string FirstWords(std::string_view help) {
  help = help.substr(0, help.find('\n'));
  size_t end = help.find(". ");
  while (end != std::string_view::npos &&
         (help.substr(0, end).ends_with(".g") || help.substr(0, end).ends_with(".e")))
    end = help.find(". ", end + 1);
  std::string text(help.substr(0, end));
  if (text.ends_with('.')) text.pop_back();
  return text;
}

std::vector<const Command*> CommandsOf(const Program& program) {
  std::vector<const Command*> commands;
  for (const CommandGroup& group : program.groups)
    for (const Command& command : group.commands) commands.push_back(&command);
  return commands;
}

std::vector<std::string> FlagNames(const std::vector<Option>& options) {
  std::vector<std::string> names;
  for (const Option& option : options)
    if (!option.positional) names.push_back(option.name);
  return names;
}

// Its own and the program's.
std::vector<Option> AllOptions(const Program& program, const Command& command) {
  std::vector<Option> options = command.options;
  for (const Option& option : program.options)
    if (option.name != "--version") options.push_back(option);
  return options;
}

// ---- bash

class Bash {
 public:
  explicit Bash(const Program& program)
      : program_(program), function_(FunctionName(program.name)) {}

  std::string Script() {
    std::vector<std::string> names = {};
    for (const Command* command : CommandsOf(program_)) {
      names.push_back(command->name);
      Add(*command, "", "");
    }
    std::string values;
    for (const Option& option : program_.options) AddValue("", option, &values);
    return StrCat(Head(), paths_, "    esac\n  done\n  case \"$command $previous\" in\n", values_,
                  values, "  esac\n  case \"$command\" in\n", words_, "    *)\n",
                  "      case \"$current\" in\n        -*) ", Words(FlagNames(program_.options)),
                  " ;;\n        *) ", Words(names), " ;;\n      esac ;;\n  esac\n}\ncomplete -F ",
                  function_, " ", program_.name, "\n");
  }

 private:
  std::string Words(const std::vector<std::string>& words) const {
    return StrCat(function_, "_words ", Quote(absl::StrJoin(words, " ")));
  }

  std::string Value(const Option& option) const {
    if (!option.choices.empty()) return Words(option.choices);
    return option.file ? StrCat(function_, "_files") : ":";
  }

  void AddValue(const std::string& path, const Option& option, std::string* values) const {
    if (option.positional || option.value_name.empty()) return;
    std::string pattern = Quote(StrCat(path, " ", option.name));
    if (!option.short_name.empty())
      StrAppend(&pattern, "|", Quote(StrCat(path, " ", option.short_name)));
    StrAppend(values, "    ", pattern, ") ", Value(option), "; return ;;\n");
  }

  void Add(const Command& command, const std::string& above, const std::string& space) {
    const std::string path = StrCat(above, space, command.name);
    StrAppend(&paths_, "      ", Quote(StrCat(above, "/", command.name)), ") command=", Quote(path),
              " ;;\n");
    const std::vector<Option> options = AllOptions(program_, command);
    for (const Option& option : options) AddValue(path, option, &values_);
    std::vector<std::string> names;
    for (const Command& subcommand : command.subcommands) names.push_back(subcommand.name);
    std::string rest = Words(names);
    for (const Option& option : command.options) {
      if (option.positional && (option.file || !option.choices.empty())) rest = Value(option);
    }
    StrAppend(&words_, "    ", Quote(path), ")\n      case \"$current\" in\n        -*) ",
              Words(FlagNames(options)), " ;;\n        *) ", rest, " ;;\n      esac ;;\n");
    for (const Command& subcommand : command.subcommands) Add(subcommand, path, " ");
  }

  std::string Head() const {
    return absl::StrReplaceAll(R"(# bash completion for PROGRAM
FUNCTION_words() {
  mapfile -t COMPREPLY < <(compgen -W "$1" -- "$current")
}

FUNCTION_files() {
  compopt -o filenames 2>/dev/null
  mapfile -t COMPREPLY < <(compgen -f -- "$current")
}

FUNCTION() {
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
                               {{"FUNCTION", function_}, {"PROGRAM", program_.name}});
  }

  const Program& program_;
  const std::string function_;
  std::string values_;
  std::string words_;
  std::string paths_;
};

// ---- zsh

// Inside [...] of _arguments.
std::string ZshHelp(const Option& option) {
  return absl::StrReplaceAll(FirstWords(option.help),
                             {{"[", "\\["}, {"]", "\\]"}, {":", "\\:"}, {"\\", "\\\\"}});
}

std::string ZshAction(const Option& option) {
  if (!option.choices.empty()) return StrCat("(", absl::StrJoin(option.choices, " "), ")");
  return option.file ? "_files" : " ";
}

std::string ZshSpecs(const std::vector<Option>& options) {
  std::string text;
  const auto add = [&](const std::string& spec) { StrAppend(&text, " \\\n        ", Quote(spec)); };
  for (const Option& option : options) {
    const std::string star = option.repeatable ? "*" : "";
    if (option.positional) {
      add(StrCat(star, ":", absl::StrReplaceAll(option.name, {{":", ""}}), ":", ZshAction(option)));
      continue;
    }
    const std::string value = option.value_name.empty()
                                  ? ""
                                  : StrCat(":", absl::StrReplaceAll(option.value_name, {{":", ""}}),
                                           ":", ZshAction(option));
    for (const std::string& name : {option.name, option.short_name})
      if (!name.empty()) add(StrCat(star, name, "[", ZshHelp(option), "]", value));
  }
  return text;
}

std::string ZshDescriptions(const std::vector<const Command*>& commands) {
  std::string text;
  for (const Command* command : commands) {
    StrAppend(&text, " ",
              Quote(StrCat(command->name, ":",
                           absl::StrReplaceAll(FirstWords(command->summary), {{":", "\\:"}}))));
  }
  return text;
}

// The function that completes what stands after `commands`' own words, and those of
// its subcommands before it.
std::string ZshFunction(const Program& program, const std::string& name,
                        const std::vector<Option>& options,
                        const std::vector<const Command*>& commands) {
  if (commands.empty()) return StrCat(name, "() {\n  _arguments -s", ZshSpecs(options), "\n}\n\n");
  std::string functions;
  std::string cases;
  for (const Command* command : commands) {
    const std::string inner = StrCat(name, FunctionName(command->name));
    std::vector<const Command*> below;
    for (const Command& subcommand : command->subcommands) below.push_back(&subcommand);
    functions.append(ZshFunction(program, inner, AllOptions(program, *command), below));
    StrAppend(&cases, "      ", command->name, ") ", inner, " ;;\n");
  }
  return StrCat(functions, name, "() {\n  local state line\n  local -a commands=(",
                ZshDescriptions(commands), ")\n  _arguments -C", ZshSpecs(options),
                " \\\n        '1:command:->command' '*::argument:->argument'\n"
                "  case $state in\n    command) _describe command commands ;;\n"
                "    argument) case $line[1] in\n",
                cases, "    esac ;;\n  esac\n}\n\n");
}

// ---- fish

std::string FishQuote(std::string_view text) {
  return StrCat("'", absl::StrReplaceAll(ToAbsl(text), {{"\\", "\\\\"}, {"'", "\\'"}}), "'");
}

class Fish {
 public:
  explicit Fish(const Program& program)
      : program_(program), function_(StrCat("_", FunctionName(program.name))) {}

  std::string Script() {
    for (const Command* command : CommandsOf(program_)) Add(*command, "", "");
    AddOptions("", program_.options);
    return StrCat("# fish completion for ", program_.name, "\n",
                  // The words of the command that is being typed, without flags.
                  "function ", function_,
                  "_at\n  set -l command ''\n"
                  "  for word in (commandline -opc)[2..-1]\n    switch \"$command/$word\"\n",
                  paths_, "    end\n  end\n  test \"$command\" = \"$argv[1]\"\nend\n",
                  "complete -c ", program_.name, " -f\n", lines_);
  }

 private:
  std::string Begin(const std::string& path) const {
    return StrCat("complete -c ", program_.name, " -n ",
                  FishQuote(StrCat(function_, "_at ", FishQuote(path))));
  }

  static std::string Value(const Option& option) {
    if (!option.choices.empty())
      return StrCat(" -a ", FishQuote(absl::StrJoin(option.choices, " ")));
    return option.file ? " -F" : "";
  }

  void AddOptions(const std::string& path, const std::vector<Option>& options) {
    for (const Option& option : options) {
      if (option.positional) {
        if (!Value(option).empty()) StrAppend(&lines_, Begin(path), Value(option), "\n");
        continue;
      }
      StrAppend(&lines_, Begin(path), " -l ", option.name.substr(2));
      if (option.short_name.size() == 2) StrAppend(&lines_, " -s ", option.short_name.substr(1));
      if (!option.value_name.empty()) StrAppend(&lines_, " -r", Value(option));
      StrAppend(&lines_, " -d ", FishQuote(FirstWords(option.help)), "\n");
    }
  }

  void Add(const Command& command, const std::string& above, const std::string& space) {
    const std::string path = StrCat(above, space, command.name);
    StrAppend(&paths_, "      case ", FishQuote(StrCat(above, "/", command.name)),
              "\n        set command ", FishQuote(path), "\n");
    StrAppend(&lines_, Begin(above), " -a ", FishQuote(command.name), " -d ",
              FishQuote(FirstWords(command.summary)), "\n");
    AddOptions(path, AllOptions(program_, command));
    for (const Command& subcommand : command.subcommands) Add(subcommand, path, " ");
  }

  const Program& program_;
  const std::string function_;
  std::string paths_;
  std::string lines_;
};

}  // namespace

std::string BashCompletion(const Program& program) { return Bash(program).Script(); }

std::string ZshCompletion(const Program& program) {
  const std::string name = FunctionName(program.name);
  return StrCat("#compdef ", program.name, "\n# zsh completion for ", program.name, "\n\n",
                ZshFunction(program, name, program.options, CommandsOf(program)),
                "if [[ $funcstack[1] == ", name, " ]]; then\n  ", name, " \"$@\"\nelse\n  compdef ",
                name, " ", program.name, "\nfi\n");
}

std::string FishCompletion(const Program& program) { return Fish(program).Script(); }

}  // namespace dragnet::manual
