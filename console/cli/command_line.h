// One command's flags, arguments and subcommands: declared once, and then
// parsed, shown as help and written out as shell completion. CLI11 parses;
// command_line.cc is the only file that includes it. Not thread-safe.
#pragma once

#include <deque>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "console/form/nearest.h"

namespace dragnet::console {

// What the shell offers after a flag.
enum class Completion { kNothing, kFile, kDirectory, kModule, kCommand };

struct OptionSpec {
  // "--target", or the name of an argument by position: "ACTION".
  std::string name{};
  // "-t", or empty.
  std::string short_name{};
  // Shown for the value: "EXPR". Empty for a switch.
  std::string value_name{};
  // The first sentence is for --help, the whole for `dragnet help COMMAND`.
  std::string help{};
  // Lower-case words of which the value must be one.
  std::vector<std::string> choices{};
  Completion completion = Completion::kNothing;
  bool required = false;
  // Set by CommandLine.
  std::string group{};
  bool repeatable = false;
  bool positional = false;
};

class CommandLine {
 public:
  // `program` as it is called: "dragnet file".
  CommandLine(std::string program, std::string summary);
  ~CommandLine();
  CommandLine(const CommandLine&) = delete;
  CommandLine& operator=(const CommandLine&) = delete;

  // Text under the usage line of the help.
  void SetDescription(std::string description) { description_ = std::move(description); }

  // Heading of the options that follow.
  void StartGroup(std::string title) { group_ = std::move(title); }

  // Pointers must outlive the parsing. What isn't given stays as it is.
  void AddSwitch(OptionSpec spec, bool* value);
  void AddValue(OptionSpec spec, std::string* value);
  void AddValue(OptionSpec spec, std::optional<std::string>* value);
  void AddValues(OptionSpec spec, std::vector<std::string>* values);
  void AddArgument(OptionSpec spec, std::string* value);
  void AddArguments(OptionSpec spec, std::vector<std::string>* values);

  // Owned by this. At most one may be given.
  CommandLine* AddSubcommand(const std::string& name, std::string summary);
  // Without a subcommand there is nothing to do.
  void RequireSubcommand();

  // `args` without the program's name. InvalidArgument says what is wrong and
  // where the help is.
  absl::Status Parse(const std::vector<std::string>& args);

  // After Parse: the deepest subcommand that was given, or this.
  CommandLine* chosen();
  bool help_requested() const { return help_requested_; }

  const std::string& program() const { return program_; }
  const std::string& summary() const { return summary_; }
  const std::string& description() const { return description_; }
  const std::deque<OptionSpec>& options() const { return options_; }
  const std::vector<std::unique_ptr<CommandLine>>& subcommands() const { return subcommands_; }
  // "file" of "dragnet file".
  std::string_view name() const;
  // "agents revoke" of "dragnet agents revoke".
  std::string path() const;

 private:
  struct Parser;
  CommandLine(std::string program, std::string summary, std::unique_ptr<Parser> parser);

  OptionSpec& Keep(OptionSpec spec, bool positional, bool repeatable);
  absl::Status Unexpected(const std::string& argument) const;

  const std::string program_;
  const std::string summary_;
  std::string description_;
  std::string group_ = "Flags";
  std::deque<OptionSpec> options_;
  std::vector<std::unique_ptr<CommandLine>> subcommands_;
  std::unique_ptr<Parser> parser_;
  bool help_requested_ = false;
  bool needs_subcommand_ = false;
};

}  // namespace dragnet::console
