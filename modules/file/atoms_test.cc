#include "modules/file/atoms.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string_view>

namespace dragnet::file {
namespace {

using testing::ElementsAre;
using testing::Optional;
using testing::UnorderedElementsAre;

std::optional<std::vector<std::string>> Of(const std::string& source) {
  absl::StatusOr<LinePattern> pattern = LinePattern::Compile(source, 4 * 1024 * 1024);
  EXPECT_TRUE(pattern.ok()) << source << ": " << pattern.status();
  return pattern.ok() ? RequiredAtoms(*pattern) : std::nullopt;
}

TEST(RequiredAtoms, AreLiteralsOfWhichEveryMatchHoldsOne) {
  EXPECT_THAT(Of("Needle"), Optional(ElementsAre("needle")));
  EXPECT_THAT(Of("^(root|daemon):[^:]*:"), Optional(UnorderedElementsAre("root:", "daemon:")));
  EXPECT_THAT(Of("(abc|[0-9]+xyz)+"), Optional(UnorderedElementsAre("abc", "xyz")));
  EXPECT_THAT(Of("é+"), Optional(ElementsAre("\xc3\xa9")));
  EXPECT_THAT(Of("a[^x]{0,9}bc"), Optional(ElementsAre("bc")));
}

TEST(RequiredAtoms, AreTheRarestOfThoseThatAreAllRequired) {
  EXPECT_THAT(Of("ab.*cdefgh.*ij"), Optional(ElementsAre("cdefgh")));
  EXPECT_THAT(Of("  .*xy"), Optional(ElementsAre("xy")));
  EXPECT_THAT(Of("(aa|bb|cc).*long"), Optional(ElementsAre("long")));
}

TEST(RequiredAtoms, AreNoneWhereAMatchNeedNotHoldAny) {
  EXPECT_EQ(Of("a"), std::nullopt);
  EXPECT_EQ(Of("(needle)?"), std::nullopt);
  EXPECT_EQ(Of("needle|[0-9]+"), std::nullopt);
  EXPECT_EQ(Of("^$"), std::nullopt);
  EXPECT_EQ(Of("[^\\x00-\\xff]"), std::nullopt);
  EXPECT_EQ(Of("\\w+\\s*=\\s*\\d+"), std::nullopt);
}

TEST(RequiredAtoms, AreNoneOfPatternsThatAreTooLarge) {
  EXPECT_EQ(Of("(([ab]cde){25}f){40}xx"), std::nullopt);
  std::string many = "first";
  for (char first = 'a'; first <= 'z'; ++first)
    for (char second : std::string_view("0123456789-_,=;"))
      many += std::string("|") + first + second + "word";
  EXPECT_EQ(Of(many), std::nullopt);
}

}  // namespace
}  // namespace dragnet::file
