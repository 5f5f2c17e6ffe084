// The parts of `dragnet trust`: a file each, registered in trust_command.cc.
#pragma once

#include <memory>

#include "console/cli/command_part.h"

namespace dragnet::console {

std::unique_ptr<CommandPart> NewTrustShow();  // show, diff
std::unique_ptr<CommandPart>
NewTrustEdit();  // draft, add, remove, key, role, weight, root, release-key, ca
std::unique_ptr<CommandPart> NewTrustSign();     // sign
std::unique_ptr<CommandPart> NewTrustPublish();  // publish
std::unique_ptr<CommandPart> NewTrustAgents();   // agents, revoke

}  // namespace dragnet::console
