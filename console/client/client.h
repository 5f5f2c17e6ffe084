// The connection to a scheduler: one method per RPC of InvestigatorService.
// The folder client/ is the only one of the console that includes gRPC, and
// this header does not.
//
// Client is thread-safe; an EventStream belongs to one thread at a time.
#pragma once

#include <memory>
#include <string>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "console/client/config.h"
#include "dragnet/v1/investigator.pb.h"

namespace dragnet::console {

// First line of main(), before any thread.
void InitializeProcess();

// True for what a scheduler answered, or that there is none: exit status 4.
// False for what was found wrong on this side: exit status 2.
bool IsFromScheduler(const absl::Status& status);
// For errors in what a scheduler told. An OK status stays one.
absl::Status MarkFromScheduler(absl::Status status);

// What a call brings bit by bit. Destroying it ends the call.
enum class StreamStep {
  kEvent,
  // Nothing came within the time given. Call Next again.
  kTimeout,
  // The call is over: see status().
  kEnd,
};

template <class Event>
class Stream {
 public:
  using Step = StreamStep;

  virtual ~Stream() = default;
  // Waits until there is an event, the end, or `timeout` has passed.
  virtual Step Next(absl::Duration timeout, Event* event) = 0;
  // After kEnd: how the call ended.
  virtual absl::Status status() const = 0;
};

// Rows, states and progress of one action.
using EventStream = Stream<v1::WatchEvent>;
using ActivityStream = Stream<v1::Activity>;
using TailStream = Stream<v1::TailEvent>;
using VerdictStream = Stream<v1::SweepVerdict>;

class Client {
 public:
  // Starts to connect and doesn't wait. The first call waits for the
  // connection, 5 seconds at most, and says clearly why there is none.
  static absl::StatusOr<std::unique_ptr<Client>> Create(const ConsoleConfig& config,
                                                        absl::Time now);
  virtual ~Client() = default;

  virtual absl::StatusOr<v1::LaunchResponse> Launch(const v1::LaunchRequest& request) = 0;
  virtual absl::StatusOr<v1::FindMissingBlobsResponse> FindMissingBlobs(
      const v1::FindMissingBlobsRequest& request) = 0;
  virtual absl::StatusOr<v1::PutBlobPartResponse> PutBlobPart(
      const v1::PutBlobPartRequest& request) = 0;
  virtual absl::StatusOr<v1::ListActionsResponse> ListActions(
      const v1::ListActionsRequest& request) = 0;
  virtual absl::StatusOr<v1::GetActionResponse> GetAction(const v1::GetActionRequest& request) = 0;
  virtual absl::StatusOr<v1::SendOrderResponse> SendOrder(const v1::SendOrderRequest& request) = 0;
  virtual absl::StatusOr<v1::SearchAgentsResponse> SearchAgents(
      const v1::SearchAgentsRequest& request) = 0;
  virtual absl::StatusOr<v1::ListRefusalsResponse> ListRefusals(
      const v1::ListRefusalsRequest& request) = 0;
  virtual absl::StatusOr<v1::GetTrustPolicyResponse> GetTrustPolicy() = 0;
  virtual absl::StatusOr<v1::PublishTrustPolicyResponse> PublishTrustPolicy(
      const v1::PublishTrustPolicyRequest& request) = 0;
  virtual absl::StatusOr<v1::CreateEnrolmentTokenResponse> CreateEnrolmentToken(
      const v1::CreateEnrolmentTokenRequest& request) = 0;
  virtual absl::StatusOr<v1::ListEnrolmentTokensResponse> ListEnrolmentTokens(
      const v1::ListEnrolmentTokensRequest& request) = 0;
  virtual absl::StatusOr<v1::RevokeEnrolmentTokenResponse> RevokeEnrolmentToken(
      const v1::RevokeEnrolmentTokenRequest& request) = 0;
  virtual absl::StatusOr<v1::ListEnrolmentRequestsResponse> ListEnrolmentRequests(
      const v1::ListEnrolmentRequestsRequest& request) = 0;
  virtual absl::StatusOr<v1::DecideEnrolmentResponse> DecideEnrolment(
      const v1::DecideEnrolmentRequest& request) = 0;
  virtual absl::StatusOr<v1::GetStatusResponse> GetStatus() = 0;
  virtual absl::StatusOr<v1::KeepActionResponse> KeepAction(
      const v1::KeepActionRequest& request) = 0;
  virtual absl::StatusOr<v1::RevokeResponse> Revoke(const v1::RevokeRequest& request) = 0;
  virtual absl::StatusOr<v1::StackResponse> Stack(const v1::StackRequest& request) = 0;
  virtual absl::StatusOr<v1::ProposeResponse> Propose(const v1::ProposeRequest& request) = 0;
  virtual absl::StatusOr<v1::ListProposalsResponse> ListProposals(
      const v1::ListProposalsRequest& request) = 0;
  virtual absl::StatusOr<v1::ListAgentActionsResponse> ListAgentActions(
      const v1::ListAgentActionsRequest& request) = 0;

  virtual absl::StatusOr<v1::ListSweepsResponse> ListSweeps(
      const v1::ListSweepsRequest& request) = 0;
  virtual absl::StatusOr<v1::GetSweepResponse> GetSweep(const v1::GetSweepRequest& request) = 0;
  virtual absl::StatusOr<v1::SweepChangesResponse> SweepChanges(
      const v1::SweepChangesRequest& request) = 0;

  virtual absl::StatusOr<std::unique_ptr<EventStream>> Watch(const v1::WatchRequest& request) = 0;
  virtual absl::StatusOr<std::unique_ptr<EventStream>> Results(
      const v1::ResultsRequest& request) = 0;
  virtual absl::StatusOr<std::unique_ptr<ActivityStream>> WatchActivity() = 0;
  virtual absl::StatusOr<std::unique_ptr<TailStream>> Tail(const v1::TailRequest& request) = 0;
  virtual absl::StatusOr<std::unique_ptr<VerdictStream>> SweepVerdicts(
      const v1::SweepVerdictsRequest& request) = 0;
};

}  // namespace dragnet::console
