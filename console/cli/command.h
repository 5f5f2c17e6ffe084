// One command of `dragnet`: one file, one class. Registered in commands.cc.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "absl/status/statusor.h"
#include "console/cli/command_line.h"
#include "console/cli/exit_status.h"
#include "console/cli/session.h"
#include "dragnet/v1/order.pb.h"

namespace dragnet::console {

// Where a command stands in `dragnet help`.
enum class CommandGroup { kModules, kInvestigations, kFleet, kProgram, kHidden };

// Not thread-safe: Define, then Run, each once.
class Command {
 public:
  virtual ~Command() = default;

  virtual std::string name() const = 0;
  // One line, no full stop.
  virtual std::string summary() const = 0;
  virtual CommandGroup group() const = 0;
  // Declares flags and subcommands, bound to members of this object.
  virtual absl::Status Define(CommandLine& line) = 0;
  // `line` was parsed. Gives the exit status; an error is printed by the caller.
  virtual absl::StatusOr<int> Run(CommandLine& line, Session& session) = 0;
};

using CommandList = std::vector<std::unique_ptr<Command>>;

// Every command, modules included, in the order of the help.
CommandList AllCommands(const ModuleCatalog& modules);

// One per file; listed in commands.cc.
std::unique_ptr<Command> NewModuleCommand(const Module& module, const ModuleCatalog& modules);
std::unique_ptr<Command> NewConsoleCommand();
std::unique_ptr<Command> NewRunCommand();
std::unique_ptr<Command> NewActionsCommand();
std::unique_ptr<Command> NewResultsCommand();
std::unique_ptr<Command> NewApproveCommand();
std::unique_ptr<Command> NewReportCommand();
std::unique_ptr<Command> NewTailCommand();
std::unique_ptr<Command> NewCancelCommand();
std::unique_ptr<Command> NewKeepCommand();
std::unique_ptr<Command> NewStatusCommand();
std::unique_ptr<Command> NewPauseCommand();
std::unique_ptr<Command> NewResumeCommand();
// `dragnet sweep`, and its orders (pause, resume, cancel), which are parts of it.
std::unique_ptr<Command> NewSweepCommand();
std::unique_ptr<Command> NewSweepOrderCommand(v1::Order::Kind kind);
std::unique_ptr<Command> NewVerifyCommand();
std::unique_ptr<Command> NewSignCommand();
std::unique_ptr<Command> NewLaunchCommand();
std::unique_ptr<Command> NewAgentsCommand();
std::unique_ptr<Command> NewRefusalsCommand();
std::unique_ptr<Command> NewEnrollCommand();
std::unique_ptr<Command> NewPackageCommand();
std::unique_ptr<Command> NewTrustCommand();
std::unique_ptr<Command> NewReleaseCommand();
// In place of the module's own command.
std::unique_ptr<Command> NewUpgradeCommand();
std::unique_ptr<Command> NewKeygenCommand();
std::unique_ptr<Command> NewCompletionCommand(const ModuleCatalog& modules);
std::unique_ptr<Command> NewCheckCommand();
// Commands of the design that this version doesn't have: refused by name.

}  // namespace dragnet::console
