#include "scheduler/store/sqlite_store.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>
#include <future>
#include <latch>
#include <string>
#include <thread>
#include <vector>

#include "absl/synchronization/notification.h"
#include "core/envelope.h"
#include "core/strings.h"
#include "scheduler/store/schema.h"
#include "scheduler/store/store_conformance.h"
#include "scheduler/testing/sweep_documents.h"
#include "scheduler/testing/temporary_directory.h"

namespace dragnet::scheduler {
namespace {

class SqliteFixture : public StoreFixture {
 public:
  SqliteFixture() { EXPECT_TRUE(SqliteStore::Create(path()).ok()); }
  std::unique_ptr<Store> Open(bool shared) override {
    absl::StatusOr<std::unique_ptr<SqliteStore>> store =
        SqliteStore::Open(path(), StoreUse::kRun, {.shared = shared});
    EXPECT_TRUE(store.ok()) << store.status();
    return *std::move(store);
  }
  std::string path() const { return directory_.path() + "/test.db"; }

 private:
  TemporaryDirectory directory_;
};

std::unique_ptr<StoreFixture> NewSqliteFixture() { return std::make_unique<SqliteFixture>(); }

INSTANTIATE_TEST_SUITE_P(Sqlite, StoreConformance, ::testing::Values(&NewSqliteFixture));
INSTANTIATE_TEST_SUITE_P(Sqlite, SweepConformance, ::testing::Values(&NewSqliteFixture));
INSTANTIATE_TEST_SUITE_P(Sqlite, CoordinationConformance, ::testing::Values(&NewSqliteFixture));

class SqliteStoreTest : public ::testing::Test {
 protected:
  void SetUp() override { ASSERT_TRUE(SqliteStore::Create(path_).ok()); }
  absl::Status TryOpen(const std::string& path) {
    return SqliteStore::Open(path, StoreUse::kRun).status();
  }

  TemporaryDirectory directory_;
  const std::string path_ = directory_.path() + "/test.db";
};

TEST_F(SqliteStoreTest, OthersCanNotReadItsFiles) {
  auto store = SqliteStore::Open(path_, StoreUse::kRun);
  ASSERT_TRUE(store.ok());
  ASSERT_TRUE((*store)->AddTrustPolicy({.version = 1, .envelope = "x"}).ok());
  for (const auto& entry : std::filesystem::directory_iterator(directory_.path())) {
    struct stat info;
    ASSERT_EQ(::stat(entry.path().c_str(), &info), 0);
    EXPECT_EQ(info.st_mode & 0777, 0600u) << entry.path();
  }
}

TEST_F(SqliteStoreTest, IsNeverOverwritten) {
  EXPECT_TRUE(absl::IsAlreadyExists(SqliteStore::Create(path_)));
}

TEST_F(SqliteStoreTest, MissingFileIsRefusedByName) {
  const absl::Status status = TryOpen(directory_.path() + "/none.db");
  EXPECT_TRUE(absl::IsNotFound(status)) << status;
  EXPECT_NE(status.ToString().find("none.db"), std::string::npos);
  EXPECT_FALSE(std::filesystem::exists(directory_.path() + "/none.db.lock"));
}

TEST_F(SqliteStoreTest, NewerSchemaIsRefusedByName) {
  {
    auto database = SqliteDatabase::Open(path_, SQLITE_OPEN_READWRITE);
    ASSERT_TRUE((*database)->Execute("PRAGMA user_version = 999").ok());
  }
  const absl::Status status = TryOpen(path_);
  EXPECT_TRUE(absl::IsFailedPrecondition(status));
  EXPECT_NE(status.ToString().find("999"), std::string::npos) << status;
}

TEST_F(SqliteStoreTest, AnotherDatabaseIsRefusedByName) {
  const std::string path = directory_.path() + "/other.db";
  {
    auto database = SqliteDatabase::Open(path, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE);
    ASSERT_TRUE((*database)->Execute("CREATE TABLE t (x)").ok());
  }
  EXPECT_TRUE(absl::IsFailedPrecondition(TryOpen(path)));
}

TEST_F(SqliteStoreTest, RubbishIsRefusedByName) {
  const std::string path = directory_.path() + "/rubbish.db";
  std::ofstream(path) << std::string(20000, 'x');
  EXPECT_TRUE(absl::IsDataLoss(TryOpen(path))) << TryOpen(path);
}

TEST_F(SqliteStoreTest, DamagedPagesAreRefusedAtTheStart) {
  {
    std::fstream file(path_, std::ios::in | std::ios::out | std::ios::binary);
    for (const int page : {3, 5, 7}) {
      file.seekp(page * 4096);
      file << std::string(4096, '\x5a');
    }
  }
  EXPECT_TRUE(absl::IsDataLoss(TryOpen(path_))) << TryOpen(path_);
}

TEST_F(SqliteStoreTest, TwoSchedulersCanNotRunOnOneStore) {
  auto first = SqliteStore::Open(path_, StoreUse::kRun);
  ASSERT_TRUE(first.ok());
  EXPECT_TRUE(absl::IsUnavailable(TryOpen(path_)));
  // A command beside it can.
  auto beside = SqliteStore::Open(path_, StoreUse::kCommand);
  ASSERT_TRUE(beside.ok()) << beside.status();
  StoredToken token;
  token.sha256 = "hash";
  token.expires = absl::FromUnixSeconds(1'900'000'000);
  token.uses_left = 1;
  EXPECT_TRUE((*beside)->AddToken(token).ok());
}

// As after a kill -9 or a power cut: the files as they are while it runs.
TEST_F(SqliteStoreTest, WhatWasCommittedIsInACopyThatWasNeverClosed) {
  auto store = SqliteStore::Open(path_, StoreUse::kRun);
  ASSERT_TRUE(store.ok());
  for (uint64_t version = 1; version <= 50; ++version)
    ASSERT_TRUE((*store)->AddTrustPolicy({.version = version, .envelope = "x"}).ok());
  const std::string copy = directory_.path() + "/copy.db";
  for (const char* suffix : {"", "-wal"}) std::filesystem::copy_file(path_ + suffix, copy + suffix);
  auto reopened = SqliteStore::Open(copy, StoreUse::kRun);
  ASSERT_TRUE(reopened.ok()) << reopened.status();
  EXPECT_EQ((*reopened)->TrustPolicies()->size(), 50u);
}

// ---- verdicts, exactly once

class SqliteSweepTest : public SqliteStoreTest {
 protected:
  static constexpr char kSweep[] = "0190a000-0000-7000-8000-00000000000a";
  static constexpr char kAgent[] = "11111111-0000-4000-8000-000000000000";
  static constexpr int64_t kBegin = 1'799'996'400;
  const absl::Time now_ = absl::FromUnixSeconds(kBegin) + absl::Hours(50);

  void AddSweep(Store& store) {
    ASSERT_TRUE(
        store.AddToken({.sha256 = "t", .expires = now_, .uses_left = 1, .labels = {}}).ok());
    Enrolment enrolment;
    enrolment.agent_id = kAgent;
    enrolment.spki = "key";
    enrolment.token_sha256 = "t";
    enrolment.facts.set_id(kAgent);
    enrolment.certificate.fingerprint = "f";
    enrolment.certificate.identity = "spiffe://fleet/agent/1";
    ASSERT_TRUE(store.EnrolAgent(enrolment, now_ - absl::Hours(1)).ok());
    const v1::Action document =
        SweepDocument(kSweep, "@hourly", absl::FromUnixSeconds(kBegin),
                      absl::FromUnixSeconds(kBegin) + absl::Hours(100), {"time", "disk"});
    StoredAction action;
    action.id = kSweep;
    action.envelope =
        NewEnvelope(kActionPayloadType, document.SerializeAsString()).SerializeAsString();
    action.expires = absl::FromUnixSeconds(kBegin) + absl::Hours(100);
    action.recurs_until = action.expires;
    action.bounds = {{.rows = 1000, .bytes = 1 << 20}};
    ASSERT_TRUE(store.AddAction(action, {kAgent}).ok());
  }
  // "time" fails in every second run.
  absl::StatusOr<Appended> Tell(Store& store, int run) {
    v1::ResultRecord record;
    record.set_action_id(kSweep);
    record.set_occurrence(kBegin + 3600 * run);
    record.set_sequence(1);
    record.mutable_rows()->add_rows(VerdictRow("time", run % 2 == 0 ? "pass" : "fail"));
    record.mutable_rows()->add_rows(VerdictRow("disk", "pass"));
    std::promise<absl::StatusOr<Appended>> result;
    store.AppendRecord(kAgent, record, now_, [&](absl::StatusOr<Appended> appended) {
      result.set_value(std::move(appended));
    });
    return result.get_future().get();
  }
  static void ExpectRunsOnce(Store& store, int runs) {
    const auto stored = store.Runs(kSweep, absl::InfinitePast(), 1000);
    ASSERT_TRUE(stored.ok()) << stored.status();
    EXPECT_EQ(stored->size(), static_cast<size_t>(runs));
    for (const StoredRun& run : *stored) {
      EXPECT_EQ(run.told, 1u);
      EXPECT_EQ(run.verdicts.passed() + run.verdicts.failed(), 2u);
    }
    const auto changes = store.SweepChanges(kSweep, absl::InfinitePast(), 0, 1000);
    EXPECT_EQ(changes->size(), static_cast<size_t>(runs - 1));
    const auto newest = store.CountNewest(kSweep);
    EXPECT_EQ(newest->verdicts.passed() + newest->verdicts.failed(), 2u);
    EXPECT_EQ(newest->agents.passed() + newest->agents.failed(), 1u);
  }
};

// As after a kill -9: the agent sends again what it heard nothing of.
TEST_F(SqliteSweepTest, VerdictsCountOnceThoughTheSchedulerWasKilledAndAllIsSentAgain) {
  auto store = SqliteStore::Open(path_, StoreUse::kRun);
  ASSERT_TRUE(store.ok());
  AddSweep(**store);
  for (int run = 0; run < 20; ++run) ASSERT_TRUE(Tell(**store, run)->dropped.ok());
  const std::string copy = directory_.path() + "/copy.db";
  for (const char* suffix : {"", "-wal"}) std::filesystem::copy_file(path_ + suffix, copy + suffix);
  auto reopened = SqliteStore::Open(copy, StoreUse::kRun);
  ASSERT_TRUE(reopened.ok()) << reopened.status();
  for (int run = 0; run < 40; ++run) EXPECT_EQ(Tell(**reopened, run)->duplicate, run < 20);
  ExpectRunsOnce(**reopened, 40);
}

TEST_F(SqliteSweepTest, ATransactionThatIsUndoneLeavesNothingCounted) {
  auto store = SqliteStore::Open(path_, StoreUse::kRun);
  ASSERT_TRUE(store.ok());
  AddSweep(**store);
  ASSERT_TRUE(Tell(**store, 0)->dropped.ok());
  const auto change = [&](std::string sql) {
    const absl::Status changed = (*store)->Maintain(
        [&](Database& database) { return database.Execute(sql); }, /*forget=*/false);
    ASSERT_TRUE(changed.ok()) << changed;
  };
  // In the middle of what a record changes.
  change(
      "CREATE TRIGGER no_changes BEFORE INSERT ON sweep_changes BEGIN"
      " SELECT raise(ABORT, 'a damaged page'); END");
  for (int i = 0; i < 3; ++i) EXPECT_FALSE(Tell(**store, 1).ok());
  ExpectRunsOnce(**store, 1);
  // When the counts are written.
  change(
      "DROP TRIGGER no_changes; CREATE TRIGGER no_counts BEFORE UPDATE ON sweep_runs BEGIN"
      " SELECT raise(ABORT, 'a damaged page'); END");
  for (int i = 0; i < 3; ++i) EXPECT_FALSE(Tell(**store, 1).ok());
  ExpectRunsOnce(**store, 1);
  change("DROP TRIGGER no_counts");
  for (int run = 0; run < 10; ++run) EXPECT_EQ(Tell(**store, run)->duplicate, run == 0);
  ExpectRunsOnce(**store, 10);
}

TEST_F(SqliteStoreTest, FullDiskFailsTheChangeAndLosesNothingBefore) {
  auto database = OpenForWriting(path_);
  ASSERT_TRUE(database.ok());
  // As many pages as there are and two more: the disk is full from there.
  const int64_t pages = *(*database)->IntegerOr(0, "PRAGMA page_count");
  ASSERT_TRUE((*database)->Execute(StrCat("PRAGMA max_page_count = ", pages + 2)).ok());
  Writer writer(*std::move(database), {});
  const auto add = [](std::string text) {
    return [text](Database& database) {
      return database.Run("INSERT INTO trust_policies (envelope) VALUES (?)", text);
    };
  };
  EXPECT_TRUE(writer.Run(add("small")).ok());
  const absl::Status status = writer.Run(add(std::string(100000, 'x')));
  EXPECT_TRUE(absl::IsResourceExhausted(status)) << status;
  EXPECT_TRUE(writer.Run(add("small again")).ok());
  auto reader = OpenForReading(path_);
  EXPECT_EQ(*(*reader)->IntegerOr(0, "SELECT count(*) FROM trust_policies"), 2);
}

// A change that is taken for whole and that SQLite fails in its middle.
TEST_F(SqliteStoreTest, OneThatFailsHalfwayLeavesNothingAndTheOthersStand) {
  auto database = OpenForWriting(path_);
  ASSERT_TRUE(database.ok());
  Writer writer(*std::move(database), {});
  const auto add = [](Database& open, int version) {
    return open.Run("INSERT INTO trust_policies (version, envelope) VALUES (?, 'x')", version);
  };
  std::latch go(1);
  writer.Submit(
      [&](Database&) {
        go.wait();
        return absl::OkStatus();
      },
      0, Durability::kSoon, [](absl::Status) {});
  // These share a transaction.
  std::vector<absl::Status> results(3);
  std::latch done(3);
  const auto submit = [&](int index, Writer::Change change) {
    writer.SubmitWhole(std::move(change), 0, Durability::kSynced, [&, index](absl::Status status) {
      results[index] = std::move(status);
      done.count_down();
    });
  };
  submit(0, [&](Database& open) { return add(open, 1); });
  submit(1, [&](Database& open) {
    const absl::Status first = add(open, 2);
    return first.ok() ? add(open, 2) : first;
  });
  submit(2, [&](Database& open) { return add(open, 3); });
  go.count_down();
  done.wait();
  EXPECT_TRUE(results[0].ok()) << results[0];
  EXPECT_TRUE(absl::IsAlreadyExists(results[1])) << results[1];
  EXPECT_TRUE(results[2].ok()) << results[2];
  auto reader = OpenForReading(path_);
  EXPECT_EQ(*(*reader)->IntegerOr(0, "SELECT group_concat(version, '') FROM trust_policies"), 13);
}

// What hosts say of themselves is counted while it waits.
TEST_F(SqliteStoreTest, WhatIsNewOfAnAgentIsCountedWhileItWaits) {
  auto store = SqliteStore::Open(path_, StoreUse::kRun);
  ASSERT_TRUE(store.ok());
  absl::Notification begun, go;
  std::thread blocking([&] {
    EXPECT_TRUE((*store)
                    ->Maintain(
                        [&](Database&) {
                          begun.Notify();
                          go.WaitForNotification();
                          return absl::OkStatus();
                        },
                        /*forget=*/false)
                    .ok());
  });
  begun.WaitForNotification();
  AgentUpdate update;
  update.facts.emplace().set_name(std::string(50'000, 'x'));
  for (int i = 0; i < 10; ++i) (*store)->UpdateAgent("agent", update, [](absl::Status) {});
  EXPECT_GE((*store)->PendingBytes(), 500'000u);
  go.Notify();
  blocking.join();
  ASSERT_TRUE((*store)->AddTrustPolicy({.version = 1, .envelope = "x"}).ok());
}

}  // namespace
}  // namespace dragnet::scheduler
