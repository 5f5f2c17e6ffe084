// Orders and dispatch options with the real programs: what runs on a host stops,
// stands still and goes on when an investigator says so, and only then.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/action.h"
#include "core/envelope.h"
#include "core/order.h"
#include "core/strings.h"
#include "tests/harness/attacked_agent.h"
#include "tests/harness/fleet.h"

namespace dragnet::testing {
namespace {

using ::testing::HasSubstr;

constexpr char kHangs[] = "/misbehave:hang";
constexpr char kCrashes[] = "/misbehave:crash";

// 'R', 'S', 'T' …; of proc(5), stat: what follows the name in parentheses.
char ProcessState(pid_t pid) {
  const std::string stat = Read(StrCat("/proc/", pid, "/stat"));
  return stat.at(stat.rfind(')') + 2);
}

class OrdersTest : public ::testing::Test {
 protected:
  OrdersTest() { fleet_.StartScheduler(); }

  Agent& AddAgent(const std::string& name) {
    return fleet_.AddOnlineAgent(
        {.name = name, .limits = "wall_time = \"10m\"\n", .worker = WorkerKind::kMisbehaving});
  }
  v1::Action Launch(v1::Action action) {
    const auto launched = fleet_.api().Launch(fleet_.forge().Sign(action));
    EXPECT_TRUE(launched.ok()) << launched.status();
    return action;
  }
  v1::AgentState StateOf(const v1::Action& action, const Agent& agent) {
    const auto results = fleet_.api().Results(action.id());
    if (!results.ok() || !results->states.contains(agent.name())) return {};
    return results->states.at(agent.name());
  }
  bool EventuallyRuns(const v1::Action& action, Agent& agent) {
    return Eventually([&] { return StateOf(action, agent).rows() == 1; });
  }
  void Send(const v1::Action& action, v1::Order::Kind kind) {
    const auto sent =
        fleet_.api().SendOrder(fleet_.forge().SignOrder(fleet_.forge().NewOrder(action, kind)));
    EXPECT_TRUE(sent.ok()) << sent.status();
  }
  v1::ActionInfo InfoOf(const v1::Action& action) {
    const auto info = fleet_.api().GetAction(action.id());
    EXPECT_TRUE(info.ok()) << info.status();
    return info.value_or(v1::ActionInfo());
  }

  TestFleet fleet_;
};

TEST_F(OrdersTest, CancelKillsAWorkerThatRunsAndEveryoneSaysSo) {
  Agent& agent = AddAgent("web1");
  const v1::Action action = Launch(fleet_.forge().NewAction(kHangs));
  ASSERT_TRUE(EventuallyRuns(action, agent)) << agent.process().Output();
  ASSERT_GT(agent.WorkerPid(), 0);
  const Finished cancel =
      fleet_.Dragnet({"cancel", action.id(), "--reason", "wrong target", "--yes"});
  EXPECT_EQ(cancel.status(), 0) << cancel.err;
  EXPECT_THAT(cancel.err, HasSubstr("sent to 1 agent that has it"));
  ASSERT_TRUE(Eventually([&] { return StateOf(action, agent).summaries_size() == 1; }))
      << agent.process().Output();
  EXPECT_EQ(agent.WorkerPid(), -1);
  const v1::AgentState state = StateOf(action, agent);
  EXPECT_EQ(state.state(), v1::DISPATCH_STATE_INCOMPLETE);
  EXPECT_EQ(state.rows(), 1U) << "what it found before is kept";
  EXPECT_EQ(state.summaries(0).termination(), v1::TERMINATION_CANCELLED);
  EXPECT_EQ(state.summaries(0).detail(), "cancelled by ida: wrong target");
  EXPECT_EQ(InfoOf(action).phase(), v1::DISPATCH_PHASE_CANCELLED);
  const Finished results = fleet_.Dragnet({"results", action.id()});
  EXPECT_EQ(results.status(), 3);
  EXPECT_THAT(results.err, HasSubstr("cancelled by ida: wrong target"));
  const Finished verify = fleet_.Dragnet({"verify", action.id()});
  EXPECT_EQ(verify.status(), 0) << verify.err;
  EXPECT_THAT(verify.out, HasSubstr("Order       cancelled by ida: wrong target"));
  // And it goes on with others.
  const v1::Action next = Launch(fleet_.forge().NewAction("/misbehave:not"));
  EXPECT_TRUE(Eventually([&] { return StateOf(next, agent).state() == v1::DISPATCH_STATE_FOUND; }));
}

TEST_F(OrdersTest, PauseLetsTheWorkerStandStillAndResumeLetsItGoOn) {
  Agent& agent = AddAgent("web1");
  const v1::Action action = Launch(fleet_.forge().NewAction(kHangs));
  ASSERT_TRUE(EventuallyRuns(action, agent)) << agent.process().Output();
  const pid_t worker = agent.WorkerPid();
  ASSERT_GT(worker, 0);
  // Somebody waits for its results meanwhile.
  Process follower({.arguments = {"dragnet", "results", action.id(), "--follow"},
                    .environment = {"DRAGNET_CONFIG=" + fleet_.console_config()},
                    .input = {},
                    .before_exec = {},
                    .output_to = {}},
                   fleet_.temporary() + "/follow.log");
  Send(action, v1::Order::KIND_PAUSE);
  EXPECT_TRUE(Eventually([&] { return ProcessState(worker) == 'T'; }));
  EXPECT_TRUE(follower.WaitForOutput("paused by ida: end to end test")) << follower.Output();
  EXPECT_EQ(InfoOf(action).phase(), v1::DISPATCH_PHASE_PAUSED);
  // Another action isn't held up by it, and an agent that comes now doesn't get it.
  const v1::Action other = Launch(fleet_.forge().NewAction("/misbehave:not"));
  EXPECT_TRUE(
      Eventually([&] { return StateOf(other, agent).state() == v1::DISPATCH_STATE_FOUND; }));
  Agent& late = AddAgent("late");
  EXPECT_TRUE(Eventually([&] { return InfoOf(action).progress().held_back() == 1; }));
  Send(action, v1::Order::KIND_RESUME);
  EXPECT_TRUE(Eventually([&] { return ProcessState(worker) != 'T'; }));
  EXPECT_TRUE(EventuallyRuns(action, late)) << late.process().Output();
  EXPECT_EQ(agent.WorkerPid(), worker) << "the same one goes on";
  EXPECT_TRUE(follower.WaitForOutput("it goes on")) << follower.Output();
  Send(action, v1::Order::KIND_CANCEL);
  const std::optional<Ended> ended = follower.WaitForEnd();
  ASSERT_TRUE(ended.has_value()) << follower.Output();
  EXPECT_EQ(ended->exit_status, 3);
  EXPECT_THAT(follower.Output(), HasSubstr("cancelled by ida: end to end test"));
}

TEST_F(OrdersTest, AnAgentThatComesBackAfterACancellationNeverRunsTheAction) {
  Agent& agent = AddAgent("web1");
  const v1::Action action = Launch(fleet_.forge().NewAction(kHangs));
  ASSERT_TRUE(EventuallyRuns(action, agent)) << agent.process().Output();
  agent.Kill();
  ASSERT_TRUE(fleet_.WaitUntilOffline(agent));
  Send(action, v1::Order::KIND_CANCEL);
  agent.Start();
  ASSERT_TRUE(Eventually([&] { return StateOf(action, agent).summaries_size() == 1; }))
      << agent.process().Output();
  // It died with the agent, and says so: the order found nothing to kill.
  EXPECT_EQ(StateOf(action, agent).summaries(0).termination(), v1::TERMINATION_INTERRUPTED);
  EXPECT_EQ(agent.WorkerPid(), -1);
}

TEST_F(OrdersTest, ForgedUnsignedAndOldOrdersOfATakenOverSchedulerAreRefused) {
  AttackedAgent host(fleet_, {.name = "web1", .worker = WorkerKind::kMisbehaving});
  const Forge& forge = fleet_.forge();
  const v1::Action action = forge.NewAction(kHangs);
  host.rogue().SendAction(forge.Sign(action));
  ASSERT_TRUE(host.rogue()
                  .WaitFor([&](const v1::AgentMessage& message) {
                    return message.record().action_id() == action.id();
                  })
                  .has_value())
      << host.agent().process().Output();
  const pid_t worker = host.agent().WorkerPid();
  ASSERT_GT(worker, 0);

  const auto expect_refused = [&](const std::string& envelope, const std::string& words) {
    const v1::Refusal refusal = host.SendOrder(envelope);
    EXPECT_EQ(v1::Refusal::Reason_Name(refusal.reason()), "REASON_ORDER_REJECTED");
    EXPECT_THAT(refusal.detail(), HasSubstr(words));
  };
  const std::string old = forge.SignOrder(forge.NewOrder(action, v1::Order::KIND_PAUSE));
  const v1::Order cancel = forge.NewOrder(action, v1::Order::KIND_CANCEL);
  const PrivateKey stranger = NewKey();
  expect_refused(Signed(kOrderPayloadType, cancel, {}), "no valid signature");
  expect_refused(Signed(kOrderPayloadType, cancel, {&stranger}), "no valid signature");
  expect_refused(Signed(kOrderPayloadType, cancel, {&forge.roots()[0]}), "no valid signature");
  expect_refused(Signed(kActionPayloadType, cancel, {&forge.investigator_key()}), "another type");
  v1::Order other_fleet = cancel;
  other_fleet.set_fleet_id("other-0123456789ab");
  expect_refused(forge.SignOrder(other_fleet), "fleet");
  host.rogue().SendOrder(forge.SignOrder(forge.NewOrder(action, v1::Order::KIND_RESUME)));
  expect_refused(old, "not newer");
  EXPECT_EQ(host.agent().WorkerPid(), worker) << "none of them moved it";
  EXPECT_NE(ProcessState(worker), 'T');
  // Else none of this says anything.
  host.rogue().SendOrder(forge.SignOrder(forge.NewOrder(action, v1::Order::KIND_CANCEL)));
  EXPECT_TRUE(Eventually([&] { return host.agent().WorkerPid() == -1; }));
}

TEST_F(OrdersTest, ACanaryThatCrashesStopsItAndAResumeLetsItGoOn) {
  for (const char* name : {"web1", "web2", "web3"}) AddAgent(name);
  v1::Action action = fleet_.forge().NewAction(kCrashes);
  action.mutable_dispatch()->set_canary_percent(10);
  Launch(action);
  ASSERT_TRUE(Eventually([&] { return InfoOf(action).phase() == v1::DISPATCH_PHASE_STOPPED; }));
  const v1::ActionInfo info = InfoOf(action);
  EXPECT_EQ(info.progress().incomplete(), 1U);
  EXPECT_EQ(info.progress().held_back(), 2U);
  EXPECT_THAT(info.phase_reason(), HasSubstr("failed"));
  const Finished results = fleet_.Dragnet({"results", action.id()});
  EXPECT_THAT(results.err, HasSubstr("stopped, it goes to no further agent: canary web"));
  EXPECT_THAT(results.err, HasSubstr("2 held back"));
  const Finished resume = fleet_.Dragnet({"resume", action.id(), "--yes"});
  EXPECT_EQ(resume.status(), 0) << resume.err;
  EXPECT_TRUE(Eventually([&] { return InfoOf(action).progress().incomplete() == 3; }));
}

}  // namespace
}  // namespace dragnet::testing
