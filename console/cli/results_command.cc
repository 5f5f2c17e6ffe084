// `dragnet results ACTION`: rows and hosts of an action, now or as they land.
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "console/cli/command.h"
#include "console/cli/follow.h"
#include "console/cli/launch.h"
#include "console/cli/result_view.h"
#include "console/cli/stack_view.h"
#include "core/action.h"
#include "core/status_macros.h"
#include "core/strings.h"

namespace dragnet::console {
namespace {

constexpr uint32_t kMaxStackLimit = 10'000;

absl::StatusOr<uint32_t> ParseNumber(std::string_view flag, const std::string& text,
                                     uint32_t minimum, uint32_t maximum) {
  uint32_t value = 0;
  if (!absl::SimpleAtoi(text, &value) || value < minimum || value > maximum)
    return absl::InvalidArgumentError(
        StrCat(flag, ": a number from ", minimum, " to ", maximum, ", not \"", text, "\""));
  return value;
}

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
    line.StartGroup("Stacking");
    line.AddValues({.name = "--stack",
                    .value_name = "COLUMN[,COLUMN]",
                    .help = "How many rows, and how many agents, have the same values in these "
                            "columns, in place of rows."},
                   &stack_);
    line.AddSwitch({.name = "--rarest", .help = "The rarest values first."}, &rarest_);
    line.AddValue({.name = "--operation",
                   .value_name = "INDEX",
                   .help = "Of an action with several operations: which one, from 0."},
                  &operation_);
    line.AddValue({.name = "--limit",
                   .value_name = "COUNT",
                   .help = "Values to show (default: 1000, at most 10000)."},
                  &limit_);
    return absl::OkStatus();
  }

  absl::StatusOr<int> Run(CommandLine&, Session& session) override {
    DRAGNET_RETURN_IF_ERROR(CheckFlags());
    DRAGNET_ASSIGN_OR_RETURN(const v1::ActionInfo info, session.FindAction(action_));
    const absl::StatusOr<v1::Action> action = DecodeAction(info.envelope());
    if (!action.ok()) {
      return Annotate(action.status(), StrCat("action ", info.action_id(), " as stored"));
    }
    if (!stack_.empty()) return Stack(*action, info, session);
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

  absl::Status CheckFlags() const {
    if (stack_.empty()) {
      if (rarest_ || operation_.has_value() || limit_.has_value())
        return absl::InvalidArgumentError(
            "--rarest, --operation and --limit go with --stack: say by which columns");
      return absl::OkStatus();
    }
    if (follow_ || !hosts_.empty())
      return absl::InvalidArgumentError("--stack counts what is stored: without --follow, --hosts");
    return absl::OkStatus();
  }

  absl::StatusOr<uint32_t> Operation(const v1::Action& action) const {
    const auto count = static_cast<uint32_t>(action.operations_size());
    if (operation_.has_value()) return ParseNumber("--operation", *operation_, 0, count - 1);
    if (count == 1) return 0;
    std::vector<std::string> names;
    for (const v1::Operation& operation : action.operations())
      names.push_back(StrCat(names.size(), " ", operation.module()));
    return absl::InvalidArgumentError(
        StrCat("--stack: say which operation with --operation: ", absl::StrJoin(names, ", ")));
  }

  absl::StatusOr<int> Stack(const v1::Action& action, const v1::ActionInfo& info,
                            Session& session) {
    StackOptions options;
    options.format = *ParseFormat(output_);
    options.rarest_first = rarest_;
    for (const std::string& names : stack_)
      for (const auto name : absl::StrSplit(names, ',')) options.columns.emplace_back(name);
    if (limit_.has_value()) {
      DRAGNET_ASSIGN_OR_RETURN(options.limit, ParseNumber("--limit", *limit_, 1, kMaxStackLimit));
    }
    DRAGNET_ASSIGN_OR_RETURN(const uint32_t operation, Operation(action));
    bool rows_lost = false;
    DRAGNET_RETURN_IF_ERROR(ShowStack(action, operation, options, session, &rows_lost));
    if (info.has_results_removed_at()) return SayRemoved(info, session.io());
    return ExitStatusOf(info.progress(), rows_lost);
  }

  std::string action_;
  bool follow_ = false;
  std::string hosts_;
  std::string output_ = "table";
  std::vector<std::string> stack_;
  bool rarest_ = false;
  std::optional<std::string> operation_;
  std::optional<std::string> limit_;
};

}  // namespace

std::unique_ptr<Command> NewResultsCommand() { return std::make_unique<ResultsCommand>(); }

}  // namespace dragnet::console
