#include "modules/file/matched_lines.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <random>

#include "modules/file/content.h"
#include "re2/re2.h"

namespace dragnet::file {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

std::vector<LinePattern> Compile(const std::vector<std::string>& sources) {
  std::vector<LinePattern> compiled;
  for (const std::string& source : sources) {
    auto one = LinePattern::Compile(source, 4 * 1024 * 1024);
    EXPECT_TRUE(one.ok()) << source << ": " << one.status();
    compiled.push_back(*std::move(one));
  }
  return compiled;
}

// Feeds `text` to `scanner`, which is to keep lines of all its `count` patterns.
void Scan(ContentScanner& scanner, uint32_t count, std::string_view text, size_t block,
          const LineOptions& options) {
  std::vector<uint32_t> wanted;
  for (uint32_t i = 0; i < count; ++i) wanted.push_back(i);
  scanner.Start(wanted);
  scanner.CollectLines(wanted, options);
  for (size_t at = 0; at < text.size(); at += block) scanner.Feed(text.substr(at, block));
  scanner.Finish();
}

// What must come out, line by line.
std::vector<MatchedLine> Expected(const std::vector<std::string>& sources, std::string_view text,
                                  const LineOptions& options) {
  std::vector<std::string_view> lines;
  for (size_t begin = 0; begin < text.size();) {
    const size_t end = std::min(text.find('\n', begin), text.size());
    lines.push_back(text.substr(begin, end - begin));
    begin = end + 1;
  }
  std::vector<MatchedLine> expected;
  RE2::Options latin1;
  latin1.set_encoding(RE2::Options::EncodingLatin1);
  for (uint32_t pattern = 0; pattern < sources.size(); ++pattern) {
    const RE2 regex("(" + sources[pattern] + ")", latin1);
    uint32_t count = 0;
    for (size_t i = 0; i < lines.size() && count < options.max_lines; ++i) {
      re2::StringPiece match;
      if (!RE2::PartialMatch(re2::StringPiece(lines[i].data(), lines[i].size()), regex, &match))
        continue;
      ++count;
      MatchedLine line;
      line.pattern = pattern;
      line.line_number = i + 1;
      line.line_offset = lines[i].data() - text.data();
      line.match_offset = match.data() - text.data();
      line.text = std::string(lines[i]);
      for (size_t at = i - std::min<size_t>(i, options.context); at < i; ++at)
        line.before.emplace_back(lines[at]);
      for (size_t at = i + 1; at < lines.size() && at <= i + options.context; ++at)
        line.after.emplace_back(lines[at]);
      expected.push_back(std::move(line));
    }
  }
  return expected;
}

std::string Shown(const MatchedLine& line) {
  std::string shown = std::to_string(line.pattern) + " line " + std::to_string(line.line_number) +
                      " at " + std::to_string(line.line_offset) + " match at " +
                      std::to_string(line.match_offset) + " '" + line.text + "'";
  for (const std::string& one : line.before) shown += " before '" + one + "'";
  for (const std::string& one : line.after) shown += " after '" + one + "'";
  if (line.cut_before) shown += " cut before";
  if (line.cut_after) shown += " cut after";
  return shown;
}
std::vector<std::string> Shown(const std::vector<MatchedLine>& lines) {
  std::vector<MatchedLine> sorted = lines;
  std::stable_sort(sorted.begin(), sorted.end(),
                   [](const auto& a, const auto& b) { return a.pattern < b.pattern; });
  std::vector<std::string> shown;
  for (const MatchedLine& line : sorted) shown.push_back(Shown(line));
  return shown;
}

TEST(MatchedLines, AreThoseOfALineByLineSearchWhereverBlocksEnd) {
  const std::vector<std::string> sources = {"a+", "^b", "c$", "^$", "needle", "[^a]b"};
  const std::vector<LinePattern> patterns = Compile(sources);
  const Prefilter prefilter(patterns, 0);
  ContentScanner with(prefilter), without(patterns);
  std::mt19937 random(20240203);
  for (int round = 0; round < 1500; ++round) {
    std::string text(random() % 200, ' ');
    const int letters = 3 + random() % 4;
    for (char& c : text) c = "\nbca \xff"[random() % letters];
    if (random() % 4 == 0) text.insert(random() % (text.size() + 1), "needle");
    const LineOptions options{.max_lines = 1 + unsigned(random() % 6),
                              .context = unsigned(random() % 4)};
    const std::vector<std::string> expected = Shown(Expected(sources, text, options));
    for (size_t block : {size_t{1}, size_t{5}, size_t{33}, size_t{1000}}) {
      for (ContentScanner* scanner : {&with, &without}) {
        Scan(*scanner, sources.size(), text, block, options);
        ASSERT_EQ(Shown(scanner->lines()), expected)
            << testing::PrintToString(text) << " by " << block << ", " << options.max_lines
            << " lines with " << options.context;
      }
    }
  }
}

TEST(MatchedLines, OfALineLongerThanIsSearchedAtOnceHaveItsNumberAndOffset) {
  const std::vector<LinePattern> patterns = Compile({"needle"});
  ContentScanner scanner(patterns, /*max_line=*/64, /*overlap=*/30);
  const std::string before = "one\ntwo\n", filler(500, 'x');
  const std::string text =
      before + filler + "needle" + filler + "needle" + filler + "\nthree\nneedle\nfour\n";
  for (size_t block : {size_t{7}, size_t{100}, size_t{5000}}) {
    Scan(scanner, 1, text, block, {.max_lines = 5, .context = 1});
    ASSERT_EQ(scanner.lines().size(), 2u);
    const MatchedLine& first = scanner.lines()[0];
    EXPECT_EQ(first.line_number, 3u);
    EXPECT_EQ(first.line_offset, 8u);
    EXPECT_EQ(first.match_offset, 508u);
    EXPECT_THAT(first.text, testing::HasSubstr("needle"));
    EXPECT_TRUE(first.cut_before);
    EXPECT_TRUE(first.cut_after);
    EXPECT_THAT(first.before, ElementsAre("two"));
    EXPECT_THAT(first.after, ElementsAre("three"));
    const MatchedLine& second = scanner.lines()[1];
    EXPECT_EQ(second.line_number, 5u);
    EXPECT_EQ(second.line_offset, text.find("needle\nfour"));
    // How the long line begins isn't before it: one line is.
    EXPECT_THAT(second.before, ElementsAre("three"));
    EXPECT_THAT(second.after, ElementsAre("four"));
  }
}

TEST(MatchedLines, AreCutAroundTheMatch) {
  const std::vector<LinePattern> patterns = Compile({"<x*>"});
  ContentScanner scanner(patterns);
  const std::string many(2000, '-');
  Scan(scanner, 1,
       "<x>" + many + "\n" + many + "<xx>" + many + "\n" + many + "<>\n<" + std::string(3000, 'x') +
           ">\n",
       4096, {.max_lines = 100, .context = 1});
  ASSERT_EQ(scanner.lines().size(), 4u);
  const MatchedLine& start = scanner.lines()[0];
  EXPECT_EQ(start.text, "<x>" + std::string(509, '-'));
  EXPECT_FALSE(start.cut_before);
  EXPECT_TRUE(start.cut_after);
  EXPECT_THAT(start.after, ElementsAre(std::string(512, '-')));
  const MatchedLine& middle = scanner.lines()[1];
  EXPECT_EQ(middle.text, std::string(254, '-') + "<xx>" + std::string(254, '-'));
  EXPECT_TRUE(middle.cut_before);
  EXPECT_TRUE(middle.cut_after);
  const MatchedLine& end = scanner.lines()[2];
  EXPECT_EQ(end.text, std::string(510, '-') + "<>");
  EXPECT_TRUE(end.cut_before);
  EXPECT_FALSE(end.cut_after);
  const MatchedLine& longer = scanner.lines()[3];
  EXPECT_EQ(longer.text, "<" + std::string(511, 'x'));
  EXPECT_FALSE(longer.cut_before);
  EXPECT_TRUE(longer.cut_after);
}

TEST(MatchedLines, OfManyPatternsStayWithinTheirMemory) {
  std::vector<std::string> sources;
  for (int i = 0; i < 200; ++i) sources.push_back("x{" + std::to_string(i + 1) + "}");
  const std::vector<LinePattern> patterns = Compile(sources);
  ContentScanner scanner(patterns);
  std::string text;
  for (int i = 0; i < 300; ++i) text += std::string(600, 'x') + "\n";
  Scan(scanner, 200, text, 128 * 1024, {.max_lines = 100, .context = 10});
  EXPECT_TRUE(scanner.lines_left_out());
  size_t bytes = 0;
  for (const MatchedLine& line : scanner.lines()) {
    bytes += line.text.size();
    for (const std::string& one : line.before) bytes += one.size();
    for (const std::string& one : line.after) bytes += one.size();
  }
  EXPECT_GT(bytes, kMaxCollectedBytes / 2);
  EXPECT_LT(bytes, kMaxCollectedBytes + 16 * 1024);
  // The results are what they are.
  for (uint32_t i = 0; i < 200; ++i) EXPECT_EQ(scanner.result(i), LineMatch::kFound);
  // And nothing is left over for the next file.
  Scan(scanner, 200, "x\n", 128, {.max_lines = 1});
  EXPECT_FALSE(scanner.lines_left_out());
  EXPECT_EQ(scanner.lines().size(), 1u);
}

TEST(MatchedLines, AreKeptOfThePatternsThatAreAskedForOnly) {
  const std::vector<LinePattern> patterns = Compile({"a", "b", "c"});
  ContentScanner scanner(patterns);
  const std::vector<uint32_t> wanted = {0, 1}, kept = {1};
  scanner.Start(wanted);
  scanner.CollectLines(kept, {.max_lines = 2, .context = 1});
  scanner.Feed("a\nb\n");
  EXPECT_FALSE(scanner.settled()) << "another line of b would be kept";
  scanner.Feed("b\n");
  EXPECT_FALSE(scanner.settled()) << "the line after the last is to come";
  scanner.Feed("a\nb\n");
  EXPECT_TRUE(scanner.settled());
  scanner.Finish();
  ASSERT_EQ(scanner.lines().size(), 2u);
  EXPECT_EQ(scanner.lines()[1].line_number, 3u);
  EXPECT_THAT(scanner.lines()[1].after, ElementsAre("a"));
  scanner.Start(wanted);
  scanner.Feed("a\nb\n");
  EXPECT_TRUE(scanner.settled());
  EXPECT_THAT(scanner.lines(), IsEmpty());
}

TEST(AllLines, OfAnEmptyFileNoneMatches) {
  const std::vector<LinePattern> patterns = Compile({"a"});
  ContentScanner scanner(patterns);
  const std::vector<uint32_t> all = {0};
  for (const auto& [text, expected] : {std::pair{"", LineMatch::kAbsent},
                                       {"a", LineMatch::kFound},
                                       {"a\n", LineMatch::kFound},
                                       {"a\n\n", LineMatch::kAbsent},
                                       {"\na", LineMatch::kAbsent},
                                       {"xa\nax", LineMatch::kFound}}) {
    scanner.Start({}, all);
    scanner.Feed(text);
    scanner.Finish();
    EXPECT_EQ(scanner.all_lines(0), expected) << text;
    EXPECT_EQ(scanner.result(0), LineMatch::kUnknown);
  }
}

TEST(AllLines, OneThatDoesNotMatchSettlesIt) {
  const std::vector<LinePattern> patterns = Compile({"a", "^"});
  ContentScanner scanner(patterns);
  const std::vector<uint32_t> all = {0, 1};
  scanner.Start({}, all);
  scanner.Feed("a\nb\n");
  EXPECT_EQ(scanner.all_lines(0), LineMatch::kAbsent);
  EXPECT_EQ(scanner.all_lines(1), LineMatch::kUnknown);
  EXPECT_FALSE(scanner.settled());
  const std::vector<uint32_t> one = {0};
  scanner.Start({}, one);
  scanner.Feed("b\n");
  EXPECT_TRUE(scanner.settled());
}

TEST(AllLines, ALineOfManyWindowsMatchesWhenOneDoes) {
  const std::vector<LinePattern> patterns = Compile({"needle", "a.*z"});
  ContentScanner scanner(patterns, 64, 30);
  const std::vector<uint32_t> all = {0, 1};
  const std::string filler(300, 'x');
  const auto scan = [&](const std::string& text) {
    scanner.Start({}, all);
    for (size_t at = 0; at < text.size(); at += 50) scanner.Feed(text.substr(at, 50));
    scanner.Finish();
  };
  scan("needle\n" + filler + "needle" + filler + "\nneedle");
  EXPECT_EQ(scanner.all_lines(0), LineMatch::kFound);
  EXPECT_EQ(scanner.all_lines(1), LineMatch::kAbsent);
  scan("needle az\n" + filler + "\nneedle");
  EXPECT_EQ(scanner.all_lines(0), LineMatch::kAbsent);
  // It may be that a stands in one window, and z in another.
  EXPECT_EQ(scanner.all_lines(1), LineMatch::kAbsent);
  scan("az\na" + filler + "z");
  EXPECT_EQ(scanner.all_lines(1), LineMatch::kUnknown);
}

TEST(CountNewlines, CountsAll) {
  std::mt19937 random(3);
  for (size_t size : {0, 1, 31, 32, 33, 100, 8159, 8160, 8200, 100'000}) {
    std::string text(size, 'a');
    for (char& c : text) c = random() % 3 ? '\n' : '\x8a';
    EXPECT_EQ(CountNewlines(text), uint64_t(std::count(text.begin(), text.end(), '\n')));
  }
  EXPECT_EQ(CountNewlines(std::string(70'000, '\n')), 70'000u);
}

}  // namespace
}  // namespace dragnet::file
