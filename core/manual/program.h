// What a program's command line takes, as data: from it come its manual pages and its
// shells' completion, so that neither can say something else than the program.
#pragma once

#include <string>
#include <vector>

namespace dragnet::manual {

struct Option {
  // "--target", or the name of an argument by position: "ACTION".
  std::string name{};
  // "-t", or empty.
  std::string short_name{};
  // "EXPR"; empty for a switch.
  std::string value_name{};
  // Paragraphs with an empty line or a line of its own between them; lines that begin
  // with a space are examples.
  std::string help{};
  std::vector<std::string> choices{};
  // The value is a file here.
  bool file = false;
  bool required = false;
  bool repeatable = false;
  bool positional = false;
  std::string group = "Options";
};

struct Command {
  // One word.
  std::string name{};
  // One line, no full stop.
  std::string summary{};
  std::string description{};
  std::vector<Option> options{};
  std::vector<Command> subcommands{};
};

// A heading over some of the commands.
struct CommandGroup {
  std::string title{};
  std::vector<Command> commands{};
};

struct Entry {
  std::string name{};
  std::string text{};
};

struct Program {
  // "dragnet-scheduler"
  std::string name{};
  std::string summary{};
  std::string description{};
  // Given before a command, or with each.
  std::vector<Option> options{};
  std::vector<CommandGroup> groups{};
  std::vector<Entry> modules{};
  std::vector<Entry> exit_status{};
  std::vector<Entry> environment{};
  std::vector<Entry> files{};
  // "dragnet-agent(8)"
  std::vector<std::string> see_also{};
};

}  // namespace dragnet::manual
