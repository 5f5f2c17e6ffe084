#include "console/tui/views/action_view.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>

#include "console/testing/sample.pb.h"
#include "console/tui/testing/tui_fixture.h"
#include "core/file_io.h"
#include "core/strings.h"

namespace dragnet::console::tui {
namespace {

using console::testing::SampleRow;

class ActionViewTest : public testing::TuiTest {
 protected:
  ActionViewTest()
      : directory_(StrCat(::testing::TempDir(), "/action-view-", ::getpid(), "-",
                          ::testing::UnitTest::GetInstance()->current_test_info()->name())) {
    std::filesystem::create_directories(directory_);
    action_ = fleet_.ActionProto("sample");
    action_.set_name("odd files");
  }
  ~ActionViewTest() override {
    // The console may still be writing there, in the background.
    std::error_code ignored;
    std::filesystem::remove_all(directory_, ignored);
  }

  void Configure(Backend::Parts* parts) override {
    parts->config.path = directory_ + "/console.toml";
    for (size_t i = 0; i < fleet_.roots.size(); ++i) {
      const std::string path = StrCat(directory_, "/root-", i, ".pub");
      ASSERT_TRUE(WriteFileAtomically(path, fleet_.roots[i].public_key().ToPem(), 0600).ok());
      parts->config.root_keys.push_back(path);
    }
    parts->config.root_threshold = 2;
  }

  // Signed by `keys`.
  void Open(const std::vector<const PrivateKey*>& keys) {
    v1::ActionInfo info;
    info.set_action_id(action_.id());
    info.set_name(action_.name());
    info.set_envelope(fleet_.SignedAction(action_, keys));
    info.set_launched_by("alice");
    info.set_phase(phase_);
    *info.mutable_expires() = action_.expires();
    if (removed_) *info.mutable_results_removed_at() = ToTimestamp(absl::FromUnixSeconds(86'400));
    info.mutable_progress()->set_targeted(3);
    {
      absl::MutexLock lock(&client_->mutex);
      client_->actions = {info};
    }
    StartConsole();
    app_->OpenAction(action_.id());
    ASSERT_TRUE(Shows("[Stacks]"));
  }
  void Open() { Open({&fleet_.alice}); }

  static v1::WatchEvent Rows(uint64_t cursor, const std::string& agent,
                             const std::vector<SampleRow>& rows, uint32_t operation = 0) {
    v1::WatchEvent event;
    event.set_cursor(cursor);
    event.mutable_rows()->set_agent_id("id-" + agent);
    event.mutable_rows()->set_agent_name(agent);
    event.mutable_rows()->set_operation(operation);
    for (const SampleRow& row : rows) event.mutable_rows()->add_rows(row.SerializeAsString());
    return event;
  }
  static SampleRow Row(const std::string& path, uint64_t size) {
    SampleRow row;
    row.set_path(path);
    row.set_size(size);
    return row;
  }
  static v1::WatchEvent State(const std::string& agent, v1::DispatchState state) {
    v1::WatchEvent event;
    event.mutable_agent_state()->set_agent_id("id-" + agent);
    event.mutable_agent_state()->set_agent_name(agent);
    event.mutable_agent_state()->set_state(state);
    return event;
  }
  static v1::WatchEvent Incomplete(const std::string& agent, const std::string& reason) {
    v1::WatchEvent event = State(agent, v1::DISPATCH_STATE_INCOMPLETE);
    v1::OperationSummary* summary = event.mutable_agent_state()->add_summaries();
    summary->set_outcome(v1::OUTCOME_INCOMPLETE);
    summary->set_termination(v1::TERMINATION_COMPLETED);
    v1::Unexamined* unexamined = summary->mutable_module()->add_unexamined();
    unexamined->set_reason(reason);
    unexamined->set_count(2);
    unexamined->add_examples("/root/\x1b[2Jsecret");
    return event;
  }
  static v1::WatchEvent End(uint64_t rows) {
    v1::WatchEvent event;
    v1::Progress* progress = event.mutable_end()->mutable_progress();
    progress->set_targeted(3);
    progress->set_found(2);
    progress->set_incomplete(1);
    progress->set_rows(rows);
    return event;
  }
  void ThreeRows() {
    client_->events = {Rows(1, "web1", {Row("/etc/passwd", 10), Row("/etc/shadow", 2000)}),
                       State("web1", v1::DISPATCH_STATE_FOUND),
                       Rows(2, "web2", {Row("/etc/passwd", 30)}),
                       State("web2", v1::DISPATCH_STATE_FOUND),
                       Incomplete("db1", "Permission denied"),
                       End(3)};
  }
  void ToRows() { Press(Key::Code::kTab); }
  bool Has(std::string_view text, int width = 80, int height = 24) {
    return Screen(width, height).find(text) != std::string::npos;
  }
  // In which line; -1: in none.
  int LineOf(std::string_view text) {
    const std::string screen = Screen();
    const size_t at = screen.find(text);
    if (at == std::string::npos) return -1;
    return static_cast<int>(
        std::count(screen.begin(), screen.begin() + static_cast<long>(at), '\n'));
  }

  const std::string directory_;
  v1::Action action_;
  v1::DispatchPhase phase_ = v1::DISPATCH_PHASE_OPEN;
  bool removed_ = false;
};

TEST_F(ActionViewTest, TheHeadSaysWhoSignedAndWhatWasNotLookedAt) {
  ThreeRows();
  Open();
  EXPECT_TRUE(Shows("signed by alice (verified)"));
  EXPECT_TRUE(Shows("not looked at on 1: Permission denied"));
  EXPECT_TRUE(Shows("3 rows"));
  EXPECT_TRUE(Shows("odd files  " + action_.id()));
  EXPECT_TRUE(Shows("100 %"));
}

TEST_F(ActionViewTest, AnActionThatNoOneSignedIsSaid) {
  const PrivateKey mallory = dragnet::testing::NewKey();
  Open({&mallory});
  EXPECT_TRUE(Shows("no one in the trust policy signed this: don't trust this scheduler"));
}

TEST_F(ActionViewTest, TooLittleWeightIsSaid) {
  Open({&fleet_.carol});
  EXPECT_TRUE(Shows("signed by carol, not enough"));
}

TEST_F(ActionViewTest, RowsAreShownAndOneIsReadWhole) {
  ThreeRows();
  Open();
  ToRows();
  EXPECT_TRUE(Shows("[Rows 3]"));
  EXPECT_TRUE(Shows("/etc/shadow"));
  Press(Key::Code::kDown);
  Press(Key::Code::kEnter);
  EXPECT_TRUE(Shows("Row of web1"));
  EXPECT_TRUE(Shows("path: /etc/shadow"));
  EXPECT_TRUE(Shows("size: 2000"));
}

TEST_F(ActionViewTest, AFilterIsTriedWhileItIsTyped) {
  ThreeRows();
  Open();
  ToRows();
  ASSERT_TRUE(Shows("web2"));
  Press(U'f');
  Type("size >");
  EXPECT_TRUE(Shows("filter:"));
  Type(" 20");
  EXPECT_TRUE(Shows("2 of 3"));
  Press(Key::Code::kEnter);
  EXPECT_TRUE(Shows("filter size > 20"));
  EXPECT_EQ(LineOf(" 10 "), -1);
  // Escape gives back what was before.
  Press(U'f');
  Type("0");
  EXPECT_TRUE(Shows("1 of 3"));
  Press(Key::Code::kEscape);
  EXPECT_TRUE(Shows("2 of 3"));
}

TEST_F(ActionViewTest, RowsAreSorted) {
  ThreeRows();
  Open();
  ToRows();
  ASSERT_TRUE(Shows("web2"));
  Press(U's');
  EXPECT_TRUE(Shows("sort by"));
  Press(Key::Code::kDown);
  Press(Key::Code::kDown);
  Press(Key::Code::kDown);
  Press(Key::Code::kEnter);
  EXPECT_TRUE(Shows("size▲"));
  ASSERT_TRUE(loop_.WorkUntil([&] { return LineOf("2000") > LineOf("web2"); }));
  Press(U'S');
  EXPECT_TRUE(Shows("size▼"));
  EXPECT_LT(LineOf("2000"), LineOf("web2"));
}

TEST_F(ActionViewTest, SearchFindsForwardsAndBackwards) {
  ThreeRows();
  Open();
  ToRows();
  ASSERT_TRUE(Shows("web2"));
  Press(U'/');
  Type("WEB2");
  Press(Key::Code::kEnter);
  ASSERT_TRUE(loop_.WorkUntil([&] { return !Has("searching"); }));
  Press(Key::Code::kEnter);
  EXPECT_TRUE(Shows("Row of web2"));
  Press(Key::Code::kEscape);
  Press(U'/');
  Type("nothing like it");
  Press(Key::Code::kEnter);
  EXPECT_TRUE(Shows("not found: nothing like it"));
}

TEST_F(ActionViewTest, MarkedRowsAreListed) {
  ThreeRows();
  Open();
  ToRows();
  ASSERT_TRUE(Shows("web2"));
  Press(U'm');
  Press(Key::Code::kDown);
  Press(U'm');
  EXPECT_TRUE(Shows("2 marked"));
  Press(U'M');
  EXPECT_TRUE(Shows("only the 2 marked"));
  EXPECT_FALSE(Has("/etc/shadow"));
}

TEST_F(ActionViewTest, RowsAreWrittenAndNothingIsOverwritten) {
  ThreeRows();
  Open();
  ToRows();
  ASSERT_TRUE(Shows("web2"));
  const std::string path = directory_ + "/rows.jsonl";
  const auto write = [&](const std::string& to) {
    Press(U'w');
    Key erase;
    erase.code = Key::Code::kControl;
    erase.character = U'u';
    app_->OnKey(erase);
    Type(to);
    Press(Key::Code::kEnter);
  };
  write(path);
  EXPECT_TRUE(Shows("3 rows written to"));
  const std::string text = *ReadFile(path);
  EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), 3);
  EXPECT_NE(text.find("/etc/shadow"), std::string::npos);
  write(path);
  EXPECT_TRUE(Shows("is there already"));
}

TEST_F(ActionViewTest, ALostSchedulerIsSaidAndRowsGoOnFromTheCursor) {
  client_->events = {Rows(7, "web1", {Row("/etc/passwd", 10)})};
  Open();
  ToRows();
  ASSERT_TRUE(Shows("[Rows 1]"));
  client_->BreakStreams(absl::UnavailableError("connection to localhost:1 lost"));
  EXPECT_TRUE(Shows("trying again: connection to localhost:1 lost"));
  {
    absl::MutexLock lock(&client_->mutex);
    client_->error = absl::OkStatus();
    client_->events.push_back(Rows(8, "web2", {Row("/etc/hosts", 11)}));
    client_->events.push_back(End(2));
  }
  EXPECT_TRUE(Shows("[Rows 2]"));
  absl::MutexLock lock(&client_->mutex);
  EXPECT_EQ(client_->watched.back().after(), 7u);
}

TEST_F(ActionViewTest, AStreamThatIsRefusedIsNotAskedForAgainAndAgain) {
  Open();
  ASSERT_TRUE(loop_.WorkUntil([&] {
    absl::MutexLock lock(&client_->mutex);
    return client_->watched.size() == 1;
  }));
  client_->BreakStreams(absl::PermissionDeniedError("not your action"));
  EXPECT_TRUE(Shows("stopped, Ctrl-R reads on: not your action"));
}

TEST_F(ActionViewTest, AProposalIsFollowedOnceItWasLaunched) {
  phase_ = v1::DISPATCH_PHASE_PROPOSED;
  Open();
  ASSERT_TRUE(Shows("proposed"));
  client_->BreakStreams(absl::NotFoundError("it waits for signatures"));
  ASSERT_TRUE(Shows("stopped, Ctrl-R reads on: it waits for signatures"));
  {
    absl::MutexLock lock(&client_->mutex);
    client_->error = absl::OkStatus();
    client_->actions[0].set_phase(v1::DISPATCH_PHASE_OPEN);
    client_->events = {Rows(1, "web1", {Row("/etc/passwd", 10)}), End(1)};
  }
  // The news come anew with the next connection, and say that everything may have changed.
  EXPECT_TRUE(Shows("1 row "));
}

TEST_F(ActionViewTest, APauseIsASignedOrderThatIsAskedFor) {
  Open();
  ASSERT_TRUE(Shows("signed by alice (verified)"));
  Press(U'P');
  EXPECT_TRUE(Shows("Pause: odd files"));
}

TEST_F(ActionViewTest, HostsSayWhoCouldNotLookAndWhy) {
  ThreeRows();
  Open();
  ToRows();
  ToRows();
  EXPECT_TRUE(Shows("[Hosts 3]"));
  EXPECT_TRUE(Shows("2 not looked at: Permission denied"));
  // Only those that found something.
  Press(U'f');
  EXPECT_TRUE(Shows("[found 2]"));
  EXPECT_FALSE(Has("db1"));
  Press(U'F');
  ASSERT_TRUE(Shows("db1"));
  Press(Key::Code::kEnter);
  EXPECT_TRUE(Shows("Answer of db1"));
  EXPECT_TRUE(Shows("Not looked at: 2  Permission denied"));
  // What a host says can't reach the terminal as it is.
  EXPECT_TRUE(Shows("/root/\\x1b[2Jsecret"));
}

TEST_F(ActionViewTest, AHostsRowsAreOneKeyAway) {
  ThreeRows();
  Open();
  ToRows();
  ToRows();
  ASSERT_TRUE(Shows("db1"));
  Press(Key::Code::kEnd);
  Press(U'v');
  EXPECT_TRUE(Shows("filter agent_id = 'id-web2'"));
  EXPECT_TRUE(Shows("1 of 3"));
}

TEST_F(ActionViewTest, StacksLeadToTheRowsAndAgentsOfAValue) {
  ThreeRows();
  v1::StackResponse::Entry* rare = client_->stack.add_entries();
  rare->set_row(Row("/etc/shadow", 0).SerializeAsString());
  rare->set_rows(1);
  rare->set_agents(1);
  v1::StackResponse::Entry* common = client_->stack.add_entries();
  common->set_row(Row("/etc/passwd", 0).SerializeAsString());
  common->set_rows(2);
  common->set_agents(2);
  client_->stack.set_rows(3);
  client_->stack.set_different(2);
  Open();
  EXPECT_TRUE(Shows("by path · 2 values in 3 rows"));
  {
    absl::MutexLock lock(&client_->mutex);
    // The odd one out is what is looked for.
    EXPECT_FALSE(client_->stacked.back().most_frequent_first());
  }
  Press(U'a');
  EXPECT_TRUE(Shows("only those with a row of: path = '/etc/shadow'"));
  EXPECT_TRUE(Shows("web1"));
  EXPECT_FALSE(Has("web2"));
  Press(Key::Code::kBackTab);
  Press(Key::Code::kBackTab);
  ASSERT_TRUE(Shows("[Stacks]"));
  Press(Key::Code::kDown);
  Press(Key::Code::kEnter);
  EXPECT_TRUE(Shows("filter path = '/etc/passwd'"));
  EXPECT_TRUE(Shows("2 of 3"));
}

TEST_F(ActionViewTest, StacksAreAskedForByTheColumnsThatAreChosenInTheirOrder) {
  ThreeRows();
  Open();
  Press(U'c');
  ASSERT_TRUE(Shows("count together"));
  Press(U' ');
  Press(Key::Code::kDown);
  Press(U' ');
  Press(Key::Code::kUp);
  Press(U' ');
  Press(Key::Code::kEnter);
  Press(U'r');
  EXPECT_TRUE(loop_.WorkUntil([&] {
    absl::MutexLock lock(&client_->mutex);
    if (client_->stacked.empty()) return false;
    const v1::StackRequest& last = client_->stacked.back();
    return last.most_frequent_first() && last.columns_size() == 2 &&
           last.columns(0).field_numbers(0) == 2 && last.columns(1).field_numbers(0) == 1;
  }));
}

TEST_F(ActionViewTest, SignaturesOnAnotherDocumentSayNothingOfTheOneThatIsShown) {
  const PrivateKey mallory = dragnet::testing::NewKey();
  v1::Action forged = action_;
  forged.set_name("harmless");
  const v1::Action genuine = std::exchange(action_, forged);
  Open({&mallory});
  ASSERT_TRUE(Shows("no one in the trust policy signed this"));
  // Of the same id, and signed: the scheduler had both from the beginning.
  {
    absl::MutexLock lock(&client_->mutex);
    client_->actions.front().set_envelope(fleet_.SignedAction(genuine, {&fleet_.alice}));
  }
  v1::Activity activity;
  activity.add_action_ids(genuine.id());
  client_->Announce(activity);
  EXPECT_TRUE(Shows("another document", 160, 24));
  EXPECT_FALSE(Has("signed by alice", 160));
  Press(Key::Code::kBackTab);
  EXPECT_TRUE(Shows("harmless", 160, 24));
  EXPECT_TRUE(Shows("Signed by   no one: the scheduler now gives another document", 160, 24));
}

TEST_F(ActionViewTest, TheDocumentIsWhatWasSigned) {
  action_.set_description("find the odd one");
  Open();
  Press(Key::Code::kBackTab);
  EXPECT_TRUE(Shows("Signed by   alice (1 of 1 signatures valid"));
  EXPECT_TRUE(Shows("find the odd one"));
  Press(U'/');
  Type("os='linux'");
  Press(Key::Code::kEnter);
  EXPECT_FALSE(Has("not found"));
}

TEST_F(ActionViewTest, RemovedByRetentionIsNotNothingFound) {
  removed_ = true;
  Open();
  EXPECT_TRUE(Shows("removed by retention on 1970-01-02"));
  ToRows();
  EXPECT_TRUE(Shows("the rows were removed by retention"));
}

TEST_F(ActionViewTest, OperationsHaveTheirOwnRows) {
  action_.add_operations()->set_module("sample");
  client_->events = {Rows(1, "web1", {Row("/first", 1)}), Rows(2, "web1", {Row("/second", 2)}, 1),
                     Rows(3, "web1", {Row("/none", 2)}, 9), End(2)};
  Open();
  ToRows();
  EXPECT_TRUE(Shows("/first"));
  EXPECT_TRUE(Shows("operation 1 of 2: sample"));
  EXPECT_TRUE(Shows("1 row of no operation of it"));
  Press(U'o');
  EXPECT_TRUE(Shows("/second"));
  EXPECT_FALSE(Has("/first"));
}

TEST_F(ActionViewTest, NamesAndValuesFromHostsCanNotTouchTheScreen) {
  client_->events = {Rows(1,
                          "evil\x1b[2J\r\nFORGED \xe2\x80\xae"
                          "txt",
                          {Row("a\tb\x9b"
                               "31m\xff",
                               1),
                           Row("\xe4\xbd\xa0\xe5\xa5\xbd", 2)}),
                     End(2)};
  Open();
  ToRows();
  EXPECT_TRUE(Shows("evil\\x1b[2J\\r\\nFO"));
  for (const int width : {40, 80, 160}) {
    const std::string screen = Screen(width, 24);
    EXPECT_EQ(screen.find('\x1b'), std::string::npos);
    EXPECT_EQ(screen.find("\xe2\x80\xae"), std::string::npos);
    EXPECT_EQ(screen.find("\nFORGED"), std::string::npos);
  }
}

TEST_F(ActionViewTest, EveryPaneCanBeLeftAtOnceWhileItWorks) {
  std::vector<SampleRow> rows(5000, Row("/etc/passwd", 1));
  for (uint64_t i = 1; i < 10; ++i) client_->events.push_back(Rows(i, "web1", rows));
  Open();
  ToRows();
  Press(U'f');
  Type("path like '%x%'");
  Press(Key::Code::kEnter);
  Press(U's');
  Press(Key::Code::kDown);
  Press(Key::Code::kEnter);
  app_->Pop();
  EXPECT_TRUE(loop_.WorkUntil([&] { return !Has("[Rows"); }));
}

}  // namespace
}  // namespace dragnet::console::tui
