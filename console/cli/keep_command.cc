// `dragnet keep ACTION`: results that retention must not remove yet.
#include "console/cli/keep_command.h"

#include "absl/strings/numbers.h"
#include "console/cli/command.h"
#include "core/action.h"
#include "core/status_macros.h"
#include "core/strings.h"
#include "core/text.h"

namespace dragnet::console {
namespace {

constexpr absl::Duration kDay = absl::Hours(24);
constexpr int64_t kMaxYears = 100;

class KeepCommand : public Command {
 public:
  std::string name() const override { return "keep"; }
  std::string summary() const override { return "Keep an action's results for longer"; }
  CommandGroup group() const override { return CommandGroup::kInvestigations; }

  absl::Status Define(CommandLine& line) override {
    line.SetDescription(
        "The scheduler removes the results of old actions (retention_age and retention_bytes of "
        "scheduler.toml), except those that were asked to be kept.");
    line.AddArgument({.name = "ACTION",
                      .help = "Its id, a unique beginning or end of it, or \"last\".",
                      .required = true},
                     &action_);
    line.AddValue({.name = "--until",
                   .value_name = "DATE",
                   .help = "To the end of this day (UTC), e.g. 2031-12-31."},
                  &until_);
    line.AddValue(
        {.name = "--for",
         .value_name = "TIME",
         .help = "From now on: 90d, 8w, 6m or 5y (days, weeks, months of 30 days, years)."},
        &for_);
    line.AddSwitch({.name = "--default", .help = "No longer than the scheduler's rules say."},
                   &default_);
    return absl::OkStatus();
  }

  absl::StatusOr<int> Run(CommandLine&, Session& session) override {
    if ((until_.empty() ? 0 : 1) + (for_.empty() ? 0 : 1) + (default_ ? 1 : 0) != 1)
      return absl::InvalidArgumentError("give one of --until DATE, --for TIME and --default");
    v1::KeepActionRequest request;
    if (!default_) {
      DRAGNET_ASSIGN_OR_RETURN(const absl::Time until, Until(session.now()));
      *request.mutable_keep_until() = ToTimestamp(until);
    }
    DRAGNET_ASSIGN_OR_RETURN(const v1::ActionInfo info, session.FindAction(action_));
    request.set_action_id(info.action_id());
    DRAGNET_ASSIGN_OR_RETURN(Client * client, session.client());
    DRAGNET_RETURN_IF_ERROR(client->KeepAction(request).status());
    const std::string what =
        StrCat("Results of ", ForTerminal(info.name()), " (", ForTerminal(info.action_id()), ")");
    if (default_) {
      session.io().Say(StrCat(what, " are kept as long as the scheduler's rules say."));
    } else {
      DRAGNET_ASSIGN_OR_RETURN(const absl::Time until, ToTime(request.keep_until()));
      session.io().Say(StrCat(what, " are kept until ",
                              absl::FormatTime("%Y-%m-%d", until, absl::UTCTimeZone()), "."));
    }
    return kExitDone;
  }

 private:
  absl::StatusOr<absl::Time> Until(absl::Time now) const {
    const bool by_date = !until_.empty();
    const absl::StatusOr<absl::Time> until =
        by_date ? ParseKeepUntil(until_, now) : ParseKeepFor(for_, now);
    DRAGNET_RETURN_IF_ERROR(Annotate(until.status(), by_date ? "--until" : "--for"));
    return until;
  }

  std::string action_;
  std::string until_;
  std::string for_;
  bool default_ = false;
};

}  // namespace

absl::StatusOr<absl::Time> ParseKeepUntil(std::string_view text, absl::Time now) {
  absl::Time day;
  std::string error;
  if (text.size() != 10 ||
      !absl::ParseTime("%Y-%m-%d", ToAbsl(text), absl::UTCTimeZone(), &day, &error))
    return absl::InvalidArgumentError(StrCat(text, ": give a date, e.g. 2031-12-31"));
  if (day + kDay <= now) return absl::InvalidArgumentError(StrCat(text, ": is over already"));
  return day + kDay - absl::Seconds(1);
}

absl::StatusOr<absl::Time> ParseKeepFor(std::string_view text, absl::Time now) {
  const absl::Status wrong =
      absl::InvalidArgumentError(StrCat(text, ": give a time as 90d, 8w, 6m or 5y"));
  if (text.size() < 2 || text.size() > 7) return wrong;
  int64_t count = 0;
  const std::string_view digits = text.substr(0, text.size() - 1);
  if (digits.find_first_not_of("0123456789") != std::string_view::npos ||
      !absl::SimpleAtoi(ToAbsl(digits), &count) || count <= 0)
    return wrong;
  int64_t days = 0;
  switch (text.back()) {
    case 'd':
      days = 1;
      break;
    case 'w':
      days = 7;
      break;
    case 'm':
      days = 30;
      break;
    case 'y':
      days = 365;
      break;
    default:
      return wrong;
  }
  if (count * days > kMaxYears * 365)
    return absl::InvalidArgumentError(StrCat(text, ": at most ", kMaxYears, "y"));
  return now + count * days * kDay;
}

std::unique_ptr<Command> NewKeepCommand() { return std::make_unique<KeepCommand>(); }

}  // namespace dragnet::console
