#include "agent/monitor/cpu_throttle.h"

#include <algorithm>

#include "gtest/gtest.h"

namespace dragnet {
namespace {

const absl::Time kStart = absl::FromUnixSeconds(1000);

struct Use {
  double of_one_core = 0;  // CPU time over wall-clock time
  absl::Duration longest_stop;
  int samples = 0;
};

// A process that uses `threads` cores whenever it isn't stopped, watched by
// someone who is late by `late` each time.
Use Simulate(uint32_t percent, double threads, int cores, absl::Duration length,
             absl::Duration late = absl::Milliseconds(1)) {
  CpuThrottle throttle(percent, cores, kStart);
  absl::Time now = kStart;
  absl::Duration cpu;
  Use use;
  while (now < kStart + length) {
    const absl::Time next = std::min(throttle.next_sample() + late, kStart + length);
    if (!throttle.stopped()) cpu += (next - now) * std::min<double>(threads, cores);
    if (throttle.stopped()) use.longest_stop = std::max(use.longest_stop, next - now);
    now = next;
    throttle.Sample(now, cpu);
    ++use.samples;
  }
  use.of_one_core = absl::FDivDuration(cpu, length);
  return use;
}

TEST(CpuThrottleTest, KeepsTheShareWhateverTheThreadsAndHoweverLateOneLooks) {
  constexpr absl::Duration kLength = absl::Minutes(2);
  for (const uint32_t percent : {1u, 10u, 25u, 100u, 250u}) {
    for (const double threads : {1.0, 2.0, 7.0, 64.0}) {
      for (const absl::Duration late : {absl::Microseconds(50), absl::Milliseconds(30)}) {
        const double wanted = std::min(percent / 100.0, threads);
        const double got = Simulate(percent, threads, 64, kLength, late).of_one_core;
        // A debt may be left at the end.
        const double debt = threads * absl::FDivDuration(late + absl::Milliseconds(50), kLength);
        EXPECT_NEAR(got, wanted, wanted * 0.02 + debt)
            << percent << " % " << threads << " " << late;
      }
    }
  }
}

TEST(CpuThrottleTest, TenPercentOverTenSecondsIsWithinEightAndTwelve) {
  for (const double threads : {1.0, 2.0, 8.0}) {
    const double got =
        Simulate(10, threads, 8, absl::Seconds(10), absl::Milliseconds(5)).of_one_core;
    EXPECT_GT(got, 0.08) << threads;
    EXPECT_LT(got, 0.12) << threads;
  }
}

TEST(CpuThrottleTest, OneThreadIsNeverStoppedAtTheShareOfOneCore) {
  const Use use = Simulate(100, 1, 8, absl::Seconds(10));
  EXPECT_EQ(use.longest_stop, absl::ZeroDuration());
  EXPECT_LE(use.samples, 250);
}

TEST(CpuThrottleTest, NothingIsKeptWithoutAShareOrWithOneOfAllCores) {
  EXPECT_EQ(Simulate(0, 8, 8, absl::Seconds(10)).samples, 1);
  EXPECT_EQ(Simulate(800, 8, 8, absl::Seconds(10)).samples, 1);
  EXPECT_EQ(Simulate(6400, 8, 8, absl::Seconds(10)).of_one_core, 8);
}

TEST(CpuThrottleTest, StopsAreShortAndSamplesFew) {
  const Use use = Simulate(25, 2, 2, absl::Seconds(10));
  EXPECT_LT(use.longest_stop, absl::Milliseconds(400));
  EXPECT_LT(use.samples, 150);
}

TEST(CpuThrottleTest, WhatWasNotUsedIsNotSavedUp) {
  CpuThrottle throttle(10, 2, kStart);
  // An hour of rest, then a tight loop.
  throttle.Sample(kStart + absl::Hours(1), absl::ZeroDuration());
  EXPECT_FALSE(throttle.stopped());
  throttle.Sample(kStart + absl::Hours(1) + absl::Milliseconds(50), absl::Milliseconds(50));
  EXPECT_TRUE(throttle.stopped());
}

TEST(CpuThrottleTest, ASmallerShareHoldsAtOnceAndNoneLetsGo) {
  CpuThrottle throttle(100, 4, kStart);
  throttle.Sample(kStart + absl::Milliseconds(50), absl::Milliseconds(50));
  EXPECT_FALSE(throttle.stopped());
  throttle.SetShare(10);
  throttle.Sample(kStart + absl::Milliseconds(100), absl::Milliseconds(100));
  EXPECT_TRUE(throttle.stopped());
  throttle.SetShare(0);
  EXPECT_FALSE(throttle.stopped());
  EXPECT_EQ(throttle.next_sample(), absl::InfiniteFuture());
  throttle.SetShare(10);
  EXPECT_LE(throttle.next_sample(), kStart + absl::Milliseconds(100));
}

}  // namespace
}  // namespace dragnet
