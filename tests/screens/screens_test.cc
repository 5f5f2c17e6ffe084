// The console as people see it: the real program in a real terminal, against a
// real scheduler with a small swarm. Screens are compared with tests/screens/golden;
// DRAGNET_UPDATE_SCREENS=1 writes them anew, to be looked at before they are kept.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <cstdlib>
#include <filesystem>
#include <memory>

#include "core/action.h"
#include "core/strings.h"
#include "tests/harness/files.h"
#include "tests/harness/fleet.h"
#include "tests/harness/people.h"
#include "tests/harness/tmux.h"

namespace dragnet::testing {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

constexpr uint32_t kAgents = 20;

// What ages while the test runs, by signs of the same width.
std::string WithoutAges(const std::string& screen) { return Normalised(screen); }

class ScreensTest : public ::testing::Test {
 protected:
  void StartFleet() {
    const Finished prepared =
        RunToEnd({TestProgramPath("dragnet-swarm"), "prepare", "--fleet", fleet_.directory(),
                  "--seed", "4", "--agents", StrCat(kAgents)});
    ASSERT_EQ(prepared.status(), 0) << prepared.err;
    fleet_.StartScheduler();
    Command command;
    command.arguments = {TestProgramPath("dragnet-swarm"),
                         "run",
                         "--fleet",
                         fleet_.directory(),
                         "--seed",
                         "4",
                         "--agents",
                         StrCat(kAgents),
                         "--for",
                         "5m"};
    swarm_ = std::make_unique<Process>(command, fleet_.temporary() + "/swarm.log");
    ASSERT_TRUE(Eventually([&] {
      const auto found = fleet_.api().SearchAgents("true");
      return found.ok() && found->connected() == kAgents;
    })) << swarm_->Output();
  }

  // Every agent finds three files.
  std::string Investigate(const std::string& name) {
    v1::Action action = fleet_.forge().NewAction("/etc");
    action.set_name(name);
    action.set_description("swarm: rows=3 row_bytes=120");
    const auto launched = fleet_.api().Launch(fleet_.forge().Sign(action));
    EXPECT_TRUE(launched.ok()) << launched.status();
    EXPECT_TRUE(Eventually([&] {
      const auto info = fleet_.api().GetAction(action.id());
      return info.ok() && info->progress().found() + info->progress().incomplete() == kAgents;
    }));
    return action.id();
  }

  std::unique_ptr<Tmux> Console(TmuxOptions options = {}, std::string config = "") {
    if (config.empty()) config = fleet_.console_config();
    options.environment.push_back("DRAGNET_CONFIG=" + config);
    options.environment.push_back("XDG_STATE_HOME=" + fleet_.temporary() + "/state");
    options.environment.push_back("TZ=UTC");
    auto console = std::make_unique<Tmux>(std::vector<std::string>{"dragnet", "console"}, options);
    EXPECT_TRUE(console->Shows("●"));
    return console;
  }

  static void ExpectGolden(const std::string& name, Tmux& console) {
    const std::string screen = WithoutAges(console.Settled());
    const std::string path = StrCat(GOLDEN_SCREENS, "/", name, ".txt");
    if (std::getenv("DRAGNET_UPDATE_SCREENS") != nullptr) {
      Write(path, screen);
      return;
    }
    ASSERT_TRUE(std::filesystem::exists(path)) << path;
    EXPECT_EQ(screen, Read(path)) << path;
  }

  TestFleet fleet_;
  SecondInvestigator bob_{fleet_};
  std::unique_ptr<Process> swarm_;
};

TEST_F(ScreensTest, AtEightyByTwentyFour) {
  StartFleet();
  Investigate("odd ones in /etc");
  const auto console = Console();
  ASSERT_TRUE(console->Shows("20 agents")) << console->Text();
  ExpectGolden("fleet-80x24", *console);
  console->Press({"2"});
  ASSERT_TRUE(console->Shows("odd ones in /etc"));
  ExpectGolden("actions-80x24", *console);
  console->Press({"Enter"});
  ASSERT_TRUE(console->Shows("[Stacks]"));
  // Paths are drawn from the action's id; hosts are the same each time.
  console->Press({"Tab", "Tab"});
  ASSERT_TRUE(console->Shows("[Hosts 20]"));
  ExpectGolden("action-80x24", *console);
  console->Press({"3"});
  ASSERT_TRUE(console->Shows("netstat"));
  ExpectGolden("new-80x24", *console);
  console->Press({"?"});
  ASSERT_TRUE(console->Shows("Help"));
  ExpectGolden("help-80x24", *console);
}

TEST_F(ScreensTest, AtAHundredAndSixtyByFortyEight) {
  StartFleet();
  Investigate("odd ones in /etc");
  const auto console = Console({.width = 160, .height = 48});
  ASSERT_TRUE(console->Shows("20 agents"));
  ExpectGolden("fleet-160x48", *console);
  console->Press({"2"});
  ASSERT_TRUE(console->Shows("odd ones in /etc"));
  console->Press({"Enter"});
  ASSERT_TRUE(console->Shows("[Stacks]"));
  console->Press({"Tab", "Tab"});
  ASSERT_TRUE(console->Shows("[Hosts 20]"));
  ExpectGolden("action-160x48", *console);
}

TEST_F(ScreensTest, WithoutColoursNothingIsLost) {
  StartFleet();
  Investigate("odd ones in /etc");
  const auto console = Console({.environment = {"NO_COLOR=1"}});
  ASSERT_TRUE(console->Shows("20 agents"));
  console->Press({"2"});
  ASSERT_TRUE(console->Shows("odd ones in /etc"));
  ExpectGolden("actions-no-colour", *console);
  // Of 8, of 256, or of all colours.
  const std::string raw = console->TextWithColours();
  EXPECT_THAT(raw, Not(::testing::ContainsRegex("\x1b\\[([0-9;]*;)?[34][0-8](;|m)")));
}

TEST_F(ScreensTest, AResizedWindowIsDrawnAnew) {
  StartFleet();
  const auto console = Console();
  ASSERT_TRUE(console->Shows("20 agents"));
  const std::string before = WithoutAges(console->Settled());
  console->Resize(160, 48);
  ASSERT_TRUE(console->Shows("20 agents"));
  console->Resize(30, 5);
  ASSERT_TRUE(console->Shows("too small"));
  console->Resize(80, 24);
  ASSERT_TRUE(console->Shows("20 agents"));
  EXPECT_EQ(WithoutAges(console->Settled()), before);
}

TEST_F(ScreensTest, AKilledSchedulerShowsAndComesBack) {
  StartFleet();
  const std::string action = Investigate("odd ones in /etc");
  const auto console = Console();
  ASSERT_TRUE(console->Shows("20 agents"));
  fleet_.KillScheduler();
  ASSERT_TRUE(console->Shows("no scheduler"));
  // What was seen stays readable, and keys work.
  console->Press({"?"});
  EXPECT_TRUE(console->Shows("Help"));
  console->Press({"Escape"});
  fleet_.StartScheduler();
  ASSERT_TRUE(console->ShowsNo("no scheduler"));
  console->Press({"2"});
  EXPECT_TRUE(console->Shows("odd ones in /etc"));
}

TEST_F(ScreensTest, TwoInvestigatorsApproveAtTwoConsoles) {
  fleet_.StartScheduler();
  bob_.BeNeededFor("file");
  Agent& agent = fleet_.AddOnlineAgent({.name = "web1"});
  const std::string files = fleet_.MakeFiles("evidence", 3);
  const auto ida = Console();
  const auto bob = Console({}, bob_.console_config());
  bob->Press({"4"});
  ASSERT_TRUE(bob->Shows("Approvals"));
  ida->Type(StrCat(":file --path ", files));
  ida->Press({"Enter"});
  ASSERT_TRUE(ida->Shows("Launch"));
  ida->Press({"C-s"});
  ASSERT_TRUE(ida->Shows("needs weight 2"));
  // The form says it, too; the question has a "y".
  ASSERT_TRUE(ida->Shows("y yes"));
  EXPECT_EQ(agent.WorkersStarted(), 0U);
  ida->Press({"y"});
  // At once, on the other one's screen.
  ASSERT_TRUE(bob->Shows("Approvals (1)"));
  bob->Press({"s"});
  ASSERT_TRUE(bob->Shows(files.substr(0, 20)));
  ASSERT_TRUE(bob->Shows("y yes"));
  bob->Press({"y"});
  ASSERT_TRUE(bob->ShowsNo("Approvals (1)"));
  ASSERT_TRUE(ida->ShowsNo("Approvals (1)"));
  ida->Press({"2"});
  ASSERT_TRUE(ida->Shows("1 found"));
  EXPECT_EQ(agent.WorkersStarted(), 1U);
}

TEST_F(ScreensTest, NamesOfHostsCantForgeTheScreen) {
  fleet_.StartScheduler();
  const std::string hostile =
      "evil\x1b[2J\x1b]0;owned\x07\xe2\x80\xae"
      "gpj\xcc\x81\xe6\xbc\xa2";
  fleet_.AddOnlineAgent({.name = "web1"});
  // A directory whose files have names that a terminal would obey.
  const std::string directory = fleet_.temporary() + "/hostile";
  MakeDirectory(directory);
  Write(directory + "/" + hostile, "");
  Write(directory + "/two\nlines 99 agents found", "");
  Write(directory + "/broken-\xff\xfe", "");
  const auto launched =
      fleet_.api().Launch(fleet_.forge().Sign(fleet_.forge().NewAction(directory)));
  ASSERT_TRUE(launched.ok()) << launched.status();
  const auto console = Console();
  console->Press({"2"});
  ASSERT_TRUE(console->Shows("1 found"));
  console->Press({"Enter"});
  ASSERT_TRUE(console->Shows("[Stacks]"));
  console->Press({"Tab"});
  ASSERT_TRUE(console->Shows("evil\\x1b[2"));
  ASSERT_TRUE(console->Shows("two\\nlines"));
  const std::string screen = console->Settled();
  EXPECT_THAT(screen, HasSubstr("dragnet"));
  EXPECT_THAT(console->TextWithColours(), Not(HasSubstr("\xe2\x80\xae")));
}

TEST_F(ScreensTest, TheTerminalIsGivenBackAsItWas) {
  fleet_.StartScheduler();
  const auto console = Console();
  console->Press({"Q"});
  ASSERT_TRUE(console->Shows("Leave the console?"));
  console->Press({"y"});
  EXPECT_TRUE(console->Ended());
}

}  // namespace
}  // namespace dragnet::testing
