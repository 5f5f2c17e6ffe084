// Disks that fill up under an agent and under a scheduler, and get room again.
#include "core/strings.h"
#include "tests/faults/expect.h"
#include "tests/faults/small_disk.h"

namespace dragnet::testing {
namespace {

using ::testing::AnyOf;
using ::testing::HasSubstr;

#define NEEDS_SMALL_DISK(disk) \
  if (!(disk).mounted()) GTEST_SKIP() << "only root can mount a small disk"

class AgentsDiskTest : public ::testing::Test {
 protected:
  AgentsDiskTest() : disk_(fleet_.temporary() + "/disk", 8) {}

  void Start() {
    files_ = ManyFiles();
    fleet_.StartScheduler();
    agent_ = &fleet_.AddOnlineAgent({.state_directory = disk_.path() + "/state"});
  }
  ~AgentsDiskTest() override {
    if (agent_ != nullptr) agent_->Kill();
  }

  TestFleet fleet_;
  SmallDisk disk_;
  std::string files_;
  Agent* agent_ = nullptr;
};

TEST_F(AgentsDiskTest, FullInTheMiddleOfResultsWaitsForRoomAndLosesNothing) {
  NEEDS_SMALL_DISK(disk_);
  Start();
  const v1::Action action = fleet_.forge().NewAction(files_);
  ASSERT_TRUE(fleet_.api().Launch(fleet_.forge().Sign(action)).ok());
  ASSERT_TRUE(WaitForRows(fleet_, action.id(), 1));
  disk_.Fill();
  // It may have written its last record before the disk was full.
  Eventually([&] {
    return agent_->process().Output().find("wait:") != std::string::npos ||
           fleet_.api().Results(action.id())->progress.found() > 0;
  });
  disk_.MakeRoom();
  const auto results = WaitForEnd(fleet_, action.id(), agent_->name());
  ASSERT_TRUE(results.ok()) << results.status() << agent_->process().Output();
  ExpectRowsOnce(*results, agent_->name(), ExpectedPaths(files_));
  EXPECT_EQ(results->states.at(agent_->name()).state(), v1::DISPATCH_STATE_FOUND);
  EXPECT_EQ(agent_->WorkersStarted(), 1U);
}

TEST_F(AgentsDiskTest, FullFromTheBeginningNothingRunsThatIsNotInTheJournal) {
  NEEDS_SMALL_DISK(disk_);
  Start();
  disk_.Fill();
  const v1::Action action = fleet_.forge().NewAction(files_);
  ASSERT_TRUE(fleet_.api().Launch(fleet_.forge().Sign(action)).ok());
  // SQLite may still find room in what it has: then it takes the action on.
  ASSERT_TRUE(Eventually([&] {
    const std::string output = agent_->process().Output();
    return output.find("full") != std::string::npos || output.find("taken on") != std::string::npos;
  })) << agent_->process().Output();
  disk_.MakeRoom();
  if (agent_->process().Output().find("taken on") == std::string::npos) {
    EXPECT_EQ(agent_->WorkersStarted(), 0U);
    // What it could not say while the disk was full is asked again of a new session.
    agent_->Stop();
    agent_->Start();
  }
  const auto results = WaitForEnd(fleet_, action.id(), agent_->name());
  ASSERT_TRUE(results.ok()) << results.status() << agent_->process().Output();
  EXPECT_LE(agent_->WorkersStarted(), 1U);
  EXPECT_THAT(results->states.at(agent_->name()).state(),
              AnyOf(v1::DISPATCH_STATE_FOUND, v1::DISPATCH_STATE_REFUSED));
}

TEST_F(AgentsDiskTest, FullAtTheStartSaysSo) {
  NEEDS_SMALL_DISK(disk_);
  fleet_.StartScheduler();
  agent_ = &fleet_.AddAgent({.state_directory = disk_.path() + "/state"});
  disk_.Fill();
  agent_->Start();
  const auto ended = agent_->process().WaitForEnd();
  ASSERT_TRUE(ended.has_value()) << agent_->process().Output();
  // Not 2, which is final: it heals when there is room again.
  EXPECT_EQ(ended->exit_status, 1);
  EXPECT_THAT(agent_->process().Output(), AnyOf(HasSubstr("full"), HasSubstr("No space left")));
}

size_t Count(const std::string& text, const std::string& what) {
  size_t count = 0;
  for (size_t at = text.find(what); at != std::string::npos; at = text.find(what, at + 1)) ++count;
  return count;
}

class SchedulersDiskTest : public ::testing::Test {
 protected:
  SchedulersDiskTest() : disk_(fleet_.temporary() + "/disk", 32) {}

  void Start() {
    files_ = ManyFiles();
    const std::string store = disk_.path() + "/dragnet.db";
    CopyFile(fleet_.database_path(), store, 0600);
    Write(fleet_.scheduler_config(),
          WithTomlKey(Read(fleet_.scheduler_config()), "store", StrCat("\"", store, "\"")));
    fleet_.StartScheduler();
    agent_ = &fleet_.AddOnlineAgent();
  }
  ~SchedulersDiskTest() override {
    if (agent_ != nullptr) fleet_.scheduler().Kill();
  }

  TestFleet fleet_;
  SmallDisk disk_;
  std::string files_;
  Agent* agent_ = nullptr;
};

TEST_F(SchedulersDiskTest, FullInTheMiddleOfResultsAcknowledgesNothingThatIsNotStored) {
  NEEDS_SMALL_DISK(disk_);
  Start();
  const v1::Action action = fleet_.forge().NewAction(files_);
  ASSERT_TRUE(fleet_.api().Launch(fleet_.forge().Sign(action)).ok());
  ASSERT_TRUE(WaitForRows(fleet_, action.id(), 1));
  disk_.Fill();
  Eventually([&] {
    return fleet_.scheduler().Output().find("not stored") != std::string::npos ||
           fleet_.api().Results(action.id())->progress.found() > 0;
  });
  disk_.MakeRoom();
  const auto results = WaitForEnd(fleet_, action.id(), agent_->name());
  ASSERT_TRUE(results.ok()) << results.status() << fleet_.scheduler().Output();
  ExpectRowsOnce(*results, agent_->name(), ExpectedPaths(files_));
  EXPECT_EQ(results->states.at(agent_->name()).state(), v1::DISPATCH_STATE_FOUND);
  EXPECT_EQ(agent_->WorkersStarted(), 1U);
  // Said once for each session, not for each record that was under way.
  const std::string output = fleet_.scheduler().Output();
  EXPECT_LE(Count(output, "not stored"), Count(output, ": connected")) << output;
}

TEST_F(SchedulersDiskTest, FullAtALaunchIsRefusedByNameAndReachesNoAgent) {
  NEEDS_SMALL_DISK(disk_);
  Start();
  disk_.Fill();
  // SQLite may find room in what it has; not for many.
  absl::Status refused;
  std::vector<std::string> launched;
  for (int i = 0; i < 1000 && refused.ok(); ++i) {
    const v1::Action action = fleet_.forge().NewAction("/no-such-directory");
    refused = fleet_.api().Launch(fleet_.forge().Sign(action)).status();
    if (refused.ok()) launched.push_back(action.id());
  }
  ASSERT_FALSE(refused.ok());
  EXPECT_THAT(std::string(refused.message()), AnyOf(HasSubstr("full"), HasSubstr("space")))
      << refused;
  disk_.MakeRoom();
  const v1::Action action = fleet_.forge().NewAction(files_);
  const auto after = fleet_.api().Launch(fleet_.forge().Sign(action));
  ASSERT_TRUE(after.ok()) << after.status();
  EXPECT_TRUE(WaitForEnd(fleet_, action.id(), agent_->name()).ok());
  agent_->Stop();
  launched.push_back(action.id());
  EXPECT_EQ(agent_->Journal(), launched);
}

}  // namespace
}  // namespace dragnet::testing
