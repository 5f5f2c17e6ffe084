#include "scheduler/dispatch/news.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <memory>

#include "core/strings.h"

namespace dragnet::scheduler {
namespace {

using ::testing::UnorderedElementsAre;

class Counter : public NewsListener {
 public:
  void OnNews() override { ++told; }
  int told = 0;
};

TEST(NewsTest, EveryoneIsToldWhatCameAfterWhatTheyKnow) {
  News news;
  const uint64_t begin = news.Read(0).position;
  news.OnAction("a");
  const uint64_t later = news.Read(begin).position;
  news.OnAction("b");
  news.OnProposals();
  const v1::Activity all = news.Read(begin).activity;
  EXPECT_THAT(all.action_ids(), UnorderedElementsAre("a", "b"));
  EXPECT_TRUE(all.proposals());
  EXPECT_FALSE(all.all_actions());
  EXPECT_FALSE(all.trust_policy());
  EXPECT_THAT(news.Read(later).activity.action_ids(), UnorderedElementsAre("b"));
  news.OnAction("a");
  EXPECT_THAT(news.Read(later).activity.action_ids(), UnorderedElementsAre("a", "b"));
}

TEST(NewsTest, OfMoreActionsThanAreKeptAllIsSaidAndNoneIsLost) {
  News news;
  const uint64_t begin = news.Read(0).position;
  for (size_t i = 0; i < 10 * News::kMaxActions + 1; ++i) news.OnAction(StrCat("action ", i));
  const News::Since since = news.Read(begin);
  EXPECT_TRUE(since.activity.all_actions());
  EXPECT_EQ(since.activity.action_ids_size(), 0);
  news.OnAction("one");
  EXPECT_THAT(news.Read(since.position).activity.action_ids(), UnorderedElementsAre("one"));
}

TEST(NewsTest, AListenerIsToldOnceUntilItAsksAgain) {
  News news;
  const auto listener = std::make_shared<Counter>();
  news.Await(news.Read(0).position, listener);
  EXPECT_EQ(listener->told, 0);
  news.OnAction("a");
  news.OnAction("b");
  EXPECT_EQ(listener->told, 1) << "who is slow isn't called again and again";
  // Something came since.
  news.Await(1, listener);
  EXPECT_EQ(listener->told, 2);
}

TEST(NewsTest, WhoIsGoneIsNotTold) {
  News news;
  auto listener = std::make_shared<Counter>();
  news.Await(news.Read(0).position, listener);
  listener.reset();
  news.OnProposals();
}

TEST(NewsTest, AgentsAreToldOnlyWhenTheyChanged) {
  News news;
  news.OnAgents(5);
  const uint64_t position = news.Read(0).position;
  news.OnAgents(5);
  EXPECT_EQ(news.Read(0).position, position);
  news.OnAgents(6);
  EXPECT_TRUE(news.Read(position).activity.agents());
}

TEST(NewsTest, ANewPolicyIsNewsAboutProposals) {
  News news;
  const uint64_t position = news.Read(0).position;
  news.OnTrustPolicy();
  EXPECT_TRUE(news.Read(position).activity.trust_policy());
  EXPECT_TRUE(news.Read(position).activity.proposals());
}

}  // namespace
}  // namespace dragnet::scheduler
