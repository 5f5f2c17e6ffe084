// `dragnet upgrade BUNDLE`: a signed release to the fleet, an action for each platform.
#include <algorithm>
#include <utility>

#include "console/cli/command.h"
#include "console/cli/launch.h"
#include "console/cli/release_file.h"
#include "console/cli/upgrade_plan.h"
#include "console/investigation/action_builder.h"
#include "console/release/release_text.h"
#include "core/action.h"
#include "core/release.h"
#include "core/status_macros.h"
#include "core/strings.h"
#include "core/target.h"
#include "core/text.h"
#include "modules/upgrade/upgrade.pb.h"

namespace dragnet::console {
namespace {

constexpr char kModule[] = "upgrade";
constexpr char kLifetime[] = "1d";
constexpr char kCanary[] = "5%";
constexpr char kStopWhenFailed[] = "10%";

class UpgradeCommand : public Command {
 public:
  std::string name() const override { return kModule; }
  std::string summary() const override {
    return "Roll a signed release of the agent out to the fleet";
  }
  CommandGroup group() const override { return CommandGroup::kFleet; }

  absl::Status Define(CommandLine& line) override {
    line.SetDescription(
        "Checks the bundle against the fleet's trust policy, shows which agents will go from which "
        "version, and launches an action for each platform of the bundle. Every agent checks the "
        "release and its programs itself, tries the new version and goes back by itself when that "
        "doesn't work. Without --canary 5% of the agents try it first, and without "
        "--stop-when-failed it stops by itself when more than 10% failed.\n\n"
        "dragnet upgrade status shows how many agents run which version.");
    line.AddArgument({.name = "BUNDLE",
                      .help = "The directory that dragnet release new made, signed by enough keys "
                              "(dragnet release sign).",
                      .completion = Completion::kDirectory},
                     &bundle_);
    launch_.Define(line, {.target = "every agent of the bundle's platforms", .expires = kLifetime});
    status_ = line.AddSubcommand("status", "How many agents run which version");
    status_->AddValue({.name = "--target",
                       .short_name = "-t",
                       .value_name = "EXPR",
                       .help = "Only agents for which this condition over their facts is true."},
                      &status_target_);
    return absl::OkStatus();
  }

  absl::StatusOr<int> Run(CommandLine& line, Session& session) override {
    if (line.chosen() == status_) return Status(session);
    if (bundle_.empty()) {
      return absl::InvalidArgumentError(
          "upgrade: which bundle? Give the directory that dragnet release new made");
    }
    DRAGNET_ASSIGN_OR_RETURN(const ReleaseFile file, ReadReleaseFile(bundle_, session));
    DRAGNET_ASSIGN_OR_RETURN(const std::vector<AgentPrograms> programs, ReadPrograms(file));
    if (launch_.target.has_value()) {
      DRAGNET_RETURN_IF_ERROR(Annotate(ValidateTarget(*launch_.target), "--target"));
      target_ = *std::exchange(launch_.target, std::nullopt);
    }
    if (launch_.no_launch.has_value() && programs.size() > 1) {
      return absl::InvalidArgumentError(
          "--no-launch: the bundle is of several platforms, and that is an action for each: make "
          "a bundle for one");
    }
    // Before anything is sent: what no agent would take.
    DRAGNET_ASSIGN_OR_RETURN(const TrustPolicy* policy, session.policy());
    Io& io = session.io();
    const absl::StatusOr<VerifiedRelease> verified =
        VerifyRelease(file.file.bytes, policy, session.now());
    io.Show(DescribeRelease(file.release(), session.now()));
    io.Show(DescribeReleaseSignatures(file.file.document.envelope, file.release(), *policy));
    if (!verified.ok()) {
      io.Say(StrCat("dragnet: ", file.path, ": no agent would take this release: ",
                    ForTerminal(ToStd(verified.status().message()))));
      return kExitRefused;
    }
    SetDefaults(io);
    int worst = kExitDone;
    for (const AgentPrograms& platform : programs) {
      DRAGNET_ASSIGN_OR_RETURN(const int status, Upgrade(file, platform, session));
      worst = std::max(worst, status);
      // Nobody said yes to the next one.
      if (status == kExitBadInput || status == kExitRefused) break;
    }
    return worst;
  }

 private:
  // Said, since nobody typed them: who wants another pace sees what to type.
  void SetDefaults(Io& io) {
    std::string said;
    if (!launch_.canary.has_value()) {
      launch_.canary = kCanary;
      StrAppend(&said, " --canary ", kCanary);
    }
    if (!launch_.stop_when_failed.has_value()) {
      launch_.stop_when_failed = kStopWhenFailed;
      StrAppend(&said, " --stop-when-failed ", kStopWhenFailed);
    }
    if (!said.empty()) io.Say(StrCat("\nNot given, so as by default:", said));
    if (!launch_.expires.has_value()) launch_.expires = kLifetime;
  }

  absl::StatusOr<int> Upgrade(const ReleaseFile& file, const AgentPrograms& programs,
                              Session& session) {
    Io& io = session.io();
    const v1::Release& release = file.release();
    const v1::Platform platform = PlatformOf(programs);
    const std::string where = PlatformName(programs.os, programs.arch);
    DRAGNET_ASSIGN_OR_RETURN(Client * client, session.client());
    DRAGNET_ASSIGN_OR_RETURN(const VersionCounts counts,
                             CountVersions(TargetOfPlatform(target_, platform), *client));
    io.Say("");
    io.Show(StrCat("Agents on ", where, ", by the version that they have\n",
                   DescribePlan(release, counts)));
    if (!release.group().empty()) {
      io.Say(StrCat("Of these only who is in the group ", release.group(),
                    " takes it; the others refuse."));
    }
    io.Say("");

    DRAGNET_ASSIGN_OR_RETURN(v1::Action action, NewAction(file, programs, session));
    launch_.lifetime_is_default = false;
    DRAGNET_ASSIGN_OR_RETURN(int status, LaunchAction(action, launch_, session));
    const bool followed = !launch_.dry_run && !launch_.no_wait && !launch_.no_launch.has_value() &&
                          (status == kExitDone || status == kExitIncomplete);
    if (!followed) return status;
    const absl::StatusOr<UpgradeOutcome> outcome = OutcomeOf(action.id(), *client);
    if (!outcome.ok()) {
      io.Say(StrCat("What came of it can't be told: ",
                    ForTerminal(ToStd(outcome.status().message()))));
      return std::max<int>(status, kExitIncomplete);
    }
    io.err->Write(StrCat(where, ". ", DescribeOutcome(*outcome)));
    return outcome->some_failed() ? std::max<int>(status, kExitIncomplete) : status;
  }

  absl::StatusOr<v1::Action> NewAction(const ReleaseFile& file, const AgentPrograms& programs,
                                       Session& session) {
    upgrade::v1::UpgradeParameters parameters;
    parameters.set_release(file.file.bytes);
    parameters.set_agent(programs.contents[0]);
    parameters.set_link(programs.contents[1]);
    parameters.set_worker(programs.contents[2]);
    v1::Action action;
    action.set_target(TargetOfUpgrade(target_, PlatformOf(programs), file.release()));
    action.set_name(StrCat("upgrade to ", file.release().version(), " on ",
                           PlatformName(programs.os, programs.arch)));
    v1::Operation* operation = action.add_operations();
    operation->set_module(kModule);
    DRAGNET_RETURN_IF_ERROR(SetParameters(&parameters, operation, &session.blobs()));
    DRAGNET_RETURN_IF_ERROR(launch_.Apply(&action));
    DRAGNET_ASSIGN_OR_RETURN(const auto lifetime, launch_.Lifetime());
    DRAGNET_ASSIGN_OR_RETURN(const ConsoleConfig* config, session.config());
    DRAGNET_RETURN_IF_ERROR(CompleteAction(config->fleet_id, session.now(), lifetime,
                                           session.modules(), session.blobs(), &action));
    return action;
  }

  absl::StatusOr<int> Status(Session& session) {
    if (!status_target_.empty()) {
      DRAGNET_RETURN_IF_ERROR(Annotate(ValidateTarget(status_target_), "--target"));
    }
    DRAGNET_ASSIGN_OR_RETURN(Client * client, session.client());
    DRAGNET_ASSIGN_OR_RETURN(const VersionCounts counts, CountVersions(status_target_, *client));
    if (counts.empty()) {
      session.io().Say("There are no agents.");
      return kExitDone;
    }
    session.io().out->Write(DescribeVersions(counts));
    return kExitDone;
  }

  std::string bundle_;
  // What was asked for, before each platform is added.
  std::string target_;
  LaunchFlags launch_;
  CommandLine* status_ = nullptr;
  std::string status_target_;
};

}  // namespace

std::unique_ptr<Command> NewUpgradeCommand() { return std::make_unique<UpgradeCommand>(); }

}  // namespace dragnet::console
