// What must be true of every action, whatever was broken while it ran.
#pragma once

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <set>
#include <string>
#include <vector>

#include "tests/harness/fleet.h"

namespace dragnet::testing {

// So many that an investigation over them takes many records.
inline constexpr int kManyFiles = 20'000;

// A directory of them, made once for the whole test program.
inline const std::string& ManyFiles() {
  static const TemporaryDirectory directory;
  static const std::string path = MakeEmptyFiles(directory.path() + "/files", kManyFiles);
  return path;
}

// Every row once, and of what is on the disk; if the scheduler says found, all
// of it. `expected` is sorted.
inline void ExpectRowsOnce(const ActionResults& results, const std::string& agent,
                           const std::vector<std::string>& expected) {
  const auto found = results.rows.find(agent);
  const std::vector<std::string> paths =
      found == results.rows.end() ? std::vector<std::string>() : PathsOf(found->second);
  const std::set<std::string> different(paths.begin(), paths.end());
  EXPECT_EQ(different.size(), paths.size()) << "rows are stored twice";
  EXPECT_TRUE(std::includes(expected.begin(), expected.end(), different.begin(), different.end()))
      << "rows that are of no file";
  const v1::AgentState& state = results.states.at(agent);
  EXPECT_EQ(state.rows(), paths.size());
  if (state.state() == v1::DISPATCH_STATE_FOUND) {
    EXPECT_EQ(paths.size(), expected.size()) << state.ShortDebugString();
  } else {
    EXPECT_EQ(state.state(), v1::DISPATCH_STATE_INCOMPLETE) << state.ShortDebugString();
    ASSERT_EQ(state.summaries_size(), 1) << state.ShortDebugString();
    EXPECT_NE(state.summaries(0).termination(), v1::TERMINATION_COMPLETED);
    EXPECT_EQ(state.summaries(0).rows(), paths.size()) << state.ShortDebugString();
  }
}

// Waits until the action has ended on the agent. Longer than a link takes to give up a
// connection that nothing comes back on (80 s: a ping a minute, and 20 s for its answer).
inline absl::StatusOr<ActionResults> WaitForEnd(TestFleet& fleet, const std::string& action_id,
                                                const std::string& agent) {
  absl::StatusOr<ActionResults> results = absl::UnavailableError("never asked");
  const bool ended = Eventually(
      [&] {
        results = fleet.api().Results(action_id);
        if (!results.ok() || !results->states.contains(agent)) return false;
        const v1::DispatchState state = results->states.at(agent).state();
        return state != v1::DISPATCH_STATE_WAITING && state != v1::DISPATCH_STATE_SENT &&
               state != v1::DISPATCH_STATE_RUNNING;
      },
      absl::Seconds(150));
  if (!ended && results.ok()) {
    return absl::DeadlineExceededError(results->states[agent].ShortDebugString());
  }
  return results;
}

// So many rows of the action are stored, or it has ended.
inline bool WaitForRows(TestFleet& fleet, const std::string& action_id, uint64_t count) {
  return Eventually([&] {
    const auto results = fleet.api().Results(action_id);
    if (!results.ok()) return false;
    const v1::Progress& progress = results->progress;
    return progress.rows() >= count || progress.found() + progress.incomplete() > 0;
  });
}

// Paths of what TestFleet::MakeFiles made, sorted.
inline std::vector<std::string> ExpectedPaths(const std::string& directory) {
  std::vector<std::string> paths;
  for (const std::string& name : Names(directory)) paths.push_back(directory + "/" + name);
  std::sort(paths.begin(), paths.end());
  return paths;
}

}  // namespace dragnet::testing
