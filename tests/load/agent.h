// One simulated agent: what link, monitor and workers of a real one are to a
// scheduler, in about a kilobyte beside its connection. It keeps to the contract
// of docs/flow-control.md and agent_gateway.proto, unless it is told to lie.
// Not thread-safe.
#pragma once

#include <cstdint>
#include <functional>
#include <memory>
#include <string>
#include <vector>

#include "agent/link/retry_delay.h"
#include "dragnet/v1/agent_gateway.pb.h"
#include "tests/load/authority.h"
#include "tests/load/behaviour.h"
#include "tests/load/blob_content.h"
#include "tests/load/event_loop.h"
#include "tests/load/grpc_call.h"
#include "tests/load/ledger.h"
#include "tests/load/spool_file.h"
#include "tests/load/statistics.h"

namespace dragnet::load {

// What all agents of a process share.
struct AgentWorld {
  EventLoop& loop;
  // At least one.
  const std::vector<std::unique_ptr<Transport>>& transports;
  Authority& authority;
  const RowMaker& rows;
  Statistics& statistics;
  SpoolFile& spool_file;
  BlobContents& blobs;
  std::string fleet_id;
  uint64_t seed = 0;
  // For agents without a certificate; empty: they fail.
  std::string enrolment_token = {};
  // Told of each new certificate.
  std::function<void(const Identity&)> on_enrolled = {};
  Misbehaviour misbehaviour = {};
  bool resume_tls = false;
  // Records that an agent keeps until they are acknowledged.
  size_t spool_records = 64;
};

class SimulatedAgent final : public GrpcCall::Owner, public Timed {
 public:
  // `place`: its number in this process, for the authority.
  // `enrolment_request`: for one without a certificate.
  SimulatedAgent(AgentWorld& world, uint32_t place, Identity identity,
                 std::string enrolment_request);

  // Connects at this time first.
  void Start(absl::Time when);
  // Closes its connection, without a word.
  void Stop();

  // What an earlier process left in a spool file, entry by entry; then the end.
  void Restore(const SpoolEntry& entry);
  void RestoreEnd();

  v1::Facts Facts() const;
  // Those of the connection that is up.
  void AddBytes(Statistics* statistics) const;
  void AddToLedger(Ledger* ledger) const;

 private:
  enum class Stage { kWaiting, kEnrolling, kConnecting, kGreeting, kConnected };

  // What an operation came to so far; `end` as in LedgerEntry.
  struct Done {
    uint64_t rows = 0;
    uint64_t records = 0;
    const char* end = "";
  };
  // An action that was taken on.
  struct Run {
    SharedAction* action = nullptr;
    uint32_t operation = 0;
    uint64_t next_sequence = 1;
    uint64_t rows_done = 0;
    uint64_t rows_total = 0;
    absl::Time ready_at = absl::InfinitePast();
    Ending ending = Ending::kFound;
    bool has_blobs = false;
    bool finished = false;
    bool refused = false;
    // By operation, of those that were begun.
    std::vector<Done> done;
  };
  // A record that isn't acknowledged. One with rows is made when it is sent.
  struct Spooled {
    SharedAction* action = nullptr;  // null: as `record` says
    uint32_t operation = 0;
    uint64_t sequence = 0;
    uint64_t first_row = 0;
    uint32_t rows = 0;
    bool sent = false;
    bool repeated = false;
    std::string record;
  };
  struct BlobFetch {
    std::string sha256;
    uint64_t size = 0;
    uint64_t offset = 0;
    bool asked = false;
  };

  // GrpcCall::Owner
  bool NextMessage(std::string* message) override;
  void OnMessage(std::string_view message) override;
  void OnEnd(const CallEnd& end) override;
  void OnTlsSession(std::string session) override;
  // Timed
  void OnDue() override;

  const Transport& Scheduler() const;
  void Connect();
  void Hello(std::string* message);
  void OnWelcome(const v1::Welcome& welcome);
  void OnEnrolled(std::string_view message);
  void OnPolicy(const std::string& envelope);
  void OnAction(const std::string& envelope);
  void OnOrder(const std::string& envelope);
  void OnAcknowledged(const v1::RecordKey& key);
  void OnBlobPart(const v1::BlobPart& part);

  void TakeOn(SharedAction* action);
  bool HasTakenOn(const SharedAction& action) const;
  void Refuse(std::string_view envelope, const Refused& refused);
  void StartOperation(Run& run);
  void Produce();
  bool ProduceOne(Run& run);
  void EndOperation(Run& run, v1::OperationSummary summary);
  v1::OperationSummary SummaryOf(const Run& run) const;
  void CancelRun(Run& run);
  bool HasBlobs(Run& run);
  void AskForBlob();
  void Spool(Spooled record, bool is_summary);
  Spooled* NextToSend();
  void Serialise(const Spooled& record, std::string* message) const;
  void SendLight(const v1::AgentMessage& message);
  void TellMadeUpRecords();
  void ArmNext();
  void KeepAlive();
  void Misbehave();

  AgentWorld& world_;
  const uint32_t place_;
  const Lie lie_;
  const bool slow_reader_;
  const bool black_hole_;
  Identity identity_;
  std::unique_ptr<EVP_PKEY, void (*)(EVP_PKEY*)> private_key_{nullptr, EVP_PKEY_free};
  std::string enrolment_request_;
  RetryDelay retry_delay_;
  // Connections.
  uint32_t ended_ = 0;
  std::unique_ptr<GrpcCall> call_;
  Stage stage_ = Stage::kWaiting;
  absl::Time deadline_ = absl::InfiniteFuture();
  std::string tls_session_;
  Authority::Policy policy_;

  // Of this connection.
  absl::Time connected_since_;
  absl::Time next_heartbeat_;
  absl::Duration heartbeat_interval_;
  absl::Time next_liveness_check_;
  uint64_t read_at_last_check_ = 0;
  bool pinged_ = false;
  absl::Time next_misbehaviour_ = absl::InfiniteFuture();
  bool misbehaving_ = false;
  bool said_hello_ = false;
  uint32_t window_ = 1;
  uint32_t in_flight_ = 0;
  // Messages that aren't records, oldest first; seldom more than one.
  std::vector<std::string> light_;

  std::vector<Spooled> spool_;
  std::vector<Run> runs_;
  // Indexes into runs_ of those that haven't finished.
  std::vector<uint32_t> active_;
  std::unique_ptr<BlobFetch> fetch_;
  std::vector<std::string> blobs_held_;
};

}  // namespace dragnet::load
