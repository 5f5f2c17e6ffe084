// The parts of `dragnet release`: a file each, registered in release_command.cc.
#pragma once

#include <memory>

#include "console/cli/command_part.h"

namespace dragnet::console {

std::unique_ptr<CommandPart> NewReleaseNew();   // new
std::unique_ptr<CommandPart> NewReleaseSign();  // sign
std::unique_ptr<CommandPart> NewReleaseShow();  // show

}  // namespace dragnet::console
