#include "console/sweeps/new_sweep.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "console/sweeps/testing.h"

namespace dragnet::console {
namespace {

using ::testing::HasSubstr;

// 2027-01-15 08:00 UTC, a Friday.
constexpr absl::Time kNow = absl::FromUnixSeconds(1'800'000'000);

absl::StatusOr<v1::Action> Made(const SweepPlan& plan) {
  BlobContents blobs;
  return SweepAction(testing::SamplePack(), plan, kNow, &blobs);
}

std::string Problem(const SweepPlan& plan) {
  return std::string(ToStd(Made(plan).status().message()));
}

TEST(NewSweepTest, OneOperationWithTheScheduleInside) {
  const absl::StatusOr<v1::Action> action = Made({.every = "0 3 * * *",
                                                  .time_zone = "Europe/Berlin",
                                                  .jitter = "30m",
                                                  .until = "2027-06-30",
                                                  .missed = "skip"});
  ASSERT_TRUE(action.ok()) << action.status();
  EXPECT_EQ(action->name(), "sweep: SSH servers that can be trusted");
  ASSERT_EQ(action->operations_size(), 1);
  EXPECT_EQ(action->operations(0).module(), "check");
  check::v1::CheckParameters pack;
  ASSERT_TRUE(pack.ParseFromString(action->operations(0).parameters()));
  EXPECT_EQ(pack.checks_size(), 2);
  EXPECT_EQ(action->recurrence().cron(), "0 3 * * *");
  EXPECT_EQ(action->recurrence().time_zone(), "Europe/Berlin");
  EXPECT_EQ(action->recurrence().jitter().seconds(), 1800);
  EXPECT_EQ(action->recurrence().missed(), v1::Recurrence::MISSED_SKIP);
  // The end of that day in Berlin, where it is summer.
  EXPECT_EQ(absl::FormatTime(*ToTime(action->expires()), absl::UTCTimeZone()),
            "2027-06-30T21:59:59+00:00");
}

TEST(NewSweepTest, WithoutAnEndItIsNinetyDays) {
  const absl::StatusOr<v1::Action> action = Made({.every = "@daily"});
  ASSERT_TRUE(action.ok()) << action.status();
  EXPECT_EQ(*ToTime(action->expires()), kNow + absl::Hours(24 * 90));
  EXPECT_EQ(action->recurrence().time_zone(), "UTC");
  EXPECT_FALSE(action->recurrence().has_jitter());
}

TEST(NewSweepTest, WhatNeverComesIsRefusedBeforeItIsSigned) {
  EXPECT_THAT(Problem({.every = "0 3 31 2 *"}),
              HasSubstr("--every: 0 3 31 2 *: such a time never"));
  // Comes, but after the end.
  EXPECT_THAT(Problem({.every = "0 3 1 6 *", .until = "2027-02-01"}),
              HasSubstr("doesn't come before it ends, 2027-02-01 23:59 UTC"));
  EXPECT_THAT(Problem({.every = "0 25 * * *"}), HasSubstr("--every: "));
  EXPECT_THAT(Problem({.every = "@daily", .time_zone = "Mars/Olympus"}), HasSubstr("--tz: "));
}

TEST(NewSweepTest, JitterIsShorterThanBetweenTwoRuns) {
  EXPECT_THAT(Problem({.every = "*/10 * * * *", .jitter = "10m"}),
              HasSubstr("--jitter: 10m: must be less than between two runs, which is 10 min"));
  EXPECT_EQ(Problem({.every = "*/10 * * * *", .jitter = "9m"}), "");
  EXPECT_THAT(Problem({.every = "@weekly", .jitter = "25h"}), HasSubstr("from 0 to 24h"));
  EXPECT_THAT(Problem({.every = "@weekly", .jitter = "soon"}), HasSubstr("--jitter: "));
}

TEST(NewSweepTest, ItEndsWithinAYear) {
  EXPECT_EQ(Problem({.every = "@daily", .until = "2028-01-15"}), "");
  EXPECT_THAT(Problem({.every = "@daily", .until = "2028-01-17"}), HasSubstr("366 days"));
  EXPECT_THAT(Problem({.every = "@daily", .until = "2027-01-14"}), HasSubstr("is past"));
  EXPECT_THAT(Problem({.every = "@daily", .until = "summer"}), HasSubstr("--until: "));
}

TEST(NewSweepTest, AnExtraRunIsTheSameWithoutTheSchedule) {
  const dragnet::testing::Fleet fleet;
  const v1::Action sweep = testing::SampleSweep(fleet, testing::SamplePack());
  const absl::StatusOr<v1::Action> run = ExtraRunOf(sweep, absl::Hours(1), kNow);
  ASSERT_TRUE(run.ok()) << run.status();
  EXPECT_EQ(run->extra_run_of(), sweep.id());
  EXPECT_NE(run->id(), sweep.id());
  EXPECT_FALSE(run->has_recurrence());
  EXPECT_EQ(run->target(), sweep.target());
  EXPECT_EQ(run->operations(0).parameters(), sweep.operations(0).parameters());
  EXPECT_EQ(*ToTime(run->expires()), kNow + absl::Hours(1));
}

}  // namespace
}  // namespace dragnet::console
