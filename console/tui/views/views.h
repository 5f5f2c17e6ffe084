// The screens, by what they show. Each in a file of its own.
#pragma once

#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "console/tui/shell.h"
#include "console/tui/view.h"

namespace dragnet::console::tui {

// The screen New, which keeps what was typed for as long as the console runs.
class FormScreen : public View {
 public:
  // `line` and `target` as Shell::OpenNew has them. What was being filled in is put
  // aside. InvalidArgument: nothing was changed.
  virtual absl::Status Open(const std::string& line, const std::string& target) = 0;
  // A template, by its name or as a file.
  virtual void Load(const std::string& name) = 0;
  virtual void Save(const std::string& name) = 0;
  virtual const std::vector<std::string>& template_names() const = 0;
};

std::unique_ptr<View> NewFleetView(Shell& shell);
std::unique_ptr<View> NewAgentView(Shell& shell, const std::string& agent_id);
std::unique_ptr<View> NewActionsView(Shell& shell);
std::unique_ptr<View> NewActionView(Shell& shell, const std::string& action_id);
std::unique_ptr<FormScreen> NewFormView(Shell& shell);
std::unique_ptr<View> NewApprovalsView(Shell& shell);
std::unique_ptr<View> NewSweepsView(Shell& shell);
std::unique_ptr<View> NewSweepView(Shell& shell, const std::string& sweep_id);

}  // namespace dragnet::console::tui
