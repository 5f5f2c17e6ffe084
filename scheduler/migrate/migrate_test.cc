#include "scheduler/migrate/migrate.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sqlite3.h>

#include <filesystem>
#include <future>
#include <memory>
#include <string>
#include <vector>

#include "core/file_io.h"
#include "core/keys.h"
#include "scheduler/migrate/local_files.h"
#include "scheduler/migrate/sqlite_tables.h"
#include "scheduler/migrate/table_rows.h"
#include "scheduler/store/open_store.h"
#include "scheduler/store/postgres/postgres_database.h"
#include "scheduler/testing/postgres_server.h"
#include "scheduler/testing/stored_answers.h"

namespace dragnet::scheduler {
namespace {

using ::testing::HasSubstr;

Field Bytes(std::string_view bytes) { return {.kind = Field::Kind::kBytes, .bytes = bytes}; }
Field Number(int64_t number) { return {.kind = Field::Kind::kInteger, .integer = number}; }

RowsDigest DigestOf(const std::vector<std::vector<Field>>& rows) {
  RowsDigest digest;
  for (const std::vector<Field>& row : rows) digest.Add(row);
  return digest;
}

TEST(RowsDigestTest, TheOrderOfRowsDoesNotCount) {
  const std::vector<Field> a = {Number(1), Bytes("x")};
  const std::vector<Field> b = {Number(2), Bytes("y")};
  EXPECT_EQ(DigestOf({a, b}), DigestOf({b, a}));
}

TEST(RowsDigestTest, EverythingElseDoes) {
  const std::vector<Field> row = {Number(1), Bytes("ab"), Bytes("c")};
  const std::string hash = DigestOf({row}).Hex();
  const std::vector<std::vector<Field>> others = {{Number(2), Bytes("ab"), Bytes("c")},
                                                  {Number(1), Bytes("a"), Bytes("bc")},
                                                  {Number(1), Bytes("ab"), Field{}},
                                                  {Bytes("1"), Bytes("ab"), Bytes("c")},
                                                  {Number(1), Bytes("ab")},
                                                  {Bytes("ab"), Number(1), Bytes("c")}};
  for (const std::vector<Field>& other : others) EXPECT_NE(DigestOf({other}).Hex(), hash);
  EXPECT_NE(DigestOf({{Field{}}}).Hex(), DigestOf({{Bytes("")}}).Hex());
  // Not what exclusive or would make of it.
  EXPECT_NE(DigestOf({row, row}).Hex(), DigestOf({}).Hex());
  EXPECT_NE(DigestOf({row, row, row}).Hex(), hash);
  EXPECT_EQ(DigestOf({row, row}).rows(), 2u);
}

class MigrateTest : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_NE(PostgresServer::Shared(), nullptr);
    database_ = PostgresServer::Shared()->NewDatabase();
    action_ = from_.AddAction();
    from_.AddRows(action_, 0, 1, {"a row", std::string("of \0 bytes \xff", 11), ""});
    from_.AddRows(action_, 1, 1, {std::string(60'000, 'x')});
    from_.End(action_, 0, 2, 3);
  }
  void TearDown() override {
    to_.reset();
    if (!database_.empty()) PostgresServer::Shared()->DropDatabase(database_);
  }

  std::string owner() const { return PostgresServer::Shared()->OwnerUrl(database_); }
  absl::StatusOr<std::vector<MovedTable>> Move() { return MoveStore(from_.path, owner()); }
  void OpenTarget() {
    auto opened = OpenStore({.store = PostgresServer::Shared()->RuntimeUrl(database_),
                             .use = StoreUse::kRun,
                             .shared = true,
                             .blob_directory = {}});
    ASSERT_TRUE(opened.ok()) << opened.status();
    to_ = *std::move(opened);
  }
  void ExecuteAsAdmin(const std::string& sql) {
    auto admin = PostgresDatabase::Open(PostgresServer::Shared()->AdminUrl(database_), {});
    ASSERT_TRUE(admin.ok()) << admin.status();
    ASSERT_TRUE((*admin)->Execute(sql).ok());
  }

  StoredAnswers from_;
  std::string database_;
  std::string action_;
  std::unique_ptr<Store> to_;
};

TEST_F(MigrateTest, AllOfItIsThereAsItWas) {
  const uint64_t identity = *from_.store->StreamIdentity();
  const StreamPosition end = *from_.store->StreamEnd();
  const auto changes = *from_.store->ReadAllChanges(*from_.store->StreamBegin(), 1 << 30);
  from_.store.reset();
  const std::string before = Sha256(*ReadFile(from_.path));

  const absl::StatusOr<std::vector<MovedTable>> moved = Move();
  ASSERT_TRUE(moved.ok()) << moved.status();
  uint64_t records = 0;
  for (const MovedTable& table : *moved)
    if (table.name == "records") records = table.rows;
  EXPECT_EQ(records, 2u);
  auto admin = PostgresDatabase::Open(PostgresServer::Shared()->AdminUrl(database_), {});
  ASSERT_TRUE(admin.ok()) << admin.status();
  // Whoever wrote before is not who wrote last.
  EXPECT_EQ(*(*admin)->IntegerOr(-1, "SELECT writer FROM stream_head"), 0);
  EXPECT_THAT(DescribeMoved(*moved), HasSubstr("the same on both sides"));
  EXPECT_EQ(Sha256(*ReadFile(from_.path)), before);

  OpenTarget();
  // Cursors keep their meaning.
  EXPECT_EQ(*to_->StreamIdentity(), identity);
  EXPECT_GE(to_->StreamEnd()->position, end.position);
  const auto there = *to_->ReadAllChanges(*to_->StreamBegin(), 1 << 30);
  ASSERT_EQ(there.changes.size(), changes.changes.size());
  EXPECT_EQ(to_->Agents()->size(), 2u);
  EXPECT_EQ(to_->FindAction(action_)->envelope, "signed");
  EXPECT_EQ((*to_->FindPair(action_, from_.agents[0]))->rows(), 3u);
}

TEST_F(MigrateTest, WhatComesAfterwardsIsNumberedBehindIt) {
  const StreamPosition end = *from_.store->StreamEnd();
  from_.store.reset();
  ASSERT_TRUE(Move().ok());
  OpenTarget();
  std::promise<absl::StatusOr<Appended>> done;
  v1::ResultRecord record;
  record.set_action_id(action_);
  record.set_sequence(2);
  record.mutable_rows()->add_rows("later");
  to_->AppendRecord(from_.agents[1], record, from_.now,
                    [&](absl::StatusOr<Appended> appended) { done.set_value(appended); });
  const absl::StatusOr<Appended> appended = done.get_future().get();
  ASSERT_TRUE(appended.ok() && appended->dropped.ok()) << appended.status();
  EXPECT_GT(to_->StreamEnd()->position, end.position);
  // A repeated one is known.
  std::promise<absl::StatusOr<Appended>> again;
  record.set_sequence(1);
  to_->AppendRecord(from_.agents[1], record, from_.now,
                    [&](absl::StatusOr<Appended> result) { again.set_value(result); });
  EXPECT_TRUE(again.get_future().get().ok());
  EXPECT_EQ((*to_->FindPair(action_, from_.agents[1]))->rows(), 2u);
  // Ids that the database gives out don't meet those that came.
  Enrolment enrolment;
  enrolment.agent_id = NewUuidV4();
  enrolment.spki = "key";
  enrolment.token_sha256 = "t";
  enrolment.facts.set_id(enrolment.agent_id);
  enrolment.certificate = {.fingerprint = "f",
                           .identity = "spiffe://fleet/agent/" + enrolment.agent_id,
                           .issued_at = from_.now,
                           .not_after = from_.now + absl::Hours(1)};
  const absl::Status enrolled = to_->EnrolAgent(enrolment, from_.now);
  EXPECT_TRUE(enrolled.ok()) << enrolled;
  StoredAction action = *to_->FindAction(action_);
  action.id = NewUuidV7(from_.now);
  const absl::Status added = to_->AddAction(action, from_.agents);
  EXPECT_TRUE(added.ok()) << added;
}

TEST_F(MigrateTest, AStoreThatWasKilledIsReadWithItsLog) {
  // A second connection keeps the log from being tidied up, as a crash does.
  const auto other = SqliteTables::Open(from_.path);
  EXPECT_EQ(other.status().code(), absl::StatusCode::kUnavailable);
  sqlite3* reader = nullptr;
  ASSERT_EQ(sqlite3_open_v2(from_.path.c_str(), &reader, SQLITE_OPEN_READONLY, nullptr), SQLITE_OK);
  ASSERT_EQ(sqlite3_exec(reader, "BEGIN; SELECT count(*) FROM records", nullptr, nullptr, nullptr),
            SQLITE_OK);
  from_.store.reset();
  ASSERT_GT(std::filesystem::file_size(from_.path + "-wal"), 0u);
  const std::string before = *ReadFile(from_.path) + *ReadFile(from_.path + "-wal");
  const auto moved = Move();
  EXPECT_TRUE(moved.ok()) << moved.status();
  EXPECT_TRUE(*ReadFile(from_.path) + *ReadFile(from_.path + "-wal") == before);
  sqlite3_close(reader);
}

TEST_F(MigrateTest, NotWhileASchedulerRunsOnIt) {
  const absl::Status refused = Move().status();
  EXPECT_EQ(refused.code(), absl::StatusCode::kUnavailable);
  EXPECT_THAT(refused.message(), HasSubstr("stop it first"));
}

TEST_F(MigrateTest, NotIntoADatabaseThatHoldsAnything) {
  from_.store.reset();
  ASSERT_TRUE(Move().ok());
  const absl::Status refused = Move().status();
  EXPECT_EQ(refused.code(), absl::StatusCode::kAlreadyExists);
  EXPECT_THAT(refused.message(), HasSubstr("holds data"));
}

// Whatever does it: here a trigger that changes what comes, or drops it.
TEST_F(MigrateTest, ADifferenceUndoesAllOfIt) {
  from_.store.reset();
  for (const char* change : {"NEW.note = 'another'; RETURN NEW;", "RETURN NULL;"}) {
    ExecuteAsAdmin(
        std::string("SET search_path = dragnet;"
                    "CREATE OR REPLACE FUNCTION spoil() RETURNS trigger LANGUAGE plpgsql "
                    "AS $$ BEGIN ") +
        change +
        " END $$;"
        "CREATE OR REPLACE TRIGGER spoil BEFORE INSERT ON tokens FOR EACH ROW "
        "EXECUTE FUNCTION spoil()");
    const absl::Status refused = Move().status();
    EXPECT_EQ(refused.code(), absl::StatusCode::kDataLoss) << refused;
    EXPECT_THAT(refused.message(), HasSubstr("tokens: 1 rows"));
  }
  ExecuteAsAdmin("DROP TRIGGER spoil ON dragnet.tokens");
  // Nothing was left that would be in the way.
  EXPECT_TRUE(Move().ok());
}

TEST_F(MigrateTest, WordsOfTheCommandLine) {
  from_.store.reset();
  const std::string url = owner();
  const std::string file = "sqlite:" + from_.path;
  EXPECT_EQ(ReadMigration({.from = "", .to = url, .url = "", .config = "", .name = ""})->file, "");
  const auto both = ReadMigration({.from = file, .to = url, .url = "", .config = "", .name = ""});
  ASSERT_TRUE(both.ok()) << both.status();
  EXPECT_EQ(both->file, from_.path);
  EXPECT_EQ(both->url, url);
  EXPECT_EQ(both->local_files, "");
  const auto words = [](const MigrationWords& given) {
    return ReadMigration(given).status().ToString();
  };
  EXPECT_THAT(words({.from = "sqlite", .to = url, .url = "", .config = "", .name = ""}),
              HasSubstr("which file?"));
  EXPECT_THAT(words({.from = "postgresql", .to = file, .url = "", .config = "", .name = ""}),
              HasSubstr("no way back"));
  EXPECT_THAT(words({.from = file, .to = "postgresql", .url = "", .config = "", .name = ""}),
              HasSubstr("--to"));
  EXPECT_THAT(words({.from = file,
                     .to = "postgresql://u:secret@db/x?sslmode=verify-full",
                     .url = "",
                     .config = "",
                     .name = ""}),
              HasSubstr("password"));
}

TEST_F(MigrateTest, BlobsAndCursorsGoWithIt) {
  from_.store.reset();
  const std::string blob(64, 'a');
  ASSERT_TRUE(MakeDirectories(from_.path + ".blobs", 0700).ok());
  ASSERT_TRUE(WriteNewFile(from_.path + ".blobs/" + blob, "rules", 0600).ok());
  ASSERT_TRUE(WriteNewFile(from_.path + ".blobs/partial.part", "", 0600).ok());
  ASSERT_TRUE(WriteNewFile(from_.path + ".export.siem.cursor", "1-2", 0600).ok());
  MigrationWords words = {
      .from = "sqlite:" + from_.path, .to = owner(), .url = "", .config = "", .name = ""};
  EXPECT_THAT(ReadMigration(words).status().ToString(), HasSubstr("--name"));
  words.name = "s1";
  const auto migration = ReadMigration(words);
  ASSERT_TRUE(migration.ok()) << migration.status();
  const std::string there = from_.directory.path() + "/s1";
  EXPECT_EQ(migration->local_files, there);
  EXPECT_EQ(*CopyLocalFiles(from_.path, there), 2u);
  EXPECT_EQ(*ReadFile(there + ".blobs/" + blob), "rules");
  EXPECT_EQ(*ReadFile(there + ".export.siem.cursor"), "1-2");
  // Again changes nothing.
  EXPECT_EQ(*CopyLocalFiles(from_.path, there), 0u);
}

}  // namespace
}  // namespace dragnet::scheduler
