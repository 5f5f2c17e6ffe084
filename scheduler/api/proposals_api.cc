// The part of InvestigatorApi about proposals, and about what one agent was asked.
#include <set>
#include <utility>

#include "core/action.h"
#include "core/envelope.h"
#include "core/order.h"
#include "core/status_macros.h"
#include "core/strings.h"
#include "core/uuid.h"
#include "scheduler/api/investigator_api.h"

namespace dragnet::scheduler {
namespace {

constexpr uint32_t kDefaultAgentActions = 50;
constexpr uint32_t kMaxAgentActions = 1000;
constexpr absl::Duration kProposedBlobsKeptFor = absl::Hours(7 * 24);

// For people; empty where the stored order can't be read.
std::string RefusalWords(const StoredProposal& stored) {
  const auto envelope = ParseEnvelope(stored.refusal, kOrderPayloadType);
  const auto order = envelope.ok() ? ParseOrder(envelope->payload()) : envelope.status();
  if (!order.ok()) return "";
  return OrderWords(*order, {stored.refused_by.begin(), stored.refused_by.end()});
}

absl::StatusOr<std::string> NameOf(const std::string& action_envelope) {
  DRAGNET_ASSIGN_OR_RETURN(const v1::Envelope envelope,
                           ParseEnvelope(action_envelope, kActionPayloadType));
  DRAGNET_ASSIGN_OR_RETURN(const v1::Action action, ParseAction(envelope.payload()));
  return action.name();
}

}  // namespace

absl::Status InvestigatorApi::Propose(const std::string& caller, const v1::ProposeRequest& request,
                                      v1::ProposeResponse* response) {
  // As in Launch: until someone with weight is known to have signed it, only as long
  // as a blob that was just brought.
  DRAGNET_RETURN_IF_ERROR(KeepBlobsSafe(request.envelope(), clock_.Now()));
  DRAGNET_ASSIGN_OR_RETURN(Proposals::Proposed proposed,
                           proposals_.Propose(request.envelope(), caller));
  // Someone whose weight alone launches nothing must not fill the room for blobs for
  // a year: of what waits, they are kept for as long after each signature.
  DRAGNET_RETURN_IF_ERROR(
      proposed.launched.has_value()
          ? KeepBlobs(request.envelope(), absl::InfiniteFuture())
          : KeepBlobsSafe(request.envelope(), clock_.Now() + kProposedBlobsKeptFor));
  *response->mutable_proposal() = std::move(proposed.proposal);
  if (!proposed.launched.has_value()) return absl::OkStatus();
  response->mutable_launched()->set_action_id(proposed.launched->action_id);
  response->mutable_launched()->set_targeted(proposed.launched->targeted);
  response->mutable_launched()->set_connected(proposed.launched->connected);
  return absl::OkStatus();
}

absl::Status InvestigatorApi::ListProposals(const v1::ListProposalsRequest& request,
                                            v1::ListProposalsResponse* response) {
  DRAGNET_ASSIGN_OR_RETURN(std::vector<v1::Proposal> listed,
                           proposals_.List(request.with_closed()));
  for (v1::Proposal& proposal : listed) *response->add_proposals() = std::move(proposal);
  return absl::OkStatus();
}

absl::Status InvestigatorApi::ListAgentActions(const v1::ListAgentActionsRequest& request,
                                               v1::ListAgentActionsResponse* response) {
  if (!IsUuid(request.agent_id())) return absl::InvalidArgumentError("agent_id: give the whole id");
  if (request.page_size() > kMaxAgentActions)
    return absl::InvalidArgumentError(StrCat("page_size: at most ", kMaxAgentActions));
  const uint32_t limit = request.page_size() == 0 ? kDefaultAgentActions : request.page_size();
  DRAGNET_ASSIGN_OR_RETURN(const std::vector<AgentAction> actions,
                           store_.ActionsOf(request.agent_id(), static_cast<int>(limit)));
  for (const AgentAction& asked : actions) {
    v1::ListAgentActionsResponse::Entry* entry = response->add_actions();
    entry->set_action_id(asked.action.id);
    DRAGNET_ASSIGN_OR_RETURN(*entry->mutable_name(), NameOf(asked.action.envelope));
    *entry->mutable_launched_at() = ToTimestamp(asked.action.launched_at);
    entry->set_state(asked.state);
    entry->set_rows(asked.rows);
  }
  return absl::OkStatus();
}

absl::StatusOr<std::string> InvestigatorApi::ResolveId(const std::string& fragment) {
  DRAGNET_ASSIGN_OR_RETURN(const std::vector<std::string> actions,
                           store_.MatchActions(fragment, 2));
  DRAGNET_ASSIGN_OR_RETURN(const std::vector<std::string> proposals,
                           store_.MatchProposals(fragment, 2));
  // What was launched is in both.
  std::set<std::string> ids(actions.begin(), actions.end());
  ids.insert(proposals.begin(), proposals.end());
  if (ids.empty()) return absl::NotFoundError(StrCat("no action ", fragment));
  if (ids.size() == 1) return *ids.begin();
  return absl::InvalidArgumentError(
      StrCat("several actions have ", fragment, " in their id: give more of it"));
}

absl::Status InvestigatorApi::DescribeProposal(const std::string& id, v1::ActionInfo* info) {
  DRAGNET_ASSIGN_OR_RETURN(const StoredProposal stored, store_.FindProposal(id));
  if (stored.envelope.empty())
    return absl::NotFoundError(StrCat("action ", id, " was never launched (", RefusalWords(stored),
                                      "), and its document is no longer kept"));
  const v1::Proposal proposal = proposals_.Describe(stored);
  info->set_action_id(stored.id);
  info->set_envelope(stored.envelope);
  *info->mutable_signed_by() = proposal.signed_by();
  *info->mutable_expires() = proposal.expires();
  info->mutable_progress();
  DRAGNET_ASSIGN_OR_RETURN(*info->mutable_name(), NameOf(stored.envelope));
  switch (proposal.state()) {
    case v1::Proposal::STATE_REFUSED:
      info->set_phase(v1::DISPATCH_PHASE_REFUSED);
      info->set_phase_reason(RefusalWords(stored));
      info->add_orders(stored.refusal);
      return absl::OkStatus();
    case v1::Proposal::STATE_EXPIRED:
      info->set_phase(v1::DISPATCH_PHASE_ENDED);
      info->set_phase_reason("expired before enough people had signed it");
      return absl::OkStatus();
    default:
      info->set_phase(v1::DISPATCH_PHASE_PROPOSED);
      info->set_phase_reason(StrCat("proposed by ", stored.proposed_by));
      return absl::OkStatus();
  }
}

}  // namespace dragnet::scheduler
