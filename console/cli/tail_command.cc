// `dragnet tail`: everything that lands, for a logging pipeline.
#include <optional>
#include <string>

#include "absl/strings/strip.h"
#include "console/cli/command.h"
#include "console/cli/tail_run.h"
#include "core/file_io.h"
#include "core/status_macros.h"
#include "core/strings.h"
#include "modules/events/cursor.h"

namespace dragnet::console {
namespace {

constexpr size_t kMaxCursorFile = 200;

// As TailRequest.after.
absl::StatusOr<std::string> ParseFrom(const std::string& from) {
  if (from == "now") return std::string();
  if (from == "oldest") return std::string("0");
  const absl::Status cursor = events::ParseCursor(from).status();
  if (!cursor.ok())
    return absl::InvalidArgumentError(
        StrCat("--from: ", cursor.message(), "; give now, oldest, or a cursor"));
  return from;
}

class TailCommand : public Command {
 public:
  std::string name() const override { return "tail"; }
  std::string summary() const override { return "Stream what lands, of all actions"; }
  CommandGroup group() const override { return CommandGroup::kInvestigations; }

  absl::Status Define(CommandLine& line) override {
    line.SetDescription(
        "Rows and states of agents, of all actions, go to standard output as they are stored, a "
        "line each: for logging pipelines. With a cursor file it goes on where it was. Each line "
        "comes at least once: after a restart some may come again, with the same event.id.");
    line.AddValue({.name = "--action",
                   .value_name = "ACTION",
                   .help = "Only of this action: its id, a unique beginning or end of it, or "
                           "\"last\"."},
                  &action_);
    line.AddValue({.name = "--output",
                   .short_name = "-o",
                   .value_name = "FORMAT",
                   .help = "How lines look: for people (table), as events of the Elastic Common "
                           "Schema (ecs-jsonl), or as the scheduler has them (jsonl). Default: "
                           "table on a terminal, else ecs-jsonl.",
                   .choices = {"table", "ecs-jsonl", "jsonl"}},
                  &output_);
    line.AddValue({.name = "--from",
                   .value_name = "WHERE",
                   .help = "Begin at now, oldest (all that is kept), or a cursor. Default: now. A "
                           "cursor file that is there comes before this."},
                  &from_);
    line.AddValue({.name = "--cursor-file",
                   .value_name = "FILE",
                   .help = "Note in this file how far all was written, and go on from there the "
                           "next time.",
                   .completion = Completion::kFile},
                  &cursor_file_);
    line.AddSwitch({.name = "--stored", .help = "End when there is nothing more."}, &stored_);
    return absl::OkStatus();
  }

  absl::StatusOr<int> Run(CommandLine&, Session& session) override {
    TailOptions options;
    options.stored_only = stored_;
    options.cursor_file = cursor_file_;
    options.format = FormatFor(session.io());
    DRAGNET_ASSIGN_OR_RETURN(options.after, After());
    if (!action_.empty()) {
      DRAGNET_ASSIGN_OR_RETURN(const v1::ActionInfo info, session.FindAction(action_));
      options.action_id = info.action_id();
    }
    return RunTail(options, session);
  }

 private:
  TailFormat FormatFor(const Io& io) const {
    if (output_ == "table" || (output_.empty() && io.output_is_terminal)) return TailFormat::kTable;
    return output_ == "jsonl" ? TailFormat::kJsonl : TailFormat::kEcs;
  }

  absl::StatusOr<std::string> After() const {
    DRAGNET_ASSIGN_OR_RETURN(const std::string from, ParseFrom(from_));
    if (cursor_file_.empty()) return from;
    const absl::StatusOr<std::string> text = ReadFile(cursor_file_, kMaxCursorFile);
    if (absl::IsNotFound(text.status())) return from;
    DRAGNET_RETURN_IF_ERROR(text.status());
    const std::string cursor(ToStd(absl::StripSuffix(*text, "\n")));
    DRAGNET_RETURN_IF_ERROR(
        Annotate(events::ParseCursor(cursor).status(),
                 StrCat("--cursor-file ", cursor_file_, " (remove it to begin anew)")));
    return cursor;
  }

  std::string action_;
  std::string output_;
  std::string from_ = "now";
  std::string cursor_file_;
  bool stored_ = false;
};

}  // namespace

std::unique_ptr<Command> NewTailCommand() { return std::make_unique<TailCommand>(); }

}  // namespace dragnet::console
