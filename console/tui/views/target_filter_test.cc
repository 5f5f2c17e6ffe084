#include "console/tui/views/target_filter.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/target.h"

namespace dragnet::console::tui {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

v1::Facts Named(const std::string& name) {
  v1::Facts facts;
  facts.set_id("1");
  facts.set_name(name);
  return facts;
}

bool Chooses(std::string_view typed, const std::string& name) {
  const absl::StatusOr<bool> matches = TargetMatches(TargetOf(typed).expression, Named(name));
  EXPECT_TRUE(matches.ok()) << matches.status();
  return matches.ok() && *matches;
}

TEST(TargetOfTest, NothingTypedIsEveryAgent) {
  EXPECT_EQ(TargetOf("  ").expression, "");
  EXPECT_FALSE(TargetOf("").by_name);
}

TEST(TargetOfTest, AWordChoosesByNameInEitherCase) {
  EXPECT_TRUE(TargetOf("web").by_name);
  EXPECT_TRUE(Chooses("web", "prod-WEB-1"));
  EXPECT_FALSE(Chooses("web", "db1"));
}

TEST(TargetOfTest, AllWordsMustBeInTheName) {
  EXPECT_TRUE(Chooses("prod web", "web1.prod"));
  EXPECT_FALSE(Chooses("prod web", "web1.test"));
}

TEST(TargetOfTest, AnUnderlineIsItselfAndNoWildcard) {
  EXPECT_TRUE(Chooses("db_1", "db_1"));
  EXPECT_FALSE(Chooses("db_1", "dbx1"));
}

TEST(TargetOfTest, ABackslashIsItself) {
  EXPECT_TRUE(Chooses("a\\b_", "xa\\b_x"));
  EXPECT_FALSE(Chooses("a\\b_", "xab_x"));
}

TEST(TargetOfTest, AnythingOfAnExpressionIsOne) {
  for (const char* typed : {"os='linux'", "os is null", "name LIKE x", "not os", "true", "a||b",
                            "tags->>'env'", "web%", "x'; --"}) {
    EXPECT_EQ(TargetOf(typed).expression, typed);
    EXPECT_FALSE(TargetOf(typed).by_name) << typed;
  }
}

TEST(QuotedTextTest, AnIdThatASchedulerMadeUpCantEndTheText) {
  const std::string evil = "x' or '1'='1";
  const std::string expression = "id=" + QuotedText(evil);
  ASSERT_TRUE(ValidateTarget(expression).ok());
  EXPECT_FALSE(*TargetMatches(expression, Named("web1")));
  v1::Facts facts = Named("web1");
  facts.set_id(evil);
  EXPECT_TRUE(*TargetMatches(expression, facts));
}

TEST(CompleteTargetTest, OffersColumnsAndTags) {
  size_t start = 99;
  EXPECT_THAT(CompleteTarget({"env"}, "ker", &start), ElementsAre("kernel"));
  EXPECT_EQ(start, 0u);
  EXPECT_THAT(CompleteTarget({"env", "role"}, "os='linux' and tags->>'e", &start),
              ElementsAre("tags->>'env'"));
  EXPECT_EQ(start, 15u);
}

TEST(CompleteTargetTest, OffersNothingInsideOfAText) {
  size_t start = 0;
  EXPECT_THAT(CompleteTarget({"env"}, "name='o", &start), IsEmpty());
}

}  // namespace
}  // namespace dragnet::console::tui
