// A scheduler that runs in the test's process, on loopback with real TLS, and
// peers for it: agents and investigators, honest and not. Tests only.
#pragma once

#include <gtest/gtest.h>

#include <atomic>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "absl/status/status.h"
#include "core/clock.h"
#include "core/keys.h"
#include "core/rpc/rpc.h"
#include "dragnet/v1/action.pb.h"
#include "dragnet/v1/agent_gateway.grpc.pb.h"
#include "dragnet/v1/investigator.grpc.pb.h"
#include "grpcpp/grpcpp.h"
#include "scheduler/enrolment/ca.h"
#include "scheduler/server/server.h"
#include "scheduler/settings.h"
#include "scheduler/testing/temporary_directory.h"

namespace dragnet::scheduler {

// The system's time, moved on by tests. Thread-safe.
class MovedClock : public Clock {
 public:
  absl::Time Now() const override { return absl::Now() + absl::Seconds(ahead_.load()); }
  void Advance(absl::Duration duration) { ahead_ += absl::ToInt64Seconds(duration); }

 private:
  std::atomic<int64_t> ahead_ = 0;
};

// One open Session as a link has it. Every call waits at most a minute, then fails.
class AgentPeer {
 public:
  AgentPeer(std::shared_ptr<grpc::Channel> channel, v1::Facts facts);
  ~AgentPeer();

  // Says Hello and waits for Welcome.
  void Hello(uint64_t policy_version = 1, const std::string& boot_id = "");
  void Heartbeat(absl::Time now);
  bool Write(const v1::AgentMessage& message) { return stream_->Write(message); }
  void SendRecord(const v1::ResultRecord& record);
  // The next message; nothing when the stream has ended.
  bool Read(v1::SchedulerMessage* message) { return stream_->Read(message); }
  // Reads until an action comes; "" when the stream has ended.
  std::string ReadActionEnvelope();
  // Reads until a record is acknowledged; sequence ~0 when the stream has ended.
  v1::RecordKey ReadAcknowledgement();
  // Whether TLS resumed an earlier session. After Hello.
  bool resumed() const;
  // Reads to the end; nothing after it.
  grpc::Status Finish();

 private:
  grpc::ClientContext context_;
  bool finished_ = false;
  std::unique_ptr<v1::AgentGateway::Stub> stub_;
  std::unique_ptr<grpc::ClientReaderWriter<v1::AgentMessage, v1::SchedulerMessage>> stream_;
  v1::Facts facts_;
};

class ServerTest : public ::testing::Test {
 protected:
  static void SetUpTestSuite() { rpc::InitializeProcess(); }
  void SetUp() override;

  // A new fleet; no scheduler runs yet.
  void MakeFleet();
  void Start();
  // Calls below go to this one from now on.
  void Use(const Server& server);
  void Stop() { server_.reset(); }

  // ---- peers
  struct Agent {
    std::string id;
    v1::Facts facts;
    rpc::TlsIdentity tls;
  };
  // With a token of its own.
  Agent Enrol(std::string_view name);
  std::unique_ptr<AgentPeer> Connect(const Agent& agent, const std::string& boot_id = "");
  std::shared_ptr<grpc::Channel> Channel(const rpc::TlsIdentity& tls,
                                         const rpc::SessionCache* sessions = nullptr);
  // As the first investigator.
  v1::InvestigatorService::Stub& Api() { return *api_; }
  // A certificate of the fleet's CA that only a test would have made.
  rpc::TlsIdentity Issue(const std::function<absl::StatusOr<IssuedCertificate>(
                             const CertificateAuthority&, const PublicKey&)>& issue);
  v1::Facts FactsOf(const std::string& id, std::string_view name) const;

  // ---- actions
  v1::Action NewAction(std::string_view target = "true", int operations = 1) const;
  std::string Sign(const v1::Action& action) const;
  grpc::Status Launch(const std::string& envelope, v1::LaunchResponse* response);
  // Signs, launches, expects success; gives the id.
  std::string LaunchNew(std::string_view target = "true", int operations = 1);
  // Everything that Results (or Watch, which waits) gives.
  std::vector<v1::WatchEvent> Results(const std::string& action_id);
  std::vector<v1::WatchEvent> Watch(const std::string& action_id, bool until_expired = false);
  v1::Progress ProgressOf(const std::string& action_id);
  // The last state of an agent in these events.
  static v1::AgentState StateOf(const std::vector<v1::WatchEvent>& events,
                                const std::string& agent_id);

  std::string Path(const std::string& name) const { return directory_.path() + "/fleet/" + name; }

  TemporaryDirectory directory_;
  MovedClock clock_;
  Settings settings_;
  std::unique_ptr<Server> server_;
  std::string address_;
  rpc::TlsIdentity investigator_tls_;
  std::unique_ptr<v1::InvestigatorService::Stub> api_;
};

// A context that gives up after a minute, so that a test can't hang.
std::unique_ptr<grpc::ClientContext> Patience();

v1::ResultRecord RowsRecord(const std::string& action_id, uint64_t sequence,
                            std::vector<std::string> rows, uint32_t operation = 0);
v1::ResultRecord SummaryRecord(const std::string& action_id, uint64_t sequence, v1::Outcome outcome,
                               uint64_t rows, uint32_t operation = 0);

}  // namespace dragnet::scheduler
