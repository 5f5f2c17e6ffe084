// The network between an agent and its scheduler is cut, goes silent, and heals.
#include <fcntl.h>
#include <sched.h>
#include <unistd.h>

#include <random>

#include "core/strings.h"
#include "tests/faults/cable.h"
#include "tests/faults/expect.h"
#include "tests/faults/tcp_proxy.h"

namespace dragnet::testing {
namespace {

// Misses heartbeats after seconds instead of minutes.
void MakeImpatient(const TestFleet& fleet) {
  Write(fleet.scheduler_config(),
        WithTomlKey(Read(fleet.scheduler_config()), "heartbeat_interval", "\"1s\""));
}

class ProxiedAgentTest : public ::testing::Test {
 protected:
  ProxiedAgentTest() {
    MakeImpatient(fleet_);
    fleet_.StartScheduler();
    const int port = FreePort();
    proxy_ = std::make_unique<TcpProxy>(port, fleet_.port());
    agent_ = &fleet_.AddOnlineAgent({.schedulers = {StrCat("127.0.0.1:", port)}});
  }
  // The proxy outlives the agent's connections.
  ~ProxiedAgentTest() override { agent_->Stop(); }

  v1::Action Launch() {
    v1::Action action = fleet_.forge().NewAction(ManyFiles());
    const auto launched = fleet_.api().Launch(fleet_.forge().Sign(action));
    EXPECT_TRUE(launched.ok()) << launched.status();
    return action;
  }

  void ExpectWhole(const v1::Action& action) {
    const auto results = WaitForEnd(fleet_, action.id(), agent_->name());
    ASSERT_TRUE(results.ok()) << results.status() << agent_->process().Output();
    ExpectRowsOnce(*results, agent_->name(), ExpectedPaths(ManyFiles()));
    EXPECT_EQ(results->states.at(agent_->name()).state(), v1::DISPATCH_STATE_FOUND)
        << results->states.at(agent_->name()).ShortDebugString();
  }

  TestFleet fleet_;
  std::unique_ptr<TcpProxy> proxy_;
  Agent* agent_;
};

TEST_F(ProxiedAgentTest, SilenceInTheMiddleOfResultsHealsToAllRowsOnce) {
  const v1::Action before = Launch();
  ASSERT_TRUE(WaitForRows(fleet_, before.id(), 1));
  proxy_->BlackHole();
  // Sent to an agent that still counts as connected, and never arrives.
  const v1::Action into = Launch();
  // Until the scheduler has given it up.
  ASSERT_TRUE(fleet_.WaitUntilOffline(*agent_));
  const v1::Action after = Launch();
  proxy_->Heal();
  for (const v1::Action& action : {before, into, after}) ExpectWhole(action);
  EXPECT_TRUE(fleet_.WaitUntilOnline(*agent_));
  EXPECT_EQ(agent_->WorkersStarted(), 3U);
}

TEST_F(ProxiedAgentTest, ConnectionsThatBreakAgainAndAgainLoseAndDoubleNothing) {
  const unsigned seed = std::random_device{}();
  SCOPED_TRACE(StrCat("seed ", seed));
  std::mt19937 random(seed);
  const v1::Action action = Launch();
  for (int round = 0; round < 4; ++round) {
    const auto moment = std::uniform_int_distribution<uint64_t>(0, kManyFiles)(random);
    ASSERT_TRUE(WaitForRows(fleet_, action.id(), moment));
    proxy_->BreakConnections();
  }
  ExpectWhole(action);
  EXPECT_EQ(agent_->WorkersStarted(), 1U);
}

// --- a network of its own, whose cable is pulled

TEST(PulledCableTest, ResultsArriveOnceAfterItIsPluggedInAgain) {
  if (!IsRoot()) GTEST_SKIP() << "only root can make network interfaces";
  const Cable cable;
  if (!cable.made()) GTEST_SKIP() << "no network namespace or veth pair can be made here";
  TestFleet fleet({.host = cable.near_address()});
  MakeImpatient(fleet);
  const std::string& files = ManyFiles();
  fleet.StartScheduler();
  const std::string path = cable.path();
  Agent& agent = fleet.AddOnlineAgent({.before_exec = [path] {
    const int fd = ::open(path.c_str(), O_RDONLY | O_CLOEXEC);
    if (fd < 0 || ::setns(fd, CLONE_NEWNET) != 0) ::_exit(99);
  }});
  const v1::Action during = fleet.forge().NewAction(files);
  ASSERT_TRUE(fleet.api().Launch(fleet.forge().Sign(during)).ok());
  ASSERT_TRUE(WaitForRows(fleet, during.id(), 1));
  cable.Pull();
  ASSERT_TRUE(fleet.WaitUntilOffline(agent));
  const v1::Action meanwhile = fleet.forge().NewAction(files);
  ASSERT_TRUE(fleet.api().Launch(fleet.forge().Sign(meanwhile)).ok());
  cable.Plug();
  for (const v1::Action& action : {during, meanwhile}) {
    const auto results = WaitForEnd(fleet, action.id(), agent.name());
    ASSERT_TRUE(results.ok()) << results.status() << agent.process().Output();
    ExpectRowsOnce(*results, agent.name(), ExpectedPaths(files));
    EXPECT_EQ(results->states.at(agent.name()).state(), v1::DISPATCH_STATE_FOUND);
  }
  EXPECT_EQ(agent.WorkersStarted(), 2U);
}

}  // namespace
}  // namespace dragnet::testing
