// Two investigators at two consoles, with the real programs: what one signature is
// not enough for waits for the other, whatever is killed meanwhile.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <csignal>

#include "absl/strings/ascii.h"
#include "core/action.h"
#include "core/envelope.h"
#include "core/strings.h"
#include "tests/harness/files.h"
#include "tests/harness/fleet.h"
#include "tests/harness/people.h"

namespace dragnet::testing {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

// `file` needs ida and bob.
class ApprovalsTest : public ::testing::Test {
 protected:
  ApprovalsTest() {
    fleet_.StartScheduler();
    bob_.BeNeededFor("file");
  }

  Finished DragnetAsBob(std::vector<std::string> arguments) {
    return bob_.Dragnet(std::move(arguments));
  }
  // As ida; gives the id.
  std::string Propose(const std::string& directory) {
    const Finished proposed = fleet_.Dragnet({"file", "--path", directory, "--yes", "--no-wait"});
    EXPECT_EQ(proposed.status(), 0) << proposed.err;
    EXPECT_THAT(proposed.err, HasSubstr("needs weight 2 for file, your signature gives 1"));
    return std::string(absl::StripTrailingAsciiWhitespace(proposed.out));
  }
  v1::ActionInfo InfoOf(const std::string& id) {
    const auto info = fleet_.api().GetAction(id);
    EXPECT_TRUE(info.ok()) << info.status();
    return info.value_or(v1::ActionInfo());
  }
  std::unique_ptr<Process> Start(const std::vector<std::string>& arguments) {
    Command command;
    command.arguments = arguments;
    command.arguments.insert(command.arguments.begin(), "dragnet");
    command.environment = {"DRAGNET_CONFIG=" + fleet_.console_config()};
    return std::make_unique<Process>(command, fleet_.temporary() + "/ida.log");
  }

  TestFleet fleet_;
  SecondInvestigator bob_{fleet_};
};

TEST_F(ApprovalsTest, WhoProposesSeesTheRowsOnceTheOtherHasSigned) {
  Agent& agent = fleet_.AddOnlineAgent({.name = "web1"});
  const std::string files = fleet_.MakeFiles("evidence", 3);
  const auto ida = Start({"file", "--path", files, "--yes"});
  ASSERT_TRUE(ida->WaitForOutput("Others approve it with:")) << ida->Output();
  EXPECT_EQ(agent.WorkersStarted(), 0U);
  const Finished waiting = DragnetAsBob({"approve", "--output", "csv"});
  EXPECT_EQ(waiting.status(), 0) << waiting.err;
  EXPECT_THAT(waiting.out, HasSubstr("\"needs weight 2 for file, has 1\""));
  const std::string output = ida->Output();
  const size_t at = output.find("Proposed ") + 9;
  const std::string id = output.substr(at, 36);
  EXPECT_EQ(DragnetAsBob({"verify", id}).status(), 4);
  const Finished approved = DragnetAsBob({"approve", id, "--yes"});
  EXPECT_EQ(approved.status(), 0) << approved.err;
  EXPECT_THAT(approved.err, HasSubstr(files)) << "the whole document is shown";
  EXPECT_THAT(approved.err, HasSubstr("Launched"));
  const std::optional<Ended> ended = ida->WaitForEnd();
  ASSERT_TRUE(ended.has_value()) << ida->Output();
  EXPECT_EQ(ended->exit_status, 0) << ida->Output();
  EXPECT_THAT(ida->Output(), HasSubstr("file-2"));
  EXPECT_EQ(DragnetAsBob({"verify", id}).status(), 0);
  EXPECT_THAT(InfoOf(id).launched_by(), "bob");
}

TEST_F(ApprovalsTest, WhatWasRefusedReachesNoAgent) {
  Agent& agent = fleet_.AddOnlineAgent({.name = "web1"});
  const auto ida = Start({"file", "--path", fleet_.MakeFiles("evidence", 1), "--yes"});
  ASSERT_TRUE(ida->WaitForOutput("Others approve it with:")) << ida->Output();
  const std::string output = ida->Output();
  const std::string id = output.substr(output.find("Proposed ") + 9, 36);
  const Finished refused =
      DragnetAsBob({"approve", id, "--refuse", "--reason", "too broad", "--yes"});
  EXPECT_EQ(refused.status(), 0) << refused.err;
  const std::optional<Ended> ended = ida->WaitForEnd();
  ASSERT_TRUE(ended.has_value()) << ida->Output();
  EXPECT_EQ(ended->exit_status, 4);
  EXPECT_THAT(ida->Output(), HasSubstr("cancelled by bob: too broad"));
  EXPECT_THAT(fleet_.Dragnet({"actions"}).out, HasSubstr("refused"));
  EXPECT_THAT(fleet_.Dragnet({"verify", id}).out, HasSubstr("cancelled by bob: too broad"));
  EXPECT_EQ(DragnetAsBob({"approve", id, "--yes"}).status(), 2);
  // Nor with all signatures, past the console.
  v1::Envelope envelope;
  envelope.ParseFromString(InfoOf(id).envelope());
  ASSERT_TRUE(AddSignature(bob_.key(), &envelope).ok());
  EXPECT_TRUE(
      absl::IsFailedPrecondition(fleet_.api().Launch(envelope.SerializeAsString()).status()));
  EXPECT_EQ(agent.WorkersStarted(), 0U);
}

TEST_F(ApprovalsTest, WhoProposedTakesItBackWithCancel) {
  const std::string id = Propose("/etc");
  const Finished cancelled = fleet_.Dragnet({"cancel", id, "--yes"});
  EXPECT_EQ(cancelled.status(), 0) << cancelled.err;
  EXPECT_EQ(InfoOf(id).phase(), v1::DISPATCH_PHASE_REFUSED);
  EXPECT_THAT(DragnetAsBob({"approve"}).out, Not(HasSubstr(id)));
}

TEST_F(ApprovalsTest, AKilledSchedulerLosesNoProposalAndLaunchesOnce) {
  Agent& agent = fleet_.AddOnlineAgent({.name = "web1"});
  const std::string id = Propose(fleet_.MakeFiles("evidence", 1));
  fleet_.KillScheduler();
  fleet_.StartScheduler();
  ASSERT_TRUE(fleet_.WaitUntilOnline(agent));
  EXPECT_EQ(InfoOf(id).phase(), v1::DISPATCH_PHASE_PROPOSED);
  const Finished approved = DragnetAsBob({"approve", id, "--yes"});
  EXPECT_EQ(approved.status(), 0) << approved.err;
  fleet_.KillScheduler();
  fleet_.StartScheduler();
  ASSERT_TRUE(fleet_.WaitUntilOnline(agent));
  EXPECT_TRUE(Eventually([&] { return InfoOf(id).progress().found() == 1; }))
      << InfoOf(id).DebugString();
  EXPECT_THAT(DragnetAsBob({"approve"}).out, Not(HasSubstr(id)));
  // Whoever lost the answer signs again: it isn't run again.
  EXPECT_NE(DragnetAsBob({"approve", id, "--yes"}).status(), 0);
  EXPECT_EQ(agent.WorkersStarted(), 1U);
}

TEST_F(ApprovalsTest, CtrlCDetachesAndTheProposalStays) {
  const auto ida = Start({"file", "--path", "/etc", "--yes"});
  ASSERT_TRUE(ida->WaitForOutput("Others approve it with:")) << ida->Output();
  ida->Signal(SIGINT);
  const std::optional<Ended> ended = ida->WaitForEnd();
  ASSERT_TRUE(ended.has_value());
  EXPECT_EQ(ended->exit_status, 3);
  EXPECT_THAT(ida->Output(), HasSubstr("still waits"));
  EXPECT_THAT(DragnetAsBob({"approve", "--output", "jsonl"}).out, Not(IsEmpty()));
}

TEST_F(ApprovalsTest, AnAgentTellsItsLimits) {
  fleet_.AddOnlineAgent(
      {.name = "web1", .settings = "privacy = true\n", .limits = "memory_bytes = 134217728\n"});
  const auto agents = fleet_.api().SearchAgents("");
  ASSERT_TRUE(agents.ok() && agents->agents_size() == 1);
  EXPECT_THAT(agents->agents(0).limits(), ::testing::Contains(HasSubstr("privacy mode")));
  EXPECT_THAT(agents->agents(0).limits(), ::testing::Contains("memory of one operation: 128 MiB"));
}

}  // namespace
}  // namespace dragnet::testing
