#include "scheduler/cluster/membership.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>

#include "scheduler/testing/fake_coordination.h"

namespace dragnet::scheduler {
namespace {

using ::testing::ElementsAre;
using ::testing::IsEmpty;

// One that reads what it is told to.
struct Member {
  Member(Coordination& store, const std::string& name, absl::Duration lifetime = absl::Hours(1))
      : membership(store, name, 6, lifetime,
                   [this](std::set<uint32_t> partitions) { reads = std::move(partitions); }) {}

  std::set<uint32_t> reads;
  Membership membership;
};

TEST(MembershipTest, TheFirstOneLeadsAndReadsEverything) {
  FakeCoordination store;
  Member a(store, "a");
  EXPECT_FALSE(a.membership.is_member());
  EXPECT_EQ(a.membership.lead_epoch(), 0u);
  ASSERT_TRUE(a.membership.Keep().ok());
  EXPECT_TRUE(a.membership.is_member());
  EXPECT_EQ(a.membership.lead_epoch(), 1u);
  EXPECT_EQ(a.reads.size(), 6u);
  EXPECT_THAT(a.membership.view().live, ElementsAre("a"));
  EXPECT_EQ(a.membership.view().leader, "a");
}

TEST(MembershipTest, PartsAreSharedWhenAnotherOneComesAndTakenOverWhenItGoes) {
  FakeCoordination store;
  Member a(store, "a");
  Member b(store, "b");
  ASSERT_TRUE(a.membership.Keep().ok());
  ASSERT_TRUE(b.membership.Keep().ok());
  EXPECT_THAT(b.reads, IsEmpty());
  // It gives its surplus up when it sees the other one.
  ASSERT_TRUE(a.membership.Keep().ok());
  EXPECT_EQ(a.reads.size(), 3u);
  ASSERT_TRUE(b.membership.Keep().ok());
  EXPECT_EQ(b.reads.size(), 3u);
  std::set<uint32_t> all = a.reads;
  all.insert(b.reads.begin(), b.reads.end());
  EXPECT_EQ(all.size(), 6u);
  EXPECT_EQ(b.membership.lead_epoch(), 0u);

  a.membership.GiveUp();
  EXPECT_THAT(a.reads, IsEmpty());
  EXPECT_FALSE(a.membership.is_member());
  ASSERT_TRUE(b.membership.Keep().ok());
  EXPECT_EQ(b.reads.size(), 6u);
  EXPECT_EQ(b.membership.lead_epoch(), 2u);
  EXPECT_THAT(b.membership.view().live, ElementsAre("b"));
}

TEST(MembershipTest, WhoseTimeIsOverIsNothingAnyMoreWhateverTheStoreDoes) {
  FakeCoordination store;
  Member a(store, "a", absl::Milliseconds(1));
  ASSERT_TRUE(a.membership.Keep().ok());
  while (a.membership.is_member() || a.membership.lead_epoch() != 0)
    absl::SleepFor(absl::Milliseconds(1));
  // The partitions' time, which is the last, too.
  for (int i = 0; i < 1000 && !a.reads.empty(); ++i) {
    absl::SleepFor(absl::Milliseconds(1));
    a.membership.Tick();
  }
  EXPECT_THAT(a.reads, IsEmpty());
  EXPECT_FALSE(a.membership.TakeLapsed());
  // Back again, it knows that others may have taken its place meanwhile.
  ASSERT_TRUE(a.membership.Keep().ok());
  EXPECT_TRUE(a.membership.TakeLapsed());
  EXPECT_FALSE(a.membership.TakeLapsed());
}

TEST(MembershipTest, AnotherOneLeadsAfterADeath) {
  FakeCoordination store;
  Member a(store, "a");
  Member b(store, "b");
  ASSERT_TRUE(a.membership.Keep().ok());
  ASSERT_TRUE(b.membership.Keep().ok());
  store.EndLeasesOf("a");
  ASSERT_TRUE(b.membership.Keep().ok());
  EXPECT_EQ(b.membership.lead_epoch(), 2u);
  EXPECT_EQ(b.reads.size(), 6u);
  // The one that was thought dead sees that it doesn't lead.
  ASSERT_TRUE(a.membership.Keep().ok());
  EXPECT_EQ(a.membership.lead_epoch(), 0u);
  EXPECT_THAT(a.reads, IsEmpty());
}

TEST(MembershipTest, WhoHasNoBusLeavesItToThoseThatHave) {
  FakeCoordination store;
  Member a(store, "a");
  Member b(store, "b");
  ASSERT_TRUE(a.membership.Keep().ok());
  ASSERT_TRUE(b.membership.Keep().ok());
  ASSERT_TRUE(a.membership.Keep(/*has_bus=*/false).ok());
  EXPECT_THAT(a.reads, IsEmpty());
  EXPECT_EQ(a.membership.lead_epoch(), 0u);
  EXPECT_TRUE(a.membership.is_member());
  ASSERT_TRUE(b.membership.Keep().ok());
  EXPECT_EQ(b.reads.size(), 6u);
  EXPECT_NE(b.membership.lead_epoch(), 0u);
  // When no one has it, someone leads all the same.
  ASSERT_TRUE(b.membership.Keep(/*has_bus=*/false).ok());
  EXPECT_NE(b.membership.lead_epoch(), 0u);
}

}  // namespace
}  // namespace dragnet::scheduler
