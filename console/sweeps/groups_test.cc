#include "console/sweeps/groups.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "console/sweeps/testing.h"

namespace dragnet::console {
namespace {

using testing::Untold;
using testing::Verdict;

class GroupsTest : public ::testing::Test {
 protected:
  dragnet::testing::Fleet fleet_;
  Sweep sweep_ = testing::TestSweep(fleet_);
};

TEST_F(GroupsTest, CountsByCheckHostAndGroup) {
  SweepTally tally(sweep_, {{"id-of-a", "debian 12"}, {"id-of-b", "debian 12"}});
  EXPECT_TRUE(tally.Add(Verdict("a", "host-keys", "pass")));
  EXPECT_TRUE(tally.Add(Verdict("a", "root-login", "fail")));
  EXPECT_TRUE(tally.Add(Verdict("b", "root-login", "unknown")));
  v1::SweepVerdict silent = Verdict("c", "root-login", "pass");
  silent.set_silent(true);
  EXPECT_TRUE(tally.Add(silent));
  EXPECT_FALSE(tally.Add(Verdict("c", "made-up", "pass")));
  tally.Finish();

  ASSERT_EQ(tally.hosts().size(), 3u);
  EXPECT_EQ(tally.hosts()[0].name, "a") << "the worst first";
  EXPECT_EQ(tally.hosts()[1].name, "b");
  EXPECT_EQ(tally.HostCounts().failed(), 1u);
  EXPECT_EQ(tally.HostCounts().unknown(), 1u);
  EXPECT_EQ(tally.HostCounts().passed(), 1u);
  EXPECT_EQ(tally.silent(), 1u);
  EXPECT_EQ(tally.strangers(), 1u);
  // In the document's order: root-login, host-keys.
  EXPECT_EQ(tally.checks()[0].passed(), 1u);
  EXPECT_EQ(tally.checks()[0].failed(), 1u);
  EXPECT_EQ(tally.checks()[1].passed(), 1u);
  ASSERT_EQ(tally.groups().size(), 2u);
  EXPECT_EQ(tally.groups()[0].name, kNoGroup);
  EXPECT_EQ(tally.groups()[0].silent, 1u);
  EXPECT_EQ(tally.groups()[1].name, "debian 12");
  EXPECT_EQ(tally.groups()[1].hosts.failed(), 1u);
  EXPECT_EQ(tally.groups()[1].hosts.unknown(), 1u);
  EXPECT_EQ(tally.groups()[1].checks[0].failed(), 1u);
}

TEST_F(GroupsTest, HostsThatNeverToldAreSilentAndNothingElse) {
  SweepTally tally(sweep_, {{"id-of-a", "debian 12"}, {"id-of-s", "debian 12"}});
  tally.Add(Verdict("a", "root-login", "pass"));
  EXPECT_TRUE(tally.Add(Untold("s")));
  EXPECT_TRUE(tally.Add(Untold("t")));
  tally.Finish();
  EXPECT_EQ(tally.strangers(), 0u);
  EXPECT_EQ(tally.silent(), 2u);
  EXPECT_EQ(AllOf(tally.verdicts()), 1u);
  EXPECT_EQ(AllOf(tally.HostCounts()), 1u) << "not even as not applicable";
  ASSERT_EQ(tally.hosts().size(), 3u);
  EXPECT_EQ(tally.hosts()[1].name, "s");
  EXPECT_EQ(tally.hosts()[1].told, absl::InfinitePast());
  ASSERT_EQ(tally.groups().size(), 2u);
  EXPECT_EQ(tally.groups()[0].silent, 1u);
  EXPECT_EQ(AllOf(tally.groups()[0].hosts), 0u);
  EXPECT_EQ(tally.groups()[1].silent, 1u);
  EXPECT_EQ(AllOf(tally.groups()[1].hosts), 1u);
}

TEST_F(GroupsTest, HostsCantMakeGroupsWithoutEnd) {
  std::map<std::string, std::string> groups;
  for (int i = 0; i < 500; ++i) groups[StrCat("id-of-", i)] = StrCat("group ", i);
  SweepTally tally(sweep_, groups);
  for (int i = 0; i < 500; ++i) tally.Add(Verdict(StrCat(i), "root-login", "pass"));
  tally.Finish();
  EXPECT_LE(tally.groups().size(), kMostGroups + 1);
  uint64_t hosts = 0;
  for (const SweepTally::Group& group : tally.groups()) hosts += group.hosts.passed();
  EXPECT_EQ(hosts, 500u);
}

TEST_F(GroupsTest, WhatGroupsThereAre) {
  for (const char* by : {"os", "distribution", "tag:role", "environment:init"})
    EXPECT_TRUE(ValidateGrouping(by).ok()) << by;
  for (const char* by : {"", "tag:", "environment", "kernel"})
    EXPECT_FALSE(ValidateGrouping(by).ok()) << by;
}

}  // namespace
}  // namespace dragnet::console
