#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "modules/memory/byte_regex.h"
#include "modules/memory/hex_pattern.h"

namespace dragnet::memory {
namespace {

using testing::HasSubstr;

bool Finds(std::string_view pattern, std::string_view bytes) {
  const auto regex = CompileForMemory(pattern, 1 << 20);
  EXPECT_TRUE(regex.ok()) << regex.status();
  return regex.ok() && (*regex)->Match(re2::StringPiece(bytes.data(), bytes.size()), 0,
                                       bytes.size(), RE2::UNANCHORED, nullptr, 0);
}

std::string Refusal(std::string_view pattern) {
  const auto regex = CompileForMemory(pattern, 1 << 20);
  EXPECT_FALSE(regex.ok()) << pattern;
  return std::string(regex.status().message());
}

TEST(ByteRegexTest, BytesAreMatchedAsTheyAre) {
  EXPECT_TRUE(Finds("\\xff\\x00.", std::string_view("\xff\0\x80", 3)));
  EXPECT_FALSE(Finds("a.b", "a\nb"));
  EXPECT_TRUE(Finds("(?s)a.b", "a\nb"));
  EXPECT_TRUE(Finds("[\\x80-\\xff]{2}", "\xc3\xa9"));
  EXPECT_TRUE(Finds("\\x{ff}", "\xff"));
}

TEST(ByteRegexTest, CharactersOutsideAsciiAreTheirBytesAsOneUnit) {
  EXPECT_TRUE(Finds("^é{2}$", "\xc3\xa9\xc3\xa9"));
  EXPECT_FALSE(Finds("^é{2}$", "\xc3\xa9\xa9"));
  EXPECT_TRUE(Finds("\\Qé*\\E", "\xc3\xa9*"));
  EXPECT_FALSE(Finds("(?i)é", "\xc3\x89"));
  EXPECT_FALSE(Finds("(?i)ã", "\xe3\xa3"));
}

TEST(ByteRegexTest, LinesHaveEnds) {
  EXPECT_TRUE(Finds("^b$", "a\nb\nc"));
  EXPECT_FALSE(Finds("^b$", "a\nbc"));
}

TEST(ByteRegexTest, WhatHasNoMeaningIsRefusedByName) {
  EXPECT_THAT(Refusal(""), HasSubstr("empty"));
  EXPECT_THAT(Refusal("foo("), HasSubstr("RE2"));
  EXPECT_THAT(Refusal("\\pL"), HasSubstr("\\p"));
  EXPECT_THAT(Refusal("\\Afoo"), HasSubstr("\\A"));
  EXPECT_THAT(Refusal("foo\\z"), HasSubstr("\\z"));
  EXPECT_THAT(Refusal("[é]"), HasSubstr("[]"));
  EXPECT_THAT(Refusal("\\x{20ac}"), HasSubstr("20ac"));
  EXPECT_THAT(Refusal("a*"), HasSubstr("nothing"));
  EXPECT_THAT(Refusal("^"), HasSubstr("nothing"));
  EXPECT_THAT(Refusal(std::string(5000, 'x')), HasSubstr("4096"));
}

TEST(HexPatternTest, DigitsAndWildcardsMatch) {
  const auto pattern = HexPattern::Parse("4d 5A??5?");
  ASSERT_TRUE(pattern.ok());
  EXPECT_EQ(pattern->size(), 4u);
  EXPECT_EQ(pattern->anchor(), "MZ");
  EXPECT_TRUE(pattern->MatchesAt("MZ\xff\x5f"));
  EXPECT_FALSE(pattern->MatchesAt("MZ\xff\x6f"));
}

TEST(HexPatternTest, TheLongestPartWithoutWildcardsIsTheAnchor) {
  const auto pattern = HexPattern::Parse("4d??414243?a");
  ASSERT_TRUE(pattern.ok());
  EXPECT_EQ(pattern->anchor(), "ABC");
  EXPECT_EQ(pattern->anchor_begin(), 2u);
}

TEST(HexPatternTest, WhatIsNoByteStringIsRefused) {
  for (const char* text : {"", " ", "4", "4d5", "4 d", "xx", "0x4d", "?? ?4 4?"})
    EXPECT_FALSE(HexPattern::Parse(text).ok()) << text;
  std::string longest;
  for (size_t i = 0; i < kMaxHexBytes; ++i) longest += "ff";
  EXPECT_TRUE(HexPattern::Parse(longest).ok());
  EXPECT_FALSE(HexPattern::Parse(longest + "ff").ok());
}

}  // namespace
}  // namespace dragnet::memory
