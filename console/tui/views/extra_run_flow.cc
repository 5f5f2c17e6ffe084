#include "console/tui/views/extra_run_flow.h"

#include <memory>
#include <utility>

#include "console/form/describe.h"
#include "console/investigation/delivery.h"
#include "console/investigation/lookup.h"
#include "console/investigation/proposals.h"
#include "console/investigation/verification.h"
#include "console/sweeps/new_sweep.h"
#include "core/action.h"
#include "core/status_macros.h"
#include "core/strings.h"

namespace dragnet::console::tui {
namespace {

constexpr absl::Duration kLifetime = absl::Hours(1);

struct Prepared {
  v1::Action action;
  SignatureNeed need;
  std::string description;
};

absl::StatusOr<Prepared> Prepare(const std::string& sweep_id, const std::string& name,
                                 Client& client, const TrustPolicy& policy,
                                 const ModuleCatalog& modules, absl::Time now) {
  DRAGNET_ASSIGN_OR_RETURN(const v1::ActionInfo info, FindActionById(sweep_id, client));
  // The list has whole ids; a part of one would let the scheduler choose the sweep.
  if (info.action_id() != sweep_id)
    return absl::DataLossError("the scheduler gave another sweep: don't trust this scheduler");
  DRAGNET_ASSIGN_OR_RETURN(const ActionVerification about,
                           VerifyAction(info.envelope(), policy, modules, now));
  if (about.signers.empty()) {
    return absl::FailedPreconditionError(
        "no one in the trust policy signed what the scheduler shows of it: don't trust this "
        "scheduler");
  }
  DRAGNET_RETURN_IF_ERROR(CheckReadable(about.action, modules));
  Prepared prepared;
  DRAGNET_ASSIGN_OR_RETURN(prepared.action, ExtraRunOf(about.action, kLifetime, now));
  prepared.need = NeedOf(prepared.action, {name}, policy, modules, "your signature gives");
  if (prepared.need.impossible || (!prepared.need.enough && !prepared.need.has_a_say)) {
    return absl::PermissionDeniedError(
        StrCat(name, " has no weight in the trust policy: ", prepared.need.words));
  }
  if (!prepared.need.enough)
    *prepared.action.mutable_expires() = ToTimestamp(now + kProposalLifetime);
  DRAGNET_ASSIGN_OR_RETURN(const Reach reach, ReachOf(prepared.action.target(), client));
  prepared.description =
      DescribeAction(prepared.action, {{"Reaches", ReachWords(reach)}, {"Signer", name}}, modules);
  return prepared;
}

absl::StatusOr<v1::ProposeResponse> Send(const Prepared& prepared, const Signer& signer,
                                         const std::string& name, const TrustPolicy& policy,
                                         Client& client) {
  DRAGNET_ASSIGN_OR_RETURN(const v1::Envelope envelope, SignAction(prepared.action, signer));
  if (!policy.Signers(envelope).contains(name)) {
    return absl::FailedPreconditionError(
        StrCat("the key that signed is not ", name, "'s in the trust policy: nothing was sent"));
  }
  if (!prepared.need.enough) {
    v1::ProposeRequest request;
    request.set_envelope(envelope.SerializeAsString());
    return client.Propose(request);
  }
  v1::LaunchRequest request;
  request.set_envelope(envelope.SerializeAsString());
  v1::ProposeResponse response;
  DRAGNET_ASSIGN_OR_RETURN(*response.mutable_launched(), client.Launch(request));
  return response;
}

// Each step holds the flow until it is done; it dies with the last one.
class ExtraRunFlow : public std::enable_shared_from_this<ExtraRunFlow> {
 public:
  ExtraRunFlow(Shell& shell, std::string sweep_id)
      : shell_(shell), sweep_id_(std::move(sweep_id)), policy_(shell.backend().policy()) {}

  void Start() {
    if (policy_ == nullptr) {
      const absl::Status& why = shell_.backend().policy_status();
      return shell_.SayError(StrCat("run now: nothing is signed without the fleet's trust policy: ",
                                    why.ok() ? "it was not fetched yet" : ToStd(why.message())));
    }
    Backend& backend = shell_.backend();
    shell_.background().Run(
        Self(),
        [id = sweep_id_, name = backend.config().name, client = backend.client(), policy = policy_,
         &modules = backend.modules(),
         now = backend.now()] { return Prepare(id, name, *client, *policy, modules, now); },
        [self = shared_from_this()](absl::StatusOr<Prepared> prepared) {
          if (!prepared.ok()) return self->Fail(prepared.status());
          self->prepared_ = *std::move(prepared);
          self->Ask();
        });
  }

 private:
  std::weak_ptr<void> Self() { return std::weak_ptr<void>(shared_from_this()); }

  void Ask() {
    const bool launches = prepared_.need.enough;
    const std::string signatures =
        launches ? "your signature is enough: it starts at once"
                 : StrCat(prepared_.need.words, ": it will be proposed to the others");
    shell_.Confirm(launches ? "Sign and launch" : "Sign and propose",
                   StrCat("Signatures: ", signatures, ".\n\n", prepared_.description, "\n",
                          launches ? "Sign and launch?" : "Sign and propose?"),
                   [self = shared_from_this()] { self->Sign(); });
  }

  void Sign() {
    const absl::StatusOr<absl::Time> expires = ToTime(prepared_.action.expires());
    if (!expires.ok() || *expires <= shell_.backend().now())
      return Fail(absl::FailedPreconditionError("it expired while it was shown: ask again"));
    shell_.Say("run now: signing and sending…");
    shell_.backend().WithSigner(
        Self(), [self = shared_from_this()](absl::StatusOr<std::shared_ptr<const Signer>> signer) {
          if (!signer.ok()) return self->Fail(signer.status());
          self->SendWith(*std::move(signer));
        });
  }

  void SendWith(std::shared_ptr<const Signer> signer) {
    Backend& backend = shell_.backend();
    shell_.background().Run(
        Self(),
        [prepared = prepared_, signer, name = backend.config().name, policy = policy_,
         client = backend.client()] { return Send(prepared, *signer, name, *policy, *client); },
        [self = shared_from_this()](const absl::StatusOr<v1::ProposeResponse>& answer) {
          if (!answer.ok()) return self->Fail(answer.status());
          self->shell_.Say(StrCat(answer->has_launched() ? "launched: " : "proposed: ",
                                  self->prepared_.action.name()));
        });
  }

  void Fail(const absl::Status& status) { shell_.SayError(StrCat("run now: ", status.message())); }

  Shell& shell_;
  const std::string sweep_id_;
  const std::shared_ptr<const TrustPolicy> policy_;
  Prepared prepared_;
};

}  // namespace

void RunSweepOnce(Shell& shell, const std::string& sweep_id) {
  std::make_shared<ExtraRunFlow>(shell, sweep_id)->Start();
}

}  // namespace dragnet::console::tui
