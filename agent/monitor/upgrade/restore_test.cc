#include "agent/monitor/upgrade/restore.h"

#include <sqlite3.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <utime.h>

#include "agent/monitor/state_store.h"
#include "agent/monitor/upgrade/testing.h"
#include "core/order.h"
#include "core/testing.h"
#include "core/uuid.h"

namespace dragnet {
namespace {

using ::dragnet::testing::Fleet;
using ::testing::HasSubstr;
namespace fs = std::filesystem;

class RestoreTest : public testing::ReleasesTest {
 protected:
  std::string Database() const { return directory_ + "/agent.db"; }
  std::string Snapshots() const { return directory_ + "/snapshots"; }
  std::string Snapshot() const { return SnapshotPath(Snapshots(), StateStore::OwnSchemaVersion()); }
  std::unique_ptr<StateStore> Open(const std::string& path) const {
    auto store = StateStore::Open(path);
    EXPECT_TRUE(store.ok()) << store.status();
    return store.ok() ? *std::move(store) : nullptr;
  }
  static void Execute(const std::string& path, const std::string& sql) {
    sqlite3* database = nullptr;
    ASSERT_EQ(sqlite3_open(path.c_str(), &database), SQLITE_OK);
    EXPECT_EQ(sqlite3_exec(database, sql.c_str(), nullptr, nullptr, nullptr), SQLITE_OK)
        << sqlite3_errmsg(database);
    sqlite3_close(database);
  }
  // As a newer version would have left it.
  static void MakeNewer(const std::string& path) {
    Execute(path, StrCat("CREATE TABLE news(x); PRAGMA user_version=",
                         StateStore::OwnSchemaVersion() + 1));
  }
  void TakeSnapshot() const {
    fs::create_directory(Snapshots());
    ASSERT_TRUE(Open(Database())->CopyTo(Snapshot()).ok());
  }
  absl::Status Restore(absl::Time now) const {
    return RestoreStateIfNewer(Database(),
                               {.snapshots = Snapshots(), .fleet_id = fleet_.id, .now = now});
  }
  std::string IdOf(absl::Duration after) const { return NewUuidV7(now_ + after); }
  void Take(const std::string& id, int operations = 1) const {
    ASSERT_TRUE(Open(Database())->JournalTaken(id, 0, operations, now_).ok());
  }
  void TakePolicy(uint64_t version) const {
    const auto policy = TrustPolicy::VerifyFirst(fleet_.SignedPolicy(fleet_.PolicyProto(version)),
                                                 fleet_.Pinned(), fleet_.id);
    ASSERT_TRUE(policy.ok()) << policy.status();
    ASSERT_TRUE(Open(Database())->SaveTrustPolicy(*policy, fleet_.Pinned(), "ca").ok());
  }
  uint64_t PolicyVersion() const {
    const auto policy = Open(Database())->LoadTrustPolicy(fleet_.Pinned(), fleet_.id);
    EXPECT_TRUE(policy.ok() && policy->has_value());
    return policy.ok() && policy->has_value() ? (*policy)->version() : 0;
  }
  void Spool(const std::string& id) const {
    v1::ResultRecord record;
    record.set_action_id(id);
    record.set_sequence(1);
    record.mutable_rows()->add_rows("row");
    ASSERT_TRUE(Open(Database())->Append({&record, 1}).ok());
  }

  const Fleet fleet_;
  const absl::Time now_ = absl::FromUnixSeconds(1'800'000'000);
};

TEST_F(RestoreTest, WhatThisVersionCanReadStays) {
  TakeSnapshot();
  Take(IdOf(absl::ZeroDuration()));
  ASSERT_TRUE(Restore(now_ + absl::Hours(1)).ok());
  const auto store = Open(Database());
  EXPECT_EQ(store->Interrupted()->size(), 1U);
  EXPECT_FALSE(*store->JournalHolds(IdOf(absl::Minutes(1)), 0));
  EXPECT_TRUE(fs::exists(Snapshot()));
}

TEST_F(RestoreTest, WhatIsNewerIsTakenBackAndNothingRunsAgain) {
  const std::string before = IdOf(-absl::Hours(1));
  const std::string after = IdOf(absl::Minutes(1));
  // The clock that signed it was ahead of this one.
  const std::string ahead = IdOf(absl::Minutes(4));
  const std::string cancelled = IdOf(absl::Minutes(3));
  std::string id;
  Take(before);
  {
    const auto store = Open(Database());
    id = *store->AgentId();
    const std::string standing = IdOf(-absl::Hours(2));
    ASSERT_TRUE(
        store->TakeStanding({.action_id = standing, .envelope = "e", .taken_at = now_}, now_).ok());
  }
  TakeSnapshot();
  Take(after);
  Take(ahead, 0);
  ASSERT_TRUE(*Open(Database())->JournalCancelled(cancelled));
  MakeNewer(Database());
  EXPECT_FALSE(StateStore::Open(Database()).ok());
  // The clock has no battery.
  const absl::Status restored = Restore(absl::UnixEpoch());
  ASSERT_TRUE(restored.ok()) << restored;
  const auto store = Open(Database());
  EXPECT_EQ(*store->AgentId(), id);
  // What had begun after the snapshot is owed an end, too.
  EXPECT_EQ(store->Interrupted()->size(), 2U);
  EXPECT_TRUE(store->Standing()->empty());
  for (const std::string& held : {before, after, ahead, cancelled}) {
    EXPECT_TRUE(*store->JournalHolds(held, 0));
  }
  EXPECT_TRUE(*store->WasCancelled(cancelled));
  // And what never came may still come.
  EXPECT_FALSE(*store->JournalHolds(IdOf(absl::Minutes(2)), 0));
  struct stat info;
  ASSERT_EQ(::stat(Database().c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 07777, 0600U);
  for (const char* end : {".restored", ".ready", ".newer", ".newer-wal"}) {
    EXPECT_FALSE(fs::exists(Database() + end)) << end;
  }
}

TEST_F(RestoreTest, WithoutItsJournalAllUntilNowOrUntilItWasWrittenCountsAsHeld) {
  for (const char* change : {"DROP TABLE journal", "DROP TABLE cancelled", "DROP TABLE value",
                             "ALTER TABLE journal RENAME action_id TO other"}) {
    fs::remove_all(Snapshots());
    fs::remove(Database());
    const std::string id = *Open(Database())->AgentId();
    Take(IdOf(-absl::Hours(1)));
    TakeSnapshot();
    Take(IdOf(absl::Minutes(1)));
    MakeNewer(Database());
    Execute(Database(), change);
    const absl::Time written = absl::FromUnixSeconds(1'800'000'600);
    const utimbuf times{absl::ToTimeT(written), absl::ToTimeT(written)};
    ASSERT_EQ(::utime(Database().c_str(), &times), 0);
    const absl::Status restored = Restore(absl::UnixEpoch());
    ASSERT_TRUE(restored.ok()) << restored;
    const auto store = Open(Database());
    EXPECT_EQ(*store->AgentId(), id) << change;
    EXPECT_TRUE(*store->JournalHolds(IdOf(absl::Minutes(1)), 0)) << change;
    EXPECT_TRUE(*store->JournalHolds(NewUuidV7(written + kOrderClockSkew), 0)) << change;
    EXPECT_FALSE(*store->JournalHolds(NewUuidV7(written + kOrderClockSkew + absl::Minutes(1)), 0))
        << change;
  }
}

TEST_F(RestoreTest, ADamagedOneIsTakenBackToTheSnapshotAndNothingOfItIsBelieved) {
  const std::string id = *Open(Database())->AgentId();
  TakeSnapshot();
  Take(IdOf(absl::Minutes(1)));
  MakeNewer(Database());
  // All but the header, which says of which version it is.
  std::string content = testing::ReadFrom(Database());
  std::fill(content.begin() + 100, content.end(), '\xff');
  testing::WriteTo(Database(), content);
  const absl::Status restored = Restore(now_ + absl::Minutes(1));
  ASSERT_TRUE(restored.ok()) << restored;
  EXPECT_EQ(*Open(Database())->AgentId(), id);
  EXPECT_TRUE(*Open(Database())->JournalHolds(IdOf(absl::Minutes(1)), 0));
}

TEST_F(RestoreTest, ANewerTrustPolicyIsCarriedOverAndNoOtherIs) {
  TakePolicy(2);
  TakeSnapshot();
  TakePolicy(5);
  MakeNewer(Database());
  ASSERT_TRUE(Restore(now_).ok());
  EXPECT_EQ(PolicyVersion(), 5U);
  // One that doesn't hold.
  TakeSnapshot();
  MakeNewer(Database());
  Execute(Database(), "UPDATE value SET value=x'00' WHERE key='trust_policy'");
  ASSERT_TRUE(Restore(now_).ok());
  EXPECT_EQ(PolicyVersion(), 5U);
  // An older one.
  TakePolicy(7);
  TakeSnapshot();
  TakePolicy(6);
  MakeNewer(Database());
  ASSERT_TRUE(Restore(now_).ok());
  EXPECT_EQ(PolicyVersion(), 7U);
}

TEST_F(RestoreTest, ASnapshotOfAnotherIdentityDoesntBringItBack) {
  Spool(IdOf(absl::ZeroDuration()));
  const std::string old = *Open(Database())->AgentId();
  TakeSnapshot();
  ASSERT_TRUE(Open(Database())->ForgetIdentity().ok());
  const std::string id = *Open(Database())->AgentId();
  MakeNewer(Database());
  ASSERT_TRUE(Restore(now_).ok());
  const auto store = Open(Database());
  EXPECT_EQ(*store->AgentId(), id);
  EXPECT_NE(id, old);
  EXPECT_EQ(store->spooled_bytes(), 0U);
  EXPECT_FALSE(store->NextAfter(0)->has_value());
}

TEST_F(RestoreTest, WhatIsInTheNewerOnesLogOnlyIsCarriedOver) {
  const std::string taken = IdOf(absl::Minutes(1));
  TakeSnapshot();
  MakeNewer(Database());
  sqlite3* database = nullptr;
  ASSERT_EQ(sqlite3_open(Database().c_str(), &database), SQLITE_OK);
  const std::string sql = StrCat(
      "PRAGMA journal_mode=WAL; INSERT INTO journal(action_id, occurrence, taken_at) VALUES('",
      taken, "', 0, 1)");
  ASSERT_EQ(sqlite3_exec(database, sql.c_str(), nullptr, nullptr, nullptr), SQLITE_OK);
  // As a kill leaves them.
  fs::copy(Database(), directory_ + "/killed.db");
  fs::copy(Database() + "-wal", directory_ + "/killed.db-wal");
  sqlite3_close(database);
  fs::rename(directory_ + "/killed.db", Database());
  fs::rename(directory_ + "/killed.db-wal", Database() + "-wal");
  ASSERT_TRUE(Restore(now_).ok());
  EXPECT_TRUE(*Open(Database())->JournalHolds(taken, 0));
}

TEST_F(RestoreTest, ALogOfTheNewerOneIsNotAppliedToWhatTakesItsPlace) {
  TakeSnapshot();
  MakeNewer(Database());
  testing::WriteTo(Database() + "-wal", std::string(8192, 'w'));
  ASSERT_TRUE(Restore(now_).ok());
  EXPECT_FALSE(fs::exists(Database() + "-wal"));
  EXPECT_TRUE(Open(Database())->AgentId().ok());
}

// --- without a snapshot

TEST_F(RestoreTest, WithoutASnapshotANewOneIsMadeAndTheNewerOneIsSetAside) {
  TakePolicy(5);
  const std::string taken = IdOf(absl::Minutes(1));
  Take(taken);
  Spool(taken);
  const std::string id = *Open(Database())->AgentId();
  ASSERT_TRUE(Open(Database())->SaveHostFingerprint("print").ok());
  ASSERT_TRUE(Open(Database())->SaveEnrolledWith(now_).ok());
  MakeNewer(Database());
  const absl::Status restored = Restore(now_);
  ASSERT_TRUE(restored.ok()) << restored;
  EXPECT_EQ(PolicyVersion(), 5U);
  {
    const auto store = Open(Database());
    EXPECT_EQ(*store->AgentId(), id);
    EXPECT_EQ(*store->HostFingerprint(), "print");
    EXPECT_EQ(**store->EnrolledWith(), now_);
    EXPECT_TRUE(*store->JournalHolds(taken, 0));
    EXPECT_EQ(store->Interrupted()->size(), 1U);
    EXPECT_EQ(store->spooled_bytes(), 0U);
  }
  EXPECT_EQ(*StateStore::SchemaVersionOf(Database() + ".newer"),
            StateStore::OwnSchemaVersion() + 1);
  RemoveSetAside(Database());
  EXPECT_FALSE(fs::exists(Database() + ".newer"));
}

TEST_F(RestoreTest, ASnapshotThatCantBeReadIsNoSnapshot) {
  const std::string id = *Open(Database())->AgentId();
  TakeSnapshot();
  testing::WriteTo(Snapshot(), "no database");
  MakeNewer(Database());
  const absl::Status restored = Restore(now_);
  ASSERT_TRUE(restored.ok()) << restored;
  EXPECT_EQ(*Open(Database())->AgentId(), id);
}

TEST_F(RestoreTest, SnapshotsOfNewerSchemasAreLeftAlone) {
  const std::string id = *Open(Database())->AgentId();
  TakeSnapshot();
  MakeNewer(Database());
  const std::string newer = SnapshotPath(Snapshots(), StateStore::OwnSchemaVersion() + 1);
  fs::copy(Database(), newer);
  ASSERT_TRUE(Restore(now_).ok());
  EXPECT_EQ(*Open(Database())->AgentId(), id);
  EXPECT_TRUE(fs::exists(newer));
}

TEST_F(RestoreTest, WithoutSnapshotAndIdentityTheNewerOneStaysAsItIs) {
  Open(Database());
  MakeNewer(Database());
  Execute(Database(), "DROP TABLE value");
  const std::string content = testing::ReadFrom(Database());
  const absl::Status status = Restore(now_);
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition) << status;
  EXPECT_THAT(std::string(status.message()), HasSubstr("who this host is can't be read"));
  EXPECT_EQ(testing::ReadFrom(Database()), content);
  EXPECT_FALSE(fs::exists(Database() + ".restored"));
}

// --- disk and kills

TEST_F(RestoreTest, OnAFullDiskASnapshotStillTakesItsPlace) {
  const testing::SmallDisk disk(directory_ + "/disk");
  if (!disk.mounted()) GTEST_SKIP() << "only root can mount a disk of its own";
  const std::string database = directory_ + "/disk/agent.db";
  ReleaseDirectory releases(directory_ + "/disk/releases");
  ASSERT_TRUE(releases.Prepare().ok());
  const std::string id = *Open(database)->AgentId();
  ASSERT_TRUE(releases.BeginSnapshot().ok());
  ASSERT_TRUE(Open(database)->CopyTo(releases.NewSnapshot()).ok());
  ASSERT_TRUE(releases.FinishSnapshot(StateStore::OwnSchemaVersion()).ok());
  MakeNewer(database);
  disk.Fill();
  const absl::Status restored =
      RestoreStateIfNewer(database, {.snapshots = releases.SnapshotDirectory(), .now = now_});
  ASSERT_TRUE(restored.ok()) << restored;
  EXPECT_EQ(*Open(database)->AgentId(), id);
}

TEST_F(RestoreTest, KilledBeforeAnyStepTheNextStartGoesOn) {
  constexpr int kKilled = 77;
  for (const bool with_snapshot : {true, false}) {
    bool killed = true;
    int kills = 0;
    for (int last = 1; killed; ++last) {
      ASSERT_LT(last, 100);
      fs::remove_all(Snapshots());
      RemoveSetAside(Database());
      fs::remove(Database());
      const std::string taken = IdOf(absl::Minutes(last));
      const std::string id = *Open(Database())->AgentId();
      if (with_snapshot) TakeSnapshot();
      Take(taken);
      MakeNewer(Database());
      const pid_t child = ::fork();
      if (child == 0) {
        int step = 0;
        const absl::Status restored =
            RestoreStateIfNewer(Database(), {.snapshots = Snapshots(),
                                             .fleet_id = fleet_.id,
                                             .now = now_,
                                             .before_step = [&](std::string_view) {
                                               if (++step == last) ::_exit(kKilled);
                                             }});
        ::_exit(restored.ok() ? 0 : 1);
      }
      int status = 0;
      ASSERT_EQ(::waitpid(child, &status, 0), child);
      ASSERT_TRUE(WIFEXITED(status));
      killed = WEXITSTATUS(status) == kKilled;
      ASSERT_TRUE(killed || WEXITSTATUS(status) == 0);
      kills += killed;
      const absl::Status restored = Restore(now_);
      ASSERT_TRUE(restored.ok()) << last << ": " << restored;
      const auto store = Open(Database());
      EXPECT_EQ(*store->AgentId(), id) << last;
      EXPECT_TRUE(*store->JournalHolds(taken, 0)) << last;
      EXPECT_EQ(store->Interrupted()->size(), 1U) << last;
    }
    EXPECT_GE(kills, 7);
  }
}

// --- what commands and copies do

TEST_F(RestoreTest, ACommandOfAnOlderVersionIsToldSo) {
  EXPECT_TRUE(CheckNotNewer(Database()).ok());
  Open(Database());
  EXPECT_TRUE(CheckNotNewer(Database()).ok());
  MakeNewer(Database());
  const absl::Status status = CheckNotNewer(Database());
  EXPECT_EQ(status.code(), absl::StatusCode::kFailedPrecondition);
  EXPECT_THAT(std::string(status.message()), HasSubstr("an upgrade put a newer one in place"));
}

TEST_F(RestoreTest, ACopyIsItsOwnersAloneAndWholeAndNoneIsOverwritten) {
  fs::create_directory(Snapshots());
  const auto store = Open(Database());
  const std::string id = *store->AgentId();
  ASSERT_TRUE(store->CopyTo(Snapshot()).ok());
  struct stat info;
  ASSERT_EQ(::stat(Snapshot().c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 07777, 0600U);
  EXPECT_FALSE(store->CopyTo(Snapshot()).ok());
  EXPECT_EQ(*Open(Snapshot())->AgentId(), id);
  EXPECT_EQ(*StateStore::SchemaVersionOf(Snapshot()), StateStore::OwnSchemaVersion());
}

TEST_F(RestoreTest, ATrialsCopyHasAllButTheSpool) {
  fs::create_directory(Snapshots());
  const std::string taken = IdOf(absl::ZeroDuration());
  Take(taken);
  Spool(taken);
  TakePolicy(3);
  const auto store = Open(Database());
  const std::string id = *store->AgentId();
  const std::string cancelled = IdOf(absl::Minutes(1));
  ASSERT_TRUE(*store->JournalCancelled(cancelled));
  const absl::Status copied = store->CopyTo(Snapshot(), StateStore::Spool::kWithout);
  ASSERT_TRUE(copied.ok()) << copied;
  struct stat info;
  ASSERT_EQ(::stat(Snapshot().c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 07777, 0600U);
  EXPECT_EQ(*StateStore::SchemaVersionOf(Snapshot()), StateStore::OwnSchemaVersion());
  const auto copy = Open(Snapshot());
  EXPECT_EQ(*copy->AgentId(), id);
  EXPECT_TRUE(*copy->JournalHolds(taken, 0));
  EXPECT_TRUE(*copy->WasCancelled(cancelled));
  EXPECT_EQ(copy->Interrupted()->size(), 1U);
  EXPECT_EQ((*copy->LoadTrustPolicy(fleet_.Pinned(), fleet_.id))->version(), 3U);
  EXPECT_EQ(copy->spooled_bytes(), 0U);
  EXPECT_TRUE(store->HoldsRecordsOf(taken).value());
  // And the agent goes on with its own.
  EXPECT_TRUE(store->JournalTaken(IdOf(absl::Hours(1)), 0, 1, now_).ok());
}

TEST_F(RestoreTest, ACopyThatHasNoRoomIsRefusedBeforeItBegins) {
  const testing::SmallDisk disk(directory_ + "/disk");
  if (!disk.mounted()) GTEST_SKIP() << "only root can mount a disk of its own";
  const auto store = Open(Database());
  const std::string action = IdOf(absl::ZeroDuration());
  for (uint64_t sequence = 1; sequence <= 4; ++sequence) {
    v1::ResultRecord record;
    record.set_action_id(action);
    record.set_sequence(sequence);
    record.mutable_rows()->add_rows(std::string(256 * 1024, 'r'));
    ASSERT_TRUE(store->Append({&record, 1}).ok());
  }
  const absl::Status status = store->CopyTo(directory_ + "/disk/copy.db");
  EXPECT_EQ(status.code(), absl::StatusCode::kResourceExhausted);
  EXPECT_THAT(std::string(status.message()), HasSubstr("are free"));
  EXPECT_FALSE(fs::exists(directory_ + "/disk/copy.db"));
  const absl::Status without =
      store->CopyTo(directory_ + "/disk/copy.db", StateStore::Spool::kWithout);
  EXPECT_TRUE(without.ok()) << without;
}

}  // namespace
}  // namespace dragnet
