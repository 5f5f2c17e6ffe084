// The screens, by what they show. Each in a file of its own.
#pragma once

#include <memory>
#include <string>

#include "console/tui/shell.h"
#include "console/tui/view.h"

namespace dragnet::console::tui {

std::unique_ptr<View> NewFleetView(Shell& shell);
std::unique_ptr<View> NewAgentView(Shell& shell, const std::string& agent_id);
std::unique_ptr<View> NewActionsView(Shell& shell);
std::unique_ptr<View> NewActionView(Shell& shell, const std::string& action_id);
// `line` and `target` as Shell::OpenNew has them.
std::unique_ptr<View> NewFormView(Shell& shell, const std::string& line, const std::string& target);
std::unique_ptr<View> NewApprovalsView(Shell& shell);

}  // namespace dragnet::console::tui
