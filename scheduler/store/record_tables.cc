#include "scheduler/store/record_tables.h"

#include <algorithm>
#include <utility>

#include "core/status_macros.h"
#include "core/strings.h"
#include "core/text.h"
#include "core/uuid.h"
#include "scheduler/observe/metrics.h"
#include "scheduler/store/retention.h"

namespace dragnet::scheduler {
namespace {

constexpr size_t kMaxRefusalDetail = 1024;
constexpr size_t kSha256Bytes = 32;
// How many actions' numbers are kept at hand.
constexpr size_t kMaxCachedActions = 1000;

// A refusal as it is kept: from a host, so bounded before it is stored.
v1::Refusal BoundedRefusal(const v1::Refusal& refusal) {
  v1::Refusal bounded;
  bounded.set_reason(refusal.reason());
  bounded.set_detail(Shorten(refusal.detail(), kMaxRefusalDetail));
  if (refusal.envelope_sha256().size() == kSha256Bytes)
    bounded.set_envelope_sha256(refusal.envelope_sha256());
  *bounded.mutable_refused_at() = refusal.refused_at();
  return bounded;
}

absl::Status ReadOperations(Database& database, int64_t action, int64_t agent, Pair* pair) {
  Query query = database.Ask(
      "SELECT operation, records, rows, bytes, last_sequence, summary_sequence, summary"
      " FROM pair_operations WHERE action = ? AND agent = ?",
      action, agent);
  while (query.Next()) {
    const size_t index = static_cast<size_t>(query.Integer(0));
    if (index >= pair->operations.size()) return absl::DataLossError("operation out of range");
    OperationProgress& progress = pair->operations[index];
    progress.records = static_cast<uint64_t>(query.Integer(1));
    progress.rows = static_cast<uint64_t>(query.Integer(2));
    progress.bytes = static_cast<uint64_t>(query.Integer(3));
    progress.last_sequence = static_cast<uint64_t>(query.Integer(4));
    progress.summary_sequence = static_cast<uint64_t>(query.Integer(5));
    if (query.IsNull(6)) continue;
    if (!progress.summary.emplace().ParseFromString(query.Text(6)))
      return absl::DataLossError("a stored summary doesn't parse");
  }
  return query.status();
}

}  // namespace

absl::StatusOr<std::optional<Pair>> ReadPair(Database& database, int64_t action, int64_t agent,
                                             size_t operations) {
  Pair pair;
  pair.operations.resize(operations);
  {
    Query query = database.Ask(
        "SELECT state, dropped, drop_reason, detail, refusal FROM pairs"
        " WHERE action = ? AND agent = ?",
        action, agent);
    if (!query.Next()) {
      if (!query.status().ok()) return query.status();
      return std::nullopt;
    }
    pair.state = static_cast<v1::DispatchState>(query.Integer(0));
    pair.dropped = static_cast<uint64_t>(query.Integer(1));
    pair.drop_reason = query.Text(2);
    pair.detail = query.Text(3);
    if (!query.IsNull(4) && !pair.refusal.emplace().ParseFromString(query.Text(4)))
      return absl::DataLossError("a stored refusal doesn't parse");
  }
  DRAGNET_RETURN_IF_ERROR(ReadOperations(database, action, agent, &pair));
  return pair;
}

absl::StatusOr<std::unique_ptr<RecordTables>> RecordTables::Load(Database& database) {
  DRAGNET_ASSIGN_OR_RETURN(
      const int64_t last,
      database.IntegerOr(0,
                         "SELECT max(coalesce((SELECT max(position) FROM records), 0),"
                         "           coalesce((SELECT max(position) FROM pairs), 0),"
                         "           coalesce((SELECT max(position) FROM refusals), 0))"));
  return std::unique_ptr<RecordTables>(new RecordTables(static_cast<uint64_t>(last)));
}

void RecordTables::Forget() {
  actions_.clear();
  agents_.clear();
}

absl::StatusOr<const RecordTables::Action*> RecordTables::FindAction(Database& database,
                                                                     std::string_view action_id) {
  if (auto found = actions_.find(action_id); found != actions_.end()) return &found->second;
  Action action;
  DRAGNET_ASSIGN_OR_RETURN(action.no,
                           database.IntegerOr(0, "SELECT no FROM actions WHERE id = ?", action_id));
  if (action.no == 0) return nullptr;
  Query query = database.Ask(
      "SELECT rows, bytes FROM action_bounds WHERE action = ? ORDER BY operation", action.no);
  while (query.Next())
    action.bounds.push_back({.rows = static_cast<uint64_t>(query.Integer(0)),
                             .bytes = static_cast<uint64_t>(query.Integer(1))});
  DRAGNET_RETURN_IF_ERROR(query.status());
  DRAGNET_ASSIGN_OR_RETURN(action.results_removed_at, RemovedAt(database, action.no));
  if (actions_.size() >= kMaxCachedActions) actions_.clear();
  return &actions_.emplace(std::string(action_id), std::move(action)).first->second;
}

absl::StatusOr<int64_t> RecordTables::FindAgent(Database& database, std::string_view agent_id) {
  if (auto found = agents_.find(agent_id); found != agents_.end()) return found->second;
  DRAGNET_ASSIGN_OR_RETURN(const int64_t no,
                           database.IntegerOr(0, "SELECT no FROM agents WHERE id = ?", agent_id));
  if (no != 0) agents_.emplace(std::string(agent_id), no);
  return no;
}

absl::StatusOr<Appended> RecordTables::Append(Database& database, std::string_view agent_id,
                                              const v1::ResultRecord& record) {
  DRAGNET_ASSIGN_OR_RETURN(const int64_t agent, FindAgent(database, agent_id));
  if (agent == 0) return absl::NotFoundError(StrCat("no agent ", agent_id));
  DRAGNET_ASSIGN_OR_RETURN(const Action* action, FindAction(database, record.action_id()));
  std::optional<Pair> pair;
  if (action != nullptr) {
    DRAGNET_ASSIGN_OR_RETURN(pair, ReadPair(database, action->no, agent, action->bounds.size()));
  }
  if (record.has_refusal()) return AppendRefusal(database, action, agent, record, std::move(pair));
  Appended appended;
  if (action != nullptr && action->results_removed_at.has_value()) {
    appended.dropped = absl::FailedPreconditionError("retention has removed this action's results");
  } else if (pair.has_value()) {
    return AppendToPair(database, *action, agent, record, *std::move(pair));
  } else if (action == nullptr) {
    // Made up; or launched after the backup that this store was restored from.
    appended.dropped =
        absl::PermissionDeniedError("a record of an action that this scheduler doesn't know");
    TheMetrics().records_of_unknown_actions.Add();
  } else {
    appended.dropped = absl::PermissionDeniedError("a record of an action that it was not sent");
  }
  DRAGNET_RETURN_IF_ERROR(NoteDropped(database, agent, record, appended.dropped));
  return appended;
}

absl::StatusOr<Appended> RecordTables::AppendToPair(Database& database, const Action& action,
                                                    int64_t agent, const v1::ResultRecord& record,
                                                    Pair pair) {
  Appended appended;
  DRAGNET_ASSIGN_OR_RETURN(appended.duplicate, IsDuplicate(database, action, agent, record, pair));
  appended.state = pair.state;
  if (appended.duplicate) return appended;

  const Pair before = pair;
  appended.dropped = CheckRecord(record, record.ByteSizeLong(), pair, action.bounds);
  if (appended.dropped.ok()) {
    OnRecord(record, &pair);
    if (record.has_rows()) DRAGNET_RETURN_IF_ERROR(InsertRows(database, action.no, agent, record));
    DRAGNET_RETURN_IF_ERROR(WriteOperation(database, action.no, agent, record.operation(),
                                           pair.operations[record.operation()]));
  } else {
    OnDropped(appended.dropped, &pair);
    DRAGNET_RETURN_IF_ERROR(NoteDropped(database, agent, record, appended.dropped));
  }
  appended.state = pair.state;
  const bool summary_added = appended.dropped.ok() && record.has_summary();
  DRAGNET_RETURN_IF_ERROR(WritePair(database, action.no, agent, before, pair, summary_added));
  return appended;
}

absl::StatusOr<bool> RecordTables::IsDuplicate(Database& database, const Action& action,
                                               int64_t agent, const v1::ResultRecord& record,
                                               const Pair& pair) {
  if (record.operation() >= pair.operations.size()) return false;
  const OperationProgress& operation = pair.operations[record.operation()];
  if (operation.summary.has_value() && operation.summary_sequence == record.sequence()) return true;
  // Most records are new ones, at the end.
  if (!record.has_rows() || record.sequence() > operation.last_sequence) return false;
  DRAGNET_ASSIGN_OR_RETURN(
      const int64_t found,
      database.IntegerOr(0,
                         "SELECT 1 FROM records WHERE action = ? AND agent = ?"
                         " AND occurrence = ? AND operation = ? AND sequence = ?",
                         action.no, agent, record.occurrence(), record.operation(),
                         record.sequence()));
  return found != 0;
}

absl::Status RecordTables::InsertRows(Database& database, int64_t action, int64_t agent,
                                      const v1::ResultRecord& record) {
  const std::string rows = record.rows().SerializeAsString();
  return database.Run(
      "INSERT INTO records (position, action, agent, occurrence, operation, sequence, rows)"
      " VALUES (?, ?, ?, ?, ?, ?, ?)",
      ++last_position_, action, agent, record.occurrence(), record.operation(), record.sequence(),
      rows);
}

absl::Status RecordTables::WriteOperation(Database& database, int64_t action, int64_t agent,
                                          uint32_t operation, const OperationProgress& progress) {
  DRAGNET_RETURN_IF_ERROR(database.Run(
      "INSERT OR REPLACE INTO pair_operations"
      " (action, agent, operation, records, rows, bytes, last_sequence, summary_sequence)"
      " VALUES (?, ?, ?, ?, ?, ?, ?, ?)",
      action, agent, operation, progress.records, progress.rows, progress.bytes,
      progress.last_sequence, progress.summary_sequence));
  if (!progress.summary.has_value()) return absl::OkStatus();
  const std::string summary = progress.summary->SerializeAsString();
  return database.Run(
      "UPDATE pair_operations SET summary = ? WHERE action = ? AND agent = ? AND operation = ?",
      summary, action, agent, operation);
}

absl::Status RecordTables::WritePair(Database& database, int64_t action, int64_t agent,
                                     const Pair& before, const Pair& after, bool summary_added) {
  const bool visible = summary_added || before.state != after.state ||
                       before.detail != after.detail ||
                       before.refusal.has_value() != after.refusal.has_value();
  DRAGNET_RETURN_IF_ERROR(
      database.Run("UPDATE pairs SET state = ?, rows = ?, dropped = ?, drop_reason = ?,"
                   " detail = ? WHERE action = ? AND agent = ?",
                   static_cast<int>(after.state), after.rows(), after.dropped, after.drop_reason,
                   after.detail, action, agent));
  if (!visible) return absl::OkStatus();
  DRAGNET_RETURN_IF_ERROR(
      database.Run("UPDATE pairs SET position = ?, refusal = NULL WHERE action = ? AND agent = ?",
                   ++last_position_, action, agent));
  if (!after.refusal.has_value()) return absl::OkStatus();
  const std::string refusal = after.refusal->SerializeAsString();
  return database.Run("UPDATE pairs SET refusal = ? WHERE action = ? AND agent = ?", refusal,
                      action, agent);
}

absl::StatusOr<Appended> RecordTables::AppendRefusal(Database& database, const Action* action,
                                                     int64_t agent, const v1::ResultRecord& record,
                                                     std::optional<Pair> pair) {
  const v1::Refusal refusal = BoundedRefusal(record.refusal());
  DRAGNET_RETURN_IF_ERROR(KeepRefusal(database, agent, record.action_id(), refusal));
  Appended appended;
  if (!pair.has_value()) return appended;
  const Pair before = *pair;
  OnRefusal(refusal, &*pair);
  appended.state = pair->state;
  DRAGNET_RETURN_IF_ERROR(WritePair(database, action->no, agent, before, *pair, false));
  return appended;
}

absl::Status RecordTables::KeepRefusal(Database& database, int64_t agent,
                                       std::string_view action_id, const v1::Refusal& refusal) {
  const std::string bytes = refusal.SerializeAsString();
  // What is refused over and over is one row, the last time.
  DRAGNET_RETURN_IF_ERROR(database.Run(
      "INSERT OR REPLACE INTO refusals"
      " (position, agent, action_id, envelope_sha256, reason, refusal) VALUES (?, ?, ?, ?, ?, ?)",
      ++last_position_, agent, IsUuid(action_id) ? action_id : std::string_view(""),
      refusal.envelope_sha256(), static_cast<int>(refusal.reason()), bytes));
  return database.Run(
      "DELETE FROM refusals WHERE agent = ?1 AND position <="
      " (SELECT position FROM refusals WHERE agent = ?1 ORDER BY position DESC LIMIT 1 OFFSET ?2)",
      agent, kRefusalsKeptPerAgent);
}

absl::Status RecordTables::NoteDropped(Database& database, int64_t agent,
                                       const v1::ResultRecord& record, const absl::Status& reason) {
  v1::Refusal note;
  note.set_detail(Shorten(StrCat("the scheduler dropped a record (operation ", record.operation(),
                                 ", sequence ", record.sequence(), "): ", reason.message()),
                          kMaxRefusalDetail));
  return KeepRefusal(database, agent, record.action_id(), note);
}

absl::Status RecordTables::AddPair(Database& database, std::string_view action_id,
                                   std::string_view agent_id) {
  DRAGNET_ASSIGN_OR_RETURN(const int64_t agent, FindAgent(database, agent_id));
  if (agent == 0) return absl::NotFoundError(StrCat("no agent ", agent_id));
  DRAGNET_ASSIGN_OR_RETURN(const Action* action, FindAction(database, action_id));
  if (action == nullptr) return absl::NotFoundError(StrCat("no action ", action_id));
  return database.Run(
      "INSERT OR IGNORE INTO pairs (action, agent, state, position) VALUES (?, ?, ?, ?)",
      action->no, agent, static_cast<int>(v1::DISPATCH_STATE_WAITING), ++last_position_);
}

absl::Status RecordTables::MarkSent(Database& database, std::string_view action_id,
                                    const std::vector<std::string>& agent_ids) {
  DRAGNET_ASSIGN_OR_RETURN(const Action* action, FindAction(database, action_id));
  if (action == nullptr) return absl::NotFoundError(StrCat("no action ", action_id));
  for (const std::string& agent_id : agent_ids) {
    DRAGNET_ASSIGN_OR_RETURN(const int64_t agent, FindAgent(database, agent_id));
    // As OnSent, without reading the pair: there can be ten thousand of them.
    DRAGNET_RETURN_IF_ERROR(database.Run(
        "UPDATE pairs SET state = ?, position = ? WHERE action = ? AND agent = ? AND state = ?",
        static_cast<int>(v1::DISPATCH_STATE_SENT), ++last_position_, action->no, agent,
        static_cast<int>(v1::DISPATCH_STATE_WAITING)));
  }
  return absl::OkStatus();
}

absl::Status RecordTables::MarkAccepted(Database& database, std::string_view action_id,
                                        std::string_view agent_id) {
  DRAGNET_ASSIGN_OR_RETURN(const int64_t agent, FindAgent(database, agent_id));
  DRAGNET_ASSIGN_OR_RETURN(const Action* action, FindAction(database, action_id));
  std::optional<Pair> pair;
  if (action != nullptr) {
    DRAGNET_ASSIGN_OR_RETURN(pair, ReadPair(database, action->no, agent, action->bounds.size()));
  }
  if (!pair.has_value())
    return absl::PermissionDeniedError("it accepted an action that it was not sent");
  const Pair before = *pair;
  OnAccepted(&*pair);
  return WritePair(database, action->no, agent, before, *pair, false);
}

absl::Status RecordTables::CloseWaiting(Database& database, int64_t action) {
  std::vector<int64_t> agents;
  Query waiting = database.Ask("SELECT agent FROM pairs WHERE action = ? AND state = ?", action,
                               static_cast<int>(v1::DISPATCH_STATE_WAITING));
  while (waiting.Next()) agents.push_back(waiting.Integer(0));
  DRAGNET_RETURN_IF_ERROR(waiting.status());
  // As OnClosed. A position each: readers go on after the last one they saw.
  for (const int64_t agent : agents)
    DRAGNET_RETURN_IF_ERROR(database.Run(
        "UPDATE pairs SET state = ?, position = ? WHERE action = ? AND agent = ?",
        static_cast<int>(v1::DISPATCH_STATE_NEVER_SENT), ++last_position_, action, agent));
  return database.Run("UPDATE actions SET closed = 1 WHERE no = ?", action);
}

}  // namespace dragnet::scheduler
