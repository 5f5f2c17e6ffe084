#include "modules/memory/scanner.h"

#include <algorithm>
#include <cstring>
#include <random>

#include "absl/strings/str_format.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "modules/memory/byte_regex.h"

namespace dragnet::memory {
namespace {

MemoryPattern Regex(std::string_view text) {
  MemoryPattern pattern{.max_matches = 1'000'000};
  auto regex = CompileForMemory(text, 1 << 20);
  EXPECT_TRUE(regex.ok()) << regex.status();
  pattern.regex_source = (*regex)->pattern();
  pattern.regex = *std::move(regex);
  return pattern;
}

MemoryPattern Hex(std::string_view text) {
  MemoryPattern pattern{.max_matches = 1'000'000};
  pattern.hex = *HexPattern::Parse(text);
  return pattern;
}

using Found = std::vector<std::pair<uint64_t, uint64_t>>;

// Stretches of memory, and where each begins.
using Stretches = std::vector<std::pair<uint64_t, std::string>>;

std::vector<Found> Scan(const std::vector<MemoryPattern>& patterns, const Stretches& stretches,
                        size_t block, size_t overlap, size_t most) {
  auto scanner = MemoryScanner::Create(patterns, block, overlap);
  EXPECT_TRUE(scanner.ok()) << scanner.status();
  std::vector<Found> found(patterns.size());
  std::vector<uint32_t> wanted(patterns.size());
  for (uint32_t i = 0; i < wanted.size(); ++i) wanted[i] = i;
  (*scanner)->Start(wanted, [&](const MemoryMatch& match) {
    found[match.pattern].emplace_back(match.address, match.length);
    return true;
  });
  for (const auto& [address, bytes] : stretches) {
    for (size_t at = 0; at < bytes.size();) {
      const auto space = (*scanner)->Prepare(address + at, std::min(most, bytes.size() - at));
      std::memcpy(space.data(), bytes.data() + at, space.size());
      (*scanner)->Commit(space.size());
      at += space.size();
    }
  }
  (*scanner)->Finish();
  return found;
}

// All matches of a whole stretch at once, as RE2 alone finds them.
Found Expected(const MemoryPattern& pattern, const Stretches& stretches) {
  Found found;
  for (const auto& [address, bytes] : stretches) {
    if (pattern.hex) {
      for (size_t at = 0; at + pattern.hex->size() <= bytes.size(); ++at)
        if (pattern.hex->MatchesAt(bytes.data() + at))
          found.emplace_back(address + at, pattern.hex->size());
      continue;
    }
    size_t from = 0;
    re2::StringPiece match;
    while (from < bytes.size() &&
           pattern.regex->Match(bytes, from, bytes.size(), RE2::UNANCHORED, &match, 1)) {
      const size_t at = static_cast<size_t>(match.data() - bytes.data());
      found.emplace_back(address + at, match.size());
      from = at + match.size();
    }
  }
  return found;
}

TEST(MemoryScannerTest, FindsWhatIsFoundInTheWholeWhateverTheBlocks) {
  std::mt19937 random(20260101);
  const std::vector<MemoryPattern> patterns = {
      Regex("abcab"), Regex("(?i)ABC[ab]{1,9}c"), Regex("^b+c"),   Regex("\\bcc\\b"),
      Regex("a.c$"),  Regex("(abc|bca|\\x00b)"),  Hex("61 6? 63"), Hex("?? 62 61 ?? 0a"),
      Hex("62"),      Regex("ab\\ncb?a")};
  constexpr std::string_view kLetters("abcABC\n\0 ", 9);
  for (int round = 0; round < 200; ++round) {
    Stretches stretches;
    uint64_t address = 0x1000 + random() % 100;
    for (size_t count = 1 + random() % 4; count > 0; --count) {
      std::string bytes(1 + random() % 3000, '\0');
      const size_t letters = 3 + random() % (kLetters.size() - 2);
      for (char& c : bytes) c = kLetters[random() % letters];
      const uint64_t begin = address;
      address += bytes.size() + 1 + random() % 50;
      stretches.emplace_back(begin, std::move(bytes));
    }
    const size_t block = 64 + random() % 600, overlap = 32 + random() % 32;
    const auto found = Scan(patterns, stretches, block, overlap, 1 + random() % 500);
    for (size_t i = 0; i < patterns.size(); ++i) {
      Found expected = Expected(patterns[i], stretches);
      // b+ may be longer than the overlap, in theory.
      ASSERT_EQ(found[i], expected) << "round " << round << ", pattern " << i;
    }
  }
}

TEST(MemoryScannerTest, FindsEveryOneOfManyLiteralsInShortStretches) {
  for (const unsigned seed : {1u, 2u, 3u, 4u, std::random_device()()}) {
    SCOPED_TRACE(testing::Message() << "seed " << seed);
    std::mt19937 random(seed);
    constexpr std::string_view kLetters("abABcC-\n \0\xff\xe9\xc9kK_1", 17);
    for (int round = 0; round < 40; ++round) {
      const size_t letters = 2 + random() % (kLetters.size() - 1);
      const auto text = [&](size_t length) {
        std::string made(length, '\0');
        for (char& c : made) c = kLetters[random() % letters];
        return made;
      };
      std::vector<std::string> literals;
      std::vector<MemoryPattern> patterns;
      for (size_t count = 1 + random() % 40; count > 0; --count) {
        literals.push_back(text(3 + random() % 10));
        std::string escaped, hex;
        for (const unsigned char c : literals.back()) {
          absl::StrAppendFormat(&escaped, "\\x%02x", c);
          absl::StrAppendFormat(&hex, "%02x", c);
        }
        switch (random() % 3) {
          case 0:
            patterns.push_back(Hex(hex));
            break;
          case 1:
            patterns.push_back(Regex(escaped));
            break;
          default:
            patterns.push_back(Regex("(?i)" + escaped));
        }
      }
      Stretches stretches;
      for (uint64_t address = 0; stretches.size() < 60; address += 1000) {
        std::string bytes = text(1 + random() % 300);
        const std::string& one = literals[random() % literals.size()];
        // Often at the very end.
        if (one.size() <= bytes.size()) {
          const size_t last = bytes.size() - one.size();
          bytes.replace(random() % 2 ? last : random() % (last + 1), one.size(), one);
        }
        stretches.emplace_back(address, std::move(bytes));
      }
      const auto found = Scan(patterns, stretches, 1000, 64, 1000);
      for (size_t i = 0; i < patterns.size(); ++i)
        ASSERT_EQ(found[i], Expected(patterns[i], stretches))
            << testing::PrintToString(literals[i]);
    }
  }
}

TEST(MemoryScannerTest, ALiteralMayBeginWithNul) {
  const std::vector<MemoryPattern> patterns = {Hex("00 00 61"), Regex("\\x00\\x00A"),
                                               Regex("(?i)\\x00Ab")};
  const auto found = Scan(patterns, {{0, std::string("x\0\0ab\0\0A", 8)}}, 1000, 64, 1000);
  EXPECT_EQ(found[0], (Found{{1, 3}}));
  EXPECT_EQ(found[1], (Found{{5, 3}}));
  EXPECT_EQ(found[2], (Found{{2, 3}}));
}

TEST(MemoryScannerTest, AMatchLongerThanTheBoundIsFoundWithinABlock) {
  const std::vector<MemoryPattern> patterns = {Regex("<x+>")};
  const std::string bytes = "<" + std::string(300, 'x') + ">";
  const auto found = Scan(patterns, {{0, bytes}}, 1000, 64, 1000);
  EXPECT_THAT(found[0], testing::ElementsAre(std::pair<uint64_t, uint64_t>(0, bytes.size())));
}

TEST(MemoryScannerTest, StretchesThatAreApartAreNotOne) {
  const std::vector<MemoryPattern> patterns = {Regex("abcd"), Hex("61626364")};
  EXPECT_THAT(Scan(patterns, {{100, "xxab"}, {105, "cdxx"}}, 1000, 64, 1000)[0],
              testing::IsEmpty());
  const auto found = Scan(patterns, {{100, "xxab"}, {104, "cdxx"}}, 1000, 64, 1000);
  EXPECT_THAT(found[0], testing::SizeIs(1));
  EXPECT_THAT(found[1], testing::SizeIs(1));
}

TEST(MemoryScannerTest, IsSettledOnceAllHaveTheirMatches) {
  std::vector<MemoryPattern> patterns = {Regex("abcd")};
  patterns[0].max_matches = 2;
  auto scanner = MemoryScanner::Create(patterns, 16, 4);
  ASSERT_TRUE(scanner.ok());
  const uint32_t wanted[] = {0};
  for (int process = 0; process < 2; ++process) {
    (*scanner)->Start(wanted, [](const MemoryMatch&) { return true; });
    uint64_t address = 0;
    while (!(*scanner)->settled() && address < 10'000) {
      const auto space = (*scanner)->Prepare(address, 4);
      std::memcpy(space.data(), "abcd", space.size());
      (*scanner)->Commit(space.size());
      address += space.size();
    }
    EXPECT_LT(address, 1000u);
    EXPECT_EQ((*scanner)->matches(0), 2u);
  }
}

}  // namespace
}  // namespace dragnet::memory
