// A scheduler in memory, for tests of views. Members are set by the test, on the
// loop's thread before the work that reads them, or under `mutex`.
#pragma once

#include <deque>
#include <functional>
#include <map>
#include <memory>
#include <string>
#include <vector>

#include "absl/synchronization/mutex.h"
#include "console/client/client.h"

namespace dragnet::console::tui::testing {

class FakeClient : public Client {
 public:
  absl::Mutex mutex;
  // If not OK: the answer to every call, and streams end with it.
  absl::Status error;
  std::vector<v1::AgentInfo> agents;
  // Which of them a target selects; unset: all. Not OK: a bad expression.
  std::function<absl::StatusOr<std::vector<v1::AgentInfo>>(const std::string& target)> search;
  std::vector<v1::ActionInfo> actions;
  std::vector<v1::Proposal> proposals;
  // Without it, what is proposed is taken and answered with nothing.
  std::function<absl::StatusOr<v1::ProposeResponse>(const v1::ProposeRequest&)> propose;
  std::vector<v1::ListAgentActionsResponse::Entry> agent_actions;
  std::vector<v1::ListRefusalsResponse::Entry> refusals;
  v1::StackResponse stack;
  std::vector<v1::SweepInfo> sweeps;
  uint64_t sweeps_left_out = 0;
  // Of GetSweep, whatever the id.
  v1::GetSweepResponse sweep;
  std::vector<v1::SweepVerdict> verdicts;
  std::vector<v1::SweepChange> changes;
  std::string policy;
  // Of each Watch and Results, without those that lie before where it begins; after
  // them the stream waits, or ends if the last is an End.
  std::vector<v1::WatchEvent> events;

  // ---- what was asked
  std::vector<std::string> launched;
  std::vector<std::string> proposed;
  std::vector<std::string> orders;
  std::vector<v1::StackRequest> stacked;
  std::vector<v1::WatchRequest> watched;
  std::vector<std::string> targets;

  // Tells everyone who watches for activity.
  void Announce(const v1::Activity& activity);
  // To everyone who watches an action.
  void Deliver(const v1::WatchEvent& event);
  // Ends every stream with `status`, as when the scheduler is killed.
  void BreakStreams(const absl::Status& status);

  absl::StatusOr<v1::LaunchResponse> Launch(const v1::LaunchRequest& request) override;
  absl::StatusOr<v1::FindMissingBlobsResponse> FindMissingBlobs(
      const v1::FindMissingBlobsRequest& request) override;
  absl::StatusOr<v1::PutBlobPartResponse> PutBlobPart(
      const v1::PutBlobPartRequest& request) override;
  absl::StatusOr<v1::ListActionsResponse> ListActions(
      const v1::ListActionsRequest& request) override;
  absl::StatusOr<v1::GetActionResponse> GetAction(const v1::GetActionRequest& request) override;
  absl::StatusOr<v1::SendOrderResponse> SendOrder(const v1::SendOrderRequest& request) override;
  absl::StatusOr<v1::SearchAgentsResponse> SearchAgents(
      const v1::SearchAgentsRequest& request) override;
  absl::StatusOr<v1::ListRefusalsResponse> ListRefusals(
      const v1::ListRefusalsRequest& request) override;
  absl::StatusOr<v1::GetTrustPolicyResponse> GetTrustPolicy() override;
  absl::StatusOr<v1::PublishTrustPolicyResponse> PublishTrustPolicy(
      const v1::PublishTrustPolicyRequest& request) override;
  absl::StatusOr<v1::CreateEnrolmentTokenResponse> CreateEnrolmentToken(
      const v1::CreateEnrolmentTokenRequest& request) override;
  absl::StatusOr<v1::ListEnrolmentTokensResponse> ListEnrolmentTokens(
      const v1::ListEnrolmentTokensRequest& request) override;
  absl::StatusOr<v1::RevokeEnrolmentTokenResponse> RevokeEnrolmentToken(
      const v1::RevokeEnrolmentTokenRequest& request) override;
  absl::StatusOr<v1::ListEnrolmentRequestsResponse> ListEnrolmentRequests(
      const v1::ListEnrolmentRequestsRequest& request) override;
  absl::StatusOr<v1::DecideEnrolmentResponse> DecideEnrolment(
      const v1::DecideEnrolmentRequest& request) override;
  absl::StatusOr<v1::GetStatusResponse> GetStatus() override;
  absl::StatusOr<v1::KeepActionResponse> KeepAction(const v1::KeepActionRequest& request) override;
  absl::StatusOr<v1::RevokeResponse> Revoke(const v1::RevokeRequest& request) override;
  absl::StatusOr<v1::StackResponse> Stack(const v1::StackRequest& request) override;
  absl::StatusOr<v1::ProposeResponse> Propose(const v1::ProposeRequest& request) override;
  absl::StatusOr<v1::ListProposalsResponse> ListProposals(
      const v1::ListProposalsRequest& request) override;
  absl::StatusOr<v1::ListAgentActionsResponse> ListAgentActions(
      const v1::ListAgentActionsRequest& request) override;
  absl::StatusOr<v1::ListSweepsResponse> ListSweeps(const v1::ListSweepsRequest& request) override;
  absl::StatusOr<v1::GetSweepResponse> GetSweep(const v1::GetSweepRequest& request) override;
  absl::StatusOr<v1::SweepChangesResponse> SweepChanges(
      const v1::SweepChangesRequest& request) override;
  absl::StatusOr<std::unique_ptr<VerdictStream>> SweepVerdicts(
      const v1::SweepVerdictsRequest& request) override;
  absl::StatusOr<std::unique_ptr<EventStream>> Watch(const v1::WatchRequest& request) override;
  absl::StatusOr<std::unique_ptr<EventStream>> Results(const v1::ResultsRequest& request) override;
  absl::StatusOr<std::unique_ptr<ActivityStream>> WatchActivity() override;
  absl::StatusOr<std::unique_ptr<TailStream>> Tail(const v1::TailRequest& request) override;

 private:
  template <class Event>
  class FakeStream;
  template <class Event>
  struct Channel;

  absl::Status Error();
  std::vector<std::shared_ptr<Channel<v1::Activity>>> activity_ ABSL_GUARDED_BY(mutex);
  std::vector<std::shared_ptr<Channel<v1::WatchEvent>>> watches_ ABSL_GUARDED_BY(mutex);
};

}  // namespace dragnet::console::tui::testing
