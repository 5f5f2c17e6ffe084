#include "console/tui/views/launch_flow.h"

#include <utility>

#include "console/form/describe.h"
#include "console/investigation/action_builder.h"
#include "console/investigation/delivery.h"
#include "core/action.h"
#include "core/status_macros.h"
#include "core/strings.h"

namespace dragnet::console::tui {
namespace {

// Signs, and looks whether that was worth it before anyone is asked to carry it.
absl::StatusOr<v1::Envelope> SignChecked(const v1::Action& action, const Signer& signer,
                                         const std::string& name, const TrustPolicy* policy) {
  DRAGNET_ASSIGN_OR_RETURN(v1::Envelope envelope, SignAction(action, signer));
  if (policy != nullptr && !policy->Signers(envelope).contains(name)) {
    return absl::FailedPreconditionError(
        StrCat("the key that signed is not ", name, "'s in trust policy version ",
               policy->version(), ": agents would not obey it, nothing was launched"));
  }
  return envelope;
}

}  // namespace

std::optional<SignatureNeed> OwnNeed(const Draft& draft, Backend& backend) {
  const std::shared_ptr<const TrustPolicy> policy = backend.policy();
  if (policy == nullptr) return std::nullopt;
  v1::Action action;
  for (const OperationDraft& operation : draft.operations)
    action.add_operations()->set_module(operation.form->name());
  return NeedOf(action, {backend.config().name}, *policy, backend.modules(),
                "your signature gives");
}

std::string NeedWords(const std::optional<SignatureNeed>& need) {
  if (!need.has_value())
    return "no trust policy to check against: the scheduler says whether it starts";
  if (need->enough) return "your signature is enough: it starts at once";
  if (need->impossible) return need->words;
  return StrCat(need->words, need->has_a_say ? ": it will be proposed to the others"
                                             : ": you have no say in it");
}

bool Proposes(const std::optional<SignatureNeed>& need) {
  return need.has_value() && !need->enough && !need->impossible && need->has_a_say;
}

absl::Status CheckHasSay(const std::optional<SignatureNeed>& need, const Backend& backend) {
  if (!need.has_value() || need->enough || Proposes(need)) return absl::OkStatus();
  if (need->impossible) return absl::PermissionDeniedError(need->words);
  return absl::PermissionDeniedError(
      StrCat(backend.config().name, " has no weight in the trust policy: ", need->words));
}

BuildContext LaunchFlow::ContextFor(bool proposes) const {
  Backend& backend = shell_.backend();
  return {.fleet_id = backend.config().fleet_id,
          .now = backend.now(),
          .lifetime = proposes ? kProposalLifetime : kDefaultLifetime,
          .modules = &backend.modules()};
}

absl::StatusOr<LaunchFlow::Prepared> LaunchFlow::Prepare(const Draft& draft,
                                                         const BuildContext& context,
                                                         const std::string& signer,
                                                         bool needs_reach, Client& client) {
  Prepared prepared;
  DRAGNET_ASSIGN_OR_RETURN(prepared.built, BuildDraft(draft, context));
  const absl::StatusOr<Reach> reach = ReachOf(prepared.built.action.target(), client);
  if (!reach.ok() && needs_reach) return reach.status();
  prepared.reach =
      reach.ok() ? ReachWords(*reach) : StrCat("not known: ", reach.status().message());
  prepared.description = DescribeAction(
      prepared.built.action, {{"Reaches", prepared.reach}, {"Signer", signer}}, *context.modules);
  return prepared;
}

void LaunchFlow::Preview(const Draft& draft,
                         std::function<void(absl::StatusOr<std::string>)> then) {
  Backend& backend = shell_.backend();
  shell_.background().Run(
      lifetime_.token(),
      [draft, context = ContextFor(Proposes(OwnNeed(draft, backend))),
       signer = backend.config().name, client = backend.client()]() -> absl::StatusOr<std::string> {
        DRAGNET_ASSIGN_OR_RETURN(const Prepared prepared,
                                 Prepare(draft, context, signer, /*needs_reach=*/false, *client));
        return prepared.description;
      },
      std::move(then));
}

void LaunchFlow::Start(const Draft& draft, std::function<void(const absl::Status&)> failed) {
  if (!doing_.empty()) return shell_.Say(StrCat("wait: ", doing_));
  Backend& backend = shell_.backend();
  const std::optional<SignatureNeed> need = OwnNeed(draft, backend);
  const absl::Status say = CheckHasSay(need, backend);
  if (!say.ok()) return shell_.SayError(say);
  doing_ = "making the document";
  shell_.background().Run(
      lifetime_.token(),
      [draft, context = ContextFor(Proposes(need)), signer = backend.config().name,
       client = backend.client()] {
        return Prepare(draft, context, signer, /*needs_reach=*/true, *client);
      },
      [this, need, failed](absl::StatusOr<Prepared> prepared) {
        doing_.clear();
        shell_.Redraw();
        if (!prepared.ok()) {
          shell_.SayError(prepared.status());
          return failed(prepared.status());
        }
        AskFor(std::make_shared<const Prepared>(*std::move(prepared)), need);
      });
}

void LaunchFlow::AskFor(std::shared_ptr<const Prepared> prepared,
                        const std::optional<SignatureNeed>& need) {
  const bool propose = Proposes(need);
  const std::string text = StrCat("Signatures: ", NeedWords(need), ".\n\n", prepared->description,
                                  "\n", propose ? "Sign and propose?" : "Sign and launch?");
  shell_.Confirm(propose ? "Sign and propose" : "Sign and launch", text,
                 [this, prepared, propose] { Sign(prepared, propose); });
}

void LaunchFlow::Sign(std::shared_ptr<const Prepared> prepared, bool propose) {
  const absl::StatusOr<absl::Time> expires = ToTime(prepared->built.action.expires());
  if (!expires.ok() || *expires <= shell_.backend().now()) {
    return Fail(absl::FailedPreconditionError(
        "it expired while it was shown: nothing was signed; launch it again"));
  }
  doing_ = "opening the signing key";
  shell_.backend().WithSigner(lifetime_.token(), [this, prepared, propose](auto signer) {
    if (!signer.ok()) return Fail(Annotate(signer.status(), "nothing was signed"));
    Send(prepared, propose, *std::move(signer));
  });
}

void LaunchFlow::Send(std::shared_ptr<const Prepared> prepared, bool propose,
                      std::shared_ptr<const Signer> signer) {
  doing_ = propose ? "signing and proposing" : "signing and launching";
  Backend& backend = shell_.backend();
  shell_.background().Run(
      lifetime_.token(),
      [prepared, propose, signer, name = backend.config().name, policy = backend.policy(),
       client = backend.client()]() -> absl::StatusOr<v1::ProposeResponse> {
        const BuiltAction& built = prepared->built;
        DRAGNET_ASSIGN_OR_RETURN(const v1::Envelope envelope,
                                 SignChecked(built.action, *signer, name, policy.get()));
        DRAGNET_RETURN_IF_ERROR(UploadBlobs(built.action, built.blobs, *client));
        if (propose) {
          v1::ProposeRequest request;
          request.set_envelope(envelope.SerializeAsString());
          return client->Propose(request);
        }
        v1::LaunchRequest request;
        request.set_envelope(envelope.SerializeAsString());
        v1::ProposeResponse response;
        DRAGNET_ASSIGN_OR_RETURN(*response.mutable_launched(), client->Launch(request));
        return response;
      },
      [this, prepared, propose](const absl::StatusOr<v1::ProposeResponse>& answer) {
        doing_.clear();
        Sent(prepared->built.action, answer, propose);
      });
}

void LaunchFlow::Sent(const v1::Action& action, const absl::StatusOr<v1::ProposeResponse>& answer,
                      bool proposed) {
  // The answer may have been lost, and not the request.
  if (absl::IsUnavailable(answer.status()) || absl::IsDeadlineExceeded(answer.status())) {
    return Fail(Annotate(answer.status(),
                         "not sure whether it arrived (look at Actions before you try again)"));
  }
  if (!answer.ok()) return Fail(answer.status());
  shell_.Redraw();
  if (answer->has_launched()) {
    shell_.Say(StrCat("launched: ", action.name()));
    return shell_.OpenAction(action.id());
  }
  if (!proposed) return;
  shell_.Say(StrCat("proposed: ", action.name(), ": the others see it now"));
  shell_.ShowTab(Tab::kApprovals);
}

void LaunchFlow::Fail(const absl::Status& status) {
  doing_.clear();
  shell_.SayError(status);
}

}  // namespace dragnet::console::tui
