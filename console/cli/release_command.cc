// `dragnet release`: which builds of the agent are good.
#include "console/cli/release_command.h"

#include "console/cli/command_part.h"

namespace dragnet::console {
namespace {

constexpr char kDescription[] =
    "A release says which build of the agent is good, and is signed by enough of the release keys "
    "that the trust policy names (dragnet trust release-key). It moves no agent: dragnet upgrade "
    "rolls it out.\n\n"
    "  dragnet release new --version 0.2.0 --from agent.deb --out release-0.2.0\n"
    "  dragnet release sign release-0.2.0 --key release-1.key  (each who must)\n"
    "  dragnet release show release-0.2.0\n"
    "  dragnet upgrade release-0.2.0";

}  // namespace

std::unique_ptr<Command> NewReleaseCommand() {
  auto command = std::make_unique<CommandOfParts>(
      CommandOfParts::Words{.name = "release",
                            .summary = "Releases of the agent: make, sign, show",
                            .group = CommandGroup::kFleet,
                            .description = kDescription});
  command->Add(NewReleaseNew());
  command->Add(NewReleaseSign());
  command->Add(NewReleaseShow());
  return command;
}

}  // namespace dragnet::console
