#include "scheduler/store/all_changes.h"

#include <algorithm>
#include <optional>
#include <string>
#include <utility>

#include "core/status_macros.h"
#include "core/strings.h"
#include "scheduler/store/paged_query.h"
#include "scheduler/store/record_tables.h"

namespace dragnet::scheduler {
namespace {

constexpr char kTables[] = R"sql(
-- Actions whose results retention removed, in the order in which it did, and the
-- last position that any of them had.
CREATE TABLE IF NOT EXISTS removals (
  no INTEGER PRIMARY KEY AUTOINCREMENT,
  action INTEGER NOT NULL UNIQUE,
  last_position INTEGER NOT NULL);
INSERT OR IGNORE INTO upkeep (name, value) VALUES ('stream_identity', random());
)sql";

absl::StatusOr<uint64_t> LastRemoval(Database& database) {
  DRAGNET_ASSIGN_OR_RETURN(const int64_t last,
                           database.IntegerOr(0, "SELECT max(no) FROM removals"));
  return static_cast<uint64_t>(last);
}

// FailedPrecondition when something that the reader has not read is gone.
absl::Status CheckNoGap(Database& database, const StreamPosition& after) {
  DRAGNET_ASSIGN_OR_RETURN(
      const int64_t removed,
      database.IntegerOr(0, "SELECT count(*) FROM removals WHERE no > ? AND last_position > ?",
                         after.removal, after.position));
  if (removed == 0) return absl::OkStatus();
  return absl::FailedPreconditionError(
      StrCat("retention has removed results that were not read yet, of ", removed,
             removed == 1 ? " action" : " actions",
             ": there is a gap after this cursor. Begin again from \"oldest\" for what is kept"));
}

absl::StatusOr<size_t> OperationsOf(Database& database, int64_t action) {
  DRAGNET_ASSIGN_OR_RETURN(
      const int64_t operations,
      database.IntegerOr(0, "SELECT count(*) FROM action_bounds WHERE action = ?", action));
  return static_cast<size_t>(operations);
}

}  // namespace

absl::Status PrepareStream(Database& database) { return database.Execute(kTables); }

absl::Status ForgetStreamIdentity(Database& database) {
  return database.Execute("DELETE FROM upkeep WHERE name = 'stream_identity'");
}

absl::Status NoteRemoval(Database& database, int64_t action) {
  // Each step of a removal comes here.
  DRAGNET_ASSIGN_OR_RETURN(
      const int64_t noted,
      database.IntegerOr(0, "SELECT no FROM removals WHERE action = ?", action));
  if (noted != 0) return absl::OkStatus();
  // Of runs of sweeps, pairs go as well.
  DRAGNET_ASSIGN_OR_RETURN(
      const int64_t run, database.IntegerOr(0, "SELECT run_of FROM actions WHERE no = ?", action));
  if (run != 0)
    return database.Run(
        "INSERT INTO removals (action, last_position) SELECT ?1, coalesce(max(m), 0) FROM"
        " (SELECT max(position) AS m FROM records WHERE action = ?1"
        " UNION ALL SELECT max(position) FROM pairs WHERE action = ?1) newest",
        action);
  // Else states stay; of those with a summary, that goes.
  return database.Run(
      "INSERT INTO removals (action, last_position) SELECT ?1, coalesce(max(m), 0) FROM"
      " (SELECT max(position) AS m FROM records WHERE action = ?1"
      " UNION ALL SELECT max(p.position) FROM pairs p WHERE p.action = ?1 AND EXISTS"
      "   (SELECT 1 FROM pair_operations o WHERE o.action = p.action AND o.agent = p.agent"
      "    AND o.summary IS NOT NULL)) newest",
      action);
}

// With the sweep's number below zero: what is removed of a sweep's own is another
// matter. A later removal takes the place of an earlier one.
absl::Status NoteRemovalOfChanges(Database& database, int64_t sweep, uint64_t last_position) {
  DRAGNET_ASSIGN_OR_RETURN(
      const int64_t before,
      database.IntegerOr(0, "SELECT last_position FROM removals WHERE action = ?", -sweep));
  DRAGNET_RETURN_IF_ERROR(database.Run("DELETE FROM removals WHERE action = ?", -sweep));
  return database.Run("INSERT INTO removals (action, last_position) VALUES (?, ?)", -sweep,
                      std::max(before, static_cast<int64_t>(last_position)));
}

absl::StatusOr<uint64_t> LastPositionEver(Database& database) {
  DRAGNET_ASSIGN_OR_RETURN(
      const int64_t last,
      database.IntegerOr(0,
                         "SELECT max(m) FROM (SELECT max(position) AS m FROM records"
                         " UNION ALL SELECT max(position) FROM pairs"
                         " UNION ALL SELECT max(position) FROM sweep_changes"
                         " UNION ALL SELECT max(position) FROM refusals"
                         " UNION ALL SELECT value FROM upkeep WHERE name = 'last_told'"
                         " UNION ALL SELECT max(no) FROM revocations"
                         " UNION ALL SELECT max(last_position) FROM removals) newest"));
  return last == 0 ? 0 : static_cast<uint64_t>(last) + kGapInPositions;
}

absl::StatusOr<uint64_t> ReadStreamIdentity(Database& database) {
  Query query = database.Ask("SELECT value FROM upkeep WHERE name = 'stream_identity'");
  if (query.Next()) return static_cast<uint64_t>(query.Integer(0));
  DRAGNET_RETURN_IF_ERROR(query.status());
  return absl::DataLossError("the store has no identity for streams: restart the scheduler");
}

absl::StatusOr<StreamPosition> ReadStreamBegin(Database& database) {
  StreamPosition begin;
  DRAGNET_ASSIGN_OR_RETURN(begin.removal, LastRemoval(database));
  return begin;
}

absl::StatusOr<StreamPosition> ReadStreamEnd(Database& database) {
  StreamPosition end;
  DRAGNET_ASSIGN_OR_RETURN(
      const int64_t last,
      database.IntegerOr(0,
                         "SELECT max(m) FROM (SELECT max(position) AS m FROM records"
                         " UNION ALL SELECT max(position) FROM pairs"
                         " UNION ALL SELECT max(position) FROM sweep_changes"
                         " UNION ALL SELECT max(last_position) FROM removals) newest"));
  end.position = static_cast<uint64_t>(last);
  DRAGNET_ASSIGN_OR_RETURN(end.removal, LastRemoval(database));
  return end;
}

absl::StatusOr<AllChanges> ReadStream(Database& database, const StreamPosition& after,
                                      size_t max_bytes) {
  DRAGNET_ASSIGN_OR_RETURN(const StreamPosition end, ReadStreamEnd(database));
  if (after.position > end.position + kGapInPositions)
    return absl::FailedPreconditionError(
        "this cursor is ahead of the store: it was restored, or the cursor is of another one");
  DRAGNET_RETURN_IF_ERROR(CheckNoGap(database, after));
  AllChanges all;
  // What was removed up to now was read, or known to be missing.
  all.next = {.position = after.position, .removal = end.removal};
  const auto begin = static_cast<int64_t>(after.position);
  PagedQuery records(database, begin, kRecordsPerPage, [&](int64_t position, int limit) {
    return database.Ask(
        "SELECT r.position, g.id, g.name, a.id, r.stored_at, r.operation, r.rows FROM records r"
        " CROSS JOIN agents g ON g.no = r.agent CROSS JOIN actions a ON a.no = r.action"
        " WHERE r.position > ? ORDER BY r.position LIMIT ?",
        position, limit);
  });
  PagedQuery pairs(database, begin, kPairsPerPage, [&](int64_t position, int limit) {
    return database.Ask(
        "SELECT p.position, g.id, g.name, a.id, p.stored_at, p.action, p.agent FROM pairs p"
        " CROSS JOIN agents g ON g.no = p.agent CROSS JOIN actions a ON a.no = p.action"
        " WHERE p.position > ? ORDER BY p.position LIMIT ?",
        position, limit);
  });
  PagedQuery verdicts(database, begin, kPairsPerPage, [&](int64_t position, int limit) {
    return database.Ask(
        "SELECT c.position, g.id, g.name, a.id, c.stored_at, c.check_no, c.before, c.after,"
        " c.occurrence, c.reason FROM sweep_changes c CROSS JOIN agents g ON g.no = c.agent"
        " CROSS JOIN actions a ON a.no = c.sweep WHERE c.position > ? ORDER BY c.position LIMIT ?",
        position, limit);
  });
  bool more_records = records.Next();
  bool more_pairs = pairs.Next();
  bool more_verdicts = verdicts.Next();
  const auto position_of = [](bool more, const PagedQuery& query) {
    return more ? query.Integer(0) : INT64_MAX;
  };
  size_t bytes = 0;
  while ((more_records || more_pairs || more_verdicts) &&
         (all.changes.empty() || bytes < max_bytes)) {
    const int64_t next_record = position_of(more_records, records);
    const int64_t next_pair = position_of(more_pairs, pairs);
    const int64_t next_verdict = position_of(more_verdicts, verdicts);
    const bool take_verdict = next_verdict < std::min(next_record, next_pair);
    const bool take_record = !take_verdict && next_record < next_pair;
    const PagedQuery& from = take_verdict ? verdicts : take_record ? records : pairs;
    ActionChange& change = all.changes.emplace_back();
    change.position = static_cast<uint64_t>(from.Integer(0));
    change.agent_id = from.Text(1);
    change.agent_name = from.Text(2);
    change.action_id = from.Text(3);
    if (!from.IsNull(4)) change.stored_at = from.Time(4);
    if (take_verdict) {
      StoredSweepChange& verdict = change.sweep_change.emplace();
      verdict.position = change.position;
      verdict.agent_id = change.agent_id;
      verdict.agent_name = change.agent_name;
      verdict.check = static_cast<uint32_t>(verdicts.Integer(5));
      verdict.from = static_cast<VerdictStatus>(verdicts.Integer(6));
      verdict.to = static_cast<VerdictStatus>(verdicts.Integer(7));
      verdict.occurrence = absl::FromUnixSeconds(verdicts.Integer(8));
      verdict.reason = verdicts.Text(9);
      bytes += verdict.reason.size();
      more_verdicts = verdicts.Next();
    } else if (take_record) {
      change.operation = static_cast<uint32_t>(records.Integer(5));
      if (!change.rows.emplace().ParseFromString(records.Text(6)))
        return absl::DataLossError("stored rows don't parse");
      bytes += change.rows->ByteSizeLong();
      more_records = records.Next();
    } else {
      DRAGNET_ASSIGN_OR_RETURN(const size_t operations, OperationsOf(database, pairs.Integer(5)));
      DRAGNET_ASSIGN_OR_RETURN(std::optional<Pair> pair,
                               ReadPair(database, pairs.Integer(5), pairs.Integer(6), operations));
      if (!pair.has_value()) return absl::DataLossError("a pair is gone");
      change.pair = *std::move(pair);
      for (const OperationProgress& operation : change.pair.operations)
        if (operation.summary.has_value()) bytes += operation.summary->ByteSizeLong();
      more_pairs = pairs.Next();
    }
    bytes += sizeof(ActionChange) + change.agent_name.size();
    all.next.position = change.position;
  }
  DRAGNET_RETURN_IF_ERROR(records.status());
  DRAGNET_RETURN_IF_ERROR(pairs.status());
  DRAGNET_RETURN_IF_ERROR(verdicts.status());
  return all;
}

}  // namespace dragnet::scheduler
