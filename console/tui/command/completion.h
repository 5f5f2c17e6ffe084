// What can be typed after a colon: a screen's name, or an action as one line, in
// the words of the command line ("file --path /etc --name '^passwd$'"); "load FILE"
// and "save NAME" for templates. Thread-safe: no state.
#pragma once

#include <string>
#include <string_view>
#include <vector>

#include "console/form/module_catalog.h"

namespace dragnet::console::tui {

inline constexpr std::string_view kScreenCommands[] = {"fleet", "actions", "new",  "approvals",
                                                       "load",  "save",    "help", "quit"};

// As TextInput::Complete. `templates`: names for "load".
std::vector<std::string> CompleteCommand(const ModuleCatalog& modules,
                                         const std::vector<std::string>& templates,
                                         std::string_view before, size_t* start);

// Files and directories that begin with `typed`, directories with a slash at their
// end. The first thousand; hidden ones where their dot was typed.
std::vector<std::string> CompletePath(std::string_view typed);

// Columns of the facts that may follow at the end of an expression: the expressions
// as they are then.
std::vector<std::string> CompleteTarget(std::string_view expression);

}  // namespace dragnet::console::tui
