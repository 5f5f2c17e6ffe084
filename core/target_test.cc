#include "core/target.h"

#include "core/strings.h"
#include "core/testing.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace dragnet {
namespace {

using ::testing::ElementsAre;

bool Matches(std::string_view expression) {
  const auto result = TargetMatches(expression, testing::Fleet().Facts());
  EXPECT_TRUE(result.ok()) << expression << ": " << result.status();
  return result.ok() && *result;
}

TEST(TargetTest, ColumnsAndJsonAreUsable) {
  EXPECT_TRUE(Matches("true"));
  EXPECT_TRUE(Matches("os='linux' and tags->>'env'='demo'"));
  EXPECT_TRUE(Matches("name like 'web%'"));
  EXPECT_TRUE(Matches("name in ('web1','web2')"));
  EXPECT_TRUE(Matches("\"os\" = 'linux'"));
  EXPECT_TRUE(Matches("(os = 'linux') or (name = ')')"));
  EXPECT_TRUE(Matches("json_extract(tags,'$.env') glob 'd*'"));
  EXPECT_FALSE(Matches("tags->>'nosuch'='x'"));
  EXPECT_FALSE(Matches("null"));
  EXPECT_FALSE(Matches("false"));
  EXPECT_FALSE(Matches("'it''s' = os"));
}

TEST(TargetTest, AttemptsToLeaveTheExpressionAreRefused) {
  for (const char* attack :
       {"",
        " ",
        "1) or (1",
        "true) --",
        "true --",
        "true /* x */",
        "true; drop table agent",
        "1) union select id from agent where (1",
        "(select 1)",
        "exists (select 1 from agent)",
        "id in (select id from agent)",
        "id in (SELECT id FROM agent)",
        "id in (values (1))",
        "id in agent",
        "os = 'linux",
        "os = \"linux\"",
        "[os = 1",
        "(((true)",
        "true)",
        "count(*) > 0",
        "random() > 0",
        "randomblob(100000000) is not null",
        "zeroblob(1000000000) is null",
        "load_extension('x')",
        "readfile('/etc/passwd') is null",
        "printf('%.1000000000d', 1) = ''",
        "replace(os, '', 'x') = ''",
        "hex(os) = ''",
        "sqlite_version() is null",
        "current_time is null",
        "?1 is null",
        ":a is null",
        "$a is null",
        "nosuch = 1",
        "main.sqlite_schema.sql is null",
        "(with recursive c(x) as (select 1 union all select x+1 from c) select 1 from c)",
        "os = 'linux' order by id",
        "os = 'linux' limit 1",
        "raise(fail, 'x')",
        "row_number() over () = 1",
        "os collate nosuch = 'x'",
        "os match 'x'",
        "os regexp 'x'"}) {
    EXPECT_EQ(ValidateTarget(attack).code(), absl::StatusCode::kInvalidArgument) << attack;
  }
  EXPECT_FALSE(ValidateTarget(std::string("true\0", 5)).ok());
  EXPECT_FALSE(ValidateTarget(std::string(kMaxTargetBytes + 1, ' ')).ok());
}

TEST(TargetTest, DeepExpressionsAreRefused) {
  EXPECT_FALSE(ValidateTarget(std::string(1000, '(') + "1" + std::string(1000, ')')).ok());
  std::string chain = "1";
  for (int i = 0; i < 1500; ++i) chain += "+1";
  EXPECT_FALSE(ValidateTarget(chain).ok());
}

TEST(TargetTest, PatternsWithManyWildcardsDoNotBacktrackForever) {
  v1::Facts facts = testing::Fleet().Facts();
  facts.set_name(std::string(10000, 'a'));
  std::string wildcards;
  for (int i = 0; i < 100; ++i) wildcards += "%a";
  const auto result = TargetMatches(StrCat("name like '", wildcards, "b'"), facts);
  ASSERT_TRUE(result.ok()) << result.status();
  EXPECT_FALSE(*result);
}

TEST(TargetTest, TableSelectsOverManyAgentsAndFollowsChanges) {
  const auto table = *TargetTable::Create();
  v1::Facts facts = testing::Fleet().Facts();
  for (const char* id : {"b", "a", "c"}) {
    facts.set_id(id);
    facts.set_name(StrCat("host-", id));
    ASSERT_TRUE(table->Upsert(facts).ok());
  }
  EXPECT_THAT(*table->Select("name != 'host-c'"), ElementsAre("a", "b"));
  facts.set_id("a");
  facts.set_name("host-c");
  ASSERT_TRUE(table->Upsert(facts).ok());
  ASSERT_TRUE(table->Remove("b").ok());
  EXPECT_THAT(*table->Select("name = 'host-c'"), ElementsAre("a", "c"));
}

TEST(TargetTest, HostTextIsDataWhateverItHolds) {
  v1::Facts facts = testing::Fleet().Facts();
  facts.set_name("x' or '1'='1");
  (*facts.mutable_tags())["a\"b"] = "c\\d\n\xff";
  EXPECT_FALSE(*TargetMatches("name='x'", facts));
  EXPECT_TRUE(*TargetMatches("name='x'' or ''1''=''1'", facts));
  EXPECT_TRUE(*TargetMatches("json_valid(tags)", facts));
}

TEST(TargetTest, ManyRowsStayWithinTheSteps) {
  const auto table = *TargetTable::Create();
  v1::Facts facts = testing::Fleet().Facts();
  for (int i = 0; i < 5000; ++i) {
    facts.set_id(StrCat("agent-", 100000 + i));
    ASSERT_TRUE(table->Upsert(facts).ok());
  }
  EXPECT_EQ(table->Select("os='linux' and tags->>'env'='demo'")->size(), 5000u);
}

}  // namespace
}  // namespace dragnet
