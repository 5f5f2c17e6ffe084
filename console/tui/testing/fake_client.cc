#include "console/tui/testing/fake_client.h"

#include <algorithm>
#include <optional>
#include <utility>

#include "core/status_macros.h"

namespace dragnet::console::tui::testing {

template <class Event>
struct FakeClient::Channel {
  absl::Mutex mutex;
  std::deque<Event> events ABSL_GUARDED_BY(mutex);
  std::optional<absl::Status> ended ABSL_GUARDED_BY(mutex);
};

template <class Event>
class FakeClient::FakeStream : public Stream<Event> {
 public:
  explicit FakeStream(std::shared_ptr<Channel<Event>> channel) : channel_(std::move(channel)) {}

  StreamStep Next(absl::Duration timeout, Event* event) override {
    absl::MutexLock lock(&channel_->mutex);
    const auto something = [this]() ABSL_SHARED_LOCKS_REQUIRED(channel_->mutex) {
      return !channel_->events.empty() || channel_->ended.has_value();
    };
    if (!channel_->mutex.AwaitWithTimeout(absl::Condition(&something), timeout))
      return StreamStep::kTimeout;
    if (!channel_->events.empty()) {
      *event = std::move(channel_->events.front());
      channel_->events.pop_front();
      return StreamStep::kEvent;
    }
    status_ = *channel_->ended;
    return StreamStep::kEnd;
  }
  absl::Status status() const override { return status_; }

 private:
  std::shared_ptr<Channel<Event>> channel_;
  absl::Status status_;
};

absl::Status FakeClient::Error() {
  absl::MutexLock lock(&mutex);
  return error;
}

void FakeClient::Announce(const v1::Activity& activity) {
  absl::MutexLock lock(&mutex);
  for (const auto& channel : activity_) {
    absl::MutexLock inner(&channel->mutex);
    channel->events.push_back(activity);
  }
}

void FakeClient::Deliver(const v1::WatchEvent& event) {
  absl::MutexLock lock(&mutex);
  for (const auto& channel : watches_) {
    absl::MutexLock inner(&channel->mutex);
    channel->events.push_back(event);
    if (event.has_end()) channel->ended = absl::OkStatus();
  }
}

void FakeClient::BreakStreams(const absl::Status& status) {
  absl::MutexLock lock(&mutex);
  error = status;
  for (const auto& channel : activity_) {
    absl::MutexLock inner(&channel->mutex);
    channel->ended = status;
  }
  for (const auto& channel : watches_) {
    absl::MutexLock inner(&channel->mutex);
    channel->ended = status;
  }
  activity_.clear();
  watches_.clear();
}

absl::StatusOr<v1::LaunchResponse> FakeClient::Launch(const v1::LaunchRequest& request) {
  DRAGNET_RETURN_IF_ERROR(Error());
  absl::MutexLock lock(&mutex);
  launched.push_back(request.envelope());
  return v1::LaunchResponse();
}
absl::StatusOr<v1::FindMissingBlobsResponse> FakeClient::FindMissingBlobs(
    const v1::FindMissingBlobsRequest&) {
  return v1::FindMissingBlobsResponse();
}
absl::StatusOr<v1::PutBlobPartResponse> FakeClient::PutBlobPart(const v1::PutBlobPartRequest&) {
  return v1::PutBlobPartResponse();
}
absl::StatusOr<v1::ListActionsResponse> FakeClient::ListActions(const v1::ListActionsRequest&) {
  DRAGNET_RETURN_IF_ERROR(Error());
  absl::MutexLock lock(&mutex);
  v1::ListActionsResponse response;
  for (const v1::ActionInfo& action : actions) *response.add_actions() = action;
  return response;
}
absl::StatusOr<v1::GetActionResponse> FakeClient::GetAction(const v1::GetActionRequest& request) {
  DRAGNET_RETURN_IF_ERROR(Error());
  absl::MutexLock lock(&mutex);
  for (const v1::ActionInfo& action : actions) {
    if (!action.action_id().starts_with(request.action_id())) continue;
    v1::GetActionResponse response;
    *response.mutable_action() = action;
    return response;
  }
  return absl::NotFoundError("no such action");
}
absl::StatusOr<v1::SendOrderResponse> FakeClient::SendOrder(const v1::SendOrderRequest& request) {
  DRAGNET_RETURN_IF_ERROR(Error());
  absl::MutexLock lock(&mutex);
  orders.push_back(request.envelope());
  return v1::SendOrderResponse();
}
absl::StatusOr<v1::SearchAgentsResponse> FakeClient::SearchAgents(
    const v1::SearchAgentsRequest& request) {
  DRAGNET_RETURN_IF_ERROR(Error());
  absl::MutexLock lock(&mutex);
  targets.push_back(request.target());
  std::vector<v1::AgentInfo> chosen = agents;
  if (search != nullptr) {
    DRAGNET_ASSIGN_OR_RETURN(chosen, search(request.target()));
  }
  v1::SearchAgentsResponse response;
  uint64_t connected = 0;
  for (const v1::AgentInfo& agent : chosen) {
    if (!request.count_only()) *response.add_agents() = agent;
    connected += agent.state() == v1::AgentInfo::STATE_ONLINE;
  }
  response.set_total(chosen.size());
  response.set_connected(connected);
  return response;
}
absl::StatusOr<v1::ListRefusalsResponse> FakeClient::ListRefusals(const v1::ListRefusalsRequest&) {
  DRAGNET_RETURN_IF_ERROR(Error());
  absl::MutexLock lock(&mutex);
  v1::ListRefusalsResponse response;
  for (const auto& refusal : refusals) *response.add_refusals() = refusal;
  return response;
}
absl::StatusOr<v1::GetTrustPolicyResponse> FakeClient::GetTrustPolicy() {
  DRAGNET_RETURN_IF_ERROR(Error());
  absl::MutexLock lock(&mutex);
  v1::GetTrustPolicyResponse response;
  response.set_envelope(policy);
  return response;
}
absl::StatusOr<v1::PublishTrustPolicyResponse> FakeClient::PublishTrustPolicy(
    const v1::PublishTrustPolicyRequest&) {
  return v1::PublishTrustPolicyResponse();
}
absl::StatusOr<v1::CreateEnrolmentTokenResponse> FakeClient::CreateEnrolmentToken(
    const v1::CreateEnrolmentTokenRequest&) {
  return v1::CreateEnrolmentTokenResponse();
}

absl::StatusOr<v1::ListEnrolmentTokensResponse> FakeClient::ListEnrolmentTokens(
    const v1::ListEnrolmentTokensRequest&) {
  return v1::ListEnrolmentTokensResponse();
}
absl::StatusOr<v1::RevokeEnrolmentTokenResponse> FakeClient::RevokeEnrolmentToken(
    const v1::RevokeEnrolmentTokenRequest&) {
  return v1::RevokeEnrolmentTokenResponse();
}
absl::StatusOr<v1::ListEnrolmentRequestsResponse> FakeClient::ListEnrolmentRequests(
    const v1::ListEnrolmentRequestsRequest&) {
  return v1::ListEnrolmentRequestsResponse();
}
absl::StatusOr<v1::DecideEnrolmentResponse> FakeClient::DecideEnrolment(
    const v1::DecideEnrolmentRequest&) {
  return v1::DecideEnrolmentResponse();
}
absl::StatusOr<v1::GetStatusResponse> FakeClient::GetStatus() { return v1::GetStatusResponse(); }
absl::StatusOr<v1::KeepActionResponse> FakeClient::KeepAction(const v1::KeepActionRequest&) {
  return v1::KeepActionResponse();
}
absl::StatusOr<v1::RevokeResponse> FakeClient::Revoke(const v1::RevokeRequest&) {
  return v1::RevokeResponse();
}
absl::StatusOr<v1::StackResponse> FakeClient::Stack(const v1::StackRequest& request) {
  DRAGNET_RETURN_IF_ERROR(Error());
  absl::MutexLock lock(&mutex);
  stacked.push_back(request);
  return stack;
}
absl::StatusOr<v1::ProposeResponse> FakeClient::Propose(const v1::ProposeRequest& request) {
  DRAGNET_RETURN_IF_ERROR(Error());
  absl::MutexLock lock(&mutex);
  proposed.push_back(request.envelope());
  if (propose != nullptr) return propose(request);
  return v1::ProposeResponse();
}
absl::StatusOr<v1::ListProposalsResponse> FakeClient::ListProposals(
    const v1::ListProposalsRequest& request) {
  DRAGNET_RETURN_IF_ERROR(Error());
  absl::MutexLock lock(&mutex);
  v1::ListProposalsResponse response;
  for (const v1::Proposal& proposal : proposals)
    if (request.with_closed() || proposal.state() == v1::Proposal::STATE_OPEN)
      *response.add_proposals() = proposal;
  return response;
}
absl::StatusOr<v1::ListAgentActionsResponse> FakeClient::ListAgentActions(
    const v1::ListAgentActionsRequest&) {
  DRAGNET_RETURN_IF_ERROR(Error());
  absl::MutexLock lock(&mutex);
  v1::ListAgentActionsResponse response;
  for (const auto& action : agent_actions) *response.add_actions() = action;
  return response;
}
absl::StatusOr<v1::ListSweepsResponse> FakeClient::ListSweeps(const v1::ListSweepsRequest&) {
  DRAGNET_RETURN_IF_ERROR(Error());
  absl::MutexLock lock(&mutex);
  v1::ListSweepsResponse response;
  for (const v1::SweepInfo& info : sweeps) *response.add_sweeps() = info;
  response.set_left_out(sweeps_left_out);
  return response;
}
absl::StatusOr<v1::GetSweepResponse> FakeClient::GetSweep(const v1::GetSweepRequest&) {
  DRAGNET_RETURN_IF_ERROR(Error());
  absl::MutexLock lock(&mutex);
  return sweep;
}
absl::StatusOr<v1::SweepChangesResponse> FakeClient::SweepChanges(const v1::SweepChangesRequest&) {
  DRAGNET_RETURN_IF_ERROR(Error());
  absl::MutexLock lock(&mutex);
  v1::SweepChangesResponse response;
  for (const v1::SweepChange& change : changes) *response.add_changes() = change;
  return response;
}
absl::StatusOr<std::unique_ptr<VerdictStream>> FakeClient::SweepVerdicts(
    const v1::SweepVerdictsRequest& request) {
  DRAGNET_RETURN_IF_ERROR(Error());
  absl::MutexLock lock(&mutex);
  auto channel = std::make_shared<Channel<v1::SweepVerdict>>();
  absl::MutexLock inner(&channel->mutex);
  const auto wanted = [](const auto& list, const std::string& value) {
    return list.empty() || std::find(list.begin(), list.end(), value) != list.end();
  };
  for (const v1::SweepVerdict& verdict : verdicts)
    if (verdict.check().empty() ||
        (wanted(request.checks(), verdict.check()) && wanted(request.statuses(), verdict.status())))
      channel->events.push_back(verdict);
  channel->ended = absl::OkStatus();
  return std::make_unique<FakeStream<v1::SweepVerdict>>(channel);
}
absl::StatusOr<std::unique_ptr<EventStream>> FakeClient::Watch(const v1::WatchRequest& request) {
  DRAGNET_RETURN_IF_ERROR(Error());
  absl::MutexLock lock(&mutex);
  watched.push_back(request);
  auto channel = std::make_shared<Channel<v1::WatchEvent>>();
  {
    absl::MutexLock inner(&channel->mutex);
    for (const v1::WatchEvent& event : events)
      if (event.cursor() == 0 || event.cursor() > request.after()) channel->events.push_back(event);
    if (!events.empty() && events.back().has_end()) channel->ended = absl::OkStatus();
  }
  watches_.push_back(channel);
  return std::make_unique<FakeStream<v1::WatchEvent>>(channel);
}
absl::StatusOr<std::unique_ptr<EventStream>> FakeClient::Results(const v1::ResultsRequest&) {
  return Watch(v1::WatchRequest());
}
absl::StatusOr<std::unique_ptr<ActivityStream>> FakeClient::WatchActivity() {
  DRAGNET_RETURN_IF_ERROR(Error());
  absl::MutexLock lock(&mutex);
  auto channel = std::make_shared<Channel<v1::Activity>>();
  {
    absl::MutexLock inner(&channel->mutex);
    // As the real one: whatever was announced before someone watched is in it.
    v1::Activity& all = channel->events.emplace_back();
    all.set_all_actions(true);
    all.set_proposals(true);
    all.set_trust_policy(true);
    all.set_agents(true);
  }
  activity_.push_back(channel);
  return std::make_unique<FakeStream<v1::Activity>>(channel);
}
absl::StatusOr<std::unique_ptr<TailStream>> FakeClient::Tail(const v1::TailRequest&) {
  return absl::UnimplementedError("not in this test");
}

}  // namespace dragnet::console::tui::testing
