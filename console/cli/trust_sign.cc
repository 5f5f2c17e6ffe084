// `dragnet trust sign FILE --key KEY`: a root key's signature, where there is no
// network.
#include <optional>

#include "console/cli/document_file.h"
#include "console/cli/envelope_file.h"
#include "console/cli/exit_status.h"
#include "console/cli/trust_command.h"
#include "console/signing/signing.h"
#include "console/trust/difference.h"
#include "console/trust/keys.h"
#include "console/trust/policy_text.h"
#include "console/trust/signatures.h"
#include "core/envelope.h"
#include "core/status_macros.h"
#include "core/strings.h"

namespace dragnet::console {
namespace {

bool IsAmong(const PublicKey& key, const RootSet& roots) {
  for (const PublicKey& root : roots.keys())
    if (root.id() == key.id()) return true;
  return false;
}

class TrustSign : public CommandPart {
 public:
  void Define(CommandLine& trust) override {
    sign_ = trust.AddSubcommand("sign", "Sign a drafted policy with a root key, offline");
    sign_->SetDescription(
        "Needs neither network nor configuration. Shows the policy, asks, and adds the signature "
        "to the file. With --against it also shows what changes, and takes the root keys of the "
        "policy in force, which a change of root keys needs.");
    sign_->AddArgument({.name = "FILE",
                        .help = "The drafted policy; it is written back.",
                        .completion = Completion::kFile,
                        .required = true},
                       &file_);
    sign_->AddValue({.name = "--key",
                     .value_name = "FILE",
                     .help = "Root key. Its passphrase is asked for if it has one.",
                     .completion = Completion::kFile,
                     .required = true},
                    &key_);
    sign_->AddValue({.name = "--against",
                     .value_name = "FILE",
                     .help = "The signed policy in force (dragnet trust show --save).",
                     .completion = Completion::kFile},
                    &against_);
    sign_->AddSwitch({.name = "--yes", .short_name = "-y", .help = "Don't ask."}, &yes_);
  }

  bool Has(const CommandLine* chosen) const override { return chosen == sign_; }

  absl::StatusOr<int> Run(const CommandLine*, Session& session) override {
    Io& io = session.io();
    DRAGNET_RETURN_IF_ERROR(CheckCanConfirm(io, yes_));
    DRAGNET_ASSIGN_OR_RETURN(DocumentFile file, ReadPolicyFile(file_, session));
    const v1::TrustPolicy& policy = *file.document.policy();
    DRAGNET_RETURN_IF_ERROR(Annotate(CheckNotExpired(file.document, session.now()), file_));
    DRAGNET_ASSIGN_OR_RETURN(const RootSet roots, RootSet::FromProto(policy.roots()));
    std::optional<TrustPolicy> current;
    if (!against_.empty()) {
      DRAGNET_ASSIGN_OR_RETURN(current, ReadSignedPolicy(against_, session));
      DRAGNET_RETURN_IF_ERROR(CheckFollows(policy, *current));
    }
    DRAGNET_RETURN_IF_ERROR(CheckSignatures(file.document.envelope, roots, current));

    io.err->Write(DescribePolicy(policy, session.now()));
    io.err->Write(
        current.has_value()
            ? StrCat("\nWhat changes against version ", current->version(), "\n",
                     DescribeChanges(Differences(current->proto(), policy, session.modules())))
            : std::string("\nWhat it changes can't be said without --against FILE, the "
                          "policy in force.\n"));
    io.Say("");
    // After the document, so that a passphrase is for something that was read.
    DRAGNET_ASSIGN_OR_RETURN(const std::unique_ptr<Signer> signer,
                             OpenSigner(key_, io.read_passphrase, io.environment));
    DRAGNET_RETURN_IF_ERROR(CheckCounts(signer->public_key(), roots, current));
    if (current.has_value()) SayWhoVouches(signer->public_key(), *current, io);
    if (!yes_) {
      DRAGNET_ASSIGN_OR_RETURN(
          const bool agreed,
          Confirm(io, StrCat("Sign version ", policy.version(), " of fleet ", policy.fleet_id(),
                             " with root key ", ShortKeyId(signer->public_key().id()), "?")));
      if (!agreed) {
        io.Say("Nothing was signed.");
        return kExitBadInput;
      }
    }
    DRAGNET_RETURN_IF_ERROR(Annotate(AddSignature(*signer, &file.document.envelope), file_));
    DRAGNET_RETURN_IF_ERROR(ReplaceEnvelopeFile(file_, file.document.envelope));
    io.out->Write(DescribeRootSignatures(file.document.envelope, roots, "of this policy"));
    if (current.has_value() && RootsDiffer(roots, current->roots())) {
      io.out->Write(DescribeRootSignatures(file.document.envelope, current->roots(),
                                           "of the policy in force"));
    }
    return kExitDone;
  }

 private:
  static bool RootsDiffer(const RootSet& a, const RootSet& b) {
    return a.ToProto().SerializeAsString() != b.ToProto().SerializeAsString();
  }

  absl::Status CheckFollows(const v1::TrustPolicy& policy, const TrustPolicy& current) const {
    if (policy.fleet_id() != current.fleet_id()) {
      return absl::FailedPreconditionError(StrCat(file_, ": of fleet ", policy.fleet_id(), ", ",
                                                  against_, ": of fleet ", current.fleet_id()));
    }
    if (policy.version() > current.version()) return absl::OkStatus();
    return absl::FailedPreconditionError(
        StrCat(file_, ": version ", policy.version(), ", and version ", current.version(),
               " is in force: no agent would take it; draft it again (dragnet trust draft)"));
  }

  absl::Status CheckSignatures(const v1::Envelope& envelope, const RootSet& roots,
                               const std::optional<TrustPolicy>& current) const {
    std::vector<KnownKey> known = RootKeys(roots);
    if (current.has_value()) {
      for (KnownKey& key : RootKeys(current->roots())) known.push_back(std::move(key));
    }
    return Annotate(CheckUnchanged(SignatureStates(envelope, known)), file_);
  }

  absl::Status CheckCounts(const PublicKey& key, const RootSet& roots,
                           const std::optional<TrustPolicy>& current) const {
    if (IsAmong(key, roots)) return absl::OkStatus();
    if (current.has_value()) {
      if (IsAmong(key, current->roots())) return absl::OkStatus();
      return absl::FailedPreconditionError(
          StrCat(key_, ": key ", ShortKeyId(key.id()),
                 " is a root key of neither policy: its signature would count for nothing"));
    }
    return absl::FailedPreconditionError(
        StrCat(key_, ": key ", ShortKeyId(key.id()),
               " is no root key of this policy. If it is one "
               "of the policy in force, give that with --against FILE"));
  }

  // There is no configuration here that pins root keys. Who made both files could
  // hide a change in the one that it is compared with.
  void SayWhoVouches(const PublicKey& key, const TrustPolicy& current, Io& io) const {
    const absl::StatusOr<v1::Envelope> envelope =
        ParseEnvelope(current.envelope_bytes(), kTrustPolicyPayloadType);
    if (envelope.ok() && !ValidSigners(*envelope, {&key}).empty()) return;
    io.Say(StrCat("warning: this root key has not signed ", against_,
                  ": that it is the policy in force is only what you were told, and so is what "
                  "changes\n"));
  }

  CommandLine* sign_ = nullptr;
  std::string file_;
  std::string key_;
  std::string against_;
  bool yes_ = false;
};

}  // namespace

std::unique_ptr<CommandPart> NewTrustSign() { return std::make_unique<TrustSign>(); }

}  // namespace dragnet::console
