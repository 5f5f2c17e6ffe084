#include "modules/scan/rule_facts.h"

#include <string>
#include <string_view>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace dragnet::scan {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

RuleFacts FactsOf(std::string_view condition) {
  static std::string source;
  source = "import \"elf\" import \"math\" rule r { strings: $a = \"x\" condition: ";
  source += condition;
  source += " }";
  const SourceFacts facts = ReadFacts(source);
  EXPECT_TRUE(facts.understood) << condition;
  EXPECT_EQ(facts.rules.size(), 1u);
  return facts.rules.at(0);
}

TEST(RuleFactsTest, ConditionsThatCanOnlyHoldWithAString) {
  for (const char* condition :
       {"$a", "$a and filesize < 10", "any of them", "all of ($a*)", "2 of ($a, $b)", "$a at 0",
        "$a in (0..100)", "uint16(0) == 0x5a4d and (any of them or $b)", "(($a))", "#a > 3",
        "filesize > 3 and #b > 0", "$a or ($b and not $c)"})
    EXPECT_TRUE(FactsOf(condition).needs_string) << condition;
}

TEST(RuleFactsTest, ConditionsThatCanHoldWithoutAString) {
  for (const char* condition :
       {"not $a", "$a or filesize > 2", "none of them", "0 of them", "any of (r*)", "#a < 3",
        "#a > -1", "true", "not ($a and $b)", "filesize < 10 and not $a", "#a == 0",
        "for all i in (1..#a) : (@a[i] > 3)", "uint16(0) == 1", "0 of ($a*) and true"})
    EXPECT_FALSE(FactsOf(condition).needs_string) << condition;
}

TEST(RuleFactsTest, WhatConditionsRead) {
  EXPECT_TRUE(FactsOf("uint16(0) == 3 and $a").reads_data);
  EXPECT_TRUE(FactsOf("$a and int32be ( @a ) == 3").reads_data);
  EXPECT_FALSE(FactsOf("$a and filesize > 3").reads_data);
  EXPECT_TRUE(FactsOf("$a and filesize > 3").reads_file_size);
  EXPECT_TRUE(FactsOf("$a at entrypoint").reads_entry_point);
  EXPECT_TRUE(FactsOf("elf.type == 1").parses_file);
  EXPECT_THAT(FactsOf("elf.type == 1").modules, ElementsAre(0));
  EXPECT_FALSE(FactsOf("math.entropy(0, filesize) > 7").parses_file);
  EXPECT_TRUE(FactsOf("math.entropy(0, filesize) > 7").reads_data);
  EXPECT_FALSE(FactsOf("$a // uint8(0) elf.type\n").reads_data);
}

TEST(RuleFactsTest, RulesAreToldApartWithWhatTheyName) {
  constexpr std::string_view kSource =
      "/* rule no {} */ private rule one : tag { meta: x = \"rule } {\" condition: true }\n"
      "global rule two { strings: $a = { 61 } $b = /}/ condition: $a or $b and one }\n"
      "rule three { condition: any of (o*, two) }";
  const SourceFacts facts = ReadFacts(kSource);
  ASSERT_TRUE(facts.understood);
  ASSERT_EQ(facts.rules.size(), 3u);
  EXPECT_EQ(facts.rules[0].name, "one");
  EXPECT_EQ(facts.rules[0].text,
            "private rule one : tag { meta: x = \"rule } {\" condition: true }");
  EXPECT_THAT(facts.rules[0].references, IsEmpty());
  EXPECT_FALSE(facts.rules[0].is_global);
  EXPECT_TRUE(facts.rules[1].is_global);
  EXPECT_THAT(facts.rules[1].references, ElementsAre(0));
  EXPECT_THAT(facts.rules[2].references, ElementsAre(0, 1));
}

TEST(RuleFactsTest, WhatIsNotUnderstoodIsSaidSo) {
  for (const char* source : {"rule a { condition: true", "rule { condition: true }", "rule a { }",
                             "include \"x\"", "import pe"})
    EXPECT_FALSE(ReadFacts(source).understood) << source;
}

}  // namespace
}  // namespace dragnet::scan
