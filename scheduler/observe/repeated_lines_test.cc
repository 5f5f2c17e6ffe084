#include "scheduler/observe/repeated_lines.h"

#include <gmock/gmock.h>

#include "core/strings.h"

namespace dragnet::scheduler {
namespace {

using ::testing::Optional;

const absl::Time kStart = absl::FromUnixSeconds(1000);

TEST(RepeatedLinesTest, SaysEachLineOnceAMinuteWithItsCount) {
  RepeatedLines lines;
  EXPECT_THAT(lines.Ask("a", kStart), Optional(0u));
  for (int second = 0; second < 59; ++second)
    EXPECT_EQ(lines.Ask("a", kStart + absl::Seconds(second)), std::nullopt);
  EXPECT_THAT(lines.Ask("b", kStart), Optional(0u));
  EXPECT_THAT(lines.Ask("a", kStart + absl::Seconds(60)), Optional(59u));
  EXPECT_THAT(lines.Ask("a", kStart + absl::Seconds(120)), Optional(0u));
}

// Whoever makes up new ones gets no more lines, and no more memory.
TEST(RepeatedLinesTest, TooManyDifferentOnesShareALine) {
  RepeatedLines lines(10);
  int said = 0;
  for (int key = 0; key < 1000; ++key)
    if (lines.Ask(StrCat("key ", key), kStart).has_value()) ++said;
  EXPECT_EQ(said, 11);
  // Those that are old make room.
  const absl::Time later = kStart + absl::Seconds(61);
  EXPECT_THAT(lines.Ask("new", later), Optional(0u));
  EXPECT_EQ(lines.Ask("new", later), std::nullopt);
}

TEST(RepeatedLinesTest, Words) {
  EXPECT_EQ(RepeatedLines::Words(0), "");
  EXPECT_EQ(RepeatedLines::Words(12), " (and 12 more like it)");
}

}  // namespace
}  // namespace dragnet::scheduler
