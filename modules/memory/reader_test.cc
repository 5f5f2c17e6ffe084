#include "modules/memory/reader.h"

#include "gtest/gtest.h"

namespace dragnet::memory {
namespace {

TEST(SwapTest, IsUsedWhereNotAllOfItIsFree) {
  EXPECT_FALSE(
      SwapIsUsed("MemTotal: 5 kB\nSwapTotal:             0 kB\nSwapFree:              0 kB\n"));
  EXPECT_FALSE(SwapIsUsed("SwapTotal:     2097148 kB\nSwapFree:      2097148 kB\n"));
  EXPECT_TRUE(SwapIsUsed("SwapTotal:     2097148 kB\nSwapFree:      2097144 kB\n"));
}

// What isn't known is not taken for unused.
TEST(SwapTest, IsTakenForUsedWhereTheTextDoesNotSay) {
  EXPECT_TRUE(SwapIsUsed(""));
  EXPECT_TRUE(SwapIsUsed("SwapTotal: 0 kB\n"));
  EXPECT_TRUE(SwapIsUsed("SwapTotal: x kB\nSwapFree: 0 kB\n"));
}

}  // namespace
}  // namespace dragnet::memory
