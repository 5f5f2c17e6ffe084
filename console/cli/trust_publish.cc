// `dragnet trust publish FILE`: checked here first, so that what is missing is
// said in words before anything is sent.
#include <algorithm>

#include "console/cli/document_file.h"
#include "console/cli/exit_status.h"
#include "console/cli/trust_command.h"
#include "console/output/cell.h"
#include "console/trust/difference.h"
#include "console/trust/policy_text.h"
#include "console/trust/signatures.h"
#include "core/status_macros.h"
#include "core/strings.h"

namespace dragnet::console {
namespace {

class TrustPublish : public CommandPart {
 public:
  void Define(CommandLine& trust) override {
    publish_ =
        trust.AddSubcommand("publish", "Give a signed policy to the scheduler and all agents");
    publish_->SetDescription(
        "Checks here what agents will check: fleet, version, expiry, enough signatures of the root "
        "keys in force and of those that it names. Says what is missing; shows what changes, and "
        "asks. Takes the role operator.");
    publish_->AddArgument({.name = "FILE",
                           .help = "The signed policy; - for standard input.",
                           .completion = Completion::kFile,
                           .required = true},
                          &file_);
    publish_->AddSwitch({.name = "--yes", .short_name = "-y", .help = "Don't ask."}, &yes_);
  }

  bool Has(const CommandLine* chosen) const override { return chosen == publish_; }

  absl::StatusOr<int> Run(const CommandLine*, Session& session) override {
    Io& io = session.io();
    DRAGNET_RETURN_IF_ERROR(CheckCanConfirm(io, yes_));
    DRAGNET_ASSIGN_OR_RETURN(const DocumentFile file, ReadPolicyFile(file_, session));
    const v1::TrustPolicy& policy = *file.document.policy();
    DRAGNET_ASSIGN_OR_RETURN(const ConsoleConfig* config, session.config());
    DRAGNET_ASSIGN_OR_RETURN(const TrustPolicy* current, session.policy());
    DRAGNET_RETURN_IF_ERROR(CheckFits(file.document, *current, session.now()));
    DRAGNET_ASSIGN_OR_RETURN(const RootSet roots, RootSet::FromProto(policy.roots()));
    DRAGNET_RETURN_IF_ERROR(CheckSigned(file.document.envelope, roots, *current, io));
    // The whole once more, as agents do it.
    const absl::StatusOr<TrustPolicy> successor =
        current->VerifySuccessor(file.bytes, session.now());
    if (!successor.ok()) return Annotate(successor.status(), file_);
    if (!current->RolesOf(config->name).contains(v1::ROLE_OPERATOR)) {
      return absl::PermissionDeniedError(
          StrCat(config->name, " has not the role operator in version ", current->version(),
                 ": have someone publish it who has (dragnet trust show)"));
    }

    io.err->Write(DescribePolicy(policy, session.now()));
    io.err->Write(
        StrCat("\nWhat changes against version ", current->version(), "\n",
               DescribeChanges(Differences(current->proto(), policy, session.modules()))));
    io.Say("");
    if (!yes_) {
      DRAGNET_ASSIGN_OR_RETURN(const bool agreed, Confirm(io, "Publish to every agent?"));
      if (!agreed) {
        io.Say("Nothing was published.");
        return kExitBadInput;
      }
    }
    v1::PublishTrustPolicyRequest request;
    request.set_envelope(file.bytes);
    DRAGNET_ASSIGN_OR_RETURN(Client * client, session.client());
    const absl::StatusOr<v1::PublishTrustPolicyResponse> response =
        client->PublishTrustPolicy(request);
    if (!response.ok()) return AfterRefusal(response.status(), policy.version(), *client);
    io.Say(StrCat("Published version ", response->version(),
                  "; dragnet trust agents says which agents have it."));
    SayWhatToDo(roots, *current, *successor, config->name, io);
    return kExitDone;
  }

 private:
  absl::Status CheckFits(const SignedDocument& document, const TrustPolicy& current,
                         absl::Time now) const {
    const v1::TrustPolicy& policy = *document.policy();
    if (policy.fleet_id() != current.fleet_id()) {
      return absl::FailedPreconditionError(
          StrCat(file_, ": of fleet ", policy.fleet_id(), ", this is fleet ", current.fleet_id()));
    }
    if (policy.version() <= current.version())
      return Overtaken(policy.version(), current.version());
    return Annotate(CheckNotExpired(document, now), file_);
  }

  absl::Status Overtaken(uint64_t version, uint64_t current) const {
    return absl::FailedPreconditionError(
        StrCat(file_, ": version ", version, ", and the fleet has version ", current,
               " already: someone published meanwhile. Nothing was published. See what differs "
               "(dragnet trust diff ",
               file_,
               "), draft anew (dragnet trust draft OTHER), make your "
               "changes there and have it signed"));
  }

  // Says everything that is missing, not only the first.
  absl::Status CheckSigned(const v1::Envelope& envelope, const RootSet& roots,
                           const TrustPolicy& current, Io& io) const {
    const bool rotates =
        roots.ToProto().SerializeAsString() != current.roots().ToProto().SerializeAsString();
    const bool by_old = current.roots().CheckThreshold(envelope).ok();
    const bool by_new = roots.CheckThreshold(envelope).ok();
    if (by_old && by_new) return absl::OkStatus();
    io.err->Write(DescribeRootSignatures(envelope, current.roots(), "in force"));
    if (rotates) {
      io.err->Write(DescribeRootSignatures(envelope, roots, "of the new policy"));
    }
    return absl::PermissionDeniedError(
        StrCat(file_, ": too few of the root keys ",
               by_old     ? "of the new policy"
               : !rotates ? "in force"
               : by_new   ? "in force"
                          : "in force, and of the new policy,",
               " have signed it: have it signed (dragnet trust sign ", file_, " --key …)"));
  }

  // Between our look and our call someone else may have published.
  absl::Status AfterRefusal(const absl::Status& refusal, uint64_t version, Client& client) const {
    const absl::StatusOr<v1::GetTrustPolicyResponse> now = client.GetTrustPolicy();
    if (!now.ok()) return refusal;
    // Only for the wording: nothing is decided by it.
    const absl::StatusOr<SignedDocument> document = ReadDocument(now->envelope());
    if (!document.ok() || document->policy() == nullptr ||
        document->policy()->version() < version) {
      return refusal;
    }
    return Overtaken(version, document->policy()->version());
  }

  static void SayWhatToDo(const RootSet& roots, const TrustPolicy& current,
                          const TrustPolicy& successor, const std::string& name, Io& io) {
    if (roots.ToProto().SerializeAsString() != current.roots().ToProto().SerializeAsString()) {
      io.Say(
          StrCat("The root keys changed. Before the next policy is published, put the new ones "
                 "into root_keys, and ",
                 roots.threshold(),
                 " into root_threshold, of every "
                 "investigator's console.toml."));
    }
    if (successor.RolesOf(name).empty()) {
      io.Say(StrCat(name, " has no role in it: the scheduler refuses this console from now on."));
    }
  }

  CommandLine* publish_ = nullptr;
  std::string file_;
  bool yes_ = false;
};

}  // namespace

std::unique_ptr<CommandPart> NewTrustPublish() { return std::make_unique<TrustPublish>(); }

}  // namespace dragnet::console
