#include "console/tui/views/fleet_view.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/strings/numbers.h"
#include "console/tui/testing/tui_fixture.h"
#include "core/target.h"

namespace dragnet::console::tui {
namespace {

using ::testing::Contains;
using ::testing::HasSubstr;
using ::testing::Not;

// Gives its agents in pages, as the real scheduler does.
class PagingClient : public testing::FakeClient {
 public:
  absl::StatusOr<v1::SearchAgentsResponse> SearchAgents(
      const v1::SearchAgentsRequest& request) override {
    absl::StatusOr<v1::SearchAgentsResponse> all = FakeClient::SearchAgents(request);
    if (!all.ok() || request.count_only()) return all;
    absl::MutexLock lock(&mutex);
    most_asked = std::max(most_asked, request.page_size());
    int first = 0;
    if (!request.page_token().empty() && !absl::SimpleAtoi(request.page_token(), &first))
      return absl::InvalidArgumentError("not a page");
    const int end = std::min(first + static_cast<int>(request.page_size()), all->agents_size());
    v1::SearchAgentsResponse page;
    for (int i = first; i < end; ++i) *page.add_agents() = all->agents(i);
    if (end < all->agents_size() || endless) page.set_next_page_token(StrCat(end));
    page.set_total(all->total());
    page.set_connected(all->connected());
    return page;
  }
  uint32_t most_asked = 0;
  bool endless = false;
};

class FleetViewTest : public testing::TuiTest {
 protected:
  v1::AgentInfo Agent(const std::string& name, v1::AgentInfo::State state) {
    v1::AgentInfo info;
    info.mutable_facts()->set_id(StrCat("id-", client_->agents.size()));
    info.mutable_facts()->set_name(name);
    info.mutable_facts()->set_os("linux");
    info.mutable_facts()->set_distribution("debian");
    info.mutable_facts()->set_distribution_version("12");
    info.mutable_facts()->set_version("0.3.0");
    (*info.mutable_facts()->mutable_tags())["env"] = "prod";
    info.set_state(state);
    info.set_trust_policy_version(1);
    *info.mutable_last_seen() = ToTimestamp(absl::Now() - absl::Hours(30));
    return info;
  }
  // The fake scheduler evaluates targets as the real one does.
  void EvaluateTargets() {
    client_->search =
        [this](const std::string& target) -> absl::StatusOr<std::vector<v1::AgentInfo>> {
      std::vector<v1::AgentInfo> chosen;
      for (const v1::AgentInfo& agent : client_->agents) {
        if (target.empty()) {
          chosen.push_back(agent);
          continue;
        }
        const absl::StatusOr<bool> matches = TargetMatches(target, agent.facts());
        if (!matches.ok()) return matches.status();
        if (*matches) chosen.push_back(agent);
      }
      return chosen;
    };
  }
  void SmallFleet() {
    client_->agents.push_back(Agent("web1", v1::AgentInfo::STATE_ONLINE));
    client_->agents.push_back(Agent("web10", v1::AgentInfo::STATE_ONLINE));
    client_->agents.push_back(Agent("web2", v1::AgentInfo::STATE_OFFLINE));
    client_->agents.push_back(Agent("db_1", v1::AgentInfo::STATE_REVOKED));
    EvaluateTargets();
  }
  size_t Asked() {
    absl::MutexLock lock(&client_->mutex);
    return client_->targets.size();
  }
};

TEST_F(FleetViewTest, EveryStateIsToldByWordAndSignAndCounted) {
  SmallFleet();
  StartConsole();
  ASSERT_TRUE(Shows("4 agents"));
  const std::string screen = Screen();
  EXPECT_THAT(screen, HasSubstr("● 2 online"));
  EXPECT_THAT(screen, HasSubstr("· 1 offline"));
  EXPECT_THAT(screen, HasSubstr("x 1 revoked"));
  EXPECT_THAT(screen, HasSubstr("debian 12"));
  EXPECT_THAT(screen, HasSubstr("env=prod"));
  EXPECT_THAT(screen, HasSubstr("30 h"));
  EXPECT_LT(screen.find("web2"), screen.find("web10"));
}

TEST_F(FleetViewTest, SortsByTheNextColumnAndTheOtherWayRound) {
  SmallFleet();
  StartConsole();
  ASSERT_TRUE(Shows("4 agents"));
  ASSERT_TRUE(Shows("name▲"));
  Press(U'S');
  EXPECT_TRUE(Shows("name▼"));
  EXPECT_GT(Screen().find("web2"), Screen().find("web10"));
  Press(U's');
  EXPECT_TRUE(Shows("state▲"));
}

TEST_F(FleetViewTest, TheCountFollowsWhatIsTyped) {
  SmallFleet();
  StartConsole();
  ASSERT_TRUE(Shows("4 agents"));
  Press(U'/');
  Type("web");
  EXPECT_TRUE(Shows("3 agents, 2 online"));
  EXPECT_THAT(Screen(), HasSubstr("by name: name like '%web%'"));
  Type("1");
  EXPECT_TRUE(Shows("2 agents, 2 online"));
  EXPECT_TRUE(Shows("2 of 4 agents"));
  Press(Key::Code::kEnter);
  EXPECT_TRUE(Shows("Fleet: name like '%web1%'"));
  EXPECT_THAT(Screen(), Not(HasSubstr("db_1")));
  Press(Key::Code::kEscape);
  EXPECT_TRUE(Shows("db_1"));
}

TEST_F(FleetViewTest, WhatIsWrongWithAnExpressionIsSaidBelowItAndTheListStays) {
  SmallFleet();
  StartConsole();
  ASSERT_TRUE(Shows("4 agents"));
  Press(U'/');
  Type("nosuchcolumn=1");
  EXPECT_TRUE(Shows("no such column"));
  EXPECT_THAT(Screen(), HasSubstr("web10"));
  // It isn't taken like that.
  Press(Key::Code::kEnter);
  EXPECT_THAT(Screen(), HasSubstr("no such column"));
  Press(Key::Code::kEscape);
  EXPECT_THAT(Screen(), Not(HasSubstr("no such column")));
}

TEST_F(FleetViewTest, EscapeGoesBackToTheFilterThatWas) {
  SmallFleet();
  StartConsole();
  ASSERT_TRUE(Shows("4 agents"));
  Press(U'/');
  Type("db");
  Press(Key::Code::kEnter);
  ASSERT_TRUE(Shows("1 of 4 agents"));
  Press(U'/');
  Type("x");
  EXPECT_TRUE(Shows("no agent that the scheduler knows now"));
  Press(Key::Code::kEscape);
  EXPECT_TRUE(Shows("1 of 4 agents"));
  Press(U'y');
  EXPECT_TRUE(Shows("name like '%db%'"));
}

TEST_F(FleetViewTest, NamesFromHostsBreakNothing) {
  client_->agents.push_back(Agent("evil\x1b[2J\r\n\x07name", v1::AgentInfo::STATE_ONLINE));
  client_->agents.push_back(Agent("\xe2\x80\xaertl", v1::AgentInfo::STATE_ONLINE));
  client_->agents.push_back(
      Agent("漢字漢字漢字漢字漢字漢字漢字漢字漢字漢字漢字漢字漢字", v1::AgentInfo::STATE_ONLINE));
  client_->agents.push_back(
      Agent("e" + std::string(400, '\xcc') + "\x81", v1::AgentInfo::STATE_ONLINE));
  StartConsole();
  ASSERT_TRUE(Shows("4 agents"));
  const std::string screen = Screen();
  EXPECT_EQ(screen.find('\x1b'), std::string::npos);
  EXPECT_THAT(screen, HasSubstr("evil\\x1b"));
  EXPECT_THAT(screen, HasSubstr("\\u202ertl"));
  // Each of the four has its state where it belongs.
  Surface surface(80, 24);
  app_->Draw(&surface);
  int states = 0;
  int column = -1;
  for (int y = 4; y < 8; ++y) {
    for (int x = 0; x < 80; ++x) {
      if (surface.At(x, y).character != U'●') continue;
      EXPECT_TRUE(column == -1 || column == x);
      column = x;
      ++states;
    }
  }
  EXPECT_EQ(states, 4);
}

TEST_F(FleetViewTest, WhatIsHiddenAsksNothing) {
  SmallFleet();
  StartConsole();
  ASSERT_TRUE(Shows("4 agents"));
  Press(U'2');
  const size_t asked = Asked();
  {
    absl::MutexLock lock(&client_->mutex);
    client_->agents.push_back(Agent("new1", v1::AgentInfo::STATE_ONLINE));
    client_->actions.emplace_back().set_name("arrived");
  }
  v1::Activity activity;
  activity.set_agents(true);
  activity.add_action_ids("one");
  client_->Announce(activity);
  ASSERT_TRUE(Shows("broken"));
  EXPECT_EQ(Asked(), asked);
  Press(U'1');
  EXPECT_TRUE(Shows("new1"));
}

TEST_F(FleetViewTest, SearchesThatFailAreSaid) {
  SmallFleet();
  client_->search = [](const std::string&) -> absl::StatusOr<std::vector<v1::AgentInfo>> {
    return absl::ResourceExhaustedError("too many at once");
  };
  StartConsole();
  EXPECT_TRUE(Shows("too many at once"));
}

TEST_F(FleetViewTest, AnAgentBehindTheTrustPolicyIsMarked) {
  SmallFleet();
  client_->agents[0].set_trust_policy_version(0);
  PinRoots();
  StartConsole();
  EXPECT_TRUE(Shows("policy"));
  EXPECT_TRUE(Shows("none"));
}

TEST_F(FleetViewTest, ALargeFleetComesInPages) {
  const auto client = std::make_shared<PagingClient>();
  client_ = client;
  for (int i = 0; i < 10'000; ++i)
    client_->agents.push_back(Agent(StrCat("host", i), v1::AgentInfo::STATE_ONLINE));
  StartConsole();
  ASSERT_TRUE(Shows("● 10000 online"));
  EXPECT_LE(client->most_asked, 1000u);
  Press(U'G');
  EXPECT_TRUE(Shows("host9999"));
  // Each key is drawn: what one row costs doesn't depend on how many there are.
  for (int i = 0; i < 500; ++i) {
    Press(U'k');
    Screen();
  }
  EXPECT_TRUE(Shows("host9499"));
}

TEST_F(FleetViewTest, ASchedulerWhosePagesNeverEndIsNotFollowedForEver) {
  const auto client = std::make_shared<PagingClient>();
  client->endless = true;
  client_ = client;
  SmallFleet();
  StartConsole();
  EXPECT_TRUE(Shows("4 agents  ●"));
}

TEST_F(FleetViewTest, EnterOpensTheAgentsPage) {
  SmallFleet();
  StartConsole();
  ASSERT_TRUE(Shows("4 agents"));
  Press(U'j');
  Press(Key::Code::kEnter);
  EXPECT_TRUE(Shows("Agent web1"));
  Press(Key::Code::kEscape);
  EXPECT_TRUE(Shows("4 agents"));
}

TEST_F(FleetViewTest, FitsIntoTheSmallestWindow) {
  SmallFleet();
  StartConsole();
  EXPECT_TRUE(Shows("web10", 40, 10));
  EXPECT_TRUE(Shows("4 agents", 40, 8));
}

}  // namespace
}  // namespace dragnet::console::tui
