// `dragnet completion bash|zsh|fish`: scripts written from the commands themselves,
// so that a new flag or module needs nothing here.
#include "console/cli/command.h"
#include "console/cli/self_description.h"
#include "core/manual/completion.h"
#include "core/status_macros.h"

namespace dragnet::console {
namespace {

class CompletionCommand : public Command {
 public:
  explicit CompletionCommand(const ModuleCatalog& modules) : modules_(modules) {}

  std::string name() const override { return "completion"; }
  std::string summary() const override { return "Print a completion script for a shell"; }
  CommandGroup group() const override { return CommandGroup::kProgram; }

  absl::Status Define(CommandLine& line) override {
    line.SetDescription("To try it: source <(dragnet completion bash)");
    line.AddArgument(
        {.name = "SHELL", .help = "", .choices = {"bash", "zsh", "fish"}, .required = true},
        &shell_);
    return absl::OkStatus();
  }

  absl::StatusOr<int> Run(CommandLine&, Session& session) override {
    DRAGNET_ASSIGN_OR_RETURN(const manual::Program program, DescribeProgram(modules_));
    session.io().out->Write(shell_ == "bash"  ? manual::BashCompletion(program)
                            : shell_ == "zsh" ? manual::ZshCompletion(program)
                                              : manual::FishCompletion(program));
    return kExitDone;
  }

 private:
  const ModuleCatalog& modules_;
  std::string shell_;
};

}  // namespace

std::unique_ptr<Command> NewCompletionCommand(const ModuleCatalog& modules) {
  return std::make_unique<CompletionCommand>(modules);
}

}  // namespace dragnet::console
