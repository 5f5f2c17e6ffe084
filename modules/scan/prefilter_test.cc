#include "modules/scan/prefilter.h"

#include <algorithm>
#include <cstring>
#include <memory>
#include <string>
#include <string_view>
#include <utility>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"
#include "modules/scan/plan.h"
#include "modules/scan/random_rules.h"
#include "modules/scan/yara.h"

namespace dragnet::scan {
namespace {

using ::testing::ElementsAre;
using ::testing::Pair;

std::vector<std::pair<uint64_t, uint64_t>> Normalized(std::vector<Window> windows) {
  NormalizeWindows(100, 200, windows);
  std::vector<std::pair<uint64_t, uint64_t>> pairs;
  for (const Window& window : windows) pairs.emplace_back(window.begin, window.end);
  return pairs;
}

TEST(WindowsTest, AreSortedMergedAndCut) {
  EXPECT_THAT(Normalized({{150, 160}, {90, 110}, {120, 130}, {125, 140}, {199, 300}, {10, 20}}),
              ElementsAre(Pair(100, 110), Pair(120, 140), Pair(150, 160), Pair(199, 200)));
  EXPECT_THAT(Normalized({{100, 150}, {150, 200}, {110, 120}}), ElementsAre(Pair(100, 200)));
}

// Vectorscan loses some of two bytes in texts of 74 to 79; they are not given to it.
TEST(PrefilterTest, ShortAtomsAreFoundWhereverTheyLie) {
  for (const char* string : {"{ 4D 5A }", "\"q\"", "\"Zq\" nocase", "{ 00 }", "/[xy]Z/"}) {
    const auto rules = YaraRules::Compile(
        std::string("rule r { strings: $a = ") + string + " condition: $a }", {});
    ASSERT_TRUE(rules.ok()) << rules.status();
    YaraScanner scanner(*rules, {});
    const std::string found = string[1] == ' '   ? (string[2] == '4' ? "MZ" : std::string(1, '\0'))
                              : string[0] == '/' ? "yZ"
                              : string[1] == 'q' ? "q"
                                                 : "zQ";
    for (size_t size = 1; size <= 130; ++size) {
      for (size_t at = 0; at + found.size() <= size; ++at) {
        std::string text(size, '.');
        const auto nothing = scanner.ScanBuffer(text);
        ASSERT_TRUE(nothing.ok() && nothing->empty()) << string;
        text.replace(at, found.size(), found);
        const auto matches = scanner.ScanBuffer(text);
        ASSERT_TRUE(matches.ok());
        ASSERT_EQ(matches->size(), 1u) << string << " at " << at << " of " << size;
        ASSERT_EQ((*matches)[0].strings[0].offset, at);
      }
    }
  }
}

std::vector<bool> Filterable(const std::string& strings) {
  auto set = CompileRules("rule r { strings: " + strings + " condition: any of them }", {});
  EXPECT_TRUE(set.ok()) << set.status();
  std::vector<bool> filterable;
  for (uint32_t i = 0; i < set->rules->num_strings; ++i)
    filterable.push_back(IsFilterable(*set->rules, set->rules->strings_table[i], set->lengths));
  return filterable;
}

TEST(PrefilterTest, StringsWithoutAtomsOrBoundsAreNotFiltered) {
  EXPECT_THAT(Filterable("$a = \"text\" $b = { 61 62 [0-100] 63 } $c = /ab+c/"),
              ElementsAre(true, true, true));
  EXPECT_THAT(Filterable("$a = /[^a]*/ $b = \"text\""), ElementsAre(false, true));
  // The two parts of a chain.
  EXPECT_THAT(Filterable("$a = { 61 62 63 [-] 64 65 66 }"), ElementsAre(false, false));
}

std::string Describe(const absl::StatusOr<std::vector<YaraMatch>>& matches) {
  if (!matches.ok()) return std::string(matches.status().message());
  std::string text;
  for (const YaraMatch& match : *matches) {
    text += match.rule + "\n";
    for (const YaraStringMatch& string : match.strings)
      text += "  " + string.identifier + " " + std::to_string(string.offset) + " " +
              std::to_string(string.length) + " " + string.bytes + "\n";
  }
  return text;
}

// Stretches of memory with holes between them.
struct Memory {
  std::vector<YaraScanner::Block> blocks;
  std::vector<std::string> bytes;

  size_t Read(uint64_t address, char* to, size_t size) const {
    for (size_t i = 0; i < blocks.size(); ++i) {
      if (address < blocks[i].base || address >= blocks[i].base + bytes[i].size()) continue;
      const size_t at = address - blocks[i].base;
      const size_t n = std::min(size, bytes[i].size() - at);
      std::memcpy(to, bytes[i].data() + at, n);
      return n;
    }
    return 0;
  }
};

class PrefilterEqualityTest : public testing::TestWithParam<bool> {};

TEST_P(PrefilterEqualityTest, RandomRulesMatchWithItAsWithoutIt) {
  constexpr YaraLimits kLimits{1 << 20, 64};
  const std::string externals[] = {"external=20"};
  int compiled = 0;
  int matched = 0;
  for (uint32_t seed = 1; seed <= 40; ++seed) {
    RandomRules random(seed, GetParam());
    const std::string source = random.Source();
    auto rules = YaraRules::Compile(source, externals);
    if (!rules.ok()) continue;
    ++compiled;
    YaraScanner with(*rules, kLimits);
    auto plain = PlanRules(source, externals, /*use_prefilter=*/false);
    ASSERT_TRUE(plain.ok());
    YaraScanner without(std::make_shared<const YaraRules>(*std::move(plain)), kLimits);
    for (int i = 0; i < 12; ++i) {
      const std::string bytes = random.Bytes(random.Number(i < 8 ? 200 : 4000));
      const std::string expected = Describe(without.ScanBuffer(bytes));
      matched += expected.empty() ? 0 : 1;
      ASSERT_EQ(Describe(with.ScanBuffer(bytes)), expected) << seed << "\n" << source;
    }
    Memory memory;
    for (uint64_t i = 0; i < 4; ++i) {
      std::string bytes = random.Bytes(1 + random.Number(9000));
      memory.blocks.push_back({0x10000 * (i + 1), bytes.size()});
      memory.bytes.push_back(std::move(bytes));
    }
    const auto read = [&](uint64_t address, char* to, size_t size) {
      return memory.Read(address, to, size);
    };
    ASSERT_EQ(Describe(with.ScanMemory(memory.blocks, read)),
              Describe(without.ScanMemory(memory.blocks, read)))
        << seed << "\n"
        << source;
  }
  EXPECT_GT(compiled, 20);
  EXPECT_GT(matched, 40);
}

INSTANTIATE_TEST_SUITE_P(Conditions, PrefilterEqualityTest, testing::Bool(), [](const auto& info) {
  return info.param ? "ReadTheFile" : "ReadStringsOnly";
});

}  // namespace
}  // namespace dragnet::scan
