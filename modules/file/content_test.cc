#include "modules/file/content.h"

#include <gtest/gtest.h>

#include <algorithm>
#include <random>

#include "re2/re2.h"

namespace dragnet::file {
namespace {

constexpr size_t kMemory = 4 * 1024 * 1024;

std::vector<LinePattern> Compile(const std::vector<std::string>& patterns) {
  std::vector<LinePattern> compiled;
  for (const std::string& pattern : patterns) {
    absl::StatusOr<LinePattern> one = LinePattern::Compile(pattern, kMemory);
    EXPECT_TRUE(one.ok()) << pattern << ": " << one.status();
    compiled.push_back(*std::move(one));
  }
  return compiled;
}

// What must come out: each line by itself, by a pattern that was not rewritten.
bool AnyLineMatches(const RE2& regex, std::string_view text) {
  while (!text.empty()) {
    const size_t newline = text.find('\n');
    const std::string_view line = text.substr(0, newline);
    if (RE2::PartialMatch(re2::StringPiece(line.data(), line.size()), regex)) return true;
    if (newline == std::string_view::npos) break;
    text.remove_prefix(newline + 1);
  }
  return false;
}

LineMatch Scan(ContentScanner& scanner, std::string_view text, size_t block) {
  const uint32_t wanted[] = {0};
  scanner.Start(wanted);
  for (size_t at = 0; at < text.size(); at += block) scanner.Feed(text.substr(at, block));
  scanner.Finish();
  return scanner.result(0);
}

TEST(ContentScanner, FindsWhatALineByLineSearchFindsWhereverBlocksEnd) {
  const std::vector<std::string> sources = {
      "abc",    "^a+b$",     "^$",    "a.*c",     "^[^a]+$",   "b\\b",       "\\Bb",   "(a|bb)c",
      "^.{3}$", "c$",        "^b",    "(?i)AB+C", "[\\x00-b]", "a\\s*b",     "\\W\\W", "^(ab)*$",
      "aaaa",   "(?s)^a.c$", "\\xff", "^\\s+$",   "a{2,3}b?c", "(^|c)a(b|$)"};
  const std::string alphabet = {'a', 'b', 'c', '\n', '\n', ' ', '\xff', '\0'};
  std::mt19937 random(20240203);
  RE2::Options latin1;
  latin1.set_encoding(RE2::Options::EncodingLatin1);
  for (const std::string& source : sources) {
    const std::vector<LinePattern> patterns = Compile({source});
    const RE2 plain(source, latin1);
    ContentScanner scanner(patterns);
    for (int round = 0; round < 400; ++round) {
      std::string text(random() % 60, ' ');
      for (char& c : text) c = alphabet[random() % alphabet.size()];
      const bool expected = AnyLineMatches(plain, text);
      for (size_t block : {size_t{1}, size_t{2}, size_t{7}, size_t{64}}) {
        ASSERT_EQ(Scan(scanner, text, block), expected ? LineMatch::kFound : LineMatch::kAbsent)
            << source << " in " << testing::PrintToString(text) << " by " << block;
      }
    }
  }
}

TEST(ContentScanner, OverlappingWindowsOfALongLineLoseNoBoundedMatch) {
  const std::vector<std::string> sources = {"abc",     "a.{0,3}c", "^ab",        "bc$",
                                            "\\ba\\b", "b{2,4}",   "(ab|ca){2}", "^c?a"};
  std::mt19937 random(7);
  RE2::Options latin1;
  latin1.set_encoding(RE2::Options::EncodingLatin1);
  for (const std::string& source : sources) {
    const std::vector<LinePattern> patterns = Compile({source});
    const RE2 plain(source, latin1);
    ContentScanner scanner(patterns, /*max_line=*/64, /*overlap=*/30);
    for (int round = 0; round < 400; ++round) {
      std::string text(random() % 400, 'x');
      for (char& c : text)
        if (random() % 16 == 0) c = "abc \n"[random() % 5];
      const bool expected = AnyLineMatches(plain, text);
      for (size_t block : {size_t{1}, size_t{13}, size_t{500}}) {
        ASSERT_EQ(Scan(scanner, text, block), expected ? LineMatch::kFound : LineMatch::kAbsent)
            << source << " in " << testing::PrintToString(text) << " by " << block;
      }
    }
  }
}

TEST(ContentScanner, WhatIsCalledAbsentIsAbsentHoweverLongTheLine) {
  const std::vector<std::string> sources = {"a.*b",       "ax*b",   "a[xy]*b", "(ax)+b",
                                            "a(x|y+)*b$", "^x*$",   "^[^b]*$", "\\Ba\\w*b",
                                            "a\\Qx\\E*b", "ax{3,}y"};
  std::mt19937 random(11);
  RE2::Options latin1;
  latin1.set_encoding(RE2::Options::EncodingLatin1);
  int known = 0, unknown = 0;
  for (const std::string& source : sources) {
    const std::vector<LinePattern> patterns = Compile({source});
    const RE2 plain(source, latin1);
    ContentScanner scanner(patterns, /*max_line=*/128, /*overlap=*/64);
    for (int round = 0; round < 400; ++round) {
      std::string text(random() % 600, 'x');
      const int density = 2 << (random() % 8);
      for (char& c : text)
        if (random() % density == 0) c = "aby -"[random() % 5];
      const bool expected = AnyLineMatches(plain, text);
      const LineMatch result = Scan(scanner, text, 50);
      if (result == LineMatch::kUnknown) {
        ++unknown;
        continue;
      }
      ++known;
      ASSERT_EQ(result, expected ? LineMatch::kFound : LineMatch::kAbsent)
          << source << " in " << testing::PrintToString(text);
    }
  }
  EXPECT_GT(known, 500);
  EXPECT_GT(unknown, 0);
}

TEST(ContentScanner, AnUnboundedPatternThatAWindowMayHaveMissedIsNotCalledAbsent) {
  const std::vector<LinePattern> patterns = Compile({"a.*b"});
  ContentScanner scanner(patterns, 64, 16);
  const std::string far = "a" + std::string(500, 'x') + "b";
  EXPECT_EQ(Scan(scanner, far, 10), LineMatch::kUnknown);
  EXPECT_EQ(Scan(scanner, far + "\na-b\n", 10), LineMatch::kFound);
  // The doubt belongs to that file only.
  EXPECT_EQ(Scan(scanner, "a\nb", 10), LineMatch::kAbsent);
}

TEST(ContentScanner, AnEmptyFileHasNoLineAndANewlineIsOne) {
  const std::vector<LinePattern> patterns = Compile({"^$"});
  ContentScanner scanner(patterns);
  EXPECT_EQ(Scan(scanner, "", 10), LineMatch::kAbsent);
  EXPECT_EQ(Scan(scanner, "\n", 10), LineMatch::kFound);
  EXPECT_EQ(Scan(scanner, "a\n", 10), LineMatch::kAbsent);
  EXPECT_EQ(Scan(scanner, "a\n\n", 10), LineMatch::kFound);
  EXPECT_EQ(Scan(scanner, "\n", 1), LineMatch::kFound);
}

TEST(ContentScanner, IsSettledOnceAllThatIsWantedWasFound) {
  const std::vector<LinePattern> patterns = Compile({"a", "b", "c"});
  ContentScanner scanner(patterns);
  const uint32_t wanted[] = {0, 2};
  scanner.Start(wanted);
  scanner.Feed("a\nb\n");
  EXPECT_FALSE(scanner.settled());
  scanner.Feed("c\n");
  EXPECT_TRUE(scanner.settled());
  EXPECT_EQ(scanner.result(0), LineMatch::kFound);
  EXPECT_EQ(scanner.result(1), LineMatch::kUnknown);
  EXPECT_EQ(scanner.result(2), LineMatch::kFound);
}

TEST(ContentScanner, BeforeTheEndOnlyWhatWasFoundIsKnown) {
  const std::vector<LinePattern> patterns = Compile({"a", "b"});
  ContentScanner scanner(patterns);
  const uint32_t wanted[] = {0, 1};
  scanner.Start(wanted);
  scanner.Feed("a\n");
  EXPECT_EQ(scanner.result(0), LineMatch::kFound);
  EXPECT_EQ(scanner.result(1), LineMatch::kUnknown);
}

TEST(ContentScanner, ALineOfManyMebibytesIsSearchedInBoundedMemory) {
  const std::vector<LinePattern> patterns = Compile({"needle", "^start.*needle"});
  ContentScanner scanner(patterns);
  const uint32_t wanted[] = {0, 1};
  scanner.Start(wanted);
  const std::string block(128 * 1024, '\0');
  scanner.Feed("start");
  // An odd offset puts the needle across a block's border, near a window's.
  for (int i = 0; i < 127; ++i) scanner.Feed(block);
  scanner.Feed(std::string(100, 'x') + "nee");
  scanner.Feed("dle");
  EXPECT_EQ(scanner.result(0), LineMatch::kUnknown);
  for (int i = 0; i < 127; ++i) scanner.Feed(block);
  scanner.Finish();
  EXPECT_EQ(scanner.result(0), LineMatch::kFound);
  EXPECT_EQ(scanner.result(1), LineMatch::kUnknown);
}

}  // namespace
}  // namespace dragnet::file
