// `dragnet console`: the full-screen console.
#include "console/cli/command.h"
#include "console/signing/signing.h"
#include "console/tui/console.h"
#include "core/status_macros.h"
#include "core/strings.h"

namespace dragnet::console {
namespace {

class ConsoleCommand : public Command {
 public:
  std::string name() const override { return "console"; }
  std::string summary() const override { return "The full-screen console"; }
  CommandGroup group() const override { return CommandGroup::kInvestigations; }

  absl::Status Define(CommandLine& line) override {
    line.SetDescription(
        "Fleet, actions with their results as they land, new actions, approvals; ? shows what can "
        "be done. Works in tmux and over slow lines.");
    line.AddSwitch({.name = "--mouse",
                    .help = "Wheel and clicks; the terminal's own selection "
                            "then needs Shift."},
                   &mouse_);
    line.AddSwitch({.name = "--no-color", .help = "Also with NO_COLOR in the environment."},
                   &no_color_);
    return absl::OkStatus();
  }

  absl::StatusOr<int> Run(CommandLine&, Session& session) override {
    DRAGNET_ASSIGN_OR_RETURN(const ConsoleConfig* config, session.config());
    tui::Backend::Parts parts;
    parts.config = *config;
    parts.modules = &session.modules();
    DRAGNET_ASSIGN_OR_RETURN(parts.client, Client::Create(*config, session.now()));
    parts.clock = session.io().clock;
    parts.open_signer = [config = *config, environment = session.io().environment](
                            const tui::Backend::Parts::AskSecret& ask) {
      return OpenSigner(config, ask, environment);
    };
    parts.directory = DirectoryFor(session.io());
    DRAGNET_RETURN_IF_ERROR(tui::RunConsole(
        std::move(parts), {.color = !no_color_ && !session.io().environment("NO_COLOR").has_value(),
                           .mouse = mouse_}));
    return kExitDone;
  }

 private:
  // $XDG_STATE_HOME/dragnet, by default ~/.local/state/dragnet.
  static std::string DirectoryFor(const Io& io) {
    if (const auto base = io.environment("XDG_STATE_HOME"); base.has_value() && !base->empty())
      return *base + "/dragnet";
    if (const auto home = io.environment("HOME"); home.has_value() && !home->empty())
      return *home + "/.local/state/dragnet";
    return "";
  }

  bool mouse_ = false;
  bool no_color_ = false;
};

}  // namespace

std::unique_ptr<Command> NewConsoleCommand() { return std::make_unique<ConsoleCommand>(); }

}  // namespace dragnet::console
