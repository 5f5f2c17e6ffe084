#include "console/cli/mig_target.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/target.h"

namespace dragnet::console {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

v1::Facts Host() {
  v1::Facts facts;
  facts.set_id("0192f0c1-0000-7000-8000-000000000001");
  facts.set_name("web1.example.net");
  facts.set_os("linux");
  facts.set_arch("x86_64");
  facts.set_distribution("ubuntu");
  facts.set_distribution_version("22.04");
  (*facts.mutable_tags())["env"] = "prod";
  (*facts.mutable_environment())["init"] = "systemd";
  facts.add_addresses("10.1.2.3");
  return facts;
}

class MigTargetTest : public ::testing::Test {
 protected:
  // Whether the condition, translated, is true for the host above.
  bool Holds(std::string_view condition) {
    notes_.clear();
    const absl::StatusOr<std::string> target = TargetFromMig(condition, &notes_);
    EXPECT_TRUE(target.ok()) << condition << ": " << target.status();
    if (!target.ok()) return false;
    const absl::StatusOr<bool> matches = TargetMatches(*target, Host());
    EXPECT_TRUE(matches.ok()) << *target << ": " << matches.status();
    return matches.ok() && *matches;
  }
  std::string Refusal(std::string_view condition) {
    const absl::StatusOr<std::string> target = TargetFromMig(condition, &notes_);
    EXPECT_FALSE(target.ok()) << condition << " became " << *target;
    return std::string(target.status().message());
  }
  std::string Translated(std::string_view condition) { return *TargetFromMig(condition, &notes_); }

  std::vector<std::string> notes_;
};

TEST_F(MigTargetTest, TargetsOfMigsDocumentation) {
  EXPECT_TRUE(Holds("agents.queueloc like 'linux.%'"));
  EXPECT_EQ(Translated("queueloc LIKE 'linux.%'"), "os='linux'");
  EXPECT_FALSE(Holds("queueloc like 'darwin.%'"));
  EXPECT_TRUE(Holds("queueloc like 'linux.web%'"));
  EXPECT_FALSE(Holds("queueloc like 'linux.db%'"));
  EXPECT_TRUE(Holds("name like '%'"));
  EXPECT_TRUE(Holds("os='linux'"));
  EXPECT_TRUE(Holds("environment->>'os' IN ('linux','darwin') AND mode='daemon'"));
  EXPECT_FALSE(Holds("mode='checkin'"));
  EXPECT_TRUE(Holds("queueloc LIKE 'linux.%' AND environment->>'ident' ILIKE '%ubuntu%'"));
  EXPECT_FALSE(Holds("environment->>'ident' ilike 'ubuntu 12.04%'"));
  EXPECT_TRUE(Holds("environment#>>'{ident}' ilike 'ubuntu 22.04%'"));
  EXPECT_TRUE(Holds("tags->>'env'='prod' and not (name='x' or environment->>'arch' != 'amd64')"));
  EXPECT_TRUE(Holds("environment->>'addresses' like '%10.1.%'"));
}

TEST_F(MigTargetTest, LikeDistinguishesCaseAndIlikeDoesNot) {
  EXPECT_FALSE(Holds("name like 'WEB%'"));
  EXPECT_TRUE(Holds("name ilike 'WEB%'"));
  EXPECT_TRUE(Holds("name like 'web_.example.net'"));
  EXPECT_FALSE(Holds("name like 'web\\_.example.net'")) << "an escaped _ is itself";
  EXPECT_FALSE(Holds("name like 'web*'")) << "* is no wildcard of LIKE";
  EXPECT_TRUE(Holds("name not like 'db%'"));
}

TEST_F(MigTargetTest, BeingOnlineIsTrueOfWhoDecidesAndSaid) {
  EXPECT_TRUE(Holds("status='online' and os='linux'"));
  EXPECT_THAT(notes_, SizeIs(1));
  EXPECT_TRUE(Holds("status in ('online','idle')"));
  EXPECT_TRUE(Holds("heartbeattime > NOW() - interval '5 minutes' AND name='web1.example.net'"));
  EXPECT_TRUE(Holds("status != 'offline'"));
  EXPECT_THAT(Refusal("status='offline'"), HasSubstr("not online"));
  EXPECT_THAT(Refusal("status!='online'"), HasSubstr("not online"));
  EXPECT_THAT(Refusal("heartbeattime < now() - interval '5 minutes'"), HasSubstr("newness"));
}

TEST_F(MigTargetTest, PlainConditionsNeedNoNote) {
  Holds("os='linux'");
  EXPECT_THAT(notes_, IsEmpty());
}

TEST_F(MigTargetTest, WhatHasNoCounterpartIsRefusedByName) {
  EXPECT_THAT(Refusal("version='201409171023+c4d6f50.prod'"), HasSubstr("version: MIG's own"));
  EXPECT_THAT(Refusal("pid=1"), HasSubstr("pid: MIG's own"));
  EXPECT_THAT(Refusal("agents.id = 5"), HasSubstr("id: MIG's own"));
  EXPECT_THAT(Refusal("queueloc='linux.web1.1234'"), HasSubstr("write name='HOST'"));
  EXPECT_THAT(Refusal("environment->>'publicip'='1.2.3.4'"), HasSubstr("publicip"));
  EXPECT_THAT(Refusal("name ~ '^web'"), HasSubstr("'~'"));
  EXPECT_THAT(Refusal("name in (select name from agents)"), HasSubstr("subquery"));
  EXPECT_THAT(Refusal("colour='red'"), HasSubstr("'colour'"));
  EXPECT_THAT(Refusal("os='linux'; drop table agents"), HasSubstr("';'"));
  EXPECT_THAT(Refusal("os='linux' -- x"), HasSubstr("'--'"));
  EXPECT_THAT(Refusal("os='linux"), HasSubstr("not closed"));
  EXPECT_THAT(Refusal(""), HasSubstr("ends where"));
  EXPECT_THAT(Refusal(std::string(200, '(') + "true"), HasSubstr("nested"));
}

TEST_F(MigTargetTest, QuotesStayInsideTheirText) {
  EXPECT_EQ(Translated("name = 'it''s' or tags->>'o''k' = ''"), "name='it''s' or tags->>'o''k'=''");
  EXPECT_FALSE(Holds("name = ''' or true or name='''"));
}

}  // namespace
}  // namespace dragnet::console
