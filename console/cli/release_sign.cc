// `dragnet release sign BUNDLE|FILE --key KEY`: a release key's signature, where there
// is no network.
#include <algorithm>
#include <optional>

#include "console/cli/envelope_file.h"
#include "console/cli/exit_status.h"
#include "console/cli/release_command.h"
#include "console/cli/release_file.h"
#include "console/release/release_text.h"
#include "console/signing/signing.h"
#include "console/trust/keys.h"
#include "console/trust/signatures.h"
#include "core/envelope.h"
#include "core/status_macros.h"
#include "core/strings.h"

namespace dragnet::console {
namespace {

class ReleaseSign : public CommandPart {
 public:
  void Define(CommandLine& release) override {
    sign_ = release.AddSubcommand("sign", "Sign a release with a release key, offline");
    sign_->SetDescription(
        "Shows the release, compares the bundle's programs with it, asks, and adds the signature "
        "to release.dnr. Needs neither network nor configuration, but the key. With --policy it "
        "also says whose signatures are there and whether this key counts.");
    sign_->AddArgument({.name = "BUNDLE|FILE",
                        .help = "What dragnet release new made, or its release.dnr alone.",
                        .completion = Completion::kFile,
                        .required = true},
                       &word_);
    sign_->AddValue({.name = "--key",
                     .value_name = "KEY",
                     .help = "Release key: a file, ssh-agent:… or pkcs11:…, as signing_key has it. "
                             "Its passphrase is asked for if it has one. Default: signing_key of "
                             "the configuration.",
                     .completion = Completion::kFile},
                    &key_);
    sign_->AddValue({.name = "--policy",
                     .value_name = "FILE",
                     .help = "The signed trust policy in force (dragnet trust show --save).",
                     .completion = Completion::kFile},
                    &policy_);
    sign_->AddSwitch({.name = "--yes", .short_name = "-y", .help = "Don't ask."}, &yes_);
  }

  bool Has(const CommandLine* chosen) const override { return chosen == sign_; }

  absl::StatusOr<int> Run(const CommandLine*, Session& session) override {
    Io& io = session.io();
    DRAGNET_RETURN_IF_ERROR(CheckCanConfirm(io, yes_));
    DRAGNET_ASSIGN_OR_RETURN(ReleaseFile release, ReadReleaseFile(word_, session));
    v1::Envelope& envelope = release.file.document.envelope;
    DRAGNET_RETURN_IF_ERROR(
        Annotate(CheckNotExpired(release.file.document, session.now()), release.path));
    std::optional<TrustPolicy> policy;
    if (!policy_.empty()) {
      DRAGNET_ASSIGN_OR_RETURN(policy, ReadSignedPolicy(policy_, session));
      DRAGNET_RETURN_IF_ERROR(Annotate(
          CheckUnchanged(SignatureStates(envelope, KeysOfReleases(*policy))), release.path));
    }
    io.Show(DescribeRelease(release.release(), session.now()));
    bool whole = true;
    io.Show(DescribePrograms(release, &whole));
    if (!whole) {
      return absl::FailedPreconditionError(
          StrCat(release.bundle, ": its programs aren't those of the release: nothing was signed"));
    }
    io.Say("");
    // After the document, so that a passphrase is for something that was read.
    std::unique_ptr<Signer> own;
    DRAGNET_ASSIGN_OR_RETURN(const Signer* signer, Open(session, &own));
    if (policy.has_value()) DRAGNET_RETURN_IF_ERROR(CheckCounts(*signer, release, *policy));
    if (!yes_) {
      DRAGNET_ASSIGN_OR_RETURN(
          const bool agreed,
          Confirm(io, StrCat("Sign release ", release.release().version(), " with key ",
                             ShortKeyId(signer->public_key().id()), "?")));
      if (!agreed) {
        io.Say("Nothing was signed.");
        return kExitBadInput;
      }
    }
    DRAGNET_RETURN_IF_ERROR(Annotate(AddSignature(*signer, &envelope), release.path));
    DRAGNET_RETURN_IF_ERROR(ReplaceEnvelopeFile(release.path, envelope));
    if (policy.has_value()) {
      io.out->Write(DescribeReleaseSignatures(envelope, release.release(), *policy));
    } else {
      io.Say(StrCat("Signed: ", release.path, " (", envelope.signatures_size(),
                    envelope.signatures_size() == 1 ? " signature" : " signatures",
                    "; whether they are enough: dragnet release show)"));
    }
    return kExitDone;
  }

 private:
  absl::StatusOr<const Signer*> Open(Session& session, std::unique_ptr<Signer>* own) const {
    if (key_.empty()) return session.signer();
    DRAGNET_ASSIGN_OR_RETURN(
        *own, OpenSigner(key_, session.io().read_passphrase, session.io().environment));
    return own->get();
  }

  static bool IsAmong(const PublicKey& key, const KeyThreshold& keys) {
    return std::any_of(keys.keys().begin(), keys.keys().end(),
                       [&](const PublicKey& one) { return one.id() == key.id(); });
  }

  absl::Status CheckCounts(const Signer& signer, const ReleaseFile& release,
                           const TrustPolicy& policy) const {
    const PublicKey& key = signer.public_key();
    if (IsAmong(key, policy.roots())) return absl::OkStatus();
    const bool is_release_key =
        policy.release_keys().has_value() && IsAmong(key, *policy.release_keys());
    if (is_release_key && !release.release().downgrade()) return absl::OkStatus();
    return absl::FailedPreconditionError(StrCat(
        "key ", ShortKeyId(key.id()),
        is_release_key ? " is a release key, and a downgrade takes root keys"
                       : StrCat(" is neither a release key nor a root key of trust policy version ",
                                policy.version()),
        ": its signature would count for nothing"));
  }

  CommandLine* sign_ = nullptr;
  std::string word_;
  std::string key_;
  std::string policy_;
  bool yes_ = false;
};

}  // namespace

std::unique_ptr<CommandPart> NewReleaseSign() { return std::make_unique<ReleaseSign>(); }

}  // namespace dragnet::console
