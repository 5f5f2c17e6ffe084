// The parts of `dragnet enroll`: a file each, registered in enroll_command.cc.
#pragma once

#include <memory>

#include "console/cli/command_part.h"

namespace dragnet::console {

std::unique_ptr<CommandPart> NewEnrollToken();     // token create, list, revoke
std::unique_ptr<CommandPart> NewEnrollRequests();  // requests, approve, deny

}  // namespace dragnet::console
