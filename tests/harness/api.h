// A client of a scheduler with any certificate, or none: to call every RPC as
// whoever a test wants to be. Thread-safe.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "absl/time/time.h"
#include "dragnet/v1/agent_gateway.pb.h"
#include "dragnet/v1/investigator.pb.h"
#include "tests/harness/forge.h"

namespace dragnet::testing {

// The stored results of one action, put together.
struct ActionResults {
  // By agent name: rows in the order of the store, serialised.
  std::map<std::string, std::vector<std::string>> rows;
  std::map<std::string, v1::AgentState> states;
  v1::Progress progress;
};

class Api {
 public:
  // No `identity`: no client certificate.
  Api(const std::string& address, const std::string& ca_pem,
      const std::optional<TlsPair>& identity);
  ~Api();

  // --- InvestigatorService
  absl::StatusOr<v1::LaunchResponse> Launch(const std::string& envelope);
  absl::StatusOr<ActionResults> Results(const std::string& action_id);
  absl::StatusOr<v1::ActionInfo> GetAction(const std::string& action_id);
  absl::StatusOr<v1::ListActionsResponse> ListActions();
  absl::StatusOr<v1::SendOrderResponse> SendOrder(const std::string& envelope);
  absl::StatusOr<v1::SearchAgentsResponse> SearchAgents(const std::string& target);
  absl::StatusOr<std::vector<v1::ListRefusalsResponse::Entry>> ListRefusals(
      const std::string& agent_id);
  absl::StatusOr<std::string> GetTrustPolicy();
  absl::Status PublishTrustPolicy(const std::string& envelope);
  absl::StatusOr<std::string> CreateEnrolmentToken(uint32_t uses, absl::Duration lifetime);
  absl::StatusOr<v1::CreateEnrolmentTokenResponse> CreateEnrolmentToken(
      const v1::CreateEnrolmentTokenRequest& request);
  absl::StatusOr<std::vector<v1::EnrolmentRequest>> ListEnrolmentRequests();
  absl::Status DecideEnrolment(const std::string& agent_id, const std::string& key_sha256,
                               bool approve);
  absl::StatusOr<v1::RevokeResponse> RevokeAgent(const std::string& agent_id);
  absl::StatusOr<v1::RevokeResponse> RevokeInvestigator(const std::string& name);
  // Any RPC by its full name, with these request bytes: how it ended.
  absl::Status Call(const std::string& method, const std::string& request);

  // A Watch stream that is left open.
  class Watching {
   public:
    // Blocks until an event or the end; nothing at the end.
    std::optional<v1::WatchEvent> Next();
    // After Next() returned nothing.
    absl::Status Finish();
    ~Watching();

   private:
    friend class Api;
    struct Parts;
    explicit Watching(std::unique_ptr<Parts> parts);
    std::unique_ptr<Parts> parts_;
  };
  std::unique_ptr<Watching> Watch(const std::string& action_id, bool until_expired);

  // --- AgentGateway
  absl::StatusOr<std::string> Enroll(const v1::EnrollRequest& request);
  absl::StatusOr<std::string> Renew(const std::string& csr);

  // An agent's stream, spoken by the test.
  class AgentSession {
   public:
    // False: the stream has ended.
    bool Send(const v1::AgentMessage& message);
    // Blocks; nothing at the end.
    std::optional<v1::SchedulerMessage> Receive();
    void Cancel();
    // After Receive() returned nothing: how it ended.
    absl::Status Finish();
    ~AgentSession();

   private:
    friend class Api;
    struct Parts;
    explicit AgentSession(std::unique_ptr<Parts> parts);
    std::unique_ptr<Parts> parts_;
  };
  std::unique_ptr<AgentSession> OpenSession();

 private:
  struct Parts;
  std::unique_ptr<Parts> parts_;
};

// Full names of the RPCs of the two services, by reflection.
std::vector<std::string> InvestigatorMethods();
std::vector<std::string> GatewayMethods();

}  // namespace dragnet::testing
