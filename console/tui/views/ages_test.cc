#include "console/tui/views/ages.h"

#include <gtest/gtest.h>

namespace dragnet::console::tui {
namespace {

TEST(ShortDurationTest, HasOneUnitAndIsRoundedDown) {
  EXPECT_EQ(ShortDuration(absl::Milliseconds(900)), "now");
  EXPECT_EQ(ShortDuration(absl::Seconds(3)), "3 s");
  EXPECT_EQ(ShortDuration(absl::Seconds(119)), "1 min");
  EXPECT_EQ(ShortDuration(absl::Minutes(121)), "2 h");
  EXPECT_EQ(ShortDuration(absl::Hours(49)), "2 d");
}

TEST(ShortDurationTest, OfAClockThatWentBackIsNow) {
  EXPECT_EQ(ShortDuration(-absl::Hours(3)), "now");
  EXPECT_EQ(Age(absl::FromUnixSeconds(10), absl::FromUnixSeconds(5)), "now");
}

TEST(AgeTest, OfWhatNeverWasIsNever) {
  EXPECT_EQ(Age(absl::InfinitePast(), absl::FromUnixSeconds(5)), "never");
}

TEST(TickerTest, StopsWhenItIsTold) {
  EventLoop loop;
  int ticks = 0;
  Ticker* stop = nullptr;
  Ticker ticker(loop, [&] {
    ++ticks;
    stop->Stop();
  });
  stop = &ticker;
  ticker.Start();
  EXPECT_TRUE(loop.WorkUntil([&] { return ticks == 1; }));
  // Nothing is left that would tick.
  bool later = false;
  const auto owner = std::make_shared<char>();
  loop.After(absl::Milliseconds(1200), owner, [&] { later = true; });
  EXPECT_TRUE(loop.WorkUntil([&] { return later; }));
  EXPECT_EQ(ticks, 1);
}

}  // namespace
}  // namespace dragnet::console::tui
