#include "modules/events/cursor.h"

#include <gtest/gtest.h>

namespace dragnet::events {
namespace {

TEST(CursorTest, ReadsBackWhatItWrote) {
  for (const Cursor& cursor :
       {Cursor{}, Cursor{.store = 1, .position = 2, .removal = 3},
        Cursor{.store = UINT64_MAX, .position = UINT64_MAX, .removal = UINT64_MAX}}) {
    const auto parsed = ParseCursor(FormatCursor(cursor));
    ASSERT_TRUE(parsed.ok()) << parsed.status();
    EXPECT_EQ(*parsed, cursor);
  }
}

TEST(CursorTest, NothingElseIsTaken) {
  const std::string good = FormatCursor({.store = 10, .position = 2, .removal = 3});
  for (const std::string& text :
       {std::string(), std::string("0"), good + ".", good + "0x", " " + good, "+" + good,
        std::string("000000000000000A.2.3"), std::string("a.2.3"),
        std::string("000000000000000a.+2.3"), std::string("000000000000000a.02.3"),
        std::string("000000000000000a.18446744073709551616.3"), std::string(1000, '.'),
        good + std::string("\0", 1)})
    EXPECT_TRUE(absl::IsInvalidArgument(ParseCursor(text).status())) << text;
}

TEST(CursorTest, WhatIsRefusedIsShownSafely) {
  const std::string words(ParseCursor("\x1b[2J" + std::string(500, 'x')).status().message());
  EXPECT_EQ(words.find('\x1b'), std::string::npos);
  EXPECT_LT(words.size(), 200U);
}

TEST(CursorTest, KeyOfAnEventIsTheSameWhateverItsReaderKnowsOfRemovals) {
  EXPECT_EQ(EventKey(FormatCursor({.store = 10, .position = 2, .removal = 3})),
            EventKey(FormatCursor({.store = 10, .position = 2, .removal = 9})));
  EXPECT_NE(EventKey(FormatCursor({.store = 10, .position = 2})),
            EventKey(FormatCursor({.store = 11, .position = 2})));
}

}  // namespace
}  // namespace dragnet::events
