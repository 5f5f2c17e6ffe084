#include "console/tui/views/action_pace.h"

#include <gtest/gtest.h>

namespace dragnet::console::tui {
namespace {

const absl::Time kStart = absl::FromUnixSeconds(1'800'000'000);

v1::Progress Counts(uint64_t ended, uint64_t running, uint64_t rows, uint64_t offline = 0) {
  v1::Progress progress;
  progress.set_targeted(ended + running);
  progress.set_clean(ended);
  progress.set_running(running);
  progress.set_rows(rows);
  progress.set_offline(offline);
  return progress;
}

std::string End(const v1::Progress& progress, const ActionPace& pace, absl::Time now,
                v1::DispatchPhase phase = v1::DISPATCH_PHASE_OPEN,
                absl::Duration left = absl::Hours(1)) {
  return ExpectedEnd(phase, progress, &pace, now + left, now, now);
}

TEST(ActionPaceTest, IsThatOfTheLastSeconds) {
  ActionPace pace;
  pace.Add(kStart, Counts(0, 100, 0));
  pace.Add(kStart + absl::Seconds(5), Counts(50, 50, 500));
  const absl::Time now = kStart + absl::Seconds(5);
  EXPECT_DOUBLE_EQ(pace.AgentsPerSecond(now), 10);
  EXPECT_DOUBLE_EQ(pace.RowsPerSecond(now), 100);
  EXPECT_EQ(End(Counts(50, 50, 500), pace, now), "~5 s");
}

TEST(ActionPaceTest, WhatStandsStillHasNone) {
  ActionPace pace;
  pace.Add(kStart, Counts(0, 100, 0));
  pace.Add(kStart + absl::Seconds(5), Counts(50, 50, 500));
  EXPECT_DOUBLE_EQ(pace.AgentsPerSecond(kStart + absl::Minutes(1)), 0);
  EXPECT_EQ(End(Counts(50, 50, 500), pace, kStart + absl::Minutes(1)), "…");
}

TEST(ActionPaceTest, OneLookIsNotEnough) {
  ActionPace pace;
  pace.Add(kStart, Counts(50, 50, 500));
  EXPECT_DOUBLE_EQ(pace.AgentsPerSecond(kStart + absl::Seconds(5)), 0);
  EXPECT_DOUBLE_EQ(ActionPace().RowsPerSecond(kStart), 0);
}

TEST(ActionPaceTest, CountsThatFallAreNoPace) {
  ActionPace pace;
  pace.Add(kStart, Counts(50, 50, 500));
  pace.Add(kStart + absl::Seconds(5), Counts(10, 90, 100));
  EXPECT_DOUBLE_EQ(pace.AgentsPerSecond(kStart + absl::Seconds(5)), 0);
}

TEST(ExpectedEndTest, OnlyOfflineOnesAreLeft) {
  EXPECT_EQ(End(Counts(88, 12, 0, 12), ActionPace(), kStart), "12 offline");
}

TEST(ExpectedEndTest, AHostileCountOfOfflineOnesIsNotBelieved) {
  EXPECT_EQ(PendingOnline(Counts(0, 5, 0, UINT64_MAX)), 0u);
  EXPECT_EQ(End(Counts(0, 5, 0, UINT64_MAX), ActionPace(), kStart), "5 offline");
}

TEST(ExpectedEndTest, WhatDoesntGoOnHasNone) {
  EXPECT_EQ(End(Counts(1, 5, 0), ActionPace(), kStart, v1::DISPATCH_PHASE_PAUSED), "");
  EXPECT_EQ(End(Counts(5, 0, 0), ActionPace(), kStart), "");
}

TEST(ExpectedEndTest, ItExpiresFirst) {
  ActionPace pace;
  pace.Add(kStart, Counts(0, 1000, 0));
  pace.Add(kStart + absl::Seconds(5), Counts(5, 995, 0));
  EXPECT_EQ(End(Counts(5, 995, 0), pace, kStart + absl::Seconds(5), v1::DISPATCH_PHASE_OPEN,
                absl::Minutes(1)),
            "too slow");
}

}  // namespace
}  // namespace dragnet::console::tui
