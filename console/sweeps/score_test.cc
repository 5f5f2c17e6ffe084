#include "console/sweeps/score.h"

#include <gtest/gtest.h>

#include <limits>

namespace dragnet::console {
namespace {

v1::VerdictCounts Counts(uint64_t passed, uint64_t failed, uint64_t unknown, uint64_t other = 0) {
  v1::VerdictCounts counts;
  counts.set_passed(passed);
  counts.set_failed(failed);
  counts.set_unknown(unknown);
  counts.set_not_applicable(other);
  return counts;
}

TEST(ScoreTest, UnknownCountsAsNotPassedAndNotApplicableNotAtAll) {
  EXPECT_EQ(ScoreText(Counts(1, 1, 0)), "50.0%");
  EXPECT_EQ(ScoreText(Counts(1, 0, 1)), "50.0%");
  EXPECT_EQ(ScoreText(Counts(1, 0, 0, 9)), "100.0%");
  EXPECT_EQ(ScoreText(Counts(0, 0, 0, 9)), "–");
  EXPECT_EQ(ScoreText(Counts(0, 0, 3)), "0.0%");
}

TEST(ScoreTest, OnlyAllOfThemAreAHundredPercent) {
  EXPECT_EQ(ScoreText(Counts(999'999, 1, 0)), "99.9%");
  EXPECT_EQ(ScoreText(Counts(1'000'000, 0, 0)), "100.0%");
  const uint64_t most = std::numeric_limits<uint64_t>::max();
  EXPECT_EQ(ScoreText(Counts(most, most, most)), "99.9%");
}

TEST(ScoreTest, TheWorstVerdictIsAHosts) {
  EXPECT_EQ(WorstOf(Counts(5, 1, 1)), VerdictStatus::kFail);
  EXPECT_EQ(WorstOf(Counts(5, 0, 1)), VerdictStatus::kUnknown);
  EXPECT_EQ(WorstOf(Counts(5, 0, 0, 3)), VerdictStatus::kPass);
  EXPECT_EQ(WorstOf(Counts(0, 0, 0, 3)), VerdictStatus::kNotApplicable);
}

TEST(ScoreTest, AWordThatIsNoneIsNeverAPass) {
  for (const char* word : {"", "PASS", "passed", "pass "})
    EXPECT_EQ(VerdictStatusOf(word), VerdictStatus::kUnknown) << word;
}

}  // namespace
}  // namespace dragnet::console
