#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "console/sweeps/score.h"
#include "console/sweeps/testing.h"
#include "console/tui/testing/tui_fixture.h"
#include "console/tui/widgets/verdict_bar.h"
#include "core/order.h"
#include "modules/module.h"

namespace dragnet::console::tui {
namespace {

using console::testing::Change;
using console::testing::Untold;
using console::testing::Verdict;
using ::testing::HasSubstr;
using ::testing::Not;

class SweepsViewTest : public testing::TuiTest {
 protected:
  // A sweep of two checks over three hosts, signed by `keys`.
  void MakeSweep(const std::vector<const PrivateKey*>& keys) {
    sweep_ = console::testing::SampleSweep(fleet_, console::testing::SamplePack());
    v1::GetSweepResponse& told = client_->sweep;
    v1::SweepInfo& info = *told.mutable_sweep();
    v1::ActionInfo& action = *info.mutable_action();
    action.set_action_id(sweep_.id());
    action.set_name(sweep_.name());
    action.set_envelope(fleet_.SignedAction(sweep_, keys));
    action.set_phase(v1::DISPATCH_PHASE_OPEN);
    action.set_launched_by("alice");
    *action.mutable_launched_at() = ToTimestamp(absl::Now());
    *info.mutable_next() = ToTimestamp(absl::Now() + absl::Hours(3) + absl::Minutes(1));
    info.mutable_verdicts()->set_passed(4);
    info.mutable_verdicts()->set_failed(1);
    info.mutable_verdicts()->set_unknown(1);
    info.mutable_agents()->set_failed(1);
    info.mutable_agents()->set_unknown(1);
    info.mutable_agents()->set_passed(1);
    info.set_agents_silent(1);
    for (const auto& [check, failed] : {std::pair("root-login", 0), std::pair("host-keys", 1)}) {
      auto* counts = told.add_checks();
      counts->set_check(check);
      counts->mutable_verdicts()->set_passed(2);
      counts->mutable_verdicts()->set_failed(static_cast<uint64_t>(failed));
    }
    for (int day = 0; day < 3; ++day) {
      v1::SweepRun& run = *told.add_runs();
      const int64_t seconds = absl::ToUnixSeconds(absl::Now()) - 86400 * (day + 1);
      run.mutable_occurrence()->set_seconds(seconds);
      run.set_action_id(StrCat(sweep_.id(), "@", seconds));
      run.mutable_verdicts()->set_passed(static_cast<uint64_t>(6 - day));
      run.mutable_verdicts()->set_failed(static_cast<uint64_t>(day));
    }
    *info.mutable_last() = told.runs(0);
    client_->sweeps = {info};
    client_->actions = {action};
    v1::SweepVerdict failed = Verdict("web-7\x1b[2J", "host-keys", "fail");
    failed.add_evidence("{\"path\":\"/etc/ssh/key\x1b]0;\"}");
    v1::SweepVerdict silent = Verdict("lap-4", "root-login", "pass");
    silent.set_silent(true);
    client_->verdicts = {failed, Verdict("db-1", "root-login", "unknown"), silent};
    client_->changes = {Change("web-7", "host-keys", "pass", "fail",
                               client_->sweep.runs(0).occurrence().seconds())};
  }
  void Open() {
    PinRoots();
    StartConsole();
    Press(U'5');
    ASSERT_TRUE(Shows("sweep: SSH"));
    ASSERT_TRUE(
        loop_.WorkUntil([&] { return Screen(160, 48).find("not verified") == std::string::npos; }));
  }
  void OpenSweep() {
    Open();
    Press(Key::Code::kEnter);
    ASSERT_TRUE(Shows("host-keys"));
  }

  void Configure(Backend::Parts* parts) override { parts->modules = &catalog_; }

  const ModuleCatalog catalog_{AllModules(), ModuleDescriptorSet};
  v1::Action sweep_;
};

TEST_F(SweepsViewTest, ListsScheduleScoreAndTrend) {
  MakeSweep({&fleet_.alice});
  Open();
  EXPECT_TRUE(Shows("66.6%"));
  EXPECT_TRUE(Shows("in 3 h"));
  EXPECT_TRUE(Shows("▁▄█"));
  EXPECT_THAT(Screen(), HasSubstr("at 03:00 every day (UTC)"));
  EXPECT_THAT(Screen(), HasSubstr("x 1 fail"));
  EXPECT_TRUE(Shows("sweep: SSH", 40, 8));
}

TEST_F(SweepsViewTest, OneThatNobodySignedIsMarked) {
  MakeSweep({});
  PinRoots();
  StartConsole();
  Press(U'5');
  EXPECT_TRUE(Shows("✗ unsigned"));
  Press(U'R');
  EXPECT_TRUE(Shows("don't trust this scheduler", 160));
  absl::MutexLock lock(&client_->mutex);
  EXPECT_TRUE(client_->launched.empty());
}

TEST_F(SweepsViewTest, ChecksComeWorstFirstAndOpenWithTheirEvidence) {
  MakeSweep({&fleet_.alice});
  OpenSweep();
  const std::string screen = Screen();
  EXPECT_LT(screen.find("host-keys"), screen.find("root-login"));
  Press(Key::Code::kEnter);
  ASSERT_TRUE(Shows("Remedy for host-keys"));
  EXPECT_THAT(Screen(), HasSubstr("web-7\\x1b[2J"));
  EXPECT_THAT(Screen(), HasSubstr("/etc/ssh/key\\x1b]0;"));
  Press(Key::Code::kEscape);
  EXPECT_TRUE(Shows(" Checks "));
}

TEST_F(SweepsViewTest, TabTurnsToHostsChangesRunsDocument) {
  MakeSweep({&fleet_.alice});
  OpenSweep();
  Press(Key::Code::kTab);
  EXPECT_TRUE(Shows("lap-4"));
  EXPECT_THAT(Screen(), HasSubstr("silent"));
  EXPECT_THAT(Screen(), Not(HasSubstr("\x1b")));
  Press(Key::Code::kTab);
  EXPECT_TRUE(Shows("newly failing"));
  EXPECT_THAT(Screen(), HasSubstr("silent host"));
  Press(Key::Code::kTab);
  EXPECT_TRUE(Shows("100.0%"));
  Press(Key::Code::kTab);
  EXPECT_TRUE(Shows("First runs"));
  Press(Key::Code::kTab);
  EXPECT_TRUE(Shows("host-keys"));
}

TEST_F(SweepsViewTest, HostsThatNeverToldAreSilent) {
  MakeSweep({&fleet_.alice});
  client_->sweep.mutable_sweep()->set_agents_without_it(3);
  client_->sweeps[0].set_agents_without_it(40);
  client_->verdicts.push_back(Untold("off-9", "it refused\x1b[2J the sweep"));
  Open();
  EXPECT_TRUE(Shows(" 41 "));
  Press(Key::Code::kEnter);
  ASSERT_TRUE(Shows("3 without it", 160));
  Press(Key::Code::kEnter);
  ASSERT_TRUE(Shows("Remedy for host-keys"));
  EXPECT_THAT(Screen(), HasSubstr("silent  off-9"));
  EXPECT_THAT(Screen(), HasSubstr("it refused\\x1b[2J the sweep"));
  Press(Key::Code::kEscape);
  Press(Key::Code::kTab);
  EXPECT_TRUE(Shows("off-9"));
}

TEST_F(SweepsViewTest, WhatIsLeftOutIsSaid) {
  MakeSweep({&fleet_.alice});
  client_->sweeps_left_out = 12;
  client_->changes.resize(100'001, client_->changes[0]);
  Open();
  EXPECT_TRUE(Shows("12 more are not in this list"));
  Press(Key::Code::kEnter);
  ASSERT_TRUE(Shows("host-keys"));
  Press(Key::Code::kTab);
  Press(Key::Code::kTab);
  EXPECT_TRUE(Shows("the newest 100000 changes only"));
}

TEST_F(SweepsViewTest, ARunOpensAsAnAction) {
  MakeSweep({&fleet_.alice});
  OpenSweep();
  for (int i = 0; i < 3; ++i) Press(Key::Code::kTab);
  ASSERT_TRUE(Shows("100.0%"));
  const std::string run = client_->sweep.runs(0).action_id();
  {
    absl::MutexLock lock(&client_->mutex);
    v1::ActionInfo info = client_->actions[0];
    info.set_action_id(run);
    client_->actions.insert(client_->actions.begin(), info);
  }
  Press(Key::Code::kEnter);
  EXPECT_TRUE(Shows(run, 160));
  ASSERT_TRUE(loop_.WorkUntil([&] {
    absl::MutexLock lock(&client_->mutex);
    return !client_->watched.empty();
  }));
  {
    absl::MutexLock lock(&client_->mutex);
    EXPECT_EQ(client_->watched[0].action_id(), run);
  }
  EXPECT_TRUE(Shows("signed by alice"));
  Press(U'P');
  EXPECT_TRUE(Shows("A run takes no orders"));
}

TEST_F(SweepsViewTest, RemovingAsksAndSignsACancellation) {
  MakeSweep({&fleet_.alice});
  Open();
  Press(U'x');
  ASSERT_TRUE(Shows("Cancel: sweep: SSH"));
  Press(Key::Code::kEnter);
  ASSERT_TRUE(Shows("can't be undone"));
  Press(U'y');
  ASSERT_TRUE(Shows("Cancelled: "));
  absl::MutexLock lock(&client_->mutex);
  ASSERT_EQ(client_->orders.size(), 1u);
  const v1::Order order =
      *ParseOrder(ParseEnvelope(client_->orders[0], kOrderPayloadType)->payload());
  EXPECT_EQ(order.kind(), v1::Order::KIND_CANCEL);
  EXPECT_EQ(order.action_id(), sweep_.id());
}

TEST_F(SweepsViewTest, NewsAreShownByThemselves) {
  MakeSweep({&fleet_.alice});
  Open();
  {
    absl::MutexLock lock(&client_->mutex);
    client_->sweeps[0].mutable_verdicts()->set_passed(0);
  }
  v1::Activity activity;
  activity.add_action_ids(StrCat(sweep_.id(), "@1800000000"));
  client_->Announce(activity);
  EXPECT_TRUE(Shows(" 0.0%"));
}

TEST(SparklineTest, BetweenLowestAndHighest) {
  EXPECT_EQ(Sparkline({900, 950, 1000}, 10), "▁▄█");
  EXPECT_EQ(Sparkline({1000, 1000}, 10), "██");
  EXPECT_EQ(Sparkline({0, std::nullopt, 1000}, 2), "·█");
  EXPECT_EQ(Sparkline({}, 5), "");
}

TEST(VerdictBarTest, EveryKindHasAtLeastAColumn) {
  v1::VerdictCounts counts;
  counts.set_passed(100'000);
  counts.set_failed(1);
  counts.set_unknown(1);
  Surface surface(10, 1);
  DrawVerdictBar(Canvas(&surface), counts);
  EXPECT_EQ(surface.ToText(), "████████x!\n");
}

}  // namespace
}  // namespace dragnet::console::tui
