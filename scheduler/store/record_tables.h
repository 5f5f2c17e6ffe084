// The part of the store that every record goes through: pairs, records
// and refusals, and the order in which things happened.
//
// Pairs that change are kept in memory until Flush, which comes before each
// commit: one that ran and ended in the same transaction is written once.
//
// Belongs to the writer's thread: all calls run inside its transaction.
#pragma once

#include <cstdint>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/container/flat_hash_map.h"
#include "absl/container/flat_hash_set.h"
#include "absl/container/node_hash_map.h"
#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "dragnet/v1/results.pb.h"
#include "scheduler/store/database.h"
#include "scheduler/store/pair_rows.h"
#include "scheduler/store/store.h"
#include "scheduler/store/sweep_tables.h"
#include "scheduler/store/writer.h"

namespace dragnet::scheduler {

// The pairs that Append of this record asks for: of a sweep's, its own and the run's.
void AddPairsOf(std::string_view agent_id, const v1::ResultRecord& record,
                std::vector<PairName>* pairs);

class RecordTables {
 public:
  // Goes on counting positions after this one.
  explicit RecordTables(uint64_t last_position) : last_position_(last_position) {}

  uint64_t last_position() const { return last_position_; }
  // For something that isn't in these tables, and has its place in the order of all.
  uint64_t NextPosition() { return ++last_position_; }
  // Bytes of records that were added and removed since StartCounting.
  void StartCounting() { stored_bytes_ = 0; }
  int64_t stored_bytes() const { return stored_bytes_; }
  void CountRemoved(int64_t records, int64_t bytes);
  // Where others have written, who count on from the last position as well.
  void GoOnAfter(uint64_t position) { last_position_ = position; }

  // One that fails has changed nothing that the next Flush writes (of MarkSent:
  // some may be marked).
  absl::StatusOr<Appended> Append(Database& database, std::string_view agent_id,
                                  const v1::ResultRecord& record, absl::Time now);
  // In their order. What fails of its own accord, Append would have dropped.
  absl::StatusOr<std::vector<Appended>> AppendAll(Database& database,
                                                  const std::vector<AgentRecord>& records);
  absl::Status MarkSent(Database& database, std::string_view action_id,
                        const std::vector<std::string>& agent_ids);
  absl::Status MarkAccepted(Database& database, std::string_view action_id,
                            std::string_view agent_id);
  absl::Status MarkDoubted(Database& database, std::string_view agent_id);

  // Of a remote database: brings what will be asked for of these pairs, all at once.
  absl::Status LookAhead(Database& database, const std::vector<PairName>& pairs);

  // Of an action that was just added: whether it is a sweep, or counts to one.
  absl::Status OnAction(Database& database, int64_t action, const StoredAction& stored) {
    return sweeps_.OnAction(database, action, stored);
  }

  // Write at once; nothing may wait for a Flush.
  absl::Status AddPair(Database& database, std::string_view action_id, std::string_view agent_id,
                       absl::Time now);
  // A waiting pair for each agent, where there is none. NotFound.
  absl::Status AddPairs(Database& database, std::string_view action_id,
                        const std::vector<std::string>& agent_ids, absl::Time now);
  // An agent that was revoked, and what it told counts no more.
  absl::Status ForgetAgent(Database& database, int64_t agent);
  // No pair of this action waits any more.
  absl::Status CloseWaiting(Database& database, int64_t action);

  // Writes the pairs that have changed.
  absl::Status Flush(Database& database);
  // Something was undone: what is known here of the tables may be wrong.
  void Forget();

 private:
  struct Action {
    int64_t no = 0;
    std::vector<OperationBounds> bounds;
    // By retention: what comes now comes too late.
    std::optional<absl::Time> results_removed_at;
    SweepRole sweep;
    // Of an extra run.
    std::string sweep_id;
  };
  struct KnownPair {
    int64_t action = 0;
    int64_t agent = 0;
    Pair pair;
    // What waits to be written: the pair itself, and operations by bit.
    bool changed = false;
    uint32_t changed_operations = 0;
    // Operations, by bit, of which it was noted that they are over their bounds. Not
    // kept: a note says it again at most once after each start.
    uint32_t noted_over_bounds = 0;
    // 0: none that a Flush has to write.
    uint64_t new_position = 0;
    // About, in memory.
    size_t bytes = 0;
    // Of a run of a sweep.
    SweepRole sweep;
    // Of the sweep itself: its number.
    int64_t own_sweep = 0;
  };

  // Null when there is none. Each is good until the next call of it.
  absl::StatusOr<const Action*> FindAction(Database& database, std::string_view action_id);
  absl::StatusOr<KnownPair*> FindPair(Database& database, const Action& action, int64_t agent);
  KnownPair* Keep(const Action& action, int64_t agent, Pair pair);
  // Of a remote database: brings the numbers of all of them at once.
  absl::Status LookUpAgents(Database& database, const std::vector<std::string>& ids);
  // 0 when there is none.
  absl::StatusOr<int64_t> FindAgent(Database& database, std::string_view agent_id);

  // Of a sweep: its records are stored for the run that they are of.
  absl::StatusOr<Appended> AppendToRun(Database& database, std::string_view agent_id,
                                       const v1::ResultRecord& record, absl::Time now);
  // A record that isn't stored, for a reason that isn't the pair's.
  absl::StatusOr<Appended> Drop(Database& database, int64_t agent, const v1::ResultRecord& record,
                                const absl::Status& reason);
  absl::StatusOr<Appended> AppendToPair(Database& database, const Action& action,
                                        const v1::ResultRecord& record, KnownPair* known);
  absl::Status DropOverBounds(Database& database, const v1::ResultRecord& record,
                              const absl::Status& reason, KnownPair* known);
  absl::StatusOr<Appended> AppendRefusal(Database& database, int64_t agent,
                                         const v1::ResultRecord& record, KnownPair* known);
  absl::Status KeepRefusal(Database& database, int64_t agent, std::string_view action_id,
                           const v1::Refusal& refusal);
  absl::Status NoteDropped(Database& database, int64_t agent, const v1::ResultRecord& record,
                           const absl::Status& reason);
  absl::Status InsertRows(Database& database, int64_t action, int64_t agent,
                          const v1::ResultRecord& record);
  // Changes a pair in memory; at a new position if someone who watches would see
  // a difference.
  template <typename Update>
  void Change(KnownPair* known, Update update);
  // What a pair that was written means for the sweep that it is of.
  absl::Status TellSweeps(Database& database, const KnownPair& known);
  void ForgetPairs();

  uint64_t last_position_;
  int64_t stored_bytes_ = 0;
  SweepTables sweeps_;
  absl::node_hash_map<std::string, Action> actions_;
  absl::flat_hash_map<std::string, int64_t> agents_;
  // By action and agent. Those of `changed_` stay until they are written.
  absl::node_hash_map<std::pair<int64_t, int64_t>, KnownPair> pairs_;
  size_t pair_bytes_ = 0;
  // Pairs that LookAhead found not to be there; since the last Flush.
  absl::flat_hash_set<std::pair<int64_t, int64_t>> absent_;
  std::vector<KnownPair*> changed_;
};

}  // namespace dragnet::scheduler
