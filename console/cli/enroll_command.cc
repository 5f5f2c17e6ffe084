// `dragnet enroll`: who joins the fleet.
#include "console/cli/enroll_command.h"

#include "console/cli/command_part.h"

namespace dragnet::console {
namespace {

constexpr char kDescription[] =
    "A host joins with a token, which says how many hosts may use it, until when, from where, and "
    "whether someone has to look at them first."
    R"(

  dragnet enroll token create --uses 200 --lifetime 7d --network 10.0.0.0/8
  dragnet enroll token list
  dragnet enroll token revoke 5f3a
  dragnet enroll requests
  dragnet enroll approve web-17

docs/enrolment.md says what a stolen token is good for.)";

}  // namespace

std::unique_ptr<Command> NewEnrollCommand() {
  auto command = std::make_unique<CommandOfParts>(CommandOfParts::Words{
      .name = "enroll",
      .summary = "Who joins the fleet: tokens, and hosts that wait to be let in",
      .group = CommandGroup::kFleet,
      .description = kDescription});
  command->Add(NewEnrollToken());
  command->Add(NewEnrollRequests());
  return command;
}

}  // namespace dragnet::console
