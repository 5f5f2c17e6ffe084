// The store in SQL, over either engine (database.h): one writer with group commit, several
// readers. Of an engine that other schedulers write to as well, each transaction begins
// where the last one of any of them ended (stream_head.h). Thread-safe, as store.h says.
#pragma once

#include <functional>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/statusor.h"
#include "core/mutex.h"
#include "scheduler/store/engine.h"
#include "scheduler/store/read_pool.h"
#include "scheduler/store/record_tables.h"
#include "scheduler/store/store.h"
#include "scheduler/store/stream_head.h"
#include "scheduler/store/writer.h"

namespace dragnet::scheduler {

struct SqlStoreOptions {
  // Several schedulers use it: what they all must learn is written to the outbox.
  bool shared = false;
  // Connections for reading.
  int readers = 4;
};

class SqlStore : public Store {
 public:
  // Errors as of the engine.
  static absl::StatusOr<std::unique_ptr<SqlStore>> Open(std::unique_ptr<StoreEngine> engine,
                                                        const SqlStoreOptions& options);

  absl::Status AddTrustPolicy(const StoredTrustPolicy& policy) override;
  absl::StatusOr<std::vector<StoredTrustPolicy>> TrustPolicies() override;

  absl::Status AddToken(const StoredToken& token) override;
  absl::StatusOr<StoredToken> FindToken(std::string_view sha256, absl::Time now) override;
  absl::StatusOr<std::vector<StoredToken>> Tokens(bool all, absl::Time now, int limit) override;
  absl::StatusOr<uint32_t> RevokeToken(std::string_view token_id) override;
  absl::Status EnrolAgent(const Enrolment& enrolment, absl::Time now) override;
  absl::StatusOr<Admission> AskToEnrol(const StoredEnrolmentRequest& request,
                                       absl::Time now) override;
  absl::StatusOr<std::vector<StoredEnrolmentRequest>> EnrolmentRequests(absl::Time now,
                                                                        int limit) override;
  absl::StatusOr<uint64_t> CountEnrolmentRequests(absl::Time now) override;
  absl::Status DecideEnrolment(std::string_view agent_id, std::string_view key_sha256, bool approve,
                               absl::Time now) override;
  absl::Status AddCertificate(const StoredCertificate& certificate) override;
  absl::StatusOr<std::optional<StoredCertificate>> FindCertificate(
      std::string_view fingerprint) override;
  absl::StatusOr<uint32_t> RevokeIdentity(std::string_view identity) override;
  absl::StatusOr<std::vector<StoredCertificate>> NewestCertificates(absl::Time after) override;

  absl::StatusOr<std::vector<StoredAgent>> Agents() override;
  absl::StatusOr<StoredAgent> FindAgent(std::string_view agent_id) override;
  void UpdateAgent(std::string_view agent_id, const AgentUpdate& update, Done done) override;

  absl::Status AddAction(const StoredAction& action,
                         const std::vector<std::string>& agent_ids) override;
  absl::StatusOr<StoredAction> FindAction(std::string_view action_id) override;
  absl::StatusOr<std::vector<std::string>> MatchActions(std::string_view fragment,
                                                        int limit) override;
  absl::StatusOr<std::vector<StoredAction>> ListActions(std::string_view before,
                                                        int limit) override;
  absl::StatusOr<std::vector<StoredAction>> ActiveActions(absl::Time now) override;
  absl::Status CancelAction(std::string_view action_id) override;
  absl::StatusOr<std::vector<std::string>> CloseExpired(absl::Time now) override;

  absl::Status AddProposal(const StoredProposal& proposal, const ProposalBounds& bounds,
                           absl::Time now) override;
  absl::Status SignProposal(std::string_view id, std::string_view before,
                            std::string_view envelope) override;
  absl::Status RefuseProposal(std::string_view id, std::string_view refusal,
                              const std::vector<std::string>& refused_by, absl::Time now) override;
  absl::StatusOr<StoredProposal> FindProposal(std::string_view id) override;
  absl::Status ForEachProposal(const std::function<void(const StoredProposal&)>& visit) override;
  absl::StatusOr<std::vector<std::string>> MatchProposals(std::string_view fragment,
                                                          int limit) override;

  absl::Status AddOrder(const StoredOrder& order, const KeptDispatch& dispatch,
                        bool cancels) override;
  absl::StatusOr<std::vector<StoredOrder>> Orders(std::string_view action_id) override;
  absl::StatusOr<std::vector<StoredOrder>> OrdersInForce(absl::Time expires_after) override;
  absl::Status SaveDispatch(std::string_view action_id, const KeptDispatch& dispatch) override;
  absl::StatusOr<KeptDispatch> FindDispatch(std::string_view action_id) override;

  absl::Status AddPair(std::string_view action_id, std::string_view agent_id,
                       absl::Time now) override;
  absl::StatusOr<std::optional<Pair>> FindPair(std::string_view action_id,
                                               std::string_view agent_id) override;
  absl::StatusOr<std::vector<PairState>> Pairs(std::string_view action_id) override;
  absl::StatusOr<ChangedPairs> PairsChangedAfter(std::string_view action_id,
                                                 uint64_t position) override;
  absl::StatusOr<std::vector<AgentAction>> ActionsOf(std::string_view agent_id, int limit) override;
  void MarkSent(std::string_view action_id, std::vector<std::string> agent_ids, Done done) override;
  void MarkAccepted(std::string_view action_id, std::string_view agent_id, Done done) override;
  void MarkDoubted(std::string_view agent_id, Done done) override;

  void AppendRecord(std::string_view agent_id, v1::ResultRecord record, absl::Time now,
                    Appending done) override;
  size_t PendingBytes() const override;
  absl::StatusOr<std::vector<Change>> ReadChanges(std::string_view action_id, uint64_t position,
                                                  size_t max_bytes) override;
  absl::StatusOr<uint64_t> ReadRows(std::string_view action_id, uint32_t operation,
                                    uint64_t position, size_t max_bytes,
                                    const RowsReader& reader) override;
  absl::StatusOr<std::vector<StoredAction>> ListSweeps(bool with_ended, absl::Time now,
                                                       int limit) override;
  absl::StatusOr<uint64_t> CountSweeps(bool with_ended, absl::Time now) override;
  absl::StatusOr<NewestCounts> CountNewest(std::string_view sweep_id) override;
  absl::StatusOr<std::vector<v1::VerdictCounts>> CountByCheck(std::string_view action_id) override;
  absl::StatusOr<std::vector<StoredRun>> Runs(std::string_view sweep_id, absl::Time since,
                                              int limit) override;
  absl::StatusOr<std::vector<SweepAgent>> SweepAgents(std::string_view sweep_id) override;
  absl::StatusOr<SweepAgentCounts> CountSweepAgents(
      std::string_view sweep_id, std::optional<absl::Time> silent_since) override;
  absl::StatusOr<std::vector<std::string>> AgentsWithVerdicts(std::string_view sweep_id) override;
  absl::StatusOr<std::vector<StoredVerdict>> NewestVerdicts(std::string_view sweep_id,
                                                            std::string_view agent_id) override;
  absl::StatusOr<std::vector<StoredSweepChange>> SweepChanges(std::string_view sweep_id,
                                                              absl::Time since, uint64_t before,
                                                              int limit) override;
  void AppendRecords(std::vector<AgentRecord> records, const std::optional<BusRange>& range,
                     AppendingAll done) override;
  absl::StatusOr<Lease> TakeLease(std::string_view name, std::string_view holder,
                                  absl::Duration lifetime) override;
  absl::Status GiveUpLease(std::string_view name, std::string_view holder) override;
  absl::StatusOr<std::map<std::string, Lease>> Leases(std::string_view prefix) override;
  absl::StatusOr<std::vector<Claimed>> ClaimSessions(
      std::string_view scheduler, const std::vector<SessionClaim>& claims) override;
  absl::Status ReleaseSessions(const std::vector<StoredSession>& sessions) override;
  absl::StatusOr<std::vector<std::string>> LostSessions(
      const std::vector<StoredSession>& sessions) override;
  absl::Status ReleaseAllSessions(std::string_view scheduler) override;
  absl::StatusOr<std::vector<StoredSession>> Sessions() override;
  absl::StatusOr<std::vector<v1::Notice>> Outbox(int limit) override;
  absl::Status ForgetOutbox(const std::vector<uint64_t>& ids) override;
  absl::StatusOr<std::vector<Revocation>> RevocationsAfter(uint64_t no) override;
  absl::StatusOr<uint64_t> LastRevocation() override;
  absl::StatusOr<uint64_t> BusPosition(uint32_t partition) override;
  absl::Status Settle() override;
  absl::StatusOr<uint64_t> StreamIdentity() override;
  absl::StatusOr<StreamPosition> StreamBegin() override;
  absl::StatusOr<StreamPosition> StreamEnd() override;
  absl::StatusOr<AllChanges> ReadAllChanges(const StreamPosition& after, size_t max_bytes) override;
  absl::StatusOr<std::vector<StoredRefusal>> Refusals(std::string_view agent_id,
                                                      int limit) override;

  // For background work (retention.h): a change among all others of the writer.
  // Blocks until it is committed. `forget`: what was looked up of actions and
  // agents may have changed by it.
  absl::Status Maintain(const Writer::Change& change, bool forget);
  // Within such a change: it removed these records.
  void CountRemoved(int64_t records, int64_t bytes) { records_->CountRemoved(records, bytes); }
  // Commits a change that means nothing, to see whether that goes.
  void Probe(Done done);
  StoreEngine& engine() { return *engine_; }

 protected:
  struct Parts {
    std::unique_ptr<StoreEngine> engine;
    SqlStoreOptions options;
    std::unique_ptr<ReadPool> readers;
    std::unique_ptr<ReadPool> coordination_readers;
    std::unique_ptr<Database> coordinator;
    std::unique_ptr<RecordTables> records;
    std::unique_ptr<Database> writer;
  };
  static absl::StatusOr<Parts> OpenParts(std::unique_ptr<StoreEngine> engine,
                                         const SqlStoreOptions& options);
  explicit SqlStore(Parts parts);

 private:
  // Within a transaction.
  absl::Status Enrol(Database& database, const Enrolment& enrolment, absl::Time now);
  absl::Status InsertAgent(Database& database, const Enrolment& enrolment, const StoredToken& token,
                           absl::Time now);
  absl::Status TakeOver(Database& database, std::string_view replaced_agent_id, int64_t agent);
  static absl::Status InsertCertificate(Database& database, const StoredCertificate& certificate);
  // Gives how many certificates weren't revoked before.
  absl::StatusOr<uint32_t> Revoke(Database& database, std::string_view identity);

  // Of the same transaction: what all schedulers must learn.
  absl::Status Tell(Database& database, v1::Notice::Kind kind, std::string_view name);
  // A change of what schedulers agree on by this store.
  absl::Status Coordinate(const Writer::Change& change);
  // To read of that: not after what investigators read, which may take its time.
  ReadPool::Loan TakeCoordinationReader();
  Writer::Memory WriterMemory();
  // Within a transaction that only the scheduler that leads may make: Aborted when this
  // process has led and another one does since. Holds the lease's row until it ends, so
  // that whoever takes the lease after it sees what it has written.
  absl::Status CheckStillLeads(Database& database);

  const std::unique_ptr<StoreEngine> engine_;
  const SqlStoreOptions options_;
  const std::unique_ptr<ReadPool> readers_;
  // Null: readers_ do that too.
  const std::unique_ptr<ReadPool> coordination_readers_;
  WaitableMutex coordinating_;
  // Guarded by coordinating_. Null: the writer does it.
  const std::unique_ptr<Database> coordinator_;
  // The lead as this process held it last; no holder: never.
  WaitableMutex lead_mutex_;
  Lease held_lead_;
  // Used by the writer's thread only, so they must outlive the writer.
  const std::unique_ptr<RecordTables> records_;
  StreamHead head_;
  Writer writer_;
};

}  // namespace dragnet::scheduler
