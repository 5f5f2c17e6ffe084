// Completion scripts for shells, from what a program's command line takes: commands,
// subcommands, flags, the values that a flag can have, and files.
// Thread-safe: no state.
#pragma once

#include <string>

#include "core/manual/program.h"

namespace dragnet::manual {

std::string BashCompletion(const Program& program);
std::string ZshCompletion(const Program& program);
std::string FishCompletion(const Program& program);

}  // namespace dragnet::manual
