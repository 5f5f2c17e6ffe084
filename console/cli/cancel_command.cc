// `dragnet cancel ACTION`.
#include "console/cli/command.h"
#include "core/status_macros.h"
#include "core/strings.h"
#include "core/text.h"

namespace dragnet::console {
namespace {

class CancelCommand : public Command {
 public:
  std::string name() const override { return "cancel"; }
  std::string summary() const override { return "Send an action to no further agent"; }
  CommandGroup group() const override { return CommandGroup::kInvestigations; }

  absl::Status Define(CommandLine& line) override {
    line.SetDescription("Agents that have the action already go on with it.");
    line.AddArgument({.name = "ACTION",
                      .help = "Its id, a unique beginning or end of it, or \"last\".",
                      .required = true},
                     &action_);
    line.AddSwitch({.name = "--yes", .short_name = "-y", .help = "Don't ask."}, &yes_);
    return absl::OkStatus();
  }

  absl::StatusOr<int> Run(CommandLine&, Session& session) override {
    Io& io = session.io();
    DRAGNET_RETURN_IF_ERROR(CheckCanConfirm(io, yes_));
    DRAGNET_ASSIGN_OR_RETURN(const v1::ActionInfo info, session.FindAction(action_));
    if (!yes_) {
      DRAGNET_ASSIGN_OR_RETURN(const bool agreed,
                               Confirm(io, StrCat("Cancel ", ForTerminal(info.name()), " (",
                                                  ForTerminal(info.action_id()), ")?")));
      if (!agreed) return kExitBadInput;
    }
    v1::CancelActionRequest request;
    request.set_action_id(info.action_id());
    DRAGNET_ASSIGN_OR_RETURN(Client * client, session.client());
    DRAGNET_ASSIGN_OR_RETURN(const v1::CancelActionResponse response,
                             client->CancelAction(request));
    const v1::Progress& progress = response.progress();
    io.Say(StrCat("Cancelled ", ForTerminal(info.action_id()), ": of ", progress.targeted(),
                  " agents, ", progress.never_sent(), " never get it, ",
                  progress.sent() + progress.running(), " have it and go on."));
    return kExitDone;
  }

 private:
  std::string action_;
  bool yes_ = false;
};

}  // namespace

std::unique_ptr<Command> NewCancelCommand() { return std::make_unique<CancelCommand>(); }

}  // namespace dragnet::console
