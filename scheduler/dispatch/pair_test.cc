#include "scheduler/dispatch/pair.h"

#include <gtest/gtest.h>

#include <initializer_list>
#include <string>

#include "core/strings.h"

namespace dragnet::scheduler {
namespace {

const std::vector<OperationBounds> kBounds = {{.rows = 10, .bytes = 100000},
                                              {.rows = 10, .bytes = 100000}};

Pair NewPair(size_t operations = 1) {
  Pair pair;
  pair.operations.resize(operations);
  return pair;
}

v1::ResultRecord RowsRecord(uint64_t sequence, int rows, uint32_t operation = 0) {
  v1::ResultRecord record;
  record.set_operation(operation);
  record.set_sequence(sequence);
  for (int i = 0; i < rows; ++i) record.mutable_rows()->add_rows("row");
  return record;
}

v1::ResultRecord SummaryRecord(uint64_t sequence, v1::Outcome outcome, uint64_t rows,
                               uint32_t operation = 0) {
  v1::ResultRecord record;
  record.set_operation(operation);
  record.set_sequence(sequence);
  record.mutable_summary()->set_outcome(outcome);
  record.mutable_summary()->set_termination(v1::TERMINATION_COMPLETED);
  record.mutable_summary()->set_rows(rows);
  return record;
}

v1::Refusal RefusalOf(v1::Refusal::Reason reason) {
  v1::Refusal refusal;
  refusal.set_reason(reason);
  return refusal;
}

absl::Status Check(const v1::ResultRecord& record, const Pair& pair) {
  return CheckRecord(record, record.ByteSizeLong(), pair, kBounds);
}

Pair After(std::initializer_list<v1::ResultRecord> records, size_t operations = 1) {
  Pair pair = NewPair(operations);
  OnSent(&pair);
  for (const v1::ResultRecord& record : records) {
    EXPECT_TRUE(Check(record, pair).ok()) << Check(record, pair);
    OnRecord(record, &pair);
  }
  return pair;
}

TEST(PairTest, GoesFromWaitingOverSentAndRunningToFound) {
  Pair pair = NewPair();
  EXPECT_EQ(pair.state, v1::DISPATCH_STATE_WAITING);
  OnSent(&pair);
  EXPECT_EQ(pair.state, v1::DISPATCH_STATE_SENT);
  OnAccepted(&pair);
  EXPECT_EQ(pair.state, v1::DISPATCH_STATE_RUNNING);
  OnRecord(RowsRecord(1, 2), &pair);
  EXPECT_EQ(pair.state, v1::DISPATCH_STATE_RUNNING);
  OnRecord(SummaryRecord(2, v1::OUTCOME_FOUND, 2), &pair);
  EXPECT_EQ(pair.state, v1::DISPATCH_STATE_FOUND);
  EXPECT_EQ(pair.rows(), 2u);
  EXPECT_EQ(pair.detail, "");
}

TEST(PairTest, EndsOnlyWhenAllOperationsHaveEnded) {
  Pair pair = After({SummaryRecord(1, v1::OUTCOME_CLEAN, 0)}, 2);
  EXPECT_EQ(pair.state, v1::DISPATCH_STATE_RUNNING);
  OnRecord(SummaryRecord(1, v1::OUTCOME_CLEAN, 0, 1), &pair);
  EXPECT_EQ(pair.state, v1::DISPATCH_STATE_CLEAN);
}

TEST(PairTest, OneIncompleteOperationMakesThePairIncompleteRowsOrNot) {
  EXPECT_EQ(After({SummaryRecord(1, v1::OUTCOME_CLEAN, 0),
                   SummaryRecord(1, v1::OUTCOME_INCOMPLETE, 0, 1)},
                  2)
                .state,
            v1::DISPATCH_STATE_INCOMPLETE);
  EXPECT_EQ(After({RowsRecord(1, 1), SummaryRecord(2, v1::OUTCOME_INCOMPLETE, 1)}).state,
            v1::DISPATCH_STATE_INCOMPLETE);
}

TEST(PairTest, CleanWithRowsStoredIsIncomplete) {
  const Pair pair = After({RowsRecord(1, 1), SummaryRecord(2, v1::OUTCOME_CLEAN, 1)});
  EXPECT_EQ(pair.state, v1::DISPATCH_STATE_INCOMPLETE);
  EXPECT_NE(pair.detail.find("says clean"), std::string::npos) << pair.detail;
}

TEST(PairTest, FoundWithoutRowsIsIncomplete) {
  EXPECT_EQ(After({SummaryRecord(1, v1::OUTCOME_FOUND, 0)}).state, v1::DISPATCH_STATE_INCOMPLETE);
}

TEST(PairTest, CountThatDiffersIsIncomplete) {
  const Pair pair = After({RowsRecord(1, 2), SummaryRecord(2, v1::OUTCOME_FOUND, 3)});
  EXPECT_EQ(pair.state, v1::DISPATCH_STATE_INCOMPLETE);
  EXPECT_NE(pair.detail.find("count differs"), std::string::npos) << pair.detail;
}

TEST(PairTest, CleanFromAWorkerThatWasKilledIsIncomplete) {
  v1::ResultRecord summary = SummaryRecord(1, v1::OUTCOME_CLEAN, 0);
  summary.mutable_summary()->set_termination(v1::TERMINATION_CRASHED);
  EXPECT_EQ(After({summary}).state, v1::DISPATCH_STATE_INCOMPLETE);
}

TEST(PairTest, CleanWithUnexaminedItemsOrLimitsIsIncomplete) {
  v1::ResultRecord unexamined = SummaryRecord(1, v1::OUTCOME_CLEAN, 0);
  unexamined.mutable_summary()->mutable_module()->add_unexamined()->set_count(1);
  EXPECT_EQ(After({unexamined}).state, v1::DISPATCH_STATE_INCOMPLETE);
  v1::ResultRecord limited = SummaryRecord(1, v1::OUTCOME_CLEAN, 0);
  limited.mutable_summary()->mutable_module()->add_limits_hit("depth");
  EXPECT_EQ(After({limited}).state, v1::DISPATCH_STATE_INCOMPLETE);
}

TEST(PairTest, OutcomeThatNoOneKnowsIsIncomplete) {
  EXPECT_EQ(After({SummaryRecord(1, v1::OUTCOME_UNSPECIFIED, 0)}).state,
            v1::DISPATCH_STATE_INCOMPLETE);
}

TEST(PairTest, GapIsIncompleteAndStaysSoUntilItIsFilled) {
  Pair pair = After({RowsRecord(1, 1), RowsRecord(3, 1), SummaryRecord(4, v1::OUTCOME_FOUND, 3)});
  EXPECT_EQ(pair.state, v1::DISPATCH_STATE_INCOMPLETE);
  EXPECT_NE(pair.detail.find("count differs"), std::string::npos) << pair.detail;
  EXPECT_TRUE(Check(RowsRecord(2, 1), pair).ok());
  EXPECT_FALSE(Check(RowsRecord(5, 1), pair).ok());
  OnRecord(RowsRecord(2, 1), &pair);
  EXPECT_EQ(pair.state, v1::DISPATCH_STATE_FOUND);
  EXPECT_EQ(pair.detail, "");
}

TEST(PairTest, MissingRecordIsIncompleteEvenIfTheCountFits) {
  const Pair pair = After({RowsRecord(1, 2), SummaryRecord(3, v1::OUTCOME_FOUND, 2)});
  EXPECT_EQ(pair.state, v1::DISPATCH_STATE_INCOMPLETE);
  EXPECT_NE(pair.detail.find("missing"), std::string::npos) << pair.detail;
}

TEST(PairTest, RecordsOfUnknownOperationsAndSequencesAreNotOfTheAction) {
  const Pair pair = NewPair();
  EXPECT_FALSE(Check(RowsRecord(1, 1, 7), pair).ok());
  EXPECT_FALSE(Check(RowsRecord(0, 1), pair).ok());
  EXPECT_FALSE(Check(RowsRecord(kMaxSequenceJump + 1, 1), pair).ok());
  EXPECT_FALSE(Check(RowsRecord(1, 0), pair).ok());
  v1::ResultRecord empty;
  empty.set_sequence(1);
  EXPECT_FALSE(Check(empty, pair).ok());
  v1::ResultRecord recurring = RowsRecord(1, 1);
  recurring.set_occurrence(1);
  EXPECT_FALSE(Check(recurring, pair).ok());
}

TEST(PairTest, OversizedRowsAndRecordsAreNotTaken) {
  const Pair pair = NewPair();
  v1::ResultRecord row = RowsRecord(1, 0);
  row.mutable_rows()->add_rows(std::string(kMaxRowBytes + 1, 'x'));
  EXPECT_FALSE(Check(row, pair).ok());
  EXPECT_FALSE(CheckRecord(RowsRecord(1, 1), kMaxRecordBytes + 1, pair, kBounds).ok());
}

TEST(PairTest, BoundsOfRowsAndBytesHoldOverAllRecords) {
  Pair pair = NewPair();
  OnRecord(RowsRecord(1, 10), &pair);
  EXPECT_TRUE(absl::IsOutOfRange(Check(RowsRecord(2, 1), pair)));
  pair = NewPair();
  pair.operations[0].bytes = 99999;
  EXPECT_TRUE(absl::IsOutOfRange(Check(RowsRecord(1, 1), pair)));
}

TEST(PairTest, WhatWasDroppedMakesThePairIncomplete) {
  Pair pair = NewPair();
  OnRecord(RowsRecord(1, 1), &pair);
  OnDropped(absl::OutOfRangeError("more than 10 rows"), &pair);
  OnRecord(SummaryRecord(2, v1::OUTCOME_FOUND, 1), &pair);
  EXPECT_EQ(pair.state, v1::DISPATCH_STATE_INCOMPLETE);
  EXPECT_NE(pair.detail.find("more than 10 rows"), std::string::npos) << pair.detail;
}

TEST(PairTest, WhatIsOverTheBoundsHasComeAndIsNotMissing) {
  Pair pair = NewPair();
  OnRecord(RowsRecord(1, 9), &pair);
  constexpr uint64_t kLast = 3 * kMaxSequenceJump;
  for (uint64_t sequence = 2; sequence <= kLast; ++sequence) {
    const v1::ResultRecord record = RowsRecord(sequence, 2);
    const absl::Status reason = Check(record, pair);
    ASSERT_TRUE(absl::IsOutOfRange(reason)) << sequence << " " << reason;
    OnOverBounds(record, reason, &pair);
    ASSERT_EQ(pair.state, v1::DISPATCH_STATE_RUNNING);
  }
  EXPECT_EQ(pair.operations[0].missing, std::vector<uint64_t>());
  EXPECT_TRUE(IsDuplicate(RowsRecord(kLast, 2), pair));
  EXPECT_FALSE(IsDuplicate(RowsRecord(kLast + 1, 2), pair));
  // Garbage is still told from it.
  EXPECT_TRUE(absl::IsInvalidArgument(Check(RowsRecord(kLast + kMaxSequenceJump + 1, 2), pair)));
  OnRecord(SummaryRecord(kLast + 1, v1::OUTCOME_FOUND, 9 + 2 * (kLast - 1)), &pair);
  EXPECT_EQ(pair.state, v1::DISPATCH_STATE_INCOMPLETE);
  EXPECT_EQ(pair.rows(), 9u);
  EXPECT_EQ(pair.detail.find(StrCat(kLast - 1, " records were dropped: more than 10 rows")), 0u)
      << pair.detail;
}

TEST(PairTest, AnOperationWhoseFirstRecordIsOverTheBoundsRuns) {
  Pair pair = NewPair();
  OnSent(&pair);
  OnRefusal(RefusalOf(v1::Refusal::REASON_BUSY), &pair);
  OnOverBounds(RowsRecord(1, 11), Check(RowsRecord(1, 11), pair), &pair);
  EXPECT_EQ(pair.state, v1::DISPATCH_STATE_RUNNING);
  EXPECT_FALSE(pair.refusal.has_value());
}

TEST(PairTest, WhatTwoHostsMayHaveSentIsNeverClean) {
  Pair waiting = NewPair();
  OnDoubted(&waiting);
  OnRecord(SummaryRecord(1, v1::OUTCOME_CLEAN, 0), &waiting);
  EXPECT_EQ(waiting.state, v1::DISPATCH_STATE_CLEAN);
  Pair ended = waiting;
  OnDoubted(&ended);
  EXPECT_EQ(ended.state, v1::DISPATCH_STATE_CLEAN);
  Pair running = NewPair();
  OnAccepted(&running);
  OnDoubted(&running);
  EXPECT_EQ(running.state, v1::DISPATCH_STATE_RUNNING);
  OnDropped(absl::OutOfRangeError("more than 10 rows"), &running);
  OnRecord(SummaryRecord(1, v1::OUTCOME_CLEAN, 0), &running);
  EXPECT_EQ(running.state, v1::DISPATCH_STATE_INCOMPLETE);
  EXPECT_EQ(running.detail.rfind("two hosts", 0), 0u) << running.detail;
}

TEST(PairTest, WhatIsDroppedAfterTheEndMakesItIncompleteToo) {
  Pair pair = After({SummaryRecord(1, v1::OUTCOME_CLEAN, 0)});
  EXPECT_FALSE(Check(RowsRecord(2, 1), pair).ok());
  OnDropped(Check(RowsRecord(2, 1), pair), &pair);
  EXPECT_EQ(pair.state, v1::DISPATCH_STATE_INCOMPLETE);
}

TEST(PairTest, SecondSummaryIsNotTaken) {
  const Pair pair = After({SummaryRecord(1, v1::OUTCOME_INCOMPLETE, 0)});
  EXPECT_FALSE(Check(SummaryRecord(2, v1::OUTCOME_CLEAN, 0), pair).ok());
}

TEST(PairTest, SummaryThatIsTooLargeStillEndsTheOperation) {
  v1::ResultRecord summary = SummaryRecord(1, v1::OUTCOME_CLEAN, 0);
  summary.mutable_summary()->set_detail(std::string(kMaxSummaryBytes, 'x'));
  const Pair pair = After({summary});
  EXPECT_EQ(pair.state, v1::DISPATCH_STATE_INCOMPLETE);
  EXPECT_LT(pair.operations[0].summary->ByteSizeLong(), kMaxSummaryBytes);
}

TEST(PairTest, RefusalCountsOnlyWhileNothingIsStored) {
  Pair pair = NewPair();
  OnSent(&pair);
  OnRefusal(RefusalOf(v1::Refusal::REASON_NOT_TARGETED), &pair);
  EXPECT_EQ(pair.state, v1::DISPATCH_STATE_REFUSED);
  EXPECT_EQ(pair.refusal->reason(), v1::Refusal::REASON_NOT_TARGETED);

  pair = NewPair();
  OnRecord(RowsRecord(1, 1), &pair);
  OnRefusal(RefusalOf(v1::Refusal::REASON_EXPIRED), &pair);
  EXPECT_EQ(pair.state, v1::DISPATCH_STATE_RUNNING);
}

TEST(PairTest, ReplayedMeansThatItRunsOrHasEnded) {
  Pair pair = NewPair();
  OnRefusal(RefusalOf(v1::Refusal::REASON_REPLAYED), &pair);
  EXPECT_EQ(pair.state, v1::DISPATCH_STATE_WAITING) << "it was never sent";
  OnSent(&pair);
  OnRefusal(RefusalOf(v1::Refusal::REASON_REPLAYED), &pair);
  EXPECT_EQ(pair.state, v1::DISPATCH_STATE_RUNNING);
  pair = After({SummaryRecord(1, v1::OUTCOME_CLEAN, 0)});
  OnRefusal(RefusalOf(v1::Refusal::REASON_REPLAYED), &pair);
  EXPECT_EQ(pair.state, v1::DISPATCH_STATE_CLEAN);
}

TEST(PairTest, RecordsAfterARefusalWinOverIt) {
  Pair pair = NewPair();
  OnRefusal(RefusalOf(v1::Refusal::REASON_BUSY), &pair);
  OnRecord(SummaryRecord(1, v1::OUTCOME_CLEAN, 0), &pair);
  EXPECT_EQ(pair.state, v1::DISPATCH_STATE_CLEAN);
  EXPECT_FALSE(pair.refusal.has_value());
}

TEST(PairTest, OnlyWaitingPairsAreNeverSent) {
  Pair waiting = NewPair();
  OnClosed(&waiting);
  EXPECT_EQ(waiting.state, v1::DISPATCH_STATE_NEVER_SENT);
  Pair sent = NewPair();
  OnSent(&sent);
  OnClosed(&sent);
  EXPECT_EQ(sent.state, v1::DISPATCH_STATE_SENT);
}

TEST(PairTest, IsSentAgainUntilItHasEnded) {
  Pair pair = NewPair();
  EXPECT_TRUE(IsWorthSending(pair, /*recurs=*/false));
  OnAccepted(&pair);
  EXPECT_TRUE(IsWorthSending(pair, /*recurs=*/false));
  OnRecord(SummaryRecord(1, v1::OUTCOME_CLEAN, 0), &pair);
  EXPECT_FALSE(IsWorthSending(pair, /*recurs=*/false));
  Pair busy = NewPair();
  OnRefusal(RefusalOf(v1::Refusal::REASON_BUSY), &busy);
  EXPECT_TRUE(IsWorthSending(busy, false));
  Pair unwilling = NewPair();
  OnRefusal(RefusalOf(v1::Refusal::REASON_INSUFFICIENT_WEIGHT), &unwilling);
  EXPECT_FALSE(IsWorthSending(unwilling, false));
}

// It may be in force for a year, in which policies and facts change.
TEST(PairTest, WhatRecursIsSentAgainThoughItWasRefusedForWhatCanChange) {
  for (const auto reason :
       {v1::Refusal::REASON_INSUFFICIENT_WEIGHT, v1::Refusal::REASON_NOT_TARGETED,
        v1::Refusal::REASON_MODULE_NOT_ALLOWED}) {
    Pair pair = NewPair();
    OnRefusal(RefusalOf(reason), &pair);
    EXPECT_TRUE(IsWorthSending(pair, /*recurs=*/true));
    EXPECT_FALSE(IsWorthSending(pair, /*recurs=*/false));
  }
  Pair cancelled = NewPair();
  OnRefusal(RefusalOf(v1::Refusal::REASON_CANCELLED), &cancelled);
  EXPECT_FALSE(IsWorthSending(cancelled, /*recurs=*/true));
}

TEST(PairTest, SignedLimitsBoundWhatIsStoredAndTheCeilingAlways) {
  v1::Action action;
  action.add_operations();
  action.add_operations()->mutable_limits()->set_rows(5);
  action.add_operations()->mutable_limits()->set_rows(5000);
  const auto bounds = BoundsOf(action, {.rows = 1000, .bytes = 1000});
  ASSERT_EQ(bounds.size(), 3u);
  EXPECT_EQ(bounds[0].rows, 1000u);
  EXPECT_EQ(bounds[1].rows, 5u);
  EXPECT_EQ(bounds[2].rows, 1000u);
}

TEST(PairTest, FailedIsWhoEndedWithWhatAHostMustNotSuffer) {
  const auto ended = [](v1::Termination termination) {
    v1::ResultRecord record = SummaryRecord(1, v1::OUTCOME_INCOMPLETE, 0);
    record.mutable_summary()->set_termination(termination);
    return After({record});
  };
  for (const v1::Termination termination :
       {v1::TERMINATION_CRASHED, v1::TERMINATION_WALL_TIME_LIMIT, v1::TERMINATION_CPU_TIME_LIMIT,
        v1::TERMINATION_MEMORY_LIMIT, v1::TERMINATION_NOT_STARTED, v1::TERMINATION_MODULE_ERROR,
        v1::TERMINATION_PROTOCOL_VIOLATION})
    EXPECT_TRUE(Failed(ended(termination))) << termination;
  for (const v1::Termination termination :
       {v1::TERMINATION_COMPLETED, v1::TERMINATION_ROW_LIMIT, v1::TERMINATION_RESULT_SIZE_LIMIT,
        v1::TERMINATION_INTERRUPTED, v1::TERMINATION_INVALID_PARAMETERS,
        v1::TERMINATION_PRIVACY_MODE, v1::TERMINATION_CANCELLED})
    EXPECT_FALSE(Failed(ended(termination))) << termination;
}

TEST(PairTest, WhoHasNotEndedHasNotFailed) {
  v1::ResultRecord crashed = SummaryRecord(1, v1::OUTCOME_INCOMPLETE, 0);
  crashed.mutable_summary()->set_termination(v1::TERMINATION_CRASHED);
  Pair pair = After({crashed}, 2);
  EXPECT_FALSE(Failed(pair));
  OnRecord(SummaryRecord(1, v1::OUTCOME_CLEAN, 0, 1), &pair);
  EXPECT_TRUE(Failed(pair));
  EXPECT_FALSE(Failed(NewPair()));
}

TEST(PairTest, RecordsThatAreMissingAreKnownAndFewerThanAWindow) {
  Pair pair = After({RowsRecord(1, 1), RowsRecord(4, 1)});
  EXPECT_EQ(pair.operations[0].missing, (std::vector<uint64_t>{2, 3}));
  EXPECT_TRUE(IsDuplicate(RowsRecord(4, 1), pair));
  EXPECT_FALSE(IsDuplicate(RowsRecord(2, 1), pair));
  EXPECT_FALSE(IsDuplicate(RowsRecord(5, 1), pair));
  OnRecord(RowsRecord(2, 1), &pair);
  EXPECT_TRUE(IsDuplicate(RowsRecord(2, 1), pair));
  EXPECT_EQ(pair.operations[0].missing, std::vector<uint64_t>{3});
  EXPECT_TRUE(Check(RowsRecord(1028, 1), pair).ok());
  OnRecord(RowsRecord(1028, 1), &pair);
  EXPECT_TRUE(absl::IsInvalidArgument(Check(RowsRecord(1030, 1), pair)));
  EXPECT_TRUE(Check(RowsRecord(1029, 1), pair).ok());
}

TEST(PairTest, ARefusedOrderSaysNothingOfTheAction) {
  Pair pair;
  pair.operations.resize(1);
  v1::Refusal refusal;
  refusal.set_reason(v1::Refusal::REASON_ORDER_REJECTED);
  OnRefusal(refusal, &pair);
  EXPECT_EQ(pair.state, v1::DISPATCH_STATE_WAITING);
  OnAccepted(&pair);
  OnRefusal(refusal, &pair);
  EXPECT_EQ(pair.state, v1::DISPATCH_STATE_RUNNING);
}

TEST(PairTest, WhatWasSentInTheMomentOfACancellationMovesOn) {
  for (const bool accepted : {true, false}) {
    Pair pair;
    pair.operations.resize(1);
    OnClosed(&pair);
    ASSERT_EQ(pair.state, v1::DISPATCH_STATE_NEVER_SENT);
    if (accepted) {
      OnAccepted(&pair);
    } else {
      v1::ResultRecord record;
      record.set_sequence(1);
      record.mutable_rows()->add_rows("row");
      OnRecord(record, &pair);
    }
    EXPECT_EQ(pair.state, v1::DISPATCH_STATE_RUNNING);
  }
}

}  // namespace
}  // namespace dragnet::scheduler
