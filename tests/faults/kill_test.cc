// kill -9 of each process, at random moments of an investigation and while
// nothing goes on.
#include <signal.h>

#include <random>

#include "core/strings.h"
#include "tests/faults/expect.h"

namespace dragnet::testing {
namespace {

constexpr int kRounds = 3;

enum class Victim { kMonitor, kLink, kWorker, kScheduler };

std::string NameOfVictim(const ::testing::TestParamInfo<Victim>& info) {
  switch (info.param) {
    case Victim::kMonitor:
      return "Monitor";
    case Victim::kLink:
      return "Link";
    case Victim::kWorker:
      return "Worker";
    case Victim::kScheduler:
      return "Scheduler";
  }
  return "";
}

class KillTest : public ::testing::TestWithParam<Victim> {
 protected:
  KillTest() : seed_(std::random_device{}()), random_(seed_), files_(ManyFiles()) {
    RecordProperty("seed", std::to_string(seed_));
    fleet_.StartScheduler();
    agent_ = &fleet_.AddOnlineAgent();
  }

  v1::Action Launch() {
    v1::Action action = fleet_.forge().NewAction(files_);
    const auto launched = fleet_.api().Launch(fleet_.forge().Sign(action));
    EXPECT_TRUE(launched.ok()) << launched.status();
    return action;
  }

  // Kills the victim, and starts what nothing else starts again.
  void Kill() {
    switch (GetParam()) {
      case Victim::kMonitor: {
        const pid_t link = agent_->LinkPid();
        const pid_t worker = agent_->WorkerPid();
        agent_->Kill();
        // Its children don't outlive it.
        for (const pid_t child : {link, worker}) {
          EXPECT_TRUE(child < 0 || Eventually([&] { return !IsAlive(child); }));
        }
        agent_->Start();
        break;
      }
      case Victim::kLink:
        // Twice in a row it may still be on its way back.
        ASSERT_TRUE(Eventually([&] { return agent_->LinkPid() > 0; }));
        ::kill(agent_->LinkPid(), SIGKILL);
        break;
      case Victim::kWorker:
        // It may have ended before: then there is nothing to kill.
        if (const pid_t worker = agent_->WorkerPid(); worker > 0) ::kill(worker, SIGKILL);
        break;
      case Victim::kScheduler:
        fleet_.KillScheduler();
        fleet_.StartScheduler();
        break;
    }
  }

  static bool IsAlive(pid_t pid) {
    const std::string state = StatusField(pid, "State");
    return !state.empty() && state[0] != 'Z';
  }

  const unsigned seed_;
  std::mt19937 random_;
  TestFleet fleet_;
  const std::string files_;
  Agent* agent_;
};

TEST_P(KillTest, DuringAnInvestigationRowsArriveOnceAndNothingRunsTwice) {
  SCOPED_TRACE(StrCat("seed ", seed_));
  const std::vector<std::string> expected = ExpectedPaths(files_);
  std::vector<std::string> launched;
  for (int round = 0; round < kRounds; ++round) {
    const v1::Action action = Launch();
    launched.push_back(action.id());
    // From before the first row to after the last one.
    const auto moment = std::uniform_int_distribution<uint64_t>(0, kManyFiles)(random_);
    ASSERT_TRUE(WaitForRows(fleet_, action.id(), moment));
    Kill();
    const auto results = WaitForEnd(fleet_, action.id(), agent_->name());
    ASSERT_TRUE(results.ok()) << results.status() << agent_->process().Output();
    ExpectRowsOnce(*results, agent_->name(), expected);
    if (GetParam() == Victim::kLink || GetParam() == Victim::kScheduler) {
      // Neither holds anything that the investigation needs.
      EXPECT_EQ(results->states.at(agent_->name()).state(), v1::DISPATCH_STATE_FOUND)
          << results->states.at(agent_->name()).ShortDebugString();
    }
    EXPECT_EQ(agent_->WorkersStarted(), launched.size());
  }
  ASSERT_TRUE(fleet_.WaitUntilOnline(*agent_));
  // Until all is acknowledged, and the acknowledgements are taken.
  ASSERT_TRUE(Eventually([&] {
    agent_->Stop();
    const bool empty = agent_->Spooled() == 0;
    agent_->Start();
    fleet_.WaitUntilOnline(*agent_);
    return empty;
  }));
  agent_->Stop();
  EXPECT_EQ(agent_->Journal(), launched);
  EXPECT_EQ(agent_->WorkersStarted(), launched.size());
}

using IdleKillTest = KillTest;

TEST_P(IdleKillTest, WhileIdleTheNextInvestigationIsServed) {
  for (int round = 0; round < kRounds; ++round) {
    Kill();
    ASSERT_TRUE(fleet_.WaitUntilOnline(*agent_)) << agent_->process().Output();
  }
  const v1::Action action = Launch();
  const auto results = WaitForEnd(fleet_, action.id(), agent_->name());
  ASSERT_TRUE(results.ok()) << results.status();
  ExpectRowsOnce(*results, agent_->name(), ExpectedPaths(files_));
  EXPECT_EQ(results->states.at(agent_->name()).state(), v1::DISPATCH_STATE_FOUND);
  EXPECT_EQ(agent_->WorkersStarted(), 1U);
}

INSTANTIATE_TEST_SUITE_P(Of, KillTest,
                         ::testing::Values(Victim::kMonitor, Victim::kLink, Victim::kWorker,
                                           Victim::kScheduler),
                         NameOfVictim);
// An idle agent has no worker.
INSTANTIATE_TEST_SUITE_P(Of, IdleKillTest,
                         ::testing::Values(Victim::kMonitor, Victim::kLink, Victim::kScheduler),
                         NameOfVictim);

TEST(KillEverythingTest, AllAtOnceAgainAndAgain) {
  TestFleet fleet;
  const std::string& files = ManyFiles();
  const std::vector<std::string> expected = ExpectedPaths(files);
  const unsigned seed = std::random_device{}();
  SCOPED_TRACE(StrCat("seed ", seed));
  std::mt19937 random(seed);
  fleet.StartScheduler();
  Agent& agent = fleet.AddOnlineAgent();
  const v1::Action action = fleet.forge().NewAction(files);
  ASSERT_TRUE(fleet.api().Launch(fleet.forge().Sign(action)).ok());
  for (int round = 0; round < kRounds; ++round) {
    const auto moment = std::uniform_int_distribution<uint64_t>(0, kManyFiles / 4)(random);
    ASSERT_TRUE(WaitForRows(fleet, action.id(), moment));
    fleet.KillScheduler();
    agent.Kill();
    fleet.StartScheduler();
    agent.Start();
  }
  const auto results = WaitForEnd(fleet, action.id(), agent.name());
  ASSERT_TRUE(results.ok()) << results.status() << agent.process().Output();
  ExpectRowsOnce(*results, agent.name(), expected);
  agent.Stop();
  EXPECT_THAT(agent.Journal(), ::testing::ElementsAre(action.id()));
  EXPECT_EQ(agent.WorkersStarted(), 1U);
}

TEST(LaunchTest, WhatWasAnsweredSurvivesTheScheduler) {
  TestFleet fleet;
  fleet.StartScheduler();
  const std::string files = fleet.MakeFiles("files", 3);
  Agent& agent = fleet.AddOnlineAgent();
  agent.Stop();
  ASSERT_TRUE(fleet.WaitUntilOffline(agent));
  std::vector<std::string> launched;
  for (int i = 0; i < 5; ++i) {
    const v1::Action action = fleet.forge().NewAction(files);
    ASSERT_TRUE(fleet.api().Launch(fleet.forge().Sign(action)).ok());
    launched.push_back(action.id());
    fleet.KillScheduler();
    fleet.StartScheduler();
  }
  agent.Start();
  for (const std::string& id : launched) {
    const auto results = WaitForEnd(fleet, id, agent.name());
    ASSERT_TRUE(results.ok()) << results.status();
    EXPECT_EQ(results->states.at(agent.name()).state(), v1::DISPATCH_STATE_FOUND);
  }
}

TEST(StartOrderTest, AgentThatStartsBeforeItsSchedulerConnectsOnceThereIsOne) {
  TestFleet fleet;
  Agent& agent = fleet.AddAgent();
  agent.Start();
  ASSERT_TRUE(agent.process().WaitForOutput("not connected")) << agent.process().Output();
  fleet.StartScheduler();
  EXPECT_TRUE(fleet.WaitUntilOnline(agent)) << agent.process().Output();
}

TEST(StopTest, AgentThatIsStoppedInTheMiddleSaysInterrupted) {
  TestFleet fleet;
  fleet.StartScheduler();
  Agent& agent =
      fleet.AddOnlineAgent({.limits = "wall_time = \"10m\"\n", .worker = WorkerKind::kMisbehaving});
  const v1::Action action = fleet.forge().NewAction("/misbehave:hang");
  ASSERT_TRUE(fleet.api().Launch(fleet.forge().Sign(action)).ok());
  ASSERT_TRUE(WaitForRows(fleet, action.id(), 1));
  EXPECT_EQ(agent.Stop().exit_status, 0);
  agent.Start();
  const auto results = WaitForEnd(fleet, action.id(), agent.name());
  ASSERT_TRUE(results.ok()) << results.status();
  const v1::AgentState& state = results->states.at(agent.name());
  EXPECT_EQ(state.state(), v1::DISPATCH_STATE_INCOMPLETE);
  ASSERT_EQ(state.summaries_size(), 1);
  EXPECT_EQ(state.summaries(0).termination(), v1::TERMINATION_INTERRUPTED);
  EXPECT_EQ(state.rows(), 1U);
}

}  // namespace
}  // namespace dragnet::testing
