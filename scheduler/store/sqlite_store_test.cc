#include "scheduler/store/sqlite_store.h"

#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>
#include <string>

#include "absl/synchronization/notification.h"
#include "core/strings.h"
#include "scheduler/store/schema.h"
#include "scheduler/store/store_conformance.h"
#include "scheduler/testing/temporary_directory.h"

namespace dragnet::scheduler {
namespace {

class SqliteFixture : public StoreFixture {
 public:
  SqliteFixture() { EXPECT_TRUE(SqliteStore::Create(path()).ok()); }
  std::unique_ptr<Store> Open() override {
    absl::StatusOr<std::unique_ptr<SqliteStore>> store = SqliteStore::Open(path(), StoreUse::kRun);
    EXPECT_TRUE(store.ok()) << store.status();
    return *std::move(store);
  }
  std::string path() const { return directory_.path() + "/test.db"; }

 private:
  TemporaryDirectory directory_;
};

std::unique_ptr<StoreFixture> NewSqliteFixture() { return std::make_unique<SqliteFixture>(); }

INSTANTIATE_TEST_SUITE_P(Sqlite, StoreConformance, ::testing::Values(&NewSqliteFixture));

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
    auto database = Database::Open(path_, SQLITE_OPEN_READWRITE);
    ASSERT_TRUE((*database)->Execute("PRAGMA user_version = 999").ok());
  }
  const absl::Status status = TryOpen(path_);
  EXPECT_TRUE(absl::IsFailedPrecondition(status));
  EXPECT_NE(status.ToString().find("999"), std::string::npos) << status;
}

TEST_F(SqliteStoreTest, AStoreOfVersionOneIsBroughtUpToDate) {
  {
    auto database = Database::Open(path_, SQLITE_OPEN_READWRITE);
    ASSERT_TRUE((*database)
                    ->Execute("DROP TABLE orders; DROP TABLE dispatch; PRAGMA user_version = 1")
                    .ok());
  }
  auto store = SqliteStore::Open(path_, StoreUse::kRun);
  ASSERT_TRUE(store.ok()) << store.status();
  EXPECT_TRUE((*store)->OrdersInForce(absl::Now())->empty());
}

TEST_F(SqliteStoreTest, AnotherDatabaseIsRefusedByName) {
  const std::string path = directory_.path() + "/other.db";
  {
    auto database = Database::Open(path, SQLITE_OPEN_READWRITE | SQLITE_OPEN_CREATE);
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

}  // namespace
}  // namespace dragnet::scheduler
