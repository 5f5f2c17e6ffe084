// `dragnet trust show [FILE]` and `dragnet trust diff FILE`.
#include "console/cli/document_file.h"
#include "console/cli/envelope_file.h"
#include "console/cli/exit_status.h"
#include "console/cli/launch.h"
#include "console/cli/trust_command.h"
#include "console/output/json.h"
#include "console/trust/difference.h"
#include "console/trust/policy_text.h"
#include "console/trust/signatures.h"
#include "core/ca_bundle.h"
#include "core/envelope.h"
#include "core/file_io.h"
#include "core/status_macros.h"
#include "core/strings.h"
#include "core/text.h"

namespace dragnet::console {
namespace {

class TrustShow : public CommandPart {
 public:
  void Define(CommandLine& trust) override {
    show_ = trust.AddSubcommand("show", "The fleet's trust policy, or one in a file");
    show_->SetDescription(
        "Without FILE: the scheduler's newest policy, checked here against the root keys pinned in "
        "the configuration. With FILE: what it says, which root keys signed it, and whether that "
        "is enough; exit status 4 when it isn't.");
    show_->AddArgument({.name = "FILE",
                        .help = "A policy's file; - for standard input.",
                        .completion = Completion::kFile},
                       &file_);
    show_->AddValue({.name = "--save",
                     .value_name = "FILE",
                     .help = "Also write the scheduler's signed policy to this new file, to be "
                             "taken to where there is no network.",
                     .completion = Completion::kFile},
                    &save_);
    show_->AddValue({.name = "--save-ca",
                     .value_name = "FILE",
                     .help = "Also write the CA certificates of the scheduler's policy to FILE, "
                             "over what is there: the ca_file of console.toml and of agents' kits, "
                             "when the fleet's CA changes.",
                     .completion = Completion::kFile},
                    &save_ca_);
    AddOutputFlag(*show_, &output_);

    diff_ = trust.AddSubcommand("diff", "What a drafted policy changes");
    diff_->SetDescription(
        "In words, a line for each change; \"!\" marks what to look at twice: roots that change, "
        "a minimum that falls, a module that one person alone may now use, or that no one can.");
    diff_->AddArgument({.name = "FILE",
                        .help = "The drafted policy; - for standard input.",
                        .completion = Completion::kFile,
                        .required = true},
                       &file_);
    diff_->AddValue({.name = "--against",
                     .value_name = "FILE",
                     .help = "The policy to compare with. Default: the scheduler's newest.",
                     .completion = Completion::kFile},
                    &against_);
  }

  bool Has(const CommandLine* chosen) const override { return chosen == show_ || chosen == diff_; }

  absl::StatusOr<int> Run(const CommandLine* chosen, Session& session) override {
    if (chosen == diff_) return Diff(session);
    if (output_ == "csv") {
      return absl::InvalidArgumentError("trust show: --output csv: give table, json or jsonl");
    }
    return file_.empty() ? ShowCurrent(session) : ShowFile(session);
  }

 private:
  void WriteDocument(const v1::TrustPolicy& policy, Session& session) const {
    Sink& out = *session.io().out;
    if (output_ == "table") {
      out.Write(DescribePolicy(policy, session.now()));
    } else {
      const std::string json = MessageToJson(policy);
      out.Write(StrCat(output_ == "json" ? IndentJson(json) : json, "\n"));
    }
  }

  absl::StatusOr<int> ShowCurrent(Session& session) {
    DRAGNET_ASSIGN_OR_RETURN(const TrustPolicy* policy, session.policy());
    if (!save_.empty()) {
      DRAGNET_ASSIGN_OR_RETURN(const v1::Envelope envelope,
                               ParseEnvelope(policy->envelope_bytes(), kTrustPolicyPayloadType));
      DRAGNET_RETURN_IF_ERROR(WriteEnvelopeFile(save_, envelope));
      session.io().Say(StrCat("Saved version ", policy->version(), ": ", save_));
    }
    if (!save_ca_.empty()) DRAGNET_RETURN_IF_ERROR(SaveCas(policy->proto(), session));
    WriteDocument(policy->proto(), session);
    return kExitDone;
  }

  absl::Status SaveCas(const v1::TrustPolicy& policy, Session& session) const {
    std::string pem;
    for (const std::string& der : policy.ca_certificates()) pem += CertificateToPem(der);
    // What can't be read would leave the console without a scheduler.
    DRAGNET_RETURN_IF_ERROR(
        Annotate(SplitCertificates(pem).status(), "the CA certificates of the policy"));
    DRAGNET_RETURN_IF_ERROR(WriteFileAtomically(save_ca_, pem, 0644));
    session.io().Say(StrCat(
        "Saved ", policy.ca_certificates_size(),
        policy.ca_certificates_size() == 1 ? " CA certificate: " : " CA certificates: ", save_ca_));
    return absl::OkStatus();
  }

  absl::StatusOr<int> ShowFile(Session& session) {
    if (!save_.empty() || !save_ca_.empty()) {
      return absl::InvalidArgumentError(
          "--save and --save-ca are for the scheduler's policy: leave FILE out");
    }
    DRAGNET_ASSIGN_OR_RETURN(const DocumentFile file, ReadPolicyFile(file_, session));
    const v1::TrustPolicy& policy = *file.document.policy();
    WriteDocument(policy, session);
    DRAGNET_ASSIGN_OR_RETURN(const RootSet own, RootSet::FromProto(policy.roots()));
    const v1::Envelope& envelope = file.document.envelope;
    bool enough = own.CheckThreshold(envelope).ok();
    std::string text = StrCat("\n", DescribeRootSignatures(envelope, own, "of this policy"));
    const absl::StatusOr<RootSet> pinned = Pinned(session);
    if (!pinned.ok()) {
      // Someone who only holds a root key has no configuration, and needs none.
      StrAppend(&text, "Root keys pinned here: none (",
                ForTerminal(ToStd(pinned.status().message())), ")\n");
    } else if (pinned->ToProto().SerializeAsString() != own.ToProto().SerializeAsString()) {
      enough = enough && pinned->CheckThreshold(envelope).ok();
      text.append(DescribeRootSignatures(envelope, *pinned, "pinned in the configuration"));
    }
    // What is asked for is the document in json: the signatures are beside it.
    (output_ == "table" ? session.io().out : session.io().err)->Write(text);
    return enough ? kExitDone : kExitRefused;
  }

  static absl::StatusOr<RootSet> Pinned(Session& session) {
    DRAGNET_ASSIGN_OR_RETURN(const ConsoleConfig* config, session.config());
    return LoadRootKeys(*config);
  }

  absl::StatusOr<int> Diff(Session& session) {
    DRAGNET_ASSIGN_OR_RETURN(const DocumentFile file, ReadPolicyFile(file_, session));
    v1::TrustPolicy before;
    if (against_.empty()) {
      DRAGNET_ASSIGN_OR_RETURN(const TrustPolicy* current, session.policy());
      before = current->proto();
    } else {
      // Any two, signed or not.
      DRAGNET_ASSIGN_OR_RETURN(const DocumentFile other, ReadPolicyFile(against_, session));
      before = *other.document.policy();
    }
    session.io().out->Write(
        DescribeChanges(Differences(before, *file.document.policy(), session.modules())));
    return kExitDone;
  }

  CommandLine* show_ = nullptr;
  CommandLine* diff_ = nullptr;
  std::string file_;
  std::string save_;
  std::string save_ca_;
  std::string against_;
  std::string output_ = "table";
};

}  // namespace

std::unique_ptr<CommandPart> NewTrustShow() { return std::make_unique<TrustShow>(); }

}  // namespace dragnet::console
