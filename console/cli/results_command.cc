// `dragnet results ACTION`: rows and hosts of an action, now or as they land.
#include "console/cli/command.h"
#include "console/cli/follow.h"
#include "console/cli/launch.h"
#include "console/cli/result_view.h"
#include "core/action.h"
#include "core/status_macros.h"
#include "core/strings.h"

namespace dragnet::console {
namespace {

class ResultsCommand : public Command {
 public:
  std::string name() const override { return "results"; }
  std::string summary() const override { return "Show what an action found"; }
  CommandGroup group() const override { return CommandGroup::kInvestigations; }

  absl::Status Define(CommandLine& line) override {
    line.SetDescription(
        "Rows go to standard output; the counts, and what was not looked at and why, to standard "
        "error.");
    line.AddArgument({.name = "ACTION",
                      .help = "Its id, a unique beginning or end of it (4 characters or more), or "
                              "\"last\": the newest that you launched.",
                      .required = true},
                     &action_);
    line.AddSwitch({.name = "--follow",
                    .short_name = "-f",
                    .help = "Go on until all agents have answered or the action expires."},
                   &follow_);
    line.AddValue({.name = "--hosts",
                   .value_name = "STATE",
                   .help = "A line per agent in this state, with what it did not look at, in place "
                           "of rows.",
                   .choices = {std::begin(kHostStates), std::end(kHostStates)}},
                  &hosts_);
    AddOutputFlag(line, &output_);
    return absl::OkStatus();
  }

  absl::StatusOr<int> Run(CommandLine&, Session& session) override {
    DRAGNET_ASSIGN_OR_RETURN(const v1::ActionInfo info, session.FindAction(action_));
    const absl::StatusOr<v1::Action> action = DecodeAction(info.envelope());
    if (!action.ok()) {
      return Annotate(action.status(), StrCat("action ", info.action_id(), " as stored"));
    }
    const absl::StatusOr<int> shown = FollowAction(*action,
                                                   {.format = *ParseFormat(output_),
                                                    .until_expired = follow_,
                                                    .stored_only = !follow_,
                                                    .hosts = hosts_},
                                                   session);
    if (shown.ok() && info.has_results_removed_at()) return SayRemoved(info, session.io());
    return shown;
  }

 private:
  // "No rows" alone would read as if nothing had been found.
  static int SayRemoved(const v1::ActionInfo& info, Io& io) {
    const absl::StatusOr<absl::Time> at = ToTime(info.results_removed_at());
    io.Say(StrCat("warning: the rows of this action, ", info.progress().rows(),
                  " of them, were removed by retention on ",
                  at.ok() ? absl::FormatTime("%Y-%m-%d", *at, absl::UTCTimeZone()) : "some day",
                  "; only the states of its agents are left"));
    return kExitIncomplete;
  }

  std::string action_;
  bool follow_ = false;
  std::string hosts_;
  std::string output_ = "table";
};

}  // namespace

std::unique_ptr<Command> NewResultsCommand() { return std::make_unique<ResultsCommand>(); }

}  // namespace dragnet::console
