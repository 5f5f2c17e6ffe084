#include "modules/file/prefilter.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>
#include <thread>

#include "modules/file/content.h"
#include "modules/file/scanner_syntax.h"
#include "re2/re2.h"

namespace dragnet::file {
namespace {

constexpr size_t kMemory = 4 * 1024 * 1024;

std::vector<LinePattern> Compile(const std::vector<std::string>& sources) {
  std::vector<LinePattern> compiled;
  for (const std::string& source : sources) {
    absl::StatusOr<LinePattern> one = LinePattern::Compile(source, kMemory);
    EXPECT_TRUE(one.ok()) << source << ": " << one.status();
    compiled.push_back(*std::move(one));
  }
  return compiled;
}

RE2::Options Latin1() {
  RE2::Options options;
  options.set_log_errors(false);
  options.set_encoding(RE2::Options::EncodingLatin1);
  return options;
}

// How many lines there are, and how many match: each by itself, by a pattern
// that was not rewritten.
struct Lines {
  int all = 0;
  int matching = 0;
};
Lines Count(const RE2& regex, std::string_view text) {
  Lines lines;
  while (!text.empty()) {
    const size_t newline = text.find('\n');
    const std::string_view line = text.substr(0, newline);
    ++lines.all;
    lines.matching += RE2::PartialMatch(re2::StringPiece(line.data(), line.size()), regex);
    if (newline == std::string_view::npos) break;
    text.remove_prefix(newline + 1);
  }
  return lines;
}

// Patterns of all that the syntax has, over few letters, so that they match often
// and fail closely.
class PatternMaker {
 public:
  explicit PatternMaker(unsigned seed) : random_(seed) {}

  std::string Make() {
    std::string pattern;
    if (Rarely(4)) pattern += "(?i)";
    if (Rarely(8)) pattern += "(?s)";
    if (Rarely(4)) pattern += "^";
    pattern += Alternatives(3);
    if (Rarely(4)) pattern += "$";
    return pattern;
  }
  std::string Text(size_t most) {
    static const std::string letters("aabbcABC \n\n_-\xff\xe9\xc9\0k\v", 19);
    std::string text(random_() % (most + 1), ' ');
    const size_t used = 2 + random_() % (letters.size() - 1);
    for (char& c : text) c = letters[random_() % used];
    return text;
  }
  unsigned Random() { return random_(); }

 private:
  bool Rarely(unsigned in) { return random_() % in == 0; }
  template <size_t count>
  std::string OneOf(const char* const (&choices)[count]) {
    return choices[random_() % count];
  }

  std::string Alternatives(int depth) {
    std::string pattern = Sequence(depth);
    while (Rarely(3)) pattern += "|" + Sequence(depth);
    return pattern;
  }
  std::string Sequence(int depth) {
    std::string pattern;
    for (unsigned i = 1 + random_() % 4; i > 0; --i) {
      pattern += Atom(depth);
      if (Rarely(3))
        pattern += OneOf({"*", "+", "?", "{2}", "{1,3}", "{2,}", "*?", "+?", "{0,2}?"});
    }
    return pattern;
  }
  std::string Atom(int depth) {
    if (depth > 0 && Rarely(4)) {
      return OneOf({"(", "(?:", "(?i:", "(?-i:", "(?s:", "(?P<n>"}).substr(0, 4) == "(?P<"
                 ? "(" + Alternatives(depth - 1) + ")"
                 : OneOf({"(", "(?:", "(?i:", "(?-i:", "(?s:", "(?U:"}) + Alternatives(depth - 1) +
                       ")";
    }
    return OneOf({"a",
                  "b",
                  "c",
                  "ab",
                  "B",
                  "aa",
                  "k",
                  ".",
                  "[ab]",
                  "[^a]",
                  "[^a-c]",
                  "\\s",
                  "\\S",
                  "\\w",
                  "\\W",
                  "\\d",
                  "\\D",
                  "(\\b)",
                  "(\\B)",
                  "(^)",
                  "($)",
                  "\\xff",
                  "[\\xe0-\\xff]",
                  "\\xe9",
                  "[^\\s]",
                  "[[:upper:]]",
                  "[[:^alpha:]]",
                  "\\x{61}",
                  "\\141",
                  "\\Qa\\E",
                  "\\Q.b\\E",
                  "[]a]",
                  "[^]a]",
                  "[a\\]-]",
                  "\\v",
                  "\\-",
                  "{",
                  "\\x00",
                  "-",
                  "_",
                  " "});
  }

  std::mt19937 random_;
};

void CompareWithLineByLine(uint64_t worthwhile_bytes) {
  // --gtest_shuffle --gtest_random_seed=N tries others.
  PatternMaker maker(20240203 + testing::UnitTest::GetInstance()->random_seed());
  int ruled_out = 0, found = 0, covered = 0, all = 0;
  for (int round = 0; round < 150; ++round) {
    std::vector<std::string> sources;
    while (sources.size() < 6) {
      std::string source = maker.Make();
      if (LinePattern::Compile(source, kMemory).ok()) sources.push_back(std::move(source));
    }
    const std::vector<LinePattern> patterns = Compile(sources);
    std::vector<std::unique_ptr<RE2>> plain;
    for (const std::string& source : sources)
      plain.push_back(std::make_unique<RE2>(source, Latin1()));
    const Prefilter prefilter(patterns, worthwhile_bytes);
    const PrefilterDatabase* database = prefilter.Database(1);
    for (size_t i = 0; i < sources.size(); ++i)
      covered += database != nullptr && database->covers[i];
    all += sources.size();
    ContentScanner scanner(prefilter);
    ContentScanner windows(prefilter, /*max_line=*/24, /*overlap=*/12);
    const std::vector<uint32_t> wanted = {0, 1, 2, 3, 4, 5};
    for (int i = 0; i < 60; ++i) {
      const std::string text = maker.Text(120);
      for (ContentScanner* one : {&scanner, &windows}) {
        const size_t block = 1 + maker.Random() % (maker.Random() % 2 ? 200 : 20);
        one->Start(wanted, wanted);
        for (size_t at = 0; at < text.size(); at += block)
          one->Feed(std::string_view(text).substr(at, block));
        one->Finish();
        for (uint32_t pattern : wanted) {
          const Lines lines = Count(*plain[pattern], text);
          const LineMatch any = one->result(pattern), every = one->all_lines(pattern);
          // Only where a line is longer than is searched at once is it left open.
          if (one == &scanner || any != LineMatch::kUnknown) {
            ASSERT_EQ(any, lines.matching > 0 ? LineMatch::kFound : LineMatch::kAbsent)
                << sources[pattern] << " in " << testing::PrintToString(text) << " by " << block;
          }
          if (one == &scanner || every != LineMatch::kUnknown) {
            ASSERT_EQ(every, lines.all > 0 && lines.matching == lines.all ? LineMatch::kFound
                                                                          : LineMatch::kAbsent)
                << sources[pattern] << " in " << testing::PrintToString(text) << " by " << block;
          }
          (lines.matching > 0 ? found : ruled_out) += 1;
        }
      }
    }
  }
  // There was something to see.
  EXPECT_GT(ruled_out, 5000);
  EXPECT_GT(found, 5000);
  if (worthwhile_bytes == 0) {
    EXPECT_GT(covered, all / 5);
  }
}

TEST(ContentScannerAtRandom, FindsWhatALineByLineSearchFinds) {
  CompareWithLineByLine(Prefilter::kWorthwhileBytes);
}

// Fails: Vectorscan misses matches, which is why the prefilter is off. It has to
// pass, with many seeds, before that changes.
TEST(Prefilter, DISABLED_ChangesNoResult) { CompareWithLineByLine(0); }

TEST(Prefilter, RulesOutWhatDoesNotMatch) {
  const std::vector<LinePattern> patterns =
      Compile({"needle", "^x[0-9]+$", "(?i)HAY", "a.*z", "\\bcat\\b", "q{3}"});
  const Prefilter prefilter(patterns, 0);
  PrefilterThread thread(prefilter);
  const std::string text = "some hay\nx12 \nconcat\na\nz\nqqaqq";
  const std::vector<uint32_t> wanted = {0, 1, 2, 3, 4, 5};
  thread.Scan(text, 0, text.size(), wanted);
  std::vector<uint32_t> possible;
  for (uint32_t i = 0; i < patterns.size(); ++i)
    if (thread.MayMatch(i)) possible.push_back(i);
  EXPECT_THAT(possible, testing::ElementsAre(2));
  EXPECT_EQ(thread.Hint(2), text.find("hay") + 3);
}

TEST(Prefilter, SeesWhatStandsAroundAPartOfALine) {
  const std::vector<LinePattern> patterns = Compile({"\\Bab", "ab\\B", "^ab", "ab$"});
  const Prefilter prefilter(patterns, 0);
  PrefilterThread thread(prefilter);
  const std::vector<uint32_t> wanted = {0, 1, 2, 3};
  thread.Scan("xabx", 1, 3, wanted);
  EXPECT_TRUE(thread.MayMatch(0));
  EXPECT_TRUE(thread.MayMatch(1));
  EXPECT_FALSE(thread.MayMatch(2));
  EXPECT_FALSE(thread.MayMatch(3));
}

TEST(Prefilter, IsOffUnlessAskedFor) {
  const std::vector<LinePattern> patterns = Compile({"needle"});
  const Prefilter prefilter(patterns);
  EXPECT_EQ(prefilter.Database(uint64_t{1} << 40), nullptr);
}

TEST(Prefilter, IsNotMadeForAFewSmallFiles) {
  const std::vector<LinePattern> patterns = Compile({"needle"});
  const Prefilter prefilter(patterns, 1000);
  EXPECT_EQ(prefilter.Database(400), nullptr);
  EXPECT_EQ(prefilter.Database(500), nullptr);
  EXPECT_NE(prefilter.Database(200), nullptr);
}

TEST(Prefilter, OneIsMadeForAllThreads) {
  std::vector<std::string> sources;
  for (int i = 0; i < 40; ++i) sources.push_back("word" + std::to_string(i) + "[a-z]+x");
  const std::vector<LinePattern> patterns = Compile(sources);
  const Prefilter prefilter(patterns, 0);
  const std::string text = "word17abcx\nword3\n";
  std::vector<std::thread> threads;
  for (int t = 0; t < 4; ++t) {
    threads.emplace_back([&] {
      ContentScanner scanner(prefilter);
      const uint32_t wanted[] = {3, 17};
      for (int i = 0; i < 200; ++i) {
        scanner.Start(wanted);
        scanner.Feed(text);
        scanner.Finish();
        EXPECT_EQ(scanner.result(3), LineMatch::kAbsent);
        EXPECT_EQ(scanner.result(17), LineMatch::kFound);
      }
    });
  }
  for (std::thread& thread : threads) thread.join();
  EXPECT_NE(prefilter.Database(0), nullptr);
}

TEST(Prefilter, WhatTheScannerCanNotTakeIsLeftToThePatternItself) {
  // Larger than it may become; and one that is taken, beside it.
  const std::vector<std::string> sources = {"((a[bc]{1,9}){1,9}d){3,9}x", "needle",
                                            "[^\\x00-\\xff]|b"};
  const std::vector<LinePattern> patterns = Compile(sources);
  const Prefilter prefilter(patterns, 0);
  const PrefilterDatabase* database = prefilter.Database(1);
  ASSERT_NE(database, nullptr);
  EXPECT_TRUE(database->covers[1]);
  EXPECT_FALSE(database->covers[2]);
  ContentScanner scanner(prefilter);
  const std::vector<uint32_t> wanted = {0, 1, 2};
  scanner.Start(wanted);
  scanner.Feed("abdabdacdx\nb\nneedl");
  scanner.Finish();
  EXPECT_EQ(scanner.result(0), LineMatch::kFound);
  EXPECT_EQ(scanner.result(1), LineMatch::kAbsent);
  EXPECT_EQ(scanner.result(2), LineMatch::kFound);
}

TEST(Prefilter, FindsWhatLiesAcrossTheWindowsOfALineOfManyMebibytes) {
  const std::vector<LinePattern> patterns = Compile({"needle", "ne+dle$", "^x.{3}nee", "\\Bdle"});
  const Prefilter prefilter(patterns, 0);
  ContentScanner scanner(prefilter);
  const std::vector<uint32_t> wanted = {0, 1, 2, 3};
  std::mt19937 random(5);
  for (int round = 0; round < 6; ++round) {
    // Around where the first window ends, or the second begins.
    const size_t at = (round % 2 ? kMaxLine : kMaxLine - kWindowOverlap) - 10 + random() % 20;
    std::string text(at, 'x');
    text += "needle";
    text.append(round < 3 ? 0 : 3'000'000, 'y');
    scanner.Start(wanted);
    for (size_t begin = 0; begin < text.size(); begin += 128 * 1024)
      scanner.Feed(std::string_view(text).substr(begin, 128 * 1024));
    scanner.Finish();
    EXPECT_EQ(scanner.result(0), LineMatch::kFound);
    EXPECT_EQ(scanner.result(1), round < 3 ? LineMatch::kFound : LineMatch::kAbsent);
    EXPECT_EQ(scanner.result(2), LineMatch::kAbsent);
    EXPECT_EQ(scanner.result(3), LineMatch::kFound);
  }
}

TEST(ScannerSyntax, WritesOutWhatEachAtomMatches) {
  EXPECT_EQ(ToScannerSyntax("aB"), "\\x61\\x42");
  EXPECT_EQ(ToScannerSyntax("(?i)aB(?-i)c"), "[\\x41\\x61][\\x42\\x62]\\x63");
  EXPECT_EQ(ToScannerSyntax("(?i:a|(?-i:b))c"), "(?:[\\x41\\x61]|(?:\\x62))\\x63");
  EXPECT_EQ(ToScannerSyntax("a(?:b(?i)c)d"), "\\x61(?:\\x62[\\x43\\x63])\\x64");
  EXPECT_EQ(ToScannerSyntax("."), "[\\x00-\\x09\\x0b-\\xff]");
  EXPECT_EQ(ToScannerSyntax("(?s)."), "[\\x00-\\x09\\x0b-\\xff]");
  EXPECT_EQ(ToScannerSyntax("\\s+?"), "[\\x09\\x0c-\\x0d\\x20]+");
  EXPECT_EQ(ToScannerSyntax("[^\\S]"), "[\\x09\\x0c-\\x0d\\x20]");
  EXPECT_EQ(ToScannerSyntax("\\Qa.\\E*"), "\\x61\\x2e*");
  EXPECT_EQ(ToScannerSyntax("a{2,3}?{"), "\\x61{2,3}\\x7b");
  EXPECT_EQ(ToScannerSyntax("a{,3}"), "\\x61\\x7b\\x2c\\x33\\x7d");
  EXPECT_EQ(ToScannerSyntax("(?P<name>x)"), "(?:\\x78)");
  EXPECT_EQ(ToScannerSyntax("(?m:^)a(?m:$)"), "(?:(?m:^))\\x61(?:(?m:$))");
  EXPECT_EQ(ToScannerSyntax("[]a]"), "[\\x5d\\x61]");
  EXPECT_EQ(ToScannerSyntax("\\x{41}\\101\\x41"), "\\x41\\x41\\x41");
}

TEST(ScannerSyntax, RefusesWhatItCanNotWrite) {
  EXPECT_EQ(ToScannerSyntax("[^\\x00-\\xff]"), std::nullopt);
  EXPECT_EQ(ToScannerSyntax("\\pN"), std::nullopt);
  EXPECT_EQ(ToScannerSyntax("\\A"), std::nullopt);
  EXPECT_EQ(ToScannerSyntax("a(?:b|(?m:$))*"), std::nullopt);
  EXPECT_EQ(ToScannerSyntax("a\\b+"), std::nullopt);
}

TEST(ScannerSyntax, FoldsCaseAsRe2DoesForEveryAsciiLetter) {
  for (char letter = ' '; letter < '\x7f'; ++letter) {
    const std::string pattern = "(?i)\\x" + std::string(1, "0123456789abcdef"[letter / 16]) +
                                std::string(1, "0123456789abcdef"[letter % 16]);
    const std::string quoted = "(?i)\\Q" + std::string(1, letter) + "\\E";
    EXPECT_EQ(ToScannerSyntax(quoted), ToScannerSyntax(pattern)) << letter;
  }
}

}  // namespace
}  // namespace dragnet::file
