// The files in which keys are looked for: the one place here that uses the walk
// of module file.
#pragma once

#include "modules/module.h"
#include "modules/sshkey/params.h"

namespace dragnet::sshkey {

// /root, /home, /etc/ssh, and HOME/.ssh of the homes that `passwd` (in the form of
// /etc/passwd) names elsewhere. At most 4096.
std::vector<std::string> DefaultPaths(std::string_view passwd);

void SearchTrees(const Search& search, RunContext& context);

}  // namespace dragnet::sshkey
