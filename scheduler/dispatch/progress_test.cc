#include "scheduler/dispatch/progress.h"

#include <gtest/gtest.h>

namespace dragnet::scheduler {
namespace {

const PresenceOf kAllConnected = [](const std::string&) { return Presence::kConnected; };
const PresenceOf kAllJustLeft = [](const std::string&) { return Presence::kJustLeft; };
const PresenceOf kAllAway = [](const std::string&) { return Presence::kAway; };

std::vector<PairState> PairsIn(std::initializer_list<v1::DispatchState> states) {
  std::vector<PairState> pairs;
  for (const v1::DispatchState state : states)
    pairs.push_back({.agent_id = "agent", .state = state, .rows = 2});
  return pairs;
}

TEST(ProgressTest, CountsAddUpToTargeted) {
  const v1::Progress progress = CountPairs(
      PairsIn({v1::DISPATCH_STATE_WAITING, v1::DISPATCH_STATE_SENT, v1::DISPATCH_STATE_RUNNING,
               v1::DISPATCH_STATE_FOUND, v1::DISPATCH_STATE_CLEAN, v1::DISPATCH_STATE_INCOMPLETE,
               v1::DISPATCH_STATE_REFUSED, v1::DISPATCH_STATE_NEVER_SENT}),
      kAllAway);
  EXPECT_EQ(progress.targeted(), 8u);
  EXPECT_EQ(progress.waiting() + progress.sent() + progress.running() + progress.found() +
                progress.clean() + progress.incomplete() + progress.refused() +
                progress.never_sent(),
            8u);
  EXPECT_EQ(progress.rows(), 16u);
  EXPECT_EQ(progress.offline(), 3u);
}

TEST(ProgressTest, WatchGoesOnWhileAReachedAgentIsThereOrJustLeft) {
  for (const v1::DispatchState state : {v1::DISPATCH_STATE_SENT, v1::DISPATCH_STATE_RUNNING}) {
    EXPECT_TRUE(MoreToCome(PairsIn({state}), kAllConnected, false, false));
    EXPECT_TRUE(MoreToCome(PairsIn({state}), kAllJustLeft, false, false));
    EXPECT_FALSE(MoreToCome(PairsIn({state}), kAllAway, false, false));
  }
  // A launch that has not marked its pairs as sent yet.
  EXPECT_TRUE(MoreToCome(PairsIn({v1::DISPATCH_STATE_WAITING}), kAllConnected, false, false));
}

TEST(ProgressTest, OfflineAgentsAreWaitedForOnlyUntilExpiryAndIfAsked) {
  const auto waiting = PairsIn({v1::DISPATCH_STATE_WAITING});
  EXPECT_FALSE(MoreToCome(waiting, kAllAway, false, false));
  EXPECT_TRUE(MoreToCome(waiting, kAllAway, true, false));
  EXPECT_FALSE(MoreToCome(waiting, kAllAway, true, true));
}

TEST(ProgressTest, WhatRunsIsWaitedForBeyondExpiryWhatWasOnlySentIsNot) {
  EXPECT_TRUE(MoreToCome(PairsIn({v1::DISPATCH_STATE_RUNNING}), kAllConnected, false, true));
  EXPECT_FALSE(MoreToCome(PairsIn({v1::DISPATCH_STATE_SENT}), kAllConnected, false, true));
}

TEST(ProgressTest, NothingIsToComeOfWhatHasEnded) {
  EXPECT_FALSE(MoreToCome(PairsIn({v1::DISPATCH_STATE_FOUND, v1::DISPATCH_STATE_INCOMPLETE,
                                   v1::DISPATCH_STATE_REFUSED, v1::DISPATCH_STATE_NEVER_SENT}),
                          kAllConnected, true, false));
  EXPECT_FALSE(MoreToCome({}, kAllConnected, true, false));
}

TEST(ProgressTest, WhatIsHeldBackIsCountedAndNotWaitedForIfItNeverComes) {
  const auto pairs =
      PairsIn({v1::DISPATCH_STATE_WAITING, v1::DISPATCH_STATE_WAITING, v1::DISPATCH_STATE_CLEAN});
  EXPECT_EQ(CountPairs(pairs, kAllConnected).held_back(), 0u);
  EXPECT_EQ(CountPairs(pairs, kAllConnected, HeldBack::kConnected).held_back(), 2u);
  EXPECT_EQ(CountPairs(pairs, kAllAway, HeldBack::kConnected).held_back(), 0u);
  EXPECT_EQ(CountPairs(pairs, kAllAway, HeldBack::kAll).held_back(), 2u);
  EXPECT_TRUE(MoreToCome(pairs, kAllConnected, false, false, HeldBack::kConnected));
  EXPECT_FALSE(MoreToCome(pairs, kAllConnected, false, false, HeldBack::kAll));
  EXPECT_FALSE(MoreToCome(pairs, kAllConnected, true, false, HeldBack::kAll));
}

}  // namespace
}  // namespace dragnet::scheduler
