#include "agent/monitor/host_facts.h"

#include "core/target.h"
#include "core/uuid.h"
#include "gtest/gtest.h"

namespace dragnet {
namespace {

TEST(HostFactsTest, OsReleaseIsReadWithItsQuotes) {
  const auto values =
      ParseOsRelease("# comment\nID=debian\nVERSION_ID=\"12\"\nNAME='x y'\nbroken\n\xff=1\n");
  EXPECT_EQ(values.at("ID"), "debian");
  EXPECT_EQ(values.at("VERSION_ID"), "12");
  EXPECT_EQ(values.at("NAME"), "x y");
}

TEST(HostFactsTest, ThisHostHasWhatTargetsAskFor) {
  v1::Facts facts = CollectHostFacts();
  facts.set_id("id");
  EXPECT_TRUE(*TargetMatches("os='linux' and length(name)>0 and length(arch)>0", facts));
  EXPECT_TRUE(*TargetMatches("modules like '%\"file\"%' and boot_time>0", facts));
}

TEST(HostFactsTest, TheBootIdIsAUuidAndStaysTheSame) {
  EXPECT_TRUE(IsUuid(BootId()));
  EXPECT_EQ(BootId(), BootId());
}

}  // namespace
}  // namespace dragnet
