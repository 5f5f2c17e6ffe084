// `dragnet approve [ACTION]`: actions that wait for more signatures, and one's own
// signature on one, or its refusal.
#include <algorithm>

#include "absl/strings/ascii.h"
#include "absl/strings/str_join.h"
#include "console/cli/approval.h"
#include "console/cli/command.h"
#include "console/cli/exit_status.h"
#include "console/cli/launch.h"
#include "console/cli/list_output.h"
#include "console/form/describe.h"
#include "console/investigation/delivery.h"
#include "console/investigation/orders.h"
#include "console/investigation/proposals.h"
#include "console/investigation/summary.h"
#include "core/envelope.h"
#include "core/status_macros.h"
#include "core/strings.h"
#include "core/text.h"
#include "core/uuid.h"

namespace dragnet::console {
namespace {

class ApproveCommand : public Command {
 public:
  std::string name() const override { return "approve"; }
  std::string summary() const override { return "Sign or refuse what others propose; see it"; }
  CommandGroup group() const override { return CommandGroup::kInvestigations; }

  absl::Status Define(CommandLine& line) override {
    line.SetDescription(
        "Without an action: what waits for signatures. With one: shows the whole document that "
        "was signed, who signed it and what is missing, asks, and adds your signature. With the "
        "last one that it needs it is launched. What is shown is checked here, against the "
        "fleet's trust policy.");
    line.AddArgument({.name = "ACTION", .help = "Its id, or a unique beginning or end of it."},
                     &action_);
    line.AddSwitch({.name = "--refuse",
                    .help = "Refuse it instead, by a signed cancellation: it is never launched. "
                            "Takes --reason."},
                   &refuse_);
    line.AddValue({.name = "--reason",
                   .value_name = "TEXT",
                   .help = "Why it is refused, for people; signed with it."},
                  &reason_);
    line.AddSwitch(
        {.name = "--yes", .short_name = "-y", .help = "Don't ask. Takes the action's whole id."},
        &yes_);
    line.AddSwitch({.name = "--all",
                    .help = "In the list: also what was launched, refused or has expired in the "
                            "last 7 days."},
                   &all_);
    AddOutputFlag(line, &output_);
    return absl::OkStatus();
  }

  absl::StatusOr<int> Run(CommandLine&, Session& session) override {
    if (action_.empty()) {
      if (refuse_ || yes_ || !reason_.empty())
        return absl::InvalidArgumentError("approve: give the action (see dragnet approve)");
      return List(session);
    }
    if (refuse_ && reason_.empty())
      return absl::InvalidArgumentError("approve --refuse: say why, with --reason TEXT");
    if (!refuse_ && !reason_.empty())
      return absl::InvalidArgumentError("approve: --reason goes with --refuse");
    DRAGNET_RETURN_IF_ERROR(CheckCanConfirm(session.io(), yes_));
    // Anything shorter is the scheduler's to resolve, and nobody looks at what.
    if (yes_ && !IsUuidV7(absl::AsciiStrToLower(action_)))
      return absl::InvalidArgumentError(
          "approve --yes: give the action's whole id (see dragnet approve)");
    DRAGNET_ASSIGN_OR_RETURN(const v1::ActionInfo info, session.FindAction(action_));
    DRAGNET_ASSIGN_OR_RETURN(const TrustPolicy* policy, session.policy());
    DRAGNET_ASSIGN_OR_RETURN(
        const ActionVerification verification,
        VerifyAction(info.envelope(), *policy, session.modules(), session.now()));
    if (verification.signers.empty())
      return absl::FailedPreconditionError(
          StrCat("action ", ForTerminal(verification.action.id()),
                 ": no one in the trust policy signed what the scheduler shows of it: don't "
                 "trust this scheduler"));
    if (info.phase() != v1::DISPATCH_PHASE_PROPOSED)
      return absl::FailedPreconditionError(NotWaiting(info));
    return refuse_ ? Refuse(verification, session) : Approve(info, verification, *policy, session);
  }

 private:
  static std::string NotWaiting(const v1::ActionInfo& info) {
    return StrCat("action ", ForTerminal(info.action_id()), " waits for no signature: ",
                  info.phase() == v1::DISPATCH_PHASE_REFUSED || info.launched_by().empty()
                      ? StrCat("it was never launched (", ForTerminal(info.phase_reason()), ")")
                      : StrCat("it was launched by ", ForTerminal(info.launched_by()), " and is ",
                               PhaseWord(info.phase()), " (dragnet results ",
                               ForTerminal(info.action_id()), ")"));
  }

  absl::StatusOr<int> List(Session& session) {
    DRAGNET_ASSIGN_OR_RETURN(Client * client, session.client());
    DRAGNET_ASSIGN_OR_RETURN(const TrustPolicy* policy, session.policy());
    DRAGNET_ASSIGN_OR_RETURN(
        const std::vector<CheckedProposal> proposals,
        FindProposals(all_, *client, *policy, session.modules(), session.now()));
    Layout layout = ListLayout(v1::Proposal::descriptor(), {{"action_id", "id"},
                                                            {"proposed_by", "proposed_by"},
                                                            {"signed_by", "signed_by"},
                                                            {"missing", "missing"},
                                                            {"state", "state", !all_},
                                                            {"proposed_at", "proposed_at", true},
                                                            {"expires", "expires"}});
    layout.labels = {{.header = "name", .key = "name"}};
    Io& io = session.io();
    const auto writer =
        RecordWriter::Create(*ParseFormat(output_), {layout}, io.out,
                             {.terminal = io.output_is_terminal, .color = io.color});
    for (const CheckedProposal& one : proposals) {
      const std::vector<std::string> labels = {one.verification.action.name()};
      writer->Write(0, labels, one.proposal);
    }
    writer->Finish();
    DRAGNET_RETURN_IF_ERROR(io.out->Flush());
    if (proposals.empty()) io.Say("no rows: nothing waits for a signature");
    return kExitDone;
  }

  absl::StatusOr<int> Approve(const v1::ActionInfo& info, const ActionVerification& verification,
                              const TrustPolicy& policy, Session& session) {
    Io& io = session.io();
    const v1::Action& action = verification.action;
    DRAGNET_ASSIGN_OR_RETURN(const ConsoleConfig* config, session.config());
    DRAGNET_ASSIGN_OR_RETURN(Client * client, session.client());
    DRAGNET_ASSIGN_OR_RETURN(const Signer* signer, session.signer());
    const std::set<std::string> own = PeopleOf(signer->public_key(), policy);
    const SignatureNeed mine =
        NeedOf(action, own, policy, session.modules(), "your signature gives");
    if (!mine.has_a_say)
      return absl::PermissionDeniedError(
          StrCat("your key has no weight in trust policy version ", policy.version(),
                 " for what this action runs: ", ForTerminal(mine.words)));
    std::set<std::string> all = verification.signers;
    all.insert(own.begin(), own.end());
    const SignatureNeed then = NeedOf(action, all, policy, session.modules(), "with yours it has");
    DRAGNET_ASSIGN_OR_RETURN(const Reach reach, ReachOf(action.target(), *client));
    io.Show(
        DescribeAction(action,
                       {{"Reaches", ReachWords(reach)},
                        {"Signed by", absl::StrJoin(verification.signers, ", ")},
                        {"With yours", then.enough ? "enough: it is launched at once" : then.words},
                        {"Signer", SignerText(config->name, *signer)}},
                       session.modules()));
    io.Say("");
    // People sign for several fleets with one key, and a scheduler of one may bring
    // what another waits for.
    if (!verification.problems.empty())
      return absl::FailedPreconditionError(
          StrCat("not signed: ", ForTerminal(absl::StrJoin(verification.problems, "; "))));
    if (const absl::Status readable = CheckReadable(action, session.modules()); !readable.ok())
      return Annotate(readable, "not signed");
    const bool signed_before = std::includes(verification.signers.begin(),
                                             verification.signers.end(), own.begin(), own.end());
    if (signed_before && !then.enough) {
      io.Say(StrCat("You have signed it already: ", ForTerminal(then.words), "."));
      return kExitDone;
    }
    if (!yes_) {
      DRAGNET_ASSIGN_OR_RETURN(const bool agreed,
                               Confirm(io, then.enough ? "Sign and launch?" : "Sign?"));
      if (!agreed) {
        io.Say("Nothing was signed or launched.");
        return kExitBadInput;
      }
    }
    DRAGNET_ASSIGN_OR_RETURN(const v1::Envelope envelope,
                             SignSamePayload(info.envelope(), *signer));
    if (policy.Signers(envelope).empty()) {
      return absl::FailedPreconditionError(
          StrCat("what your key signed doesn't count by trust policy version ", policy.version(),
                 ": nothing was sent; how the key is listed there (dragnet trust show) must be how "
                 "it signs"));
    }
    v1::ProposeRequest request;
    request.set_envelope(envelope.SerializeAsString());
    DRAGNET_ASSIGN_OR_RETURN(const v1::ProposeResponse response, client->Propose(request));
    if (response.has_launched()) {
      io.Say(StrCat("Launched ", ForTerminal(action.id()), ": ", response.launched().targeted(),
                    " targeted, ", response.launched().connected(),
                    " connected. See it:  dragnet results ", ForTerminal(action.id()),
                    " --follow"));
    } else {
      io.Say(StrCat("Signed ", ForTerminal(action.id()), "; not launched yet: ",
                    ForTerminal(StillMissing(response.proposal(), policy, session)), "."));
    }
    return kExitDone;
  }

  absl::StatusOr<int> Refuse(const ActionVerification& verification, Session& session) {
    Io& io = session.io();
    const v1::Action& action = verification.action;
    DRAGNET_ASSIGN_OR_RETURN(const ConsoleConfig* config, session.config());
    DRAGNET_ASSIGN_OR_RETURN(Client * client, session.client());
    DRAGNET_ASSIGN_OR_RETURN(const Signer* signer, session.signer());
    DRAGNET_ASSIGN_OR_RETURN(
        const v1::Order order,
        NewOrder(v1::Order::KIND_CANCEL, action, config->fleet_id, reason_, session.now()));
    io.Show(DescribeAction(action,
                           {{"Signed by", absl::StrJoin(verification.signers, ", ")},
                            {"Refused", reason_},
                            {"Signer", SignerText(config->name, *signer)}},
                           session.modules()));
    io.Say("");
    if (!yes_) {
      DRAGNET_ASSIGN_OR_RETURN(const bool agreed, Confirm(io, "Refuse it for good, in your name?"));
      if (!agreed) {
        io.Say("Nothing was signed or refused.");
        return kExitBadInput;
      }
    }
    v1::Envelope envelope = NewEnvelope(kOrderPayloadType, order.SerializeAsString());
    DRAGNET_RETURN_IF_ERROR(AddSignature(*signer, &envelope));
    v1::SendOrderRequest request;
    request.set_envelope(envelope.SerializeAsString());
    DRAGNET_RETURN_IF_ERROR(client->SendOrder(request).status());
    io.Say(StrCat("Refused ", ForTerminal(action.id()), ": it is sent to no one."));
    return kExitDone;
  }

  std::string action_;
  std::string reason_;
  std::string output_ = "table";
  bool refuse_ = false;
  bool yes_ = false;
  bool all_ = false;
};

}  // namespace

std::unique_ptr<Command> NewApproveCommand() { return std::make_unique<ApproveCommand>(); }

}  // namespace dragnet::console
