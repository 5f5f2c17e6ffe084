// `dragnet run ACTION.json`: an action from a file.
#include "console/cli/command.h"
#include "console/cli/envelope_file.h"
#include "console/cli/launch.h"
#include "console/cli/mig_action.h"
#include "console/investigation/action_builder.h"
#include "console/trust/document.h"
#include "core/status_macros.h"
#include "core/strings.h"
#include "core/text.h"

namespace dragnet::console {
namespace {

constexpr char kDescription[] =
    "ACTION.json is the JSON form of an action. What it leaves out is filled in: id, fleetId, "
    "notBefore (a minute ago), expires (in 5 minutes), name. Flags given here go over what the "
    "file says. A key that is unknown or comes twice is an error."
    R"(

  {"name": "web shells", "target": "tags->>'role'='web'",
   "threat": {"level": "high", "reference": "INC-4711"},
   "operations": [
     {"module": "file",
      "parameters": {"searches": [{"paths": ["/srv"], "names": ["^x.php$"]}]},
      "limits": {"wallTime": "60s"}}]})";

class RunFileCommand : public Command {
 public:
  std::string name() const override { return "run"; }
  std::string summary() const override { return "Launch an action from a file"; }
  CommandGroup group() const override { return CommandGroup::kInvestigations; }

  absl::Status Define(CommandLine& line) override {
    line.SetDescription(kDescription);
    line.AddArgument({.name = "ACTION.json",
                      .help = "The action; - for standard input.",
                      .completion = Completion::kFile,
                      .required = true},
                     &path_);
    line.AddSwitch({.name = "--mig",
                    .help = "ACTION.json is one of MIG's: it is translated, or what can't be is "
                            "refused by name (docs/mig.md)."},
                   &mig_);
    launch_.Define(line, {.target = "the file's", .expires = "the file's, else 5m"});
    return absl::OkStatus();
  }

  absl::StatusOr<int> Run(CommandLine&, Session& session) override {
    DRAGNET_ASSIGN_OR_RETURN(const std::string json, ReadInput(session.io(), path_));
    // A file that --no-launch wrote: it is as it was signed, and no flag changes it.
    if (const auto bytes = EnvelopeBytes(json); bytes.ok() && ReadDocument(*bytes).ok()) {
      return absl::InvalidArgumentError(StrCat(
          path_, ": is a signed document, not an action to be signed: dragnet launch ", path_));
    }
    absl::StatusOr<v1::Action> action =
        mig_ ? ReadMig(json, session) : ActionFromJson(json, session.modules(), &session.blobs());
    if (!action.ok()) return Annotate(action.status(), path_);
    DRAGNET_RETURN_IF_ERROR(launch_.Apply(&*action));
    if (action->target().empty()) {
      return absl::InvalidArgumentError(StrCat(
          path_, ": target: missing: write one, or give --target (\"true\" is every agent)"));
    }
    DRAGNET_ASSIGN_OR_RETURN(const auto lifetime, launch_.Lifetime());
    // A file of MIG's has the window of an earlier run; another end means another run.
    if (mig_ && lifetime.has_value()) action->clear_not_before();
    DRAGNET_ASSIGN_OR_RETURN(const ConsoleConfig* config, session.config());
    const absl::Status complete = CompleteAction(config->fleet_id, session.now(), lifetime,
                                                 session.modules(), session.blobs(), &*action);
    if (!complete.ok()) return Annotate(complete, path_);
    return LaunchAction(*action, launch_, session);
  }

 private:
  absl::StatusOr<v1::Action> ReadMig(std::string_view json, Session& session) const {
    DRAGNET_ASSIGN_OR_RETURN(
        MigAction translated,
        ActionFromMig(json, session.modules(), /*with_target=*/!launch_.target.has_value(),
                      &session.blobs()));
    for (const std::string& note : translated.notes)
      session.io().Say(StrCat(ForTerminal(path_), ": ", ForTerminal(note)));
    return std::move(translated.action);
  }

  std::string path_;
  bool mig_ = false;
  LaunchFlags launch_;
};

}  // namespace

std::unique_ptr<Command> NewRunCommand() { return std::make_unique<RunFileCommand>(); }

}  // namespace dragnet::console
