#include "console/tui/views/launch_flow.h"

#include <algorithm>
#include <utility>

#include "absl/strings/str_join.h"
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

std::vector<std::string> ModulesOf(const Draft& draft) {
  std::vector<std::string> modules;
  for (const OperationDraft& operation : draft.operations)
    modules.push_back(operation.form->name());
  return modules;
}

std::vector<std::string> MissingWeight(const std::vector<std::string>& modules,
                                       const std::set<std::string>& signers,
                                       const TrustPolicy& policy, const ModuleCatalog& catalog) {
  std::vector<std::string> missing;
  const auto add = [&](std::string words) {
    if (std::find(missing.begin(), missing.end(), words) == missing.end())
      missing.push_back(std::move(words));
  };
  for (const std::string& module : modules) {
    const std::vector<std::string> needed = catalog.WeightsNeeded(module);
    if (needed.empty()) add(StrCat("module ", module, " is not known to this version"));
    for (const std::string& each : needed) {
      const absl::Status weight = policy.CheckWeight(each, signers);
      if (!weight.ok()) add(std::string(weight.message()));
    }
  }
  return missing;
}

std::string WeightNote::Words() const {
  if (!known) return "the trust policy isn't here yet: the scheduler decides whether it starts";
  if (missing.empty()) return "your signature is enough: it starts at once";
  return StrCat("it will be proposed to the others: ", absl::StrJoin(missing, "; "));
}

WeightNote OwnWeight(const Draft& draft, Backend& backend) {
  WeightNote note;
  const std::shared_ptr<const TrustPolicy> policy = backend.policy();
  if (policy == nullptr) return note;
  note.known = true;
  note.missing =
      MissingWeight(ModulesOf(draft), {backend.config().name}, *policy, backend.modules());
  return note;
}

BuildContext LaunchFlow::ContextFor(const WeightNote& weight) const {
  Backend& backend = shell_.backend();
  return {.fleet_id = backend.config().fleet_id,
          .now = backend.now(),
          .lifetime = weight.proposes() ? kProposalLifetime : kDefaultLifetime,
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
      [draft, context = ContextFor(OwnWeight(draft, backend)), signer = backend.config().name,
       client = backend.client()]() -> absl::StatusOr<std::string> {
        DRAGNET_ASSIGN_OR_RETURN(const Prepared prepared,
                                 Prepare(draft, context, signer, /*needs_reach=*/false, *client));
        return prepared.description;
      },
      std::move(then));
}

void LaunchFlow::Start(const Draft& draft, std::function<void(const absl::Status&)> failed) {
  if (!doing_.empty()) return shell_.Say(StrCat("wait: ", doing_));
  doing_ = "making the document";
  Backend& backend = shell_.backend();
  const WeightNote weight = OwnWeight(draft, backend);
  shell_.background().Run(
      lifetime_.token(),
      [draft, context = ContextFor(weight), signer = backend.config().name,
       client = backend.client()] {
        return Prepare(draft, context, signer, /*needs_reach=*/true, *client);
      },
      [this, weight, failed](absl::StatusOr<Prepared> prepared) {
        doing_.clear();
        shell_.Redraw();
        if (!prepared.ok()) {
          shell_.SayError(prepared.status());
          return failed(prepared.status());
        }
        AskFor(std::make_shared<const Prepared>(*std::move(prepared)), weight);
      });
}

void LaunchFlow::AskFor(std::shared_ptr<const Prepared> prepared, const WeightNote& weight) {
  const bool propose = weight.proposes();
  const std::string text =
      StrCat(prepared->description, "\n", propose ? "Needs others: " : "", weight.Words(), ".\n\n",
             propose ? "Sign and propose?" : "Sign and launch?");
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
