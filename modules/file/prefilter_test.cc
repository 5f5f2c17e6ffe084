#include "modules/file/prefilter.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <random>
#include <thread>

#include "modules/file/content.h"
#include "re2/re2.h"

namespace dragnet::file {
namespace {

constexpr size_t kMemory = 4 * 1024 * 1024;
constexpr unsigned kMaxLines = 50;

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

// What is in the lines that match, in order.
std::vector<std::pair<uint64_t, std::string>> MatchingLines(const RE2& regex,
                                                            std::string_view text) {
  std::vector<std::pair<uint64_t, std::string>> found;
  for (uint64_t number = 1; !text.empty(); ++number) {
    const size_t newline = text.find('\n');
    const std::string_view line = text.substr(0, newline);
    if (RE2::PartialMatch(re2::StringPiece(line.data(), line.size()), regex))
      found.emplace_back(number, line);
    if (newline == std::string_view::npos) break;
    text.remove_prefix(newline + 1);
  }
  return found;
}

struct Seen {
  int ruled_out = 0, found = 0, covered = 0, all = 0;
};

// Without lines, with lines that match, and with windows of longer ones.
void CompareWithLineByLine(unsigned seed, uint64_t worthwhile_bytes, Seen* seen) {
  SCOPED_TRACE(testing::Message() << "seed " << seed);
  PatternMaker maker(seed);
  const std::vector<uint32_t> wanted = {0, 1, 2, 3, 4, 5};
  for (int round = 0; round < 60; ++round) {
    std::vector<std::string> sources;
    while (sources.size() < wanted.size()) {
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
      seen->covered += database != nullptr && database->covers[i];
    seen->all += sources.size();
    ContentScanner scanner(prefilter), collecting(prefilter);
    ContentScanner windows(prefilter, /*max_line=*/24, /*overlap=*/12);
    for (int i = 0; i < 40; ++i) {
      const std::string text = maker.Text(i == 0 ? 3000 : 120);
      for (ContentScanner* one : {&scanner, &collecting, &windows}) {
        const size_t block = 1 + maker.Random() % (maker.Random() % 2 ? 2000 : 20);
        one->Start(wanted, wanted);
        if (one == &collecting) one->CollectLines(wanted, {.max_lines = kMaxLines, .context = 0});
        for (size_t at = 0; at < text.size(); at += block)
          one->Feed(std::string_view(text).substr(at, block));
        one->Finish();
        for (uint32_t pattern : wanted) {
          const Lines lines = Count(*plain[pattern], text);
          const LineMatch any = one->result(pattern), every = one->all_lines(pattern);
          // Only where a line is longer than is searched at once is it left open.
          if (one != &windows || any != LineMatch::kUnknown) {
            ASSERT_EQ(any, lines.matching > 0 ? LineMatch::kFound : LineMatch::kAbsent)
                << sources[pattern] << " in " << testing::PrintToString(text) << " by " << block;
          }
          if (one != &windows || every != LineMatch::kUnknown) {
            ASSERT_EQ(every, lines.all > 0 && lines.matching == lines.all ? LineMatch::kFound
                                                                          : LineMatch::kAbsent)
                << sources[pattern] << " in " << testing::PrintToString(text) << " by " << block;
          }
          (lines.matching > 0 ? seen->found : seen->ruled_out) += 1;
          if (one != &collecting || one->lines_left_out()) continue;
          std::vector<std::pair<uint64_t, std::string>> collected;
          for (const MatchedLine& line : one->lines())
            if (line.pattern == pattern) collected.emplace_back(line.line_number, line.text);
          auto expected = MatchingLines(*plain[pattern], text);
          if (expected.size() > kMaxLines) expected.resize(kMaxLines);
          ASSERT_EQ(collected.size(), expected.size())
              << sources[pattern] << " in " << testing::PrintToString(text) << " by " << block;
          for (size_t line = 0; line < expected.size(); ++line) {
            ASSERT_EQ(collected[line].first, expected[line].first);
            // Of a long line, a part is kept.
            ASSERT_THAT(expected[line].second, testing::HasSubstr(collected[line].second));
          }
        }
      }
    }
  }
}

// --gtest_repeat=N tries N more.
unsigned AnySeed() { return std::random_device()(); }

TEST(ContentScannerAtRandom, WithoutAPrefilterFindsWhatALineByLineSearchFinds) {
  Seen seen;
  for (unsigned seed : {1u, AnySeed()}) CompareWithLineByLine(seed, UINT64_MAX, &seen);
  EXPECT_EQ(seen.covered, 0);
}

TEST(Prefilter, ChangesNoResult) {
  Seen seen;
  for (unsigned seed : {1u, 2u, 3u, 4u, 5u, 20240203u, AnySeed()})
    CompareWithLineByLine(seed, 0, &seen);
  // There was something to see.
  EXPECT_GT(seen.ruled_out, 5000);
  EXPECT_GT(seen.found, 5000);
  EXPECT_GT(seen.covered, seen.all / 5);
}

// The lines in which the pattern is looked for.
std::vector<std::string> Searched(const PrefilterThread& thread, uint32_t pattern,
                                  std::string_view text) {
  std::vector<std::string> searched;
  for (const PrefilterThread::Stretch& lines : thread.Stretches(pattern))
    searched.emplace_back(text.substr(lines.begin, lines.end - lines.begin));
  return searched;
}

TEST(Prefilter, LeavesTheLinesWithALiteralThatThePatternRequires) {
  const std::vector<LinePattern> patterns =
      Compile({"needle", "^xy[0-9]+$", "(?i)HAY", "a.*z", "cat|dog", "q{3}"});
  const Prefilter prefilter(patterns, 0);
  PrefilterThread thread(prefilter);
  const std::string text = "some hay\nxY12 \nconcat\na dog\nz\nqqaqq\nDOGS\n\nHay";
  const std::vector<uint32_t> wanted = {0, 1, 2, 3, 4, 5};
  thread.Scan(text, 0, text.size(), wanted);
  EXPECT_THAT(Searched(thread, 0, text), testing::ElementsAre());
  EXPECT_THAT(Searched(thread, 1, text), testing::ElementsAre("xY12 "));
  EXPECT_THAT(Searched(thread, 2, text), testing::ElementsAre("some hay", "Hay"));
  // It requires none.
  EXPECT_THAT(Searched(thread, 3, text), testing::ElementsAre(text));
  // Lines that follow each other are searched together.
  EXPECT_THAT(Searched(thread, 4, text), testing::ElementsAre("concat\na dog", "DOGS"));
  EXPECT_THAT(Searched(thread, 5, text), testing::ElementsAre());
}

TEST(Prefilter, LooksOnlyAtThePartThatIsAskedFor) {
  const std::vector<LinePattern> patterns = Compile({"ab", "cd"});
  const Prefilter prefilter(patterns, 0);
  PrefilterThread thread(prefilter);
  const std::vector<uint32_t> wanted = {0, 1};
  const std::string text = "abcdab";
  thread.Scan(text, 1, 5, wanted);
  EXPECT_THAT(Searched(thread, 0, text), testing::ElementsAre());
  EXPECT_THAT(Searched(thread, 1, text), testing::ElementsAre("bcda"));
}

TEST(Prefilter, GivesUpWhereEveryOtherLineHasTheLiteral) {
  const std::vector<LinePattern> patterns = Compile({"ab!|zz", "needle"});
  const Prefilter prefilter(patterns, 0);
  PrefilterThread thread(prefilter);
  std::string text;
  for (int i = 0; i < 300; ++i) text += std::string(80, 'x') + "\n" + std::string(80, 'y') + "zz\n";
  const std::vector<uint32_t> wanted = {0, 1};
  thread.Scan(text, 0, text.size(), wanted);
  EXPECT_EQ(thread.Stretches(0).size(), 1u);
  EXPECT_EQ(thread.Stretches(0)[0].end, text.size());
  EXPECT_TRUE(thread.Stretches(1).empty());
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

TEST(Prefilter, PatternsWithoutLiteralsAreSearchedForBesideOthers) {
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

}  // namespace
}  // namespace dragnet::file
