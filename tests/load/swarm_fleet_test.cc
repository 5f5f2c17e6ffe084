// dragnet-swarm against the real scheduler: honest agents and liars, the
// scheduler and the swarm killed, and a checker that can tell.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "core/strings.h"
#include "tests/harness/database.h"
#include "tests/harness/fleet.h"
#include "tests/load/behaviour.h"

namespace dragnet::testing {
namespace {

using ::testing::HasSubstr;

constexpr uint32_t kAgents = 50;
constexpr char kSeed[] = "4";

class SwarmTest : public ::testing::Test {
 protected:
  void Prepare() {
    const Finished prepared =
        RunToEnd({TestProgramPath("dragnet-swarm"), "prepare", "--fleet", fleet_.directory(),
                  "--seed", kSeed, "--agents", StrCat(kAgents)});
    ASSERT_EQ(prepared.status(), 0) << prepared.err;
  }

  std::vector<std::string> Arguments(const std::vector<std::string>& more) const {
    std::vector<std::string> arguments = {TestProgramPath("dragnet-swarm"),
                                          "run",
                                          "--fleet",
                                          fleet_.directory(),
                                          "--seed",
                                          kSeed,
                                          "--agents",
                                          StrCat(kAgents),
                                          "--for",
                                          "5m",
                                          "--ledger",
                                          ledger_};
    arguments.insert(arguments.end(), more.begin(), more.end());
    return arguments;
  }

  void StartSwarm(const std::vector<std::string>& more) {
    Command command;
    command.arguments = Arguments(more);
    swarm_ = std::make_unique<Process>(command, fleet_.temporary() + "/swarm.log");
  }

  uint64_t Connected() {
    const auto found = fleet_.api().SearchAgents("true");
    return found.ok() ? found->connected() : 0;
  }

  // For every agent, so many rows in small records, over a second.
  std::string Launch(const std::string& answer, uint64_t row_limit = 0) {
    v1::Action action = fleet_.forge().NewAction("/etc");
    action.set_description("swarm: " + answer);
    action.mutable_operations(0)->mutable_limits()->set_rows(row_limit);
    const auto launched = fleet_.api().Launch(fleet_.forge().Sign(action));
    EXPECT_TRUE(launched.ok()) << launched.status();
    return action.id();
  }

  v1::Progress ProgressOf(const std::string& action_id) {
    const auto info = fleet_.api().GetAction(action_id);
    return info.ok() ? info->progress() : v1::Progress();
  }

  uint64_t EndedOf(const std::string& action_id) {
    const v1::Progress progress = ProgressOf(action_id);
    return progress.found() + progress.clean() + progress.incomplete() + progress.refused();
  }

  Finished Check() const {
    return RunToEnd({TestProgramPath("dragnet-swarm"), "check", "--ledger", ledger_, "--database",
                     fleet_.database_path()});
  }

  TestFleet fleet_;
  const std::string ledger_ = fleet_.temporary() + "/ledger.json";
  std::unique_ptr<Process> swarm_;
};

TEST_F(SwarmTest, WithLiarsAndAKilledSchedulerEveryHonestRowIsStoredOnce) {
  Prepare();
  const std::vector<std::string> lies = {"counts=6%",   "repeat=6%", "reorder=6%",
                                         "identity=4%", "unsent=4%", "oversize=4%",
                                         "endless=4%",  "empty=4%",  "garbage=4%"};
  load::Misbehaviour misbehaviour;
  std::vector<std::string> flags;
  for (const std::string& lie : lies) {
    misbehaviour.lies.push_back(*load::ParseLie(lie));
    flags.insert(flags.end(), {"--lie", lie});
  }
  // Those that never end an operation: without a session, or without an end.
  uint64_t ending = 0;
  uint64_t liars = 0;
  for (uint32_t index = 0; index < kAgents; ++index) {
    const load::Lie lie = load::LieOf(misbehaviour, 4, index);
    liars += lie != load::Lie::kNone;
    ending +=
        lie != load::Lie::kIdentity && lie != load::Lie::kEndless && lie != load::Lie::kGarbage;
  }
  ASSERT_GT(liars, 9);

  fleet_.StartScheduler();
  StartSwarm(flags);
  ASSERT_TRUE(Eventually([&] { return Connected() >= ending; })) << swarm_->Output();
  const std::string action = Launch(
      "rows=200 row_bytes=200 record_bytes=4000 delay=0s..1s clean=10% incomplete=10%", 1000);
  ASSERT_TRUE(Eventually([&] { return ProgressOf(action).rows() > 1000; }));
  fleet_.KillScheduler();
  fleet_.StartScheduler();
  ASSERT_TRUE(Eventually([&] { return EndedOf(action) >= ending; }, absl::Minutes(2)))
      << ProgressOf(action).ShortDebugString() << swarm_->Output();
  EXPECT_EQ(swarm_->Stop().exit_status, 0) << swarm_->Output();
  const Finished check = Check();
  EXPECT_EQ(check.status(), 0) << check.out << check.err;
  EXPECT_THAT(check.out, HasSubstr("lost 0, twice 0, made up 0")) << check.out;
}

TEST_F(SwarmTest, KilledAndStartedAgainItGoesOnAndRunsNothingTwice) {
  Prepare();
  fleet_.StartScheduler();
  const std::vector<std::string> flags = {"--spool-file", fleet_.temporary() + "/spool"};
  StartSwarm(flags);
  ASSERT_TRUE(Eventually([&] { return Connected() == kAgents; })) << swarm_->Output();
  const std::string action = Launch("rows=200 row_bytes=200 record_bytes=2000 delay=0s..1s");
  ASSERT_TRUE(Eventually([&] { return ProgressOf(action).rows() > 500; }));
  swarm_->Kill();
  StartSwarm(flags);
  ASSERT_TRUE(Eventually([&] { return EndedOf(action) == kAgents; }, absl::Minutes(2)))
      << ProgressOf(action).ShortDebugString() << swarm_->Output();
  // Acknowledgements are under way, and the journal has had its say.
  EXPECT_EQ(swarm_->Stop().exit_status, 0) << swarm_->Output();
  const Finished check = Check();
  EXPECT_EQ(check.status(), 0) << check.out << check.err;
}

TEST_F(SwarmTest, TheCheckerFindsALostRowAChangedOneAndOneTooMany) {
  fleet_.StartScheduler();
  StartSwarm({"--enrol"});
  ASSERT_TRUE(Eventually([&] { return Connected() == kAgents; })) << swarm_->Output();
  const std::string action = Launch("rows=10 row_bytes=200 record_bytes=1000");
  ASSERT_TRUE(Eventually([&] { return EndedOf(action) == kAgents; }));
  EXPECT_EQ(swarm_->Stop().exit_status, 0) << swarm_->Output();
  fleet_.StopScheduler();
  const Finished good = Check();
  EXPECT_EQ(good.status(), 0) << good.out;
  EXPECT_THAT(good.out, HasSubstr("rows produced 500, stored 500,"));

  const auto changed = [&](const std::string& sql) {
    TestDatabase(fleet_.database_path()).Execute(sql);
    const Finished check = Check();
    EXPECT_EQ(check.status(), 1) << sql << check.out;
    return check.out;
  };
  EXPECT_THAT(changed("DELETE FROM records WHERE position = (SELECT min(position) FROM records)"),
              HasSubstr("lost 4,"));
  EXPECT_THAT(changed("UPDATE records SET rows = replace(rows, X'2f737761726d', X'2f535741524d')"
                      " WHERE position = (SELECT min(position) FROM records)"),
              HasSubstr("isn't as it was produced"));
  EXPECT_THAT(changed("INSERT INTO records (position, action, agent, occurrence, operation,"
                      " sequence, rows) SELECT max(position) + 1000, action, agent, occurrence,"
                      " operation + 5, sequence, rows FROM records"),
              HasSubstr("rows of what it never took on"));
  // Whatever keeps the store from it today.
  TestDatabase(fleet_.database_path()).Execute("DROP INDEX IF EXISTS records_by_key");
  EXPECT_THAT(changed("INSERT INTO records (position, action, agent, occurrence, operation,"
                      " sequence, rows) SELECT max(position) + 2000, action, agent, occurrence,"
                      " operation, sequence, rows FROM records WHERE operation = 0"),
              HasSubstr("is stored twice"));
}

TEST_F(SwarmTest, OnlyTheMachineItselfIsSpokenTo) {
  const Finished refused = RunToEnd(Arguments({"--enrol", "--scheduler", "192.0.2.1:7443"}));
  EXPECT_EQ(refused.status(), 2);
  EXPECT_THAT(refused.err, HasSubstr("192.0.2.1:7443': not a loopback address"));
}

}  // namespace
}  // namespace dragnet::testing
