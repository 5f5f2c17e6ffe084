#include "scheduler/api/investigator_api.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <utility>

#include "core/action.h"
#include "core/envelope.h"
#include "core/status_macros.h"
#include "core/text.h"
#include "core/trust_policy.h"
#include "core/uuid.h"
#include "scheduler/api/agent_search.h"
#include "scheduler/api/sweeps.h"
#include "scheduler/observe/log.h"
#include "scheduler/store/sweep_terms.h"

namespace dragnet::scheduler {
namespace {

// Consoles take messages of 4 MiB; a page ends when it is full.
constexpr size_t kMaxPageBytes = 2 * 1024 * 1024;
constexpr absl::Duration kMaxKept = absl::Hours(100 * 366 * 24);

// Zero means the default.
absl::StatusOr<size_t> PageSize(uint32_t asked, uint32_t otherwise, uint32_t maximum) {
  if (asked > maximum) return absl::InvalidArgumentError(StrCat("page_size: at most ", maximum));
  return asked == 0 ? otherwise : asked;
}

}  // namespace

absl::Status InvestigatorApi::Launch(const std::string& caller, const v1::LaunchRequest& request,
                                     v1::LaunchResponse* response) {
  // For now only as long as a blob that was just brought: what is signed by no
  // one must not fill the room for blobs until it says it expires.
  DRAGNET_RETURN_IF_ERROR(KeepBlobsSafe(request.envelope(), clock_.Now()));
  DRAGNET_ASSIGN_OR_RETURN(const Dispatcher::Launched launched,
                           dispatcher_.Launch(request.envelope(), caller));
  DRAGNET_RETURN_IF_ERROR(KeepBlobs(request.envelope(), absl::InfiniteFuture()));
  // It may have been proposed before.
  news_.OnProposals();
  response->set_action_id(launched.action_id);
  response->set_targeted(launched.targeted);
  response->set_connected(launched.connected);
  return absl::OkStatus();
}

absl::Status InvestigatorApi::KeepBlobs(const std::string& envelope_bytes, absl::Time at_most) {
  const absl::StatusOr<v1::Envelope> envelope = ParseEnvelope(envelope_bytes, kActionPayloadType);
  if (!envelope.ok()) return absl::OkStatus();  // the dispatcher refuses it, and says why
  const absl::StatusOr<v1::Action> action = ParseAction(envelope->payload());
  if (!action.ok()) return absl::OkStatus();
  DRAGNET_ASSIGN_OR_RETURN(const absl::Time expires, ToTime(action->expires()));
  for (const v1::Operation& operation : action->operations()) {
    for (const v1::Blob& blob : operation.blobs()) {
      if (!blobs_.Has(blob.sha256()) && !blob_source_.Fetch(blob.sha256()).ok()) {
        return absl::FailedPreconditionError(
            StrCat("blob ", HexEncode(blob.sha256()), " (", blob.field(), "): bring it first"));
      }
      DRAGNET_RETURN_IF_ERROR(blobs_.KeepUntil(blob.sha256(), std::min(expires, at_most)));
    }
  }
  return absl::OkStatus();
}

absl::Status InvestigatorApi::KeepBlobsSafe(const std::string& envelope_bytes, absl::Time at_most) {
  DRAGNET_RETURN_IF_ERROR(KeepBlobs(envelope_bytes, at_most));
  return blob_source_.MakeSafe(BlobsOf(envelope_bytes), at_most);
}

absl::Status InvestigatorApi::FindMissingBlobs(const v1::FindMissingBlobsRequest& request,
                                               v1::FindMissingBlobsResponse* response) {
  if (request.sha256_size() > kMaxOperations * kMaxBlobs)
    return absl::InvalidArgumentError(StrCat("sha256: at most ", kMaxOperations * kMaxBlobs));
  for (const std::string& sha256 : request.sha256()) {
    if (!blobs_.Has(sha256)) response->add_sha256(sha256);
  }
  return absl::OkStatus();
}

absl::Status InvestigatorApi::PutBlobPart(const std::string& caller,
                                          const v1::PutBlobPartRequest& request,
                                          v1::PutBlobPartResponse*) {
  return blobs_.PutPart(caller, request);
}

absl::StatusOr<v1::Progress> InvestigatorApi::ProgressOf(const std::string& action_id) {
  return progress_.Of(action_id, dispatcher_.HeldBackOf(action_id));
}

absl::Status InvestigatorApi::DescribePhase(const StoredAction& action, v1::ActionInfo* info) {
  DRAGNET_ASSIGN_OR_RETURN(const Dispatcher::Phase phase, dispatcher_.PhaseOf(action));
  const v1::Progress& progress = info->progress();
  const uint64_t pending = progress.waiting() + progress.sent() + progress.running();
  const bool goes_on =
      phase.phase == v1::DISPATCH_PHASE_OPEN || phase.phase == v1::DISPATCH_PHASE_CANARY;
  const bool limit_reached = phase.held_back == HeldBack::kAll;
  // Those beyond the limit never get it.
  const bool all_ended =
      progress.targeted() > 0 && pending == (limit_reached ? progress.held_back() : 0);
  info->set_phase(goes_on && all_ended ? v1::DISPATCH_PHASE_ENDED : phase.phase);
  info->set_phase_reason(phase.reason);
  if (goes_on && limit_reached) info->set_phase_reason("the limit of agents is reached");
  return absl::OkStatus();
}

absl::Status InvestigatorApi::Describe(const StoredAction& action, v1::ActionInfo* info) {
  info->set_action_id(action.id);
  info->set_envelope(action.envelope);
  info->set_launched_by(action.launched_by);
  for (const std::string& signer : action.signed_by) info->add_signed_by(signer);
  *info->mutable_launched_at() = ToTimestamp(action.launched_at);
  *info->mutable_expires() = ToTimestamp(action.expires);
  info->set_cancelled(action.cancelled);
  DRAGNET_ASSIGN_OR_RETURN(const Retained retained, retention_.Of(action.id));
  if (retained.keep_until.has_value())
    *info->mutable_keep_until() = ToTimestamp(*retained.keep_until);
  if (retained.removed_at.has_value())
    *info->mutable_results_removed_at() = ToTimestamp(*retained.removed_at);
  DRAGNET_ASSIGN_OR_RETURN(*info->mutable_progress(), ProgressOf(action.id));
  DRAGNET_RETURN_IF_ERROR(DescribePhase(action, info));
  DRAGNET_ASSIGN_OR_RETURN(const v1::Envelope envelope,
                           ParseEnvelope(action.envelope, kActionPayloadType));
  DRAGNET_ASSIGN_OR_RETURN(const v1::Action parsed, ParseAction(envelope.payload()));
  info->set_name(parsed.name());
  return absl::OkStatus();
}

absl::Status InvestigatorApi::ListActions(const v1::ListActionsRequest& request,
                                          v1::ListActionsResponse* response) {
  DRAGNET_ASSIGN_OR_RETURN(const size_t page_size, PageSize(request.page_size(), 50, 1000));
  if (!request.page_token().empty() && !IsUuid(request.page_token()))
    return absl::InvalidArgumentError("page_token: not one of a previous answer");
  // One more, to know whether there is one more.
  DRAGNET_ASSIGN_OR_RETURN(
      const std::vector<StoredAction> actions,
      store_.ListActions(request.page_token(), static_cast<int>(page_size) + 1));
  size_t bytes = 0;
  for (const StoredAction& action : actions) {
    const size_t count = static_cast<size_t>(response->actions_size());
    if (count == page_size || (count > 0 && bytes + action.envelope.size() > kMaxPageBytes)) {
      response->set_next_page_token(response->actions(static_cast<int>(count) - 1).action_id());
      break;
    }
    bytes += action.envelope.size();
    DRAGNET_RETURN_IF_ERROR(Describe(action, response->add_actions()));
  }
  return absl::OkStatus();
}

absl::Status InvestigatorApi::GetAction(const v1::GetActionRequest& request,
                                        v1::GetActionResponse* response) {
  DRAGNET_RETURN_IF_ERROR(CheckActionFragment(request.action_id()));
  DRAGNET_ASSIGN_OR_RETURN(const std::string id, ResolveId(request.action_id()));
  const absl::StatusOr<StoredAction> found = store_.FindAction(id);
  if (absl::IsNotFound(found.status())) return DescribeProposal(id, response->mutable_action());
  DRAGNET_RETURN_IF_ERROR(found.status());
  const StoredAction& action = *found;
  DRAGNET_ASSIGN_OR_RETURN(const std::vector<StoredOrder> orders, store_.Orders(action.id));
  for (const StoredOrder& order : orders) response->mutable_action()->add_orders(order.envelope);
  return Describe(action, response->mutable_action());
}

absl::Status InvestigatorApi::SendOrder(const std::string& caller,
                                        const v1::SendOrderRequest& request,
                                        v1::SendOrderResponse* response) {
  // About an action that waits for signatures: refuses it, and goes no further.
  DRAGNET_ASSIGN_OR_RETURN(const std::optional<std::string> refused,
                           proposals_.Refuse(request.envelope(), caller));
  if (refused.has_value()) {
    response->set_action_id(*refused);
    response->mutable_progress();
    return absl::OkStatus();
  }
  DRAGNET_ASSIGN_OR_RETURN(const Dispatcher::Ordered ordered,
                           dispatcher_.SendOrder(request.envelope(), caller));
  response->set_action_id(ordered.action_id);
  response->set_sent(ordered.sent);
  DRAGNET_ASSIGN_OR_RETURN(*response->mutable_progress(), ProgressOf(ordered.action_id));
  return absl::OkStatus();
}

absl::Status InvestigatorApi::SearchAgents(const v1::SearchAgentsRequest& request,
                                           v1::SearchAgentsResponse* response) {
  return scheduler::SearchAgents(agents_, clock_.Now(), request, response);
}

absl::Status InvestigatorApi::ListRefusals(const v1::ListRefusalsRequest& request,
                                           v1::ListRefusalsResponse* response) {
  DRAGNET_ASSIGN_OR_RETURN(const size_t page_size, PageSize(request.page_size(), 100, 1000));
  DRAGNET_RETURN_IF_ERROR(agents_.FactsOf(request.agent_id()).status());
  DRAGNET_ASSIGN_OR_RETURN(const std::vector<StoredRefusal> refusals,
                           store_.Refusals(request.agent_id(), static_cast<int>(page_size)));
  for (const StoredRefusal& refusal : refusals) {
    v1::ListRefusalsResponse::Entry* entry = response->add_refusals();
    entry->set_agent_id(request.agent_id());
    entry->set_action_id(refusal.action_id);
    *entry->mutable_refusal() = refusal.refusal;
  }
  return absl::OkStatus();
}

absl::Status InvestigatorApi::GetStatus(const v1::GetStatusRequest&,
                                        v1::GetStatusResponse* response) {
  DRAGNET_ASSIGN_OR_RETURN(*response, status_.Describe());
  return absl::OkStatus();
}

absl::Status InvestigatorApi::KeepAction(const std::string& caller,
                                         const v1::KeepActionRequest& request,
                                         v1::KeepActionResponse*) {
  if (!IsActionId(request.action_id()))
    return absl::InvalidArgumentError("action_id: give the whole id");
  std::optional<absl::Time> until;
  if (request.has_keep_until()) {
    DRAGNET_ASSIGN_OR_RETURN(until, ToTime(request.keep_until()));
    if (*until <= clock_.Now() || *until > clock_.Now() + kMaxKept)
      return absl::InvalidArgumentError("keep_until: give a time in the next 100 years");
  }
  DRAGNET_RETURN_IF_ERROR(retention_.Keep(request.action_id(), until));
  spdlog::info("{}results kept {} by {}", About({.action = request.action_id()}),
               until.has_value()
                   ? StrCat("until ", absl::FormatTime("%Y-%m-%d", *until, absl::UTCTimeZone()))
                   : "as the rules say",
               caller);
  return absl::OkStatus();
}

absl::Status InvestigatorApi::GetTrustPolicy(v1::GetTrustPolicyResponse* response) {
  response->set_envelope(policies_.current()->envelope_bytes());
  return absl::OkStatus();
}

absl::Status InvestigatorApi::PublishTrustPolicy(const std::string& caller,
                                                 const v1::PublishTrustPolicyRequest& request,
                                                 v1::PublishTrustPolicyResponse* response) {
  DRAGNET_ASSIGN_OR_RETURN(const uint64_t version, dispatcher_.PublishPolicy(request.envelope()));
  spdlog::info("trust policy {} was published by {}", version, caller);
  response->set_version(version);
  return absl::OkStatus();
}

}  // namespace dragnet::scheduler
