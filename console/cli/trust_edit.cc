// `dragnet trust draft|add|remove|key|role|weight|root|release-key|ca FILE`: changes a policy
// that is being drafted. No network but for the draft's beginning.
#include <functional>

#include "absl/strings/numbers.h"
#include "console/cli/document_file.h"
#include "console/cli/envelope_file.h"
#include "console/cli/exit_status.h"
#include "console/cli/trust_command.h"
#include "console/form/values.h"
#include "console/output/cell.h"
#include "console/trust/ca_certificate.h"
#include "console/trust/difference.h"
#include "console/trust/edit.h"
#include "console/trust/keys.h"
#include "core/action.h"
#include "core/file_io.h"
#include "core/status_macros.h"
#include "core/strings.h"
#include "core/text.h"

namespace dragnet::console {
namespace {

constexpr absl::Duration kMaxPolicyLifetime = absl::Hours(10 * 366 * 24);

absl::StatusOr<std::vector<PublicKey>> ReadKeys(const std::vector<std::string>& paths,
                                                bool user_verification) {
  std::vector<PublicKey> keys;
  for (const std::string& path : paths) {
    DRAGNET_ASSIGN_OR_RETURN(const std::string text, ReadFile(path));
    absl::StatusOr<PublicKey> key = ReadPublicKey(text);
    if (key.ok() && user_verification) key = DemandUserVerification(*key);
    if (!key.ok()) return Annotate(key.status(), path);
    keys.push_back(*std::move(key));
  }
  return keys;
}

absl::StatusOr<std::vector<NamedWeight>> ReadWeights(const std::vector<std::string>& words,
                                                     std::string_view flag) {
  std::vector<NamedWeight> weights;
  for (const std::string& word : words) {
    absl::StatusOr<NamedWeight> weight = ParseNamedWeight(word);
    if (!weight.ok()) return Annotate(weight.status(), flag);
    weights.push_back(*std::move(weight));
  }
  return weights;
}

absl::StatusOr<std::vector<v1::Role>> ReadRoles(const std::vector<std::string>& words) {
  std::vector<v1::Role> roles;
  // By a word of its own, so that nobody loses their roles by leaving them out.
  if (words.size() == 1 && words[0] == "none") return roles;
  for (const std::string& word : words) {
    DRAGNET_ASSIGN_OR_RETURN(const v1::Role role, ParseRole(word));
    roles.push_back(role);
  }
  return roles;
}

absl::StatusOr<std::optional<uint32_t>> ReadNumber(const std::string& text, std::string_view flag) {
  if (text.empty()) return std::nullopt;
  uint32_t number = 0;
  if (!absl::SimpleAtoi(text, &number)) {
    return absl::InvalidArgumentError(StrCat(flag, " ", ForTerminal(text), ": not a number"));
  }
  return number;
}

class TrustEdit : public CommandPart {
 public:
  void Define(CommandLine& trust) override;
  bool Has(const CommandLine* chosen) const override {
    for (const CommandLine* line :
         {draft_, add_, remove_, key_, role_, weight_, root_, release_, ca_})
      if (line == chosen) return true;
    return false;
  }
  absl::StatusOr<int> Run(const CommandLine* chosen, Session& session) override {
    return chosen == draft_ ? Draft(session) : Edit(chosen, session);
  }

 private:
  absl::StatusOr<int> Draft(Session& session);
  absl::StatusOr<int> Edit(const CommandLine* chosen, Session& session);
  absl::Status Apply(const CommandLine* chosen, v1::TrustPolicy* policy);
  absl::Status ApplyWeight(v1::TrustPolicy* policy);
  absl::Status ApplyCa(v1::TrustPolicy* policy);

  CommandLine* draft_ = nullptr;
  CommandLine* add_ = nullptr;
  CommandLine* remove_ = nullptr;
  CommandLine* key_ = nullptr;
  CommandLine* role_ = nullptr;
  CommandLine* weight_ = nullptr;
  CommandLine* root_ = nullptr;
  CommandLine* release_ = nullptr;
  CommandLine* ca_ = nullptr;

  std::string file_;
  std::string name_;
  std::string from_;
  std::string expires_ = "365d";
  std::string number_;
  bool remove_rule_ = false;
  bool user_verification_ = false;
  std::vector<std::string> key_files_;
  std::vector<std::string> removed_;
  std::vector<std::string> roles_;
  std::vector<std::string> weights_;
};

void TrustEdit::Define(CommandLine& trust) {
  const auto subcommand = [&](const char* name, const char* summary) {
    CommandLine* line = trust.AddSubcommand(name, summary);
    line->AddArgument({.name = "FILE",
                       .help = "The drafted policy (dragnet trust draft). It is changed in place; "
                               "signatures on it are dropped, and that is said.",
                       .completion = Completion::kFile,
                       .required = true},
                      &file_);
    return line;
  };
  const auto person = [&](CommandLine* line) {
    line->AddArgument({.name = "NAME",
                       .help = "The investigator, as in their TLS certificate: 1 to 64 of a-z, "
                               "0-9, '.', '_' and '-'.",
                       .required = true},
                      &name_);
  };

  const auto user_verification = [&](CommandLine* line) {
    line->AddSwitch({.name = "--user-verification",
                     .help = "The keys that are added are in security keys: take only signatures "
                             "for which the token asked for its PIN or a finger, too."},
                    &user_verification_);
  };

  const auto key_changes = [&](CommandLine* line, const char* threshold) {
    line->AddValues({.name = "--add",
                     .value_name = "FILE",
                     .help = "Public key (repeatable).",
                     .completion = Completion::kFile},
                    &key_files_);
    line->AddValues({.name = "--remove",
                     .value_name = "ID",
                     .help = "Its id, or 8 characters or more of its beginning (repeatable)."},
                    &removed_);
    line->AddValue({.name = "--threshold", .value_name = "N", .help = threshold}, &number_);
  };

  draft_ = trust.AddSubcommand("draft", "Begin the next policy: a copy of the one in force");
  draft_->SetDescription(
      "Writes a new file: the policy in force with the next version and a new expiry, and without "
      "signatures.");
  draft_->AddArgument(
      {.name = "FILE", .help = "The new file.", .completion = Completion::kFile, .required = true},
      &file_);
  draft_->AddValue({.name = "--expires",
                    .value_name = "DURATION",
                    .help = "For how long it holds from now: 365d, 12w. Afterwards agents refuse "
                            "everything until they get another one. Default: 365d."},
                   &expires_);
  draft_->AddValue({.name = "--from",
                    .value_name = "FILE",
                    .help = "Copy this signed policy (dragnet trust show --save) and don't ask the "
                            "scheduler.",
                    .completion = Completion::kFile},
                   &from_);

  add_ = subcommand("add", "Add an investigator");
  person(add_);
  add_->AddValues({.name = "--key",
                   .value_name = "FILE",
                   .help = "Public signing key (repeatable, up to 8).",
                   .completion = Completion::kFile,
                   .required = true},
                  &key_files_);
  user_verification(add_);
  add_->AddValues({.name = "--role",
                   .value_name = "ROLE",
                   .help = "What the scheduler lets them do: reader (read), investigator (also "
                           "launch), operator (publish policies, revoke, make tokens). Repeatable. "
                           "Signing weight is separate.",
                   .choices = {"reader", "investigator", "operator"},
                   .required = true},
                  &roles_);
  add_->AddValues({.name = "--weight",
                   .value_name = "MODULE=N",
                   .help = "Weight of their signature for a module; \"*\" is every module that has "
                           "a rule, and one that is named goes over it. Repeatable."},
                  &weights_);

  remove_ = subcommand("remove", "Remove an investigator, with all their weights");
  person(remove_);

  key_ = subcommand("key", "Add and remove an investigator's signing keys");
  person(key_);
  key_->AddValues({.name = "--add",
                   .value_name = "FILE",
                   .help = "Public key (repeatable).",
                   .completion = Completion::kFile},
                  &key_files_);
  key_->AddValues({.name = "--remove",
                   .value_name = "ID",
                   .help = "Its id, or 8 characters or more of its beginning (repeatable)."},
                  &removed_);
  user_verification(key_);

  role_ = subcommand("role", "Set an investigator's roles: these and no others");
  person(role_);
  role_->AddArguments(
      {.name = "ROLE", .help = "reader, investigator, operator; or none.", .required = true},
      &roles_);

  weight_ = subcommand("weight", "Set a module's minimum weight and who has how much");
  weight_->AddArgument({.name = "MODULE",
                        .help = "The module.",
                        .completion = Completion::kModule,
                        .required = true},
                       &name_);
  weight_->AddValue({.name = "--minimum",
                     .value_name = "N",
                     .help = "Weight that the different people who signed must have together. "
                             "Makes the rule where the module has none."},
                    &number_);
  weight_->AddValues(
      {.name = "--of",
       .value_name = "NAME=N",
       .help = "Weight of an investigator's signature; 0 takes it away. Repeatable."},
      &weights_);
  weight_->AddSwitch({.name = "--remove", .help = "Remove the rule: then no one may use it."},
                     &remove_rule_);

  root_ = subcommand("root", "Change the root keys, or how many of them must sign");
  root_->SetDescription(
      "The policy then needs the signatures of enough of the old root keys and of enough of the "
      "new ones.");
  key_changes(root_, "How many of them must sign from this version on.");

  release_ = subcommand("release-key", "Change the keys that make releases of the agent");
  release_->SetDescription(
      "A build of the agent is taken by agents when enough of these keys signed it (dragnet "
      "release). They are no root keys and no investigators'. Without any, only root keys make a "
      "release.");
  key_changes(release_, "How many of them must sign a release.");
  user_verification(release_);

  ca_ = subcommand("ca", "Change the CA certificates that agents accept schedulers of");
  ca_->AddValues({.name = "--add",
                  .value_name = "FILE",
                  .help = "CA certificate in PEM form (repeatable).",
                  .completion = Completion::kFile},
                 &key_files_);
  ca_->AddValues(
      {.name = "--remove",
       .value_name = "SHA256",
       .help = "Its fingerprint, or 8 characters or more of its beginning (repeatable)."},
      &removed_);
}

absl::StatusOr<int> TrustEdit::Draft(Session& session) {
  absl::StatusOr<absl::Duration> lifetime = ParseDuration(expires_);
  if (!lifetime.ok()) return Annotate(lifetime.status(), "--expires");
  if (*lifetime < absl::Hours(1) || *lifetime > kMaxPolicyLifetime) {
    return absl::InvalidArgumentError("--expires: 1h to 3660d");
  }
  v1::TrustPolicy current;
  if (from_.empty()) {
    DRAGNET_ASSIGN_OR_RETURN(const TrustPolicy* policy, session.policy());
    current = policy->proto();
  } else {
    DRAGNET_ASSIGN_OR_RETURN(const TrustPolicy policy, ReadSignedPolicy(from_, session));
    current = policy.proto();
  }
  const v1::TrustPolicy next = DraftSuccessor(current, session.now(), *lifetime);
  DRAGNET_ASSIGN_OR_RETURN(const v1::Envelope envelope, PolicyEnvelope(next));
  DRAGNET_RETURN_IF_ERROR(WriteEnvelopeFile(file_, envelope));
  session.io().Say(StrCat(file_, ": version ", next.version(), ", until ",
                          LocalTime(*ToTime(next.expires())), ", not signed yet."));
  return kExitDone;
}

absl::Status TrustEdit::ApplyWeight(v1::TrustPolicy* policy) {
  DRAGNET_ASSIGN_OR_RETURN(const auto minimum, ReadNumber(number_, "--minimum"));
  DRAGNET_ASSIGN_OR_RETURN(const auto people, ReadWeights(weights_, "--of"));
  if (remove_rule_) {
    if (minimum.has_value() || !people.empty()) {
      return absl::InvalidArgumentError("--remove takes the whole rule: give it alone");
    }
    return RemoveModule(name_, policy);
  }
  return SetWeights(name_, minimum, people, policy);
}

absl::Status TrustEdit::ApplyCa(v1::TrustPolicy* policy) {
  std::vector<std::string> certificates;
  for (const std::string& path : key_files_) {
    DRAGNET_ASSIGN_OR_RETURN(const std::string pem, ReadFile(path));
    absl::StatusOr<std::string> der = CaCertificateFromPem(pem);
    if (!der.ok()) return Annotate(der.status(), path);
    certificates.push_back(*std::move(der));
  }
  return ChangeCaCertificates(certificates, removed_, policy);
}

absl::Status TrustEdit::Apply(const CommandLine* chosen, v1::TrustPolicy* policy) {
  if (chosen == remove_) return RemoveInvestigator(name_, policy);
  if (chosen == weight_) return ApplyWeight(policy);
  if (chosen == ca_) return ApplyCa(policy);
  if (chosen == role_) {
    DRAGNET_ASSIGN_OR_RETURN(const auto roles, ReadRoles(roles_));
    return SetRoles(name_, roles, policy);
  }
  DRAGNET_ASSIGN_OR_RETURN(const std::vector<PublicKey> keys,
                           ReadKeys(key_files_, user_verification_));
  if (user_verification_ && keys.empty()) {
    return absl::InvalidArgumentError("--user-verification: of which key? Give --add FILE");
  }
  if (chosen == key_) return ChangeKeys(name_, keys, removed_, policy);
  if (chosen == root_ || chosen == release_) {
    DRAGNET_ASSIGN_OR_RETURN(const auto threshold, ReadNumber(number_, "--threshold"));
    return chosen == root_ ? ChangeRoots(keys, removed_, threshold, policy)
                           : ChangeReleaseKeys(keys, removed_, threshold, policy);
  }
  DRAGNET_ASSIGN_OR_RETURN(const auto roles, ReadRoles(roles_));
  DRAGNET_ASSIGN_OR_RETURN(const auto weights, ReadWeights(weights_, "--weight"));
  return AddInvestigator(name_, keys, roles, weights, policy);
}

absl::StatusOr<int> TrustEdit::Edit(const CommandLine* chosen, Session& session) {
  DRAGNET_ASSIGN_OR_RETURN(const DocumentFile file, ReadPolicyFile(file_, session));
  const v1::TrustPolicy& before = *file.document.policy();
  v1::TrustPolicy after = before;
  DRAGNET_RETURN_IF_ERROR(Apply(chosen, &after));
  const absl::StatusOr<v1::Envelope> envelope = PolicyEnvelope(after);
  if (!envelope.ok()) {
    return Annotate(envelope.status(), StrCat("nothing was changed in ", file_));
  }
  if (envelope->payload() == file.document.envelope.payload()) {
    session.io().Say(StrCat(file_, ": nothing to change."));
    return kExitDone;
  }
  DRAGNET_RETURN_IF_ERROR(ReplaceEnvelopeFile(file_, *envelope));
  session.io().out->Write(DescribeChanges(Differences(before, after, session.modules())));
  const int dropped = file.document.envelope.signatures_size();
  if (dropped > 0) {
    session.io().Say(StrCat(file_, ": ", dropped,
                            dropped == 1 ? " signature was" : " signatures were",
                            " dropped: enough root keys must sign it anew."));
  }
  return kExitDone;
}

}  // namespace

std::unique_ptr<CommandPart> NewTrustEdit() { return std::make_unique<TrustEdit>(); }

}  // namespace dragnet::console
