// A store that the first released version made must open.
#include "scheduler/store/migration.h"

#include <gtest/gtest.h>

#include <future>
#include <string>
#include <vector>

#include "core/file_io.h"
#include "core/strings.h"
#include "scheduler/store/schema.h"
#include "scheduler/store/sqlite_store.h"
#include "scheduler/testing/temporary_directory.h"

namespace dragnet::scheduler {
namespace {

// As that version had them.
constexpr char kVersion1Tables[] = R"sql(
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
  revoked INTEGER NOT NULL DEFAULT 0);
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
  PRIMARY KEY (action, agent, operation)) WITHOUT ROWID;

CREATE TABLE records (
  position INTEGER PRIMARY KEY,
  action INTEGER NOT NULL,
  agent INTEGER NOT NULL,
  occurrence INTEGER NOT NULL,
  operation INTEGER NOT NULL,
  sequence INTEGER NOT NULL,
  rows BLOB NOT NULL);
CREATE UNIQUE INDEX records_by_key
  ON records (action, agent, occurrence, operation, sequence);
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
constexpr char kAction[] = "0190a000-0000-7000-8000-000000000001";
constexpr char kFoundAgent[] = "11111111-0000-4000-8000-000000000000";
constexpr char kCrashedAgent[] = "22222222-0000-4000-8000-000000000000";
constexpr char kRunningAgent[] = "33333333-0000-4000-8000-000000000000";

std::string SummaryBytes(v1::Outcome outcome, v1::Termination termination) {
  v1::OperationSummary summary;
  summary.set_outcome(outcome);
  summary.set_termination(termination);
  return summary.SerializeAsString();
}

// One action on three agents: found; crashed; running, with record 2 missing
// between 1 and 3.
absl::Status Fill(Database& database) {
  int no = 0;
  for (const char* id : {kFoundAgent, kCrashedAgent, kRunningAgent}) {
    ++no;
    v1::Facts facts;
    facts.set_id(id);
    const absl::Status added = database.Run(
        "INSERT INTO agents (no, id, identity, spki, name, facts, enrolled_at)"
        " VALUES (?, ?, ?, 'key', 'host', ?, 0)",
        no, id, id, facts.SerializeAsString());
    if (!added.ok()) return added;
  }
  const auto operation = [&](int agent, int records, int last, const std::string& summary) {
    return database.Run(
        "INSERT INTO pair_operations (action, agent, operation, records, rows, bytes,"
        " last_sequence, summary_sequence, summary)"
        " VALUES (1, ?1, 0, ?2, ?2, 100, ?3, ?3 + 1, CASE ?4 WHEN '' THEN NULL ELSE ?4 END)",
        agent, records, last, summary);
  };
  v1::Rows rows;
  rows.add_rows("row");
  const std::string bytes = rows.SerializeAsString();
  const auto record = [&](int position, int agent, int sequence) {
    return database.Run(
        "INSERT INTO records (position, action, agent, occurrence, operation, sequence, rows)"
        " VALUES (?, 1, ?, 0, 0, ?, ?)",
        position, agent, sequence, bytes);
  };
  const auto pair = [&](int agent, v1::DispatchState state, int position) {
    return database.Run(
        "INSERT INTO pairs (action, agent, state, rows, position) VALUES (1, ?, ?, 1, ?)", agent,
        static_cast<int>(state), position);
  };
  for (const absl::Status& status :
       {database.Run("INSERT INTO actions (no, id, envelope, launched_by, signed_by, launched_at,"
                     " expires) VALUES (1, ?, 'envelope', 'alice', 'alice', 0, 4000000000000)",
                     kAction),
        database.Run("INSERT INTO action_bounds VALUES (1, 0, 1000, 1000000)"),
        pair(1, v1::DISPATCH_STATE_FOUND, 10), pair(2, v1::DISPATCH_STATE_INCOMPLETE, 11),
        pair(3, v1::DISPATCH_STATE_RUNNING, 12),
        operation(1, 1, 1, SummaryBytes(v1::OUTCOME_FOUND, v1::TERMINATION_COMPLETED)),
        operation(2, 1, 1, SummaryBytes(v1::OUTCOME_INCOMPLETE, v1::TERMINATION_CRASHED)),
        operation(3, 2, 3, ""), record(1, 1, 1), record(2, 2, 1), record(3, 3, 1), record(4, 3, 3)})
    if (!status.ok()) return status;
  return absl::OkStatus();
}

class MigrationTest : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_TRUE(WriteNewFile(path_, "", 0600).ok());
    auto database = SqliteDatabase::Open(path_, SQLITE_OPEN_READWRITE);
    ASSERT_TRUE(database.ok());
    ASSERT_TRUE((*database)->Execute("PRAGMA journal_mode = WAL").ok());
    ASSERT_TRUE((*database)
                    ->Execute(StrCat("BEGIN;", kVersion1Tables, "PRAGMA application_id = ",
                                     0x4452474e, "; PRAGMA user_version = 1; COMMIT"))
                    .ok());
    const absl::Status filled = Fill(**database);
    ASSERT_TRUE(filled.ok()) << filled;
  }

  absl::StatusOr<Appended> Append(Store& store, uint64_t sequence) {
    v1::ResultRecord record;
    record.set_action_id(kAction);
    record.set_sequence(sequence);
    record.mutable_rows()->add_rows("row");
    std::promise<absl::StatusOr<Appended>> promise;
    store.AppendRecord(kRunningAgent, record, absl::Now(), [&](absl::StatusOr<Appended> appended) {
      promise.set_value(std::move(appended));
    });
    return promise.get_future().get();
  }

  // Names and types of all columns, and all indexes.
  static std::vector<std::string> LayoutOf(const std::string& path) {
    auto database = *SqliteDatabase::Open(path, SQLITE_OPEN_READWRITE);
    Query query = database->Ask(
        "SELECT m.name || '.' || c.name || ' ' || c.type || ' ' || c.\"notnull\" || ' ' || c.pk"
        " FROM sqlite_master m JOIN pragma_table_info(m.name) c WHERE m.type = 'table'"
        " UNION SELECT name || ' ' || coalesce(sql, '') FROM sqlite_master WHERE type = 'index'"
        " ORDER BY 1");
    std::vector<std::string> layout;
    while (query.Next()) layout.push_back(query.Text(0));
    EXPECT_TRUE(query.status().ok()) << query.status();
    return layout;
  }

  TemporaryDirectory directory_;
  const std::string path_ = directory_.path() + "/old.db";
};

TEST_F(MigrationTest, AnOldStoreBecomesWhatANewOneIs) {
  ASSERT_TRUE(SqliteStore::Open(path_, StoreUse::kRun).ok());
  const std::string fresh = directory_.path() + "/new.db";
  ASSERT_TRUE(SqliteStore::Create(fresh).ok());
  ASSERT_TRUE(SqliteStore::Open(fresh, StoreUse::kRun).ok());
  EXPECT_EQ(LayoutOf(path_), LayoutOf(fresh));
  // And stays that.
  auto store = SqliteStore::Open(path_, StoreUse::kRun);
  ASSERT_TRUE(store.ok()) << store.status();
  EXPECT_TRUE((*store)->OrdersInForce(absl::Now())->empty());
}

// What version 6 added, undone.
constexpr char kToVersion5[] = R"sql(
DROP TABLE leases; DROP TABLE sessions; DROP TABLE outbox; DROP TABLE revocations;
DROP TABLE bus_positions;
DROP TABLE enrolment_requests; DROP INDEX tokens_by_id; DROP INDEX tokens_by_creation;
ALTER TABLE tokens DROP COLUMN id; ALTER TABLE tokens DROP COLUMN uses;
ALTER TABLE tokens DROP COLUMN created; ALTER TABLE tokens DROP COLUMN created_by;
ALTER TABLE tokens DROP COLUMN note; ALTER TABLE tokens DROP COLUMN networks;
ALTER TABLE tokens DROP COLUMN needs_approval; ALTER TABLE tokens DROP COLUMN replaces;
ALTER TABLE tokens DROP COLUMN revoked;
PRAGMA user_version = 5;
)sql";

// As version 5 had it, with a token that some hosts have used.
TEST_F(MigrationTest, ATokenOfVersion5StaysGoodAndCanBeRevoked) {
  const std::string fifth = directory_.path() + "/fifth.db";
  const std::string fresh = directory_.path() + "/new.db";
  StoredToken token;
  // With a zero byte, as hashes have.
  token.sha256 = std::string("\xab\0\xcd\xef\x01\x02\x03\x04\x05\x06", 10);
  token.expires = absl::FromUnixSeconds(1'800'000'000);
  token.uses_left = 3;
  token.labels = {{"site", "berlin"}};
  for (const std::string& path : {fifth, fresh}) {
    ASSERT_TRUE(SqliteStore::Create(path).ok());
    auto store = SqliteStore::Open(path, StoreUse::kRun);
    ASSERT_TRUE((*store)->AddToken(token).ok());
  }
  {
    auto database = *SqliteDatabase::Open(fifth, SQLITE_OPEN_READWRITE);
    const absl::Status undone = database->Execute(kToVersion5);
    ASSERT_TRUE(undone.ok()) << undone;
  }
  EXPECT_NE(LayoutOf(fifth), LayoutOf(fresh));
  auto store = SqliteStore::Open(fifth, StoreUse::kRun);
  ASSERT_TRUE(store.ok()) << store.status();
  EXPECT_EQ(LayoutOf(fifth), LayoutOf(fresh));
  const absl::Time now = token.expires - absl::Hours(1);
  const auto tokens = (*store)->Tokens(/*all=*/false, now, 10);
  ASSERT_TRUE(tokens.ok()) << tokens.status();
  ASSERT_EQ(tokens->size(), 1u);
  EXPECT_EQ(tokens->front().sha256, token.sha256);
  EXPECT_EQ(tokens->front().uses, 3u);
  EXPECT_EQ(tokens->front().uses_left, 3u);
  EXPECT_EQ(tokens->front().labels, token.labels);
  EXPECT_EQ(tokens->front().created, absl::UnixEpoch());
  EXPECT_FALSE(tokens->front().needs_approval);
  EXPECT_TRUE((*store)->FindToken(token.sha256, now).ok());
  EXPECT_EQ(*(*store)->RevokeToken("ab00cdef01020304"), 0u);
  EXPECT_TRUE(absl::IsUnauthenticated((*store)->FindToken(token.sha256, now).status()));
}

// What version 5 added, undone.
constexpr char kToVersion4[] = R"sql(
DROP INDEX actions_launched; ALTER TABLE actions DROP COLUMN run_of;
DROP TABLE sweeps; DROP TABLE sweep_runs; DROP TABLE sweep_told; DROP TABLE sweep_states;
DROP TABLE sweep_texts; DROP TABLE sweep_counts; DROP TABLE sweep_changes;
DROP TABLE sweep_agents;
PRAGMA user_version = 4;
)sql";

// As version 4 had it, with an action: that is one that runs once.
TEST_F(MigrationTest, AStoreOfVersion4BecomesWhatANewOneIs) {
  const std::string fourth = directory_.path() + "/fourth.db";
  const std::string fresh = directory_.path() + "/new.db";
  StoredAction action;
  action.id = "0190a000-0000-7000-8000-0000000000aa";
  action.envelope = "signed";
  action.launched_by = "alice";
  action.launched_at = absl::FromUnixSeconds(1'800'000'000);
  action.expires = action.launched_at + absl::Hours(1);
  action.bounds = {{.rows = 10, .bytes = 1000}};
  for (const std::string& path : {fourth, fresh}) {
    ASSERT_TRUE(SqliteStore::Create(path).ok());
    auto store = SqliteStore::Open(path, StoreUse::kRun);
    ASSERT_TRUE((*store)->AddAction(action, {}).ok());
  }
  {
    auto database = *SqliteDatabase::Open(fourth, SQLITE_OPEN_READWRITE);
    const absl::Status undone = database->Execute(StrCat(kToVersion5, kToVersion4));
    ASSERT_TRUE(undone.ok()) << undone;
  }
  EXPECT_NE(LayoutOf(fourth), LayoutOf(fresh));
  auto store = SqliteStore::Open(fourth, StoreUse::kRun);
  ASSERT_TRUE(store.ok()) << store.status();
  EXPECT_EQ(LayoutOf(fourth), LayoutOf(fresh));
  EXPECT_EQ((*store)->FindAction(action.id)->envelope, "signed");
  EXPECT_EQ((*store)->ListActions("", 10)->size(), 1u);
  EXPECT_TRUE((*store)->ListSweeps(true, action.launched_at, 10)->empty());
}

// As version 2 had it: without what later versions added.
TEST_F(MigrationTest, AStoreOfVersion2BecomesWhatANewOneIs) {
  const std::string second = directory_.path() + "/second.db";
  const std::string fresh = directory_.path() + "/new.db";
  for (const std::string& path : {second, fresh}) {
    ASSERT_TRUE(SqliteStore::Create(path).ok());
    auto store = SqliteStore::Open(path, StoreUse::kRun);
    ASSERT_TRUE((*store)->AddTrustPolicy({.version = 1, .envelope = "x"}).ok());
  }
  {
    auto database = *SqliteDatabase::Open(second, SQLITE_OPEN_READWRITE);
    ASSERT_TRUE(database
                    ->Execute(StrCat(kToVersion5, kToVersion4,
                                     "DROP TABLE proposals; ALTER TABLE agents DROP COLUMN limits;"
                                     "DROP INDEX pairs_in_order;"
                                     "ALTER TABLE records DROP COLUMN stored_at;"
                                     "ALTER TABLE pairs DROP COLUMN stored_at;"
                                     "PRAGMA user_version = 2"))
                    .ok());
  }
  EXPECT_NE(LayoutOf(second), LayoutOf(fresh));
  auto store = SqliteStore::Open(second, StoreUse::kRun);
  ASSERT_TRUE(store.ok()) << store.status();
  EXPECT_EQ(LayoutOf(second), LayoutOf(fresh));
  EXPECT_TRUE((*store)->ForEachProposal([](const StoredProposal& one) { FAIL() << one.id; }).ok());
}

TEST_F(MigrationTest, RecordsAreStillStoredOnceAndGapsStillFilled) {
  auto store = SqliteStore::Open(path_, StoreUse::kRun);
  ASSERT_TRUE(store.ok()) << store.status();
  EXPECT_TRUE(Append(**store, 1)->duplicate);
  EXPECT_TRUE(Append(**store, 3)->duplicate);
  EXPECT_FALSE(Append(**store, 2)->duplicate);
  EXPECT_TRUE(Append(**store, 2)->duplicate);
  EXPECT_FALSE(Append(**store, 4)->duplicate);
  EXPECT_EQ((*(*store)->FindPair(kAction, kRunningAgent))->rows(), 4u);
}

// Version 1 let an agent leave as many out as it liked.
TEST_F(MigrationTest, GapsOfAHostileAgentAreBounded) {
  constexpr int64_t kLast = int64_t{1} << 40;
  {
    auto database = *SqliteDatabase::Open(path_, SQLITE_OPEN_READWRITE);
    for (const int64_t sequence : {kLast - 2000, kLast})
      ASSERT_TRUE(database
                      ->Run("INSERT INTO records (position, action, agent, occurrence, operation,"
                            " sequence, rows) VALUES (?1, 1, 3, 0, 0, ?1, x'')",
                            sequence)
                      .ok());
    ASSERT_TRUE(database
                    ->Run("UPDATE pair_operations SET records = 4, last_sequence = ?"
                          " WHERE agent = 3",
                          kLast)
                    .ok());
  }
  auto store = SqliteStore::Open(path_, StoreUse::kRun);
  ASSERT_TRUE(store.ok()) << store.status();
  const auto pair = (*store)->FindPair(kAction, kRunningAgent);
  ASSERT_TRUE(pair.ok()) << pair.status();
  const std::vector<uint64_t>& missing = (*pair)->operations[0].missing;
  ASSERT_EQ(missing.size(), kMaxMissingRecords);
  EXPECT_EQ(missing.front(), uint64_t{kLast} - kMaxMissingRecords);
  EXPECT_EQ(missing.back(), uint64_t{kLast} - 1);
  // Forgotten: not stored, and the pair doesn't end as if all were there.
  EXPECT_TRUE(Append(**store, 2)->duplicate);
  EXPECT_FALSE(Append(**store, uint64_t{kLast} - 1)->duplicate);
}

TEST_F(MigrationTest, FailedAgentsAreKnownAsSuch) {
  auto store = SqliteStore::Open(path_, StoreUse::kRun);
  ASSERT_TRUE(store.ok()) << store.status();
  const auto pairs = (*store)->Pairs(kAction);
  ASSERT_TRUE(pairs.ok()) << pairs.status();
  EXPECT_EQ(pairs->size(), 3u);
  for (const PairState& pair : *pairs)
    EXPECT_EQ(pair.failed, pair.agent_id == kCrashedAgent) << pair.agent_id;
}

TEST_F(MigrationTest, ACommandBesideASchedulerDoesNotMigrate) {
  const absl::Status status = SqliteStore::Open(path_, StoreUse::kCommand).status();
  EXPECT_TRUE(absl::IsFailedPrecondition(status)) << status;
  auto database = *SqliteDatabase::Open(path_, SQLITE_OPEN_READWRITE);
  EXPECT_EQ(*database->IntegerOr(0, "PRAGMA user_version"), 1);
}

TEST_F(MigrationTest, OneThatFailsLeavesTheOldVersion) {
  {
    auto database = *SqliteDatabase::Open(path_, SQLITE_OPEN_READWRITE);
    ASSERT_TRUE(database
                    ->Execute("UPDATE pair_operations SET summary = x'ff'"
                              " WHERE summary IS NOT NULL")
                    .ok());
  }
  const absl::Status status = SqliteStore::Open(path_, StoreUse::kRun).status();
  EXPECT_TRUE(absl::IsDataLoss(status)) << status;
  auto database = *SqliteDatabase::Open(path_, SQLITE_OPEN_READWRITE);
  EXPECT_EQ(*database->IntegerOr(0, "PRAGMA user_version"), 1);
  EXPECT_EQ(*database->IntegerOr(
                0, "SELECT count(*) FROM pragma_table_info('pairs') WHERE name = 'failed'"),
            0);
}

}  // namespace
}  // namespace dragnet::scheduler
