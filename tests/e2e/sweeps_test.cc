// A sweep with the real programs: signed once, kept by the agent while the scheduler
// is away, counted once, and what changes on the host is told. Its schedule is the
// shortest that cron has, so this takes some minutes.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <nlohmann/json.hpp>

#include "absl/strings/ascii.h"
#include "absl/strings/str_split.h"
#include "core/strings.h"
#include "tests/harness/files.h"
#include "tests/harness/fleet.h"

namespace dragnet::testing {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

// A minute until the next occurrence, and what a busy machine takes besides.
const absl::Duration kOccurrence = absl::Seconds(60) + kPatience;

class SweepsTest : public ::testing::Test {
 protected:
  SweepsTest() {
    fleet_.StartScheduler();
    marker_ = fleet_.MakeFiles("host", 1) + "/marker";
    Write(fleet_.temporary() + "/pack.yaml",
          StrCat("id: demo\ntitle: No marker lies around\nchecks:\n"
                 "  - id: no-marker\n    title: There is no marker\n    severity: high\n"
                 "    command: file --path ",
                 marker_, "\n    expect: not found\n"));
  }

  // Gives the id.
  std::string Add() {
    const Finished added =
        fleet_.Dragnet({"sweep", "add", fleet_.temporary() + "/pack.yaml", "--every", "* * * * *",
                        "--tz", "Europe/Berlin", "-t", "true", "--yes"});
    EXPECT_EQ(added.status(), 0) << added.err;
    EXPECT_THAT(added.err, HasSubstr("every minute"));
    return std::string(absl::StripTrailingAsciiWhitespace(added.out));
  }
  bool Took(const std::string& id) {
    return Eventually([&] {
      const auto info = fleet_.api().GetAction(id);
      return info.ok() && info->progress().running() == 1;
    });
  }
  // Exit status of `sweep show`: 0 passes, 1 fails, 3 nothing is known.
  bool Shows(const std::string& id, int status) {
    return Eventually([&] { return fleet_.Dragnet({"sweep", "show", id}).status() == status; },
                      kOccurrence);
  }
  std::vector<nlohmann::json> Lines(const std::vector<std::string>& arguments) {
    const Finished finished = fleet_.Dragnet(arguments);
    EXPECT_THAT(finished.err, IsEmpty());
    std::vector<nlohmann::json> lines;
    for (const auto line : absl::StrSplit(finished.out, '\n', absl::SkipEmpty()))
      lines.push_back(nlohmann::json::parse(std::string(line)));
    return lines;
  }

  TestFleet fleet_;
  std::string marker_;
};

TEST_F(SweepsTest, AgentsKeepTheScheduleAndEachRunCountsOnce) {
  Agent& agent = fleet_.AddOnlineAgent({.name = "web1"});
  const std::string id = Add();
  ASSERT_TRUE(Took(id));
  EXPECT_EQ(fleet_.Dragnet({"sweep", "show", id}).status(), 3) << "nothing was told yet";

  // Nobody is there to tell it to run.
  fleet_.StopScheduler();
  ASSERT_TRUE(Eventually([&] { return agent.WorkersStarted() > 0; }, kOccurrence));
  fleet_.StartScheduler();
  ASSERT_TRUE(Shows(id, 0)) << fleet_.Dragnet({"sweep", "show", id}).out;

  // The schedule and what ran are on its disk.
  agent.Kill();
  agent.Start();
  Write(marker_, "");
  ASSERT_TRUE(Shows(id, 1));
  const Finished failed = fleet_.Dragnet({"sweep", "show", id, "--failed"});
  EXPECT_THAT(failed.out, AllOf(HasSubstr("no-marker"), HasSubstr("web1"), HasSubstr("/marker")));
  EXPECT_THAT(fleet_.Dragnet({"sweep", "drift", id}).out, HasSubstr("newly failing"));
  std::map<std::string, int> told;
  for (const nlohmann::json& run : Lines({"sweep", "history", id, "--output", "jsonl"})) {
    EXPECT_LE(run.at("passed").get<int>() + run.at("failed").get<int>(), 1) << run;
    EXPECT_EQ(++told[run.at("run").get<std::string>()], 1) << run;
  }
  EXPECT_GE(told.size(), 2U);

  const Finished removed = fleet_.Dragnet({"sweep", "remove", id, "--reason", "done", "--yes"});
  EXPECT_EQ(removed.status(), 0) << removed.err;
  ASSERT_TRUE(Eventually([&] {
    const auto info = fleet_.api().GetAction(id);
    return info.ok() && info->progress().running() == 0;
  }));
}

TEST_F(SweepsTest, AnExtraRunCountsToItsSweepAndNeedsASignature) {
  fleet_.AddOnlineAgent({.name = "web1"});
  Write(marker_, "");
  const std::string id = Add();
  ASSERT_TRUE(Took(id));
  const Finished ran = fleet_.Dragnet({"sweep", "run-now", id, "--yes"});
  EXPECT_THAT(ran.err, HasSubstr("no-marker")) << "what is signed is shown";
  ASSERT_TRUE(Shows(id, 1));
}

}  // namespace
}  // namespace dragnet::testing
