// `dragnet trust`: who may order what, from the draft to the agents.
#include "console/cli/trust_command.h"

#include "console/cli/command_part.h"

namespace dragnet::console {
namespace {

constexpr char kDescription[] =
    "A new trust policy is a file that goes from hand to hand: drafted here, signed by the root "
    "keys on machines without a network, published here."
    R"(

  dragnet trust draft next.json
  dragnet trust add next.json carol --key carol.pub --role investigator
  dragnet trust diff next.json
  dragnet trust sign next.json --key root-1.key
  dragnet trust publish next.json
  dragnet trust agents

docs/key-ceremony.md has the steps for people who come and go, and for root keys.)";

}  // namespace

std::unique_ptr<Command> NewTrustCommand() {
  auto command = std::make_unique<CommandOfParts>(
      CommandOfParts::Words{.name = "trust",
                            .summary = "Who may order what: show, change, sign, publish",
                            .group = CommandGroup::kFleet,
                            .description = kDescription});
  command->Add(NewTrustShow());
  command->Add(NewTrustEdit());
  command->Add(NewTrustSign());
  command->Add(NewTrustPublish());
  command->Add(NewTrustAgents());
  return command;
}

}  // namespace dragnet::console
