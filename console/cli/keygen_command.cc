// `dragnet keygen`: an investigator's signing key, or their TLS key and the
// request for its certificate.
#include "console/cli/command.h"
#include "console/signing/key_file.h"
#include "console/signing/secret.h"
#include "console/signing/tls_request.h"
#include "core/certificate.h"
#include "core/file_io.h"
#include "core/status_macros.h"
#include "core/strings.h"
#include "core/text.h"

namespace dragnet::console {
namespace {

constexpr size_t kMinPassphrase = 12;

absl::Status RefuseExisting(const std::vector<std::string>& paths) {
  for (const std::string& path : paths) {
    if (!absl::IsNotFound(ReadFile(path).status())) {
      return absl::AlreadyExistsError(
          StrCat("keygen: ", path, ": is there already, and nothing is overwritten: give --out"));
    }
  }
  return absl::OkStatus();
}

// The private half first: what others learn of is then there.
absl::Status WritePair(const std::string& private_path, std::string_view private_pem,
                       const std::string& public_path, std::string_view public_text) {
  DRAGNET_RETURN_IF_ERROR(Annotate(WriteNewFile(private_path, private_pem, 0600), "keygen"));
  return Annotate(WriteNewFile(public_path, public_text, 0644), "keygen");
}

absl::StatusOr<Secret> AskNewPassphrase(Io& io, const std::string& path) {
  DRAGNET_ASSIGN_OR_RETURN(std::string first,
                           io.read_passphrase(StrCat("New passphrase of ", path)));
  Secret passphrase(std::move(first));
  if (passphrase.text().size() < kMinPassphrase) {
    return absl::InvalidArgumentError(
        StrCat("keygen: a passphrase has at least ", kMinPassphrase,
               " characters: nothing was written (--no-passphrase for none)"));
  }
  DRAGNET_ASSIGN_OR_RETURN(std::string second, io.read_passphrase("The same again"));
  if (Secret(std::move(second)).text() != passphrase.text()) {
    return absl::InvalidArgumentError("keygen: the two are not the same: nothing was written");
  }
  return passphrase;
}

class KeygenCommand : public Command {
 public:
  std::string name() const override { return "keygen"; }
  std::string summary() const override {
    return "Make a signing key, or a TLS key and its request";
  }
  CommandGroup group() const override { return CommandGroup::kFleet; }

  absl::Status Define(CommandLine& line) override {
    line.SetDescription(
        "Without --tls: writes FILE, a signing key encrypted with a passphrase that is asked for "
        "twice, and FILE.pub for the trust policy. With --tls: writes DIR/tls.key and "
        "DIR/tls.csr, from which the fleet's operator issues a certificate. Nothing is "
        "overwritten.");
    line.AddValue(
        {.name = "--out",
         .value_name = "FILE",
         .help = "Where to (default: signing.key). With --tls the directory (default: .).",
         .completion = Completion::kFile},
        &out_);
    line.AddValue({.name = "--algorithm",
                   .value_name = "NAME",
                   .help = "Of the signing key (default: ed25519).",
                   .choices = {"ed25519", "p256"}},
                  &algorithm_);
    line.AddSwitch({.name = "--no-passphrase",
                    .help = "Write the signing key unencrypted. Who copies the file can then sign "
                            "as you."},
                   &no_passphrase_);
    line.AddValue({.name = "--tls",
                   .value_name = "NAME",
                   .help = "Make the TLS identity of the investigator NAME instead."},
                  &tls_);
    line.AddValue({.name = "--fleet", .value_name = "ID", .help = "The fleet's id, for --tls."},
                  &fleet_);
    return absl::OkStatus();
  }

  absl::StatusOr<int> Run(CommandLine&, Session& session) override {
    if (tls_.has_value()) return MakeTls(session.io());
    if (fleet_.has_value()) {
      return absl::InvalidArgumentError("keygen: --fleet: is for --tls only");
    }
    return MakeSigningKey(session.io());
  }

 private:
  absl::StatusOr<int> MakeSigningKey(Io& io) {
    const std::string path = out_.value_or("signing.key");
    if (path.empty()) return absl::InvalidArgumentError("keygen: --out: is empty");
    const std::string public_path = path + ".pub";
    DRAGNET_RETURN_IF_ERROR(RefuseExisting({path, public_path}));
    const KeyAlgorithm algorithm = algorithm_.value_or("ed25519") == "p256"
                                       ? KeyAlgorithm::kEcdsaP256
                                       : KeyAlgorithm::kEd25519;
    DRAGNET_ASSIGN_OR_RETURN(const PrivateKey key, PrivateKey::Generate(algorithm));
    DRAGNET_ASSIGN_OR_RETURN(const Secret pem, PrivatePem(io, path, key));
    const PublicKey& public_key = key.public_key();
    DRAGNET_RETURN_IF_ERROR(WritePair(path, pem.text(), public_path, public_key.ToPem()));
    io.out->Write(StrCat("key id       ", public_key.id(), "\nfingerprint  ",
                         public_key.SshFingerprint(), "\n"));
    DRAGNET_RETURN_IF_ERROR(io.out->Flush());
    io.Say(StrCat("Wrote ", ForTerminal(path), no_passphrase_ ? " (not encrypted)" : "", " and ",
                  ForTerminal(public_path),
                  ".\nNext: set signing_key in console.toml, and give the .pub file to who keeps "
                  "the fleet's trust policy (dragnet help trust); read the key id out to them over "
                  "another channel."));
    return kExitDone;
  }

  absl::StatusOr<Secret> PrivatePem(Io& io, const std::string& path, const PrivateKey& key) {
    if (no_passphrase_) return Secret(key.ToPem());
    absl::StatusOr<Secret> passphrase = AskNewPassphrase(io, path);
    if (absl::IsFailedPrecondition(passphrase.status())) {
      return Annotate(passphrase.status(), "keygen (--no-passphrase for none)");
    }
    if (!passphrase.ok()) return passphrase.status();
    DRAGNET_ASSIGN_OR_RETURN(std::string pem, EncryptKey(key, passphrase->text()));
    return Secret(std::move(pem));
  }

  absl::StatusOr<int> MakeTls(Io& io) {
    if (algorithm_.has_value() || no_passphrase_) {
      return absl::InvalidArgumentError(
          "keygen: --tls: goes without --algorithm and --no-passphrase: TLS keys are P-256 and "
          "unencrypted");
    }
    if (!IsInvestigatorName(*tls_)) {
      return absl::InvalidArgumentError(
          StrCat("keygen: --tls: \"", *tls_,
                 "\" is not an investigator's name: 1 to 64 of a-z 0-9 . _ -"));
    }
    if (!fleet_.has_value() || !IsFleetId(*fleet_)) {
      return absl::InvalidArgumentError(
          "keygen: --tls: needs --fleet ID, the fleet_id of console.toml");
    }
    const std::string directory = out_.value_or(".");
    if (directory.empty()) return absl::InvalidArgumentError("keygen: --out: is empty");
    const std::string key_path = directory + "/tls.key";
    const std::string request_path = directory + "/tls.csr";
    DRAGNET_RETURN_IF_ERROR(RefuseExisting({key_path, request_path}));
    DRAGNET_ASSIGN_OR_RETURN(const PrivateKey key, PrivateKey::Generate(KeyAlgorithm::kEcdsaP256));
    const SpiffeId owner{*fleet_, "investigator", *tls_};
    DRAGNET_ASSIGN_OR_RETURN(const std::string request, CreateTlsRequest(key, owner));
    DRAGNET_RETURN_IF_ERROR(Annotate(MakeDirectories(directory, 0700), "keygen"));
    DRAGNET_RETURN_IF_ERROR(WritePair(key_path, Secret(key.ToPem()).text(), request_path, request));
    io.out->Write(
        StrCat("identity  ", FormatSpiffeId(owner), "\nkey id    ", key.public_key().id(), "\n"));
    DRAGNET_RETURN_IF_ERROR(io.out->Flush());
    io.Say(StrCat("Wrote ", ForTerminal(key_path), " and ", ForTerminal(request_path),
                  ".\nNext: give tls.csr to the fleet's operator, who issues tls.pem from it "
                  "(dragnet-scheduler issue); put that beside tls.key. tls.key stays here."));
    return kExitDone;
  }

  std::optional<std::string> out_;
  std::optional<std::string> algorithm_;
  std::optional<std::string> tls_;
  std::optional<std::string> fleet_;
  bool no_passphrase_ = false;
};

}  // namespace

std::unique_ptr<Command> NewKeygenCommand() { return std::make_unique<KeygenCommand>(); }

}  // namespace dragnet::console
