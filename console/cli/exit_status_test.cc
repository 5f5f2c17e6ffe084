#include "console/cli/exit_status.h"

#include <gtest/gtest.h>

#include "console/investigation/summary.h"

namespace dragnet::console {
namespace {

v1::Progress Of(uint64_t targeted, uint64_t found, uint64_t clean) {
  v1::Progress progress;
  progress.set_targeted(targeted);
  progress.set_found(found);
  progress.set_clean(clean);
  return progress;
}

TEST(ExitStatusTest, AllFoundOrCleanIsDone) {
  EXPECT_EQ(ExitStatusOf(Of(3, 1, 2), false), kExitDone);
  EXPECT_EQ(ExitStatusOf(Of(1, 0, 1), false), kExitDone);
}

TEST(ExitStatusTest, WhateverWasNotLookedAtIsIncomplete) {
  for (const auto set :
       {&v1::Progress::set_waiting, &v1::Progress::set_sent, &v1::Progress::set_running,
        &v1::Progress::set_incomplete, &v1::Progress::set_refused, &v1::Progress::set_never_sent}) {
    v1::Progress progress = Of(3, 1, 1);
    (progress.*set)(1);
    EXPECT_EQ(ExitStatusOf(progress, false), kExitIncomplete) << progress.DebugString();
  }
}

TEST(ExitStatusTest, NoOneReachedIsIncomplete) {
  EXPECT_EQ(ExitStatusOf(Of(0, 0, 0), false), kExitIncomplete);
}

TEST(ExitStatusTest, LostRowsAreIncomplete) {
  EXPECT_EQ(ExitStatusOf(Of(1, 1, 0), true), kExitIncomplete);
}

TEST(ExitStatusTest, CountsThatDontAddUpAreIncomplete) {
  EXPECT_EQ(ExitStatusOf(Of(3, 1, 1), false), kExitIncomplete);
}

TEST(ExitStatusTest, RefusedByAllIsRefused) {
  v1::Progress progress = Of(2, 0, 0);
  progress.set_refused(2);
  EXPECT_EQ(ExitStatusOf(progress, false), kExitRefused);
}

TEST(SummaryTest, IncompleteWithoutAReasonIsStillSaid) {
  v1::AgentState state;
  state.add_summaries()->set_outcome(v1::OUTCOME_INCOMPLETE);
  EXPECT_EQ(NotLookedAt(v1::Action(), state), "incomplete, without a reason given");
}

TEST(SummaryTest, EveryReasonIsTold) {
  v1::Action action;
  action.add_operations();
  action.add_operations();
  v1::AgentState state;
  v1::OperationSummary* first = state.add_summaries();
  first->set_outcome(v1::OUTCOME_INCOMPLETE);
  first->set_termination(v1::TERMINATION_MEMORY_LIMIT);
  first->set_detail("killed by signal 9");
  first->mutable_module()->add_limits_hit("match_limit 10");
  state.add_summaries()->set_outcome(v1::OUTCOME_CLEAN);
  EXPECT_EQ(NotLookedAt(action, state),
            "operation 1: stopped at the memory limit: killed by signal 9; "
            "cut short: match_limit 10");
}

TEST(SummaryTest, ManyAgentsAreNotAllTold) {
  std::vector<v1::AgentState> states(25);
  for (v1::AgentState& state : states) state.set_state(v1::DISPATCH_STATE_INCOMPLETE);
  const std::string text = SummaryText(v1::Action(), Of(25, 0, 0), states, absl::Seconds(1));
  EXPECT_NE(text.find("5 more"), std::string::npos);
}

}  // namespace
}  // namespace dragnet::console
