#include "console/form/values.h"

#include <gtest/gtest.h>

namespace dragnet::console {
namespace {

TEST(ValuesTest, Durations) {
  EXPECT_EQ(*ParseDuration("90s"), absl::Seconds(90));
  EXPECT_EQ(*ParseDuration("1h30m"), absl::Minutes(90));
  EXPECT_EQ(*ParseDuration("7d"), absl::Hours(168));
  EXPECT_EQ(*ParseDuration("1.5d"), absl::Hours(36));
  EXPECT_EQ(*ParseDuration("2w1d"), absl::Hours(15 * 24));
  EXPECT_EQ(*ParseDuration("0"), absl::ZeroDuration());
  EXPECT_EQ(*ParseDuration("-1h"), -absl::Hours(1));
  for (const char* bad : {"", "-", "5", "5x", "m", "5 m", "d5", "--5m", "1e9d"})
    EXPECT_FALSE(ParseDuration(bad).ok()) << bad;
}

TEST(ValuesTest, Sizes) {
  EXPECT_EQ(*ParseSize("4096"), 4096u);
  EXPECT_EQ(*ParseSize("64k"), 65536u);
  EXPECT_EQ(*ParseSize("512M"), 536870912u);
  EXPECT_EQ(*ParseSize("1G"), 1073741824u);
  for (const char* bad : {"", "k", "-1", "1.5M", "5q", "99999999999999999999", "99999999999999T"})
    EXPECT_FALSE(ParseSize(bad).ok()) << bad;
}

TEST(ValuesTest, Times) {
  const absl::Time now = absl::FromUnixSeconds(1'700'000'000);
  EXPECT_EQ(*ParseTime("-7d", now), now - absl::Hours(168));
  EXPECT_EQ(*ParseTime("2023-11-14T22:13:20Z", now), now);
  EXPECT_EQ(*ParseTime("2023-11-15T00:13:20+02:00", now), now);
  EXPECT_TRUE(ParseTime("2023-11-14", now).ok());
  EXPECT_TRUE(ParseTime("2023-11-14 10:30", now).ok());
  for (const char* bad : {"", "yesterday", "2023-13-01", "-"})
    EXPECT_FALSE(ParseTime(bad, now).ok());
}

TEST(ValuesTest, DurationsInWords) {
  EXPECT_EQ(DurationWords(absl::Minutes(6)), "6 min");
  EXPECT_EQ(DurationWords(absl::Hours(25) + absl::Seconds(1)), "1 d 1 h 1 s");
}

}  // namespace
}  // namespace dragnet::console
