#include "modules/file/pattern.h"

#include <gtest/gtest.h>

#include "modules/file/byte_syntax.h"

namespace dragnet::file {
namespace {

constexpr size_t kMemory = 8 * 1024 * 1024;

bool InLines(std::string_view pattern, std::string_view text) {
  const absl::StatusOr<LinePattern> compiled = LinePattern::Compile(pattern, kMemory);
  EXPECT_TRUE(compiled.ok()) << pattern << ": " << compiled.status();
  return compiled.ok() && compiled->Matches(text, 0, text.size());
}

std::string Refusal(std::string_view pattern) {
  return LinePattern::Compile(pattern, kMemory).status().ToString();
}

TEST(TextPattern, NoPartOfANameHidesBehindANewline) {
  const auto pattern = TextPattern::Compile("^evil.*\\.sh$", kMemory);
  ASSERT_TRUE(pattern.ok());
  EXPECT_TRUE(pattern->Matches("evil\nname.sh"));
  EXPECT_FALSE(pattern->Matches("good\nevil.sh"));
}

TEST(TextPattern, MatchesCharactersNotBytes) {
  const auto pattern = TextPattern::Compile("^.[éè]$", kMemory);
  ASSERT_TRUE(pattern.ok());
  EXPECT_TRUE(pattern->Matches("né"));
  EXPECT_TRUE(pattern->Matches("\xEF\xBF\xBDè"));
}

TEST(Patterns, WhatDoesNotCompileIsRefusedInTheEnginesWords) {
  EXPECT_NE(TextPattern::Compile("a(b", kMemory).status().message().find("missing )"),
            std::string::npos);
  EXPECT_NE(Refusal("^a(b$").find("missing ): ^a(b$"), std::string::npos) << Refusal("^a(b$");
  EXPECT_NE(Refusal("").find("is empty"), std::string::npos);
  EXPECT_NE(Refusal(std::string(5000, 'a')).find("longer than 4096"), std::string::npos);
  EXPECT_FALSE(LinePattern::Compile("(a{100}){100}", kMemory).ok());
  EXPECT_FALSE(TextPattern::Compile("\xff", kMemory).ok());
  EXPECT_FALSE(LinePattern::Compile("\xff", kMemory).ok());
}

TEST(Patterns, APatternThatNeedsTooMuchMemoryIsRefused) {
  EXPECT_TRUE(LinePattern::Compile("[a-z]{500}x[a-z]{500}", kMemory).ok());
  EXPECT_FALSE(LinePattern::Compile("((([a-z]{9}){9}){9}\\w{1000}){1}", 64 * 1024).ok());
}

TEST(LinePattern, AnchorsAreTheEndsOfEachLine) {
  const std::string_view text = "alpha\nbeta\n\ngamma";
  EXPECT_TRUE(InLines("^beta$", text));
  EXPECT_TRUE(InLines("\\Abeta\\z", text));
  EXPECT_TRUE(InLines("(?-m)^beta$", text));
  EXPECT_TRUE(InLines("^$", text));
  EXPECT_TRUE(InLines("^alpha", text));
  EXPECT_TRUE(InLines("gamma$", text));
  EXPECT_FALSE(InLines("^lpha", text));
  EXPECT_FALSE(InLines("bet$", text));
  EXPECT_FALSE(InLines("^$", "a\nb"));
  EXPECT_TRUE(InLines("[$^]", "$"));
  EXPECT_TRUE(InLines("\\$\\^", "$^"));
  EXPECT_TRUE(InLines("\\Q^$\\E$", "a^$"));
}

TEST(LinePattern, NoMatchSpansANewline) {
  const std::string_view text = "one\ntwo";
  for (const char* pattern : {"one.two", "(?s)one.two", "one[^x]two", "one\\stwo", "one\\Wtwo",
                              "one\\Dtwo", "one[\\s\\S]two", "one\\Ctwo", "one[[:space:]]two",
                              "e[\\x00-\\xff]t", "one[^\\d]*two", "(?s)e.*t"}) {
    EXPECT_FALSE(InLines(pattern, text)) << pattern;
  }
}

TEST(LinePattern, MatchesBytesThatAreNotText) {
  EXPECT_TRUE(InLines("a.b",
                      "a\xff"
                      "b"));
  EXPECT_TRUE(InLines("a.b", std::string_view("a\0b", 3)));
  EXPECT_TRUE(InLines("\\xff\\xfe", "\xff\xfe"));
  EXPECT_TRUE(InLines("^\\x7fELF",
                      "\x7f"
                      "ELF\x02"));
  EXPECT_TRUE(InLines("\\x{ff}", "\xff"));
  EXPECT_FALSE(InLines("^é.$", "é"));
}

TEST(LinePattern, ACharacterOutsideAsciiIsItsBytesAsAUnit) {
  EXPECT_TRUE(InLines("caf(é|è)", "café"));
  EXPECT_TRUE(InLines("^caféé$", "caféé"));
  EXPECT_TRUE(InLines("^é{3}$", "ééé"));
  EXPECT_TRUE(InLines("^aé?b$", "ab"));
  EXPECT_TRUE(InLines("^\\Qé.é\\E+$", "é.éé"));
  EXPECT_TRUE(InLines("(?i)^É=X$", "É=x"));
  EXPECT_FALSE(InLines("(?i)^É$", "é"));
}

TEST(LinePattern, WhatCanNotMatchWithinALineOfBytesIsRefusedByName) {
  EXPECT_NE(Refusal("foo\\nbar").find("newline"), std::string::npos);
  EXPECT_NE(Refusal("foo\nbar").find("newline"), std::string::npos);
  EXPECT_NE(Refusal("foo\\x0abar").find("newline"), std::string::npos);
  EXPECT_NE(Refusal("foo\\x{0A}bar").find("newline"), std::string::npos);
  EXPECT_NE(Refusal("foo\\012bar").find("newline"), std::string::npos);
  EXPECT_NE(Refusal("\\Qa\nb\\E").find("newline"), std::string::npos);
  EXPECT_NE(Refusal("\\pL").find("\\p"), std::string::npos);
  EXPECT_NE(Refusal("[\\p{Greek}]").find("\\p"), std::string::npos);
  EXPECT_NE(Refusal("[éè]").find("[]"), std::string::npos);
  EXPECT_NE(Refusal("\\x{20ac}").find("20ac"), std::string::npos);
  EXPECT_TRUE(InLines("[\\n\\r]$", "a\r\nb"));
  EXPECT_TRUE(InLines("[]x]", "]"));
  EXPECT_TRUE(InLines("[^]x\\]]", "a"));
}

TEST(LinePattern, TheBytesAroundARangeAreSeenButNotMatched) {
  const auto pattern = LinePattern::Compile("^b+$", kMemory);
  ASSERT_TRUE(pattern.ok());
  EXPECT_FALSE(pattern->Matches("abb", 1, 3));
  EXPECT_FALSE(pattern->Matches("bba", 0, 2));
  EXPECT_TRUE(pattern->Matches("a\nbb\na", 2, 4));
  const auto word = LinePattern::Compile("\\bb\\b", kMemory);
  ASSERT_TRUE(word.ok());
  EXPECT_FALSE(word->Matches("ab", 1, 2));
  EXPECT_TRUE(word->Matches("-b-", 1, 2));
}

TEST(LinePattern, MayCoverOnlyWhatItCanRepeat) {
  const std::string digits(100'000, '7'), letters(100'000, 'k'), mixed = digits + letters;
  const auto covers = [](std::string_view pattern, std::string_view stretch) {
    return LinePattern::Compile(pattern, kMemory)->MayCover(stretch);
  };
  // Without repetition nothing long is covered.
  for (const char* pattern : {"777", "7{900}", "[*+]{2,3}7\\*\\+\\Q*+{1,}\\E", "(7|k){1,5}", "7?"})
    EXPECT_FALSE(covers(pattern, digits)) << pattern;
  EXPECT_TRUE(covers("7{900}", std::string(900, '7')));
  // Repeated directly, in a class, in a group, within a group.
  for (const char* pattern : {"a7*", "7+?b", "a7{3,}b", "a[0-9]*b", "\\d+", "x(a7)+", "(a(7b)*c)*",
                              "\\Qa7\\E+", "7\\Q\\E+", "[[:digit:]]{2,}", "\\x37+", "(?:\\067)+"}) {
    EXPECT_TRUE(covers(pattern, digits)) << pattern;
  }
  for (const char* pattern : {"a7*", "7+?b", "a[0-9]*b", "\\d+k", "x(a7)+", "(a(7b)*c)*"})
    EXPECT_FALSE(covers(pattern, letters)) << pattern;
  for (const char* pattern :
       {".*", "[^x]*", "(\\d|k)+", "(?i)[0-9K]*", "\\w*", "(k[0-9])+", "\\S+", "(?s:.)+", "(k|7)*"})
    EXPECT_TRUE(covers(pattern, mixed)) << pattern;
  EXPECT_FALSE(covers("k*7*b\\s*", std::string(100'000, '-')));
  EXPECT_TRUE(covers("(?i)K+", letters));
  EXPECT_TRUE(covers("é+", std::string(2000, '\xc3') + std::string(2000, '\xa9')));
}

}  // namespace
}  // namespace dragnet::file
