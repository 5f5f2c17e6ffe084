#include "console/tui/views/order_flow.h"

#include <memory>
#include <utility>

#include "absl/strings/ascii.h"
#include "console/form/describe.h"
#include "console/investigation/delivery.h"
#include "console/investigation/lookup.h"
#include "console/investigation/orders.h"
#include "core/envelope.h"
#include "core/order.h"
#include "core/status_macros.h"
#include "core/strings.h"

namespace dragnet::console::tui {
namespace {

// What the scheduler has of the action, and whether an order may be about it.
struct Subject {
  v1::ActionInfo info;
  v1::Action action;
  // As CheckSubject says it without and with the whole id.
  absl::Status allowed;
  absl::Status allowed_by_id;
  std::string warning;
};

absl::StatusOr<Subject> LookUp(v1::Order::Kind kind, const std::string& action_id, Client& client,
                               const TrustPolicy& policy, const ModuleCatalog& modules,
                               absl::Time now) {
  Subject subject;
  DRAGNET_ASSIGN_OR_RETURN(subject.info, FindActionById(action_id, client));
  // The list has whole ids; a part of one would let the scheduler choose the action.
  if (subject.info.action_id() != action_id) {
    return absl::DataLossError(StrCat("the scheduler gave action ", subject.info.action_id(),
                                      " for the one that was selected, ", action_id,
                                      ": don't trust this scheduler"));
  }
  DRAGNET_ASSIGN_OR_RETURN(subject.action, DecodeAction(subject.info.envelope()));
  subject.allowed = CheckSubject(kind, subject.info, false, policy, modules, now, &subject.warning);
  subject.allowed_by_id =
      CheckSubject(kind, subject.info, true, policy, modules, now, &subject.warning);
  return subject;
}

// Each step holds the flow until it is done; it dies with the last one.
class OrderFlow : public std::enable_shared_from_this<OrderFlow> {
 public:
  OrderFlow(Shell& shell, v1::Order::Kind kind, std::string action_id)
      : shell_(shell), kind_(kind), action_id_(std::move(action_id)) {}

  void Start() {
    const auto policy = shell_.backend().policy();
    if (policy == nullptr) {
      const absl::Status& why = shell_.backend().policy_status();
      return shell_.SayError(StrCat(WordOf(kind_),
                                    ": nothing is signed without the fleet's trust policy: ",
                                    why.ok() ? "it was not fetched yet" : ToStd(why.message())));
    }
    shell_.background().Run(
        Self(),
        [kind = kind_, id = action_id_, policy, client = shell_.backend().client(),
         &modules = shell_.backend().modules(),
         now = shell_.backend().now()] { return LookUp(kind, id, *client, *policy, modules, now); },
        [self = shared_from_this()](absl::StatusOr<Subject> subject) {
          self->OnSubject(std::move(subject));
        });
  }

 private:
  std::weak_ptr<void> Self() { return std::weak_ptr<void>(shared_from_this()); }
  std::string Named() const { return StrCat(OrderVerb(kind_), ": ", subject_.action.name()); }

  void OnSubject(absl::StatusOr<Subject> subject) {
    if (!subject.ok()) return Fail(subject.status());
    subject_ = *std::move(subject);
    if (subject_.allowed.ok()) return AskReason();
    if (!subject_.allowed_by_id.ok()) return Fail(subject_.allowed);
    AskId();
  }

  // So that the scheduler can't choose which action ends.
  void AskId() {
    Shell::Question question;
    question.title = StrCat(OrderVerb(kind_), " an action that no one signed");
    question.text = StrCat(
        subject_.warning,
        ".\nIf it must end all the same: type its whole id, from where you know it and not from "
        "this screen.");
    question.check = [id = subject_.action.id()](const std::string& typed) {
      if (absl::AsciiStrToLower(absl::StripAsciiWhitespace(typed)) == id) return absl::OkStatus();
      return absl::InvalidArgumentError("that is not the id of the action that was selected");
    };
    shell_.Ask(question, [self = shared_from_this()](const std::string&) { self->AskReason(); });
  }

  void AskReason() {
    Shell::Question question;
    question.title = Named();
    question.text = "Why? Signed with it, and shown by agents and to the others. May be empty.";
    question.check = [this, self = shared_from_this()](const std::string& reason) {
      return MakeOrder(reason);
    };
    shell_.Ask(question, [self = shared_from_this()](const std::string&) { self->OpenKey(); });
  }

  absl::Status MakeOrder(const std::string& reason) {
    DRAGNET_ASSIGN_OR_RETURN(
        order_, NewOrder(kind_, subject_.action, shell_.backend().config().fleet_id, reason,
                         shell_.backend().now()));
    return absl::OkStatus();
  }

  void OpenKey() {
    shell_.backend().WithSigner(
        Self(), [self = shared_from_this()](absl::StatusOr<std::shared_ptr<const Signer>> signer) {
          if (!signer.ok()) return self->Fail(signer.status());
          self->signer_ = *std::move(signer);
          self->Confirm();
        });
  }

  void Confirm() {
    std::string text =
        DescribeLines(OrderLines(order_, subject_.action, subject_.info.progress(),
                                 SignerText(shell_.backend().config().name, *signer_)));
    if (!subject_.allowed.ok()) text = StrCat("Warning: ", subject_.warning, "\n\n", text);
    StrAppend(&text, "\nSign this and send it?",
              kind_ == v1::Order::KIND_CANCEL ? " A cancellation can't be undone." : "");
    shell_.Confirm(Named(), text, [self = shared_from_this()] { self->SignAndSend(); });
  }

  void SignAndSend() {
    shell_.Say(StrCat(OrderVerb(kind_), ": signing and sending…"));
    shell_.background().Run(
        Self(),
        [order = order_, signer = signer_,
         client = shell_.backend().client()]() -> absl::StatusOr<v1::SendOrderResponse> {
          v1::Envelope envelope = NewEnvelope(kOrderPayloadType, order.SerializeAsString());
          DRAGNET_RETURN_IF_ERROR(AddSignature(*signer, &envelope));
          v1::SendOrderRequest request;
          request.set_envelope(envelope.SerializeAsString());
          return client->SendOrder(request);
        },
        [self = shared_from_this()](const absl::StatusOr<v1::SendOrderResponse>& response) {
          if (!response.ok()) return self->Fail(response.status());
          self->shell_.Say(
              StrCat(OrderDone(self->kind_), ": ", WhatHappened(self->kind_, *response)));
        });
  }

  void Fail(const absl::Status& status) {
    shell_.SayError(StrCat(WordOf(kind_), ": ", status.message()));
  }

  Shell& shell_;
  const v1::Order::Kind kind_;
  const std::string action_id_;
  Subject subject_;
  v1::Order order_;
  std::shared_ptr<const Signer> signer_;
};

}  // namespace

void GiveOrder(Shell& shell, v1::Order::Kind kind, const std::string& action_id) {
  std::make_shared<OrderFlow>(shell, kind, action_id)->Start();
}

}  // namespace dragnet::console::tui
