// Someone writes into the scheduler's database: agents obey no more than
// before, and the scheduler shows what they refused.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/strings.h"
#include "core/uuid.h"
#include "tests/harness/database.h"
#include "tests/harness/fleet.h"

namespace dragnet::testing {
namespace {

using ::testing::HasSubstr;
using ::testing::IsEmpty;

class ForgedDatabaseTest : public ::testing::Test {
 protected:
  ForgedDatabaseTest() {
    fleet_.StartScheduler();
    agent_ = &fleet_.AddOnlineAgent();
    bait_ = fleet_.MakeFiles("bait", 1);
  }

  v1::Action Valid() { return fleet_.forge().NewAction(bait_); }

  // The scheduler with `forge` having been at its database while it was down.
  void RestartWith(const std::function<void()>& forge) {
    agent_->Stop();
    fleet_.StopScheduler();
    forge();
    fleet_.StartScheduler();
    agent_->Start();
  }

  std::optional<v1::Refusal> WaitForRefusal(const std::string& action_id) {
    std::optional<v1::Refusal> found;
    Eventually([&] {
      const auto refusals = fleet_.api().ListRefusals(agent_->Id());
      if (!refusals.ok()) return false;
      for (const auto& entry : *refusals) {
        if (entry.action_id() == action_id) found = entry.refusal();
      }
      return found.has_value();
    });
    EXPECT_TRUE(found.has_value()) << agent_->process().Output() << fleet_.scheduler().Output();
    return found;
  }

  TestFleet fleet_;
  Agent* agent_;
  std::string bait_;
};

TEST_F(ForgedDatabaseTest, ActionOfAStrangerIsRefusedAndShownSo) {
  const PrivateKey stranger = NewKey();
  const v1::Action action = Valid();
  const std::string envelope = Forge::Sign(action, {&stranger});
  RestartWith([&] { SmuggleAction(fleet_, action.id(), envelope, "ida"); });
  const auto refusal = WaitForRefusal(action.id());
  ASSERT_TRUE(refusal.has_value());
  EXPECT_EQ(refusal->reason(), v1::Refusal::REASON_INSUFFICIENT_WEIGHT);

  // The person at the console sees it in all three places.
  const Finished refusals = fleet_.Dragnet({"agents", "refusals", agent_->name()});
  EXPECT_EQ(refusals.status(), 0) << refusals.err;
  EXPECT_THAT(refusals.out, HasSubstr(action.id())) << refusals.out;
  const Finished verified = fleet_.Dragnet({"verify", action.id()});
  EXPECT_EQ(verified.status(), 4) << verified.out << verified.err;
  const Finished results = fleet_.Dragnet({"results", action.id()});
  EXPECT_EQ(results.status(), 4) << results.out << results.err;
  agent_->Stop();
  EXPECT_EQ(agent_->WorkersStarted(), 0U);
  EXPECT_THAT(agent_->Journal(), IsEmpty());
}

TEST_F(ForgedDatabaseTest, OldActionUnderANewIdIsAReplay) {
  const v1::Action action = Valid();
  const std::string envelope = fleet_.forge().Sign(action);
  ASSERT_TRUE(fleet_.api().Launch(envelope).ok());
  ASSERT_TRUE(Eventually([&] {
    const auto results = fleet_.api().Results(action.id());
    return results.ok() && results->progress.found() == 1;
  }));
  RestartWith([&] { SmuggleAction(fleet_, NewUuidV7(absl::Now()), envelope, "ida"); });
  const auto refusal = WaitForRefusal(action.id());
  ASSERT_TRUE(refusal.has_value());
  EXPECT_EQ(refusal->reason(), v1::Refusal::REASON_REPLAYED);
  EXPECT_EQ(agent_->WorkersStarted(), 1U);
  // The result that is stored stays what it was.
  EXPECT_EQ(fleet_.api().Results(action.id())->progress.found(), 1U);
}

TEST_F(ForgedDatabaseTest, FinishedActionThatIsOpenedAgainIsAReplay) {
  const v1::Action action = Valid();
  ASSERT_TRUE(fleet_.api().Launch(fleet_.forge().Sign(action)).ok());
  ASSERT_TRUE(Eventually([&] {
    const auto results = fleet_.api().Results(action.id());
    return results.ok() && results->progress.found() == 1;
  }));
  RestartWith([&] {
    TestDatabase database(fleet_.database_path());
    for (const char* table : {"records", "pairs", "pair_operations"}) {
      database.Execute(StrCat("DELETE FROM ", table));
    }
    database.Execute("UPDATE actions SET closed = 0");
  });
  const auto refusal = WaitForRefusal(action.id());
  ASSERT_TRUE(refusal.has_value());
  EXPECT_EQ(refusal->reason(), v1::Refusal::REASON_REPLAYED);
  EXPECT_EQ(agent_->WorkersStarted(), 1U);
}

TEST_F(ForgedDatabaseTest, ValidActionTurnedOnAnAgentOutsideOfItsTargetIsRefused) {
  v1::Action action = Valid();
  action.set_target("name='another-host'");
  ASSERT_TRUE(fleet_.api().Launch(fleet_.forge().Sign(action)).ok());
  RestartWith([&] {
    TestDatabase database(fleet_.database_path());
    database.Execute(
        "INSERT INTO pairs (action, agent, state, position)"
        " SELECT actions.no, agents.no, ?, 1000000 FROM actions, agents WHERE actions.id = ?",
        {int64_t{v1::DISPATCH_STATE_WAITING}, action.id()});
  });
  const auto refusal = WaitForRefusal(action.id());
  ASSERT_TRUE(refusal.has_value());
  EXPECT_EQ(refusal->reason(), v1::Refusal::REASON_NOT_TARGETED);
  agent_->Stop();
  EXPECT_EQ(agent_->WorkersStarted(), 0U);
}

TEST_F(ForgedDatabaseTest, PolicyOfTheAttackersOwnIsRefusedByAgents) {
  const PrivateKey root = NewKey();
  const PrivateKey mallory = NewKey();
  v1::TrustPolicy policy = fleet_.forge().NextPolicy();
  *policy.mutable_roots() = RootSet::Create({root.public_key()}, 1)->ToProto();
  Fleet::AddInvestigator("mallory", mallory, &policy);
  Forge::RuleFor("file", &policy).mutable_weights(0)->set_investigator("mallory");
  const std::string policy_envelope = Forge::SignPolicy(policy, {&root});
  const v1::Action action = Valid();
  agent_->Stop();
  fleet_.StopScheduler();
  TestDatabase(fleet_.database_path())
      .Execute("INSERT INTO trust_policies (version, envelope) VALUES (2, ?)",
               {TestDatabase::Blob{policy_envelope}});
  SmuggleAction(fleet_, action.id(), Forge::Sign(action, {&mallory}), "mallory");
  // It may refuse to start with such a database; if it starts, agents refuse.
  Command command;
  command.arguments = {"dragnet-scheduler", "run", "--config", fleet_.scheduler_config()};
  Process scheduler(command, fleet_.temporary() + "/forged-scheduler.log");
  const bool listens = scheduler.WaitForOutput("listening on");
  agent_->Start();
  if (listens) {
    EXPECT_TRUE(agent_->process().WaitForOutput("REASON_POLICY_REJECTED"))
        << agent_->process().Output();
    EXPECT_TRUE(agent_->process().WaitForOutput("REASON_INSUFFICIENT_WEIGHT"))
        << agent_->process().Output();
  } else {
    EXPECT_THAT(scheduler.Output(), HasSubstr("trust policy 2"));
  }
  agent_->Stop();
  EXPECT_EQ(agent_->WorkersStarted(), 0U);
  EXPECT_THAT(agent_->Journal(), IsEmpty());
}

TEST_F(ForgedDatabaseTest, OneUnreadableActionDoesntKeepTheSchedulerDown) {
  const v1::Action action = Valid();
  RestartWith([&] {
    SmuggleAction(fleet_, NewUuidV7(absl::Now()), "not an envelope", "ida");
    SmuggleAction(fleet_, action.id(), fleet_.forge().Sign(action), "ida");
  });
  EXPECT_TRUE(Eventually([&] {
    const auto results = fleet_.api().Results(action.id());
    return results.ok() && results->progress.found() == 1;
  }));
}

}  // namespace
}  // namespace dragnet::testing
