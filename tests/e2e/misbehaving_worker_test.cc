// A module that was taken over, or is only broken: the scheduler says
// incomplete and why, and the agent goes on.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/action.h"
#include "core/strings.h"
#include "modules/file/file.pb.h"
#include "tests/harness/fleet.h"

namespace dragnet::testing {
namespace {

using ::testing::HasSubstr;

struct Case {
  const char* word;
  v1::Termination termination;
  // Of the action; the agent's own limit is beyond any test's patience, so that
  // on a busy machine, too, the limit that is meant is the first one reached.
  int wall_seconds = 0;
};

// gtest's parameter names.
std::string NameOfCase(const ::testing::TestParamInfo<Case>& info) {
  std::string name;
  bool upper = true;
  for (const char* c = info.param.word; *c != '\0'; ++c) {
    if (*c == '-') {
      upper = true;
      continue;
    }
    name.push_back(upper ? static_cast<char>(*c - 'a' + 'A') : *c);
    upper = false;
  }
  return name;
}

class MisbehavingWorkerTest : public ::testing::TestWithParam<Case> {
 protected:
  static void SetUpTestSuite() {
    fleet_ = std::make_unique<TestFleet>();
    fleet_->StartScheduler();
    agent_ = &fleet_->AddOnlineAgent({.limits = "wall_time = \"10m\"\ncpu_time = \"1s\"\n"
                                                "rows = 1000\nresult_bytes = 500000\n"
                                                "memory_bytes = 134217728\n",
                                      .worker = WorkerKind::kMisbehaving});
  }
  static void TearDownTestSuite() { fleet_.reset(); }

  v1::AgentState Ask(const std::string& word, int wall_seconds = 0) {
    v1::Action action = fleet_->forge().NewAction(StrCat("/misbehave:", word));
    if (wall_seconds > 0) {
      action.mutable_operations(0)->mutable_limits()->mutable_wall_time()->set_seconds(
          wall_seconds);
    }
    const auto launched = fleet_->api().Launch(fleet_->forge().Sign(action));
    EXPECT_TRUE(launched.ok()) << launched.status();
    v1::AgentState state;
    EXPECT_TRUE(Eventually([&] {
      const auto results = fleet_->api().Results(action.id());
      if (!results.ok() || !results->states.contains(agent_->name())) return false;
      state = results->states.at(agent_->name());
      return state.summaries_size() == 1;
    })) << agent_->process().Output();
    return state;
  }

  static std::unique_ptr<TestFleet> fleet_;
  static Agent* agent_;
};

std::unique_ptr<TestFleet> MisbehavingWorkerTest::fleet_;
Agent* MisbehavingWorkerTest::agent_;

TEST_P(MisbehavingWorkerTest, IsIncompleteWithItsReason) {
  const v1::AgentState state = Ask(GetParam().word, GetParam().wall_seconds);
  EXPECT_EQ(state.state(), v1::DISPATCH_STATE_INCOMPLETE) << state.ShortDebugString();
  ASSERT_EQ(state.summaries_size(), 1);
  const v1::OperationSummary& summary = state.summaries(0);
  EXPECT_EQ(summary.outcome(), v1::OUTCOME_INCOMPLETE);
  EXPECT_EQ(v1::Termination_Name(summary.termination()),
            v1::Termination_Name(GetParam().termination))
      << summary.ShortDebugString();
  EXPECT_FALSE(summary.detail().empty());
  // The next one is served as if nothing had been.
  EXPECT_EQ(Ask("not").state(), v1::DISPATCH_STATE_FOUND);
  EXPECT_TRUE(agent_->running());
}

INSTANTIATE_TEST_SUITE_P(
    AWorkerThatDoes, MisbehavingWorkerTest,
    ::testing::Values(Case{"crash", v1::TERMINATION_CRASHED},
                      Case{"abort", v1::TERMINATION_CRASHED},
                      Case{"forbidden-call", v1::TERMINATION_CRASHED},
                      Case{"exit-without-summary", v1::TERMINATION_CRASHED},
                      Case{"exit-with-failure", v1::TERMINATION_CRASHED},
                      Case{"crash-after-summary", v1::TERMINATION_CRASHED},
                      Case{"hang", v1::TERMINATION_WALL_TIME_LIMIT, 1},
                      Case{"hang-after-summary", v1::TERMINATION_WALL_TIME_LIMIT, 1},
                      Case{"hang-with-output-closed", v1::TERMINATION_WALL_TIME_LIMIT, 1},
                      Case{"burn-cpu", v1::TERMINATION_CPU_TIME_LIMIT},
                      Case{"eat-memory", v1::TERMINATION_MEMORY_LIMIT},
                      Case{"endless-rows", v1::TERMINATION_ROW_LIMIT},
                      Case{"endless-errors", v1::TERMINATION_CPU_TIME_LIMIT},
                      Case{"rubbish", v1::TERMINATION_PROTOCOL_VIOLATION},
                      Case{"oversized-frame", v1::TERMINATION_PROTOCOL_VIOLATION},
                      Case{"truncated-frame", v1::TERMINATION_PROTOCOL_VIOLATION},
                      Case{"empty-message", v1::TERMINATION_PROTOCOL_VIOLATION},
                      Case{"huge-row", v1::TERMINATION_PROTOCOL_VIOLATION},
                      Case{"oversized-rows", v1::TERMINATION_PROTOCOL_VIOLATION},
                      Case{"two-summaries", v1::TERMINATION_PROTOCOL_VIOLATION},
                      Case{"rows-after-summary", v1::TERMINATION_PROTOCOL_VIOLATION},
                      Case{"module-error", v1::TERMINATION_MODULE_ERROR}),
    NameOfCase);

using MisbehavingWorkerOutputTest = MisbehavingWorkerTest;

TEST_F(MisbehavingWorkerOutputTest, ConsoleSaysIncompleteWhyAndExitsWithThree) {
  const Finished table = fleet_->Dragnet({"file", "--path", "/misbehave:crash", "--yes"});
  EXPECT_EQ(table.status(), 3) << table.err;
  EXPECT_THAT(table.out + table.err, HasSubstr("incomplete"));
  EXPECT_THAT(table.out + table.err, HasSubstr("SIGSEGV"));
}

TEST_F(MisbehavingWorkerOutputTest, EscapesInAnErrorNeverReachTheTerminal) {
  for (const char* format : {"table", "csv", "jsonl"}) {
    const Finished shown =
        fleet_->Dragnet({"file", "--path", "/misbehave:module-error", "--output", format, "--yes"});
    EXPECT_EQ(shown.status(), 3);
    EXPECT_THAT(shown.out + shown.err, ::testing::Not(::testing::Contains('\x1b'))) << format;
  }
}

}  // namespace
}  // namespace dragnet::testing
