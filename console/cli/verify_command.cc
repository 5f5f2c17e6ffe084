// `dragnet verify FILE|ACTION`: who signed, and is it enough. Exit status 0 or 4.
#include <unistd.h>

#include "console/cli/command.h"
#include "console/cli/document_file.h"
#include "console/cli/envelope_file.h"
#include "console/form/describe.h"
#include "console/investigation/verification.h"
#include "console/output/cell.h"
#include "console/release/release_text.h"
#include "console/trust/signatures.h"
#include "core/action.h"
#include "core/release.h"
#include "core/status_macros.h"
#include "core/strings.h"
#include "core/text.h"
#include "core/uuid.h"

namespace dragnet::console {
namespace {

bool IsFile(const std::string& word) {
  return word == "-" || word.find('/') != std::string::npos || ::access(word.c_str(), F_OK) == 0;
}

class VerifyCommand : public Command {
 public:
  std::string name() const override { return "verify"; }
  std::string summary() const override { return "Who signed an action, and is it enough"; }
  CommandGroup group() const override { return CommandGroup::kInvestigations; }

  absl::Status Define(CommandLine& line) override {
    line.SetDescription(
        "Checks the signatures on this machine, against the fleet's trust policy, and that against "
        "the root keys pinned in the configuration. Takes actions, orders, trust policies and "
        "releases. Exit "
        "status 0 when every operation has the weight that it needs (an order is one that holds, a "
        "policy is signed by enough root keys), else 4. Orders about an action (cancel, pause, "
        "resume) are listed with who validly signed them.");
    line.AddArgument({.name = "FILE|ACTION",
                      .help = "A file with a signed envelope (- for standard input), or an "
                              "action's id, or \"last\".",
                      .completion = Completion::kFile,
                      .required = true},
                     &what_);
    line.AddValue({.name = "--policy",
                   .value_name = "FILE",
                   .help = "Take the trust policy from this file and don't ask the scheduler.",
                   .completion = Completion::kFile},
                  &policy_file_);
    return absl::OkStatus();
  }

  absl::StatusOr<int> Run(CommandLine&, Session& session) override {
    DocumentFile file;
    if (IsFile(what_)) {
      DRAGNET_ASSIGN_OR_RETURN(file, ReadDocumentFile(what_, session));
    } else {
      DRAGNET_ASSIGN_OR_RETURN(file.bytes, StoredBytes(session));
      absl::StatusOr<SignedDocument> document = ReadDocument(file.bytes);
      if (!document.ok()) return Annotate(document.status(), what_);
      file.document = *std::move(document);
    }
    if (file.document.policy() != nullptr) return VerifyPolicy(file, session);
    DRAGNET_ASSIGN_OR_RETURN(const TrustPolicy policy, PolicyToJudgeBy(policy_file_, session));
    if (file.document.release() != nullptr) return VerifyAsRelease(file, policy, session);
    return file.document.action() != nullptr ? VerifyOne(file, policy, session)
                                             : VerifyOrder(file, policy, session);
  }

 private:
  absl::StatusOr<std::string> StoredBytes(Session& session) {
    DRAGNET_ASSIGN_OR_RETURN(v1::ActionInfo info, session.FindAction(what_));
    // A list of actions, which "last" looks through, has no orders.
    if (what_ == "last") {
      DRAGNET_ASSIGN_OR_RETURN(info, session.FindAction(info.action_id()));
    }
    orders_ = info.orders();
    return info.envelope();
  }

  absl::StatusOr<int> VerifyOne(const DocumentFile& file, const TrustPolicy& policy,
                                Session& session) {
    const absl::StatusOr<ActionVerification> verification =
        VerifyAction(file.bytes, policy, session.modules(), session.now());
    if (!verification.ok()) return Annotate(verification.status(), what_);
    Sink& out = *session.io().out;
    const v1::Action& action = verification->action;
    out.Write(StrCat("Action      ", ForTerminal(action.name()), " (", ForTerminal(action.id()),
                     ")\n", Signatures(file, policy)));
    out.Write(DescribeVerification(*verification, policy));
    out.Write(DescribeWeights(action, policy, verification->signers, session.modules()));
    // Of one that ran, its end is no fault: it is said, and changes nothing.
    if (const absl::Status ended = CheckNotExpired(file.document, session.now()); !ended.ok()) {
      out.Write(StrCat("Expired     ", LocalTime(*ToTime(action.expires())), "\n"));
    }
    out.Write(DescribeOrders(orders_, action, policy, session.modules()));
    return verification->authorized() ? kExitDone : kExitRefused;
  }

  absl::StatusOr<int> VerifyOrder(const DocumentFile& file, const TrustPolicy& policy,
                                  Session& session) {
    Sink& out = *session.io().out;
    const v1::Order& order = *file.document.order();
    out.Write(StrCat(DescribeOrder(order), Signatures(file, policy)));
    std::optional<v1::Action> about;
    if (policy_file_.empty()) {
      // A scheduler that doesn't know the action, or none: judged without it.
      const absl::StatusOr<v1::ActionInfo> info = session.FindAction(order.action_id());
      if (info.ok()) {
        DRAGNET_ASSIGN_OR_RETURN(
            const ActionVerification action,
            VerifyAction(info->envelope(), policy, session.modules(), session.now()));
        // Whose modules the order is judged by must not be the scheduler's to choose.
        if (action.signers.empty()) {
          out.Write(
              "No one in the trust policy signed what the scheduler shows of the action: don't "
              "trust this scheduler.\n");
          return kExitRefused;
        }
        about = action.action;
      }
    }
    if (!about.has_value()) {
      out.Write(
          "The action isn't known here: weight for any module counts, and no resume holds.\n");
    }
    const absl::Status holds = CheckOrder(file.bytes, about.has_value() ? &*about : nullptr, policy,
                                          session.modules(), session.now());
    out.Write(holds.ok()
                  ? std::string("The order holds.\n")
                  : StrCat("The order doesn't hold: ", ForTerminal(ToStd(holds.message())), "\n"));
    return holds.ok() ? kExitDone : kExitRefused;
  }

  static std::string Signatures(const DocumentFile& file, const TrustPolicy& policy) {
    return DescribeSignatures(
        SignatureStates(file.document.envelope, InvestigatorKeys(policy.proto())));
  }

  absl::StatusOr<int> VerifyPolicy(const DocumentFile& file, Session& session) {
    Sink& out = *session.io().out;
    const v1::TrustPolicy& policy = *file.document.policy();
    DRAGNET_ASSIGN_OR_RETURN(const ConsoleConfig* config, session.config());
    DRAGNET_ASSIGN_OR_RETURN(const RootSet pinned, LoadRootKeys(*config));
    DRAGNET_ASSIGN_OR_RETURN(const RootSet own, RootSet::FromProto(policy.roots()));
    out.Write(StrCat(
        "Trust policy version ", policy.version(), " of fleet ", policy.fleet_id(), "\n",
        DescribeRootSignatures(file.document.envelope, pinned, "pinned in the configuration")));
    if (own.ToProto().SerializeAsString() != pinned.ToProto().SerializeAsString()) {
      out.Write(DescribeRootSignatures(file.document.envelope, own, "of this policy"));
    }
    const absl::StatusOr<TrustPolicy> verified =
        TrustPolicy::VerifyFirst(file.bytes, pinned, config->fleet_id);
    const absl::Status expired = CheckNotExpired(file.document, session.now());
    out.Write(!verified.ok()
                  ? StrCat("Not valid: ", ForTerminal(ToStd(verified.status().message())), "\n")
              : !expired.ok() ? StrCat("Not valid: ", expired.message(), "\n")
                              : std::string("Signed by enough root keys.\n"));
    return verified.ok() && expired.ok() ? kExitDone : kExitRefused;
  }

  static int VerifyAsRelease(const DocumentFile& file, const TrustPolicy& policy,
                             Session& session) {
    const v1::Release& release = *file.document.release();
    const absl::Status good = VerifyRelease(file.bytes, &policy, session.now()).status();
    session.io().out->Write(StrCat(
        "Release ", ForTerminal(release.version()), "\n",
        DescribeReleaseSignatures(file.document.envelope, release, policy), ReleaseVerdict(good)));
    return good.ok() ? kExitDone : kExitRefused;
  }

  std::string what_;
  google::protobuf::RepeatedPtrField<std::string> orders_;
  std::string policy_file_;
};

}  // namespace

std::unique_ptr<Command> NewVerifyCommand() { return std::make_unique<VerifyCommand>(); }

}  // namespace dragnet::console
