#include "scheduler/dispatch/dispatch.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "core/strings.h"

namespace dragnet::scheduler {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::SizeIs;

constexpr char kAction[] = "018f0000-0000-7000-8000-000000000001";

class DispatchTest : public ::testing::Test {
 protected:
  v1::Dispatch options_;
  absl::Time now_ = absl::FromUnixSeconds(1'800'000'000);
  std::set<std::string> away_;

  Dispatch::IsConnected Connected() {
    return [this](const std::string& id) { return !away_.contains(id); };
  }
  static std::vector<std::string> Agents(int count, int from = 0) {
    std::vector<std::string> ids;
    for (int i = from; i < from + count; ++i) ids.push_back(StrCat("agent-", i));
    return ids;
  }
  Dispatch New(uint64_t targeted, KeptDispatch kept = {}) {
    Dispatch dispatch(kAction, options_, kept);
    dispatch.AddTargeted(targeted);
    return dispatch;
  }
  // As a launch to `count` connected agents.
  std::vector<std::string> Launch(Dispatch& dispatch, int count) {
    dispatch.CountCanaries(static_cast<uint64_t>(count));
    return dispatch.Offer(Agents(count), now_, Connected());
  }
  static void EndAll(Dispatch& dispatch, const std::vector<std::string>& ids, bool failed = false) {
    for (const std::string& id : ids)
      dispatch.OnEnded(id, id, failed ? Ending::kFailed : Ending::kWell);
  }
};

TEST_F(DispatchTest, WithoutOptionsItGoesToEveryoneAtOnceInTheOrderGiven) {
  Dispatch dispatch = New(100);
  EXPECT_EQ(Launch(dispatch, 100), Agents(100));
  EXPECT_EQ(dispatch.phase(), v1::DISPATCH_PHASE_OPEN);
  EXPECT_EQ(dispatch.held_back(), HeldBack::kNone);
  EXPECT_FALSE(dispatch.has_waiting());
  EXPECT_EQ(dispatch.kept(), KeptDispatch());
}

TEST_F(DispatchTest, NoSecondHasMoreThanTheRateAndTheRateIsReached) {
  options_.set_agents_per_second(7);
  Dispatch dispatch = New(100);
  std::vector<absl::Time> sent(Launch(dispatch, 100).size(), now_);
  EXPECT_FALSE(sent.empty());
  EXPECT_EQ(dispatch.held_back(), HeldBack::kConnected);
  const absl::Time end = now_ + absl::Seconds(10);
  while (now_ < end) {
    now_ += absl::Milliseconds(100);
    for (size_t i = dispatch.Take(now_, Connected()).size(); i > 0; --i) sent.push_back(now_);
  }
  for (const absl::Time from : sent) {
    EXPECT_LE(
        std::count_if(sent.begin(), sent.end(),
                      [&](absl::Time at) { return at >= from && at < from + absl::Seconds(1); }),
        7);
  }
  EXPECT_GE(sent.size(), 70u);
}

TEST_F(DispatchTest, ARateOfMoreThanThereAreAgentsEndsWithAll) {
  options_.set_agents_per_second(100'000);
  Dispatch dispatch = New(50);
  EXPECT_THAT(Launch(dispatch, 50), SizeIs(50));
}

TEST_F(DispatchTest, AClockThatIsSetBackDoesNotStopIt) {
  options_.set_agents_per_second(1);
  Dispatch dispatch = New(3);
  EXPECT_THAT(Launch(dispatch, 3), SizeIs(1));
  now_ -= absl::Hours(1);
  EXPECT_THAT(dispatch.Take(now_, Connected()), SizeIs(1));
}

TEST_F(DispatchTest, TheLimitHoldsForLatecomersAndChoosesAtRandomButTheSame) {
  options_.set_agent_limit(3);
  Dispatch dispatch = New(10);
  const std::vector<std::string> chosen = Launch(dispatch, 10);
  EXPECT_THAT(chosen, SizeIs(3));
  EXPECT_NE(chosen, Agents(3)) << "not simply the first ones";
  EXPECT_THAT(dispatch.Offer({"late"}, now_, Connected()), IsEmpty());
  EXPECT_EQ(dispatch.held_back(), HeldBack::kAll);
  Dispatch again = New(10);
  EXPECT_EQ(Launch(again, 10), chosen);
  // One that reconnects before the store knows that it was sent has its place.
  EXPECT_EQ(dispatch.Offer({chosen[0]}, now_, Connected()), std::vector<std::string>{chosen[0]});
}

TEST_F(DispatchTest, AfterARestartTheLimitCountsThoseThatHaveIt) {
  options_.set_agent_limit(3);
  Dispatch dispatch = New(10);
  dispatch.Restore("agent-0", std::nullopt);
  dispatch.Restore("agent-1", Ending::kWell);
  dispatch.FinishRestoring();
  EXPECT_THAT(dispatch.Offer(Agents(5, 2), now_, Connected()), SizeIs(1));
}

TEST_F(DispatchTest, WhoLeftBeforeItsTurnIsSentToWhenItIsBack) {
  options_.set_agents_per_second(1);
  Dispatch dispatch = New(2);
  const std::vector<std::string> first = Launch(dispatch, 2);
  ASSERT_THAT(first, SizeIs(1));
  const std::string other = first[0] == "agent-0" ? "agent-1" : "agent-0";
  away_.insert(other);
  now_ += absl::Seconds(1);
  EXPECT_THAT(dispatch.Take(now_, Connected()), IsEmpty());
  EXPECT_FALSE(dispatch.has_waiting());
  away_.clear();
  EXPECT_EQ(dispatch.Offer({other}, now_, Connected()), std::vector<std::string>{other});
}

TEST_F(DispatchTest, TheOthersWaitUntilAllCanariesEndedWell) {
  options_.set_canary_percent(10);
  Dispatch dispatch = New(25);
  const std::vector<std::string> canaries = Launch(dispatch, 25);
  EXPECT_THAT(canaries, SizeIs(3)) << "rounded up";
  EXPECT_EQ(dispatch.phase(), v1::DISPATCH_PHASE_CANARY);
  EXPECT_EQ(dispatch.held_back(), HeldBack::kConnected);
  EXPECT_THAT(dispatch.Offer({"late"}, now_, Connected()), IsEmpty());
  EndAll(dispatch, {canaries[0], canaries[1]});
  EXPECT_THAT(dispatch.Take(now_, Connected()), IsEmpty());
  EXPECT_EQ(dispatch.unfinished_canaries(), 1u);
  EndAll(dispatch, {canaries[2]});
  EXPECT_EQ(dispatch.phase(), v1::DISPATCH_PHASE_OPEN);
  EXPECT_TRUE(dispatch.kept().canaries_passed);
  EXPECT_THAT(dispatch.Take(now_, Connected()), SizeIs(23));
}

TEST_F(DispatchTest, ACanaryThatFailsStopsIt) {
  options_.set_canary_percent(10);
  Dispatch dispatch = New(20);
  const std::vector<std::string> canaries = Launch(dispatch, 20);
  dispatch.OnEnded(canaries[0], "web1", Ending::kFailed);
  EXPECT_EQ(dispatch.phase(), v1::DISPATCH_PHASE_STOPPED);
  EXPECT_THAT(dispatch.reason(), HasSubstr("canary web1 failed"));
  EndAll(dispatch, {canaries[1]});
  EXPECT_THAT(dispatch.Take(now_, Connected()), IsEmpty());
  // Until somebody says that it is all right.
  dispatch.Resume();
  EXPECT_EQ(dispatch.phase(), v1::DISPATCH_PHASE_OPEN);
  EXPECT_THAT(dispatch.Take(now_, Connected()), SizeIs(18));
}

TEST_F(DispatchTest, WithNobodyConnectedTheFirstToComeIsTheCanary) {
  options_.set_canary_percent(10);
  Dispatch dispatch = New(5);
  EXPECT_THAT(Launch(dispatch, 0), IsEmpty());
  EXPECT_EQ(dispatch.missing_canaries(), 1u);
  EXPECT_THAT(dispatch.Offer({"agent-3"}, now_, Connected()), SizeIs(1));
  EXPECT_THAT(dispatch.Offer({"agent-4"}, now_, Connected()), IsEmpty());
}

TEST_F(DispatchTest, NoMoreCanariesThanTheLimit) {
  options_.set_canary_percent(50);
  options_.set_agent_limit(2);
  Dispatch dispatch = New(20);
  const std::vector<std::string> canaries = Launch(dispatch, 20);
  EXPECT_THAT(canaries, SizeIs(2));
  EndAll(dispatch, canaries);
  EXPECT_EQ(dispatch.phase(), v1::DISPATCH_PHASE_OPEN);
}

TEST_F(DispatchTest, CanariesStayCanariesOverARestart) {
  options_.set_canary_percent(10);
  Dispatch before = New(20);
  const std::vector<std::string> canaries = Launch(before, 20);
  ASSERT_THAT(canaries, SizeIs(2));
  Dispatch after = New(20, before.kept());
  after.Restore(canaries[0], Ending::kWell);
  after.Restore(canaries[1], std::nullopt);
  after.FinishRestoring();
  EXPECT_EQ(after.phase(), v1::DISPATCH_PHASE_CANARY);
  EXPECT_EQ(after.SomeUnfinishedCanaries(9), std::vector<std::string>{canaries[1]});
  EXPECT_THAT(after.Offer(Agents(20), now_, Connected()), SizeIs(2)) << "only the canaries, again";
  EndAll(after, {canaries[1]});
  EXPECT_EQ(after.phase(), v1::DISPATCH_PHASE_OPEN);
  // One that failed while no scheduler ran.
  Dispatch other = New(20, before.kept());
  other.Restore(canaries[0], Ending::kFailed);
  other.FinishRestoring();
  EXPECT_EQ(other.phase(), v1::DISPATCH_PHASE_STOPPED);
}

TEST_F(DispatchTest, AResumeGoesOnWithoutWaitingForTheCanaries) {
  options_.set_canary_percent(10);
  Dispatch dispatch = New(20);
  Launch(dispatch, 20);
  dispatch.Resume();
  EXPECT_EQ(dispatch.phase(), v1::DISPATCH_PHASE_OPEN);
  EXPECT_THAT(dispatch.Take(now_, Connected()), SizeIs(18));
}

TEST_F(DispatchTest, TooManyFailuresStopItOnceTenHaveEnded) {
  options_.set_stop_when_failed_percent(20);
  Dispatch dispatch = New(100);
  EXPECT_THAT(Launch(dispatch, 50), SizeIs(50));
  EndAll(dispatch, Agents(2), /*failed=*/true);
  EndAll(dispatch, Agents(7, 2));
  EXPECT_EQ(dispatch.phase(), v1::DISPATCH_PHASE_OPEN) << "nine say little";
  EndAll(dispatch, Agents(1, 9));
  EXPECT_EQ(dispatch.phase(), v1::DISPATCH_PHASE_OPEN) << "20 percent are not more than 20";
  EndAll(dispatch, Agents(1, 10), /*failed=*/true);
  EXPECT_EQ(dispatch.phase(), v1::DISPATCH_PHASE_STOPPED);
  EXPECT_THAT(dispatch.reason(), HasSubstr("3 of 11 agents failed, more than 20 percent"));
  EXPECT_THAT(dispatch.Offer({"late"}, now_, Connected()), IsEmpty());
  EXPECT_EQ(dispatch.held_back(), HeldBack::kConnected);
  // Others end well after all: it stays stopped.
  EndAll(dispatch, Agents(30, 11));
  EXPECT_EQ(dispatch.phase(), v1::DISPATCH_PHASE_STOPPED);
}

TEST_F(DispatchTest, AfterAResumeOnlyWhatEndsFromThereOnCounts) {
  options_.set_stop_when_failed_percent(20);
  Dispatch dispatch = New(100);
  Launch(dispatch, 100);
  EndAll(dispatch, Agents(10), /*failed=*/true);
  ASSERT_EQ(dispatch.phase(), v1::DISPATCH_PHASE_STOPPED);
  dispatch.Resume();
  EndAll(dispatch, Agents(9, 10), /*failed=*/true);
  EXPECT_EQ(dispatch.phase(), v1::DISPATCH_PHASE_OPEN);
  // Also after a restart.
  Dispatch after = New(100, dispatch.kept());
  for (const std::string& id : Agents(19)) after.Restore(id, Ending::kFailed);
  after.Restore("agent-19", std::nullopt);
  after.FinishRestoring();
  EXPECT_EQ(after.phase(), v1::DISPATCH_PHASE_OPEN);
  EndAll(after, Agents(1, 19), /*failed=*/true);
  EXPECT_EQ(after.phase(), v1::DISPATCH_PHASE_STOPPED);
  Dispatch stopped = New(100, after.kept());
  stopped.FinishRestoring();
  EXPECT_EQ(stopped.phase(), v1::DISPATCH_PHASE_STOPPED);
  EXPECT_EQ(stopped.reason(), after.reason());
}

TEST_F(DispatchTest, OfASmallFleetAllMustHaveEnded) {
  options_.set_stop_when_failed_percent(50);
  Dispatch dispatch = New(3);
  Launch(dispatch, 3);
  EndAll(dispatch, Agents(2), /*failed=*/true);
  EXPECT_EQ(dispatch.phase(), v1::DISPATCH_PHASE_OPEN);
  EndAll(dispatch, Agents(1, 2));
  EXPECT_EQ(dispatch.phase(), v1::DISPATCH_PHASE_STOPPED);
}

TEST_F(DispatchTest, AnAgentThatIsToldOfTwiceCountsOnce) {
  options_.set_stop_when_failed_percent(10);
  Dispatch dispatch = New(100);
  Launch(dispatch, 100);
  for (int i = 0; i < 20; ++i) EndAll(dispatch, Agents(1), /*failed=*/true);
  EXPECT_EQ(dispatch.phase(), v1::DISPATCH_PHASE_OPEN);
  // And as what it was last.
  EndAll(dispatch, Agents(1), /*failed=*/false);
  EndAll(dispatch, Agents(9, 1));
  EXPECT_EQ(dispatch.phase(), v1::DISPATCH_PHASE_OPEN);
}

TEST_F(DispatchTest, APausedActionGoesToNoOneAndAResumedOneToThoseThatWaited) {
  Dispatch dispatch = New(10);
  dispatch.Pause("paused by ida: lunch");
  EXPECT_THAT(Launch(dispatch, 5), IsEmpty());
  EXPECT_EQ(dispatch.phase(), v1::DISPATCH_PHASE_PAUSED);
  EXPECT_EQ(dispatch.reason(), "paused by ida: lunch");
  EXPECT_THAT(dispatch.Take(now_, Connected()), IsEmpty());
  EXPECT_EQ(dispatch.held_back(), HeldBack::kConnected);
  dispatch.Resume();
  EXPECT_EQ(dispatch.phase(), v1::DISPATCH_PHASE_OPEN);
  EXPECT_THAT(dispatch.Take(now_, Connected()), SizeIs(5));
  EXPECT_EQ(dispatch.held_back(), HeldBack::kNone);
}

TEST_F(DispatchTest, APauseDoesNotEndTheCanaryPhase) {
  options_.set_canary_percent(10);
  Dispatch dispatch = New(20);
  const std::vector<std::string> canaries = Launch(dispatch, 20);
  dispatch.Pause("paused");
  dispatch.Resume();
  EXPECT_EQ(dispatch.phase(), v1::DISPATCH_PHASE_CANARY);
  EndAll(dispatch, canaries);
  EXPECT_EQ(dispatch.phase(), v1::DISPATCH_PHASE_OPEN);
}

TEST_F(DispatchTest, AResumeOfAPauseLeavesThePauseOnly) {
  options_.set_canary_percent(10);
  Dispatch dispatch = New(20);
  const std::vector<std::string> canaries = Launch(dispatch, 20);
  dispatch.OnEnded(canaries[0], "web1", Ending::kFailed);
  dispatch.Pause("paused by ida: lunch");
  EXPECT_EQ(dispatch.phase(), v1::DISPATCH_PHASE_PAUSED);
  EXPECT_EQ(dispatch.reason(),
            "paused by ida: lunch; besides, it stopped by itself: canary web1 failed");
  EXPECT_EQ(dispatch.KeptAfterResume(), dispatch.kept());
  dispatch.Resume();
  EXPECT_EQ(dispatch.phase(), v1::DISPATCH_PHASE_STOPPED) << "who paused it didn't know of that";
  EXPECT_EQ(dispatch.reason(), "canary web1 failed");
  EXPECT_THAT(dispatch.Take(now_, Connected()), IsEmpty());
  const KeptDispatch after = dispatch.KeptAfterResume();
  dispatch.Resume();
  EXPECT_EQ(dispatch.kept(), after);
  EXPECT_EQ(dispatch.phase(), v1::DISPATCH_PHASE_OPEN);
}

TEST_F(DispatchTest, ACanaryThatRefusesIsReplacedAndWithoutAnyThePhaseStays) {
  options_.set_canary_percent(10);
  Dispatch dispatch = New(20);
  const std::vector<std::string> canaries = Launch(dispatch, 20);
  ASSERT_THAT(canaries, SizeIs(2));
  dispatch.OnEnded(canaries[0], "web1", Ending::kRefused);
  dispatch.OnEnded(canaries[0], "web1", Ending::kRefused);
  EXPECT_EQ(dispatch.missing_canaries(), 1u);
  EXPECT_EQ(dispatch.unfinished_canaries(), 1u);
  EndAll(dispatch, {canaries[1]});
  EXPECT_EQ(dispatch.phase(), v1::DISPATCH_PHASE_CANARY);
  const std::vector<std::string> instead = dispatch.Take(now_, Connected());
  ASSERT_THAT(instead, SizeIs(1));
  // The same after a restart.
  Dispatch after = New(20, dispatch.kept());
  after.Restore(canaries[0], Ending::kRefused);
  after.Restore(canaries[1], Ending::kWell);
  after.Restore(instead[0], std::nullopt);
  after.FinishRestoring();
  EXPECT_EQ(after.SomeUnfinishedCanaries(9), instead);
  for (Dispatch* each : {&dispatch, &after}) {
    EndAll(*each, instead);
    EXPECT_EQ(each->phase(), v1::DISPATCH_PHASE_OPEN);
  }
  // All refuse: that is no reason to send it to the rest.
  Dispatch refused = New(2);
  for (const std::string& id : Launch(refused, 2)) refused.OnEnded(id, id, Ending::kRefused);
  for (const std::string& id : refused.Take(now_, Connected()))
    refused.OnEnded(id, id, Ending::kRefused);
  EXPECT_EQ(refused.phase(), v1::DISPATCH_PHASE_CANARY);
  EXPECT_EQ(refused.missing_canaries(), 1u);
}

TEST_F(DispatchTest, WhoWasNeverSentItNeitherStopsItNorStandsInForACanary) {
  options_.set_canary_percent(10);
  options_.set_stop_when_failed_percent(10);
  Dispatch dispatch = New(100);
  const std::vector<std::string> canaries = Launch(dispatch, 20);
  ASSERT_THAT(canaries, SizeIs(2));
  for (const std::string& id : Agents(20)) {
    if (std::find(canaries.begin(), canaries.end(), id) != canaries.end()) continue;
    dispatch.OnEnded(id, id, Ending::kFailed);
    EXPECT_FALSE(dispatch.HasPlace(id));
  }
  EXPECT_EQ(dispatch.phase(), v1::DISPATCH_PHASE_CANARY);
  EXPECT_TRUE(dispatch.HasPlace(canaries[0]));
  EndAll(dispatch, canaries);
  EXPECT_EQ(dispatch.phase(), v1::DISPATCH_PHASE_OPEN);
}

TEST_F(DispatchTest, WhatWasNotSentAfterAllIsTakenAgain) {
  options_.set_canary_percent(20);
  Dispatch dispatch = New(10);
  const std::vector<std::string> canaries = Launch(dispatch, 10);
  ASSERT_THAT(canaries, SizeIs(2));
  dispatch.Pause("paused by ida");
  dispatch.TakeBack(canaries);
  EXPECT_FALSE(dispatch.HasPlace(canaries[0]));
  EXPECT_EQ(dispatch.missing_canaries(), 2u);
  EXPECT_THAT(dispatch.Take(now_, Connected()), IsEmpty());
  dispatch.Resume();
  EXPECT_EQ(dispatch.Take(now_, Connected()), canaries);
  Dispatch cancelled = New(3);
  const std::vector<std::string> all = Launch(cancelled, 3);
  cancelled.Cancel("cancelled by ida");
  cancelled.TakeBack(all);
  EXPECT_FALSE(cancelled.has_waiting());
}

TEST_F(DispatchTest, ACancelledActionGoesToNoOneWhateverComesAfter) {
  Dispatch dispatch = New(10);
  dispatch.Cancel("cancelled by ida");
  EXPECT_THAT(Launch(dispatch, 5), IsEmpty());
  dispatch.Resume();
  EXPECT_EQ(dispatch.phase(), v1::DISPATCH_PHASE_CANCELLED);
  EXPECT_THAT(dispatch.Take(now_, Connected()), IsEmpty());
  EXPECT_THAT(dispatch.Offer({"late"}, now_, Connected()), IsEmpty());
}

}  // namespace
}  // namespace dragnet::scheduler
