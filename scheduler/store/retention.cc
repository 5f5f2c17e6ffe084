#include "scheduler/store/retention.h"

#include <spdlog/spdlog.h>

#include <algorithm>
#include <utility>

#include "core/status_macros.h"
#include "core/strings.h"
#include "scheduler/observe/log.h"
#include "scheduler/observe/metrics.h"
#include "scheduler/store/all_changes.h"
#include "scheduler/store/sweep_tables.h"

namespace dragnet::scheduler {
namespace {

// Of one step: a few milliseconds.
constexpr int kRecordsPerStep = 256;
constexpr int64_t kBytesPerStep = int64_t{2} << 20;
constexpr int kPairsPerStep = 512;
// Results of an agent that was slow may still be on their way.
constexpr absl::Duration kSettled = absl::Hours(1);
// However large the store is, results are there for a day: one agent that fills it
// must not have what the fleet has just found removed.
constexpr absl::Duration kKeptWhateverTheSize = absl::Hours(24);
constexpr absl::Duration kJump = absl::Hours(1);
// Between two runs of a scheduler.
constexpr absl::Duration kLongAway = absl::Hours(30 * 24);
constexpr absl::Duration kNoteTime = absl::Minutes(10);
constexpr absl::Duration kTidy = absl::Hours(1);
// Certificates and tokens that expired are kept so long, for better messages.
constexpr absl::Duration kExpiredKept = absl::Hours(30 * 24);

constexpr char kTables[] = R"sql(
CREATE TABLE IF NOT EXISTS retention (
  action INTEGER PRIMARY KEY,
  keep_until INTEGER,
  -- When the removal began, and whether it is through.
  removed_at INTEGER,
  done INTEGER NOT NULL DEFAULT 0);
CREATE INDEX IF NOT EXISTS retention_unfinished
  ON retention (action) WHERE removed_at IS NOT NULL AND done = 0;
CREATE INDEX IF NOT EXISTS actions_by_end ON actions (closed, expires);
-- Values that background work keeps.
CREATE TABLE IF NOT EXISTS upkeep (
  name TEXT PRIMARY KEY,
  value INTEGER NOT NULL) WITHOUT ROWID;
)sql";

std::string Day(absl::Time time) { return absl::FormatTime("%Y-%m-%d", time, absl::UTCTimeZone()); }

absl::StatusOr<int64_t> NumberOf(Database& database, std::string_view action_id) {
  DRAGNET_ASSIGN_OR_RETURN(const int64_t no,
                           database.IntegerOr(0, "SELECT no FROM actions WHERE id = ?", action_id));
  if (no == 0) return absl::NotFoundError(StrCat("no action ", action_id));
  return no;
}

absl::StatusOr<Retained> Read(Database& database, int64_t action) {
  Retained retained;
  Query query =
      database.Ask("SELECT keep_until, removed_at FROM retention WHERE action = ?", action);
  if (query.Next()) {
    if (!query.IsNull(0)) retained.keep_until = query.Time(0);
    if (!query.IsNull(1)) retained.removed_at = query.Time(1);
  }
  DRAGNET_RETURN_IF_ERROR(query.status());
  return retained;
}

// The last position of the next few records; 0 if there are none.
absl::StatusOr<int64_t> EndOfSome(Database& database, int64_t action, int64_t* records,
                                  int64_t* bytes) {
  // length() of a blob is in the row's header: its pages aren't read for it.
  Query query = database.Ask(
      "SELECT position, length(rows) FROM records WHERE action = ? ORDER BY position LIMIT ?",
      action, kRecordsPerStep);
  int64_t end = 0;
  while (*bytes < kBytesPerStep && query.Next()) {
    end = query.Integer(0);
    *bytes += query.Integer(1);
    ++*records;
  }
  DRAGNET_RETURN_IF_ERROR(query.status());
  return end;
}

absl::StatusOr<int64_t> EndOfSomeSummaries(Database& database, int64_t action, int64_t after) {
  Query query = database.Ask(
      "SELECT agent FROM pair_operations WHERE action = ? AND agent > ? AND summary IS NOT NULL"
      " ORDER BY agent LIMIT ?",
      action, after, kPairsPerStep);
  int64_t end = 0;
  while (query.Next()) end = query.Integer(0);
  DRAGNET_RETURN_IF_ERROR(query.status());
  return end;
}

// Of a run: who told what, and the pairs. Of a sweep: the newest verdicts, and changes.
// Counts stay. True when there is more of it.
absl::StatusOr<bool> RemoveSomeOfSweep(Database& database, int64_t action) {
  DRAGNET_ASSIGN_OR_RETURN(const SweepRole role, SweepTables::RoleOf(database, action));
  if (role.sweep == 0) return false;
  if (role.is_sweep) {
    DRAGNET_RETURN_IF_ERROR(
        database.Run("DELETE FROM sweep_texts WHERE sweep = ?1 AND (agent, check_no) IN"
                     " (SELECT agent, check_no FROM sweep_texts WHERE sweep = ?1 LIMIT ?2)",
                     action, kPairsPerStep));
    if (database.changes() > 0) return true;
    DRAGNET_RETURN_IF_ERROR(
        database.Run("DELETE FROM sweep_states WHERE sweep = ?1 AND agent IN"
                     " (SELECT agent FROM sweep_states WHERE sweep = ?1 LIMIT ?2)",
                     action, kPairsPerStep));
    if (database.changes() > 0) return true;
    DRAGNET_RETURN_IF_ERROR(
        database.Run("DELETE FROM sweep_agents WHERE sweep = ?1 AND agent IN"
                     " (SELECT agent FROM sweep_agents WHERE sweep = ?1 LIMIT ?2)",
                     action, kPairsPerStep));
    if (database.changes() > 0) return true;
    return RemoveSweepChanges(database, action, INT64_MAX, kPairsPerStep);
  }
  DRAGNET_RETURN_IF_ERROR(
      database.Run("DELETE FROM sweep_told WHERE run = ?1 AND agent IN"
                   " (SELECT agent FROM sweep_told WHERE run = ?1 LIMIT ?2)",
                   action, kPairsPerStep));
  if (database.changes() > 0) return true;
  // Extra runs are ordinary actions, whose pairs stay.
  if (role.extra) return false;
  DRAGNET_RETURN_IF_ERROR(
      database.Run("DELETE FROM pair_operations WHERE action = ?1 AND agent IN"
                   " (SELECT agent FROM pair_operations WHERE action = ?1 LIMIT ?2)",
                   action, kPairsPerStep));
  if (database.changes() > 0) return true;
  DRAGNET_RETURN_IF_ERROR(
      database.Run("DELETE FROM pairs WHERE action = ?1 AND agent IN"
                   " (SELECT agent FROM pairs WHERE action = ?1 LIMIT ?2)",
                   action, kPairsPerStep));
  return database.changes() > 0;
}

// Changes that are as old as what the rules remove. True when there are more.
absl::StatusOr<bool> RemoveOldChanges(Database& database, absl::Time before) {
  int64_t sweep = 0;
  int64_t last = 0;
  {
    // In the order of positions: the oldest are found at once.
    Query query = database.Ask(
        "SELECT sweep, position FROM sweep_changes WHERE position <= coalesce("
        "(SELECT position FROM sweep_changes ORDER BY position LIMIT 1 OFFSET ?1), ?3)"
        " AND stored_at < ?2 ORDER BY position DESC LIMIT 1",
        kPairsPerStep, before, INT64_MAX);
    if (query.Next()) {
      sweep = query.Integer(0);
      last = query.Integer(1);
    }
    DRAGNET_RETURN_IF_ERROR(query.status());
  }
  if (sweep == 0) return false;
  DRAGNET_RETURN_IF_ERROR(
      RemoveSweepChanges(database, sweep, static_cast<uint64_t>(last), kPairsPerStep).status());
  return true;
}

}  // namespace

absl::Status PrepareRetention(Database& database) { return database.Execute(kTables); }

absl::StatusOr<std::optional<absl::Time>> RemovedAt(Database& database, int64_t action) {
  DRAGNET_ASSIGN_OR_RETURN(const Retained retained, Read(database, action));
  return retained.removed_at;
}

absl::StatusOr<std::unique_ptr<Retention>> Retention::Open(SqlStore& store, const Clock& clock,
                                                           const RetentionRules& rules) {
  DRAGNET_ASSIGN_OR_RETURN(std::unique_ptr<Database> reader, store.engine().OpenReader());
  std::unique_ptr<Retention> retention(new Retention(store, std::move(reader), clock, rules));
  // How long no scheduler ran is known by the clock only: a long time may be a jump.
  DRAGNET_ASSIGN_OR_RETURN(
      const int64_t noted,
      retention->reader_->IntegerOr(0, "SELECT value FROM upkeep WHERE name = 'last_running'"));
  const absl::Duration away = clock.Now() - absl::FromUnixMillis(noted);
  if (noted != 0 && (away > kLongAway || away < -kJump) &&
      rules.clock_hold > absl::ZeroDuration()) {
    spdlog::warn("the clock says that no scheduler ran for {}: retention removes nothing for {}",
                 absl::FormatDuration(absl::Trunc(away, absl::Hours(1))),
                 absl::FormatDuration(rules.clock_hold));
    retention->hold_until_ = SteadyNow() + rules.clock_hold;
    retention->held_ = true;
  }
  return retention;
}

void Retention::LookAtClock(absl::Time now) {
  const absl::Time steady = SteadyNow();
  const absl::Duration jump = (now - last_now_) - (steady - last_steady_);
  const bool first = last_now_ == absl::InfinitePast();
  last_now_ = now;
  last_steady_ = steady;
  if (!first && absl::AbsDuration(jump) > kJump && rules_.clock_hold > absl::ZeroDuration()) {
    hold_until_ = steady + rules_.clock_hold;
    spdlog::warn("the clock jumped by {}: retention removes nothing for {}",
                 absl::FormatDuration(absl::Trunc(jump, absl::Seconds(1))),
                 absl::FormatDuration(rules_.clock_hold));
  }
  const WaitableMutex::Lock lock(mutex_);
  held_ = steady < hold_until_;
}

absl::StatusOr<bool> Retention::Step() {
  TheMetrics().retention_steps.Add();
  const absl::Time now = clock_.Now();
  LookAtClock(now);
  DRAGNET_RETURN_IF_ERROR(NoteTime());
  // What was begun is brought to its end: half of an action's results are no results.
  DRAGNET_ASSIGN_OR_RETURN(int64_t action, FindUnfinished());
  if (action == 0 && !held()) {
    DRAGNET_ASSIGN_OR_RETURN(action, FindNext(now));
    if (action != 0) {
      DRAGNET_RETURN_IF_ERROR(Mark(action, now));
      return true;
    }
  }
  if (action != 0) {
    DRAGNET_RETURN_IF_ERROR(RemoveSome(action));
    return true;
  }
  if (!held()) {
    DRAGNET_ASSIGN_OR_RETURN(const bool more, TidyUp(now));
    if (more) return true;
  }
  return GiveBackSome();
}

absl::Status Retention::NoteTime() {
  const absl::Time steady = SteadyNow();
  if (steady - noted_ < kNoteTime) return absl::OkStatus();
  noted_ = steady;
  return store_.Maintain(
      [now = clock_.Now()](Database& database) {
        return database.Run(
            "INSERT INTO upkeep (name, value) VALUES ('last_running', ?)"
            " ON CONFLICT (name) DO UPDATE SET value = excluded.value",
            now);
      },
      /*forget=*/false);
}

absl::StatusOr<int64_t> Retention::FindUnfinished() {
  const WaitableMutex::Lock lock(mutex_);
  return reader_->IntegerOr(
      0, "SELECT action FROM retention WHERE removed_at IS NOT NULL AND done = 0 LIMIT 1");
}

absl::StatusOr<int64_t> Retention::OldestEndedBefore(absl::Time end, absl::Time now) {
  const WaitableMutex::Lock lock(mutex_);
  return reader_->IntegerOr(0,
                            // Who keeps a sweep keeps its runs.
                            "SELECT a.no FROM actions a LEFT JOIN retention r ON r.action = a.no"
                            " LEFT JOIN retention s ON s.action = a.run_of"
                            " WHERE a.closed = 1 AND a.expires < ?1 AND r.removed_at IS NULL"
                            " AND coalesce(r.keep_until, 0) < ?2"
                            " AND coalesce(s.keep_until, 0) < ?2 ORDER BY a.expires LIMIT 1",
                            end, now);
}

absl::StatusOr<uint64_t> Retention::BytesUsed() {
  const WaitableMutex::Lock lock(mutex_);
  return store_.engine().BytesUsed(*reader_);
}

absl::StatusOr<int64_t> Retention::FindNext(absl::Time now) {
  if (rules_.age != absl::InfiniteDuration()) {
    DRAGNET_ASSIGN_OR_RETURN(const int64_t old,
                             OldestEndedBefore(now - std::max(rules_.age, kSettled), now));
    if (old != 0) return old;
  }
  if (rules_.bytes == 0) return 0;
  DRAGNET_ASSIGN_OR_RETURN(const uint64_t used, BytesUsed());
  int64_t oldest = 0;
  if (used > rules_.bytes) {
    DRAGNET_ASSIGN_OR_RETURN(oldest, OldestEndedBefore(now - kKeptWhateverTheSize, now));
  }
  const WaitableMutex::Lock lock(mutex_);
  over_its_bytes_ = used > rules_.bytes && oldest == 0;
  return oldest;
}

absl::Status Retention::Mark(int64_t action, absl::Time now) {
  std::string id;
  DRAGNET_RETURN_IF_ERROR(store_.Maintain(
      [&](Database& database) -> absl::Status {
        // Someone may have asked to keep it meanwhile.
        DRAGNET_RETURN_IF_ERROR(database.Run(
            "INSERT INTO retention (action, removed_at) VALUES (?1, ?2) ON CONFLICT (action)"
            " DO UPDATE SET removed_at = ?2 WHERE coalesce(retention.keep_until, 0) < ?2",
            action, now));
        if (database.changes() == 0) return absl::OkStatus();
        // Of a run of a sweep: nothing so old comes to be a run again.
        DRAGNET_RETURN_IF_ERROR(database.Run(
            "UPDATE sweeps SET removed_up_to = r.occurrence FROM sweep_runs r WHERE r.run = ?"
            " AND r.extra = 0 AND sweeps.action = r.sweep AND sweeps.removed_up_to < r.occurrence",
            action));
        Query query = database.Ask("SELECT id FROM actions WHERE no = ?", action);
        if (query.Next()) id = query.Text(0);
        return query.status();
      },
      /*forget=*/true));
  if (id.empty()) return absl::OkStatus();
  last_agent_ = 0;
  TheMetrics().actions_removed.Add();
  spdlog::info("{}retention removes its results", About({.action = id}));
  return absl::OkStatus();
}

absl::Status Retention::RemoveSome(int64_t action) {
  int64_t records = 0;
  int64_t last_agent = last_agent_;
  DRAGNET_RETURN_IF_ERROR(store_.Maintain(
      [&](Database& database) -> absl::Status {
        records = 0;
        int64_t bytes = 0;
        DRAGNET_ASSIGN_OR_RETURN(const int64_t end, EndOfSome(database, action, &records, &bytes));
        store_.CountRemoved(records, bytes);
        DRAGNET_RETURN_IF_ERROR(NoteRemoval(database, action));
        if (records > 0)
          return database.Run("DELETE FROM records WHERE action = ? AND position <= ?", action,
                              end);
        DRAGNET_ASSIGN_OR_RETURN(last_agent, EndOfSomeSummaries(database, action, last_agent_));
        if (last_agent != 0)
          return database.Run(
              "UPDATE pair_operations SET summary = NULL"
              " WHERE action = ? AND agent > ? AND agent <= ? AND summary IS NOT NULL",
              action, last_agent_, last_agent);
        DRAGNET_ASSIGN_OR_RETURN(const bool more, RemoveSomeOfSweep(database, action));
        if (more) return absl::OkStatus();
        // Runs of sweeps are many: those that are done with aren't looked at again.
        DRAGNET_RETURN_IF_ERROR(
            database.Run("UPDATE actions SET closed = 2 WHERE no = ? AND run_of != 0", action));
        return database.Run("UPDATE retention SET done = 1 WHERE action = ?", action);
      },
      /*forget=*/false));
  TheMetrics().records_removed.Add(static_cast<uint64_t>(records));
  last_agent_ = last_agent;
  return absl::OkStatus();
}

absl::StatusOr<bool> Retention::TidyUp(absl::Time now) {
  const absl::Time steady = SteadyNow();
  if (steady - tidied_ < kTidy) return false;
  int64_t changes = 0;
  DRAGNET_RETURN_IF_ERROR(store_.Maintain(
      [&, before = now - kExpiredKept](Database& database) -> absl::Status {
        DRAGNET_RETURN_IF_ERROR(database.Run(
            // Not an identity's last one, by which it can be revoked.
            "DELETE FROM certificates WHERE fingerprint IN"
            " (SELECT c.fingerprint FROM certificates c WHERE c.not_after < ? AND EXISTS"
            "   (SELECT 1 FROM certificates n"
            "    WHERE n.identity = c.identity AND n.not_after > c.not_after) LIMIT ?)",
            before, kRecordsPerStep));
        changes = database.changes();
        DRAGNET_RETURN_IF_ERROR(
            database.Run("DELETE FROM token_labels WHERE sha256 IN (SELECT sha256 FROM tokens "
                         "WHERE expires < ?)",
                         before));
        DRAGNET_RETURN_IF_ERROR(
            database.Run("DELETE FROM enrolment_requests WHERE token IN (SELECT sha256 FROM tokens "
                         "WHERE expires < ?)",
                         before));
        return database.Run("DELETE FROM tokens WHERE expires < ?", before);
      },
      /*forget=*/false));
  if (changes > 0) return true;
  if (rules_.age != absl::InfiniteDuration()) {
    bool more = false;
    DRAGNET_RETURN_IF_ERROR(store_.Maintain(
        [&, before = now - std::max(rules_.age, kSettled)](Database& database) -> absl::Status {
          DRAGNET_ASSIGN_OR_RETURN(more, RemoveOldChanges(database, before));
          return absl::OkStatus();
        },
        /*forget=*/false));
    if (more) return true;
  }
  tidied_ = steady;
  return false;
}

absl::StatusOr<bool> Retention::GiveBackSome() {
  bool more = false;
  {
    const WaitableMutex::Lock lock(mutex_);
    DRAGNET_ASSIGN_OR_RETURN(more, store_.engine().HasSpaceToGiveBack(*reader_));
  }
  if (!more) return false;
  DRAGNET_RETURN_IF_ERROR(
      store_.Maintain([&](Database& database) { return store_.engine().GiveBackSome(database); },
                      /*forget=*/false));
  return true;
}

absl::Status Retention::Keep(std::string_view action_id, std::optional<absl::Time> until) {
  return store_.Maintain(
      [&](Database& database) -> absl::Status {
        DRAGNET_ASSIGN_OR_RETURN(const int64_t action, NumberOf(database, action_id));
        DRAGNET_ASSIGN_OR_RETURN(const Retained retained, Read(database, action));
        if (retained.removed_at.has_value())
          return absl::FailedPreconditionError(StrCat("action ", action_id,
                                                      ": its results were removed on ",
                                                      Day(*retained.removed_at), " by retention"));
        if (!until.has_value())
          return database.Run("DELETE FROM retention WHERE action = ?", action);
        return database.Run(
            "INSERT INTO retention (action, keep_until) VALUES (?1, ?2)"
            " ON CONFLICT (action) DO UPDATE SET keep_until = ?2",
            action, *until);
      },
      /*forget=*/false);
}

absl::StatusOr<Retained> Retention::Of(std::string_view action_id) {
  const WaitableMutex::Lock lock(mutex_);
  DRAGNET_ASSIGN_OR_RETURN(const int64_t action, NumberOf(*reader_, action_id));
  return Read(*reader_, action);
}

bool Retention::over_its_bytes() {
  const WaitableMutex::Lock lock(mutex_);
  return over_its_bytes_;
}

bool Retention::held() {
  const WaitableMutex::Lock lock(mutex_);
  return held_;
}

}  // namespace dragnet::scheduler
