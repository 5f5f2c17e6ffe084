#include "scheduler/store/sweep_terms.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "scheduler/testing/sweep_documents.h"

namespace dragnet::scheduler {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

constexpr char kSweep[] = "0190a000-0000-7000-8000-00000000000a";
// A day's beginning.
const absl::Time kBegin = absl::FromUnixSeconds(1'799'971'200);
constexpr absl::Duration kDay = absl::Hours(24);

v1::Action Daily() {
  return SweepDocument(kSweep, "0 3 * * *", kBegin, kBegin + 10 * kDay, {"time"});
}

absl::Time ThreeOClock(int day) { return kBegin + day * kDay + absl::Hours(3); }

TEST(SweepTermsTest, IdsOfRuns) {
  const std::string run = RunId(kSweep, 1'800'000'000);
  EXPECT_EQ(run, "0190a000-0000-7000-8000-00000000000a@1800000000");
  EXPECT_EQ(SweepOfRunId(run), kSweep);
  EXPECT_TRUE(IsActionId(run));
  EXPECT_TRUE(IsActionId(kSweep));
  for (const std::string& text :
       {std::string(kSweep), std::string(kSweep) + "@", std::string(kSweep) + "@-1",
        std::string(kSweep) + "@01", std::string(kSweep) + "@1x", std::string(kSweep) + "@1 ",
        std::string(kSweep) + "@1234567890123", std::string("@1"), std::string(37, '@')})
    EXPECT_FALSE(SweepOfRunId(text).has_value()) << text;
}

TEST(SweepTermsTest, TheNextOccurrenceIsWithinTheTimeInWhichItHolds) {
  const auto terms = SweepTerms::Of(Daily());
  ASSERT_TRUE(terms.ok()) << terms.status();
  EXPECT_EQ(terms->NextAfter(kBegin - 5 * kDay), ThreeOClock(0));
  EXPECT_EQ(terms->NextAfter(ThreeOClock(0)), ThreeOClock(1));
  EXPECT_EQ(terms->NextAfter(ThreeOClock(9)), std::nullopt);
  v1::Action ends = Daily();
  *ends.mutable_recurrence()->mutable_until() = ToTimestamp(ThreeOClock(2));
  const auto short_terms = SweepTerms::Of(ends);
  EXPECT_EQ(short_terms->NextAfter(ThreeOClock(1)), ThreeOClock(2));
  EXPECT_EQ(short_terms->NextAfter(ThreeOClock(2)), std::nullopt);
  EXPECT_FALSE(
      short_terms->CheckOccurrence(absl::ToUnixSeconds(ThreeOClock(3)), ThreeOClock(5)).ok());
}

TEST(SweepTermsTest, ARunIsDueOnceAllHadTheTimeToTellOfIt) {
  v1::Action action = Daily();
  *action.mutable_recurrence()->mutable_jitter() = ToProtoDuration(absl::Hours(2));
  const auto terms = SweepTerms::Of(action);
  ASSERT_TRUE(terms.ok()) << terms.status();
  EXPECT_THAT(terms->Due(ThreeOClock(0), 2), IsEmpty());
  EXPECT_THAT(terms->Due(ThreeOClock(2), 2), ElementsAre(ThreeOClock(1), ThreeOClock(0)));
  EXPECT_THAT(terms->Due(ThreeOClock(2) + absl::Hours(2), 2),
              ElementsAre(ThreeOClock(1), ThreeOClock(0)));
  EXPECT_THAT(terms->Due(ThreeOClock(2) + absl::Hours(3), 2),
              ElementsAre(ThreeOClock(2), ThreeOClock(1)));
  // After its end, those that there were.
  EXPECT_THAT(terms->Due(kBegin + 100 * kDay, 2), ElementsAre(ThreeOClock(9), ThreeOClock(8)));
}

TEST(SweepTermsTest, OperationsAreTheSameByteForByte) {
  const v1::Action action = Daily();
  v1::Action other = action;
  EXPECT_TRUE(SameOperations(action, other));
  other.mutable_operations(0)->mutable_limits()->set_rows(1);
  EXPECT_FALSE(SameOperations(action, other));
  other = action;
  *other.add_operations() = action.operations(0);
  EXPECT_FALSE(SameOperations(action, other));
}

TEST(SweepTermsTest, WhatIsNoPackHasNoChecks) {
  v1::Action action = Daily();
  action.mutable_operations(0)->set_parameters("\xff\xff");
  EXPECT_THAT(SweepTerms::Of(action)->checks(), IsEmpty());
  action = Daily();
  action.mutable_operations(0)->set_module("file");
  EXPECT_THAT(SweepTerms::Of(action)->checks(), IsEmpty());
}

}  // namespace
}  // namespace dragnet::scheduler
