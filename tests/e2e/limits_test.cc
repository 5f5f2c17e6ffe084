// What an operation may cost a host, by the real programs: a worker that does
// all it can to cost more is held from outside, and what it said isn't lost.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <linux/ioprio.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <unistd.h>

#include <filesystem>
#include <set>

#include "core/action.h"
#include "core/strings.h"
#include "tests/harness/fleet.h"

namespace dragnet::testing {
namespace {

using ::testing::Each;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

double Seconds(const google::protobuf::Duration& duration) {
  return absl::ToDoubleSeconds(ToDuration(duration));
}

class LimitsTest : public ::testing::Test {
 protected:
  void Start(AgentOptions options = {}) {
    options.worker = WorkerKind::kMisbehaving;
    fleet_.StartScheduler();
    agent_ = &fleet_.AddOnlineAgent(std::move(options));
  }
  v1::Action ActionThat(const std::string& word) {
    return fleet_.forge().NewAction(StrCat("/misbehave:", word));
  }
  void Launch(const v1::Action& action) {
    const auto launched = fleet_.api().Launch(fleet_.forge().Sign(action));
    ASSERT_TRUE(launched.ok()) << launched.status();
  }
  v1::OperationSummary WaitForSummary(const v1::Action& action,
                                      absl::Duration patience = absl::Seconds(60)) {
    v1::OperationSummary summary;
    EXPECT_TRUE(Eventually(
        [&] {
          const auto results = fleet_.api().Results(action.id());
          if (!results.ok() || !results->states.contains(agent_->name())) return false;
          const v1::AgentState& state = results->states.at(agent_->name());
          if (state.summaries_size() != 1) return false;
          summary = state.summaries(0);
          return true;
        },
        patience))
        << agent_->process().Output();
    return summary;
  }
  pid_t WaitForWorker() {
    pid_t worker = -1;
    EXPECT_TRUE(Eventually([&] { return (worker = agent_->WorkerPid()) > 0; }));
    return worker;
  }
  static bool Stopped(pid_t pid) {
    return StatusField(pid, "State").find("stopped") != std::string::npos;
  }

  TestFleet fleet_;
  Agent* agent_ = nullptr;
};

TEST_F(LimitsTest, ATightLoopInSeveralThreadsKeepsTheShareThatItsSignerAskedFor) {
  Start();
  v1::Action action = ActionThat("burn-cpu-in-threads");
  v1::Limits& limits = *action.mutable_operations(0)->mutable_limits();
  limits.set_cpu_share_percent(10);
  limits.mutable_wall_time()->set_seconds(10);
  Launch(action);
  const v1::OperationSummary summary = WaitForSummary(action);
  EXPECT_EQ(summary.outcome(), v1::OUTCOME_INCOMPLETE);
  EXPECT_EQ(summary.termination(), v1::TERMINATION_WALL_TIME_LIMIT);
  // On a busy machine it gets less, and then it isn't stopped for as long.
  EXPECT_LT(Seconds(summary.cpu_time()) / Seconds(summary.wall_time()), 0.14)
      << summary.ShortDebugString();
  EXPECT_GT(Seconds(summary.cpu_time()) / Seconds(summary.held_for_cpu_share()), 0.06)
      << summary.ShortDebugString();
}

TEST_F(LimitsTest, TheAgentsOwnCeilingHoldsWhateverIsAsked) {
  Start({.limits = "cpu_share_percent = 20\nwall_time = \"5s\"\n"});
  v1::Action action = ActionThat("burn-cpu-in-threads");
  action.mutable_operations(0)->mutable_limits()->set_cpu_share_percent(6400);
  Launch(action);
  const v1::OperationSummary summary = WaitForSummary(action);
  EXPECT_EQ(summary.termination(), v1::TERMINATION_WALL_TIME_LIMIT);
  EXPECT_LT(Seconds(summary.cpu_time()) / Seconds(summary.wall_time()), 0.28)
      << summary.ShortDebugString();
}

TEST_F(LimitsTest, EveryThreadOfAWorkerGivesWayToAllElse) {
  Start();
  Launch(ActionThat("burn-cpu-in-threads"));
  const pid_t worker = WaitForWorker();
  const std::string tasks = StrCat("/proc/", worker, "/task");
  ASSERT_TRUE(Eventually([&] { return Names(tasks).size() == 4; })) << Names(tasks).size();
  std::vector<int> niceness;
  std::vector<int64_t> io_classes;
  for (const std::string& task : Names(tasks)) {
    const id_t id = static_cast<id_t>(std::stoul(task));
    niceness.push_back(::getpriority(PRIO_PROCESS, id));
    io_classes.push_back(IOPRIO_PRIO_CLASS(::syscall(SYS_ioprio_get, IOPRIO_WHO_PROCESS, id)));
  }
  EXPECT_THAT(niceness, Each(::getpriority(PRIO_PROCESS, 0) + 10));
  EXPECT_THAT(io_classes, Each(IOPRIO_CLASS_IDLE));
}

TEST_F(LimitsTest, AWorkerThatStandsStillForItsShareEndsWithItsAgent) {
  Start();
  for (const bool kill : {false, true}) {
    v1::Action action = ActionThat("burn-cpu");
    action.mutable_operations(0)->mutable_limits()->set_cpu_share_percent(1);
    Launch(action);
    const pid_t worker = WaitForWorker();
    ASSERT_TRUE(Eventually([&] { return Stopped(worker); }));
    if (kill) {
      agent_->Kill();
    } else {
      EXPECT_EQ(agent_->Stop().exit_status, 0) << agent_->process().Output();
    }
    EXPECT_TRUE(Eventually([&] { return !Exists(worker); }));
    agent_->Start();
    EXPECT_EQ(WaitForSummary(action).termination(), v1::TERMINATION_INTERRUPTED);
  }
}

TEST_F(LimitsTest, NothingWakesAMonitorThatHasNothingToDo) {
  Start();
  Launch(ActionThat("not"));
  const auto wakes = [&] {
    return std::stoll(StatusField(agent_->process().pid(), "voluntary_ctxt_switches"));
  };
  // What there was to do is done when they come to rest.
  int64_t before = -1;
  ASSERT_TRUE(Eventually([&] {
    const int64_t last = before;
    before = wakes();
    ::poll(nullptr, 0, 500);
    return before == last;
  }));
  ::poll(nullptr, 0, 3000);
  EXPECT_LE(wakes() - before, 5);
}

TEST_F(LimitsTest, AFullSpoolHoldsTheWorkerAndLosesNothingWhenTheSchedulerComesBack) {
  Start({.settings = "spool_bytes = 1048576\n"});
  const v1::Action action = ActionThat("many-rows-later");  // two megabytes
  Launch(action);
  ASSERT_TRUE(agent_->process().WaitForOutput("taken on"));
  fleet_.KillScheduler();
  ASSERT_TRUE(agent_->process().WaitForOutput("the spool is full")) << agent_->process().Output();
  const pid_t worker = WaitForWorker();
  EXPECT_TRUE(Exists(worker));
  fleet_.StartScheduler();
  const v1::OperationSummary summary = WaitForSummary(action);
  EXPECT_EQ(summary.outcome(), v1::OUTCOME_FOUND) << summary.ShortDebugString();
  EXPECT_EQ(summary.rows(), 10'000U);
  EXPECT_GT(Seconds(summary.stood_still_for_spool()), 0) << summary.ShortDebugString();
  EXPECT_THAT(agent_->process().Output(), HasSubstr("the spool has room again"));
  const auto results = fleet_.api().Results(action.id());
  ASSERT_TRUE(results.ok()) << results.status();
  const std::vector<std::string>& rows = results->rows.at(agent_->name());
  EXPECT_EQ(rows.size(), 10'000U);
  EXPECT_EQ(std::set<std::string>(rows.begin(), rows.end()).size(), 10'000U) << "each once";
}

TEST_F(LimitsTest, AFullSpoolThatNooneEmptiesEndsTheOperationAndItsSummarySaysWhy) {
  Start({.settings = "spool_bytes = 1048576\n"});
  v1::Action action = ActionThat("many-rows-later");
  action.mutable_operations(0)->mutable_limits()->mutable_wall_time()->set_seconds(8);
  Launch(action);
  ASSERT_TRUE(agent_->process().WaitForOutput("taken on"));
  fleet_.KillScheduler();
  ASSERT_TRUE(agent_->process().WaitForOutput("the spool is full")) << agent_->process().Output();
  ASSERT_TRUE(Eventually([&] { return agent_->WorkerPid() < 0; }));
  // A new process of the agent has it, too.
  agent_->Stop();
  agent_->Start();
  fleet_.StartScheduler();
  const v1::OperationSummary summary = WaitForSummary(action);
  EXPECT_EQ(summary.outcome(), v1::OUTCOME_INCOMPLETE);
  EXPECT_EQ(summary.termination(), v1::TERMINATION_WALL_TIME_LIMIT) << summary.ShortDebugString();
  EXPECT_THAT(summary.detail(), HasSubstr("the spool or the disk was full"));
  EXPECT_GT(Seconds(summary.stood_still_for_spool()), 0);
  const auto results = fleet_.api().Results(action.id());
  ASSERT_TRUE(results.ok()) << results.status();
  EXPECT_EQ(results->rows.at(agent_->name()).size(), summary.rows()) << "all that it counted";
}

TEST(ModuleCommandTest, KeepsAShareOnlyIfAsked) {
  const TemporaryDirectory directory;
  const std::string file = directory.path() + "/file";
  Write(file, "");
  ASSERT_EQ(::truncate(file.c_str(), 256 << 20), 0);
  Write(directory.path() + "/parameters",
        StrCat(R"({"searches":[{"paths":[")", file, R"("],"sha2":[")", std::string(64, '0'),
               R"("]}]})"));
  const auto run = [&](std::vector<std::string> more) {
    std::vector<std::string> command = {"dragnet-agent", "module", "file", "--params",
                                        directory.path() + "/parameters"};
    command.insert(command.end(), more.begin(), more.end());
    return RunToEnd(command);
  };
  const Finished free = run({});
  EXPECT_EQ(free.status(), 0) << free.err;
  EXPECT_THAT(free.out, HasSubstr(R"("heldForCpuShare":"0")"));
  const Finished held = run({"--cpu-share", "10"});
  EXPECT_EQ(held.status(), 0) << held.err;
  EXPECT_THAT(held.out, Not(HasSubstr(R"("heldForCpuShare":"0")")));
  for (const char* wrong : {"0", "6401", "-1", "10%", ""}) {
    const Finished refused = run({"--cpu-share", wrong});
    EXPECT_EQ(refused.status(), 2) << wrong;
    EXPECT_THAT(refused.err, HasSubstr("--cpu-share"));
  }
}

}  // namespace
}  // namespace dragnet::testing
