#include "agent/monitor/state_store.h"

#include <signal.h>
#include <sqlite3.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>

#include "core/strings.h"
#include "core/testing.h"
#include "gtest/gtest.h"

namespace dragnet {
namespace {

using ::dragnet::testing::Fleet;

class StateStoreTest : public ::testing::Test {
 protected:
  void SetUp() override {
    char pattern[] = "/tmp/dragnet-state-XXXXXX";
    directory_ = ::mkdtemp(pattern);
    path_ = directory_ + "/agent.db";
    Reopen();
  }
  void TearDown() override {
    store_.reset();
    std::filesystem::remove_all(directory_);
  }
  void Reopen() {
    store_.reset();
    auto opened = StateStore::Open(path_);
    ASSERT_TRUE(opened.ok()) << opened.status();
    store_ = *std::move(opened);
  }
  // Into the file behind the store's back.
  void ExecuteSql(const std::string& sql) {
    store_.reset();
    sqlite3* database = nullptr;
    ASSERT_EQ(sqlite3_open(path_.c_str(), &database), SQLITE_OK);
    EXPECT_EQ(sqlite3_exec(database, sql.c_str(), nullptr, nullptr, nullptr), SQLITE_OK);
    sqlite3_close(database);
    Reopen();
  }
  static v1::ResultRecord RowsRecord(uint64_t sequence, std::string_view row = "row") {
    v1::ResultRecord record;
    record.set_action_id("action");
    record.set_sequence(sequence);
    record.mutable_rows()->add_rows(std::string(row));
    return record;
  }
  static v1::ResultRecord SummaryRecord(uint64_t sequence) {
    v1::ResultRecord record;
    record.set_action_id("action");
    record.set_sequence(sequence);
    record.mutable_summary()->set_outcome(v1::OUTCOME_CLEAN);
    return record;
  }
  static v1::RecordKey KeyOf(const v1::ResultRecord& record) {
    v1::RecordKey key;
    key.set_action_id(record.action_id());
    key.set_operation(record.operation());
    key.set_sequence(record.sequence());
    key.set_envelope_sha256(record.refusal().envelope_sha256());
    return key;
  }
  absl::Status Append(const std::vector<v1::ResultRecord>& records) {
    return store_->Append(records);
  }
  std::vector<v1::ResultRecord> Spool() {
    std::vector<v1::ResultRecord> records;
    int64_t position = 0;
    while (auto next = *store_->NextAfter(position)) {
      position = next->position;
      EXPECT_TRUE(records.emplace_back().ParseFromString(next->bytes));
    }
    return records;
  }

  absl::StatusOr<std::vector<int64_t>> Acknowledge(const v1::ResultRecord& record) {
    return store_->Acknowledge(std::vector{KeyOf(record)});
  }
  void FillDrainAndShrink() {
    std::vector<v1::RecordKey> keys;
    for (uint64_t i = 1; i <= 200; ++i) {
      ASSERT_TRUE(Append({RowsRecord(i, std::string(100'000, 'x'))}).ok());
      keys.push_back(KeyOf(RowsRecord(i)));
    }
    const auto shrink = [&] {
      int steps = 0;
      for (absl::StatusOr<bool> more = true; *more; ++steps) {
        more = store_->Shrink();
        EXPECT_TRUE(more.ok()) << more.status();
        if (!more.ok()) break;
      }
      return steps;
    };
    EXPECT_EQ(shrink(), 1) << "nothing to give back";
    EXPECT_GT(std::filesystem::file_size(path_), 10'000'000u);
    // The last record stays, at the end of the file.
    ASSERT_TRUE(store_->Acknowledge(std::span(keys).first(199)).ok());
    EXPECT_GT(shrink(), 5) << "in small parts";
    EXPECT_LT(std::filesystem::file_size(path_), 2'000'000u);
    ASSERT_EQ(Spool().size(), 1u);
    EXPECT_EQ(Spool()[0].rows().rows(0).size(), 100'000u);
    Reopen();
    EXPECT_EQ(Spool().size(), 1u);
  }

  Fleet fleet_;
  std::string directory_;
  std::string path_;
  std::unique_ptr<StateStore> store_;
};

TEST_F(StateStoreTest, TheFileIsForItsOwnerOnly) {
  struct stat info;
  ASSERT_EQ(::stat(path_.c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 0777, 0600u);
}

TEST_F(StateStoreTest, TheAgentKeepsItsId) {
  const std::string id = *store_->AgentId();
  EXPECT_TRUE(IsUuid(id));
  Reopen();
  EXPECT_EQ(*store_->AgentId(), id);
}

TEST_F(StateStoreTest, ASecondMonitorIsRefused) {
  ASSERT_TRUE(store_->AgentId().ok());
  EXPECT_EQ(StateStore::Open(path_).status().code(), absl::StatusCode::kFailedPrecondition);
}

TEST_F(StateStoreTest, WhatIsNotADatabaseIsRefusedByName) {
  store_.reset();
  ASSERT_EQ(::truncate(path_.c_str(), 0), 0);
  std::filesystem::remove(path_ + "-wal");
  {
    FILE* file = ::fopen(path_.c_str(), "w");
    ::fputs(std::string(8192, 'x').c_str(), file);
    ::fclose(file);
  }
  const auto opened = StateStore::Open(path_);
  EXPECT_EQ(opened.status().code(), absl::StatusCode::kDataLoss) << opened.status();
}

TEST_F(StateStoreTest, AnActionIsTakenOnce) {
  EXPECT_FALSE(*store_->JournalHolds("action", 0));
  EXPECT_TRUE(store_->JournalTaken("action", 0, 1, fleet_.now).ok());
  EXPECT_EQ(store_->JournalTaken("action", 0, 1, fleet_.now).code(),
            absl::StatusCode::kAlreadyExists);
  Reopen();
  EXPECT_TRUE(*store_->JournalHolds("action", 0));
  // Another occurrence is another run.
  EXPECT_FALSE(*store_->JournalHolds("action", 1));
}

TEST_F(StateStoreTest, ClocksDoNotMakeTheJournalForget) {
  ASSERT_TRUE(store_->JournalTaken("old", 0, 0, absl::FromUnixSeconds(0)).ok());
  ASSERT_TRUE(store_->JournalTaken("new", 0, 0, absl::FromUnixSeconds(4'000'000'000)).ok());
  EXPECT_TRUE(*store_->JournalHolds("old", 0));
}

TEST_F(StateStoreTest, WhatTheJournalForgetsIsNotRunAgain) {
  ASSERT_TRUE(store_->JournalTaken("00000001", 0, 0, fleet_.now).ok());
  ASSERT_TRUE(store_->JournalTaken("00000002", 0, 0, fleet_.now).ok());
  ExecuteSql(StrCat("UPDATE journal SET entry=entry+", StateStore::kMaxJournalEntries,
                    " WHERE action_id='00000002'"));
  ASSERT_TRUE(store_->JournalTaken("00000009", 0, 0, fleet_.now).ok());
  EXPECT_TRUE(*store_->JournalHolds("00000001", 0));
  EXPECT_TRUE(*store_->JournalHolds("00000000", 0)) << "made before what was forgotten";
  EXPECT_TRUE(*store_->JournalHolds("00000002", 0));
  EXPECT_FALSE(*store_->JournalHolds("00000003", 0));
}

TEST_F(StateStoreTest, AnIdFromTheFutureDoesNotBecomeTheFloorAndIsNotRunAgain) {
  const std::string future = "fffffffe-ffff-7fff-bfff-ffffffffffff";
  const std::string old = NewUuidV7(fleet_.now - absl::Hours(1));
  ASSERT_TRUE(store_->JournalTaken(future, 0, 0, fleet_.now).ok());
  ASSERT_TRUE(store_->JournalTaken(old, 0, 0, fleet_.now).ok());
  const std::string last = NewUuidV7(fleet_.now);
  ASSERT_TRUE(store_->JournalTaken(last, 0, 0, fleet_.now).ok());
  ExecuteSql(StrCat("UPDATE journal SET entry=entry+", StateStore::kMaxJournalEntries,
                    " WHERE action_id='", last, "'"));
  ASSERT_TRUE(store_->JournalTaken(NewUuidV7(fleet_.now), 0, 0, fleet_.now).ok());
  EXPECT_TRUE(*store_->JournalHolds(future, 0));
  EXPECT_TRUE(*store_->JournalHolds(old, 0));
  EXPECT_FALSE(*store_->JournalHolds(NewUuidV7(fleet_.now + absl::Minutes(1)), 0));
}

TEST_F(StateStoreTest, CancellationsAreBoundedAndPushNothingOutOfTheJournal) {
  const std::string ran = NewUuidV7(fleet_.now);
  ASSERT_TRUE(store_->JournalTaken(ran, 0, 0, fleet_.now).ok());
  EXPECT_FALSE(*store_->JournalCancelled(ran)) << "it ran already";
  EXPECT_TRUE(*store_->JournalCancelled("first"));
  EXPECT_FALSE(*store_->JournalCancelled("first"));
  EXPECT_TRUE(*store_->JournalCancelled("second"));
  EXPECT_EQ(store_->JournalTaken("first", 0, 1, fleet_.now).code(),
            absl::StatusCode::kAlreadyExists);
  // As if so many had come in between.
  ExecuteSql(StrCat("UPDATE cancelled SET entry=entry+", StateStore::kMaxCancelled - 1,
                    " WHERE action_id='second'"));
  EXPECT_TRUE(*store_->JournalCancelled("fffffffe-ffff-7fff-bfff-ffffffffffff"));
  EXPECT_FALSE(*store_->WasCancelled("first")) << "the oldest goes";
  EXPECT_TRUE(*store_->WasCancelled("second"));
  EXPECT_TRUE(*store_->JournalHolds(ran, 0));
  EXPECT_FALSE(*store_->JournalHolds(NewUuidV7(fleet_.now), 0)) << "no floor from the future";
}

TEST_F(StateStoreTest, CancellationsInTheJournalOfVersionOneMoveToTheirOwnTable) {
  ASSERT_TRUE(store_->JournalTaken("ran", 0, 0, fleet_.now).ok());
  ExecuteSql(
      "DROP TABLE cancelled; DROP TABLE standing; PRAGMA user_version=1;"
      "INSERT INTO journal(action_id, occurrence, taken_at) "
      "VALUES('stopped',0,1),('stopped',-1,1)");
  EXPECT_TRUE(*store_->WasCancelled("stopped"));
  EXPECT_TRUE(*store_->JournalHolds("stopped", 0));
  EXPECT_FALSE(*store_->WasCancelled("ran"));
  EXPECT_TRUE(*store_->JournalHolds("ran", 0));
  Reopen();
  EXPECT_TRUE(*store_->WasCancelled("stopped"));
}

// ---- recurring actions

StoredStanding StandingOf(const std::string& id, absl::Time taken_at) {
  StoredStanding standing;
  standing.action_id = id;
  standing.envelope = "envelope of " + id;
  standing.taken_at = taken_at;
  return standing;
}

TEST_F(StateStoreTest, AStoreOfVersionTwoGetsATableOfRecurringActions) {
  ASSERT_TRUE(store_->JournalTaken("ran", 0, 0, fleet_.now).ok());
  ASSERT_TRUE(*store_->JournalCancelled("stopped"));
  ExecuteSql("DROP TABLE standing; PRAGMA user_version=2;");
  EXPECT_TRUE(*store_->JournalHolds("ran", 0));
  EXPECT_TRUE(*store_->WasCancelled("stopped"));
  EXPECT_TRUE(store_->Standing()->empty());
  ASSERT_TRUE(store_->TakeStanding(StandingOf("a", fleet_.now), fleet_.now).ok());
  Reopen();
  EXPECT_EQ(store_->Standing()->size(), 1u);
}

TEST_F(StateStoreTest, ARecurringActionStandsAndIsInTheJournal) {
  StoredStanding standing = StandingOf("a", fleet_.now);
  standing.order.order_id = "pause";
  standing.order.kind = v1::Order::KIND_PAUSE;
  standing.order.words = "paused by ida";
  standing.order.expires = fleet_.now + absl::Hours(1);
  standing.order.envelope_sha256 = std::string("\0sha", 4);
  ASSERT_TRUE(store_->TakeStanding(standing, fleet_.now).ok());
  EXPECT_TRUE(absl::IsAlreadyExists(store_->TakeStanding(standing, fleet_.now)));
  EXPECT_TRUE(*store_->JournalHolds("a", 0));
  EXPECT_TRUE(absl::IsAlreadyExists(store_->JournalTaken("a", 0, 1, fleet_.now)));
  Reopen();
  const auto all = *store_->Standing();
  ASSERT_EQ(all.size(), 1u);
  EXPECT_EQ(all[0].envelope, standing.envelope);
  EXPECT_EQ(all[0].taken_at, fleet_.now);
  EXPECT_EQ(all[0].last_occurrence, absl::UnixEpoch());
  EXPECT_EQ(all[0].order.order_id, "pause");
  EXPECT_EQ(all[0].order.kind, v1::Order::KIND_PAUSE);
  EXPECT_EQ(all[0].order.words, "paused by ida");
  EXPECT_EQ(all[0].order.expires, standing.order.expires);
  EXPECT_EQ(all[0].order.envelope_sha256, standing.order.envelope_sha256);
}

TEST_F(StateStoreTest, AnOccurrenceIsBegunOrPassedOverOnceAndOnlyForward) {
  ASSERT_TRUE(store_->TakeStanding(StandingOf("a", fleet_.now), fleet_.now).ok());
  ASSERT_TRUE(store_->BeginOccurrence("a", fleet_.now + absl::Hours(2), 2).ok());
  Reopen();
  for (const int hours : {2, 1}) {
    const absl::Time time = fleet_.now + absl::Hours(hours);
    EXPECT_TRUE(absl::IsAlreadyExists(store_->BeginOccurrence("a", time, 2)));
    EXPECT_TRUE(absl::IsAlreadyExists(
        store_->AdvanceStanding("a", time, v1::Refusal::REASON_NOT_TARGETED)));
  }
  // Nor one of an action that doesn't stand.
  EXPECT_TRUE(absl::IsAlreadyExists(store_->BeginOccurrence("b", fleet_.now, 1)));
  auto interrupted = *store_->Interrupted();
  ASSERT_EQ(interrupted.size(), 2u);
  EXPECT_EQ(interrupted[0].occurrence, absl::ToUnixSeconds(fleet_.now) + 7200);
  ASSERT_TRUE(
      store_->AdvanceStanding("a", fleet_.now + absl::Hours(3), v1::Refusal::REASON_NOT_TARGETED)
          .ok());
  EXPECT_EQ(store_->Interrupted()->size(), 2u) << "nothing of it will run";
  EXPECT_EQ((*store_->Standing())[0].refused, v1::Refusal::REASON_NOT_TARGETED);
}

TEST_F(StateStoreTest, ACancelledRecurringActionIsGoneForGood) {
  ASSERT_TRUE(store_->TakeStanding(StandingOf("a", fleet_.now), fleet_.now).ok());
  ASSERT_TRUE(store_->TakeStanding(StandingOf("b", fleet_.now), fleet_.now).ok());
  ASSERT_TRUE(store_->CancelStanding("a").ok());
  ASSERT_TRUE(store_->RemoveStanding("b").ok());
  Reopen();
  EXPECT_TRUE(store_->Standing()->empty());
  EXPECT_TRUE(*store_->WasCancelled("a"));
  EXPECT_FALSE(*store_->WasCancelled("b"));
  for (const char* id : {"a", "b"}) {
    EXPECT_TRUE(
        absl::IsAlreadyExists(store_->TakeStanding(StandingOf(id, fleet_.now), fleet_.now)));
    EXPECT_TRUE(absl::IsAlreadyExists(store_->BeginOccurrence(id, fleet_.now + absl::Hours(1), 1)));
  }
}

TEST_F(StateStoreTest, OperationsWithoutASummaryAreInterrupted) {
  ASSERT_TRUE(store_->JournalTaken("action", 0, 2, fleet_.now).ok());
  ASSERT_TRUE(Append({RowsRecord(1)}).ok());
  ASSERT_TRUE(Append({SummaryRecord(2)}).ok());
  Reopen();
  const auto interrupted = *store_->Interrupted();
  ASSERT_EQ(interrupted.size(), 1u);
  EXPECT_EQ(interrupted[0].operation, 1u);
  EXPECT_EQ(interrupted[0].next_sequence, 1u);
}

TEST_F(StateStoreTest, AnInterruptedOperationGoesOnInItsSequence) {
  ASSERT_TRUE(store_->JournalTaken("action", 0, 1, fleet_.now).ok());
  ASSERT_TRUE(Append({RowsRecord(1)}).ok());
  ASSERT_TRUE(Append({RowsRecord(2)}).ok());
  ASSERT_TRUE(Acknowledge(RowsRecord(1)).ok());
  Reopen();
  const auto interrupted = *store_->Interrupted();
  ASSERT_EQ(interrupted.size(), 1u);
  EXPECT_EQ(interrupted[0].next_sequence, 3u);
  EXPECT_EQ(interrupted[0].rows, 2u);
}

TEST_F(StateStoreTest, RecordsStayInOrderUntilTheyAreAcknowledged) {
  for (const uint64_t sequence : {1, 2, 3}) ASSERT_TRUE(Append({RowsRecord(sequence)}).ok());
  ASSERT_TRUE(Append({RowsRecord(2)}).ok());  // again: changes nothing
  EXPECT_EQ(Spool().size(), 3u);
  EXPECT_EQ(Acknowledge(RowsRecord(2))->size(), 1u);
  EXPECT_EQ(Acknowledge(RowsRecord(2))->size(), 0u);
  Reopen();
  const auto records = Spool();
  ASSERT_EQ(records.size(), 2u);
  EXPECT_EQ(records[0].sequence(), 1u);
  EXPECT_EQ(records[1].sequence(), 3u);
}

TEST_F(StateStoreTest, TheSpoolKnowsItsSize) {
  EXPECT_EQ(store_->spooled_bytes(), 0u);
  ASSERT_TRUE(Append({RowsRecord(1, std::string(10000, 'x'))}).ok());
  EXPECT_GT(store_->spooled_bytes(), 10000u);
  const uint64_t before = store_->spooled_bytes();
  Reopen();
  EXPECT_EQ(store_->spooled_bytes(), before);
  ASSERT_TRUE(Acknowledge(RowsRecord(1)).ok());
  EXPECT_EQ(store_->spooled_bytes(), 0u);
}

// A disk that changes bytes must neither hold a place of the window for ever nor
// make an operation look as if it still ran.
TEST_F(StateStoreTest, DamagedRecordsLeaveAGapAndADamagedEndIsTold) {
  ASSERT_TRUE(store_->JournalTaken("action", 0, 1, fleet_.now).ok());
  for (const uint64_t sequence : {1, 2}) ASSERT_TRUE(Append({RowsRecord(sequence)}).ok());
  const int64_t first = (*store_->NextAfter(0))->position;
  const int64_t second = (*store_->NextAfter(first))->position;
  // More of its operation may come: it isn't its end.
  EXPECT_FALSE(store_->ReplaceUnreadable(second)->has_value());
  ASSERT_TRUE(Append({SummaryRecord(3)}).ok());
  EXPECT_FALSE(store_->ReplaceUnreadable(first)->has_value());
  const auto replaced = store_->ReplaceUnreadable((*store_->NextAfter(0))->position);
  ASSERT_TRUE(replaced.ok()) << replaced.status();
  ASSERT_TRUE(replaced->has_value());
  EXPECT_EQ((*replaced)->sequence(), 3u);
  EXPECT_EQ((*replaced)->summary().outcome(), v1::OUTCOME_INCOMPLETE);
  const auto spool = Spool();
  ASSERT_EQ(spool.size(), 1u);
  EXPECT_EQ(spool[0].SerializeAsString(), (*replaced)->SerializeAsString());
  EXPECT_EQ(store_->spooled_bytes(), spool[0].ByteSizeLong());
  EXPECT_FALSE(store_->ReplaceUnreadable(12345)->has_value());
  // Refusals, too, have a place.
  ExecuteSql(
      "INSERT INTO spool(action_id, occurrence, operation, sequence, envelope_sha256, record)"
      " VALUES('action', 0, 0, 0, x'01', x'ff')");
  const auto refusal = store_->NextAfter((*store_->NextAfter(0))->position);
  EXPECT_FALSE(store_->ReplaceUnreadable((*refusal)->position)->has_value());
  EXPECT_EQ(Spool().size(), 1u);
}

TEST_F(StateStoreTest, RefusalsAreBounded) {
  for (int64_t i = 0; i < StateStore::kMaxSpooledRefusals + 5; ++i) {
    v1::ResultRecord record;
    record.mutable_refusal()->set_envelope_sha256(Sha256(StrCat(i)));
    const auto kept = store_->AppendRefusal(record);
    ASSERT_TRUE(kept.ok());
    EXPECT_EQ(*kept, i < StateStore::kMaxSpooledRefusals);
  }
}

TEST_F(StateStoreTest, AnAcknowledgedRefusalMakesRoom) {
  v1::ResultRecord record;
  record.mutable_refusal()->set_envelope_sha256("digest");
  ASSERT_TRUE(*store_->AppendRefusal(record));
  Reopen();
  EXPECT_EQ(store_->spooled_bytes(), 0u) << "bounded by their number, not by the spool's bytes";
  EXPECT_EQ(Acknowledge(record)->size(), 1u);
  EXPECT_EQ(store_->spooled_bytes(), 0u);
  // Room for all of them again.
  for (int64_t i = 0; i < StateStore::kMaxSpooledRefusals; ++i) {
    record.mutable_refusal()->set_envelope_sha256(StrCat(i));
    ASSERT_TRUE(*store_->AppendRefusal(record)) << i;
  }
}

TEST_F(StateStoreTest, ManyAreForgottenAtOnceAndUnknownOnesChangeNothing) {
  for (uint64_t i = 1; i <= 5; ++i) ASSERT_TRUE(Append({RowsRecord(i)}).ok());
  const std::vector<v1::RecordKey> keys = {KeyOf(RowsRecord(4)), KeyOf(RowsRecord(1)),
                                           KeyOf(RowsRecord(1)), KeyOf(RowsRecord(77))};
  const auto positions = store_->Acknowledge(keys);
  ASSERT_TRUE(positions.ok());
  EXPECT_EQ(*positions, (std::vector<int64_t>{4, 1}));
  EXPECT_EQ(Spool().size(), 3u);
}

TEST_F(StateStoreTest, TheFileShrinksAfterALargeSpoolHasDrained) { FillDrainAndShrink(); }

TEST_F(StateStoreTest, AFileThatWasMadeWithoutThatShrinksToo) {
  ExecuteSql("PRAGMA auto_vacuum=NONE; VACUUM");
  Reopen();
  FillDrainAndShrink();
}

TEST_F(StateStoreTest, ThePolicySurvivesAndChangedPinsStartAnew) {
  const TrustPolicy policy = fleet_.Policy(7);
  // Nothing was said of it, as by versions before this one.
  EXPECT_TRUE(*store_->TookPolicyWith("CA"));
  ASSERT_TRUE(store_->SaveTrustPolicy(policy, fleet_.Pinned(), "CA").ok());
  EXPECT_TRUE(*store_->TookPolicyWith("CA"));
  EXPECT_FALSE(*store_->TookPolicyWith("another CA"));
  Reopen();
  EXPECT_EQ((*store_->LoadTrustPolicy(fleet_.Pinned(), fleet_.id))->version(), 7u);
  // The same keys in another order are the same pins.
  const RootSet reordered =
      *RootSet::Create({fleet_.roots[1].public_key(), fleet_.roots[0].public_key()}, 2);
  EXPECT_TRUE((*store_->LoadTrustPolicy(reordered, fleet_.id)).has_value());
  const RootSet other = *RootSet::Create({fleet_.roots[0].public_key()}, 1);
  EXPECT_FALSE((*store_->LoadTrustPolicy(other, fleet_.id)).has_value());
}

// What was said to be durable is there after kill -9 at any moment.
TEST_F(StateStoreTest, KillNineLosesNothingThatWasSaidToBeDurable) {
  store_.reset();
  for (int round = 0; round < 10; ++round) {
    int said[2];
    ASSERT_EQ(::pipe(said), 0);
    const pid_t child = ::fork();
    if (child == 0) {
      auto store = StateStore::Open(path_);
      if (!store.ok()) ::_exit(1);
      for (uint64_t i = 1;; ++i) {
        const uint64_t sequence = static_cast<uint64_t>(round) * 100000 + i;
        if (!(*store)->Append(std::vector{RowsRecord(sequence)}).ok()) ::_exit(1);
        if (::write(said[1], &sequence, sizeof sequence) != sizeof sequence) ::_exit(1);
      }
    }
    ::close(said[1]);
    std::vector<uint64_t> durable;
    uint64_t sequence = 0;
    while (durable.size() < 20u + static_cast<size_t>(round) &&
           ::read(said[0], &sequence, sizeof sequence) == sizeof sequence) {
      durable.push_back(sequence);
    }
    ::kill(child, SIGKILL);
    ::waitpid(child, nullptr, 0);
    ::close(said[0]);
    ASSERT_FALSE(durable.empty());
    Reopen();
    std::set<uint64_t> there;
    for (const auto& record : Spool()) there.insert(record.sequence());
    for (const uint64_t expected : durable) EXPECT_TRUE(there.contains(expected)) << expected;
    store_.reset();
  }
}

}  // namespace
}  // namespace dragnet
