// The part of the SQLite store that every record goes through: pairs, records
// and refusals, and the order in which things happened.
//
// Belongs to the writer's thread: all calls run inside its transaction.
#pragma once

#include <cstdint>
#include <map>
#include <memory>
#include <optional>
#include <string>
#include <string_view>
#include <vector>

#include "absl/status/status.h"
#include "absl/status/statusor.h"
#include "dragnet/v1/results.pb.h"
#include "scheduler/store/sqlite.h"
#include "scheduler/store/store.h"

namespace dragnet::scheduler {

// Reads a pair with all its operations.
absl::StatusOr<std::optional<Pair>> ReadPair(Database& database, int64_t action, int64_t agent,
                                             size_t operations);

class RecordTables {
 public:
  // Goes on counting positions after the last one that `database` holds.
  static absl::StatusOr<std::unique_ptr<RecordTables>> Load(Database& database);

  absl::StatusOr<Appended> Append(Database& database, std::string_view agent_id,
                                  const v1::ResultRecord& record);
  absl::Status AddPair(Database& database, std::string_view action_id, std::string_view agent_id);
  absl::Status MarkSent(Database& database, std::string_view action_id,
                        const std::vector<std::string>& agent_ids);
  absl::Status MarkAccepted(Database& database, std::string_view action_id,
                            std::string_view agent_id);
  // No pair of this action waits any more.
  absl::Status CloseWaiting(Database& database, int64_t action);

  // Something was undone: numbers that were looked up may not exist.
  void Forget();

 private:
  struct Action {
    int64_t no = 0;
    std::vector<OperationBounds> bounds;
    // By retention: what comes now comes too late.
    std::optional<absl::Time> results_removed_at;
  };

  explicit RecordTables(uint64_t last_position) : last_position_(last_position) {}

  // Null when there is none.
  absl::StatusOr<const Action*> FindAction(Database& database, std::string_view action_id);
  // 0 when there is none.
  absl::StatusOr<int64_t> FindAgent(Database& database, std::string_view agent_id);

  absl::StatusOr<Appended> AppendToPair(Database& database, const Action& action, int64_t agent,
                                        const v1::ResultRecord& record, Pair pair);
  absl::StatusOr<Appended> AppendRefusal(Database& database, const Action* action, int64_t agent,
                                         const v1::ResultRecord& record, std::optional<Pair> pair);
  absl::Status KeepRefusal(Database& database, int64_t agent, std::string_view action_id,
                           const v1::Refusal& refusal);
  absl::Status NoteDropped(Database& database, int64_t agent, const v1::ResultRecord& record,
                           const absl::Status& reason);
  absl::StatusOr<bool> IsDuplicate(Database& database, const Action& action, int64_t agent,
                                   const v1::ResultRecord& record, const Pair& pair);
  absl::Status InsertRows(Database& database, int64_t action, int64_t agent,
                          const v1::ResultRecord& record);
  absl::Status WriteOperation(Database& database, int64_t action, int64_t agent, uint32_t operation,
                              const OperationProgress& progress);
  // Writes `after`; at a new position if someone who watches would see a difference.
  absl::Status WritePair(Database& database, int64_t action, int64_t agent, const Pair& before,
                         const Pair& after, bool summary_added);

  uint64_t last_position_;
  std::map<std::string, Action, std::less<>> actions_;
  std::map<std::string, int64_t, std::less<>> agents_;
};

}  // namespace dragnet::scheduler
