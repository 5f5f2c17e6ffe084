// `dragnet manual`, hidden: writes the manual pages and completion scripts that packages
// hold. Run by the build (target `manuals`).
#pragma once

#include <memory>

#include "console/cli/command.h"

namespace dragnet::console {

std::unique_ptr<Command> NewManualCommand(const ModuleCatalog& modules);

}  // namespace dragnet::console
