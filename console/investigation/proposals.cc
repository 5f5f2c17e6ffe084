#include "console/investigation/proposals.h"

#include "console/investigation/lookup.h"
#include "core/action.h"
#include "core/envelope.h"
#include "core/status_macros.h"
#include "core/strict_proto.h"
#include "core/strings.h"

namespace dragnet::console {
namespace {

const v1::ModulePolicy* RuleOf(const std::string& module, const TrustPolicy& policy) {
  for (const v1::ModulePolicy& rule : policy.proto().modules())
    if (rule.module() == module) return &rule;
  return nullptr;
}

uint64_t WeightOf(const v1::ModulePolicy& rule, const std::set<std::string>& signers) {
  uint64_t weight = 0;
  for (const v1::Weight& entry : rule.weights())
    if (signers.contains(entry.investigator())) weight += entry.weight();
  return weight;
}

// A list leaves out the documents that don't fit into it.
absl::Status Complete(v1::Proposal* proposal, Client& client) {
  if (!proposal->envelope().empty()) return absl::OkStatus();
  DRAGNET_ASSIGN_OR_RETURN(const v1::ActionInfo info,
                           FindActionById(proposal->action_id(), client));
  proposal->set_envelope(info.envelope());
  if (info.phase() == v1::DISPATCH_PHASE_REFUSED && info.orders_size() == 1)
    proposal->set_refusal(info.orders(0));
  return absl::OkStatus();
}

}  // namespace

std::set<std::string> PeopleOf(const PublicKey& key, const TrustPolicy& policy) {
  std::set<std::string> people;
  for (const v1::Investigator& investigator : policy.proto().investigators())
    for (const v1::PublicKey& theirs : investigator.keys())
      if (theirs.spki() == key.spki()) people.insert(investigator.name());
  return people;
}

SignatureNeed NeedOf(const v1::Action& action, const std::set<std::string>& signers,
                     const TrustPolicy& policy, const ModuleCatalog& modules,
                     std::string_view whose) {
  SignatureNeed need;
  std::set<std::string> seen;
  for (const v1::Operation& operation : action.operations()) {
    const std::vector<std::string> needed = modules.WeightsNeededBy(operation);
    if (needed.empty()) {
      need.enough = false;
      need.impossible = true;
      need.words = StrCat("this version has no module ", operation.module());
      return need;
    }
    for (const std::string& module : needed) {
      if (!seen.insert(module).second) continue;
      const v1::ModulePolicy* rule = RuleOf(module, policy);
      if (rule == nullptr) {
        need.enough = false;
        need.impossible = true;
        need.words = StrCat("module ", module, " has no rule in trust policy version ",
                            policy.version(), ": nobody may run it");
        return need;
      }
      const uint64_t weight = WeightOf(*rule, signers);
      need.has_a_say = need.has_a_say || weight > 0;
      if (weight >= rule->minimum_weight()) continue;
      need.enough = false;
      StrAppend(&need.words, need.words.empty() ? "" : "; ", "needs weight ",
                rule->minimum_weight(), " for ", module, ", ", whose, " ", weight);
    }
  }
  return need;
}

absl::StatusOr<std::vector<CheckedProposal>> FindProposals(bool with_closed, Client& client,
                                                           const TrustPolicy& policy,
                                                           const ModuleCatalog& modules,
                                                           absl::Time now) {
  v1::ListProposalsRequest request;
  request.set_with_closed(with_closed);
  DRAGNET_ASSIGN_OR_RETURN(v1::ListProposalsResponse response, client.ListProposals(request));
  std::vector<CheckedProposal> found;
  for (v1::Proposal& proposal : *response.mutable_proposals()) {
    DRAGNET_RETURN_IF_ERROR(Complete(&proposal, client));
    DRAGNET_ASSIGN_OR_RETURN(ActionVerification verification,
                             VerifyAction(proposal.envelope(), policy, modules, now));
    if (verification.action.id() != proposal.action_id())
      return absl::DataLossError(StrCat("the scheduler gives the document of action ",
                                        verification.action.id(), " for proposal ",
                                        proposal.action_id()));
    proposal.clear_signed_by();
    for (const std::string& signer : verification.signers) proposal.add_signed_by(signer);
    proposal.clear_missing();
    if (verification.signers.empty()) {
      proposal.add_missing("no one in the trust policy signed this: don't trust this scheduler");
    } else {
      const SignatureNeed need =
          NeedOf(verification.action, verification.signers, policy, modules, "has");
      if (!need.words.empty()) proposal.add_missing(need.words);
    }
    found.push_back({std::move(proposal), std::move(verification)});
  }
  return found;
}

absl::Status CheckReadable(const v1::Action& action, const ModuleCatalog& modules) {
  for (const v1::Operation& operation : action.operations()) {
    const Module* module = modules.Find(operation.module());
    if (module == nullptr) {
      return absl::FailedPreconditionError(StrCat("this version has no module ", operation.module(),
                                                  " and can't show what it would do"));
    }
    const auto parameters = module->NewParameters();
    if (!ParseStrict(operation.parameters(), kMaxParameterBytes, parameters.get()).ok()) {
      return absl::FailedPreconditionError(StrCat("this version can't read the parameters of ",
                                                  operation.module(),
                                                  " and can't show what it would do"));
    }
  }
  return absl::OkStatus();
}

absl::StatusOr<v1::Envelope> SignSamePayload(std::string_view envelope_bytes,
                                             const Signer& signer) {
  DRAGNET_ASSIGN_OR_RETURN(const v1::Envelope given,
                           ParseEnvelope(envelope_bytes, kActionPayloadType));
  v1::Envelope envelope = NewEnvelope(kActionPayloadType, given.payload());
  DRAGNET_RETURN_IF_ERROR(AddSignature(signer, &envelope));
  return envelope;
}

}  // namespace dragnet::console
