#include "scheduler/gateway/drop_limit.h"

#include <gmock/gmock.h>

namespace dragnet::scheduler {
namespace {

const absl::Time kStart = absl::FromUnixSeconds(1000);

TEST(DropLimitTest, AnAgentThatRepeatsItsWindowGoesOn) {
  DropLimit limit;
  for (int record = 0; record < 32; ++record) {
    EXPECT_TRUE(limit.Check(kStart).ok());
    limit.Note(kStart);
  }
  EXPECT_TRUE(limit.Check(kStart).ok());
}

TEST(DropLimitTest, AFloodIsEndedAtTwoHundred) {
  DropLimit limit;
  int taken = 0;
  while (taken < 10'000 && limit.Check(kStart).ok()) {
    limit.Note(kStart);
    ++taken;
  }
  EXPECT_EQ(taken, 200);
  EXPECT_TRUE(absl::IsResourceExhausted(limit.Check(kStart)));
}

TEST(DropLimitTest, FiveASecondMayGoOnForEver) {
  DropLimit limit;
  for (int record = 0; record < 2000; ++record) {
    const absl::Time now = kStart + record * absl::Milliseconds(200);
    ASSERT_TRUE(limit.Check(now).ok()) << record;
    limit.Note(now);
  }
  // Six a second may not.
  DropLimit faster;
  int taken = 0;
  for (; taken < 2000; ++taken) {
    const absl::Time now = kStart + taken * absl::Seconds(1) / 6;
    if (!faster.Check(now).ok()) break;
    faster.Note(now);
  }
  EXPECT_LT(taken, 2000);
}

TEST(DropLimitTest, TimeThatGoesBackGivesNothing) {
  DropLimit limit;
  for (int record = 0; record < 200; ++record)
    limit.Note(kStart - (record % 2) * absl::Seconds(100));
  EXPECT_FALSE(limit.Check(kStart).ok());
  EXPECT_TRUE(limit.Check(kStart + absl::Seconds(1)).ok());
}

TEST(DropLimitTest, WhatIsOverTheBoundsEndsNothingAndIsHeldToTwoHundredASecond) {
  DropLimit limit;
  const auto take = [&](absl::Time now) {
    int taken = 0;
    for (; taken < 10'000 && limit.MayReadOn(now); ++taken) limit.NoteOverBounds(now);
    EXPECT_TRUE(limit.Check(now).ok());
    return taken;
  };
  EXPECT_EQ(take(kStart), 400);
  EXPECT_EQ(take(kStart), 0);
  for (int second = 1; second < 60; ++second)
    EXPECT_EQ(take(kStart + absl::Seconds(second)), 200) << second;
}

TEST(DropLimitTest, RecordsThatBringNothingNewAreCountedByThemselves) {
  DropLimit limit;
  for (int record = 0; record < 200; ++record) limit.Note(kStart);
  EXPECT_FALSE(limit.Check(kStart).ok());
  EXPECT_TRUE(limit.MayReadOn(kStart));
}

}  // namespace
}  // namespace dragnet::scheduler
