#include "console/tui/views/actions_view.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/strings/numbers.h"
#include "console/testing/sample.pb.h"
#include "console/tui/testing/tui_fixture.h"
#include "core/order.h"

namespace dragnet::console::tui {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

// Gives its actions in pages, newest first, as the real scheduler does.
class PagingClient : public testing::FakeClient {
 public:
  absl::StatusOr<v1::ListActionsResponse> ListActions(
      const v1::ListActionsRequest& request) override {
    absl::StatusOr<v1::ListActionsResponse> all = FakeClient::ListActions(request);
    if (!all.ok()) return all;
    int first = 0;
    if (!request.page_token().empty() && !absl::SimpleAtoi(request.page_token(), &first))
      return absl::InvalidArgumentError("not a page");
    const int end = std::min(first + static_cast<int>(request.page_size()), all->actions_size());
    v1::ListActionsResponse page;
    for (int i = first; i < end; ++i) *page.add_actions() = all->actions(i);
    if (end < all->actions_size()) page.set_next_page_token(StrCat(end));
    absl::MutexLock lock(&mutex);
    ++pages;
    return page;
  }
  int pages = 0;
};

class ActionsViewTest : public testing::TuiTest {
 protected:
  v1::ActionInfo Info(const std::string& name, const std::vector<const PrivateKey*>& keys) {
    v1::Action action = fleet_.ActionProto("sample");
    action.set_name(name);
    v1::ActionInfo info;
    info.set_action_id(action.id());
    info.set_name(name);
    info.set_envelope(fleet_.SignedAction(action, keys));
    info.set_launched_by("alice");
    info.set_phase(v1::DISPATCH_PHASE_OPEN);
    *info.mutable_launched_at() = ToTimestamp(absl::Now());
    *info.mutable_expires() = action.expires();
    info.mutable_progress()->set_targeted(10);
    info.mutable_progress()->set_found(4);
    info.mutable_progress()->set_running(6);
    info.mutable_progress()->set_rows(7);
    return info;
  }
  void Open(const std::string& first) {
    PinRoots();
    StartConsole();
    Press(U'2');
    ASSERT_TRUE(Shows(first));
    // The policy has come, and they were verified with it.
    ASSERT_TRUE(loop_.WorkUntil([&] {
      const std::string screen = Screen(160, 48);
      return screen.find(first) != std::string::npos &&
             screen.find("not verified") == std::string::npos;
    }));
  }
  std::vector<std::string> Orders() {
    absl::MutexLock lock(&client_->mutex);
    return client_->orders;
  }
};

TEST_F(ActionsViewTest, ShowsHowFarItIsAndWhoSigned) {
  client_->actions = {Info("look for samples", {&fleet_.alice, &fleet_.bob})};
  Open("look for samples");
  EXPECT_TRUE(Shows("alice, bob: enough weight"));
  const std::string screen = Screen();
  EXPECT_THAT(screen, HasSubstr("40%"));
  EXPECT_THAT(screen, HasSubstr("open"));
  EXPECT_THAT(screen, HasSubstr("█ 4 found"));
  EXPECT_THAT(screen, HasSubstr("os='linux'"));
  EXPECT_THAT(Screen(160, 48), HasSubstr("alice, bob"));
  EXPECT_TRUE(Shows("look for", 40, 10));
}

TEST_F(ActionsViewTest, OneThatNobodySignedIsMarkedWhateverTheSchedulerSays) {
  client_->actions = {Info("made up", {})};
  client_->actions[0].add_signed_by("alice");
  Open("✗ unsigned");
}

TEST_F(ActionsViewTest, APartOfAnIdLetsTheSchedulerChooseNoAction) {
  const v1::ActionInfo genuine = Info("must go on", {&fleet_.alice});
  v1::ActionInfo bait = genuine;
  bait.set_action_id(genuine.action_id().substr(0, 1));
  bait.set_name("stop me");
  *bait.mutable_launched_at() = ToTimestamp(absl::Now() + absl::Minutes(1));
  client_->actions = {genuine, bait};
  Open("stop me");
  Press(U'c');
  EXPECT_TRUE(Shows("for the one that was selected", 160));
  EXPECT_EQ(Screen().find("Cancel: must go on"), std::string::npos);
  EXPECT_TRUE(Orders().empty());
}

TEST_F(ActionsViewTest, APauseIsAskedForShownSignedAndSent) {
  client_->actions = {Info("look for samples", {&fleet_.alice})};
  Open("look for samples");
  Press(U'p');
  ASSERT_TRUE(Shows("Pause: look for samples"));
  Type("lunch");
  Press(Key::Code::kEnter);
  ASSERT_TRUE(Shows("Sign this and send it?"));
  EXPECT_THAT(Screen(), HasSubstr("lunch"));
  EXPECT_THAT(Screen(), HasSubstr("alice (Ed25519 key"));
  EXPECT_THAT(Screen(), HasSubstr(client_->actions[0].action_id()));
  EXPECT_TRUE(Orders().empty());
  Press(U'y');
  ASSERT_TRUE(Shows("Paused: sent to"));
  ASSERT_EQ(Orders().size(), 1u);
  const v1::Envelope envelope = *ParseEnvelope(Orders()[0], kOrderPayloadType);
  const v1::Order order = *ParseOrder(envelope.payload());
  EXPECT_EQ(order.kind(), v1::Order::KIND_PAUSE);
  EXPECT_EQ(order.reason(), "lunch");
  EXPECT_EQ(order.action_id(), client_->actions[0].action_id());
  EXPECT_EQ(backend_->policy()->Signers(envelope), std::set<std::string>{"alice"});
}

TEST_F(ActionsViewTest, NothingIsSignedWithoutAYes) {
  client_->actions = {Info("look for samples", {&fleet_.alice})};
  Open("look for samples");
  Press(U'c');
  ASSERT_TRUE(Shows("Cancel: look for samples"));
  Press(Key::Code::kEnter);
  ASSERT_TRUE(Shows("Sign this and send it?"));
  Press(U'n');
  EXPECT_THAT(Screen(), Not(HasSubstr("Sign this")));
  EXPECT_TRUE(Orders().empty());
}

TEST_F(ActionsViewTest, NoOrderIsSignedAboutWhatNobodySigned) {
  client_->actions = {Info("made up", {})};
  Open("✗ unsigned");
  for (const char32_t key : {U'p', U'r'}) {
    Press(key);
    ASSERT_TRUE(Shows("don't trust this scheduler", 240, 48));
    Press(Key::Code::kDown);
    ASSERT_THAT(Screen(240, 48), Not(HasSubstr("don't trust this scheduler")));
  }
  EXPECT_TRUE(Orders().empty());
}

TEST_F(ActionsViewTest, WhatNobodySignedIsCancelledOnlyByItsTypedId) {
  client_->actions = {Info("made up", {})};
  Open("✗ unsigned");
  Press(U'c');
  ASSERT_TRUE(Shows("type its whole id"));
  Press(Key::Code::kEnter);
  EXPECT_TRUE(Shows("that is not the id"));
  Type(client_->actions[0].action_id());
  Press(Key::Code::kEnter);
  ASSERT_TRUE(Shows("Cancel: made up"));
  Press(Key::Code::kEnter);
  ASSERT_TRUE(Shows("Warning: action"));
  Press(U'y');
  ASSERT_TRUE(Shows("Cancelled: sent to"));
  EXPECT_EQ(Orders().size(), 1u);
}

TEST_F(ActionsViewTest, AnOrderIsAboutTheActionThatWasSelectedAndNoOther) {
  client_->actions = {Info("look for samples", {&fleet_.alice})};
  Open("look for samples");
  const std::string id = client_->actions[0].action_id();
  // The scheduler answers with another one, that was signed, too.
  v1::ActionInfo other = Info("another", {&fleet_.alice});
  {
    absl::MutexLock lock(&client_->mutex);
    client_->actions[0].set_envelope(other.envelope());
  }
  Press(U'c');
  EXPECT_TRUE(Shows("document of another", 240, 48));
  EXPECT_TRUE(Orders().empty());
}

TEST_F(ActionsViewTest, WithoutATrustPolicyNothingIsSigned) {
  client_->actions = {Info("look for samples", {&fleet_.alice})};
  StartConsole();
  Press(U'2');
  ASSERT_TRUE(Shows("look for samples"));
  Press(U'c');
  EXPECT_TRUE(Shows("nothing is signed without the fleet's trust policy", 160, 48));
  EXPECT_TRUE(Orders().empty());
}

TEST_F(ActionsViewTest, FollowsTheNewsOfOneAction) {
  client_->actions = {Info("look for samples", {&fleet_.alice})};
  Open("look for samples");
  {
    absl::MutexLock lock(&client_->mutex);
    client_->actions[0].mutable_progress()->set_found(10);
    client_->actions[0].mutable_progress()->set_running(0);
    client_->actions[0].set_phase(v1::DISPATCH_PHASE_ENDED);
  }
  v1::Activity activity;
  activity.add_action_ids(client_->actions[0].action_id());
  client_->Announce(activity);
  EXPECT_TRUE(Shows("100%"));
  EXPECT_TRUE(Shows("ended"));
}

TEST_F(ActionsViewTest, OlderOnesComeWhenTheEndIsReached) {
  const auto client = std::make_shared<PagingClient>();
  client_ = client;
  for (int i = 0; i < 120; ++i) {
    v1::ActionInfo& info = client_->actions.emplace_back(Info(StrCat("action ", i, "."), {}));
    *info.mutable_launched_at() = ToTimestamp(absl::Now() - absl::Minutes(i));
  }
  Open("action 0.");
  EXPECT_TRUE(Shows("Actions: 50+"));
  Press(U'G');
  EXPECT_TRUE(Shows("Actions: 100+"));
  Press(U'G');
  EXPECT_TRUE(Shows("Actions: 120\n"));
  Press(U'G');
  EXPECT_TRUE(Shows("action 119.", 160, 48));
}

TEST_F(ActionsViewTest, FiltersByText) {
  client_->actions = {Info("look for samples", {&fleet_.alice}),
                      Info("other thing", {&fleet_.alice})};
  Open("look for samples");
  Press(U'/');
  Type("OTHER");
  EXPECT_TRUE(Shows("1 of 2 with OTHER"));
  EXPECT_THAT(Screen(), Not(HasSubstr("look for samples")));
  Press(Key::Code::kEscape);
  EXPECT_TRUE(Shows("look for samples"));
}

}  // namespace
}  // namespace dragnet::console::tui
