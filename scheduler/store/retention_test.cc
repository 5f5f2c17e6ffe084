#include "scheduler/store/retention.h"

#include <gmock/gmock.h>

#include <future>
#include <vector>

#include "core/clock.h"
#include "core/envelope.h"
#include "core/keys.h"
#include "core/strings.h"
#include "core/uuid.h"
#include "scheduler/store/schema.h"
#include "scheduler/store/sqlite_store.h"
#include "scheduler/testing/sweep_documents.h"
#include "scheduler/testing/temporary_directory.h"

namespace dragnet::scheduler {
namespace {

using ::testing::HasSubstr;

const absl::Time kStart = absl::FromUnixSeconds(1'800'000'000);
constexpr absl::Duration kDay = absl::Hours(24);

class RetentionTest : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_TRUE(SqliteStore::Create(path_).ok());
    store_ = *SqliteStore::Open(path_, StoreUse::kRun);
    ASSERT_TRUE(
        store_->AddToken({.sha256 = "t", .expires = kStart + kDay, .uses_left = 9, .labels = {}})
            .ok());
    for (const char* name : {"a", "b"}) AddAgent(name);
  }

  void AddAgent(const std::string& name) {
    Enrolment enrolment;
    enrolment.agent_id = NewUuidV4();
    enrolment.spki = "key";
    enrolment.token_sha256 = "t";
    enrolment.facts.set_id(enrolment.agent_id);
    enrolment.facts.set_name(name);
    enrolment.certificate = {.fingerprint = NewUuidV4(),
                             .identity = "spiffe://fleet/agent/" + enrolment.agent_id,
                             .issued_at = kStart,
                             .not_after = kStart + 30 * kDay};
    ASSERT_TRUE(store_->EnrolAgent(enrolment, kStart).ok());
    agents_.push_back(enrolment.agent_id);
  }

  // Launched now, expires in an hour; both agents answered.
  std::string AddEndedAction(int records, size_t bytes = 100) {
    const std::string id = NewUuidV7(clock_.Now());
    StoredAction action;
    action.id = id;
    action.envelope = "signed";
    action.signed_by = {"alice"};
    action.launched_at = clock_.Now();
    action.expires = clock_.Now() + absl::Hours(1);
    action.bounds = {{.rows = 1'000'000, .bytes = uint64_t{1} << 40}};
    EXPECT_TRUE(store_->AddAction(action, agents_).ok());
    for (const std::string& agent : agents_) {
      // Not one by one: a commit each would take its time.
      for (int i = 1; i <= records; ++i)
        store_->AppendRecord(agent, Rows(id, i, bytes), absl::Now(),
                             [](absl::StatusOr<Appended> appended) {
                               EXPECT_TRUE(appended.ok() && appended->dropped.ok());
                             });
      EXPECT_TRUE(Append(agent, Summary(id, records + 1, records)).ok());
    }
    return id;
  }

  static v1::ResultRecord Rows(const std::string& action, int sequence, size_t bytes) {
    v1::ResultRecord record;
    record.set_action_id(action);
    record.set_sequence(static_cast<uint64_t>(sequence));
    record.mutable_rows()->add_rows(std::string(bytes, 'r'));
    return record;
  }

  static v1::ResultRecord Summary(const std::string& action, int sequence, int rows) {
    v1::ResultRecord record;
    record.set_action_id(action);
    record.set_sequence(static_cast<uint64_t>(sequence));
    record.mutable_summary()->set_outcome(v1::OUTCOME_FOUND);
    record.mutable_summary()->set_termination(v1::TERMINATION_COMPLETED);
    record.mutable_summary()->set_rows(static_cast<uint64_t>(rows));
    return record;
  }

  absl::StatusOr<Appended> Append(const std::string& agent, const v1::ResultRecord& record) {
    std::promise<absl::StatusOr<Appended>> done;
    store_->AppendRecord(agent, record, clock_.Now(),
                         [&](absl::StatusOr<Appended> appended) { done.set_value(appended); });
    return done.get_future().get();
  }

  std::unique_ptr<Retention> Open(RetentionRules rules) {
    absl::StatusOr<std::unique_ptr<Retention>> retention = Retention::Open(*store_, clock_, rules);
    EXPECT_TRUE(retention.ok()) << retention.status();
    return *std::move(retention);
  }

  // As long as there is something to do; how many steps it took.
  int Work(Retention& retention) {
    EXPECT_TRUE(store_->CloseExpired(clock_.Now()).ok());
    for (int steps = 1; steps < 10'000; ++steps) {
      const absl::StatusOr<bool> more = retention.Step();
      EXPECT_TRUE(more.ok()) << more.status();
      if (!more.ok() || !*more) return steps;
    }
    ADD_FAILURE() << "it never ends";
    return 0;
  }

  int64_t RecordsOf(const std::string& action) {
    auto reader = OpenForReading(path_);
    return *(*reader)->IntegerOr(
        -1, "SELECT count(*) FROM records WHERE action = (SELECT no FROM actions WHERE id = ?)",
        action);
  }

  static RetentionRules ByAge(absl::Duration age) {
    return {.age = age, .clock_hold = absl::ZeroDuration()};
  }

  TemporaryDirectory directory_;
  const std::string path_ = directory_.path() + "/test.db";
  FakeClock clock_{kStart};
  std::unique_ptr<SqliteStore> store_;
  std::vector<std::string> agents_;
};

TEST_F(RetentionTest, OldResultsGoAndWhatHappenedStays) {
  const std::string old = AddEndedAction(600);
  clock_.Advance(20 * kDay);
  const std::string recent = AddEndedAction(3);
  clock_.Advance(11 * kDay);
  const auto retention = Open(ByAge(30 * kDay));
  // In small steps, so that others' commits come in between.
  EXPECT_GT(Work(*retention), 4);

  EXPECT_EQ(RecordsOf(old), 0);
  EXPECT_EQ(RecordsOf(recent), 6);
  EXPECT_EQ(retention->Of(old)->removed_at, clock_.Now());
  EXPECT_EQ(retention->Of(recent)->removed_at, std::nullopt);
  const StoredAction action = *store_->FindAction(old);
  EXPECT_EQ(action.envelope, "signed");
  EXPECT_THAT(action.signed_by, ::testing::ElementsAre("alice"));
  const std::vector<PairState> pairs = *store_->Pairs(old);
  ASSERT_EQ(pairs.size(), 2u);
  for (const PairState& pair : pairs) {
    EXPECT_EQ(pair.state, v1::DISPATCH_STATE_FOUND);
    EXPECT_EQ(pair.rows, 600u);
  }
  // No summaries, no rows: only the states are left to be read.
  const std::vector<Change> changes = *store_->ReadChanges(old, 0, 1 << 20);
  for (const Change& change : changes) {
    EXPECT_FALSE(change.rows.has_value());
    EXPECT_FALSE(change.pair.operations[0].summary.has_value());
  }
}

TEST_F(RetentionTest, ActiveActionsAreNeverTouched) {
  const std::string id = AddEndedAction(3);
  // Its hour is not over.
  clock_.Advance(absl::Minutes(50));
  const auto retention = Open({.age = absl::Seconds(1), .bytes = 1, .clock_hold = {}});
  Work(*retention);
  EXPECT_EQ(RecordsOf(id), 6);
  EXPECT_TRUE(retention->over_its_bytes());
}

TEST_F(RetentionTest, KeptActionsStayUntilTheirDay) {
  const std::string id = AddEndedAction(3);
  const auto retention = Open(ByAge(30 * kDay));
  ASSERT_TRUE(retention->Keep(id, kStart + 100 * kDay).ok());
  clock_.Advance(99 * kDay);
  Work(*retention);
  EXPECT_EQ(RecordsOf(id), 6);
  clock_.Advance(2 * kDay);
  Work(*retention);
  EXPECT_EQ(RecordsOf(id), 0);
}

TEST_F(RetentionTest, KeepCanBeTakenBackAndComesTooLateAfterwards) {
  const std::string id = AddEndedAction(3);
  const auto retention = Open(ByAge(30 * kDay));
  ASSERT_TRUE(retention->Keep(id, kStart + 100 * kDay).ok());
  ASSERT_TRUE(retention->Keep(id, std::nullopt).ok());
  clock_.Advance(40 * kDay);
  Work(*retention);
  EXPECT_EQ(RecordsOf(id), 0);
  const absl::Status late = retention->Keep(id, kStart + 100 * kDay);
  EXPECT_TRUE(absl::IsFailedPrecondition(late)) << late;
  EXPECT_THAT(late.ToString(), HasSubstr("removed on 2027-02-24"));
  EXPECT_TRUE(absl::IsNotFound(retention->Keep(NewUuidV7(clock_.Now()), std::nullopt)));
}

TEST_F(RetentionTest, BySizeTheOldestGoFirstAndOnlyAsManyAsNeeded) {
  const std::string first = AddEndedAction(40, 50'000);
  clock_.Advance(kDay);
  const std::string second = AddEndedAction(40, 50'000);
  clock_.Advance(kDay);
  const std::string third = AddEndedAction(40, 50'000);
  clock_.Advance(kDay);
  // 4 MB each; one has to go.
  const auto retention = Open({.bytes = 10'000'000, .clock_hold = absl::ZeroDuration()});
  Work(*retention);
  EXPECT_EQ(RecordsOf(first), 0);
  EXPECT_EQ(RecordsOf(second), 80);
  EXPECT_EQ(RecordsOf(third), 80);
  EXPECT_FALSE(retention->over_its_bytes());
}

TEST_F(RetentionTest, RoomIsGivenBackToTheFileSystem) {
  AddEndedAction(200, 50'000);
  clock_.Advance(40 * kDay);
  auto reader = OpenForReading(path_);
  const int64_t before = *(*reader)->IntegerOr(0, "PRAGMA page_count");
  Work(*Open(ByAge(30 * kDay)));
  EXPECT_LT(*(*reader)->IntegerOr(0, "PRAGMA page_count"), before / 2);
}

// Half of an action's results must not pass for all of them.
TEST_F(RetentionTest, WhatWasBegunIsBroughtToItsEndByTheNextRun) {
  const std::string id = AddEndedAction(600);
  clock_.Advance(40 * kDay);
  {
    const auto retention = Open(ByAge(30 * kDay));
    ASSERT_TRUE(store_->CloseExpired(clock_.Now()).ok());
    ASSERT_TRUE(*retention->Step());
    ASSERT_TRUE(*retention->Step());
    EXPECT_GT(RecordsOf(id), 0);
    EXPECT_LT(RecordsOf(id), 1200);
    EXPECT_TRUE(retention->Of(id)->removed_at.has_value());
  }
  Work(*Open({.clock_hold = absl::ZeroDuration()}));
  EXPECT_EQ(RecordsOf(id), 0);
}

TEST_F(RetentionTest, WhatComesAfterwardsIsRefusedAndNamed) {
  const std::string id = AddEndedAction(3);
  clock_.Advance(40 * kDay);
  Work(*Open(ByAge(30 * kDay)));
  for (const v1::ResultRecord& record : {Rows(id, 1, 100), Rows(id, 9, 100), Summary(id, 4, 3)}) {
    const absl::StatusOr<Appended> appended = Append(agents_[0], record);
    ASSERT_TRUE(appended.ok());
    EXPECT_THAT(appended->dropped.ToString(), HasSubstr("retention has removed"));
  }
  EXPECT_EQ(RecordsOf(id), 0);
  EXPECT_EQ((*store_->Pairs(id))[0].rows, 3u);
  EXPECT_EQ(store_->Refusals(agents_[0], 10)->size(), 1u);
}

// An agent that never answered, and does after the results are gone.
TEST_F(RetentionTest, NoAgentRewritesItsStateAfterwards) {
  const std::string id = AddEndedAction(3);
  AddAgent("late");
  ASSERT_TRUE(store_->AddPair(id, agents_[2], kStart).ok());
  const auto state = [&] {
    const std::vector<PairState> pairs = *store_->Pairs(id);
    for (const PairState& pair : pairs)
      if (pair.agent_id == agents_[2]) return pair.state;
    return v1::DISPATCH_STATE_UNSPECIFIED;
  };
  clock_.Advance(40 * kDay);
  Work(*Open(ByAge(30 * kDay)));
  ASSERT_EQ(state(), v1::DISPATCH_STATE_NEVER_SENT);
  v1::ResultRecord refusal;
  refusal.set_action_id(id);
  refusal.mutable_refusal()->set_reason(v1::Refusal::REASON_EXPIRED);
  ASSERT_TRUE(Append(agents_[2], refusal).ok());
  EXPECT_EQ(state(), v1::DISPATCH_STATE_NEVER_SENT);
  std::promise<absl::Status> accepted;
  store_->MarkAccepted(id, agents_[2], [&](absl::Status status) { accepted.set_value(status); });
  EXPECT_TRUE(accepted.get_future().get().ok());
  EXPECT_EQ(state(), v1::DISPATCH_STATE_NEVER_SENT);
  // It isn't lost, either.
  EXPECT_EQ(store_->Refusals(agents_[2], 10)->size(), 1u);
}

// One agent that fills the store must not have it throw away what the fleet has
// just found.
TEST_F(RetentionTest, BySizeNothingGoesThatEndedInTheLastDay) {
  const std::string old = AddEndedAction(3, 50'000);
  clock_.Advance(kDay + absl::Hours(2));
  const std::string evidence = AddEndedAction(3, 50'000);
  clock_.Advance(absl::Hours(24));
  const std::string flood = AddEndedAction(40, 50'000);
  clock_.Advance(absl::Minutes(90));
  const auto retention = Open({.bytes = 1'000'000, .clock_hold = absl::ZeroDuration()});
  // It ended 24.5 hours ago.
  Work(*retention);
  EXPECT_EQ(RecordsOf(old), 0);
  EXPECT_EQ(RecordsOf(evidence), 0);
  EXPECT_EQ(RecordsOf(flood), 80);
  EXPECT_TRUE(retention->over_its_bytes());
  const std::string next = AddEndedAction(3, 50'000);
  clock_.Advance(absl::Hours(23));
  Work(*retention);
  EXPECT_EQ(RecordsOf(flood), 80);
  clock_.Advance(absl::Hours(2));
  Work(*retention);
  EXPECT_EQ(RecordsOf(flood), 0);
  EXPECT_EQ(RecordsOf(next), 6);
}

TEST_F(RetentionTest, ClockThatJumpsRemovesNothing) {
  const std::string id = AddEndedAction(3);
  const auto retention = Open({.age = 30 * kDay, .clock_hold = kDay});
  Work(*retention);
  clock_.Advance(5000 * kDay);
  Work(*retention);
  EXPECT_TRUE(retention->held());
  EXPECT_EQ(RecordsOf(id), 6);
}

TEST_F(RetentionTest, ClockThatJumpedWhileNoSchedulerRanRemovesNothing) {
  const std::string id = AddEndedAction(3);
  Work(*Open({.age = 30 * kDay, .clock_hold = kDay}));
  clock_.Advance(5000 * kDay);
  const auto retention = Open({.age = 30 * kDay, .clock_hold = kDay});
  Work(*retention);
  EXPECT_TRUE(retention->held());
  EXPECT_EQ(RecordsOf(id), 6);
}

TEST_F(RetentionTest, ExpiredCertificatesGoExceptAnIdentitysLast) {
  const std::string identity = "spiffe://fleet/agent/" + agents_[0];
  ASSERT_TRUE(store_
                  ->AddCertificate({.fingerprint = "newer",
                                    .identity = identity,
                                    .issued_at = kStart,
                                    .not_after = kStart + 40 * kDay})
                  .ok());
  clock_.Advance(400 * kDay);
  Work(*Open({.clock_hold = absl::ZeroDuration()}));
  auto reader = OpenForReading(path_);
  EXPECT_EQ(*(*reader)->IntegerOr(0, "SELECT count(*) FROM certificates"), 2);
  EXPECT_TRUE(store_->FindCertificate("newer")->has_value());
  EXPECT_EQ(*(*reader)->IntegerOr(0, "SELECT count(*) FROM tokens"), 0);
  // It can still be revoked.
  EXPECT_TRUE(store_->RevokeIdentity(identity).ok());
}

class SweepRetentionTest : public RetentionTest {
 protected:
  static constexpr char kSweep[] = "0190a000-0000-7000-8000-00000000000a";
  // A day's beginning.
  static constexpr int64_t kBegin = 1'799'971'200;
  static int64_t Day(int number) { return kBegin + number * 86400; }

  void SetUp() override {
    RetentionTest::SetUp();
    const v1::Action document =
        SweepDocument(kSweep, "@daily", absl::FromUnixSeconds(kBegin),
                      absl::FromUnixSeconds(kBegin) + 100 * kDay, {"time", "disk"});
    StoredAction action;
    action.id = kSweep;
    action.envelope =
        NewEnvelope(kActionPayloadType, document.SerializeAsString()).SerializeAsString();
    action.launched_at = absl::FromUnixSeconds(kBegin);
    action.expires = absl::FromUnixSeconds(kBegin) + 100 * kDay;
    action.recurs_until = action.expires;
    action.bounds = {{.rows = 1000, .bytes = 1 << 20}};
    ASSERT_TRUE(store_->AddAction(action, agents_).ok());
  }
  absl::Status Tell(const std::string& agent, int day, std::string_view status) {
    v1::ResultRecord record;
    record.set_action_id(kSweep);
    record.set_occurrence(Day(day));
    record.set_sequence(1);
    record.mutable_rows()->add_rows(VerdictRow("time", status));
    record.mutable_rows()->add_rows(VerdictRow("disk", "pass"));
    const absl::StatusOr<Appended> appended = Append(agent, record);
    return appended.ok() ? appended->dropped : appended.status();
  }
  int64_t RowsIn(const std::string& what) {
    auto reader = OpenForReading(path_);
    return *(*reader)->IntegerOr(-1, StrCat("SELECT count(*) FROM ", what));
  }
};

TEST_F(SweepRetentionTest, OfARunGoRowsAndPairsAndItsCountsStay) {
  for (int day = 1; day <= 3; ++day) {
    clock_.Set(absl::FromUnixSeconds(Day(day)));
    for (const std::string& agent : agents_)
      ASSERT_TRUE(Tell(agent, day, day % 2 == 0 ? "fail" : "pass").ok());
  }
  const std::unique_ptr<Retention> retention = Open(ByAge(30 * kDay));
  // Two days after its occurrence it is closed; 30 days later it goes.
  clock_.Set(absl::FromUnixSeconds(Day(33)) + absl::Hours(1));
  Work(*retention);
  EXPECT_EQ(RecordsOf(RunId(kSweep, Day(1))), 0);
  EXPECT_EQ(RecordsOf(RunId(kSweep, Day(2))), 2);
  EXPECT_EQ(store_->Pairs(RunId(kSweep, Day(1)))->size(), 0u);
  EXPECT_EQ(store_->Pairs(RunId(kSweep, Day(2)))->size(), 2u);
  EXPECT_EQ(store_->Pairs(kSweep)->size(), 2u);
  EXPECT_TRUE(retention->Of(RunId(kSweep, Day(1)))->removed_at.has_value());
  const auto runs = store_->Runs(kSweep, absl::InfinitePast(), 10);
  ASSERT_EQ(runs->size(), 3u);
  EXPECT_EQ(runs->at(2).verdicts.passed(), 4u);
  EXPECT_EQ(runs->at(2).told, 2u);
  // What still comes for it, or for one before it, is acknowledged and dropped.
  const absl::Status late = Tell(agents_[0], 1, "pass");
  EXPECT_THAT(late.ToString(), HasSubstr("retention has removed"));
  EXPECT_THAT(Tell(agents_[0], 0, "pass").ToString(), HasSubstr("older than what retention"));
  EXPECT_EQ(store_->Runs(kSweep, absl::InfinitePast(), 10)->size(), 3u);
}

TEST_F(SweepRetentionTest, ChangesGoByTheirAgeAndWhoHasNotReadThemIsTold) {
  ASSERT_TRUE(Tell(agents_[0], 0, "fail").ok());
  const StreamPosition begin = *store_->StreamBegin();
  ASSERT_EQ(RowsIn("sweep_changes"), 1);
  // By the system's clock, which stored it.
  clock_.Set(absl::Now() + 31 * kDay);
  const std::unique_ptr<Retention> retention = Open(ByAge(30 * kDay));
  Work(*retention);
  EXPECT_EQ(RowsIn("sweep_changes"), 0);
  EXPECT_TRUE(absl::IsFailedPrecondition(store_->ReadAllChanges(begin, 1 << 20).status()));
  EXPECT_TRUE(store_->ReadAllChanges(*store_->StreamBegin(), 1 << 20).ok());
}

TEST_F(SweepRetentionTest, WithTheSweepGoItsVerdictsAndNotItsCounts) {
  for (const std::string& agent : agents_) ASSERT_TRUE(Tell(agent, 0, "fail").ok());
  clock_.Set(absl::FromUnixSeconds(Day(140)));
  const std::unique_ptr<Retention> retention = Open(ByAge(30 * kDay));
  Work(*retention);
  for (const char* table :
       {"sweep_states", "sweep_texts", "sweep_changes", "sweep_told", "sweep_agents"})
    EXPECT_EQ(RowsIn(table), 0) << table;
  EXPECT_EQ(store_->CountNewest(kSweep)->verdicts.failed(), 2u);
  EXPECT_EQ(store_->Runs(kSweep, absl::InfinitePast(), 10)->size(), 1u);
  EXPECT_THAT(Tell(agents_[0], 1, "pass").ToString(), HasSubstr("retention has removed"));
}

TEST_F(SweepRetentionTest, WhoKeepsASweepKeepsItsRuns) {
  ASSERT_TRUE(Tell(agents_[0], 0, "fail").ok());
  clock_.Set(absl::FromUnixSeconds(Day(40)));
  const std::unique_ptr<Retention> retention = Open(ByAge(30 * kDay));
  ASSERT_TRUE(retention->Keep(kSweep, clock_.Now() + 100 * kDay).ok());
  Work(*retention);
  EXPECT_EQ(RecordsOf(RunId(kSweep, Day(0))), 1);
}

}  // namespace
}  // namespace dragnet::scheduler
