// `dragnet cancel|pause|resume ACTION`: a signed order about an action.
#include "absl/strings/ascii.h"
#include "console/cli/command.h"
#include "console/cli/sweep.h"
#include "console/form/describe.h"
#include "console/investigation/delivery.h"
#include "console/investigation/lookup.h"
#include "console/investigation/orders.h"
#include "core/envelope.h"
#include "core/order.h"
#include "core/status_macros.h"
#include "core/strings.h"
#include "core/text.h"
#include "core/uuid.h"

namespace dragnet::console {
namespace {

class OrderCommand : public Command {
 public:
  struct Words {
    std::string summary{};
    std::string description{};
  };

  OrderCommand(v1::Order::Kind kind, Words words, bool of_sweeps = false)
      : kind_(kind), words_(std::move(words)), of_sweeps_(of_sweeps) {}

  std::string name() const override { return std::string(WordOf(kind_)); }
  std::string summary() const override { return words_.summary; }
  CommandGroup group() const override { return CommandGroup::kInvestigations; }

  absl::Status Define(CommandLine& line) override {
    line.SetDescription(words_.description);
    line.AddArgument({.name = of_sweeps_ ? "SWEEP" : "ACTION",
                      .help = "Its id, a unique beginning or end of it, or \"last\".",
                      .required = true},
                     &action_);
    line.AddValue({.name = "--reason",
                   .value_name = "TEXT",
                   .help = "For people: signed with it, and shown by agents, too."},
                  &reason_);
    line.AddSwitch(
        {.name = "--yes", .short_name = "-y", .help = "Don't ask. Takes the action's whole id."},
        &yes_);
    return absl::OkStatus();
  }

  absl::StatusOr<int> Run(CommandLine&, Session& session) override {
    Io& io = session.io();
    DRAGNET_RETURN_IF_ERROR(CheckCanConfirm(io, yes_));
    // Anything shorter is the scheduler's to resolve, and nobody looks at what.
    if (yes_ && !IsWholeId()) {
      return absl::InvalidArgumentError(
          StrCat(name(), " --yes: give the action's whole id (see dragnet actions)"));
    }
    DRAGNET_ASSIGN_OR_RETURN(const v1::ActionInfo info, Find(session));
    DRAGNET_ASSIGN_OR_RETURN(const v1::Action action, DecodeAction(info.envelope()));
    DRAGNET_ASSIGN_OR_RETURN(const TrustPolicy* policy, session.policy());
    std::string warning;
    DRAGNET_RETURN_IF_ERROR(CheckSubject(kind_, info, IsWholeId(), *policy, session.modules(),
                                         session.now(), &warning));
    if (!warning.empty()) io.Say(StrCat("warning: ", warning));
    DRAGNET_ASSIGN_OR_RETURN(const ConsoleConfig* config, session.config());
    DRAGNET_ASSIGN_OR_RETURN(const Signer* signer, session.signer());
    DRAGNET_ASSIGN_OR_RETURN(const v1::Order order,
                             NewOrder(kind_, action, config->fleet_id, reason_, session.now()));
    io.Show(DescribeLines(
        OrderLines(order, action, info.progress(), SignerText(config->name, *signer))));
    io.Say("");
    if (!yes_) {
      DRAGNET_ASSIGN_OR_RETURN(const bool agreed,
                               Confirm(io, StrCat(OrderVerb(kind_), " ", ForTerminal(action.name()),
                                                  " (", ForTerminal(action.id()), ")?")));
      if (!agreed) {
        io.Say("Nothing was signed or sent.");
        return kExitBadInput;
      }
    }
    v1::Envelope envelope = NewEnvelope(kOrderPayloadType, order.SerializeAsString());
    DRAGNET_RETURN_IF_ERROR(AddSignature(*signer, &envelope));
    v1::SendOrderRequest request;
    request.set_envelope(envelope.SerializeAsString());
    DRAGNET_ASSIGN_OR_RETURN(Client * client, session.client());
    DRAGNET_ASSIGN_OR_RETURN(const v1::SendOrderResponse response, client->SendOrder(request));
    io.Say(StrCat(OrderDone(kind_), " ", ForTerminal(action.id()), ": ",
                  info.phase() == v1::DISPATCH_PHASE_PROPOSED
                      ? "it waited for signatures, and is sent to no one."
                      : WhatHappened(kind_, response)));
    return kExitDone;
  }

 private:
  absl::StatusOr<v1::ActionInfo> Find(Session& session) const {
    if (!of_sweeps_) return session.FindAction(action_);
    DRAGNET_ASSIGN_OR_RETURN(const Sweep sweep, FindSweepByWord(action_, 1, session));
    return sweep.info().action();
  }

  bool IsWholeId() const { return IsUuidV7(absl::AsciiStrToLower(action_)); }

  const v1::Order::Kind kind_;
  const Words words_;
  const bool of_sweeps_;
  std::string action_;
  std::string reason_;
  bool yes_ = false;
};

}  // namespace

std::unique_ptr<Command> NewCancelCommand() {
  return std::make_unique<OrderCommand>(
      v1::Order::KIND_CANCEL,
      OrderCommand::Words{
          .summary = "End an action everywhere",
          .description = "Agents kill what runs of it, and say incomplete; it goes to no further "
                         "agent. Signed with your key, and it can't be undone."});
}

std::unique_ptr<Command> NewPauseCommand() {
  return std::make_unique<OrderCommand>(
      v1::Order::KIND_PAUSE,
      OrderCommand::Words{
          .summary = "Let an action stand still until it is resumed",
          .description = "On agents that have it, what runs is stopped and nothing further starts; "
                         "it goes to no further agent. When the action expires, it ends. Signed "
                         "with your key."});
}

std::unique_ptr<Command> NewResumeCommand() {
  return std::make_unique<OrderCommand>(
      v1::Order::KIND_RESUME,
      OrderCommand::Words{
          .summary = "Let a paused or stopped action go on",
          .description = "Also one that stopped by itself because too many agents failed, or that "
                         "waits for its canaries. Signed with your key, which must have the "
                         "weight that launching the action takes."});
}

std::unique_ptr<Command> NewSweepOrderCommand(v1::Order::Kind kind) {
  std::string description;
  switch (kind) {
    case v1::Order::KIND_PAUSE:
      description =
          "No host begins a run until it is resumed, and what runs stands still. What then becomes "
          "of the runs that were missed is said in the sweep (--missed). Signed with your key.";
      break;
    case v1::Order::KIND_RESUME:
      description = "Signed with your key, which must have the weight that launching it takes.";
      break;
    default:
      description =
          "Hosts forget it and kill what runs of it: a signed cancellation, which can't be undone. "
          "What was told stays at the scheduler.";
  }
  return std::make_unique<OrderCommand>(kind, OrderCommand::Words{.description = description},
                                        /*of_sweeps=*/true);
}

}  // namespace dragnet::console
