// `dragnet verify FILE|ACTION`: who signed, and is it enough. Exit status 0 or 1.
#include <unistd.h>

#include "console/cli/command.h"
#include "console/cli/envelope_file.h"
#include "console/investigation/verification.h"
#include "core/envelope.h"
#include "core/status_macros.h"
#include "core/strings.h"
#include "core/text.h"

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
        "the root keys pinned in the configuration. Exit status 0 when every operation has the "
        "weight that it needs, else 1. Orders about it (cancel, pause, resume) are listed with who "
        "validly signed them.");
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
    DRAGNET_ASSIGN_OR_RETURN(const std::string bytes, Bytes(session));
    if (ParseEnvelope(bytes, kTrustPolicyPayloadType).ok()) return VerifyPolicy(bytes, session);
    std::optional<TrustPolicy> own;
    if (!policy_file_.empty()) {
      DRAGNET_ASSIGN_OR_RETURN(const std::string content, ReadInput(session.io(), policy_file_));
      DRAGNET_ASSIGN_OR_RETURN(const std::string policy_bytes, EnvelopeBytes(content));
      absl::StatusOr<TrustPolicy> policy = CheckPolicy(policy_bytes, session);
      if (!policy.ok()) return Annotate(policy.status(), policy_file_);
      own = *std::move(policy);
    }
    const TrustPolicy* policy = own.has_value() ? &*own : nullptr;
    if (policy == nullptr) {
      DRAGNET_ASSIGN_OR_RETURN(policy, session.policy());
    }
    const absl::StatusOr<ActionVerification> verification =
        VerifyAction(bytes, *policy, session.modules(), session.now());
    if (!verification.ok()) return Annotate(verification.status(), what_);
    session.io().out->Write(StrCat("Action      ", ForTerminal(verification->action.name()), " (",
                                   ForTerminal(verification->action.id()), ")\n",
                                   DescribeVerification(*verification, *policy)));
    session.io().out->Write(
        DescribeOrders(orders_, verification->action, *policy, session.modules()));
    return verification->authorized() ? kExitDone : kExitCheckFailed;
  }

 private:
  absl::StatusOr<std::string> Bytes(Session& session) {
    if (IsFile(what_)) {
      DRAGNET_ASSIGN_OR_RETURN(const std::string content, ReadInput(session.io(), what_));
      return EnvelopeBytes(content);
    }
    DRAGNET_ASSIGN_OR_RETURN(v1::ActionInfo info, session.FindAction(what_));
    // A list of actions, which "last" looks through, has no orders.
    if (what_ == "last") {
      DRAGNET_ASSIGN_OR_RETURN(info, session.FindAction(info.action_id()));
    }
    orders_ = info.orders();
    return info.envelope();
  }

  static absl::StatusOr<TrustPolicy> CheckPolicy(const std::string& bytes, Session& session) {
    DRAGNET_ASSIGN_OR_RETURN(const ConsoleConfig* config, session.config());
    DRAGNET_ASSIGN_OR_RETURN(const RootSet roots, LoadRootKeys(*config));
    return TrustPolicy::VerifyFirst(bytes, roots, config->fleet_id);
  }

  absl::StatusOr<int> VerifyPolicy(const std::string& bytes, Session& session) {
    const absl::StatusOr<TrustPolicy> policy = CheckPolicy(bytes, session);
    if (!policy.ok()) {
      session.io().out->Write(
          StrCat("Trust policy: ", ForTerminal(ToStd(policy.status().message())), "\n"));
      return kExitCheckFailed;
    }
    const bool expired = policy->expired(session.now());
    session.io().out->Write(StrCat("Trust policy version ", policy->version(),
                                   ": signed by enough root keys", expired ? ", but expired" : "",
                                   "\n"));
    return expired ? kExitCheckFailed : kExitDone;
  }

  std::string what_;
  google::protobuf::RepeatedPtrField<std::string> orders_;
  std::string policy_file_;
};

}  // namespace

std::unique_ptr<Command> NewVerifyCommand() { return std::make_unique<VerifyCommand>(); }

}  // namespace dragnet::console
