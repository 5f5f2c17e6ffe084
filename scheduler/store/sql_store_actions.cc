// The part of SqlStore about actions and what became of them.
#include <deque>
#include <map>
#include <utility>

#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "core/status_macros.h"
#include "core/strings.h"
#include "scheduler/store/action_rows.h"
#include "scheduler/store/bus_positions.h"
#include "scheduler/store/paged_query.h"
#include "scheduler/store/proposal_tables.h"
#include "scheduler/store/sql_store.h"

namespace dragnet::scheduler {
namespace {

absl::StatusOr<int64_t> InsertAction(Database& database, const StoredAction& action) {
  // Names of investigators have no spaces.
  const std::string signed_by = absl::StrJoin(action.signed_by, " ");
  DRAGNET_ASSIGN_OR_RETURN(
      const int64_t no,
      database.IntegerOr(
          0,
          "INSERT INTO actions (id, envelope, launched_by, signed_by, launched_at, expires)"
          " VALUES (?, ?, ?, ?, ?, ?) RETURNING no",
          action.id, action.envelope, action.launched_by, signed_by, action.launched_at,
          action.expires));
  for (size_t i = 0; i < action.bounds.size(); ++i)
    DRAGNET_RETURN_IF_ERROR(database.Run(
        "INSERT INTO action_bounds (action, operation, rows, bytes) VALUES (?, ?, ?, ?)", no,
        static_cast<int64_t>(i), action.bounds[i].rows, action.bounds[i].bytes));
  return no;
}

// Number and count of operations of an action.
struct ActionKey {
  int64_t no = 0;
  size_t operations = 0;
};

absl::StatusOr<ActionKey> KeyOf(Database& database, std::string_view action_id) {
  ActionKey key;
  DRAGNET_ASSIGN_OR_RETURN(key.no,
                           database.IntegerOr(0, "SELECT no FROM actions WHERE id = ?", action_id));
  if (key.no == 0) return absl::NotFoundError(StrCat("no action ", action_id));
  DRAGNET_ASSIGN_OR_RETURN(
      const int64_t operations,
      database.IntegerOr(0, "SELECT count(*) FROM action_bounds WHERE action = ?", key.no));
  key.operations = static_cast<size_t>(operations);
  return key;
}

// The pairs of an action that have changed since, in the order in which they did. Of a remote
// database some at once, because each question takes a round trip.
class PairChanges {
 public:
  PairChanges(Database& database, const ActionKey& action, int64_t begin)
      : database_(database),
        action_(action),
        query_(database, begin, kPairsPerPage, [this](int64_t after, int limit) {
          return database_.Ask(
              "SELECT p.position, a.id, a.name, p.agent, p.state, p.detail"
              " FROM pairs p JOIN agents a ON a.no = p.agent"
              " WHERE p.action = ? AND p.position > ? ORDER BY p.position LIMIT ?",
              action_.no, after, limit);
        }) {}

  // False: there is none, or status() says what is wrong.
  bool Next() {
    if (!ahead_.empty()) ahead_.pop_front();
    if (ahead_.empty()) status_ = ReadAhead();
    return status_.ok() && !ahead_.empty();
  }
  Change& current() { return ahead_.front(); }
  const absl::Status& status() const { return status_; }

 private:
  static constexpr size_t kAtOnce = 64;

  absl::Status ReadAhead() {
    std::map<int64_t, Change*> heard;
    const size_t at_once = database_.remote() ? kAtOnce : 1;
    while (ahead_.size() < at_once && query_.Next()) {
      Change& change = ahead_.emplace_back();
      change.position = static_cast<uint64_t>(query_.Integer(0));
      change.agent_id = query_.Text(1);
      change.agent_name = query_.Text(2);
      change.pair.state = static_cast<v1::DispatchState>(query_.Integer(4));
      change.pair.operations.resize(action_.operations);
      // There is nothing else to it, and a launch makes as many as there are agents.
      if (IsUnheard(change.pair.state) && query_.View(5).empty()) continue;
      heard.emplace(query_.Integer(3), &change);
    }
    DRAGNET_RETURN_IF_ERROR(query_.status());
    return ReadHeard(&heard);
  }

  absl::Status ReadHeard(std::map<int64_t, Change*>* heard) {
    if (!database_.remote()) {
      for (const auto& [agent, change] : *heard) {
        DRAGNET_ASSIGN_OR_RETURN(std::optional<Pair> pair,
                                 ReadPair(database_, action_.no, agent, action_.operations));
        if (!pair.has_value()) return absl::DataLossError("a pair is gone");
        change->pair = *std::move(pair);
      }
      return absl::OkStatus();
    }
    std::vector<int64_t> agents;
    for (const auto& [agent, change] : *heard) agents.push_back(agent);
    DRAGNET_RETURN_IF_ERROR(
        ReadPairs(database_, action_.no, agents, action_.operations, [&](int64_t agent, Pair pair) {
          const auto found = heard->find(agent);
          if (found == heard->end()) return;
          found->second->pair = std::move(pair);
          heard->erase(found);
        }));
    return heard->empty() ? absl::OkStatus() : absl::DataLossError("a pair is gone");
  }

  Database& database_;
  const ActionKey action_;
  PagedQuery query_;
  std::deque<Change> ahead_;
  absl::Status status_;
};

// Rows and pairs in one order: the two cursors are merged by position.
absl::StatusOr<std::vector<Change>> MergeChanges(Database& database, const ActionKey& action,
                                                 uint64_t position, size_t max_bytes) {
  const int64_t begin = static_cast<int64_t>(position);
  PagedQuery records(database, begin, kRecordsPerPage, [&](int64_t after, int limit) {
    return database.Ask(
        "SELECT r.position, a.id, a.name, r.operation, r.rows FROM records r"
        " JOIN agents a ON a.no = r.agent WHERE r.action = ? AND r.position > ?"
        " ORDER BY r.position LIMIT ?",
        action.no, after, limit);
  });
  PairChanges pairs(database, action, begin);
  bool more_records = records.Next();
  bool more_pairs = pairs.Next();
  std::vector<Change> changes;
  size_t bytes = 0;
  while ((more_records || more_pairs) && (changes.empty() || bytes < max_bytes)) {
    const bool take_record =
        more_records &&
        (!more_pairs || static_cast<uint64_t>(records.Integer(0)) < pairs.current().position);
    Change change;
    if (take_record) {
      change.position = static_cast<uint64_t>(records.Integer(0));
      change.agent_id = records.Text(1);
      change.agent_name = records.Text(2);
      change.operation = static_cast<uint32_t>(records.Integer(3));
      if (!change.rows.emplace().ParseFromString(records.Text(4)))
        return absl::DataLossError("stored rows don't parse");
      bytes += change.rows->ByteSizeLong();
      more_records = records.Next();
    } else {
      change = std::move(pairs.current());
      for (const OperationProgress& operation : change.pair.operations)
        if (operation.summary.has_value()) bytes += operation.summary->ByteSizeLong();
      more_pairs = pairs.Next();
    }
    bytes += sizeof(Change) + change.agent_name.size();
    changes.push_back(std::move(change));
  }
  DRAGNET_RETURN_IF_ERROR(records.status());
  DRAGNET_RETURN_IF_ERROR(pairs.status());
  return changes;
}

absl::Status ReadPairStates(Query query, std::vector<PairState>* pairs) {
  while (query.Next())
    pairs->push_back({.agent_id = query.Text(0),
                      .state = static_cast<v1::DispatchState>(query.Integer(1)),
                      .rows = static_cast<uint64_t>(query.Integer(2)),
                      .failed = query.Integer(3) != 0});
  return query.status();
}

absl::StatusOr<ChangedPairs> ReadChangedPairs(Database& database, std::string_view action_id,
                                              uint64_t position) {
  DRAGNET_ASSIGN_OR_RETURN(const int64_t action,
                           database.IntegerOr(0, "SELECT no FROM actions WHERE id = ?", action_id));
  if (action == 0) return absl::NotFoundError(StrCat("no action ", action_id));
  ChangedPairs changed;
  DRAGNET_ASSIGN_OR_RETURN(
      const int64_t newest,
      database.IntegerOr(
          0,
          "SELECT max(m) FROM (SELECT max(position) AS m FROM pairs WHERE action = ?1"
          " UNION ALL SELECT max(position) FROM records WHERE action = ?1) newest",
          action));
  changed.position = static_cast<uint64_t>(newest);
  if (changed.position <= position) {
    // Retention takes the newest records away.
    changed.position = position;
    return changed;
  }
  if (position == 0) {
    DRAGNET_RETURN_IF_ERROR(
        ReadPairStates(database.Ask("SELECT a.id, p.state, p.rows, p.failed FROM pairs p"
                                    " JOIN agents a ON a.no = p.agent WHERE p.action = ?",
                                    action),
                       &changed.pairs));
    return changed;
  }
  DRAGNET_RETURN_IF_ERROR(ReadPairStates(
      database.Ask("SELECT a.id, p.state, p.rows, p.failed FROM pairs p"
                   " JOIN agents a ON a.no = p.agent WHERE p.action = ? AND p.position > ?",
                   action, position),
      &changed.pairs));
  // Rows alone leave a pair at its position.
  DRAGNET_RETURN_IF_ERROR(ReadPairStates(
      database.Ask("SELECT a.id, p.state, p.rows, p.failed FROM"
                   " (SELECT DISTINCT agent FROM records WHERE action = ?1 AND position > ?2) r"
                   " CROSS JOIN pairs p ON p.action = ?1 AND p.agent = r.agent"
                   " JOIN agents a ON a.no = p.agent WHERE p.position <= ?2",
                   action, position),
      &changed.pairs));
  return changed;
}

}  // namespace

absl::Status SqlStore::AddAction(const StoredAction& action,
                                 const std::vector<std::string>& agent_ids) {
  return writer_.Run([&](Database& database) -> absl::Status {
    DRAGNET_ASSIGN_OR_RETURN(const bool was_proposed, CloseProposalOf(database, action));
    DRAGNET_ASSIGN_OR_RETURN(const int64_t no, InsertAction(database, action));
    DRAGNET_RETURN_IF_ERROR(records_->OnAction(database, no, action));
    DRAGNET_RETURN_IF_ERROR(records_->AddPairs(database, action.id, agent_ids, action.launched_at));
    if (was_proposed) DRAGNET_RETURN_IF_ERROR(Tell(database, v1::Notice::KIND_PROPOSAL, action.id));
    return Tell(database, v1::Notice::KIND_ACTION, action.id);
  });
}

absl::StatusOr<StoredAction> SqlStore::FindAction(std::string_view action_id) {
  ReadPool::Loan database = readers_->Take();
  Query query = database->Ask(DRAGNET_ACTION_COLUMNS "WHERE id = ?", action_id);
  if (query.Next()) return ActionOf(query);
  if (!query.status().ok()) return query.status();
  return absl::NotFoundError(StrCat("no action ", action_id));
}

absl::StatusOr<std::vector<std::string>> SqlStore::MatchActions(std::string_view fragment,
                                                                int limit) {
  ReadPool::Loan database = readers_->Take();
  // substr() and not LIKE: the fragment has no wildcards.
  Query query = database->Ask(
      "SELECT id FROM actions WHERE (run_of = 0 AND (substr(id, 1, length(?1)) = ?1"
      " OR (length(id) >= length(?1) AND substr(id, length(id) - length(?1) + 1) = ?1)))"
      " OR id = ?1 ORDER BY no DESC LIMIT ?2",
      fragment, limit);
  std::vector<std::string> ids;
  while (query.Next()) ids.push_back(query.Text(0));
  DRAGNET_RETURN_IF_ERROR(query.status());
  return ids;
}

absl::StatusOr<std::vector<StoredAction>> SqlStore::ListActions(std::string_view before,
                                                                int limit) {
  ReadPool::Loan database = readers_->Take();
  Query query =
      database->Ask(DRAGNET_ACTION_COLUMNS
                    "WHERE run_of = 0 AND (?1 = '' OR no < (SELECT no FROM actions WHERE id = ?1))"
                    " ORDER BY no DESC LIMIT ?2",
                    before, limit);
  std::vector<StoredAction> actions;
  while (query.Next()) actions.push_back(ActionOf(query));
  DRAGNET_RETURN_IF_ERROR(query.status());
  return actions;
}

absl::StatusOr<std::vector<StoredAction>> SqlStore::ActiveActions(absl::Time now) {
  ReadPool::Loan database = readers_->Take();
  Query query = database->Ask(DRAGNET_ACTION_COLUMNS
                              "WHERE closed = 0 AND cancelled = 0 AND expires >= ? AND run_of = 0"
                              " ORDER BY no",
                              now);
  std::vector<StoredAction> actions;
  while (query.Next()) actions.push_back(ActionOf(query));
  DRAGNET_RETURN_IF_ERROR(query.status());
  return actions;
}

absl::Status SqlStore::CancelAction(std::string_view action_id) {
  return writer_.Run([&](Database& database) -> absl::Status {
    DRAGNET_ASSIGN_OR_RETURN(const ActionKey action, KeyOf(database, action_id));
    DRAGNET_RETURN_IF_ERROR(
        database.Run("UPDATE actions SET cancelled = 1 WHERE no = ?", action.no));
    return records_->CloseWaiting(database, action.no);
  });
}

absl::StatusOr<std::vector<std::string>> SqlStore::CloseExpired(absl::Time now) {
  std::vector<std::string> closed;
  DRAGNET_RETURN_IF_ERROR(writer_.Run([&](Database& database) -> absl::Status {
    // It may be run again.
    closed.clear();
    std::vector<int64_t> numbers;
    Query query = database.Ask("SELECT no, id FROM actions WHERE closed = 0 AND expires < ?", now);
    while (query.Next()) {
      numbers.push_back(query.Integer(0));
      closed.push_back(query.Text(1));
    }
    DRAGNET_RETURN_IF_ERROR(query.status());
    for (const int64_t no : numbers) DRAGNET_RETURN_IF_ERROR(records_->CloseWaiting(database, no));
    return absl::OkStatus();
  }));
  return closed;
}

absl::Status SqlStore::AddPair(std::string_view action_id, std::string_view agent_id,
                               absl::Time now) {
  return writer_.Run(
      [&](Database& database) { return records_->AddPair(database, action_id, agent_id, now); });
}

absl::StatusOr<std::optional<Pair>> SqlStore::FindPair(std::string_view action_id,
                                                       std::string_view agent_id) {
  ReadPool::Loan database = readers_->Take();
  absl::StatusOr<ActionKey> action = KeyOf(*database, action_id);
  if (absl::IsNotFound(action.status())) return std::nullopt;
  DRAGNET_RETURN_IF_ERROR(action.status());
  DRAGNET_ASSIGN_OR_RETURN(const int64_t agent,
                           database->IntegerOr(0, "SELECT no FROM agents WHERE id = ?", agent_id));
  return ReadPair(*database, action->no, agent, action->operations);
}

absl::StatusOr<std::vector<PairState>> SqlStore::Pairs(std::string_view action_id) {
  ReadPool::Loan database = readers_->Take();
  DRAGNET_ASSIGN_OR_RETURN(const ActionKey action, KeyOf(*database, action_id));
  Query query = database->Ask(
      "SELECT a.id, p.state, p.rows, p.failed FROM pairs p JOIN agents a ON a.no = p.agent"
      " WHERE p.action = ?",
      action.no);
  std::vector<PairState> pairs;
  while (query.Next())
    pairs.push_back({.agent_id = query.Text(0),
                     .state = static_cast<v1::DispatchState>(query.Integer(1)),
                     .rows = static_cast<uint64_t>(query.Integer(2)),
                     .failed = query.Integer(3) != 0});
  DRAGNET_RETURN_IF_ERROR(query.status());
  return pairs;
}

absl::StatusOr<ChangedPairs> SqlStore::PairsChangedAfter(std::string_view action_id,
                                                         uint64_t position) {
  ReadPool::Loan database = readers_->Take();
  // Both queries see the same commit, or a change between them would be passed over.
  return InSnapshot(*database, [&] { return ReadChangedPairs(*database, action_id, position); });
}

absl::StatusOr<std::vector<AgentAction>> SqlStore::ActionsOf(std::string_view agent_id, int limit) {
  ReadPool::Loan database = readers_->Take();
  DRAGNET_ASSIGN_OR_RETURN(const int64_t agent,
                           database->IntegerOr(0, "SELECT no FROM agents WHERE id = ?", agent_id));
  if (agent == 0) return absl::NotFoundError(StrCat("no agent ", agent_id));
  // From the newest action down, one look for each: an index of pairs by agent would
  // cost every launch as much as the pairs themselves.
  Query query = database->Ask(
      "SELECT a.id, a.envelope, a.launched_by, a.signed_by, a.launched_at, a.expires, a.cancelled,"
      " p.state, p.rows FROM (SELECT a.no, p.state, p.rows FROM actions a CROSS JOIN pairs p"
      " ON p.action = a.no AND p.agent = ?1 WHERE a.run_of = 0 ORDER BY a.no DESC LIMIT ?2) p"
      " JOIN actions a ON a.no = p.no ORDER BY a.no DESC",
      agent, limit);
  std::vector<AgentAction> actions;
  while (query.Next())
    actions.push_back({.action = ActionOf(query),
                       .state = static_cast<v1::DispatchState>(query.Integer(7)),
                       .rows = static_cast<uint64_t>(query.Integer(8))});
  DRAGNET_RETURN_IF_ERROR(query.status());
  return actions;
}

void SqlStore::MarkSent(std::string_view action_id, std::vector<std::string> agent_ids, Done done) {
  writer_.SubmitWhole([this, id = std::string(action_id), agents = std::move(agent_ids)](
                          Database& database) { return records_->MarkSent(database, id, agents); },
                      0, Durability::kSoon, std::move(done));
}

void SqlStore::MarkAccepted(std::string_view action_id, std::string_view agent_id, Done done) {
  std::vector<PairName> about;
  if (engine_->has_other_writers()) about = {{std::string(action_id), std::string(agent_id)}};
  writer_.SubmitWhole(
      [this, action = std::string(action_id), agent = std::string(agent_id)](Database& database) {
        return records_->MarkAccepted(database, action, agent);
      },
      0, Durability::kSoon, std::move(done), std::move(about));
}

void SqlStore::MarkDoubted(std::string_view agent_id, Done done) {
  writer_.SubmitWhole([this, agent = std::string(agent_id)](
                          Database& database) { return records_->MarkDoubted(database, agent); },
                      0, Durability::kSynced, std::move(done));
}

void SqlStore::AppendRecord(std::string_view agent_id, v1::ResultRecord record, absl::Time now,
                            Appending done) {
  auto appended = std::make_shared<Appended>();
  const size_t bytes = record.ByteSizeLong();
  std::vector<PairName> about;
  if (engine_->has_other_writers()) AddPairsOf(agent_id, record, &about);
  writer_.SubmitWhole(
      [this, appended, agent = std::string(agent_id), record = std::move(record),
       now](Database& database) -> absl::Status {
        DRAGNET_ASSIGN_OR_RETURN(*appended, records_->Append(database, agent, record, now));
        return absl::OkStatus();
      },
      bytes, Durability::kSynced,
      [appended, done = std::move(done)](absl::Status status) {
        if (!status.ok()) return done(std::move(status));
        done(std::move(*appended));
      },
      std::move(about));
}

void SqlStore::AppendRecords(std::vector<AgentRecord> records, const std::optional<BusRange>& range,
                             AppendingAll done) {
  auto appended = std::make_shared<std::vector<Appended>>();
  size_t bytes = 0;
  for (const AgentRecord& record : records) bytes += record.record.ByteSizeLong();
  writer_.SubmitWhole(
      [this, appended, records = std::move(records), range](Database& database) -> absl::Status {
        if (range.has_value()) DRAGNET_RETURN_IF_ERROR(CheckBusPosition(database, *range));
        DRAGNET_ASSIGN_OR_RETURN(*appended, records_->AppendAll(database, records));
        return range.has_value() ? SaveBusPosition(database, *range) : absl::OkStatus();
      },
      bytes, Durability::kSynced,
      [appended, done = std::move(done)](absl::Status status) {
        if (!status.ok()) return done(std::move(status));
        done(std::move(*appended));
      });
}

size_t SqlStore::PendingBytes() const { return writer_.pending_bytes(); }

absl::StatusOr<std::vector<Change>> SqlStore::ReadChanges(std::string_view action_id,
                                                          uint64_t position, size_t max_bytes) {
  ReadPool::Loan database = readers_->Take();
  // Both cursors must see the same moment, or rows between them would be passed over.
  return InSnapshot(*database, [&]() -> absl::StatusOr<std::vector<Change>> {
    DRAGNET_ASSIGN_OR_RETURN(const ActionKey action, KeyOf(*database, action_id));
    return MergeChanges(*database, action, position, max_bytes);
  });
}

absl::StatusOr<uint64_t> SqlStore::ReadRows(std::string_view action_id, uint32_t operation,
                                            uint64_t position, size_t max_bytes,
                                            const RowsReader& reader) {
  ReadPool::Loan database = readers_->Take();
  DRAGNET_ASSIGN_OR_RETURN(const ActionKey action, KeyOf(*database, action_id));
  PagedQuery query(
      *database, static_cast<int64_t>(position), kRecordsPerPage, [&](int64_t after, int limit) {
        return database->Ask(
            "SELECT position, agent, operation, rows FROM records WHERE action = ? AND position > ?"
            " ORDER BY position LIMIT ?",
            action.no, after, limit);
      });
  size_t bytes = 0;
  while (bytes < max_bytes && query.Next()) {
    position = static_cast<uint64_t>(query.Integer(0));
    // Those of other operations are passed over here, so that they count as read.
    bytes += 64;
    if (query.Integer(2) != operation) continue;
    const std::string_view rows = query.View(3);
    bytes += rows.size();
    DRAGNET_RETURN_IF_ERROR(reader(static_cast<uint64_t>(query.Integer(1)), rows));
  }
  DRAGNET_RETURN_IF_ERROR(query.status());
  return position;
}

absl::StatusOr<std::vector<StoredRefusal>> SqlStore::Refusals(std::string_view agent_id,
                                                              int limit) {
  ReadPool::Loan database = readers_->Take();
  Query query = database->Ask(
      "SELECT action_id, refusal FROM refusals"
      " WHERE agent = (SELECT no FROM agents WHERE id = ?) ORDER BY position DESC LIMIT ?",
      agent_id, limit);
  std::vector<StoredRefusal> refusals;
  while (query.Next()) {
    StoredRefusal refusal;
    refusal.action_id = query.Text(0);
    if (!refusal.refusal.ParseFromString(query.Text(1)))
      return absl::DataLossError("a stored refusal doesn't parse");
    refusals.push_back(std::move(refusal));
  }
  DRAGNET_RETURN_IF_ERROR(query.status());
  return refusals;
}

}  // namespace dragnet::scheduler
