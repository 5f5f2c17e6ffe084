#include "modules/file/literals.h"

#include <gtest/gtest.h>

#include <cstring>
#include <memory>
#include <random>
#include <set>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "absl/strings/ascii.h"

namespace dragnet::file {
namespace {

using Hits = std::set<std::pair<uint32_t, size_t>>;

Hits Naive(const std::vector<std::string>& literals, std::string_view text) {
  std::string lower(text);
  absl::AsciiStrToLower(&lower);
  Hits hits;
  for (uint32_t i = 0; i < literals.size(); ++i) {
    std::string literal = literals[i];
    absl::AsciiStrToLower(&literal);
    for (size_t at = lower.find(literal); at != std::string::npos; at = lower.find(literal, at + 1))
      hits.emplace(i, at + literal.size());
  }
  return hits;
}

Hits Found(const Literals& literals, std::string_view text) {
  // Of just this size, so that a sanitizer sees a look beyond.
  const auto exact = std::make_unique<char[]>(text.size());
  std::memcpy(exact.get(), text.data(), text.size());
  Hits hits;
  EXPECT_TRUE(literals.Find({exact.get(), text.size()}, [&](uint32_t i, size_t end) {
    hits.emplace(i, end);
    return true;
  }));
  return hits;
}

class Maker {
 public:
  explicit Maker(unsigned seed) : random_(seed) { NewAlphabet(); }

  void NewAlphabet() { letters_ = 2 + random_() % (kLetters.size() - 1); }
  unsigned Below(unsigned bound) { return random_() % bound; }
  std::string Text(size_t length) {
    std::string text(length, ' ');
    for (char& c : text) c = kLetters[random_() % letters_];
    return text;
  }

 private:
  static constexpr std::string_view kLetters{"abABcC-\n \0\xff\xe9\xc9kK_1", 17};
  std::mt19937 random_;
  size_t letters_ = 2;
};

// Few letters, so that literals overlap, nearly occur and occur; often at the
// very end or the begin; one literal, a few and many.
void CompareWithNaive(unsigned seed) {
  SCOPED_TRACE(testing::Message() << "seed " << seed);
  Maker maker(seed);
  size_t hits = 0;
  for (int round = 0; round < 150; ++round) {
    maker.NewAlphabet();
    const size_t count = round % 3 == 0 ? 1 : 1 + maker.Below(round % 3 == 1 ? 4 : 50);
    const size_t shortest = 1 + maker.Below(3), longest = shortest + maker.Below(17 - shortest);
    std::vector<std::string> sources;
    while (sources.size() < count)
      sources.push_back(maker.Text(shortest + maker.Below(longest - shortest + 1)));
    const Literals literals(sources);
    for (int i = 0; i < 30; ++i) {
      std::string text = maker.Text(1 + maker.Below(i == 0 ? 5000 : 300));
      for (unsigned plant = maker.Below(3); plant > 0; --plant) {
        const std::string& one = sources[maker.Below(sources.size())];
        if (one.size() > text.size()) continue;
        const size_t last = text.size() - one.size();
        text.replace(maker.Below(2) ? last : maker.Below(last + 1), one.size(), one);
      }
      const Hits expected = Naive(sources, text);
      ASSERT_EQ(Found(literals, text), expected) << testing::PrintToString(text);
      hits += expected.size();
    }
  }
  EXPECT_GT(hits, 1000u);
}

TEST(Literals, AreFoundWhereANaiveSearchFindsThem) {
  for (unsigned seed = 1; seed <= 8; ++seed) CompareWithNaive(seed);
}

TEST(Literals, AreFoundWhereANaiveSearchFindsThemWithAnotherSeedEachTime) {
  CompareWithNaive(std::random_device()());
}

TEST(Literals, MayBeginWithNulAndNeedNoNewlineOrLetters) {
  const std::vector<std::string> sources = {std::string("\0a", 2), std::string("\0\0", 2),
                                            "\xc3\xa9", "[.*"};
  const Literals literals(sources);
  const std::string text("\0\0A\xc3\xa9\xc3\x89[.*", 10);
  EXPECT_EQ(Found(literals, text), (Hits{{0, 3}, {1, 2}, {2, 5}, {3, 10}}));
}

TEST(Literals, TheSearchEndsWhenTold) {
  const std::vector<std::string> sources = {"ab"};
  const Literals literals(sources);
  int calls = 0;
  EXPECT_FALSE(literals.Find("ab ab ab", [&](uint32_t, size_t) { return ++calls < 2; }));
  EXPECT_EQ(calls, 2);
}

TEST(Literals, NoneAreFoundIfThereAreNone) { EXPECT_EQ(Found(Literals({}), "abc"), Hits()); }

}  // namespace
}  // namespace dragnet::file
