#include "tests/load/check.h"

#include <sqlite3.h>

#include <algorithm>
#include <memory>
#include <tuple>
#include <unordered_set>

#include "core/status_macros.h"
#include "core/strings.h"
#include "dragnet/v1/investigator.pb.h"
#include "dragnet/v1/results.pb.h"
#include "scheduler/store/open_store.h"
#include "scheduler/store/postgres/postgres_database.h"
#include "scheduler/store/sqlite/sqlite_database.h"

namespace dragnet::load {
namespace {

using scheduler::Database;
using scheduler::Query;

constexpr size_t kMaxFindings = 20;

// Lies that take no row away and add none: the store must hold exactly what was
// produced, however it came.
bool IsExact(const std::string& lie) {
  return lie.empty() || lie == "counts" || lie == "repeat" || lie == "reorder" ||
         lie == "identity" || lie == "unsent" || lie == "garbage";
}

// Action, agent, operation.
using Key = std::tuple<std::string, std::string, uint32_t>;

class Checker {
 public:
  Checker(const Ledger& ledger, Database& database, const RowMaker& rows)
      : ledger_(ledger), database_(database), rows_(rows) {
    for (const LedgerEntry& entry : ledger.entries)
      entries_[{entry.action_id, entry.agent_id, entry.operation}] = &entry;
  }

  absl::StatusOr<CheckResult> Run() {
    for (const auto& [action_id, answer] : ledger_.answers) {
      DRAGNET_RETURN_IF_ERROR(CheckRows(action_id, answer));
      DRAGNET_RETURN_IF_ERROR(CheckStates(action_id));
      ++result_.actions;
    }
    for (const auto& [key, entry] : entries_) {
      ++result_.operations;
      result_.rows_produced += entry->rows;
      if (!entry->lie.empty()) ++result_.liars;
      if (seen_.contains(entry) || !IsExact(entry->lie)) continue;
      // Not a single record of it is stored.
      uint64_t sequence = 1;
      NoteMissing(*entry, &sequence, entry->records + 1);
    }
    return std::move(result_);
  }

 private:
  void Find(std::string text) {
    if (result_.findings.size() < kMaxFindings) result_.findings.push_back(std::move(text));
  }

  std::string NameOf(const LedgerEntry& entry) const {
    return StrCat("action ", entry.action_id, ", agent ", entry.agent_id, " (number ",
                  entry.agent_index, entry.lie.empty() ? "" : StrCat(", lies: ", entry.lie),
                  "), operation ", entry.operation);
  }

  uint64_t RowsOfRecord(const LedgerEntry& entry, uint64_t sequence, uint64_t* first) const {
    const uint64_t per_record = rows_.RowsPerRecord(ledger_.answers.at(entry.action_id));
    *first = (sequence - 1) * per_record;
    return *first >= entry.rows ? 0 : std::min(per_record, entry.rows - *first);
  }

  // Records from *sequence up to `until`, which isn't one of them.
  void NoteMissing(const LedgerEntry& entry, uint64_t* sequence, uint64_t until) {
    for (; *sequence < until; ++*sequence) {
      uint64_t first = 0;
      const uint64_t rows = RowsOfRecord(entry, *sequence, &first);
      const bool pending =
          std::find(entry.pending.begin(), entry.pending.end(), *sequence) != entry.pending.end();
      (pending ? result_.rows_pending : result_.rows_lost) += rows;
      if (!pending && rows > 0)
        Find(StrCat(NameOf(entry), ": lost: record ", *sequence, ", ", rows, " rows"));
    }
  }

  // All stored records of an action, in order of agent, operation, sequence.
  absl::Status CheckRows(const std::string& action_id, const Answer& answer) {
    // Without the rows: what is sorted stays small.
    Query query = database_.Ask(
        "SELECT agents.id, records.operation, records.sequence, records.position, records.action"
        " FROM records JOIN agents ON agents.no = records.agent"
        " WHERE records.action = (SELECT no FROM actions WHERE id = ?)"
        " ORDER BY records.agent, records.operation, records.sequence",
        action_id);
    const LedgerEntry* entry = nullptr;
    uint64_t expected = 1;
    std::string agent_id;
    uint32_t operation = 0;
    const auto finish = [&] {
      if (entry != nullptr && IsExact(entry->lie))
        NoteMissing(*entry, &expected, entry->records + 1);
    };
    while (query.Next()) {
      if (query.Text(0) != agent_id || query.Integer(1) != operation) {
        finish();
        agent_id = query.Text(0);
        operation = static_cast<uint32_t>(query.Integer(1));
        const auto found = entries_.find({action_id, agent_id, operation});
        entry = found == entries_.end() ? nullptr : found->second;
        if (entry != nullptr) seen_.insert(entry);
        expected = 1;
      }
      Query stored = database_.Ask("SELECT rows FROM records WHERE action = ? AND position = ?",
                                   query.Integer(4), query.Integer(3));
      v1::Rows rows;
      if (!stored.Next() || !rows.ParseFromString(stored.Text(0)))
        return absl::DataLossError("stored rows don't parse");
      result_.rows_stored += static_cast<uint64_t>(rows.rows_size());
      CheckRecord(entry, answer, agent_id, static_cast<uint64_t>(query.Integer(2)), rows,
                  &expected);
    }
    finish();
    return query.status();
  }

  void CheckRecord(const LedgerEntry* entry, const Answer& answer, const std::string& agent_id,
                   uint64_t sequence, const v1::Rows& rows, uint64_t* expected) {
    const auto count = static_cast<uint64_t>(rows.rows_size());
    if (entry == nullptr) {
      result_.rows_made_up += count;
      return Find(StrCat("agent ", agent_id, ": ", count, " rows of what it never took on"));
    }
    if (!IsExact(entry->lie)) return;
    if (sequence < *expected) {
      result_.rows_duplicate += count;
      return Find(StrCat(NameOf(*entry), ": record ", sequence, " is stored twice"));
    }
    NoteMissing(*entry, expected, sequence);
    *expected = sequence + 1;
    uint64_t first = 0;
    const uint64_t wanted = RowsOfRecord(*entry, sequence, &first);
    if (count > wanted) result_.rows_made_up += count - wanted;
    if (count < wanted) result_.rows_lost += wanted - count;
    if (count != wanted)
      return Find(
          StrCat(NameOf(*entry), ": record ", sequence, " has ", count, " rows, not ", wanted));
    const AnswerKey key{entry->agent_index, entry->action_id, entry->operation};
    std::string row;
    for (uint64_t i = 0; i < count; ++i) {
      row.clear();
      rows_.Append(answer, key, first + i, &row);
      if (rows.rows(static_cast<int>(i)) == row) continue;
      ++result_.rows_lost;
      Find(StrCat(NameOf(*entry), ": row ", first + i, " isn't as it was produced"));
    }
  }

  // What the state of a pair must be.
  absl::Status CheckStates(const std::string& action_id) {
    Query query = database_.Ask(
        "SELECT agents.id, pairs.state, pairs.rows FROM pairs JOIN agents ON agents.no = "
        "pairs.agent"
        " WHERE pairs.action = (SELECT no FROM actions WHERE id = ?)",
        action_id);
    while (query.Next()) {
      const auto state = static_cast<v1::DispatchState>(query.Integer(1));
      CheckState(action_id, query.Text(0), state, static_cast<uint64_t>(query.Integer(2)));
    }
    return query.status();
  }

  void CheckState(const std::string& action_id, const std::string& agent_id,
                  v1::DispatchState state, uint64_t rows) {
    std::string expected;
    uint64_t produced = 0;
    const LedgerEntry* last = nullptr;
    for (uint32_t operation = 0;; ++operation) {
      const auto found = entries_.find({action_id, agent_id, operation});
      if (found == entries_.end()) break;
      last = found->second;
      produced += last->rows;
      // Still under way: it may be in any state.
      if (last->end.empty() || !last->pending.empty()) return;
      if (last->end == "incomplete" || last->end == "refused" || expected.empty() ||
          (last->end == "found" && expected == "clean"))
        if (expected != "incomplete") expected = last->end;
    }
    if (last == nullptr) return;
    const std::string is = StateName(state);
    // Refused for a reason that passes, and taken on afterwards, is one of these, too.
    bool good = is == expected && rows == produced;
    // Without a row it has nothing to lie about.
    if (!IsExact(last->lie) && produced > 0) good = is != "found" && is != "clean";
    if (last->lie == "counts" && expected != "refused")
      good = is == "incomplete" && rows == produced;
    if (last->lie == "identity") good = true;  // it never had a session
    if (good) return;
    ++result_.states_wrong;
    Find(StrCat(NameOf(*last), ": is ", is, " with ", rows, " rows, not ", expected, " with ",
                produced));
  }

  static std::string StateName(v1::DispatchState state) {
    switch (state) {
      case v1::DISPATCH_STATE_FOUND:
        return "found";
      case v1::DISPATCH_STATE_CLEAN:
        return "clean";
      case v1::DISPATCH_STATE_INCOMPLETE:
        return "incomplete";
      case v1::DISPATCH_STATE_REFUSED:
        return "refused";
      default:
        return v1::DispatchState_Name(state);
    }
  }

  const Ledger& ledger_;
  Database& database_;
  const RowMaker& rows_;
  std::map<Key, const LedgerEntry*> entries_;
  std::unordered_set<const LedgerEntry*> seen_;
  CheckResult result_;
};

absl::StatusOr<std::unique_ptr<Database>> Open(const std::string& store) {
  if (scheduler::IsPostgresUrl(store))
    return scheduler::PostgresDatabase::Open(store,
                                             {.statement = absl::Minutes(10), .read_only = true});
  DRAGNET_ASSIGN_OR_RETURN(std::unique_ptr<Database> database,
                           scheduler::SqliteDatabase::Open(store, SQLITE_OPEN_READWRITE));
  // A reader of a WAL may have to mend its index; but it isn't let write.
  DRAGNET_RETURN_IF_ERROR(database->Execute("PRAGMA query_only = 1; PRAGMA busy_timeout = 10000"));
  return database;
}

}  // namespace

absl::StatusOr<CheckResult> CheckLedger(const Ledger& ledger, const std::string& store) {
  DRAGNET_ASSIGN_OR_RETURN(const std::unique_ptr<Database> database, Open(store));
  RowMaker rows;
  if (!ledger.real_rows.empty()) {
    DRAGNET_ASSIGN_OR_RETURN(rows, RowMaker::FromJsonLines(ledger.real_rows));
  }
  return scheduler::InSnapshot(*database, [&] { return Checker(ledger, *database, rows).Run(); });
}

std::string ToText(const CheckResult& result) {
  std::string text =
      StrCat("actions ", result.actions, ", operations ", result.operations, " (", result.liars,
             " of liars), rows produced ", result.rows_produced, ", stored ", result.rows_stored,
             ", lost ", result.rows_lost, ", twice ", result.rows_duplicate, ", made up ",
             result.rows_made_up, ", pending ", result.rows_pending, ", wrong states ",
             result.states_wrong, "\n");
  for (const std::string& finding : result.findings) StrAppend(&text, "  ", finding, "\n");
  return text;
}

}  // namespace dragnet::load
