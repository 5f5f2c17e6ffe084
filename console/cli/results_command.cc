// `dragnet results ACTION`: rows and hosts of an action, now or as they land, and
// what can be made of them: stacks, differences, answers to queries.
#include <optional>
#include <string>
#include <vector>

#include "absl/strings/numbers.h"
#include "absl/strings/str_join.h"
#include "console/cli/command.h"
#include "console/cli/diff_view.h"
#include "console/cli/follow.h"
#include "console/cli/launch.h"
#include "console/cli/result_view.h"
#include "console/cli/sql_view.h"
#include "console/cli/stack_view.h"
#include "console/form/values.h"
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
        "error. Exit status 0 when every agent looked at everything, 3 when something was not "
        "looked at, differences or not.");
    line.AddArgument({.name = "ACTION",
                      .help = "Its id, a unique beginning or end of it (4 characters or more), or "
                              "\"last\": the newest that you launched.",
                      .required = true},
                     &action_);
    line.AddSwitch({.name = "--follow",
                    .short_name = "-f",
                    .help = "Go on until all agents have answered or the action expires."},
                   &follow_);
    AddRowFlags(line, &where_, &columns_);
    line.AddValue({.name = "--operation",
                   .value_name = "INDEX",
                   .help = "Of an action with several operations: only this one, from 0."},
                  &operation_);
    line.AddValue({.name = "--hosts",
                   .value_name = "STATE",
                   .help = "A line per agent in this state, with what it did not look at, in place "
                           "of rows. Failed are those that crashed, went over a limit or could not "
                           "start; pending, those that have not answered.",
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
    line.AddValue({.name = "--limit",
                   .value_name = "COUNT",
                   .help = "Values to show (default: 1000, at most 10000)."},
                  &limit_);
    line.StartGroup("Comparing");
    line.AddValue({.name = "--diff",
                   .value_name = "ACTION2",
                   .help = "What is new, gone and changed in ACTION2, a later run, host by host. "
                           "Hosts that one of them did not look at whole are said, and what is "
                           "missing of them is not shown as gone. --columns: what is compared."},
                  &diff_);
    line.AddValues({.name = "--key",
                    .value_name = "COLUMN[,COLUMN]",
                    .help = "Rows that are equal in these are the same thing (default: those that "
                            "the module marks, e.g. the path of a file)."},
                   &key_);
    line.StartGroup("Queries");
    line.AddValue({.name = "--sql",
                   .value_name = "QUERY",
                   .help = "The answer to one SELECT (SQLite) over the rows, hosts and refusals; - "
                           "for standard input, @FILE for a file. It is evaluated here, in memory "
                           "(1 GiB at most), and can't read or change anything else. --where "
                           "says which rows it sees."},
                  &sql_);
    line.AddValue({.name = "--time-limit",
                   .value_name = "DURATION",
                   .help = "End the query after so long (default: 1m)."},
                  &time_limit_);
    line.AddSwitch({.name = "--schema", .help = "Show the tables that a query can read."},
                   &schema_);
    return absl::OkStatus();
  }

  absl::StatusOr<int> Run(CommandLine&, Session& session) override {
    DRAGNET_RETURN_IF_ERROR(CheckFlags());
    DRAGNET_ASSIGN_OR_RETURN(const v1::ActionInfo info, session.FindAction(action_));
    absl::StatusOr<v1::Action> action = DecodeAction(info.envelope());
    if (!action.ok()) {
      return Annotate(action.status(), StrCat("action ", info.action_id(), " as stored"));
    }
    // The rows of a sweep's run go by its own id.
    action->set_id(info.action_id());
    DRAGNET_ASSIGN_OR_RETURN(const RowOptions rows, Rows());
    if (schema_) return ShowSchema(*action, session);
    const absl::StatusOr<int> shown = Show(info, *action, rows, session);
    // Said by whoever pressed it.
    if (absl::IsCancelled(shown.status())) {
      session.io().Say("Interrupted.");
      return kExitIncomplete;
    }
    if (shown.ok() && info.has_results_removed_at()) return SayRemoved(info, session.io());
    return shown;
  }

 private:
  absl::StatusOr<int> Show(const v1::ActionInfo& info, const v1::Action& action,
                           const RowOptions& rows, Session& session) {
    if (!stack_.empty()) return Stack(info, action, rows, session);
    if (diff_.has_value()) {
      DRAGNET_ASSIGN_OR_RETURN(const v1::ActionInfo second, session.FindAction(*diff_));
      return ShowDiff(info, second,
                      {.format = *ParseFormat(output_),
                       .where = where_,
                       .columns = SplitNames(columns_),
                       .key = SplitNames(key_)},
                      session);
    }
    if (sql_.has_value()) {
      SqlOptions options = {.format = *ParseFormat(output_), .query = *sql_, .rows = rows};
      if (time_limit_.has_value()) {
        const absl::StatusOr<absl::Duration> limit = ParseDuration(*time_limit_);
        if (!limit.ok()) return Annotate(limit.status(), "--time-limit");
        options.time_limit = *limit;
      }
      return ShowSql(action, options, session);
    }
    return FollowAction(action,
                        {.format = *ParseFormat(output_),
                         .until_expired = follow_,
                         .stored_only = !follow_,
                         .hosts = hosts_,
                         .rows = rows},
                        session);
  }

  // "No rows" alone would read as if nothing had been found.
  static int SayRemoved(const v1::ActionInfo& info, Io& io) {
    const absl::StatusOr<absl::Time> at = ToTime(info.results_removed_at());
    io.Say(StrCat("warning: the rows of this action, ", info.progress().rows(),
                  " of them, were removed by retention on ",
                  at.ok() ? absl::FormatTime("%Y-%m-%d", *at, absl::UTCTimeZone()) : "some day",
                  "; only the states of its agents are left"));
    return kExitIncomplete;
  }

  // What would be passed over is refused instead.
  absl::Status CheckFlags() const {
    std::vector<std::string> ways;
    if (!hosts_.empty()) ways.emplace_back("--hosts");
    if (!stack_.empty()) ways.emplace_back("--stack");
    if (diff_.has_value()) ways.emplace_back("--diff");
    if (sql_.has_value()) ways.emplace_back("--sql");
    if (schema_) ways.emplace_back("--schema");
    if (ways.size() > 1)
      return absl::InvalidArgumentError(
          StrCat(absl::StrJoin(ways, ", "), ": one of them at a time"));
    const std::string way = ways.empty() ? "" : ways.front();
    if (stack_.empty() && (rarest_ || limit_.has_value()))
      return absl::InvalidArgumentError(
          "--rarest and --limit go with --stack: say by which columns");
    if (!diff_.has_value() && !key_.empty())
      return absl::InvalidArgumentError("--key goes with --diff");
    if (!sql_.has_value() && time_limit_.has_value())
      return absl::InvalidArgumentError("--time-limit goes with --sql");
    if (follow_ && !way.empty() && way != "--hosts")
      return absl::InvalidArgumentError(StrCat(way, " looks at what is stored: without --follow"));
    if ((way == "--hosts" || way == "--schema") && (!where_.empty() || !columns_.empty()))
      return absl::InvalidArgumentError(
          StrCat(way, " shows no rows: without --where and --columns"));
    if (way == "--schema" && operation_.has_value())
      return absl::InvalidArgumentError("--schema shows all tables: without --operation");
    if ((way == "--stack" || way == "--sql") && !columns_.empty())
      return absl::InvalidArgumentError(
          StrCat(way, " names its columns itself: without --columns"));
    if (way == "--diff" && operation_.has_value())
      return absl::InvalidArgumentError("--diff compares all operations: without --operation");
    return absl::OkStatus();
  }

  absl::StatusOr<RowOptions> Rows() const {
    RowOptions rows = {.where = where_, .columns = SplitNames(columns_)};
    if (operation_.has_value()) {
      DRAGNET_ASSIGN_OR_RETURN(rows.operation, ParseNumber("--operation", *operation_, 0, 15));
    }
    return rows;
  }

  absl::StatusOr<int> Stack(const v1::ActionInfo& info, const v1::Action& action,
                            const RowOptions& rows, Session& session) {
    StackOptions options;
    options.format = *ParseFormat(output_);
    options.rarest_first = rarest_;
    options.columns = SplitNames(stack_);
    options.rows = rows;
    if (limit_.has_value()) {
      DRAGNET_ASSIGN_OR_RETURN(options.limit, ParseNumber("--limit", *limit_, 1, kMaxStackLimit));
    }
    bool rows_lost = false;
    DRAGNET_RETURN_IF_ERROR(ShowStack(action, options, session, &rows_lost));
    return ExitStatusOf(info.progress(), rows_lost);
  }

  std::string action_;
  bool follow_ = false;
  std::string where_;
  std::vector<std::string> columns_;
  std::optional<std::string> operation_;
  std::string hosts_;
  std::string output_ = "table";
  std::vector<std::string> stack_;
  bool rarest_ = false;
  std::optional<std::string> limit_;
  std::optional<std::string> diff_;
  std::vector<std::string> key_;
  std::optional<std::string> sql_;
  std::optional<std::string> time_limit_;
  bool schema_ = false;
};

}  // namespace

std::unique_ptr<Command> NewResultsCommand() { return std::make_unique<ResultsCommand>(); }

}  // namespace dragnet::console
