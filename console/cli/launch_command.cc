// `dragnet launch FILE`: sends what was signed offline.
#include "console/cli/command.h"
#include "console/cli/document_file.h"
#include "console/cli/follow.h"
#include "console/cli/launch.h"
#include "console/form/describe.h"
#include "console/investigation/delivery.h"
#include "console/investigation/verification.h"
#include "console/trust/signatures.h"
#include "core/status_macros.h"
#include "core/strings.h"
#include "core/text.h"

namespace dragnet::console {
namespace {

class LaunchCommand : public Command {
 public:
  std::string name() const override { return "launch"; }
  std::string summary() const override { return "Launch an action that is signed in a file"; }
  CommandGroup group() const override { return CommandGroup::kInvestigations; }

  absl::Status Define(CommandLine& line) override {
    line.SetDescription(
        "The other end of --no-launch and dragnet sign: checks the signatures against the trust "
        "policy, shows the document, asks, and launches the action, or sends the order. Signs "
        "nothing.");
    line.AddArgument({.name = "FILE",
                      .help = "The signed file; - for standard input.",
                      .completion = Completion::kFile,
                      .required = true},
                     &file_);
    line.AddSwitch({.name = "--wait",
                    .help = "Until the action has expired, for agents that are offline now."},
                   &wait_);
    line.AddSwitch({.name = "--yes", .short_name = "-y", .help = "Don't ask."}, &yes_);
    AddOutputFlag(line, &output_);
    return absl::OkStatus();
  }

  absl::StatusOr<int> Run(CommandLine&, Session& session) override {
    DRAGNET_RETURN_IF_ERROR(CheckCanConfirm(session.io(), yes_));
    DRAGNET_ASSIGN_OR_RETURN(const DocumentFile file, ReadDocumentFile(file_, session));
    if (file.document.policy() != nullptr) {
      return absl::InvalidArgumentError(
          StrCat(file_, ": a trust policy: dragnet trust publish ", file_));
    }
    if (file.document.release() != nullptr) {
      return absl::InvalidArgumentError(
          StrCat(file_, ": a release, which moves no agent by itself: dragnet upgrade BUNDLE"));
    }
    DRAGNET_RETURN_IF_ERROR(Annotate(CheckNotExpired(file.document, session.now()), file_));
    DRAGNET_ASSIGN_OR_RETURN(const TrustPolicy* policy, session.policy());
    DRAGNET_RETURN_IF_ERROR(Annotate(
        CheckUnchanged(SignatureStates(file.document.envelope, InvestigatorKeys(policy->proto()))),
        file_));
    return file.document.action() != nullptr ? Launch(file, *policy, session)
                                             : Send(file, *policy, session);
  }

 private:
  absl::StatusOr<bool> Agreed(std::string_view question, Io& io) const {
    if (yes_) return true;
    DRAGNET_ASSIGN_OR_RETURN(const bool agreed, Confirm(io, question));
    if (!agreed) io.Say("Nothing was sent.");
    return agreed;
  }

  absl::StatusOr<int> Launch(const DocumentFile& file, const TrustPolicy& policy,
                             Session& session) {
    Io& io = session.io();
    const v1::Action& action = *file.document.action();
    DRAGNET_ASSIGN_OR_RETURN(Client * client, session.client());
    DRAGNET_ASSIGN_OR_RETURN(const ActionVerification verification,
                             VerifyAction(file.bytes, policy, session.modules(), session.now()));
    DRAGNET_ASSIGN_OR_RETURN(const Reach reach, ReachOf(action.target(), *client));
    io.Show(DescribeAction(action, {{"Reaches", ReachWords(reach)}}, session.modules()));
    io.Say("");
    io.Show(DescribeVerification(verification, policy));
    io.err->Write(DescribeWeights(action, policy, verification.signers, session.modules()));
    io.Say("");
    if (!verification.authorized()) {
      return absl::PermissionDeniedError(StrCat(
          file_, ": no agent would run it: see above. Others sign it with dragnet sign ", file_));
    }
    DRAGNET_ASSIGN_OR_RETURN(const bool agreed, Agreed("Launch?", io));
    if (!agreed) return kExitBadInput;
    v1::LaunchRequest request;
    request.set_envelope(file.bytes);
    DRAGNET_RETURN_IF_ERROR(client->Launch(request).status());
    return FollowAction(action, {.format = *ParseFormat(output_), .until_expired = wait_}, session);
  }

  absl::StatusOr<int> Send(const DocumentFile& file, const TrustPolicy& policy, Session& session) {
    Io& io = session.io();
    const v1::Order& order = *file.document.order();
    DRAGNET_ASSIGN_OR_RETURN(Client * client, session.client());
    DRAGNET_ASSIGN_OR_RETURN(const v1::ActionInfo info, session.FindAction(order.action_id()));
    DRAGNET_ASSIGN_OR_RETURN(
        const ActionVerification about,
        VerifyAction(info.envelope(), policy, session.modules(), session.now()));
    if (about.signers.empty()) {
      return absl::FailedPreconditionError(
          StrCat("action ", ForTerminal(order.action_id()),
                 ": no one in the trust policy signed what the scheduler shows of it: don't "
                 "trust this scheduler"));
    }
    io.err->Write(StrCat(DescribeOrder(order), DescribeLines({{"About", about.action.name()}})));
    io.Say("");
    const absl::Status holds =
        CheckOrder(file.bytes, &about.action, policy, session.modules(), session.now());
    if (!holds.ok()) return Annotate(holds, StrCat(file_, ": no agent would obey it"));
    DRAGNET_ASSIGN_OR_RETURN(const bool agreed, Agreed("Send?", io));
    if (!agreed) return kExitBadInput;
    v1::SendOrderRequest request;
    request.set_envelope(file.bytes);
    DRAGNET_ASSIGN_OR_RETURN(const v1::SendOrderResponse response, client->SendOrder(request));
    io.Say(StrCat("Sent; ", response.sent(), response.sent() == 1 ? " agent" : " agents",
                  " got it at once."));
    return kExitDone;
  }

  std::string file_;
  std::string output_ = "table";
  bool wait_ = false;
  bool yes_ = false;
};

}  // namespace

std::unique_ptr<Command> NewLaunchCommand() { return std::make_unique<LaunchCommand>(); }

}  // namespace dragnet::console
