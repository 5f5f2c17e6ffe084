// Hosts that leave the fleet, with the real programs: what is left on them, what a kill
// at any moment leaves, and what becomes of a disk that was copied.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>

#include "absl/time/clock.h"
#include "core/strings.h"
#include "modules/retire/retire.pb.h"
#include "tests/harness/connect_proxy.h"
#include "tests/harness/fleet.h"

namespace dragnet::testing {
namespace {

using ::testing::AllOf;
using ::testing::AnyOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

constexpr int kExitRetired = 5;

class RetireTest : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    fleet_ = std::make_unique<TestFleet>();
    fleet_->StartScheduler();
  }
  static void TearDownTestSuite() { fleet_.reset(); }

  // An agent with a release directory that has something in it.
  static Agent& AddAgent(const std::string& name) {
    const std::string releases = StrCat(fleet_->temporary(), "/", name, "-releases");
    MakeDirectory(releases);
    MakeDirectory(releases + "/0.0.1");
    Write(releases + "/0.0.1/dragnet-agent", "never started");
    return fleet_->AddOnlineAgent(
        {.name = name, .settings = StrCat("release_dir = \"", releases, "\"\n")});
  }
  static v1::Action RetireAction(const std::vector<std::string>& ids) {
    v1::Action action = fleet_->forge().NewAction("/etc");
    retire::v1::RetireParameters parameters;
    for (const std::string& id : ids) parameters.add_agent_ids(id);
    action.mutable_operations(0)->set_module("retire");
    action.mutable_operations(0)->set_parameters(parameters.SerializeAsString());
    return action;
  }
  static void ExpectDestroyed(Agent& agent) {
    EXPECT_THAT(Names(agent.state_directory()), ElementsAre("retired"));
    EXPECT_THAT(Names(StrCat(fleet_->temporary(), "/", agent.name(), "-releases")), IsEmpty());
    EXPECT_THAT(Names(StrCat(fleet_->temporary(), "/", agent.name())),
                Not(::testing::Contains("enrolment.token")));
  }

  static std::unique_ptr<TestFleet> fleet_;
};

std::unique_ptr<TestFleet> RetireTest::fleet_;

TEST_F(RetireTest, HostIsRetiredByTheConsole) {
  Agent& agent = AddAgent("sold");
  Agent& other = AddAgent("kept");
  const std::string id = agent.Id();
  const Finished retired = fleet_->Dragnet(
      {"agents", "retire", "sold", "--reason", "sold on Tuesday", "--yes", "-o", "csv"});
  EXPECT_EQ(retired.status(), 0) << retired.err;
  EXPECT_THAT(retired.err,
              AllOf(HasSubstr(StrCat("sold (", id, ")  online")), Not(HasSubstr("kept"))));
  EXPECT_THAT(retired.out, AllOf(HasSubstr("identity"), HasSubstr("follows"),
                                 HasSubstr("enrolment_token"), HasSubstr("destroyed")));
  const auto ended = agent.process().WaitForEnd();
  ASSERT_TRUE(ended.has_value());
  EXPECT_EQ(ended->exit_status, kExitRetired) << agent.process().Output();
  EXPECT_THAT(agent.process().Output(), AllOf(HasSubstr("this host was retired on "),
                                              HasSubstr(" by ida (sold on Tuesday); remove ")));
  ExpectDestroyed(agent);
  // And never starts again.
  for (int start = 0; start < 2; ++start) {
    agent.Start();
    const auto again = agent.process().WaitForEnd();
    ASSERT_TRUE(again.has_value());
    EXPECT_EQ(again->exit_status, kExitRetired);
    ExpectDestroyed(agent);
  }
  EXPECT_TRUE(fleet_->WaitUntilOnline(other));
}

TEST_F(RetireTest, ActionThatNamesAnotherHostDestroysNothing) {
  Agent& agent = AddAgent("bystander");
  const v1::Action action = RetireAction({"00000000-0000-4000-8000-000000000000"});
  ASSERT_TRUE(fleet_->api().Launch(fleet_->forge().Sign(action)).ok());
  ASSERT_TRUE(Eventually([&] {
    const auto results = fleet_->api().Results(action.id());
    return results.ok() && results->states.contains("bystander") &&
           results->states.at("bystander").state() == v1::DISPATCH_STATE_INCOMPLETE;
  }));
  EXPECT_TRUE(agent.running());
  EXPECT_THAT(Names(agent.state_directory()), Not(::testing::Contains("retiring")));
  EXPECT_THAT(Names(agent.LinkDirectory()), ::testing::IsSupersetOf({"tls.key", "tls.pem"}));
}

TEST_F(RetireTest, LinksThatWerePlantedLeadNowhere) {
  Agent& agent = AddAgent("planted");
  const std::string precious = StrCat(fleet_->temporary(), "/precious");
  MakeDirectory(precious);
  for (const char* name : {"dragnet-agent", "agent.db", "data"}) Write(precious + "/" + name, "x");
  const std::string releases = StrCat(fleet_->temporary(), "/planted-releases");
  ASSERT_EQ(::symlink(precious.c_str(), (releases + "/9.9.9").c_str()), 0);
  ASSERT_EQ(
      ::symlink((precious + "/data").c_str(), (agent.state_directory() + "/blobs/partial").c_str()),
      0);
  ASSERT_EQ(::symlink(precious.c_str(), (agent.LinkDirectory() + "/directory").c_str()), 0);
  const Finished retired = fleet_->Dragnet({"agents", "retire", "planted", "--yes"});
  EXPECT_THAT(retired.out, HasSubstr("failed"));
  const auto ended = agent.process().WaitForEnd();
  ASSERT_TRUE(ended.has_value());
  EXPECT_EQ(ended->exit_status, kExitRetired);
  EXPECT_THAT(agent.process().Output(),
              HasSubstr(StrCat("not destroyed: open ", releases, "/9.9.9")));
  EXPECT_THAT(Names(precious), ElementsAre("agent.db", "data", "dragnet-agent"));
  EXPECT_THAT(Names(agent.state_directory()), ElementsAre("retired"));
}

TEST_F(RetireTest, OfflineHostIsRetiredWhenItComesBack) {
  Agent& agent = AddAgent("away");
  agent.Stop();
  ASSERT_TRUE(fleet_->WaitUntilOffline(agent));
  const Finished retired = fleet_->Dragnet({"agents", "retire", "away", "--yes"});
  EXPECT_EQ(retired.status(), 3) << retired.err;
  EXPECT_THAT(retired.err, HasSubstr("last seen "));
  agent.Start();
  const auto ended = agent.process().WaitForEnd();
  ASSERT_TRUE(ended.has_value());
  EXPECT_EQ(ended->exit_status, kExitRetired);
  ExpectDestroyed(agent);
}

TEST_F(RetireTest, LostHostIsRevokedAtOnce) {
  Agent& agent = AddAgent("lost");
  const Finished lost = fleet_->Dragnet({"agents", "retire", "--lost", "lost", "--yes"});
  EXPECT_EQ(lost.status(), 0) << lost.err;
  EXPECT_THAT(lost.err, AllOf(HasSubstr("Revoked lost ("), HasSubstr("Nothing is destroyed")));
  EXPECT_TRUE(agent.process().WaitForOutput("revoked"));
  EXPECT_THAT(fleet_->Dragnet({"agents"}).out, Not(HasSubstr("lost")));
  EXPECT_THAT(fleet_->Dragnet({"agents", "--all"}).out, HasSubstr("lost"));
  const Finished again = fleet_->Dragnet({"agents", "retire", "lost", "--yes"});
  EXPECT_EQ(again.status(), 2);
  EXPECT_THAT(again.err, HasSubstr("out of the fleet"));
}

// The kill comes somewhere between the action's arrival and the end; wherever it was,
// either nothing is destroyed and the action was interrupted, or all is in the end.
TEST_F(RetireTest, KilledAtAnyMomentItIsRetiredWhollyOrNotAtAll) {
  int retired = 0;
  for (int round = 0; round < 12; ++round) {
    SCOPED_TRACE(round);
    Agent& agent = AddAgent(StrCat("killed-", round));
    const v1::Action action = RetireAction({agent.Id()});
    ASSERT_TRUE(fleet_->api().Launch(fleet_->forge().Sign(action)).ok());
    // Of each step that can be seen from outside, one; the others as they fall.
    const std::vector<std::string> steps = {"taken on", "being retired"};
    if (round < 8) agent.process().WaitForOutput(steps[static_cast<size_t>(round) % 2]);
    agent.Kill();
    const std::vector<std::string> left = Names(agent.state_directory());
    const bool marked = std::count(left.begin(), left.end(), "retiring") +
                            std::count(left.begin(), left.end(), "retired") >
                        0;
    if (!marked) {
      EXPECT_THAT(Names(agent.LinkDirectory()), ::testing::IsSupersetOf({"tls.key", "tls.pem"}));
    }
    agent.Start();
    if (!marked && std::count(left.begin(), left.end(), "retired") == 0) {
      // It was interrupted, or has not been taken on yet and comes again.
      ASSERT_TRUE(Eventually([&] {
        if (!agent.running()) return true;
        const auto results = fleet_->api().Results(action.id());
        return results.ok() && results->states.contains(agent.name()) &&
               results->states.at(agent.name()).state() == v1::DISPATCH_STATE_INCOMPLETE;
      }));
      if (agent.running()) {
        EXPECT_THAT(Names(agent.state_directory()), Not(::testing::Contains("retiring")));
        agent.Stop();
        continue;
      }
    }
    const auto ended = agent.process().WaitForEnd();
    ASSERT_TRUE(ended.has_value()) << agent.process().Output();
    EXPECT_EQ(ended->exit_status, kExitRetired);
    ExpectDestroyed(agent);
    ++retired;
  }
  EXPECT_GT(retired, 0);
}

// The mark says what the host is, and who removes it means it.
TEST_F(RetireTest, WithoutItsMarkTheHostCanEnrolAgain) {
  Agent& agent = AddAgent("returned");
  const std::string id = agent.Id();
  fleet_->Dragnet({"agents", "retire", "returned", "--yes"});
  ASSERT_TRUE(agent.process().WaitForEnd().has_value());
  ASSERT_EQ(::unlink((agent.state_directory() + "/retired").c_str()), 0);
  const auto token = fleet_->api().CreateEnrolmentToken(1, absl::Hours(1));
  ASSERT_TRUE(token.ok());
  Write(StrCat(fleet_->temporary(), "/returned/enrolment.token"), *token, 0600);
  agent.Start();
  ASSERT_TRUE(agent.process().WaitForOutput("connected to 127.0.0.1"));
  EXPECT_NE(agent.Id(), id);
}

// As another machine: its machine-id is another file, and nothing says of its mainboard.
class CloneTest : public RetireTest {
 protected:
  void SetUp() override {
    if (!IsRoot()) GTEST_FAIL() << "another machine-id takes a mount namespace: run as root";
    static std::string one = StrCat(fleet_->temporary(), "/machine-id-1");
    static std::string other = StrCat(fleet_->temporary(), "/machine-id-2");
    Write(one, "11111111111111111111111111111111\n");
    Write(other, "22222222222222222222222222222222\n");
    machine_[0] = one.c_str();
    machine_[1] = other.c_str();
  }
  static void On(const char* machine_id) {
    if (::unshare(CLONE_NEWNS) != 0) ::_exit(99);
    if (::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr) != 0) ::_exit(99);
    if (::mount(machine_id, "/etc/machine-id", nullptr, MS_BIND, nullptr) != 0) ::_exit(99);
    // Not everywhere is there one.
    ::mount("/dev/null", "/sys/class/dmi/id/product_uuid", nullptr, MS_BIND, nullptr);
  }

  static const char* machine_[2];
};

const char* CloneTest::machine_[2];

TEST_F(CloneTest, CopyOfADiskWithATokenIsAHostOfItsOwn) {
  Agent& original =
      fleet_->AddOnlineAgent({.name = "original", .before_exec = [] { On(machine_[0]); }});
  original.Stop();
  Agent& copy = fleet_->AddAgent({.name = "copy", .before_exec = [] { On(machine_[1]); }});
  CopyTree(original.state_directory(), copy.state_directory());
  copy.Start();
  ASSERT_TRUE(copy.process().WaitForOutput("as after its disk was copied"))
      << copy.process().Output();
  ASSERT_TRUE(copy.process().WaitForOutput("connected to 127.0.0.1")) << copy.process().Output();
  EXPECT_NE(copy.Id(), original.Id());
  original.Start();
  EXPECT_TRUE(fleet_->WaitUntilOnline(original));
  EXPECT_TRUE(fleet_->WaitUntilOnline(copy));
}

TEST_F(CloneTest, WithoutATokenItGoesOnAndTheFleetSeesIt) {
  const char* machine = machine_[0];
  Agent& agent = fleet_->AddOnlineAgent({.name = "new-board", .before_exec = [&] { On(machine); }});
  const std::string id = agent.Id();
  agent.Stop();
  ASSERT_EQ(::unlink(StrCat(fleet_->temporary(), "/new-board/enrolment.token").c_str()), 0);
  machine = machine_[1];
  agent.Start();
  ASSERT_TRUE(fleet_->WaitUntilOnline(agent));
  EXPECT_EQ(agent.Id(), id);
  const auto info = fleet_->InfoOf(agent);
  ASSERT_TRUE(info.has_value());
  EXPECT_EQ(info->facts().environment().at("cloned"), "yes");
  EXPECT_THAT(info->limits(), ::testing::Contains(HasSubstr("this machine is another")));
  // What an operator does about a mainboard, on that machine.
  const auto command = [&](const std::string& name) {
    Command run;
    run.arguments = {"dragnet-agent", name, "--config", agent.config_path()};
    run.before_exec = [&] { On(machine); };
    return RunToEnd(run);
  };
  EXPECT_THAT(command("keep-identity").err, HasSubstr("another dragnet-agent"));
  agent.Stop();
  EXPECT_EQ(command("keep-identity").status(), 0);
  agent.Start();
  ASSERT_TRUE(fleet_->WaitUntilOnline(agent));
  EXPECT_FALSE(fleet_->InfoOf(agent)->facts().environment().contains("cloned"));
  agent.Stop();
  // And for an image.
  EXPECT_EQ(command("forget-identity").status(), 0);
  EXPECT_THAT(Names(agent.LinkDirectory()), IsEmpty());
}

TEST_F(RetireTest, AgentBehindAProxyEnrolsAndAnswers) {
  const ConnectProxy proxy({.authorization = "Basic dTpw"});
  Agent& agent = fleet_->AddAgent(
      {.name = "behind", .settings = StrCat("proxy = \"http://u:p@", proxy.address(), "\"\n")});
  agent.Start();
  ASSERT_TRUE(fleet_->WaitUntilOnline(agent)) << agent.process().Output();
  EXPECT_GE(proxy.tunnels(), 2);
  EXPECT_THAT(agent.process().Output(), Not(HasSubstr("u:p")));
}

}  // namespace
}  // namespace dragnet::testing
