#include "modules/scan/rule_text.h"

#include <string>
#include <string_view>
#include <vector>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace dragnet::scan {
namespace {

using ::testing::ElementsAre;

std::vector<std::string_view> Texts(std::string_view source) {
  std::vector<RuleToken> tokens;
  EXPECT_TRUE(TokenizeRules(source, tokens));
  std::vector<std::string_view> texts;
  for (const RuleToken& token : tokens) {
    EXPECT_EQ(source.substr(token.offset, token.text.size()), token.text);
    texts.push_back(token.text);
  }
  return texts;
}

TEST(RuleTextTest, QuotesCommentsAndExpressionsAreWholeTokens) {
  EXPECT_THAT(Texts("$a = \"x\\\" /* \" // \"no\"\n"), ElementsAre("$a", "=", "\"x\\\" /* \""));
  EXPECT_THAT(Texts("$b = /a\\/[b]c\"/is wide /* uint8(0) */"),
              ElementsAre("$b", "=", "/a\\/[b]c\"/is", "wide"));
  EXPECT_THAT(Texts("$c = { 61 [2-3] ( 62 | ?3 ) /* } */ 64 } condition"),
              ElementsAre("$c", "=", "{ 61 [2-3] ( 62 | ?3 ) /* } */ 64 }", "condition"));
}

TEST(RuleTextTest, ConditionsAreSplitIntoNamesAndSigns) {
  EXPECT_THAT(Texts("#a>2 and @b[1]==0x10 or any of ($c*) at 0"),
              ElementsAre("#a", ">", "2", "and", "@b", "[", "1", "]", "=", "=", "0x10", "or", "any",
                          "of", "(", "$c*", ")", "at", "0"));
}

TEST(RuleTextTest, OpenTokensAreRefused) {
  std::vector<RuleToken> tokens;
  for (const char* source : {"$a = \"x", "/* ", "$a = { 61", "$a = /x\n/"})
    EXPECT_FALSE(TokenizeRules(source, tokens)) << source;
}

}  // namespace
}  // namespace dragnet::scan
