// The way of every action: show it decoded with its reach, ask, sign, launch (or
// propose, when one signature isn't enough), follow. Shared by the module commands and `run`. Not
// thread-safe.
#pragma once

#include <optional>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "console/cli/command_line.h"
#include "console/cli/row_selection.h"
#include "console/cli/session.h"
#include "console/investigation/launch_options.h"
#include "console/output/record_writer.h"
#include "dragnet/v1/action.pb.h"

namespace dragnet::console {

// Flags that every launching command has, bound to the members. Their names
// keep out of the modules' way: --action-name, because `file` has --name.
struct LaunchFlags : LaunchOptions {
  bool wait = false;
  std::string output = "table";
  std::string where;
  std::vector<std::string> columns;
  bool yes = false;
  bool dry_run = false;
  // Ends as soon as it is on its way.
  bool no_wait = false;
  // Nobody said how long the action is valid: if it has to be proposed, longer.
  bool lifetime_is_default = false;
  std::optional<std::string> no_launch;

  // What holds for target and lifetime when their flags aren't given.
  struct Defaults {
    std::string target = "every agent";
    std::string expires = "5m";
  };
  void Define(CommandLine& line, const Defaults& defaults);
  // Only the flags of one group.
  void DefineGroup(LaunchOptionGroup group, const Defaults& defaults, CommandLine& line);
  // What is shown of the rows that come; not part of the action.
  RowOptions Rows() const;
};

// --where and --columns, as all commands that show rows have them.
void AddRowFlags(CommandLine& line, std::string* where, std::vector<std::string>* columns);

// "--output", as all commands have it.
void AddOutputFlag(CommandLine& line, std::string* output);

// From a complete and checked action to the exit status.
absl::StatusOr<int> LaunchAction(const v1::Action& action, const LaunchFlags& flags,
                                 Session& session);

}  // namespace dragnet::console
