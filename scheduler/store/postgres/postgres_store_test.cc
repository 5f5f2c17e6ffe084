// The store over PostgreSQL: what every store does, and what this engine adds.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <atomic>
#include <future>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/cleanup/cleanup.h"
#include "core/keys.h"
#include "core/strings.h"
#include "core/uuid.h"
#include "scheduler/store/open_store.h"
#include "scheduler/store/pair_rows.h"
#include "scheduler/store/postgres/migrations.h"
#include "scheduler/store/postgres/postgres_database.h"
#include "scheduler/store/retention.h"
#include "scheduler/store/store_conformance.h"
#include "scheduler/store/upkeep.h"
#include "scheduler/testing/postgres_server.h"

namespace dragnet::scheduler {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

constexpr char kAction[] = "0190a000-0000-7000-8000-000000000001";
const absl::Time kNow = absl::FromUnixSeconds(1'800'000'000);

class PostgresFixture : public StoreFixture {
 public:
  PostgresFixture() : server_(*PostgresServer::Shared()), database_(server_.NewDatabase()) {}
  ~PostgresFixture() override { server_.DropDatabase(database_); }
  std::unique_ptr<Store> Open(bool shared) override { return OpenSql(shared); }

  std::unique_ptr<SqlStore> OpenSql(bool shared) {
    absl::StatusOr<std::unique_ptr<SqlStore>> store =
        OpenStore({.store = server_.RuntimeUrl(database_), .shared = shared, .blob_directory = {}});
    EXPECT_TRUE(store.ok()) << store.status();
    return *std::move(store);
  }
  std::unique_ptr<PostgresDatabase> Connect(const std::string& url,
                                            const PostgresSession& session = {}) {
    absl::StatusOr<std::unique_ptr<PostgresDatabase>> database =
        PostgresDatabase::Open(url, session);
    EXPECT_TRUE(database.ok()) << database.status();
    return *std::move(database);
  }
  std::unique_ptr<PostgresDatabase> ConnectAsAdmin() {
    return Connect(server_.AdminUrl(database_));
  }
  std::unique_ptr<PostgresDatabase> ConnectAsScheduler(const PostgresSession& session = {}) {
    return Connect(server_.RuntimeUrl(database_), session);
  }
  PostgresServer& server() { return server_; }
  const std::string& database() const { return database_; }

 private:
  PostgresServer& server_;
  const std::string database_;
};

std::unique_ptr<StoreFixture> NewPostgresFixture() { return std::make_unique<PostgresFixture>(); }

INSTANTIATE_TEST_SUITE_P(Postgres, StoreConformance, ::testing::Values(&NewPostgresFixture));
INSTANTIATE_TEST_SUITE_P(Postgres, SweepConformance, ::testing::Values(&NewPostgresFixture));
INSTANTIATE_TEST_SUITE_P(Postgres, CoordinationConformance, ::testing::Values(&NewPostgresFixture));

class PostgresStoreTest : public ::testing::Test {
 protected:
  void AddAgents(Store& store, int count) {
    StoredToken token;
    token.sha256 = Sha256("token");
    token.expires = kNow + absl::Hours(1);
    token.uses_left = static_cast<uint32_t>(count);
    ASSERT_TRUE(store.AddToken(token).ok());
    for (int i = 0; i < count; ++i) {
      Enrolment enrolment;
      enrolment.agent_id = NewUuidV4();
      enrolment.spki = "key";
      enrolment.token_sha256 = token.sha256;
      enrolment.facts.set_id(enrolment.agent_id);
      // What TEXT refuses.
      enrolment.facts.set_name(std::string("a\0b", 3));
      enrolment.certificate.fingerprint = NewUuidV4();
      enrolment.certificate.identity = "spiffe://fleet/agent/" + enrolment.agent_id;
      const absl::Status enrolled = store.EnrolAgent(enrolment, kNow);
      ASSERT_TRUE(enrolled.ok()) << enrolled;
      agents_.push_back(enrolment.agent_id);
    }
  }
  void AddAction(Store& store, std::string_view id = kAction) {
    StoredAction action;
    action.id = std::string(id);
    action.envelope = "e";
    action.launched_by = "alice";
    action.launched_at = kNow;
    action.expires = kNow + absl::Hours(1);
    action.bounds = {{.rows = 1'000'000, .bytes = uint64_t{1} << 40}};
    const absl::Status added = store.AddAction(action, agents_);
    ASSERT_TRUE(added.ok()) << added;
  }
  static v1::ResultRecord Rows(uint64_t sequence, size_t bytes = 10) {
    v1::ResultRecord record;
    record.set_action_id(kAction);
    record.set_sequence(sequence);
    record.mutable_rows()->add_rows(std::string(bytes, 'r'));
    return record;
  }
  static std::future<absl::StatusOr<Appended>> Append(Store& store, const std::string& agent,
                                                      v1::ResultRecord record) {
    auto done = std::make_shared<std::promise<absl::StatusOr<Appended>>>();
    store.AppendRecord(agent, std::move(record), kNow, [done](absl::StatusOr<Appended> appended) {
      done->set_value(std::move(appended));
    });
    return done->get_future();
  }

  PostgresFixture fixture_;
  std::vector<std::string> agents_;
};

TEST_F(PostgresStoreTest, SchedulerRoleCanDoNothingButItsWork) {
  auto database = fixture_.ConnectAsScheduler();
  for (const char* sql : {"CREATE TABLE mine (a int)",
                          "CREATE TABLE public.mine (a int)",
                          "CREATE SCHEMA mine",
                          "DROP TABLE records",
                          "TRUNCATE records",
                          "TRUNCATE agents",
                          "ALTER TABLE agents ADD COLUMN a int",
                          "ALTER TABLE stream_head DISABLE ROW LEVEL SECURITY",
                          "CREATE INDEX mine ON records (agent)",
                          "DELETE FROM trust_policies",
                          "UPDATE trust_policies SET envelope = ''",
                          "UPDATE records SET rows = ''",
                          "DELETE FROM agents",
                          "DELETE FROM actions",
                          "DELETE FROM revocations",
                          "UPDATE schema_migrations SET version = 99",
                          "INSERT INTO stream_head VALUES (1, 1, 1)",
                          "CREATE ROLE mine",
                          "SET ROLE dragnet_owner",
                          "COPY records TO '/tmp/mine'",
                          "CREATE FUNCTION mine() RETURNS int LANGUAGE sql AS 'SELECT 1'"}) {
    const absl::Status status = database->Execute(sql);
    EXPECT_TRUE(absl::IsPermissionDenied(status)) << sql << ": " << status;
  }
}

// Of a table that a launch has just filled PostgreSQL knows nothing: a plan that compares each
// agent with each would be as good to it as one by the key.
TEST_F(PostgresStoreTest, PairsAreLookedUpByTheirKey) {
  {
    const std::unique_ptr<SqlStore> store = fixture_.OpenSql(/*shared=*/true);
    AddAgents(*store, 1);
    AddAction(*store);
    std::promise<absl::Status> sent;
    store->MarkSent(kAction, agents_,
                    [&](absl::Status status) { sent.set_value(std::move(status)); });
    ASSERT_TRUE(sent.get_future().get().ok());
    ASSERT_TRUE(Append(*store, agents_[0], Rows(1)).get().ok());
  }
  auto database = fixture_.ConnectAsScheduler();
  const auto number = [&](const std::string& table) {
    return database->IntegerOr(0, StrCat("SELECT max(no) FROM ", table)).value_or(0);
  };
  int found = 0;
  const absl::Status read = ReadPairs(*database, number("actions"), {number("agents")}, 1,
                                      [&](int64_t, const Pair& pair) {
                                        EXPECT_EQ(pair.rows(), 1u);
                                        ++found;
                                      });
  ASSERT_TRUE(read.ok()) << read;
  ASSERT_EQ(found, 1);
  std::vector<std::string> statements;
  Query names = database->Ask(
      "SELECT name FROM pg_prepared_statements WHERE statement LIKE '%k(agent)%'"
      " AND statement NOT LIKE '%pg_prepared_statements%'");
  while (names.Next()) statements.push_back(names.Text(0));
  EXPECT_THAT(statements, SizeIs(2));
  for (const std::string& name : statements) {
    std::string plan;
    Query lines = database->Ask(StrCat("EXPLAIN EXECUTE \"", name, "\" (1, '{}')"));
    while (lines.Next()) StrAppend(&plan, lines.Text(0), "\n");
    EXPECT_THAT(plan, HasSubstr("agent = k.agent")) << lines.status();
    EXPECT_THAT(plan, ::testing::Not(HasSubstr("Join Filter")));
    EXPECT_THAT(plan, ::testing::Not(HasSubstr("  Filter")));
  }
}

TEST_F(PostgresStoreTest, RowsAreCompressedWithLz4) {
  {
    const std::unique_ptr<SqlStore> store = fixture_.OpenSql(/*shared=*/false);
    AddAgents(*store, 1);
    AddAction(*store);
    ASSERT_TRUE(Append(*store, agents_[0], Rows(1, 10'000)).get().ok());
  }
  auto admin = fixture_.ConnectAsAdmin();
  Query query = admin->Ask("SELECT pg_column_compression(rows) FROM records");
  ASSERT_TRUE(query.Next()) << query.status();
  EXPECT_EQ(query.Text(0), "lz4");
}

TEST_F(PostgresStoreTest, TablesOfAnotherVersionAreRefusedWithTheCommand) {
  fixture_.ConnectAsAdmin()->Execute("UPDATE schema_migrations SET version = 0").IgnoreError();
  const StoreOptions options = {.store = fixture_.server().RuntimeUrl(fixture_.database()),
                                .blob_directory = {}};
  absl::Status status = OpenStore(options).status();
  EXPECT_TRUE(absl::IsFailedPrecondition(status)) << status;
  EXPECT_THAT(std::string(status.message()), HasSubstr("dragnet-scheduler migrate"));
  fixture_.ConnectAsAdmin()->Execute("UPDATE schema_migrations SET version = 9").IgnoreError();
  status = OpenStore(options).status();
  EXPECT_TRUE(absl::IsFailedPrecondition(status)) << status;
  EXPECT_TRUE(absl::IsFailedPrecondition(
      MigratePostgres(fixture_.server().OwnerUrl(fixture_.database()), PostgresServer::kRuntime)));
}

TEST_F(PostgresStoreTest, MigrationMakesTheTablesOnceAndForAll) {
  PostgresServer& server = fixture_.server();
  const std::string empty = server.NewDatabase(/*with_tables=*/false);
  const StoreOptions options = {.store = server.RuntimeUrl(empty), .blob_directory = {}};
  const absl::Status status = OpenStore(options).status();
  EXPECT_TRUE(absl::IsFailedPrecondition(status)) << status;
  EXPECT_THAT(std::string(status.message()), HasSubstr("dragnet-scheduler migrate"));

  EXPECT_TRUE(absl::IsFailedPrecondition(MigratePostgres(server.OwnerUrl(empty), "no\"body")));
  // All or nothing.
  EXPECT_FALSE(OpenStore(options).ok());
  absl::Status migrated = MigratePostgres(server.OwnerUrl(empty), PostgresServer::kRuntime);
  ASSERT_TRUE(migrated.ok()) << migrated;
  uint64_t identity = 0;
  {
    auto store = OpenStore(options);
    ASSERT_TRUE(store.ok()) << store.status();
    identity = *(*store)->StreamIdentity();
    EXPECT_NE(identity, 0u);
    ASSERT_TRUE((*store)->AddTrustPolicy({.version = 1, .envelope = "x"}).ok());
  }
  migrated = MigratePostgres(server.OwnerUrl(empty), PostgresServer::kRuntime);
  ASSERT_TRUE(migrated.ok()) << migrated;
  {
    auto store = OpenStore(options);
    ASSERT_TRUE(store.ok()) << store.status();
    EXPECT_EQ(*(*store)->StreamIdentity(), identity);
    EXPECT_THAT(*(*store)->TrustPolicies(), SizeIs(1));
  }
  server.DropDatabase(empty);
}

TEST_F(PostgresStoreTest, SecretsOfTheUrlAreInNoMessage) {
  const absl::Status status =
      OpenStore(
          {.store = "postgresql://me:secret@127.0.0.1:1/x?connect_timeout=2", .blob_directory = {}})
          .status();
  EXPECT_TRUE(absl::IsUnavailable(status)) << status;
  EXPECT_THAT(status.ToString(), Not(HasSubstr("secret")));
  EXPECT_THAT(
      OpenStore({.store = "postgresql://me:secret@[", .blob_directory = {}}).status().ToString(),
      Not(HasSubstr("secret")));
}

TEST_F(PostgresStoreTest, StatementThatRunsTooLongIsEnded) {
  auto database = fixture_.ConnectAsScheduler({.statement = absl::Milliseconds(200)});
  const absl::Status status = database->Run("SELECT pg_sleep(60)");
  EXPECT_TRUE(absl::IsUnavailable(status)) << status;
  EXPECT_FALSE(Database::IsLost(status));
  EXPECT_EQ(*database->IntegerOr(0, "SELECT 7"), 7);
}

TEST_F(PostgresStoreTest, LockIsNotWaitedForForEver) {
  auto holder = fixture_.ConnectAsScheduler();
  ASSERT_TRUE(holder->Begin(true).ok());
  ASSERT_TRUE(holder->IntegerOr(0, "SELECT position FROM stream_head FOR UPDATE").ok());
  auto database = fixture_.ConnectAsScheduler({.lock = absl::Milliseconds(200)});
  ASSERT_TRUE(database->Begin(true).ok());
  const absl::Status status =
      database->IntegerOr(0, "SELECT position FROM stream_head FOR UPDATE").status();
  EXPECT_TRUE(Database::IsLost(status)) << status;
  database->Rollback();
  holder->Rollback();
}

TEST_F(PostgresStoreTest, ReadersComeBackAfterTheirConnectionsWereCut) {
  auto store = fixture_.OpenSql(false);
  AddAgents(*store, 3);
  AddAction(*store);
  auto admin = fixture_.ConnectAsAdmin();
  for (int i = 0; i < 8; ++i) {
    // All of them, while they do nothing.
    ASSERT_TRUE(admin
                    ->Run("SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
                          " WHERE usename = 'dragnet_scheduler'")
                    .ok());
    EXPECT_THAT(*store->Agents(), SizeIs(3));
    EXPECT_TRUE(store->ReadChanges(kAction, 0, 1000).ok());
    EXPECT_TRUE(store->TakeLease("lead", "a", absl::Minutes(1)).ok());
    EXPECT_TRUE(
        store->AddTrustPolicy({.version = static_cast<uint64_t>(i) + 1, .envelope = "x"}).ok());
  }
}

TEST_F(PostgresStoreTest, WhatAConnectionThatIsCutDidIsDoneOnceMoreAndNotTwice) {
  auto store = fixture_.OpenSql(false);
  AddAgents(*store, 4);
  AddAction(*store);
  std::atomic<bool> stop = false;
  std::atomic<int> cuts = 0;
  std::thread cutter([&] {
    auto admin = fixture_.ConnectAsAdmin();
    const auto position = [&] {
      return admin->IntegerOr(0, "SELECT position FROM stream_head").value_or(-1);
    };
    for (int64_t last = 0; !stop; ++cuts) {
      // Whenever something was committed, and at another moment after that each time.
      while (!stop && position() == last) {
      }
      last = position();
      for (int wait = 0; wait < cuts % 12; ++wait) position();
      admin
          ->Run(
              "SELECT pg_terminate_backend(pid) FROM pg_stat_activity"
              " WHERE usename = 'dragnet_scheduler'")
          .IgnoreError();
    }
  });
  const absl::Cleanup stopped = [&] {
    stop = true;
    if (cutter.joinable()) cutter.join();
  };
  uint64_t sent = 0;
  std::vector<std::future<absl::StatusOr<Appended>>> appended;
  while (cuts < 30 && sent < 100'000) {
    ++sent;
    for (const std::string& agent : agents_) appended.push_back(Append(*store, agent, Rows(sent)));
    // In many transactions.
    if (sent % 10 == 0) appended.back().wait();
  }
  for (auto& one : appended) {
    const absl::StatusOr<Appended> result = one.get();
    ASSERT_TRUE(result.ok()) << result.status();
    // A transaction that was made twice would find its own records.
    EXPECT_FALSE(result->duplicate);
    EXPECT_TRUE(result->dropped.ok());
  }
  stop = true;
  cutter.join();
  for (const std::string& agent : agents_)
    EXPECT_EQ((*store->FindPair(kAction, agent))->rows(), sent);
  EXPECT_EQ(*fixture_.ConnectAsAdmin()->IntegerOr(0, "SELECT count(*) FROM records"),
            static_cast<int64_t>(sent * agents_.size()));
}

TEST_F(PostgresStoreTest, CrashOfTheServerLosesNothingThatWasAcknowledged) {
  auto store = fixture_.OpenSql(false);
  AddAgents(*store, 1);
  AddAction(*store);
  ASSERT_TRUE(Append(*store, agents_[0], Rows(1)).get().ok());
  fixture_.server().Kill();
  auto second = Append(*store, agents_[0], Rows(2));
  ASSERT_TRUE(fixture_.server().Start().ok());
  const absl::StatusOr<Appended> result = second.get();
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_EQ((*store->FindPair(kAction, agents_[0]))->rows(), 2u);
}

// Both count on from where the other was, and neither believes what it knew before.
TEST_F(PostgresStoreTest, TwoSchedulersWriteAtOnceInOneOrder) {
  auto one = fixture_.OpenSql(true);
  AddAgents(*one, 2);
  AddAction(*one);
  auto two = fixture_.OpenSql(true);
  constexpr uint64_t kRecords = 400;
  std::atomic<int> running = 2;
  const auto write = [&](Store& store, const std::string& agent) {
    for (uint64_t sequence = 1; sequence <= kRecords; sequence += 5) {
      std::vector<std::future<absl::StatusOr<Appended>>> some;
      for (uint64_t next = sequence; next < sequence + 5; ++next)
        some.push_back(Append(store, agent, Rows(next)));
      for (auto& each : some) {
        const auto appended = each.get();
        EXPECT_TRUE(appended.ok() && appended->dropped.ok()) << appended.status();
      }
    }
    --running;
  };
  std::thread first([&] { write(*one, agents_[0]); });
  std::thread second([&] { write(*two, agents_[1]); });
  // A reader that goes on from the last position sees every record.
  StreamPosition position;
  size_t seen = 0;
  bool last_look = false;
  while (true) {
    const bool done = running == 0;
    const absl::StatusOr<AllChanges> all = two->ReadAllChanges(position, 4096);
    ASSERT_TRUE(all.ok()) << all.status();
    uint64_t before = position.position;
    for (const ActionChange& change : all->changes) {
      EXPECT_GT(change.position, before);
      before = change.position;
      if (change.rows.has_value()) ++seen;
    }
    position = all->next;
    if (!all->changes.empty()) continue;
    if (last_look) break;
    last_look = done;
  }
  first.join();
  second.join();
  EXPECT_EQ(seen, 2 * kRecords);

  // What one changes, the other doesn't overwrite with what it remembers.
  ASSERT_TRUE(Append(*two, agents_[0], Rows(kRecords + 1)).get().ok());
  EXPECT_TRUE(Append(*one, agents_[0], Rows(kRecords + 1)).get()->duplicate);
  ASSERT_TRUE(Append(*one, agents_[0], Rows(kRecords + 2)).get().ok());
  EXPECT_EQ((*two->FindPair(kAction, agents_[0]))->rows(), kRecords + 2);
}

TEST_F(PostgresStoreTest, ChangeThatFailsLeavesTheOthersOfItsTransaction) {
  auto store = fixture_.OpenSql(false);
  AddAgents(*store, 1);
  AddAction(*store);
  std::vector<std::thread> threads;
  std::atomic<int> added = 0;
  for (int i = 0; i < 16; ++i)
    threads.emplace_back([&, i] {
      // Four each want the same version.
      if (store->AddTrustPolicy({.version = static_cast<uint64_t>(i % 4) + 1, .envelope = "x"})
              .ok())
        ++added;
    });
  std::vector<std::future<absl::StatusOr<Appended>>> appended;
  for (uint64_t sequence = 1; sequence <= 200; ++sequence)
    appended.push_back(Append(*store, agents_[0], Rows(sequence)));
  for (std::thread& thread : threads) thread.join();
  for (auto& one : appended) EXPECT_TRUE(one.get().ok());
  EXPECT_EQ(added, 4);
  EXPECT_THAT(*store->TrustPolicies(), SizeIs(4));
  EXPECT_EQ((*store->FindPair(kAction, agents_[0]))->rows(), 200u);
  EXPECT_EQ(*fixture_.ConnectAsAdmin()->IntegerOr(0, "SELECT count(*) FROM records"), 200);
}

TEST_F(PostgresStoreTest, RetentionRemovesResultsAndTheirBytes) {
  auto store = fixture_.OpenSql(false);
  AddAgents(*store, 2);
  AddAction(*store);
  for (const std::string& agent : agents_)
    for (uint64_t sequence = 1; sequence <= 20; ++sequence)
      ASSERT_TRUE(Append(*store, agent, Rows(sequence, 50'000)).get().ok());
  auto reader = fixture_.ConnectAsScheduler();
  EXPECT_GT(*store->engine().BytesUsed(*reader), 2'000'000u);
  const absl::Time later = kNow + absl::Hours(24 * 400);
  const FakeClock clock(later);
  ASSERT_TRUE(store->CloseExpired(later).ok());
  const auto retention = Retention::Open(
      *store, clock, {.age = absl::Hours(24 * 365), .clock_hold = absl::ZeroDuration()});
  ASSERT_TRUE(retention.ok()) << retention.status();
  for (bool more = true; more;) {
    const absl::StatusOr<bool> stepped = (*retention)->Step();
    ASSERT_TRUE(stepped.ok()) << stepped.status();
    more = *stepped;
  }
  EXPECT_EQ(*reader->IntegerOr(-1, "SELECT count(*) FROM records"), 0);
  EXPECT_EQ(*store->engine().BytesUsed(*reader), 0u);
  EXPECT_TRUE((*retention)->Of(kAction)->removed_at.has_value());
}

TEST_F(PostgresStoreTest, UpkeepLooksAtTheServer) {
  auto store = fixture_.OpenSql(false);
  auto upkeep = Upkeep::Start(*store, Clock::System(), {});
  ASSERT_TRUE(upkeep.ok()) << upkeep.status();
  EXPECT_TRUE((*upkeep)->CheckWritable(absl::Minutes(1)).ok());
  EXPECT_EQ(*(*upkeep)->RowsStored(), 0u);
  EXPECT_GT((*upkeep)->Sizes()->database_bytes, 0u);
}

TEST_F(PostgresStoreTest, StringsOfAnyBytesComeBack) {
  auto store = fixture_.OpenSql(false);
  AddAgents(*store, 1);
  const std::string bytes("\0\xff\xfe'\\\"\n", 7);
  std::promise<void> done;
  AgentUpdate update;
  update.missing_walls = {bytes.substr(0, 6)};
  store->UpdateAgent(agents_[0], update, [&](absl::Status status) {
    EXPECT_TRUE(status.ok()) << status;
    done.set_value();
  });
  done.get_future().wait();
  const StoredAgent agent = *store->FindAgent(agents_[0]);
  EXPECT_EQ(agent.facts.name(), std::string("a\0b", 3));
  ASSERT_THAT(agent.missing_walls, SizeIs(1));
  EXPECT_EQ(agent.missing_walls[0], bytes.substr(0, 6));
  EXPECT_THAT(*store->MatchActions(bytes, 10), IsEmpty());
}

}  // namespace
}  // namespace dragnet::scheduler
