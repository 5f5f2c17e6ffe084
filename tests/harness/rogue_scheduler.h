// A scheduler in the hands of an attacker who owns its keys and the CA's: it
// takes any agent's session, sends it whatever a test says, and keeps what it
// answers. Thread-safe.
#pragma once

#include <cstddef>
#include <functional>
#include <memory>
#include <optional>
#include <string>
#include <vector>

#include "absl/time/time.h"
#include "dragnet/v1/agent_gateway.pb.h"
#include "tests/harness/forge.h"
#include "tests/harness/wait.h"

namespace dragnet::testing {

class RogueScheduler {
 public:
  struct Options {
    // Whether it acknowledges records; an agent keeps those that it doesn't.
    bool acknowledge = false;
    // Shown instead of the scheduler's certificate.
    std::optional<TlsPair> identity = std::nullopt;
  };

  // Listens on 127.0.0.1:port with the server certificate of the fleet.
  RogueScheduler(const Forge& forge, const std::string& fleet_directory, int port, Options options);
  RogueScheduler(const Forge& forge, const std::string& fleet_directory, int port)
      : RogueScheduler(forge, fleet_directory, port, Options()) {}
  ~RogueScheduler();

  // --- to the newest session
  void SendAction(const std::string& envelope);
  void SendPolicy(const std::string& envelope);
  void SendOrder(const std::string& envelope);
  void Send(const v1::SchedulerMessage& message);
  // As a gRPC message, whatever it is.
  void SendRaw(const std::string& bytes);
  void Acknowledge(const v1::ResultRecord& record);
  // All that are open.
  void EndSessions();

  // --- from any session, since the beginning
  bool WaitForHello(absl::Duration patience = kPatience);
  size_t sessions() const;
  // Calls of any kind, enrolments too.
  size_t calls() const;
  std::vector<v1::AgentMessage> received() const;
  // The first refusal of this envelope.
  std::optional<v1::ResultRecord> WaitForRefusal(const std::string& envelope,
                                                 absl::Duration patience = kPatience);
  std::optional<v1::AgentMessage> WaitFor(
      const std::function<bool(const v1::AgentMessage&)>& matches,
      absl::Duration patience = kPatience);

 private:
  class Service;
  struct Parts;
  std::unique_ptr<Parts> parts_;
};

}  // namespace dragnet::testing
