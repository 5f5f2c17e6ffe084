#include "scheduler/store/schema.h"

#include <sys/stat.h>

#include "core/file_io.h"
#include "core/status_macros.h"
#include "core/strings.h"
#include "scheduler/store/all_changes.h"
#include "scheduler/store/migration.h"
#include "scheduler/store/retention.h"

namespace dragnet::scheduler {
namespace {

// PRAGMA application_id: "DRGN".
constexpr int kApplicationId = 0x4452474e;
// Above this a check of every page at each start would keep the fleet waiting.
constexpr off_t kMaxCheckedBytes = off_t{1} << 30;

// Agents and actions have short numbers of their own, because millions of rows
// refer to them.
constexpr char kTables[] = R"sql(
CREATE TABLE trust_policies (
  version INTEGER PRIMARY KEY,
  envelope BLOB NOT NULL);

CREATE TABLE tokens (
  sha256 BLOB PRIMARY KEY,
  expires INTEGER NOT NULL,
  uses_left INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE token_labels (
  sha256 BLOB NOT NULL,
  key TEXT NOT NULL,
  value TEXT NOT NULL,
  PRIMARY KEY (sha256, key)) WITHOUT ROWID;

CREATE TABLE certificates (
  fingerprint TEXT PRIMARY KEY,
  identity TEXT NOT NULL,
  issued_at INTEGER NOT NULL,
  not_after INTEGER NOT NULL,
  revoked INTEGER NOT NULL DEFAULT 0) WITHOUT ROWID;
CREATE INDEX certificates_by_identity ON certificates (identity);

CREATE TABLE agents (
  no INTEGER PRIMARY KEY,
  id TEXT NOT NULL UNIQUE,
  identity TEXT NOT NULL UNIQUE,
  spki BLOB NOT NULL,
  name TEXT NOT NULL,
  facts BLOB NOT NULL,
  enrolled_at INTEGER NOT NULL,
  last_seen INTEGER NOT NULL DEFAULT 0,
  trust_policy_version INTEGER NOT NULL DEFAULT 0,
  missing_walls TEXT NOT NULL DEFAULT '',
  revoked INTEGER NOT NULL DEFAULT 0,
  limits TEXT NOT NULL DEFAULT '');
CREATE TABLE agent_labels (
  agent INTEGER NOT NULL,
  key TEXT NOT NULL,
  value TEXT NOT NULL,
  PRIMARY KEY (agent, key)) WITHOUT ROWID;

CREATE TABLE actions (
  no INTEGER PRIMARY KEY,
  id TEXT NOT NULL UNIQUE,
  envelope BLOB NOT NULL,
  launched_by TEXT NOT NULL,
  signed_by TEXT NOT NULL,
  launched_at INTEGER NOT NULL,
  expires INTEGER NOT NULL,
  cancelled INTEGER NOT NULL DEFAULT 0,
  -- No pair of it waits any more.
  closed INTEGER NOT NULL DEFAULT 0);
CREATE INDEX actions_open ON actions (expires) WHERE closed = 0;
CREATE TABLE action_bounds (
  action INTEGER NOT NULL,
  operation INTEGER NOT NULL,
  rows INTEGER NOT NULL,
  bytes INTEGER NOT NULL,
  PRIMARY KEY (action, operation)) WITHOUT ROWID;

CREATE TABLE pairs (
  action INTEGER NOT NULL,
  agent INTEGER NOT NULL,
  state INTEGER NOT NULL,
  rows INTEGER NOT NULL DEFAULT 0,
  position INTEGER NOT NULL,
  dropped INTEGER NOT NULL DEFAULT 0,
  drop_reason TEXT NOT NULL DEFAULT '',
  detail TEXT NOT NULL DEFAULT '',
  refusal BLOB,
  failed INTEGER NOT NULL DEFAULT 0,
  PRIMARY KEY (action, agent)) WITHOUT ROWID;
CREATE INDEX pairs_by_position ON pairs (action, position);
CREATE TABLE pair_operations (
  action INTEGER NOT NULL,
  agent INTEGER NOT NULL,
  operation INTEGER NOT NULL,
  records INTEGER NOT NULL,
  rows INTEGER NOT NULL,
  bytes INTEGER NOT NULL,
  last_sequence INTEGER NOT NULL,
  summary_sequence INTEGER NOT NULL,
  summary BLOB,
  -- Sequences below last_sequence that haven't come, rising, with spaces between:
  -- this is how a repeated record is known, without an index of all of them.
  missing TEXT NOT NULL DEFAULT '',
  PRIMARY KEY (action, agent, operation)) WITHOUT ROWID;

CREATE TABLE records (
  position INTEGER PRIMARY KEY,
  action INTEGER NOT NULL,
  agent INTEGER NOT NULL,
  occurrence INTEGER NOT NULL,
  operation INTEGER NOT NULL,
  sequence INTEGER NOT NULL,
  rows BLOB NOT NULL);
CREATE INDEX records_by_action ON records (action, position);

-- What agents refused, and what of theirs was dropped.
CREATE TABLE refusals (
  position INTEGER PRIMARY KEY,
  agent INTEGER NOT NULL,
  action_id TEXT NOT NULL,
  envelope_sha256 BLOB NOT NULL,
  reason INTEGER NOT NULL,
  refusal BLOB NOT NULL);
CREATE UNIQUE INDEX refusals_by_key
  ON refusals (agent, action_id, envelope_sha256, reason);
CREATE INDEX refusals_by_agent ON refusals (agent, position);
)sql";

// That it is a store, and not of a newer version; gives its version.
absl::StatusOr<int64_t> VersionOf(Database& database, const std::string& path) {
  DRAGNET_ASSIGN_OR_RETURN(const int64_t application,
                           database.IntegerOr(0, "PRAGMA application_id"));
  if (application != kApplicationId)
    return absl::FailedPreconditionError(StrCat(path, ": not a store of dragnet-scheduler"));
  DRAGNET_ASSIGN_OR_RETURN(const int64_t version, database.IntegerOr(0, "PRAGMA user_version"));
  if (version < 1 || version > kSchemaVersion)
    return absl::FailedPreconditionError(
        StrCat(path, ": its schema has version ", version, ", this program knows ", kSchemaVersion,
               ": use the version of dragnet-scheduler that wrote it"));
  return version;
}

absl::Status CheckIsCurrent(Database& database, const std::string& path) {
  DRAGNET_ASSIGN_OR_RETURN(const int64_t version, VersionOf(database, path));
  if (version == kSchemaVersion) return absl::OkStatus();
  return absl::FailedPreconditionError(
      StrCat(path, ": its schema has version ", version, ", this program works with ",
             kSchemaVersion, ": start this version of dragnet-scheduler on it first"));
}

absl::Status Damaged(const std::string& path, std::string_view what) {
  return absl::DataLossError(StrCat(path, ": damaged (", what,
                                    "): go back to a backup with dragnet-scheduler restore; "
                                    "docs/operations.md says what follows"));
}

absl::Status WordsFor(const absl::Status& status, const std::string& path) {
  return absl::IsDataLoss(status) ? Damaged(path, ToStd(status.message())) : status;
}

// Of `check`, which gives "ok" or what is wrong.
absl::Status ResultOf(Query check, const std::string& path) {
  if (check.Next() && check.Text(0) != "ok") return Damaged(path, check.Text(0));
  return WordsFor(check.status(), path);
}

// Those that every start reads anyway, without what agents sent.
absl::Status CheckSmallTables(Database& database, const std::string& path) {
  DRAGNET_RETURN_IF_ERROR(ResultOf(database.Ask("PRAGMA quick_check(actions)"), path));
  DRAGNET_RETURN_IF_ERROR(ResultOf(database.Ask("PRAGMA quick_check(agents)"), path));
  DRAGNET_RETURN_IF_ERROR(ResultOf(database.Ask("PRAGMA quick_check(certificates)"), path));
  DRAGNET_RETURN_IF_ERROR(ResultOf(database.Ask("PRAGMA quick_check(tokens)"), path));
  return ResultOf(database.Ask("PRAGMA quick_check(trust_policies)"), path);
}

absl::Status CheckBeforeWriting(Database& database, const std::string& path) {
  return IsCheckedAtStart(path) ? CheckAllPages(database, path) : CheckSmallTables(database, path);
}

absl::StatusOr<std::unique_ptr<SqliteDatabase>> OpenExisting(const std::string& path) {
  struct stat info;
  if (::stat(path.c_str(), &info) != 0) return ErrnoStatus(StrCat("open ", path), errno);
  DRAGNET_ASSIGN_OR_RETURN(std::unique_ptr<SqliteDatabase> database,
                           SqliteDatabase::Open(path, SQLITE_OPEN_READWRITE));
  DRAGNET_RETURN_IF_ERROR(WordsFor(VersionOf(*database, path).status(), path));
  return database;
}

absl::StatusOr<std::unique_ptr<SqliteDatabase>> OpenCurrent(const std::string& path) {
  DRAGNET_ASSIGN_OR_RETURN(std::unique_ptr<SqliteDatabase> database, OpenExisting(path));
  DRAGNET_RETURN_IF_ERROR(CheckIsCurrent(*database, path));
  return database;
}

}  // namespace

// Orders about actions, and how far an action's dispatch is.
const char kTablesSince2[] = R"sql(
CREATE TABLE orders (
  no INTEGER PRIMARY KEY,
  action INTEGER NOT NULL,
  id TEXT NOT NULL UNIQUE,
  envelope BLOB NOT NULL,
  signed_by TEXT NOT NULL,
  expires INTEGER NOT NULL);
CREATE INDEX orders_by_action ON orders (action, id);
CREATE INDEX orders_by_expiry ON orders (expires);
-- Only for actions that have something to keep.
CREATE TABLE dispatch (
  action INTEGER PRIMARY KEY,
  canaries INTEGER NOT NULL,
  canaries_passed INTEGER NOT NULL,
  stopped INTEGER NOT NULL,
  reason TEXT NOT NULL,
  ended_before INTEGER NOT NULL,
  failed_before INTEGER NOT NULL);
)sql";

// Actions that wait for signatures, or waited. `state` as Proposal.State, without
// EXPIRED, which follows from the time.
const char kProposalsSince3[] = R"sql(
CREATE TABLE proposals (
  no INTEGER PRIMARY KEY,
  id TEXT NOT NULL UNIQUE,
  envelope BLOB NOT NULL,
  proposed_by TEXT NOT NULL,
  proposed_at INTEGER NOT NULL,
  expires INTEGER NOT NULL,
  state INTEGER NOT NULL,
  closed_at INTEGER NOT NULL DEFAULT 0,
  refusal BLOB NOT NULL DEFAULT x'',
  refused_by TEXT NOT NULL DEFAULT '');
)sql";

// Of what was stored before, no one knows when.
const char kTablesSince4[] = R"sql(
ALTER TABLE records ADD COLUMN stored_at INTEGER;
ALTER TABLE pairs ADD COLUMN stored_at INTEGER;
-- (pairs_by_position is that of one action.)
CREATE INDEX pairs_in_order ON pairs (position);
)sql";

// Runs of sweeps are actions without an envelope: theirs is the sweep's. What they
// counted outlives their rows.
const char kTablesSince5[] = R"sql(
ALTER TABLE actions ADD COLUMN run_of INTEGER NOT NULL DEFAULT 0;
CREATE INDEX actions_launched ON actions (no) WHERE run_of = 0;

CREATE TABLE sweeps (
  action INTEGER PRIMARY KEY,
  -- No occurrence after this.
  ends INTEGER NOT NULL,
  -- Rows of sweep_changes.
  changes INTEGER NOT NULL DEFAULT 0,
  -- The newest occurrence whose results retention has removed; seconds since 1970.
  removed_up_to INTEGER NOT NULL DEFAULT 0);
CREATE TABLE sweep_runs (
  run INTEGER PRIMARY KEY,
  sweep INTEGER NOT NULL,
  -- Seconds since 1970.
  occurrence INTEGER NOT NULL,
  -- Launched by hand.
  extra INTEGER NOT NULL,
  told INTEGER NOT NULL DEFAULT 0,
  -- Of these, agents that had the sweep when it was due.
  told_with_it INTEGER NOT NULL DEFAULT 0,
  -- Agents that had it and didn't tell; NULL until the run is closed.
  silent INTEGER);
CREATE INDEX sweep_runs_in_order ON sweep_runs (sweep, occurrence);
-- The agents of a sweep's target. Seconds since 1970, 0 for not (yet): when it was to go
-- to them, when they took it on first, and when they refused it after all, or were
-- revoked; and the newest scheduled run that they told of.
CREATE TABLE sweep_agents (
  sweep INTEGER NOT NULL,
  agent INTEGER NOT NULL,
  added INTEGER NOT NULL,
  accepted INTEGER NOT NULL DEFAULT 0,
  gone INTEGER NOT NULL DEFAULT 0,
  last_told INTEGER NOT NULL DEFAULT 0,
  PRIMARY KEY (sweep, agent)) WITHOUT ROWID;
-- What an agent told in a run: a byte for each check. `worst` once it is whole.
CREATE TABLE sweep_told (
  run INTEGER NOT NULL,
  agent INTEGER NOT NULL,
  statuses BLOB NOT NULL DEFAULT x'',
  worst INTEGER NOT NULL DEFAULT 0,
  PRIMARY KEY (run, agent)) WITHOUT ROWID;
-- The newest verdicts of an agent: 25 bytes for each check (sweep_tables.h). With row
-- numbers: rows of a kilobyte and more take three times the room without them.
CREATE TABLE sweep_states (
  sweep INTEGER NOT NULL,
  agent INTEGER NOT NULL,
  worst INTEGER NOT NULL DEFAULT 0,
  states BLOB NOT NULL DEFAULT x'',
  PRIMARY KEY (sweep, agent));
CREATE TABLE sweep_texts (
  sweep INTEGER NOT NULL,
  agent INTEGER NOT NULL,
  check_no INTEGER NOT NULL,
  reason TEXT NOT NULL,
  evidence BLOB NOT NULL,
  left_out INTEGER NOT NULL,
  PRIMARY KEY (sweep, agent, check_no)) WITHOUT ROWID;
-- `action` is a run, or a sweep for the newest verdicts; check_no -1: agents by the
-- worst of theirs.
CREATE TABLE sweep_counts (
  action INTEGER NOT NULL,
  check_no INTEGER NOT NULL,
  status INTEGER NOT NULL,
  agents INTEGER NOT NULL,
  PRIMARY KEY (action, check_no, status)) WITHOUT ROWID;
CREATE TABLE sweep_changes (
  position INTEGER PRIMARY KEY,
  sweep INTEGER NOT NULL,
  agent INTEGER NOT NULL,
  check_no INTEGER NOT NULL,
  before INTEGER NOT NULL,
  after INTEGER NOT NULL,
  occurrence INTEGER NOT NULL,
  reason TEXT NOT NULL,
  stored_at INTEGER NOT NULL);
CREATE INDEX sweep_changes_in_order ON sweep_changes (sweep, position);
CREATE INDEX sweep_changes_of_agent ON sweep_changes (sweep, agent, position);
)sql";

// `id` as TokenId, `networks` as lines. Of `enrolment_requests`, state: 0 waits, 1
// approved, 2 denied.
const char kTablesSince6[] = R"sql(
ALTER TABLE tokens ADD COLUMN id TEXT NOT NULL DEFAULT '';
ALTER TABLE tokens ADD COLUMN uses INTEGER NOT NULL DEFAULT 0;
ALTER TABLE tokens ADD COLUMN created INTEGER NOT NULL DEFAULT 0;
ALTER TABLE tokens ADD COLUMN created_by TEXT NOT NULL DEFAULT '';
ALTER TABLE tokens ADD COLUMN note TEXT NOT NULL DEFAULT '';
ALTER TABLE tokens ADD COLUMN networks TEXT NOT NULL DEFAULT '';
ALTER TABLE tokens ADD COLUMN needs_approval INTEGER NOT NULL DEFAULT 0;
ALTER TABLE tokens ADD COLUMN replaces TEXT NOT NULL DEFAULT '';
ALTER TABLE tokens ADD COLUMN revoked INTEGER NOT NULL DEFAULT 0;
UPDATE tokens SET id = lower(hex(substr(CAST(sha256 AS BLOB), 1, 8))), uses = uses_left;
CREATE INDEX tokens_by_id ON tokens (id);
CREATE INDEX tokens_by_creation ON tokens (created);

CREATE TABLE enrolment_requests (
  no INTEGER PRIMARY KEY,
  agent_id TEXT NOT NULL UNIQUE,
  spki BLOB NOT NULL,
  token BLOB NOT NULL,
  address TEXT NOT NULL,
  asked INTEGER NOT NULL,
  facts BLOB NOT NULL,
  state INTEGER NOT NULL DEFAULT 0);
CREATE INDEX enrolment_requests_by_token ON enrolment_requests (token, state);
CREATE INDEX enrolment_requests_by_state ON enrolment_requests (state, no);
)sql";

const char kTablesSince7[] = R"sql(
-- Milliseconds since 1970. One that no one holds has expired.
CREATE TABLE leases (
  name TEXT PRIMARY KEY,
  holder TEXT NOT NULL,
  epoch INTEGER NOT NULL,
  expires INTEGER NOT NULL) WITHOUT ROWID;
CREATE TABLE sessions (
  agent INTEGER PRIMARY KEY,
  scheduler TEXT NOT NULL,
  epoch INTEGER NOT NULL,
  boot_id TEXT NOT NULL,
  connected INTEGER NOT NULL);
CREATE INDEX sessions_by_scheduler ON sessions (scheduler, agent);
-- Numbers of both are positions in the order of everything that happens.
CREATE TABLE outbox (
  no INTEGER PRIMARY KEY,
  kind INTEGER NOT NULL,
  name TEXT NOT NULL);
CREATE TABLE revocations (
  no INTEGER PRIMARY KEY,
  identity TEXT NOT NULL);
-- Up to where each partition of the bus is stored.
CREATE TABLE bus_positions (
  partition INTEGER PRIMARY KEY,
  position INTEGER NOT NULL);
)sql";

absl::Status CreateDatabase(const std::string& path) {
  // Made first and empty, for its mode: SQLite gives its -wal and -shm the same.
  DRAGNET_RETURN_IF_ERROR(WriteNewFile(path, "", 0600));
  DRAGNET_ASSIGN_OR_RETURN(std::unique_ptr<SqliteDatabase> database,
                           SqliteDatabase::Open(path, SQLITE_OPEN_READWRITE));
  // So that what retention removes can be given back; only before the first table.
  DRAGNET_RETURN_IF_ERROR(database->Execute("PRAGMA auto_vacuum = INCREMENTAL"));
  DRAGNET_RETURN_IF_ERROR(database->Execute("PRAGMA journal_mode = WAL"));
  return database->Execute(StrCat("BEGIN;", kTables, kTablesSince2, kProposalsSince3, kTablesSince4,
                                  kTablesSince5, kTablesSince6, kTablesSince7,
                                  "PRAGMA application_id = ", kApplicationId,
                                  "; PRAGMA user_version = ", kSchemaVersion, "; COMMIT"));
}

bool IsCheckedAtStart(const std::string& path) {
  struct stat info;
  return ::stat(path.c_str(), &info) != 0 || info.st_size <= kMaxCheckedBytes;
}

absl::Status CheckAllPages(Database& database, const std::string& path) {
  return ResultOf(database.Ask("PRAGMA quick_check(1)"), path);
}

absl::Status CheckIsStore(const std::string& path) {
  DRAGNET_ASSIGN_OR_RETURN(const std::unique_ptr<SqliteDatabase> database, OpenExisting(path));
  return VersionOf(*database, path).status();
}

absl::Status BringUpToDate(const std::string& path) {
  DRAGNET_ASSIGN_OR_RETURN(const std::unique_ptr<SqliteDatabase> database, OpenExisting(path));
  DRAGNET_ASSIGN_OR_RETURN(const int64_t version, VersionOf(*database, path));
  if (version == kSchemaVersion) return absl::OkStatus();
  DRAGNET_RETURN_IF_ERROR(CheckBeforeWriting(*database, path));
  // All or nothing: what fails on the way leaves the version that was there.
  DRAGNET_RETURN_IF_ERROR(database->Execute("PRAGMA synchronous = FULL; BEGIN IMMEDIATE"));
  absl::Status migrated = Migrate(*database, static_cast<int>(version));
  if (migrated.ok())
    migrated = database->Execute(StrCat("PRAGMA user_version = ", kSchemaVersion, "; COMMIT"));
  if (migrated.ok()) return migrated;
  if (database->in_transaction()) database->Execute("ROLLBACK").IgnoreError();
  return absl::Status(migrated.code(), StrCat(path, ": from schema ", version, " to ",
                                              kSchemaVersion, ": ", migrated.message()));
}

absl::StatusOr<std::unique_ptr<SqliteDatabase>> OpenForWriting(const std::string& path) {
  DRAGNET_ASSIGN_OR_RETURN(std::unique_ptr<SqliteDatabase> database, OpenCurrent(path));
  DRAGNET_RETURN_IF_ERROR(CheckBeforeWriting(*database, path));
  // FULL: an acknowledged record survives a power cut, not only a crash.
  // A log of 16 MiB before it is copied into the file: pages that every commit
  // changes are copied once in that time, and fewer commits wait for two syncs.
  DRAGNET_RETURN_IF_ERROR(database->Execute(
      "PRAGMA journal_mode = WAL; PRAGMA synchronous = FULL; PRAGMA cache_size = -65536;"
      "PRAGMA wal_autocheckpoint = 4096; PRAGMA journal_size_limit = 67108864"));
  DRAGNET_RETURN_IF_ERROR(PrepareRetention(*database));
  DRAGNET_RETURN_IF_ERROR(PrepareStream(*database));
  return database;
}

absl::StatusOr<std::unique_ptr<SqliteDatabase>> OpenForReading(const std::string& path) {
  // Read-write, because a reader of a WAL may have to mend its index; but it
  // is not let write.
  DRAGNET_ASSIGN_OR_RETURN(std::unique_ptr<SqliteDatabase> database, OpenCurrent(path));
  DRAGNET_RETURN_IF_ERROR(database->Execute("PRAGMA query_only = 1"));
  return database;
}

absl::StatusOr<std::unique_ptr<SqliteDatabase>> OpenForCopying(const std::string& path) {
  DRAGNET_ASSIGN_OR_RETURN(std::unique_ptr<SqliteDatabase> database, OpenExisting(path));
  DRAGNET_RETURN_IF_ERROR(database->Execute("PRAGMA query_only = 1"));
  return database;
}

}  // namespace dragnet::scheduler
