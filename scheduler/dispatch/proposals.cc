#include "scheduler/dispatch/proposals.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <set>
#include <variant>

#include "absl/strings/str_join.h"
#include "core/action.h"
#include "core/authorization.h"
#include "core/envelope.h"
#include "core/order.h"
#include "core/status_macros.h"
#include "core/strings.h"
#include "core/text.h"
#include "modules/weights.h"

namespace dragnet::scheduler {
namespace {

// To join signatures, while others do, too.
constexpr int kTries = 5;

// Consoles take messages of 4 MiB.
constexpr size_t kMaxListedBytes = 2 * 1024 * 1024;
constexpr size_t kMaxLoggedText = 300;

std::string ForLog(std::string_view text) { return Shorten(ForTerminal(text), kMaxLoggedText); }

std::string Day(absl::Time time) {
  return absl::FormatTime(absl::RFC3339_sec, time, absl::UTCTimeZone());
}

std::set<std::string> ModulesNeeded(const v1::Action& action) {
  std::set<std::string> modules;
  for (const v1::Operation& operation : action.operations())
    for (const std::string& module : WeightsNeededBy(operation)) modules.insert(module);
  return modules;
}

// Of those who signed, the ones with any weight for one of `modules`.
std::set<std::string> WithWeight(const TrustPolicy& policy, const std::set<std::string>& signers,
                                 const std::set<std::string>& modules) {
  std::set<std::string> with_weight;
  for (const v1::ModulePolicy& rule : policy.proto().modules()) {
    if (!modules.contains(rule.module())) continue;
    for (const v1::Weight& entry : rule.weights())
      if (entry.weight() > 0 && signers.contains(entry.investigator()))
        with_weight.insert(entry.investigator());
  }
  return with_weight;
}

// The signatures of `from` that are valid and of people with weight, one of each who
// isn't in `joined` already: a second key of theirs adds no weight, and would take the
// place of somebody else's.
void Join(const v1::Envelope& from, const TrustPolicy& policy, const std::set<std::string>& modules,
          v1::Envelope* joined) {
  v1::Envelope one;
  one.set_payload_type(from.payload_type());
  one.set_payload(from.payload());
  std::set<std::string> people = policy.Signers(*joined);
  for (const v1::Signature& signature : from.signatures()) {
    one.clear_signatures();
    *one.add_signatures() = signature;
    // One at most.
    for (const std::string& signer : WithWeight(policy, policy.Signers(one), modules))
      if (people.insert(signer).second) *joined->add_signatures() = signature;
  }
}

// What Launch asks for too, but for the weight: of that, some.
absl::StatusOr<v1::Action> CheckAction(const v1::Envelope& envelope, const TrustPolicy& policy,
                                       std::string_view fleet_id, absl::Time now) {
  if (policy.expired(now))
    return absl::FailedPreconditionError(
        StrCat("trust policy version ", policy.version(), " expired on ", Day(policy.expires())));
  const std::set<std::string> signers = policy.Signers(envelope);
  if (signers.empty())
    return absl::PermissionDeniedError(
        StrCat("no valid signature of an investigator of trust policy version ", policy.version()));
  DRAGNET_ASSIGN_OR_RETURN(v1::Action action, ParseAction(envelope.payload()));
  if (action.fleet_id() != fleet_id)
    return absl::FailedPreconditionError(
        StrCat("for fleet ", action.fleet_id(), ", this is fleet ", fleet_id));
  for (const v1::Operation& operation : action.operations()) {
    const std::vector<std::string> needed = WeightsNeededBy(operation);
    if (needed.empty())
      return absl::PermissionDeniedError(
          StrCat("module ", operation.module(), " does not exist here"));
    // However many sign it, it could never run.
    for (const std::string& module : needed)
      if (!policy.HasRuleFor(module)) return policy.CheckWeight(module, signers);
  }
  if (WithWeight(policy, signers, ModulesNeeded(action)).empty())
    return absl::PermissionDeniedError(StrCat("none of those who signed (",
                                              absl::StrJoin(signers, ", "),
                                              ") has any weight for one of its operations"));
  DRAGNET_ASSIGN_OR_RETURN(const absl::Time not_before, ToTime(action.not_before()));
  DRAGNET_ASSIGN_OR_RETURN(const absl::Time expires, ToTime(action.expires()));
  if (now < not_before)
    return absl::FailedPreconditionError(
        StrCat("valid from ", Day(not_before), ", this clock says ", Day(now)));
  if (now > expires)
    return absl::FailedPreconditionError(
        StrCat("expired on ", Day(expires), ", this clock says ", Day(now)));
  return action;
}

bool IsAuthorized(const std::string& envelope, const TrustPolicy& policy, std::string_view fleet_id,
                  absl::Time now) {
  AuthorizationContext context;
  context.policy = &policy;
  context.fleet_id = fleet_id;
  context.now = now;
  context.weights_needed = WeightsNeededBy;
  return std::holds_alternative<AuthorizedAction>(AuthorizeAction(envelope, context));
}

absl::StatusOr<v1::Order> ReadOrder(const std::string& bytes) {
  DRAGNET_ASSIGN_OR_RETURN(const v1::Envelope envelope, ParseEnvelope(bytes, kOrderPayloadType));
  return ParseOrder(envelope.payload());
}

std::string RefusalWords(const StoredProposal& stored) {
  const absl::StatusOr<v1::Order> order = ReadOrder(stored.refusal);
  if (!order.ok()) return "was refused";
  std::string words = StrCat("was refused by ", absl::StrJoin(stored.refused_by, ", "));
  if (!order->reason().empty()) StrAppend(&words, ": ", order->reason());
  return words;
}

std::string MissingFor(const v1::Operation& operation, const TrustPolicy& policy,
                       const std::set<std::string>& signers) {
  std::string missing;
  for (const std::string& module : WeightsNeededBy(operation)) {
    const absl::Status weight = policy.CheckWeight(module, signers);
    if (!weight.ok()) StrAppend(&missing, missing.empty() ? "" : "; ", weight.message());
  }
  return missing;
}

absl::Time ClosedAt(const StoredProposal& stored) {
  return stored.state == v1::Proposal::STATE_OPEN ? stored.expires : stored.closed_at;
}

}  // namespace

absl::StatusOr<Proposals::Proposed> Proposals::Propose(const std::string& envelope_bytes,
                                                       const std::string& caller) {
  DRAGNET_ASSIGN_OR_RETURN(const v1::Envelope brought,
                           ParseEnvelope(envelope_bytes, kActionPayloadType));
  const std::shared_ptr<const TrustPolicy> policy = policies_.current();
  const absl::StatusOr<v1::Action> action = CheckAction(brought, *policy, fleet_id_, clock_.Now());
  if (!action.ok()) {
    spdlog::warn("proposal of {} refused: {}", caller, ForLog(ToStd(action.status().message())));
    return action.status();
  }
  absl::MutexLock lock(&proposing_);
  const absl::StatusOr<StoredProposal> known = store_.FindProposal(action->id());
  if (!known.ok() && !absl::IsNotFound(known.status())) return known.status();
  if (known.ok() && known->state == v1::Proposal::STATE_LAUNCHED)
    return AnswerLaunched(*known, brought, caller);
  absl::StatusOr<StoredProposal> joined = AddOrSign(*action, brought, *policy, caller);
  // Another scheduler has added it, or a signature to it, in this moment.
  for (int i = 1; i < kTries && (absl::IsAborted(joined.status()) ||
                                 (i == 1 && absl::IsAlreadyExists(joined.status())));
       ++i)
    joined = AddOrSign(*action, brought, *policy, caller);
  DRAGNET_RETURN_IF_ERROR(joined.status());
  const StoredProposal stored = *std::move(joined);
  if (IsAuthorized(stored.envelope, *policy, fleet_id_, clock_.Now()))
    return Launch(stored, caller);
  return Proposed{.proposal = Describe(stored), .launched = std::nullopt};
}

absl::StatusOr<StoredProposal> Proposals::AddOrSign(const v1::Action& action,
                                                    const v1::Envelope& brought,
                                                    const TrustPolicy& policy,
                                                    const std::string& caller) {
  const std::set<std::string> modules = ModulesNeeded(action);
  absl::StatusOr<StoredProposal> known = store_.FindProposal(action.id());
  if (!known.ok() && !absl::IsNotFound(known.status())) return known.status();
  StoredProposal stored;
  v1::Envelope joined = NewEnvelope(brought.payload_type(), brought.payload());
  if (known.ok()) {
    stored = *std::move(known);
    if (stored.state == v1::Proposal::STATE_REFUSED)
      return absl::FailedPreconditionError(
          StrCat("action ", stored.id, " ", RefusalWords(stored), ": make a new one"));
    DRAGNET_ASSIGN_OR_RETURN(const v1::Envelope before,
                             ParseEnvelope(stored.envelope, kActionPayloadType));
    if (before.payload() != brought.payload())
      return absl::AlreadyExistsError(
          StrCat("another action was proposed under the id ", stored.id, ": make a new one"));
    // Whoever left the policy since drops out here.
    Join(before, policy, modules, &joined);
  }
  Join(brought, policy, modules, &joined);
  if (joined.signatures_size() > kMaxSignatures)
    return absl::ResourceExhaustedError(
        StrCat("action ", action.id(), " would have more than ", kMaxSignatures, " signatures"));
  const std::string envelope = joined.SerializeAsString();
  if (envelope.size() > kMaxEnvelopeBytes)
    return absl::ResourceExhaustedError(StrCat("action ", action.id(), " would have more than ",
                                               kMaxEnvelopeBytes, " bytes with its signatures"));
  if (!stored.id.empty()) {
    if (envelope == stored.envelope) return stored;
    DRAGNET_RETURN_IF_ERROR(store_.SignProposal(stored.id, stored.envelope, envelope));
    spdlog::info("proposal {} signed, brought by {}", stored.id, caller);
  } else {
    stored.id = action.id();
    stored.envelope = envelope;
    stored.proposed_by = caller;
    stored.proposed_at = clock_.Now();
    DRAGNET_ASSIGN_OR_RETURN(stored.expires, ToTime(action.expires()));
    DRAGNET_RETURN_IF_ERROR(store_.AddProposal(stored, bounds_, stored.proposed_at));
    spdlog::info("action {} proposed by {}: \"{}\"", stored.id, caller, ForLog(action.name()));
  }
  stored.envelope = envelope;
  news_.OnProposals();
  return stored;
}

absl::StatusOr<Proposals::Proposed> Proposals::Launch(const StoredProposal& stored,
                                                      const std::string& caller) {
  Proposed proposed;
  DRAGNET_ASSIGN_OR_RETURN(proposed.launched, dispatcher_.Launch(stored.envelope, caller));
  news_.OnProposals();
  StoredProposal after = stored;
  after.state = v1::Proposal::STATE_LAUNCHED;
  proposed.proposal = Describe(after);
  return proposed;
}

absl::StatusOr<Proposals::Proposed> Proposals::AnswerLaunched(const StoredProposal& stored,
                                                              const v1::Envelope& brought,
                                                              const std::string& caller) {
  DRAGNET_ASSIGN_OR_RETURN(const v1::Envelope launched,
                           ParseEnvelope(stored.envelope, kActionPayloadType));
  const bool same_payload = launched.payload() == brought.payload();
  const bool brings_nothing_new =
      std::all_of(brought.signatures().begin(), brought.signatures().end(), [&](const auto& one) {
        return std::any_of(launched.signatures().begin(), launched.signatures().end(),
                           [&](const auto& other) {
                             return one.keyid() == other.keyid() && one.sig() == other.sig();
                           });
      });
  if (same_payload && brings_nothing_new) return Launch(stored, caller);
  return absl::AlreadyExistsError(
      StrCat("action ", stored.id,
             same_payload ? " was launched already" : " is another one: make a new one"));
}

absl::StatusOr<std::optional<std::string>> Proposals::Refuse(const std::string& order_bytes,
                                                             const std::string& sent_by) {
  if (order_bytes.size() > kMaxOrderEnvelopeBytes) return std::nullopt;
  const absl::StatusOr<v1::Order> claimed = ReadOrder(order_bytes);
  // Whoever is asked next says so.
  if (!claimed.ok()) return std::nullopt;
  const absl::StatusOr<StoredProposal> stored = store_.FindProposal(claimed->action_id());
  if (absl::IsNotFound(stored.status())) return std::nullopt;
  DRAGNET_RETURN_IF_ERROR(stored.status());
  if (stored->state == v1::Proposal::STATE_LAUNCHED) return std::nullopt;
  // Whoever lost the answer asks again.
  if (stored->refusal == order_bytes) return stored->id;
  // Its document isn't kept.
  if (stored->envelope.empty())
    return absl::FailedPreconditionError(StrCat("the action ", RefusalWords(*stored)));

  DRAGNET_ASSIGN_OR_RETURN(const v1::Envelope envelope,
                           ParseEnvelope(stored->envelope, kActionPayloadType));
  DRAGNET_ASSIGN_OR_RETURN(const v1::Action action, ParseAction(envelope.payload()));
  const std::shared_ptr<const TrustPolicy> policy = policies_.current();
  OrderContext context;
  context.policy = policy.get();
  context.fleet_id = fleet_id_;
  context.now = clock_.Now();
  context.modules_of = [&](std::string_view) {
    return std::optional<std::vector<std::string>>(ModulesRun(action));
  };
  context.weights_needed = WeightsNeeded;
  context.order_in_force = [](std::string_view) { return std::string(); };
  const auto decision = AuthorizeOrder(order_bytes, context);
  if (const auto* refused = std::get_if<RefusedOrder>(&decision)) {
    spdlog::warn("order of {} refused: {}", sent_by, ForLog(ToStd(refused->status.message())));
    return refused->status;
  }
  const auto& authorized = std::get<AuthorizedOrder>(decision);
  if (stored->state == v1::Proposal::STATE_REFUSED)
    return absl::FailedPreconditionError(StrCat("the action ", RefusalWords(*stored)));
  if (authorized.order.kind() != v1::Order::KIND_CANCEL)
    return absl::FailedPreconditionError(
        "the action waits for signatures and runs nowhere: it can only be cancelled");
  if (!stored->open(context.now))
    return absl::FailedPreconditionError(
        "the action has expired before enough people had signed it");
  const absl::Status done = store_.RefuseProposal(
      stored->id, order_bytes, {authorized.signers.begin(), authorized.signers.end()}, context.now);
  if (absl::IsFailedPrecondition(done)) {
    // In this very moment it was launched, which is the dispatcher's, or refused.
    const absl::StatusOr<StoredProposal> now = store_.FindProposal(stored->id);
    if (now.ok() && now->state == v1::Proposal::STATE_LAUNCHED) return std::nullopt;
  }
  DRAGNET_RETURN_IF_ERROR(done);
  spdlog::info("proposal {} {} (sent by {})", stored->id,
               ForLog(OrderWords(authorized.order, authorized.signers)), sent_by);
  news_.OnProposals();
  return stored->id;
}

v1::Proposal Proposals::Describe(const StoredProposal& stored) const {
  v1::Proposal proposal;
  proposal.set_action_id(stored.id);
  const bool expired = stored.state == v1::Proposal::STATE_OPEN && !stored.open(clock_.Now());
  proposal.set_state(expired ? v1::Proposal::STATE_EXPIRED : stored.state);
  proposal.set_envelope(stored.envelope);
  proposal.set_proposed_by(stored.proposed_by);
  *proposal.mutable_proposed_at() = ToTimestamp(stored.proposed_at);
  *proposal.mutable_expires() = ToTimestamp(stored.expires);
  proposal.set_refusal(stored.refusal);
  const std::shared_ptr<const TrustPolicy> policy = policies_.current();
  const auto envelope = ParseEnvelope(stored.envelope, kActionPayloadType);
  const auto action = envelope.ok() ? ParseAction(envelope->payload()) : envelope.status();
  if (!action.ok()) return proposal;
  const std::set<std::string> signers = policy->Signers(*envelope);
  for (const std::string& signer : signers) proposal.add_signed_by(signer);
  for (const v1::Operation& operation : action->operations())
    proposal.add_missing(MissingFor(operation, *policy, signers));
  return proposal;
}

absl::StatusOr<std::vector<v1::Proposal>> Proposals::List(bool with_closed) {
  const absl::Time now = clock_.Now();
  std::vector<v1::Proposal> listed;
  size_t bytes = 0;
  int closed = 0;
  const auto add = [&](const StoredProposal& stored) {
    if (!stored.open(now)) {
      if (!with_closed || closed == kClosedProposalsKept || stored.envelope.empty()) return;
      if (ClosedAt(stored) < now - kClosedProposalsKeptFor) return;
      ++closed;
    }
    v1::Proposal& proposal = listed.emplace_back(Describe(stored));
    // What doesn't fit is asked for one by one.
    const size_t size = proposal.envelope().size() + proposal.refusal().size();
    if (bytes + size > kMaxListedBytes) {
      proposal.clear_envelope();
      proposal.clear_refusal();
    } else {
      bytes += size;
    }
  };
  DRAGNET_RETURN_IF_ERROR(store_.ForEachProposal(add));
  return listed;
}

}  // namespace dragnet::scheduler
