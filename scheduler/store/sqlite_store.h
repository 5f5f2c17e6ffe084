// The store in one SQLite file: WAL, synchronous=FULL, one writer with group
// commit, several readers. Tables: schema.cc. Thread-safe, as store.h says.
#pragma once

#include <memory>
#include <string>

#include "absl/status/statusor.h"
#include "core/unique_fd.h"
#include "scheduler/store/read_pool.h"
#include "scheduler/store/record_tables.h"
#include "scheduler/store/store.h"
#include "scheduler/store/writer.h"

namespace dragnet::scheduler {

enum class StoreUse {
  // The scheduler that runs: there can be only one, as it numbers what happens.
  kRun,
  // A command beside it that adds tokens or certificates.
  kCommand,
};

class SqliteStore : public Store {
 public:
  // A new, empty store. AlreadyExists if the file is there.
  static absl::Status Create(const std::string& path);
  // NotFound, FailedPrecondition (not a store, or of a newer version),
  // DataLoss (damaged), Unavailable (another scheduler runs on it).
  static absl::StatusOr<std::unique_ptr<SqliteStore>> Open(const std::string& path, StoreUse use);

  absl::Status AddTrustPolicy(const StoredTrustPolicy& policy) override;
  absl::StatusOr<std::vector<StoredTrustPolicy>> TrustPolicies() override;

  absl::Status AddToken(const StoredToken& token) override;
  absl::Status CheckToken(std::string_view sha256, absl::Time now) override;
  absl::Status EnrolAgent(const Enrolment& enrolment, absl::Time now) override;
  absl::Status AddCertificate(const StoredCertificate& certificate) override;
  absl::StatusOr<std::optional<StoredCertificate>> FindCertificate(
      std::string_view fingerprint) override;
  absl::StatusOr<uint32_t> RevokeIdentity(std::string_view identity) override;

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
  // Commits a change that means nothing, to see whether that goes.
  void Probe(Done done);

 private:
  SqliteStore(UniqueFd lock, std::unique_ptr<ReadPool> readers,
              std::unique_ptr<RecordTables> records, std::unique_ptr<Database> database);

  const UniqueFd lock_;
  const std::unique_ptr<ReadPool> readers_;
  // Used by the writer's thread only, so it must outlive the writer.
  const std::unique_ptr<RecordTables> records_;
  Writer writer_;
};

}  // namespace dragnet::scheduler
