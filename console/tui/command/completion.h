// What can be typed after a colon: a screen's name, or an action as one line, in
// the words of the command line ("file --path /etc --name '^passwd$'"). Thread-safe: no state.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "console/form/module_catalog.h"

namespace dragnet::console::tui {

inline constexpr std::string_view kScreenCommands[] = {"fleet",     "actions", "new",
                                                       "approvals", "help",    "quit"};

// As TextInput::Complete.
std::vector<std::string> CompleteCommand(const ModuleCatalog& modules, std::string_view before,
                                         size_t* start);

}  // namespace dragnet::console::tui
