// What every Store must do with sweeps: runs, verdicts, counts and changes.
#include <gmock/gmock.h>

#include <optional>
#include <utility>
#include <vector>

#include "absl/time/clock.h"
#include "core/action.h"
#include "core/envelope.h"
#include "core/strings.h"
#include "modules/check/check.pb.h"
#include "scheduler/store/store_conformance.h"
#include "scheduler/store/sweep_terms.h"
#include "scheduler/testing/sweep_documents.h"

namespace dragnet::scheduler {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

constexpr char kSweep[] = "0190a000-0000-7000-8000-00000000000a";
constexpr char kOtherSweep[] = "0190a000-0000-7000-8000-00000000000b";
constexpr char kExtra[] = "0190a000-0000-7000-8000-00000000000e";

// Hourly, from an hour's beginning.
constexpr int64_t kBegin = 1'799'996'400;
constexpr int64_t Hour(int number) { return kBegin + number * 3600; }

StoredAction SweepOf(const v1::Action& action, absl::Time launched_at) {
  StoredAction stored;
  stored.id = action.id();
  stored.envelope = NewEnvelope(kActionPayloadType, action.SerializeAsString()).SerializeAsString();
  stored.launched_by = "alice";
  stored.signed_by = {"alice"};
  stored.launched_at = launched_at;
  stored.expires = *ToTime(action.expires());
  stored.bounds.assign(static_cast<size_t>(action.operations_size()),
                       {.rows = 1000, .bytes = 1 << 20});
  if (action.has_recurrence()) stored.recurs_until = stored.expires;
  stored.extra_run_of = action.extra_run_of();
  return stored;
}

v1::ResultRecord Told(int64_t occurrence, uint64_t sequence, std::vector<std::string> verdicts,
                      std::string_view action = kSweep) {
  v1::ResultRecord record;
  record.set_action_id(std::string(action));
  record.set_occurrence(occurrence);
  record.set_sequence(sequence);
  for (std::string& verdict : verdicts) record.mutable_rows()->add_rows(std::move(verdict));
  return record;
}

v1::ResultRecord Summary(int64_t occurrence, uint64_t sequence, uint64_t rows,
                         std::string_view action = kSweep) {
  v1::ResultRecord record;
  record.set_action_id(std::string(action));
  record.set_occurrence(occurrence);
  record.set_sequence(sequence);
  record.mutable_summary()->set_outcome(v1::OUTCOME_FOUND);
  record.mutable_summary()->set_termination(v1::TERMINATION_COMPLETED);
  record.mutable_summary()->set_rows(rows);
  return record;
}

std::string Counts(const v1::VerdictCounts& counts) {
  return StrCat(counts.passed(), " passed ", counts.failed(), " failed ", counts.unknown(),
                " unknown ", counts.not_applicable(), " not applicable");
}

// "CHECK FROM>TO".
std::vector<std::string> ChangesOf(Store& store, std::string_view sweep = kSweep) {
  std::vector<std::string> words;
  const auto changes = store.SweepChanges(sweep, absl::InfinitePast(), 0, 1'000'000);
  EXPECT_TRUE(changes.ok()) << changes.status();
  if (!changes.ok()) return words;
  for (const StoredSweepChange& change : *changes)
    words.push_back(StrCat(change.check, " ", WordOf(change.from), ">", WordOf(change.to)));
  return words;
}

}  // namespace

void SweepConformance::SetUp() {
  StoreConformance::SetUp();
  a_ = AddAgent('1');
  b_ = AddAgent('2');
  outsider_ = AddAgent('3');
  ASSERT_TRUE(
      store_->AddAction(SweepOf(NewSweep(kSweep), absl::FromUnixSeconds(kBegin)), {a_, b_}).ok());
  now_ = absl::FromUnixSeconds(Hour(10));
}

v1::Action SweepConformance::NewSweep(std::string_view id) const {
  return SweepDocument(id, "0 * * * *", absl::FromUnixSeconds(kBegin),
                       absl::FromUnixSeconds(kBegin) + absl::Hours(24 * 300),
                       {"ssh-root", "time", "disk"});
}

void SweepConformance::TellAll(const std::string& agent, int64_t occurrence, std::string_view root,
                               std::string_view time, std::string_view disk) {
  const auto rows = Append(agent, Told(occurrence, 1,
                                       {VerdictRow("ssh-root", root), VerdictRow("time", time),
                                        VerdictRow("disk", disk)}));
  ASSERT_TRUE(rows.ok() && rows->dropped.ok()) << rows.status() << rows->dropped;
  const auto summary = Append(agent, Summary(occurrence, 2, 3));
  ASSERT_TRUE(summary.ok() && summary->dropped.ok()) << summary.status() << summary->dropped;
}

absl::Status SweepConformance::Dropped(const std::string& agent, const v1::ResultRecord& record) {
  const auto appended = Append(agent, record);
  EXPECT_TRUE(appended.ok()) << appended.status();
  return appended.ok() ? appended->dropped : appended.status();
}

std::vector<StoredRun> SweepConformance::Runs() {
  return *store_->Runs(kSweep, absl::InfinitePast(), 100'000);
}

std::string SweepConformance::NewestVerdicts() {
  return Counts(store_->CountNewest(kSweep)->verdicts);
}

std::string SweepConformance::NewestAgents() { return Counts(store_->CountNewest(kSweep)->agents); }

TEST_P(SweepConformance, ARunIsAnActionOfItsOwnThatOnlyItsOwnIdFinds) {
  const auto appended = Append(a_, Told(Hour(1), 1, {VerdictRow("time", "pass")}));
  ASSERT_TRUE(appended.ok() && appended->dropped.ok());
  EXPECT_EQ(appended->run_id, RunId(kSweep, Hour(1)));
  EXPECT_EQ(appended->sweep_id, kSweep);
  const absl::StatusOr<StoredAction> run = store_->FindAction(RunId(kSweep, Hour(1)));
  ASSERT_TRUE(run.ok()) << run.status();
  EXPECT_EQ(run->envelope, store_->FindAction(kSweep)->envelope);
  EXPECT_EQ(run->signed_by, store_->FindAction(kSweep)->signed_by);
  EXPECT_EQ(run->launched_at, absl::FromUnixSeconds(Hour(1)));
  EXPECT_EQ(run->expires, absl::FromUnixSeconds(Hour(1)) + kRunIsOpen);
  EXPECT_THAT(*store_->ListActions("", 10), SizeIs(1));
  EXPECT_THAT(*store_->ActiveActions(now_), SizeIs(1));
  EXPECT_THAT(*store_->ActionsOf(a_, 10), SizeIs(1));
  EXPECT_THAT(*store_->MatchActions("0190a000", 10), ElementsAre(kSweep));
  EXPECT_THAT(*store_->MatchActions(RunId(kSweep, Hour(1)), 10),
              ElementsAre(RunId(kSweep, Hour(1))));
}

TEST_P(SweepConformance, ARunsRowsStatesAndPairsAreThoseOfAnyAction) {
  TellAll(a_, Hour(1), "pass", "fail", "pass");
  const std::string run = RunId(kSweep, Hour(1));
  const auto pairs = store_->Pairs(run);
  ASSERT_THAT(*pairs, SizeIs(1));
  EXPECT_EQ(pairs->at(0).state, v1::DISPATCH_STATE_FOUND);
  EXPECT_EQ(pairs->at(0).rows, 3u);
  const auto changes = store_->ReadChanges(run, 0, 1 << 20);
  ASSERT_THAT(*changes, SizeIs(2));
  EXPECT_EQ(changes->at(0).rows->rows_size(), 3);
  uint64_t rows = 0;
  EXPECT_TRUE(store_
                  ->ReadRows(run, 0, 0, 1 << 20,
                             [&](uint64_t, std::string_view) {
                               ++rows;
                               return absl::OkStatus();
                             })
                  .ok());
  EXPECT_EQ(rows, 1u);
  EXPECT_EQ(FindPair(run, a_).state, v1::DISPATCH_STATE_FOUND);
}

TEST_P(SweepConformance, TheSweepsOwnPairIsRunningWhateverItsRunsDo) {
  MarkSent(kSweep, a_);
  TellAll(a_, Hour(1), "pass", "pass", "pass");
  EXPECT_EQ(FindPair(kSweep, a_).state, v1::DISPATCH_STATE_RUNNING);
  EXPECT_EQ(FindPair(kSweep, b_).state, v1::DISPATCH_STATE_WAITING);
  EXPECT_EQ(FindPair(kSweep, a_).rows(), 0u);
}

TEST_P(SweepConformance, OccurrencesThatAreMadeUpAreRefusedByName) {
  EXPECT_THAT(Dropped(a_, Told(Hour(1) + 60, 1, {VerdictRow("time", "pass")})).ToString(),
              HasSubstr("none of the schedule \"0 * * * *\""));
  EXPECT_THAT(Dropped(a_, Told(Hour(11), 1, {VerdictRow("time", "pass")})).ToString(),
              HasSubstr("in the future"));
  EXPECT_THAT(Dropped(a_, Told(Hour(-1), 1, {VerdictRow("time", "pass")})).ToString(),
              HasSubstr("the sweep runs from"));
  EXPECT_THAT(Dropped(a_, Told(Hour(24 * 400), 1, {VerdictRow("time", "pass")})).ToString(),
              HasSubstr("the sweep runs from"));
  EXPECT_THAT(Dropped(a_, Told(INT64_MIN, 1, {VerdictRow("time", "pass")})).ToString(),
              HasSubstr("the sweep runs from"));
  EXPECT_THAT(Dropped(a_, Told(0, 1, {VerdictRow("time", "pass")})).ToString(),
              HasSubstr("without its occurrence"));
  EXPECT_TRUE(
      absl::IsPermissionDenied(Dropped(outsider_, Told(Hour(1), 1, {VerdictRow("time", "pass")}))));
  EXPECT_TRUE(absl::IsPermissionDenied(
      Dropped(a_, Told(0, 1, {VerdictRow("time", "pass")}, RunId(kSweep, Hour(1))))));
  EXPECT_THAT(Runs(), IsEmpty());
  EXPECT_EQ(NewestVerdicts(), "0 passed 0 failed 0 unknown 0 not applicable");
  // The agent's clock may be a little ahead.
  now_ = absl::FromUnixSeconds(Hour(11)) - absl::Minutes(14);
  EXPECT_TRUE(Dropped(a_, Told(Hour(11), 1, {VerdictRow("time", "pass")})).ok());
}

TEST_P(SweepConformance, VerdictsThatAreNoneAreDroppedAndLeaveTheRunIncomplete) {
  EXPECT_THAT(Dropped(a_, Told(Hour(1), 1, {"\xff\xff"})).ToString(), HasSubstr("no verdict"));
  EXPECT_THAT(Dropped(a_, Told(Hour(1), 2, {VerdictRow("other", "pass")})).ToString(),
              HasSubstr("no check"));
  EXPECT_THAT(Dropped(a_, Told(Hour(1), 3, {VerdictRow("time", "good")})).ToString(),
              HasSubstr("pass, fail, unknown and not_applicable"));
  EXPECT_THAT(
      Dropped(a_, Told(Hour(1), 4, {VerdictRow("time", "pass"), VerdictRow("time", "fail")}))
          .ToString(),
      HasSubstr("second verdict on time"));
  EXPECT_TRUE(Dropped(a_, Told(Hour(1), 5, {VerdictRow("time", "pass")})).ok());
  EXPECT_THAT(Dropped(a_, Told(Hour(1), 6, {VerdictRow("time", "fail")})).ToString(),
              HasSubstr("second verdict on time"));
  EXPECT_EQ(NewestVerdicts(), "1 passed 0 failed 0 unknown 0 not applicable");
  EXPECT_TRUE(Dropped(a_, Summary(Hour(1), 7, 1)).ok());
  EXPECT_EQ(FindPair(RunId(kSweep, Hour(1)), a_).state, v1::DISPATCH_STATE_INCOMPLETE);
  // What it doesn't tell of is not known.
  EXPECT_EQ(Counts(Runs().at(0).agents), "0 passed 0 failed 1 unknown 0 not applicable");
}

TEST_P(SweepConformance, EachVerdictCountsOnceThoughItsRecordIsRepeated) {
  for (int i = 0; i < 3; ++i) TellAll(a_, Hour(1), "pass", "fail", "unknown");
  Reopen();
  TellAll(a_, Hour(1), "pass", "fail", "unknown");
  const std::vector<StoredRun> runs = Runs();
  ASSERT_THAT(runs, SizeIs(1));
  EXPECT_EQ(runs[0].told, 1u);
  EXPECT_EQ(Counts(runs[0].verdicts), "1 passed 1 failed 1 unknown 0 not applicable");
  EXPECT_EQ(Counts(runs[0].agents), "0 passed 1 failed 0 unknown 0 not applicable");
  EXPECT_EQ(NewestVerdicts(), "1 passed 1 failed 1 unknown 0 not applicable");
  EXPECT_THAT(ChangesOf(*store_), ElementsAre("2 >unknown", "1 >fail"));
}

TEST_P(SweepConformance, AChangeIsAnotherVerdictThanBefore) {
  TellAll(a_, Hour(1), "pass", "pass", "not_applicable");
  EXPECT_THAT(ChangesOf(*store_), IsEmpty());
  TellAll(a_, Hour(2), "pass", "fail", "not_applicable");
  TellAll(a_, Hour(3), "pass", "unknown", "not_applicable");
  TellAll(a_, Hour(4), "pass", "fail", "pass");
  TellAll(a_, Hour(5), "pass", "fail", "pass");
  EXPECT_THAT(ChangesOf(*store_), ElementsAre("2 not_applicable>pass", "1 unknown>fail",
                                              "1 fail>unknown", "1 pass>fail"));
  EXPECT_EQ(NewestVerdicts(), "2 passed 1 failed 0 unknown 0 not applicable");
  const auto verdicts = store_->NewestVerdicts(kSweep, a_);
  ASSERT_THAT(*verdicts, SizeIs(3));
  EXPECT_EQ(verdicts->at(0).since, absl::FromUnixSeconds(Hour(1)));
  EXPECT_EQ(verdicts->at(0).occurrence, absl::FromUnixSeconds(Hour(5)));
  EXPECT_EQ(verdicts->at(1).since, absl::FromUnixSeconds(Hour(4)));
  EXPECT_EQ(verdicts->at(1).status, VerdictStatus::kFail);
  // In pages, and since a run.
  const auto first = store_->SweepChanges(kSweep, absl::InfinitePast(), 0, 2);
  ASSERT_THAT(*first, SizeIs(2));
  const auto second = store_->SweepChanges(kSweep, absl::InfinitePast(), first->at(1).position, 9);
  ASSERT_THAT(*second, SizeIs(2));
  EXPECT_EQ(second->at(1).agent_id, a_);
  EXPECT_THAT(*store_->SweepChanges(kSweep, absl::FromUnixSeconds(Hour(3)), 0, 9), SizeIs(2));
}

TEST_P(SweepConformance, ARunThatComesLateCountsForItselfAndNoMore) {
  TellAll(a_, Hour(5), "pass", "fail", "pass");
  TellAll(a_, Hour(2), "fail", "pass", "fail");
  ASSERT_THAT(Runs(), SizeIs(2));
  EXPECT_EQ(Runs()[0].occurrence, absl::FromUnixSeconds(Hour(5)));
  EXPECT_EQ(Counts(Runs()[1].verdicts), "1 passed 2 failed 0 unknown 0 not applicable");
  EXPECT_EQ(Counts(Runs()[1].agents), "0 passed 1 failed 0 unknown 0 not applicable");
  EXPECT_EQ(NewestVerdicts(), "2 passed 1 failed 0 unknown 0 not applicable");
  EXPECT_THAT(ChangesOf(*store_), ElementsAre("1 >fail"));
  // Never sent, as far as the store knows.
  EXPECT_FALSE(store_->SweepAgents(kSweep)->at(0).has_it);
}

TEST_P(SweepConformance, AgentsAreCountedByTheirWorstVerdictOnceTheyToldAll) {
  TellAll(a_, Hour(1), "not_applicable", "not_applicable", "not_applicable");
  TellAll(b_, Hour(1), "pass", "unknown", "fail");
  EXPECT_EQ(Counts(Runs()[0].agents), "0 passed 1 failed 0 unknown 1 not applicable");
  EXPECT_EQ(NewestAgents(), "0 passed 1 failed 0 unknown 1 not applicable");
  ASSERT_TRUE(Dropped(a_, Told(Hour(2), 1, {VerdictRow("time", "pass")})).ok());
  // It hasn't told all of it.
  EXPECT_EQ(Counts(Runs()[0].agents), "0 passed 0 failed 0 unknown 0 not applicable");
  EXPECT_EQ(Runs()[0].told, 1u);
  TellAll(b_, Hour(2), "pass", "pass", "pass");
  EXPECT_EQ(Counts(Runs()[0].agents), "1 passed 0 failed 0 unknown 0 not applicable");
  EXPECT_EQ(NewestAgents(), "2 passed 0 failed 0 unknown 0 not applicable");
  const auto checks = store_->CountByCheck(kSweep);
  ASSERT_THAT(*checks, SizeIs(3));
  EXPECT_EQ(Counts(checks->at(1)), "2 passed 0 failed 0 unknown 0 not applicable");
  EXPECT_EQ(Counts(store_->CountByCheck(RunId(kSweep, Hour(1)))->at(1)),
            "0 passed 0 failed 1 unknown 1 not applicable");
}

TEST_P(SweepConformance, TextsAreBoundedAndEvidenceIsOfWhatIsBad) {
  check::v1::Verdict verdict;
  verdict.set_check("time");
  verdict.set_status("fail");
  verdict.set_reason(std::string(5000, 'r'));
  for (int i = 0; i < 10; ++i) verdict.add_evidence(std::string(900, 'e'));
  verdict.set_evidence_left_out(7);
  check::v1::Verdict good = verdict;
  good.set_check("disk");
  good.set_status("pass");
  ASSERT_TRUE(
      Dropped(a_, Told(Hour(1), 1, {verdict.SerializeAsString(), good.SerializeAsString()})).ok());
  const auto verdicts = store_->NewestVerdicts(kSweep, a_);
  ASSERT_THAT(*verdicts, SizeIs(2));
  EXPECT_LE(verdicts->at(0).reason.size(), 1024u + 8);
  EXPECT_THAT(verdicts->at(0).evidence, SizeIs(2));
  EXPECT_EQ(verdicts->at(0).evidence_left_out, 7u + 8);
  EXPECT_THAT(verdicts->at(1).evidence, IsEmpty());
  EXPECT_FALSE(verdicts->at(1).reason.empty());
  EXPECT_THAT(*store_->AgentsWithVerdicts(kSweep), ElementsAre(a_));
}

TEST_P(SweepConformance, AnExtraRunIsAnOrdinaryActionWhoseVerdictsCount) {
  MarkSent(kSweep, a_);
  TellAll(a_, Hour(1), "pass", "pass", "pass");
  v1::Action extra = NewSweep(kExtra);
  extra.clear_recurrence();
  extra.set_extra_run_of(kSweep);
  const absl::Time launched = absl::FromUnixSeconds(Hour(2) + 17);
  ASSERT_TRUE(store_->AddAction(SweepOf(extra, launched), {a_}).ok());
  EXPECT_THAT(Runs(), SizeIs(1));
  ASSERT_TRUE(Dropped(a_, Told(0, 1, {VerdictRow("time", "fail")}, kExtra)).ok());
  ASSERT_THAT(Runs(), SizeIs(2));
  EXPECT_TRUE(Runs()[0].extra);
  EXPECT_EQ(Runs()[0].action_id, kExtra);
  EXPECT_EQ(Runs()[0].occurrence, launched);
  EXPECT_THAT(ChangesOf(*store_), ElementsAre("1 pass>fail"));
  EXPECT_EQ(store_->NewestVerdicts(kSweep, a_)->at(1).occurrence, launched);
  EXPECT_THAT(*store_->ListActions("", 10), SizeIs(2));
  EXPECT_FALSE(Dropped(a_, Told(Hour(1), 2, {VerdictRow("disk", "fail")}, kExtra)).ok());
  extra.set_id("0190a000-0000-7000-8000-00000000000f");
  extra.set_extra_run_of(kOtherSweep);
  EXPECT_TRUE(absl::IsNotFound(store_->AddAction(SweepOf(extra, launched), {a_})));
}

TEST_P(SweepConformance, SweepsAreListedAndEndedOnesOnlyWhenAskedFor) {
  ASSERT_TRUE(
      store_->AddAction(SweepOf(NewSweep(kOtherSweep), absl::FromUnixSeconds(kBegin)), {a_}).ok());
  ASSERT_TRUE(store_->AddAction(NewAction("0190a000-0000-7000-8000-0000000000cc"), {a_}).ok());
  ASSERT_THAT(*store_->ListSweeps(false, now_, 10), SizeIs(2));
  EXPECT_EQ(store_->ListSweeps(false, now_, 1)->at(0).id, kOtherSweep);
  ASSERT_TRUE(store_->CancelAction(kOtherSweep).ok());
  EXPECT_THAT(*store_->ListSweeps(false, now_, 10), SizeIs(1));
  EXPECT_EQ(*store_->CountSweeps(false, now_), 1u);
  EXPECT_EQ(*store_->CountSweeps(true, now_), 2u);
  EXPECT_THAT(*store_->ListSweeps(true, now_, 10), SizeIs(2));
  EXPECT_THAT(*store_->ListSweeps(false, now_ + absl::Hours(24 * 366), 10), IsEmpty());
  EXPECT_TRUE(
      absl::IsNotFound(store_->CountNewest("0190a000-0000-7000-8000-0000000000cc").status()));
}

TEST_P(SweepConformance, WhoTookItOnAndWhatItToldLastIsKnown) {
  MarkSent(kSweep, a_);
  EXPECT_FALSE(store_->SweepAgents(kSweep)->at(0).has_it);
  TellAll(a_, Hour(4), "pass", "pass", "pass");
  TellAll(a_, Hour(2), "pass", "pass", "pass");
  const auto agents = store_->SweepAgents(kSweep);
  ASSERT_THAT(*agents, SizeIs(2));
  EXPECT_EQ(agents->at(0).id, a_);
  EXPECT_TRUE(agents->at(0).has_it);
  EXPECT_EQ(agents->at(0).last_told, absl::FromUnixSeconds(Hour(4)));
  EXPECT_EQ(agents->at(1).id, b_);
  EXPECT_FALSE(agents->at(1).has_it);
  EXPECT_EQ(agents->at(1).last_told, absl::InfinitePast());
}

TEST_P(SweepConformance, ChangesAreInTheOrderOfEverything) {
  TellAll(a_, Hour(1), "pass", "fail", "pass");
  const auto all = store_->ReadAllChanges(*store_->StreamBegin(), 1 << 20);
  ASSERT_TRUE(all.ok()) << all.status();
  uint64_t last = 0;
  int changes = 0;
  for (const ActionChange& change : all->changes) {
    EXPECT_GT(change.position, last);
    last = change.position;
    if (!change.sweep_change.has_value()) continue;
    ++changes;
    EXPECT_EQ(change.action_id, kSweep);
    EXPECT_EQ(change.agent_id, a_);
    EXPECT_EQ(change.sweep_change->to, VerdictStatus::kFail);
    EXPECT_EQ(change.sweep_change->occurrence, absl::FromUnixSeconds(Hour(1)));
  }
  EXPECT_EQ(changes, 1);
  EXPECT_EQ(store_->StreamEnd()->position, last);
}

TEST_P(SweepConformance, ARefusalOfARunLeavesTheSweepAsItIs) {
  MarkSent(kSweep, a_);
  v1::ResultRecord refusal;
  refusal.set_action_id(kSweep);
  refusal.set_occurrence(Hour(1));
  refusal.mutable_refusal()->set_reason(v1::Refusal::REASON_INSUFFICIENT_WEIGHT);
  ASSERT_TRUE(Dropped(a_, refusal).ok());
  EXPECT_EQ(FindPair(RunId(kSweep, Hour(1)), a_).state, v1::DISPATCH_STATE_REFUSED);
  EXPECT_EQ(FindPair(kSweep, a_).state, v1::DISPATCH_STATE_RUNNING);
  EXPECT_EQ(Counts(Runs().at(0).agents), "0 passed 0 failed 0 unknown 0 not applicable");
  // To refuse it is not to tell of it.
  EXPECT_EQ(Runs().at(0).told, 0u);
  EXPECT_EQ(store_->SweepAgents(kSweep)->at(0).last_told, absl::InfinitePast());
  // Of an occurrence that is none, it is kept and is of nothing.
  refusal.set_occurrence(Hour(1) + 1);
  ASSERT_TRUE(Dropped(a_, refusal).ok());
  EXPECT_THAT(Runs(), SizeIs(1));
  refusal.set_occurrence(0);
  ASSERT_TRUE(Dropped(a_, refusal).ok());
  EXPECT_EQ(FindPair(kSweep, a_).state, v1::DISPATCH_STATE_REFUSED);
}

TEST_P(SweepConformance, ARunThatEndsWithoutAVerdictLeavesNoOldOneAsTheNewest) {
  TellAll(a_, Hour(1), "pass", "pass", "pass");
  ASSERT_TRUE(Dropped(a_, Told(Hour(2), 1, {VerdictRow("time", "pass")})).ok());
  EXPECT_EQ(NewestVerdicts(), "3 passed 0 failed 0 unknown 0 not applicable");
  ASSERT_TRUE(Dropped(a_, Summary(Hour(2), 3, 3)).ok());
  EXPECT_EQ(NewestVerdicts(), "1 passed 0 failed 2 unknown 0 not applicable");
  EXPECT_EQ(NewestAgents(), "0 passed 0 failed 1 unknown 0 not applicable");
  EXPECT_EQ(Counts(Runs().at(0).verdicts), "1 passed 0 failed 2 unknown 0 not applicable");
  EXPECT_EQ(Counts(Runs().at(0).agents), "0 passed 0 failed 1 unknown 0 not applicable");
  EXPECT_THAT(ChangesOf(*store_), ElementsAre("2 pass>unknown", "0 pass>unknown"));
  const auto verdicts = store_->NewestVerdicts(kSweep, a_);
  EXPECT_THAT(verdicts->at(0).reason, HasSubstr("not told in this run"));
  EXPECT_EQ(verdicts->at(0).occurrence, absl::FromUnixSeconds(Hour(2)));
  // What comes after all takes its place.
  ASSERT_TRUE(
      Dropped(a_, Told(Hour(2), 2, {VerdictRow("ssh-root", "pass"), VerdictRow("disk", "fail")}))
          .ok());
  EXPECT_EQ(NewestVerdicts(), "2 passed 1 failed 0 unknown 0 not applicable");
  EXPECT_EQ(Counts(Runs().at(0).verdicts), "2 passed 1 failed 0 unknown 0 not applicable");
  EXPECT_EQ(Counts(Runs().at(0).agents), "0 passed 1 failed 0 unknown 0 not applicable");
  EXPECT_FALSE(Dropped(a_, Told(Hour(2), 4, {VerdictRow("disk", "pass")})).ok());
}

TEST_P(SweepConformance, ARunThatNeverEndsIsNotKnownFromWhenTheNextBegins) {
  TellAll(a_, Hour(1), "pass", "pass", "pass");
  ASSERT_TRUE(Dropped(a_, Told(Hour(2), 1, {VerdictRow("time", "pass")})).ok());
  ASSERT_TRUE(Dropped(a_, Told(Hour(3), 1, {VerdictRow("time", "fail")})).ok());
  EXPECT_EQ(NewestVerdicts(), "0 passed 1 failed 2 unknown 0 not applicable");
  EXPECT_EQ(Counts(Runs().at(1).agents), "0 passed 0 failed 1 unknown 0 not applicable");
  EXPECT_THAT(ChangesOf(*store_), ElementsAre("1 pass>fail", "2 pass>unknown", "0 pass>unknown"));
}

TEST_P(SweepConformance, ARecordThatIsDroppedTellsNothing) {
  EXPECT_FALSE(Dropped(a_, Told(Hour(1), 1, {"\xff\xff"})).ok());
  ASSERT_THAT(Runs(), SizeIs(1));
  EXPECT_EQ(Runs()[0].told, 0u);
  EXPECT_EQ(store_->SweepAgents(kSweep)->at(0).last_told, absl::InfinitePast());
  ASSERT_TRUE(Dropped(a_, Summary(Hour(1), 2, 0)).ok());
  EXPECT_EQ(Runs()[0].told, 1u);
  EXPECT_EQ(NewestVerdicts(), "0 passed 0 failed 3 unknown 0 not applicable");
}

TEST_P(SweepConformance, WhoHasTheSweepAndWhoIsSilentIsCounted) {
  // By the system's clock, which says when an agent took it on.
  const int64_t begin = absl::ToUnixSeconds(absl::Now()) / 3600 * 3600;
  const absl::Time launched = absl::FromUnixSeconds(begin);
  v1::Action sweep = NewSweep(kOtherSweep);
  *sweep.mutable_not_before() = ToTimestamp(launched);
  now_ = launched + absl::Hours(100);
  *sweep.mutable_expires() = ToTimestamp(now_ + absl::Hours(100));
  const std::string c = AddAgent('4');
  ASSERT_TRUE(store_->AddAction(SweepOf(sweep, launched), {a_, b_, c}).ok());
  for (const std::string& agent : {a_, b_}) {
    MarkSent(kOtherSweep, agent);
    MarkAccepted(kOtherSweep, agent);
  }
  const auto hour = [&](int number) { return begin + number * 3600; };
  const auto tell = [&](const std::string& agent, int number) {
    EXPECT_TRUE(
        Dropped(agent, Told(hour(number), 1, {VerdictRow("time", "pass")}, kOtherSweep)).ok());
  };
  const auto silent_in = [&](size_t run) {
    return store_->Runs(kOtherSweep, absl::InfinitePast(), 10)->at(run).silent;
  };
  const auto counts = [&](std::optional<absl::Time> since) {
    const SweepAgentCounts counted = *store_->CountSweepAgents(kOtherSweep, since);
    return StrCat(counted.with_it, " ", counted.without_it, " ", counted.silent);
  };
  tell(a_, 2);
  tell(b_, 2);
  tell(a_, 3);
  EXPECT_EQ(silent_in(0), 1u);
  EXPECT_EQ(silent_in(1), 0u);
  EXPECT_EQ(counts(std::nullopt), "2 1 0");
  EXPECT_EQ(counts(absl::FromUnixSeconds(hour(3))), "2 1 1");
  EXPECT_EQ(counts(absl::FromUnixSeconds(hour(2))), "2 1 0");
  // Before they took it on.
  EXPECT_EQ(counts(absl::FromUnixSeconds(hour(-1))), "2 1 0");
  // What a run is known by stays when an agent is no more.
  ASSERT_TRUE(store_->CloseExpired(absl::FromUnixSeconds(hour(4)) + kRunIsOpen).ok());
  ASSERT_TRUE(store_->RevokeIdentity(StrCat("spiffe://fleet/agent/", a_)).ok());
  EXPECT_EQ(silent_in(0), 1u);
  EXPECT_EQ(silent_in(1), 0u);
  EXPECT_EQ(counts(absl::FromUnixSeconds(hour(3))), "1 1 1");
  // It tells after all, of a run that is closed.
  tell(b_, 3);
  EXPECT_EQ(silent_in(0), 0u);
  // Who refuses it after all hasn't got it any more, and is silent in no later run.
  v1::ResultRecord refusal;
  refusal.set_action_id(kOtherSweep);
  refusal.mutable_refusal()->set_reason(v1::Refusal::REASON_POLICY_EXPIRED);
  ASSERT_TRUE(Dropped(b_, refusal).ok());
  EXPECT_EQ(counts(absl::FromUnixSeconds(hour(3))), "0 2 0");
}

TEST_P(SweepConformance, WhatARevokedAgentToldCountsNoMore) {
  TellAll(a_, Hour(1), "pass", "fail", "unknown");
  TellAll(b_, Hour(1), "pass", "pass", "pass");
  ASSERT_TRUE(store_->RevokeIdentity(StrCat("spiffe://fleet/agent/", a_)).ok());
  EXPECT_EQ(NewestVerdicts(), "3 passed 0 failed 0 unknown 0 not applicable");
  EXPECT_EQ(NewestAgents(), "1 passed 0 failed 0 unknown 0 not applicable");
  EXPECT_THAT(*store_->AgentsWithVerdicts(kSweep), ElementsAre(b_));
  EXPECT_THAT(*store_->NewestVerdicts(kSweep, a_), IsEmpty());
  EXPECT_THAT(*store_->SweepAgents(kSweep), SizeIs(1));
  // What was on its way when it was revoked.
  TellAll(a_, Hour(2), "fail", "fail", "fail");
  EXPECT_EQ(NewestVerdicts(), "3 passed 0 failed 0 unknown 0 not applicable");
  EXPECT_EQ(NewestAgents(), "1 passed 0 failed 0 unknown 0 not applicable");
  // What was counted in a run stays.
  EXPECT_EQ(Counts(Runs().at(1).agents), "1 passed 1 failed 0 unknown 0 not applicable");
}

TEST_P(SweepConformance, AnExtraRunCountsOnlyOfWhoTakesPartAndWhileTheSweepIsInForce) {
  MarkSent(kSweep, a_);
  TellAll(a_, Hour(1), "pass", "pass", "pass");
  v1::Action extra = NewSweep(kExtra);
  extra.clear_recurrence();
  extra.set_extra_run_of(kSweep);
  ASSERT_TRUE(
      store_->AddAction(SweepOf(extra, absl::FromUnixSeconds(Hour(2) + 17)), {a_, b_, outsider_})
          .ok());
  // One that the sweep was never for, and one that hasn't taken it on.
  for (const std::string& agent : {outsider_, b_}) {
    ASSERT_TRUE(Dropped(agent, Told(0, 1, {VerdictRow("time", "fail")}, kExtra)).ok());
    ASSERT_TRUE(Dropped(agent, Summary(0, 2, 1, kExtra)).ok());
  }
  EXPECT_EQ(NewestVerdicts(), "3 passed 0 failed 0 unknown 0 not applicable");
  EXPECT_THAT(Runs(), SizeIs(1));
  EXPECT_EQ(FindPair(kExtra, outsider_).state, v1::DISPATCH_STATE_FOUND);
  ASSERT_TRUE(store_->CancelAction(kSweep).ok());
  ASSERT_TRUE(Dropped(a_, Told(0, 1, {VerdictRow("time", "fail")}, kExtra)).ok());
  EXPECT_EQ(NewestVerdicts(), "3 passed 0 failed 0 unknown 0 not applicable");
}

TEST_P(SweepConformance, AnExtraRunsPassHidesNoFailureThatWasFoundAfterIt) {
  MarkSent(kSweep, a_);
  TellAll(a_, Hour(1), "pass", "pass", "pass");
  v1::Action extra = NewSweep(kExtra);
  extra.clear_recurrence();
  extra.set_extra_run_of(kSweep);
  ASSERT_TRUE(store_->AddAction(SweepOf(extra, absl::FromUnixSeconds(Hour(2) + 1800)), {a_}).ok());
  ASSERT_TRUE(Dropped(a_, Told(0, 1, {VerdictRow("time", "pass")}, kExtra)).ok());
  // Due before the extra run was launched, and run behind it: late, or for its jitter.
  TellAll(a_, Hour(2), "pass", "fail", "pass");
  EXPECT_EQ(NewestVerdicts(), "2 passed 1 failed 0 unknown 0 not applicable");
  EXPECT_THAT(ChangesOf(*store_), ElementsAre("1 pass>fail"));
  // An older scheduled one still changes nothing.
  TellAll(a_, Hour(0), "fail", "pass", "fail");
  EXPECT_EQ(NewestVerdicts(), "2 passed 1 failed 0 unknown 0 not applicable");
}

TEST_P(SweepConformance, NoRunIsOfBeforeAnAgentWasToGetTheSweep) {
  TellAll(a_, Hour(2), "pass", "pass", "pass");
  ASSERT_TRUE(store_->AddPair(kSweep, outsider_, absl::FromUnixSeconds(Hour(5) + 60)).ok());
  for (const int hour : {1, 2, 4})  // a run that there isn't, and one that there is
    EXPECT_THAT(Dropped(outsider_, Told(Hour(hour), 1, {VerdictRow("time", "fail")})).ToString(),
                HasSubstr("before this agent was to get the sweep"));
  EXPECT_THAT(Runs(), SizeIs(1));
  // Its clock may be a little behind.
  EXPECT_TRUE(Dropped(outsider_, Told(Hour(5), 1, {VerdictRow("time", "fail")})).ok());
}

TEST_P(SweepConformance, NoAgentPushesOutWhatOthersChanged) {
  now_ = absl::FromUnixSeconds(Hour(1000));
  TellAll(b_, Hour(1), "fail", "pass", "pass");
  for (int run = 1; run <= 450; ++run) {
    const char* status = run % 2 == 0 ? "pass" : "fail";
    ASSERT_TRUE(Dropped(a_, Told(Hour(run), 1,
                                 {VerdictRow("ssh-root", status), VerdictRow("time", status),
                                  VerdictRow("disk", status)}))
                    .ok());
  }
  const auto changes = store_->SweepChanges(kSweep, absl::InfinitePast(), 0, 1'000'000);
  EXPECT_GE(changes->size(), 1001u);
  EXPECT_LE(changes->size(), 1101u);
  EXPECT_EQ(changes->back().agent_id, b_);
  // Who hasn't read those that went is told.
  EXPECT_TRUE(
      absl::IsFailedPrecondition(store_->ReadAllChanges(StreamPosition(), 1 << 20).status()));
}

TEST_P(SweepConformance, RunsEndByThemselves) {
  TellAll(a_, Hour(1), "pass", "pass", "pass");
  EXPECT_THAT(*store_->CloseExpired(now_), IsEmpty());
  EXPECT_THAT(*store_->CloseExpired(absl::FromUnixSeconds(Hour(50))),
              ElementsAre(RunId(kSweep, Hour(1))));
  // What comes after that is stored all the same.
  EXPECT_TRUE(Dropped(b_, Told(Hour(1), 1, {VerdictRow("time", "fail")})).ok());
}

TEST_P(SweepConformance, ChecksOfOneIdInSeveralPacksAreToldApart) {
  v1::Action sweep = NewSweep(kOtherSweep);
  check::v1::CheckParameters pack;
  pack.set_pack("other");
  pack.add_checks()->set_id("time");
  sweep.add_operations()->set_module("check");
  sweep.mutable_operations(1)->set_parameters(pack.SerializeAsString());
  *sweep.add_operations() = sweep.operations(1);
  const auto terms = SweepTerms::Of(sweep);
  ASSERT_TRUE(terms.ok()) << terms.status();
  std::vector<std::string> names;
  for (const SweepCheck& check : terms->checks()) names.push_back(check.name);
  EXPECT_THAT(names, ElementsAre("ssh-root", "test-pack/time", "disk", "1/time", "2/time"));
}

}  // namespace dragnet::scheduler
