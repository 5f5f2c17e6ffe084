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
#include "console/output/record_writer.h"
#include "dragnet/v1/action.pb.h"

namespace dragnet::console {

// Flags that every launching command has, bound to the members. Their names
// keep out of the modules' way: --action-name, because `file` has --name.
struct LaunchFlags {
  std::optional<std::string> target;
  std::optional<std::string> expires;
  bool wait = false;
  std::optional<std::string> name;
  std::optional<std::string> description;
  std::optional<std::string> threat_level;
  std::optional<std::string> threat_family;
  std::optional<std::string> threat_type;
  std::optional<std::string> threat_reference;
  std::optional<std::string> wall_time;
  std::optional<std::string> cpu_time;
  std::optional<std::string> memory;
  std::optional<std::string> rows;
  std::optional<std::string> result_size;
  std::optional<std::string> cpu_share;
  std::optional<std::string> rate;
  std::optional<std::string> canary;
  std::optional<std::string> agent_limit;
  std::optional<std::string> stop_when_failed;
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
  // What was given goes over what `action` holds already. Limits go to every
  // operation. InvalidArgument names the flag.
  absl::Status Apply(v1::Action* action) const;
  // What is shown of the rows that come; not part of the action.
  RowOptions Rows() const;
  // Of --expires; nothing when it wasn't given.
  absl::StatusOr<std::optional<absl::Duration>> Lifetime() const;

 private:
  void DefineDispatch(CommandLine& line);
  absl::StatusOr<v1::Limits> Limits() const;
  absl::Status ApplyDispatch(v1::Action* action) const;
};

// --where and --columns, as all commands that show rows have them.
void AddRowFlags(CommandLine& line, std::string* where, std::vector<std::string>* columns);

// "--output", as all commands have it.
void AddOutputFlag(CommandLine& line, std::string* output);

// From a complete and checked action to the exit status.
absl::StatusOr<int> LaunchAction(const v1::Action& action, const LaunchFlags& flags,
                                 Session& session);

}  // namespace dragnet::console
