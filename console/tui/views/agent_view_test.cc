#include "console/tui/views/agent_view.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "console/tui/testing/tui_fixture.h"
#include "console/tui/views/agent_facts.h"

namespace dragnet::console::tui {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

class AgentViewTest : public testing::TuiTest {
 protected:
  void OpenAgent() {
    v1::AgentInfo& agent = client_->agents.emplace_back();
    *agent.mutable_facts() = fleet_.Facts();
    (*agent.mutable_facts()->mutable_environment())["init"] = "systemd";
    agent.mutable_facts()->add_modules("file");
    agent.set_state(v1::AgentInfo::STATE_ONLINE);
    agent.set_trust_policy_version(1);
    agent.add_limits("memory at most 512 MiB");
    *agent.mutable_clock_offset() = ToProtoDuration(absl::Seconds(12));
    auto& action = client_->agent_actions.emplace_back();
    action.set_action_id("0192b2a0-0000-7000-8000-000000000001");
    action.set_name("file --path /etc");
    action.set_state(v1::DISPATCH_STATE_FOUND);
    action.set_rows(42);
    *action.mutable_launched_at() = ToTimestamp(absl::Now());
    auto& refusal = client_->refusals.emplace_back();
    refusal.set_action_id("0192b2a0-0000-7000-8000-00000000beef");
    refusal.mutable_refusal()->set_reason(v1::Refusal::REASON_INSUFFICIENT_WEIGHT);
    refusal.mutable_refusal()->set_detail("weight 1 of 2\x1b[31m for module memory");
    *refusal.mutable_refusal()->mutable_refused_at() = ToTimestamp(absl::Now());
    StartConsole();
    ASSERT_TRUE(Shows("1 agent"));
    Press(Key::Code::kEnter);
    ASSERT_TRUE(Shows("Agent web1"));
  }
};

TEST_F(AgentViewTest, ShowsFactsInGroupsAndWhatToLookAt) {
  OpenAgent();
  EXPECT_TRUE(Shows("! 1 thing to look at"));
  const std::string screen = Screen(80, 40);
  EXPECT_THAT(screen, HasSubstr("Its clock is 12s ahead of the scheduler's"));
  EXPECT_THAT(screen, HasSubstr("systemd"));
  EXPECT_THAT(screen, HasSubstr("memory at most 512 MiB"));
}

TEST_F(AgentViewTest, TabGoesToActionsAndRefusals) {
  OpenAgent();
  Press(Key::Code::kTab);
  EXPECT_TRUE(Shows("[Actions 1]"));
  EXPECT_TRUE(Shows("file --path /etc"));
  EXPECT_TRUE(Shows("found"));
  Press(Key::Code::kTab);
  EXPECT_TRUE(Shows("[Refusals 1]"));
  EXPECT_TRUE(Shows("insufficient weight: weight 1 of 2\\x1b[31m for module memory"));
  Press(Key::Code::kTab);
  EXPECT_TRUE(Shows("[Facts]"));
}

TEST_F(AgentViewTest, AWideWindowShowsFactsAndActionsTogether) {
  OpenAgent();
  EXPECT_TRUE(Shows("file --path /etc", 160, 48));
  EXPECT_THAT(Screen(160, 48), HasSubstr("systemd"));
}

TEST_F(AgentViewTest, AnAgentThatIsGoneIsSaid) {
  OpenAgent();
  {
    absl::MutexLock lock(&client_->mutex);
    client_->agents.clear();
  }
  v1::Activity activity;
  activity.set_agents(true);
  client_->Announce(activity);
  EXPECT_TRUE(Shows("knows no agent"));
}

TEST(AgentWarningsTest, AHealthyAgentHasNone) {
  v1::AgentInfo info;
  info.set_state(v1::AgentInfo::STATE_ONLINE);
  info.set_trust_policy_version(3);
  *info.mutable_clock_offset() = ToProtoDuration(-absl::Seconds(5));
  EXPECT_THAT(AgentWarnings(info, 3), IsEmpty());
  EXPECT_THAT(AgentWarnings(info, 0), IsEmpty());
}

TEST(AgentWarningsTest, ClockPolicyWallsAndDuplicatesAreSaid) {
  v1::AgentInfo info;
  info.set_state(v1::AgentInfo::STATE_DUPLICATE);
  info.set_trust_policy_version(2);
  *info.mutable_clock_offset() = ToProtoDuration(-absl::Minutes(3));
  info.add_missing_walls("landlock");
  EXPECT_THAT(AgentWarnings(info, 3),
              ElementsAre(HasSubstr("Two hosts"), HasSubstr("3m behind"),
                          HasSubstr("version 2; the newest is 3"), HasSubstr("landlock")));
}

}  // namespace
}  // namespace dragnet::console::tui
