#include "scheduler/store/pair_rows.h"

#include <algorithm>
#include <map>
#include <string>
#include <utility>

#include "absl/strings/numbers.h"
#include "absl/strings/str_join.h"
#include "absl/strings/str_split.h"
#include "absl/time/clock.h"
#include "core/status_macros.h"

namespace dragnet::scheduler {
namespace {

// In one statement: what it takes in memory is bounded by this, also when every summary is
// as large as may be.
constexpr size_t kOperationsAtOnce = 1024;
constexpr size_t kPairsAtOnce = 1000;

#define DRAGNET_PAIR_COLUMNS "p.agent, p.state, p.dropped, p.drop_reason, p.detail, p.refusal"
#define DRAGNET_OPERATION_COLUMNS                                      \
  "o.agent, o.operation, o.records, o.rows, o.bytes, o.last_sequence," \
  " o.summary_sequence, o.summary, o.missing"

absl::Status ParseMissing(std::string_view text, std::vector<uint64_t>* missing) {
  for (const auto number : absl::StrSplit(ToAbsl(text), ' ', absl::SkipEmpty()))
    if (!absl::SimpleAtoi(number, &missing->emplace_back()))
      return absl::DataLossError("stored sequences don't parse");
  return absl::OkStatus();
}

absl::Status ParsePair(const Query& query, Pair* pair) {
  pair->state = static_cast<v1::DispatchState>(query.Integer(1));
  pair->dropped = static_cast<uint64_t>(query.Integer(2));
  pair->drop_reason = query.Text(3);
  pair->detail = query.Text(4);
  if (!query.IsNull(5) && !pair->refusal.emplace().ParseFromString(query.Text(5)))
    return absl::DataLossError("a stored refusal doesn't parse");
  return absl::OkStatus();
}

absl::Status ParseOperation(const Query& query, Pair* pair) {
  const size_t index = static_cast<size_t>(query.Integer(1));
  if (index >= pair->operations.size()) return absl::DataLossError("operation out of range");
  OperationProgress& progress = pair->operations[index];
  progress.records = static_cast<uint64_t>(query.Integer(2));
  progress.rows = static_cast<uint64_t>(query.Integer(3));
  progress.bytes = static_cast<uint64_t>(query.Integer(4));
  progress.last_sequence = static_cast<uint64_t>(query.Integer(5));
  progress.summary_sequence = static_cast<uint64_t>(query.Integer(6));
  DRAGNET_RETURN_IF_ERROR(ParseMissing(query.View(8), &progress.missing));
  if (query.IsNull(7)) return absl::OkStatus();
  const std::string_view summary = query.View(7);
  if (!progress.summary.emplace().ParseFromArray(summary.data(), static_cast<int>(summary.size())))
    return absl::DataLossError("a stored summary doesn't parse");
  return absl::OkStatus();
}

// No operation of such a pair has anything stored.
bool HasNotStarted(v1::DispatchState state) {
  return state == v1::DISPATCH_STATE_WAITING || state == v1::DISPATCH_STATE_SENT ||
         state == v1::DISPATCH_STATE_NEVER_SENT;
}

// Of these agents, in one question for each of both tables. OFFSET 0 has PostgreSQL look up
// one agent after the other by the key of the table. As a plain join, or with "= ANY", it
// compares each with each as long as it takes the table for a small one, and that it is when
// a fleet's first actions are launched.
absl::StatusOr<std::map<int64_t, Pair>> ReadSome(Database& database, int64_t action,
                                                 const std::vector<int64_t>& agents,
                                                 size_t operations) {
  std::map<int64_t, Pair> pairs;
  std::vector<int64_t> started;
  {
    Query query = database.Ask("SELECT " DRAGNET_PAIR_COLUMNS
                               " FROM unnest(?2) AS k(agent), LATERAL (SELECT * FROM"
                               " pairs WHERE action = ?1 AND agent = k.agent OFFSET 0) p",
                               action, agents);
    while (query.Next()) {
      Pair& pair = pairs[query.Integer(0)];
      pair.operations.resize(operations);
      DRAGNET_RETURN_IF_ERROR(ParsePair(query, &pair));
      if (!HasNotStarted(pair.state)) started.push_back(query.Integer(0));
    }
    DRAGNET_RETURN_IF_ERROR(query.status());
  }
  if (started.empty()) return pairs;
  Query query = database.Ask("SELECT " DRAGNET_OPERATION_COLUMNS
                             " FROM unnest(?2) AS k(agent), LATERAL (SELECT * FROM"
                             " pair_operations WHERE action = ?1 AND agent = k.agent OFFSET 0) o",
                             action, started);
  while (query.Next()) DRAGNET_RETURN_IF_ERROR(ParseOperation(query, &pairs[query.Integer(0)]));
  DRAGNET_RETURN_IF_ERROR(query.status());
  return pairs;
}

std::optional<std::string> RefusalOf(const Pair& pair) {
  if (!pair.refusal.has_value()) return std::nullopt;
  return pair.refusal->SerializeAsString();
}

std::optional<std::string> SummaryOf(const OperationProgress& progress) {
  if (!progress.summary.has_value()) return std::nullopt;
  return progress.summary->SerializeAsString();
}

#define DRAGNET_WRITE_OPERATIONS                                                 \
  "INSERT INTO pair_operations (action, agent, operation, records, rows, bytes," \
  " last_sequence, summary_sequence, summary, missing) "
#define DRAGNET_ON_KNOWN_OPERATION                                                         \
  " ON CONFLICT (action, agent, operation) DO UPDATE SET records = excluded.records,"      \
  " rows = excluded.rows, bytes = excluded.bytes, last_sequence = excluded.last_sequence," \
  " summary_sequence = excluded.summary_sequence, summary = excluded.summary,"             \
  " missing = excluded.missing"

absl::Status WriteOperation(Database& database, const PairRow& row, uint32_t operation) {
  const OperationProgress& progress = row.pair->operations[operation];
  return database.Run(DRAGNET_WRITE_OPERATIONS
                      "VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)" DRAGNET_ON_KNOWN_OPERATION,
                      row.action, row.agent, operation, progress.records, progress.rows,
                      progress.bytes, progress.last_sequence, progress.summary_sequence,
                      SummaryOf(progress), absl::StrJoin(progress.missing, " "));
}

absl::Status WritePair(Database& database, const PairRow& row) {
  const Pair& pair = *row.pair;
  const std::optional<std::string> refusal = RefusalOf(pair);
  for (uint32_t operation = 0; operation < pair.operations.size(); ++operation)
    if ((row.changed_operations >> operation & 1) != 0)
      DRAGNET_RETURN_IF_ERROR(WriteOperation(database, row, operation));
  const int state = static_cast<int>(pair.state);
  // One at the same position keeps its place in the index of positions.
  if (row.new_position == 0)
    return database.Run(
        "UPDATE pairs SET state = ?, rows = ?, dropped = ?, drop_reason = ?, detail = ?,"
        " refusal = ?, failed = ? WHERE action = ? AND agent = ?",
        state, pair.rows(), pair.dropped, pair.drop_reason, pair.detail, refusal, Failed(pair),
        row.action, row.agent);
  return database.Run(
      "UPDATE pairs SET state = ?, rows = ?, dropped = ?, drop_reason = ?, detail = ?,"
      " refusal = ?, failed = ?, position = ?, stored_at = ? WHERE action = ? AND agent = ?",
      state, pair.rows(), pair.dropped, pair.drop_reason, pair.detail, refusal, Failed(pair),
      row.new_position, absl::Now(), row.action, row.agent);
}

// Rows by columns, as arrays: arrays have no NULL here, so that what may be NULL has a
// column besides that says whether it is there.
class OperationColumns {
 public:
  void Add(const PairRow& row, uint32_t operation) {
    const OperationProgress& progress = row.pair->operations[operation];
    const auto number = [](uint64_t value) { return static_cast<int64_t>(value); };
    action_.push_back(row.action);
    agent_.push_back(row.agent);
    operation_.push_back(operation);
    records_.push_back(number(progress.records));
    rows_.push_back(number(progress.rows));
    bytes_.push_back(number(progress.bytes));
    last_sequence_.push_back(number(progress.last_sequence));
    summary_sequence_.push_back(number(progress.summary_sequence));
    const std::optional<std::string> summary = SummaryOf(progress);
    has_summary_.push_back(summary.has_value());
    summary_.push_back(summary.value_or(""));
    missing_.push_back(absl::StrJoin(progress.missing, " "));
  }
  size_t size() const { return action_.size(); }
  absl::Status Write(Database& database) const {
    if (size() == 0) return absl::OkStatus();
    return database.Run(
        DRAGNET_WRITE_OPERATIONS
        "SELECT action, agent, operation, records, rows, bytes, last_sequence, summary_sequence,"
        " CASE has_summary WHEN 1 THEN summary END, missing FROM unnest(?1, ?2, ?3, ?4, ?5, ?6,"
        " ?7, ?8, ?9, ?10, ?11) AS v(action, agent, operation, records, rows, bytes,"
        " last_sequence, summary_sequence, has_summary, summary, "
        "missing)" DRAGNET_ON_KNOWN_OPERATION,
        action_, agent_, operation_, records_, rows_, bytes_, last_sequence_, summary_sequence_,
        has_summary_, summary_, missing_);
  }

 private:
  std::vector<int64_t> action_, agent_, operation_, records_, rows_, bytes_, last_sequence_,
      summary_sequence_, has_summary_;
  std::vector<std::string> summary_, missing_;
};

class PairColumns {
 public:
  void Add(const PairRow& row) {
    const Pair& pair = *row.pair;
    action_.push_back(row.action);
    agent_.push_back(row.agent);
    state_.push_back(pair.state);
    rows_.push_back(static_cast<int64_t>(pair.rows()));
    dropped_.push_back(static_cast<int64_t>(pair.dropped));
    drop_reason_.push_back(pair.drop_reason);
    detail_.push_back(pair.detail);
    const std::optional<std::string> refusal = RefusalOf(pair);
    is_refused_.push_back(refusal.has_value());
    refusal_.push_back(refusal.value_or(""));
    failed_.push_back(Failed(pair));
    position_.push_back(static_cast<int64_t>(row.new_position));
  }
  size_t size() const { return action_.size(); }
  absl::Status Write(Database& database) const {
    if (size() == 0) return absl::OkStatus();
    return database.Run(
        "UPDATE pairs SET state = v.state, rows = v.rows, dropped = v.dropped,"
        " drop_reason = v.drop_reason, detail = v.detail,"
        " refusal = CASE v.is_refused WHEN 1 THEN v.refusal END, failed = v.failed,"
        " position = CASE v.position WHEN 0 THEN pairs.position ELSE v.position END,"
        " stored_at = CASE v.position WHEN 0 THEN pairs.stored_at ELSE ?12 END"
        " FROM unnest(?1, ?2, ?3, ?4, ?5, ?6, ?7, ?8, ?9, ?10, ?11) AS v(action, agent, state,"
        " rows, dropped, drop_reason, detail, is_refused, refusal, failed, position)"
        " WHERE pairs.action = v.action AND pairs.agent = v.agent",
        action_, agent_, state_, rows_, dropped_, drop_reason_, detail_, is_refused_, refusal_,
        failed_, position_, absl::Now());
  }

 private:
  std::vector<int64_t> action_, agent_, state_, rows_, dropped_, is_refused_, failed_, position_;
  std::vector<std::string> drop_reason_, detail_, refusal_;
};

absl::Status WritePairsAtOnce(Database& database, const std::vector<PairRow>& rows) {
  for (size_t begin = 0; begin < rows.size();) {
    PairColumns pairs;
    OperationColumns operations;
    for (; begin < rows.size() && pairs.size() < kPairsAtOnce &&
           operations.size() < kOperationsAtOnce;
         ++begin) {
      const PairRow& row = rows[begin];
      pairs.Add(row);
      for (uint32_t operation = 0; operation < row.pair->operations.size(); ++operation)
        if ((row.changed_operations >> operation & 1) != 0) operations.Add(row, operation);
    }
    DRAGNET_RETURN_IF_ERROR(operations.Write(database));
    DRAGNET_RETURN_IF_ERROR(pairs.Write(database));
  }
  return absl::OkStatus();
}

std::vector<int64_t> PositionsAfter(uint64_t* position, size_t count) {
  std::vector<int64_t> positions(count);
  for (int64_t& next : positions) next = static_cast<int64_t>(++*position);
  return positions;
}

}  // namespace

absl::StatusOr<std::optional<Pair>> ReadPair(Database& database, int64_t action, int64_t agent,
                                             size_t operations) {
  Pair pair;
  pair.operations.resize(operations);
  {
    Query query = database.Ask("SELECT " DRAGNET_PAIR_COLUMNS
                               " FROM pairs p WHERE p.action = ? AND p.agent = ?",
                               action, agent);
    if (!query.Next()) {
      if (!query.status().ok()) return query.status();
      return std::nullopt;
    }
    DRAGNET_RETURN_IF_ERROR(ParsePair(query, &pair));
  }
  if (HasNotStarted(pair.state)) return pair;
  Query query = database.Ask("SELECT " DRAGNET_OPERATION_COLUMNS
                             " FROM pair_operations o WHERE o.action = ? AND o.agent = ?",
                             action, agent);
  while (query.Next()) DRAGNET_RETURN_IF_ERROR(ParseOperation(query, &pair));
  DRAGNET_RETURN_IF_ERROR(query.status());
  return pair;
}

absl::Status ReadPairs(Database& database, int64_t action, const std::vector<int64_t>& agents,
                       size_t operations, const std::function<void(int64_t agent, Pair)>& visit) {
  const size_t at_once = std::max<size_t>(8, kOperationsAtOnce / std::max<size_t>(1, operations));
  for (size_t begin = 0; begin < agents.size(); begin += at_once) {
    const std::vector<int64_t> some(
        agents.begin() + static_cast<ptrdiff_t>(begin),
        agents.begin() + static_cast<ptrdiff_t>(std::min(begin + at_once, agents.size())));
    DRAGNET_ASSIGN_OR_RETURN(auto pairs, ReadSome(database, action, some, operations));
    for (auto& [agent, pair] : pairs) visit(agent, std::move(pair));
  }
  return absl::OkStatus();
}

absl::Status WritePairs(Database& database, const std::vector<PairRow>& rows) {
  if (database.remote() && rows.size() > 1) return WritePairsAtOnce(database, rows);
  for (const PairRow& row : rows) DRAGNET_RETURN_IF_ERROR(WritePair(database, row));
  return absl::OkStatus();
}

absl::Status InsertWaitingPairs(Database& database, int64_t action,
                                const std::vector<int64_t>& agents, uint64_t* position) {
  const int waiting = static_cast<int>(v1::DISPATCH_STATE_WAITING);
  const absl::Time now = absl::Now();
  if (database.remote())
    return database.Run(
        "INSERT INTO pairs (action, agent, state, position, stored_at)"
        " SELECT ?1, v.agent, ?2, v.position, ?3 FROM unnest(?4, ?5) AS v(agent, position)"
        " ON CONFLICT (action, agent) DO NOTHING",
        action, waiting, now, agents, PositionsAfter(position, agents.size()));
  for (const int64_t agent : agents)
    DRAGNET_RETURN_IF_ERROR(
        database.Run("INSERT INTO pairs (action, agent, state, position, stored_at)"
                     " VALUES (?, ?, ?, ?, ?) ON CONFLICT (action, agent) DO NOTHING",
                     action, agent, waiting, ++*position, now));
  return absl::OkStatus();
}

absl::Status CloseWaitingPairs(Database& database, int64_t action, uint64_t* position) {
  std::vector<int64_t> agents;
  {
    Query waiting = database.Ask("SELECT agent FROM pairs WHERE action = ? AND state = ?", action,
                                 static_cast<int>(v1::DISPATCH_STATE_WAITING));
    while (waiting.Next()) agents.push_back(waiting.Integer(0));
    DRAGNET_RETURN_IF_ERROR(waiting.status());
  }
  // As OnClosed. A position each: readers go on after the last one they saw.
  const int never_sent = static_cast<int>(v1::DISPATCH_STATE_NEVER_SENT);
  const absl::Time now = absl::Now();
  if (database.remote()) {
    if (agents.empty()) return absl::OkStatus();
    return database.Run(
        "UPDATE pairs SET state = ?1, position = v.position, stored_at = ?2"
        " FROM unnest(?4, ?5) AS v(agent, position)"
        " WHERE pairs.action = ?3 AND pairs.agent = v.agent",
        never_sent, now, action, agents, PositionsAfter(position, agents.size()));
  }
  for (const int64_t agent : agents)
    DRAGNET_RETURN_IF_ERROR(database.Run(
        "UPDATE pairs SET state = ?, position = ?, stored_at = ? WHERE action = ? AND agent = ?",
        never_sent, ++*position, now, action, agent));
  return absl::OkStatus();
}

}  // namespace dragnet::scheduler
