// What each call of the investigators' API does; no gRPC. All may block.
// Thread-safe. Who may call is decided before (auth/).
#pragma once

#include <string>

#include "absl/status/status.h"
#include "dragnet/v1/investigator.pb.h"
#include "scheduler/api/status.h"
#include "scheduler/auth/revocations.h"
#include "scheduler/blobs/blob_files.h"
#include "scheduler/blobs/blob_source.h"
#include "scheduler/dispatch/action_progress.h"
#include "scheduler/dispatch/agents.h"
#include "scheduler/dispatch/dispatcher.h"
#include "scheduler/dispatch/news.h"
#include "scheduler/dispatch/policies.h"
#include "scheduler/dispatch/proposals.h"
#include "scheduler/store/retention.h"
#include "scheduler/store/sweep_terms.h"

namespace dragnet::scheduler {

class InvestigatorApi {
 public:
  InvestigatorApi(Store& store, Agents& agents, Policies& policies, Dispatcher& dispatcher,
                  Revocations& revocations, BlobFiles& blobs, BlobSource& blob_source,
                  const Clock& clock, std::string fleet_id, StatusReport& status,
                  Retention& retention, Proposals& proposals, ActionProgress& progress, News& news)
      : store_(store),
        agents_(agents),
        policies_(policies),
        dispatcher_(dispatcher),
        revocations_(revocations),
        blobs_(blobs),
        blob_source_(blob_source),
        clock_(clock),
        fleet_id_(std::move(fleet_id)),
        status_(status),
        retention_(retention),
        proposals_(proposals),
        progress_(progress),
        news_(news) {}

  absl::Status Launch(const std::string& caller, const v1::LaunchRequest& request,
                      v1::LaunchResponse* response);
  absl::Status FindMissingBlobs(const v1::FindMissingBlobsRequest& request,
                                v1::FindMissingBlobsResponse* response);
  absl::Status PutBlobPart(const std::string& caller, const v1::PutBlobPartRequest& request,
                           v1::PutBlobPartResponse* response);
  absl::Status ListActions(const v1::ListActionsRequest& request,
                           v1::ListActionsResponse* response);
  absl::Status GetAction(const v1::GetActionRequest& request, v1::GetActionResponse* response);
  absl::Status SendOrder(const std::string& caller, const v1::SendOrderRequest& request,
                         v1::SendOrderResponse* response);
  absl::Status Propose(const std::string& caller, const v1::ProposeRequest& request,
                       v1::ProposeResponse* response);
  absl::Status ListProposals(const v1::ListProposalsRequest& request,
                             v1::ListProposalsResponse* response);
  absl::Status ListAgentActions(const v1::ListAgentActionsRequest& request,
                                v1::ListAgentActionsResponse* response);
  absl::Status ListSweeps(const v1::ListSweepsRequest& request, v1::ListSweepsResponse* response);
  absl::Status GetSweep(const v1::GetSweepRequest& request, v1::GetSweepResponse* response);
  absl::Status SweepChanges(const v1::SweepChangesRequest& request,
                            v1::SweepChangesResponse* response);
  absl::Status SearchAgents(const v1::SearchAgentsRequest& request,
                            v1::SearchAgentsResponse* response);
  absl::Status ListRefusals(const v1::ListRefusalsRequest& request,
                            v1::ListRefusalsResponse* response);
  absl::Status GetStatus(const v1::GetStatusRequest& request, v1::GetStatusResponse* response);
  absl::Status KeepAction(const std::string& caller, const v1::KeepActionRequest& request,
                          v1::KeepActionResponse* response);
  absl::Status GetTrustPolicy(v1::GetTrustPolicyResponse* response);
  absl::Status PublishTrustPolicy(const std::string& caller,
                                  const v1::PublishTrustPolicyRequest& request,
                                  v1::PublishTrustPolicyResponse* response);
  absl::Status CreateEnrolmentToken(const std::string& caller,
                                    const v1::CreateEnrolmentTokenRequest& request,
                                    v1::CreateEnrolmentTokenResponse* response);
  absl::Status ListEnrolmentTokens(const v1::ListEnrolmentTokensRequest& request,
                                   v1::ListEnrolmentTokensResponse* response);
  absl::Status RevokeEnrolmentToken(const std::string& caller,
                                    const v1::RevokeEnrolmentTokenRequest& request,
                                    v1::RevokeEnrolmentTokenResponse* response);
  absl::Status ListEnrolmentRequests(const v1::ListEnrolmentRequestsRequest& request,
                                     v1::ListEnrolmentRequestsResponse* response);
  absl::Status DecideEnrolment(const std::string& caller, const v1::DecideEnrolmentRequest& request,
                               v1::DecideEnrolmentResponse* response);
  absl::Status Revoke(const std::string& caller, const v1::RevokeRequest& request,
                      v1::RevokeResponse* response);

 private:
  // They are there, and stay as long as the action is valid, or until `at_most`.
  absl::Status KeepBlobs(const std::string& envelope_bytes, absl::Time at_most);
  // The same, and another scheduler has them, too, if there is one: the end of one must
  // not be that of an action that was launched.
  absl::Status KeepBlobsSafe(const std::string& envelope_bytes, absl::Time at_most);
  absl::Status Describe(const StoredAction& action, v1::ActionInfo* info);
  absl::Status DescribePhase(const StoredAction& action, v1::ActionInfo* info);
  absl::Status DescribeSweep(const StoredAction& action, const SweepTerms& terms,
                             v1::SweepInfo* info);
  absl::StatusOr<v1::Progress> ProgressOf(const std::string& action_id);
  // The one id that begins or ends with `fragment`, of an action or a proposal.
  absl::StatusOr<std::string> ResolveId(const std::string& fragment);
  absl::Status DescribeProposal(const std::string& id, v1::ActionInfo* info);

  Store& store_;
  Agents& agents_;
  Policies& policies_;
  Dispatcher& dispatcher_;
  Revocations& revocations_;
  BlobFiles& blobs_;
  BlobSource& blob_source_;
  const Clock& clock_;
  const std::string fleet_id_;
  StatusReport& status_;
  Retention& retention_;
  Proposals& proposals_;
  ActionProgress& progress_;
  News& news_;
};

}  // namespace dragnet::scheduler
