#include <gtest/gtest.h>

#include "console/testing/sample.pb.h"
#include "console/tui/testing/tui_fixture.h"

namespace dragnet::console::tui {
namespace {

class FormViewTest : public testing::TuiTest {
 protected:
  void Command(std::string_view line) {
    Press(U':');
    Type(line);
    Press(Key::Code::kEnter);
  }
  size_t Launched() {
    absl::MutexLock lock(&client_->mutex);
    return client_->launched.size();
  }
  v1::Action LaunchedAction() {
    absl::MutexLock lock(&client_->mutex);
    return *ParseAction(ParseEnvelope(client_->launched.at(0), kActionPayloadType)->payload());
  }
  // The policy has come: weights are known.
  ::testing::AssertionResult Ready() { return Shows("your signature is enough"); }
};

TEST_F(FormViewTest, AModuleIsChosenAndItsFieldsAreShownWithTheirHelp) {
  PinRoots();
  StartConsole();
  Press(U'3');
  EXPECT_TRUE(Shows("Looks for samples"));
  Press(Key::Code::kEnter);
  EXPECT_TRUE(Shows("--path"));
  EXPECT_TRUE(Shows("Directory or file to start at"));
  EXPECT_TRUE(Shows("dragnet sample"));
  // A wide window has room for help beside the form.
  EXPECT_TRUE(Shows("A second paragraph over two lines:", 160, 48));
}

TEST_F(FormViewTest, ALineFillsTheFormAndOnlyAYesLaunchesIt) {
  PinRoots();
  StartConsole();
  Command("sample --path /etc --name '^passwd$' -t \"os='linux'\"");
  EXPECT_TRUE(Shows("dragnet sample --path /etc --name '^passwd$'"));
  ASSERT_TRUE(Ready());
  Press(Key::Code::kEnter);
  EXPECT_TRUE(Shows("Sign and launch?"));
  Press(U'n');
  EXPECT_EQ(Launched(), 0u);
  // Not lost.
  EXPECT_TRUE(Shows("dragnet sample --path /etc"));
  PressControl(U's');
  ASSERT_TRUE(Shows("Sign and launch?"));
  Press(U'y');
  ASSERT_TRUE(loop_.WorkUntil([&] { return Launched() == 1; }));
  const v1::Action action = LaunchedAction();
  EXPECT_EQ(action.target(), "os='linux'");
  EXPECT_EQ(action.name(), "sample --path /etc --name '^passwd$'");
  console::testing::SampleParameters parameters;
  ASSERT_TRUE(parameters.ParseFromString(action.operations(0).parameters()));
  EXPECT_EQ(parameters.path(0), "/etc");
}

TEST_F(FormViewTest, ALineWithAMistakeStaysToBeMended) {
  StartConsole();
  Command("sample --nosuch x");
  EXPECT_TRUE(Shows("--nosuch: no such flag of sample"));
  EXPECT_TRUE(Shows(":sample --nosuch x"));
}

TEST_F(FormViewTest, AMistakeIsShownWhileItIsTyped) {
  PinRoots();
  StartConsole();
  Command("sample --max-depth 3");
  ASSERT_TRUE(Ready());
  Press(U't');
  Type("os=");
  EXPECT_TRUE(Shows("✗ target expression: "));
  Type("'linux'");
  ASSERT_TRUE(Shows("os='linux'  reaches no agent"));
  EXPECT_EQ(Screen().find("✗"), std::string::npos) << Screen();
}

TEST_F(FormViewTest, TheReachFollowsTheTarget) {
  for (const char* name : {"web1", "web2"}) {
    v1::AgentInfo agent;
    agent.mutable_facts()->set_name(name);
    agent.set_state(v1::AgentInfo::STATE_ONLINE);
    client_->agents.push_back(agent);
  }
  client_->search =
      [this](const std::string& target) -> absl::StatusOr<std::vector<v1::AgentInfo>> {
    if (target == "true") return client_->agents;
    if (target == "name='web1'") return std::vector<v1::AgentInfo>{client_->agents.front()};
    return absl::InvalidArgumentError("target expression: the scheduler doesn't like it");
  };
  StartConsole();
  Command("sample --path /");
  EXPECT_TRUE(Shows("reaches 2 agents, 2 online"));
  Press(U't');
  Type("name='web1'");
  EXPECT_TRUE(Shows("reaches 1 agent, 1 online"));
  Type(" or 1");
  EXPECT_TRUE(Shows("the scheduler doesn't like it"));
}

TEST_F(FormViewTest, WhatIsTypedIsKeptWhenAnotherOneIsBegun) {
  StartConsole();
  Command("sample --path /first");
  EXPECT_TRUE(Shows("dragnet sample --path /first"));
  Press(U'1');
  Command("sample --path /second");
  EXPECT_TRUE(Shows("dragnet sample --path /second"));
  Press(Key::Code::kEscape);
  EXPECT_TRUE(Shows("dragnet sample --path /first"));
  EXPECT_TRUE(Shows("dragnet sample --path /second"));
  Press(Key::Code::kHome);
  Press(Key::Code::kEnter);
  EXPECT_TRUE(Shows("New: sample"));
  EXPECT_TRUE(Shows("/second"));
}

TEST_F(FormViewTest, ValuesAreAddedAndTakenAway) {
  StartConsole();
  Command("sample --path /a");
  EXPECT_TRUE(Shows("dragnet sample --path /a"));
  Press(U'a');
  Type("/b");
  Press(Key::Code::kEnter);
  EXPECT_TRUE(Shows("dragnet sample --path /a --path /b"));
  Press(U'd');
  EXPECT_NE(Screen().find("--path /a\n"), std::string::npos) << Screen();
}

TEST_F(FormViewTest, WhatOneSignatureIsNotEnoughForIsProposedForADay) {
  PinRoots();
  v1::TrustPolicy policy = Policy();
  for (v1::ModulePolicy& module : *policy.mutable_modules())
    if (module.module() == "sample") module.set_minimum_weight(2);
  client_->policy = fleet_.SignedPolicy(policy);
  StartConsole();
  Command("sample --path /etc");
  EXPECT_TRUE(Shows("needs weight 2 for sample, your signature gives 1", 160, 48));
  PressControl(U's');
  ASSERT_TRUE(Shows("Sign and propose?", 160, 48));
  Press(U'y');
  const auto proposed = [&] {
    absl::MutexLock lock(&client_->mutex);
    return client_->proposed;
  };
  ASSERT_TRUE(loop_.WorkUntil([&] { return proposed().size() == 1; }));
  EXPECT_EQ(Launched(), 0u);
  const v1::Action action =
      *ParseAction(ParseEnvelope(proposed().front(), kActionPayloadType)->payload());
  const absl::Duration left = *ToTime(action.expires()) - absl::Now();
  EXPECT_GT(left, absl::Hours(23));
  EXPECT_TRUE(Shows("Nothing waits for a signature"));
}

TEST_F(FormViewTest, AKeyThatIsNotOnesOwnLaunchesNothing) {
  PinRoots();
  v1::TrustPolicy policy = fleet_.PolicyProto();
  dragnet::testing::Fleet::AddModule("sample", 1, {{"alice", 1}}, &policy);
  // The policy has another key for alice than the one that this console holds.
  policy.mutable_investigators(0)->mutable_keys(0)->set_spki(
      dragnet::testing::NewKey().public_key().spki());
  client_->policy = fleet_.SignedPolicy(policy);
  StartConsole();
  Command("sample --path /etc");
  ASSERT_TRUE(Ready());
  PressControl(U's');
  ASSERT_TRUE(Shows("Sign and launch?"));
  Press(U'y');
  EXPECT_TRUE(Shows("the key that signed is not alice's"));
  EXPECT_EQ(Launched(), 0u);
}

TEST_F(FormViewTest, ASchedulerThatIsAwayLosesNothing) {
  PinRoots();
  StartConsole();
  Command("sample --path /etc");
  ASSERT_TRUE(Ready());
  client_->BreakStreams(absl::UnavailableError("connection to localhost:1 lost"));
  PressControl(U's');
  EXPECT_TRUE(Shows("connection to localhost:1 lost"));
  EXPECT_EQ(Launched(), 0u);
  EXPECT_NE(Screen().find("dragnet sample --path /etc"), std::string::npos);
}

TEST_F(FormViewTest, TheQuestionIsSeenBelowALongDocument) {
  PinRoots();
  StartConsole();
  Command("sample --path /" + std::string(60, 'a') + " --path /" + std::string(200, 'b'));
  ASSERT_TRUE(Ready());
  PressControl(U's');
  EXPECT_TRUE(Shows("Sign and launch?", 80, 40));
}

TEST_F(FormViewTest, ATemplateIsSavedAndFoundAgain) {
  std::string directory = ::testing::TempDir() + "/form-XXXXXX";
  directory_ = ::mkdtemp(directory.data());
  StartConsole();
  Command("sample --path /srv");
  EXPECT_TRUE(Shows("dragnet sample --path /srv"));
  Command("save shells");
  EXPECT_TRUE(Shows("saved: "));
  Press(U'3');
  Command("sample --path /srv --expires 2h");
  Command("save timed");
  // Times are not part of one, and that isn't kept quiet.
  EXPECT_TRUE(Shows("saved without --expires 2h: "));
  Press(Key::Code::kEscape);
  EXPECT_TRUE(Shows("template"));
  Command("load shells");
  EXPECT_TRUE(Shows("shells.json"));
  Command("load nosuch");
  EXPECT_TRUE(Shows("No such file or directory"));
}

}  // namespace
}  // namespace dragnet::console::tui
