// Others that hang, or take their time, and a store that goes on.
#include <gtest/gtest.h>
#include <libpq-fe.h>

#include <cstdlib>
#include <memory>
#include <string>
#include <thread>
#include <vector>

#include "absl/cleanup/cleanup.h"
#include "core/clock.h"
#include "scheduler/store/open_store.h"
#include "scheduler/store/postgres/postgres_database.h"
#include "scheduler/store/stream_head.h"
#include "scheduler/testing/postgres_server.h"

namespace dragnet::scheduler {
namespace {

class HangingTest : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_NE(PostgresServer::Shared(), nullptr) << "what is missing is in this test's output";
    database_ = PostgresServer::Shared()->NewDatabase();
  }
  void TearDown() override {
    store_.reset();
    if (!database_.empty()) PostgresServer::Shared()->DropDatabase(database_);
  }
  void OpenTheStore() {
    absl::StatusOr<std::unique_ptr<SqlStore>> store =
        OpenStore({.store = PostgresServer::Shared()->RuntimeUrl(database_),
                   .shared = true,
                   .blob_directory = {}});
    ASSERT_TRUE(store.ok()) << store.status();
    store_ = *std::move(store);
  }
  std::unique_ptr<PostgresDatabase> Connect(const std::string& url) {
    absl::StatusOr<std::unique_ptr<PostgresDatabase>> database = PostgresDatabase::Open(url, {});
    EXPECT_TRUE(database.ok()) << database.status();
    return *std::move(database);
  }

  std::string database_;
  std::unique_ptr<SqlStore> store_;
};

// As a scheduler that was stopped (SIGSTOP, a host that swaps) in the middle of COPY: no
// bound of the server's ends it.
TEST_F(HangingTest, SchedulerThatStopsInCopyLosesTheLockOfAllWriters) {
  OpenTheStore();
  const std::string url = PostgresServer::Shared()->RuntimeUrl(database_);
  const std::unique_ptr<PGconn, void (*)(PGconn*)> stopped(PQconnectdb(url.c_str()), &PQfinish);
  const auto run = [&](const char* sql) {
    const std::unique_ptr<PGresult, void (*)(PGresult*)> result(PQexec(stopped.get(), sql),
                                                                &PQclear);
    return PQresultStatus(result.get());
  };
  ASSERT_EQ(run("SET application_name = 'dragnet-scheduler'"), PGRES_COMMAND_OK);
  ASSERT_EQ(run("SET search_path = dragnet"), PGRES_COMMAND_OK);
  ASSERT_EQ(run("SET statement_timeout = 5000"), PGRES_COMMAND_OK);
  ASSERT_EQ(run("BEGIN"), PGRES_COMMAND_OK);
  ASSERT_EQ(run("SELECT position FROM stream_head FOR UPDATE"), PGRES_TUPLES_OK);
  ASSERT_EQ(run("COPY records FROM STDIN (FORMAT binary)"), PGRES_COPY_IN);
  const absl::Status added = store_->AddTrustPolicy({.version = 1, .envelope = "x"});
  EXPECT_TRUE(added.ok()) << added;
}

TEST_F(HangingTest, WhoWorksOrOnlyWaitsKeepsTheLock) {
  const std::string url = PostgresServer::Shared()->RuntimeUrl(database_);
  auto holder = Connect(url);
  ASSERT_TRUE(holder->Begin(true).ok());
  ASSERT_TRUE(holder->IntegerOr(0, "SELECT position FROM stream_head FOR UPDATE").ok());
  auto other = Connect(url);
  const absl::StatusOr<bool> ended = StreamHead::EndWhoHangs(*other);
  ASSERT_TRUE(ended.ok()) << ended.status();
  EXPECT_FALSE(*ended);
  EXPECT_TRUE(holder->Commit().ok());
}

TEST_F(HangingTest, InvestigatorsQuestionsDontHoldUpWhatSchedulersAgreeOn) {
  OpenTheStore();
  ASSERT_TRUE(store_->TakeLease("lead", "a", absl::Minutes(10)).ok());
  auto admin = Connect(PostgresServer::Shared()->AdminUrl(database_));
  ASSERT_TRUE(admin->Begin(true).ok());
  ASSERT_TRUE(admin->Run("LOCK TABLE trust_policies IN ACCESS EXCLUSIVE MODE").ok());
  ASSERT_TRUE(admin->Settle().ok());
  std::vector<std::thread> slow;
  for (int i = 0; i < 4; ++i) slow.emplace_back([&] { store_->TrustPolicies().IgnoreError(); });
  const absl::Cleanup join = [&] {
    admin->Rollback();
    for (std::thread& thread : slow) thread.join();
  };
  auto watcher = Connect(PostgresServer::Shared()->AdminUrl(database_));
  const absl::Time until = SteadyNow() + absl::Seconds(15);
  const auto waiting = [&] {
    return watcher
        ->IntegerOr(0,
                    "SELECT count(*) FROM pg_stat_activity WHERE datname = current_database()"
                    " AND wait_event_type = 'Lock'")
        .value_or(0);
  };
  while (waiting() < 4 && SteadyNow() < until) absl::SleepFor(absl::Milliseconds(20));
  ASSERT_EQ(waiting(), 4);
  EXPECT_EQ(store_->Leases("lead")->size(), 1u);
  EXPECT_TRUE(store_->LostSessions({})->empty());
  EXPECT_TRUE(store_->Sessions()->empty());
  EXPECT_TRUE(store_->Outbox(10)->empty());
  EXPECT_TRUE(store_->RevocationsAfter(0)->empty());
  EXPECT_EQ(*store_->LastRevocation(), 0u);
  EXPECT_EQ(*store_->BusPosition(0), 0u);
  EXPECT_TRUE(store_->Settle().ok());
  // Else none of this was while they waited.
  EXPECT_EQ(waiting(), 4);
}

TEST(PostgresParametersTest, NothingButTheUrlSaysWhereTheServerIs) {
  constexpr char kUrl[] = "postgresql://%2Frun%2Fpostgresql/dragnet";
  const auto parameters = PostgresParameters(kUrl);
  ASSERT_TRUE(parameters.ok()) << parameters.status();
  EXPECT_EQ(parameters->at("gssencmode"), "disable");
  EXPECT_FALSE(PostgresParameters(std::string(kUrl) + "?hostaddr=192.0.2.1").ok());
  for (const char* name : {"PGHOSTADDR", "PGSERVICE"}) {
    ::setenv(name, "192.0.2.1", 1);
    EXPECT_TRUE(absl::IsFailedPrecondition(PostgresParameters(kUrl).status())) << name;
    ::unsetenv(name);
  }
  EXPECT_TRUE(PostgresParameters(kUrl).ok());
}

}  // namespace
}  // namespace dragnet::scheduler
