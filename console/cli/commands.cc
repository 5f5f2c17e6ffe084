// The list of commands: a new one is a file and a line here.
#include "console/cli/agents_retire.h"
#include "console/cli/command.h"
#include "console/cli/manual_command.h"
#include "modules/weights.h"

namespace dragnet::console {

CommandList AllCommands(const ModuleCatalog& modules) {
  CommandList commands;
  for (const Module* module : modules.modules) {
    // Its parameters are packs: `dragnet check`, and sweeps.
    if (module->manifest().name == kCheckModule) continue;
    // Who retires a host looks it up first: `dragnet agents retire`.
    if (module->manifest().name == kRetireModule) continue;
    // `dragnet upgrade` takes a bundle, of which it makes the parameters.
    if (module->manifest().name == "upgrade") continue;
    commands.push_back(NewModuleCommand(*module, modules));
  }
  commands.push_back(NewConsoleCommand());
  commands.push_back(NewRunCommand());
  commands.push_back(NewSignCommand());
  commands.push_back(NewLaunchCommand());
  commands.push_back(NewActionsCommand());
  commands.push_back(NewResultsCommand());
  commands.push_back(NewApproveCommand());
  commands.push_back(NewReportCommand());
  commands.push_back(NewTailCommand());
  commands.push_back(NewCancelCommand());
  commands.push_back(NewKeepCommand());
  commands.push_back(NewPauseCommand());
  commands.push_back(NewResumeCommand());
  commands.push_back(NewSweepCommand());
  commands.push_back(NewVerifyCommand());
  commands.push_back(NewAgentsCommand());
  commands.push_back(NewRefusalsCommand());
  commands.push_back(NewStatusCommand());
  commands.push_back(NewEnrollCommand());
  commands.push_back(NewPackageCommand());
  commands.push_back(NewTrustCommand());
  commands.push_back(NewReleaseCommand());
  commands.push_back(NewUpgradeCommand());
  commands.push_back(NewKeygenCommand());
  commands.push_back(NewCheckCommand());
  commands.push_back(NewCompletionCommand(modules));
  commands.push_back(NewManualCommand(modules));
  return commands;
}

}  // namespace dragnet::console
