// `dragnet sign FILE`: an investigator's signature on an action or order in a
// file, where there may be no network.
#include <optional>
#include <set>

#include "console/cli/command.h"
#include "console/cli/document_file.h"
#include "console/cli/envelope_file.h"
#include "console/form/describe.h"
#include "console/investigation/delivery.h"
#include "console/investigation/proposals.h"
#include "console/trust/signatures.h"
#include "core/envelope.h"
#include "core/status_macros.h"
#include "core/strings.h"
#include "core/text.h"

namespace dragnet::console {
namespace {

class SignCommand : public Command {
 public:
  std::string name() const override { return "sign"; }
  std::string summary() const override { return "Sign an action or order that is in a file"; }
  CommandGroup group() const override { return CommandGroup::kInvestigations; }

  absl::Status Define(CommandLine& line) override {
    line.SetDescription(
        "Shows what the file's document says (as --no-launch wrote it) and who has signed it so "
        "far, asks, and adds your signature. Needs no network: with --policy FILE, or when the "
        "scheduler can be reached, it also checks the signatures that are there and says whether "
        "they are enough. dragnet launch FILE sends it then.");
    line.AddArgument({.name = "FILE",
                      .help = "The file with the document; it is written back unless --out is "
                              "given.",
                      .completion = Completion::kFile,
                      .required = true},
                     &file_);
    line.AddValue({.name = "--policy",
                   .value_name = "FILE",
                   .help = "Take the trust policy from this file (dragnet trust show --save) and "
                           "don't ask the scheduler.",
                   .completion = Completion::kFile},
                  &policy_file_);
    line.AddValue({.name = "--out",
                   .value_name = "FILE",
                   .help = "Write to this new file and leave FILE as it is.",
                   .completion = Completion::kFile},
                  &out_);
    line.AddSwitch({.name = "--offline", .help = "Don't try to reach the scheduler."}, &offline_);
    line.AddSwitch({.name = "--yes", .short_name = "-y", .help = "Don't ask."}, &yes_);
    return absl::OkStatus();
  }

  absl::StatusOr<int> Run(CommandLine&, Session& session) override {
    Io& io = session.io();
    DRAGNET_RETURN_IF_ERROR(CheckCanConfirm(io, yes_));
    DRAGNET_ASSIGN_OR_RETURN(DocumentFile file, ReadDocumentFile(file_, session));
    if (file.document.policy() != nullptr) {
      return absl::InvalidArgumentError(
          StrCat(file_, ": a trust policy, which root keys sign: dragnet trust sign ", file_,
                 " --key ROOT.key"));
    }
    if (file.document.release() != nullptr) {
      return absl::InvalidArgumentError(
          StrCat(file_, ": a release, which release keys sign: dragnet release sign ", file_,
                 " --key RELEASE.key"));
    }
    DRAGNET_RETURN_IF_ERROR(Annotate(CheckNotExpired(file.document, session.now()), file_));
    DRAGNET_ASSIGN_OR_RETURN(const ConsoleConfig* config, session.config());
    DRAGNET_RETURN_IF_ERROR(CheckFleet(file.document, *config));
    DRAGNET_ASSIGN_OR_RETURN(const std::optional<TrustPolicy> policy, Policy(session));
    v1::Envelope& envelope = file.document.envelope;
    const auto states = SignatureStates(
        envelope, policy.has_value() ? InvestigatorKeys(policy->proto()) : std::vector<KnownKey>());
    DRAGNET_RETURN_IF_ERROR(Annotate(CheckUnchanged(states), file_));

    DRAGNET_ASSIGN_OR_RETURN(const Signer* signer, session.signer());
    Show(file.document, policy, states, SignerText(config->name, *signer), session);
    if (policy.has_value() && !IsIn(*policy, signer->public_key())) {
      io.Say(StrCat("warning: your key is not in trust policy version ", policy->version(),
                    ": your signature will add no weight"));
    }
    if (file.document.action() != nullptr) {
      DRAGNET_RETURN_IF_ERROR(Annotate(CheckReadable(*file.document.action(), session.modules()),
                                       StrCat(file_, ": not signed")));
    }
    if (!yes_) {
      DRAGNET_ASSIGN_OR_RETURN(const bool agreed, Confirm(io, "Sign?"));
      if (!agreed) {
        io.Say("Nothing was signed.");
        return kExitBadInput;
      }
    }
    DRAGNET_RETURN_IF_ERROR(Annotate(AddSignature(*signer, &envelope), file_));
    const std::string& written = out_.empty() ? file_ : out_;
    DRAGNET_RETURN_IF_ERROR(out_.empty() ? ReplaceEnvelopeFile(file_, envelope)
                                         : WriteEnvelopeFile(out_, envelope));
    io.Say(StrCat("Signed: ", written));
    if (policy.has_value()) SayWhetherEnough(file.document, *policy, session);
    return kExitDone;
  }

 private:
  absl::Status CheckFleet(const SignedDocument& document, const ConsoleConfig& config) const {
    const std::string& fleet =
        document.action() != nullptr ? document.action()->fleet_id() : document.order()->fleet_id();
    if (fleet == config.fleet_id) return absl::OkStatus();
    return absl::FailedPreconditionError(StrCat(file_, ": for fleet ", ForTerminal(fleet),
                                                ", and this console is of ", config.fleet_id));
  }

  // Nothing when there is no way to one: then that is said.
  absl::StatusOr<std::optional<TrustPolicy>> Policy(Session& session) const {
    if (!policy_file_.empty()) {
      DRAGNET_ASSIGN_OR_RETURN(TrustPolicy policy, ReadPinnedPolicy(policy_file_, session));
      return policy;
    }
    if (offline_) return std::nullopt;
    const absl::StatusOr<TrustPolicy> policy = PolicyToJudgeBy("", session);
    if (policy.ok()) return *policy;
    // No scheduler is one thing, one that shows a false policy is another.
    if (absl::IsUnavailable(policy.status()) || absl::IsDeadlineExceeded(policy.status())) {
      session.io().Say(
          StrCat("No trust policy to judge by: ", ForTerminal(ToStd(policy.status().message()))));
      return std::nullopt;
    }
    return policy.status();
  }

  static bool IsIn(const TrustPolicy& policy, const PublicKey& own) {
    for (const KnownKey& known : InvestigatorKeys(policy.proto()))
      if (known.key.id() == own.id()) return true;
    return false;
  }

  static void Show(const SignedDocument& document, const std::optional<TrustPolicy>& policy,
                   const std::vector<SignatureState>& states, const std::string& signer,
                   Session& session) {
    Io& io = session.io();
    if (document.action() != nullptr) {
      io.Show(DescribeAction(*document.action(), {{"Signer", signer}}, session.modules()));
    } else {
      io.Show(StrCat(DescribeOrder(*document.order()), "Signer  ", ForTerminal(signer), "\n"));
    }
    io.Say("");
    if (policy.has_value() || states.empty()) {
      io.err->Write(DescribeSignatures(states));
    } else {
      io.err->Write(StrCat("Signatures  ", states.size(),
                           ", NOT CHECKED: there is no trust policy to check them by\n"));
    }
    io.Say("");
  }

  void SayWhetherEnough(const SignedDocument& document, const TrustPolicy& policy,
                        Session& session) const {
    Io& io = session.io();
    const std::set<std::string> signers = policy.Signers(document.envelope);
    if (document.action() != nullptr) {
      io.out->Write(DescribeWeights(*document.action(), policy, signers, session.modules()));
    }
  }

  std::string file_;
  std::string policy_file_;
  std::string out_;
  bool offline_ = false;
  bool yes_ = false;
};

}  // namespace

std::unique_ptr<Command> NewSignCommand() { return std::make_unique<SignCommand>(); }

}  // namespace dragnet::console
