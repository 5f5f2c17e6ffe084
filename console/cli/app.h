// `dragnet` as a function: finds the command, parses its flags, runs it, prints
// its error, gives the exit status.
#pragma once

#include <string>
#include <vector>

#include "console/cli/io.h"
#include "console/form/module_catalog.h"

namespace dragnet::console {

// `args` without the program's name.
int RunDragnet(const std::vector<std::string>& args, Io& io, const ModuleCatalog& modules);

}  // namespace dragnet::console
