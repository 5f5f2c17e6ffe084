// `dragnet trust show` and `dragnet trust publish FILE`.
#include "absl/strings/str_join.h"
#include "console/cli/command.h"
#include "console/cli/envelope_file.h"
#include "console/cli/launch.h"
#include "console/form/describe.h"
#include "console/output/cell.h"
#include "console/output/json.h"
#include "core/action.h"
#include "core/certificate.h"
#include "core/status_macros.h"
#include "core/strings.h"
#include "core/text.h"

namespace dragnet::console {
namespace {

std::string KeyWords(const v1::PublicKey& proto) {
  const absl::StatusOr<PublicKey> key = PublicKey::FromProto(proto);
  if (!key.ok()) return "an unreadable key";
  std::string words =
      StrCat(key->algorithm() == KeyAlgorithm::kEd25519 ? "Ed25519 " : "ECDSA P-256 ", key->id());
  if (const auto& security_key = key->security_key(); security_key.has_value()) {
    StrAppend(&words, " in a security key, application ", ForTerminal(security_key->application),
              security_key->user_verification ? ", user verified" : "");
  }
  return words;
}

std::string Describe(const v1::TrustPolicy& policy, absl::Time expires, absl::Time now) {
  const absl::StatusOr<absl::Time> issued = ToTime(policy.issued());
  std::string text = DescribeLines(
      {{"Fleet", policy.fleet_id()},
       {"Version", StrCat(policy.version())},
       {"Issued", issued.ok() ? LocalTime(*issued) : ""},
       {"Expires",
        StrCat(LocalTime(expires), expires < now ? " (EXPIRED: agents refuse everything)" : "")},
       {"Root keys", StrCat(policy.roots().threshold(), " of ", policy.roots().keys_size(),
                            " must sign a new policy")}});
  for (const v1::PublicKey& key : policy.roots().keys())
    StrAppend(&text, "  ", KeyWords(key), "\n");
  text.append("\nInvestigators\n");
  for (const v1::Investigator& person : policy.investigators()) {
    std::vector<std::string> roles;
    for (const int role : person.roles()) {
      const auto* value = v1::Role_descriptor()->FindValueByNumber(role);
      roles.push_back(value == nullptr ? StrCat(role) : EnumWord(value));
    }
    StrAppend(&text, "  ", ForTerminal(person.name()), " (", absl::StrJoin(roles, ", "), ")\n");
    for (const v1::PublicKey& key : person.keys()) StrAppend(&text, "    ", KeyWords(key), "\n");
  }
  text.append("\nModules\n");
  for (const v1::ModulePolicy& module : policy.modules()) {
    std::vector<std::string> weights;
    for (const v1::Weight& weight : module.weights()) {
      weights.push_back(StrCat(ForTerminal(weight.investigator()), " ", weight.weight()));
    }
    StrAppend(&text, "  ", ForTerminal(module.module()), ": weight ", module.minimum_weight(),
              " needed; ", absl::StrJoin(weights, ", "), "\n");
  }
  return text;
}

class TrustCommand : public Command {
 public:
  std::string name() const override { return "trust"; }
  std::string summary() const override { return "Who may order what: show or publish the policy"; }
  CommandGroup group() const override { return CommandGroup::kFleet; }

  absl::Status Define(CommandLine& line) override {
    line.RequireSubcommand();
    show_ = line.AddSubcommand("show", "The fleet's trust policy, checked against the root keys");
    AddOutputFlag(*show_, &output_);
    publish_ = line.AddSubcommand("publish", "Give a newer policy to the scheduler and all agents");
    publish_->AddArgument({.name = "FILE",
                           .help = "The policy's signed envelope; - for standard input.",
                           .completion = Completion::kFile,
                           .required = true},
                          &file_);
    publish_->AddSwitch({.name = "--yes", .short_name = "-y", .help = "Don't ask."}, &yes_);
    return absl::OkStatus();
  }

  absl::StatusOr<int> Run(CommandLine& line, Session& session) override {
    return line.chosen() == publish_ ? Publish(session) : Show(session);
  }

 private:
  absl::StatusOr<int> Show(Session& session) {
    DRAGNET_ASSIGN_OR_RETURN(const TrustPolicy* policy, session.policy());
    Sink& out = *session.io().out;
    if (output_ == "table") {
      out.Write(Describe(policy->proto(), policy->expires(), session.now()));
    } else if (output_ == "csv") {
      return absl::InvalidArgumentError("trust show: --output csv: give table, json or jsonl");
    } else {
      const std::string json = MessageToJson(policy->proto());
      out.Write(StrCat(output_ == "json" ? IndentJson(json) : json, "\n"));
    }
    return kExitDone;
  }

  absl::StatusOr<int> Publish(Session& session) {
    Io& io = session.io();
    DRAGNET_RETURN_IF_ERROR(CheckCanConfirm(io, yes_));
    DRAGNET_ASSIGN_OR_RETURN(const std::string content, ReadInput(io, file_));
    DRAGNET_ASSIGN_OR_RETURN(const std::string bytes, EnvelopeBytes(content));
    DRAGNET_ASSIGN_OR_RETURN(const ConsoleConfig* config, session.config());
    DRAGNET_ASSIGN_OR_RETURN(const RootSet roots, LoadRootKeys(*config));
    const absl::StatusOr<TrustPolicy> policy =
        TrustPolicy::VerifyFirst(bytes, roots, config->fleet_id);
    if (!policy.ok()) return Annotate(policy.status(), file_);
    if (policy->expired(session.now())) {
      return absl::InvalidArgumentError(
          StrCat(file_, ": expired on ", LocalTime(policy->expires()), ": nothing was published"));
    }
    io.err->Write(Describe(policy->proto(), policy->expires(), session.now()));
    io.Say("");
    if (!yes_) {
      DRAGNET_ASSIGN_OR_RETURN(const bool agreed, Confirm(io, "Publish to every agent?"));
      if (!agreed) return kExitBadInput;
    }
    v1::PublishTrustPolicyRequest request;
    request.set_envelope(bytes);
    DRAGNET_ASSIGN_OR_RETURN(Client * client, session.client());
    DRAGNET_ASSIGN_OR_RETURN(const v1::PublishTrustPolicyResponse response,
                             client->PublishTrustPolicy(request));
    io.Say(StrCat("Published version ", response.version(),
                  "; see dragnet agents --long for which agents have it."));
    return kExitDone;
  }

  std::string output_ = "table";
  std::string file_;
  bool yes_ = false;
  CommandLine* show_ = nullptr;
  CommandLine* publish_ = nullptr;
};

}  // namespace

std::unique_ptr<Command> NewTrustCommand() { return std::make_unique<TrustCommand>(); }

}  // namespace dragnet::console
