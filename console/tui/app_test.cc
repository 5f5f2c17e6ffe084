#include "console/tui/app.h"

#include <gtest/gtest.h>

#include <atomic>

#include "console/tui/testing/tui_fixture.h"

namespace dragnet::console::tui {
namespace {

class AppTest : public testing::TuiTest {};

TEST_F(AppTest, ALostSchedulerShowsAndComesBack) {
  StartConsole();
  EXPECT_TRUE(Shows("● alice@"));
  client_->BreakStreams(absl::UnavailableError("connection to localhost:1 lost"));
  EXPECT_TRUE(Shows("no scheduler"));
  EXPECT_TRUE(Shows("connection to localhost:1 lost; trying again"));
  {
    absl::MutexLock lock(&client_->mutex);
    client_->error = absl::OkStatus();
  }
  EXPECT_TRUE(Shows("● alice@"));
}

TEST_F(AppTest, APolicyThatTheRootKeysDidNotSignIsSaid) {
  StartConsole();
  // No root keys are pinned in this configuration.
  EXPECT_TRUE(Shows("root"));
}

TEST_F(AppTest, HelpIsOneKeyAwayEverywhere) {
  StartConsole();
  for (const char32_t tab : {U'1', U'2', U'4'}) {
    Press(tab);
    Press(U'?');
    EXPECT_TRUE(Shows("Help: "));
    Press(Key::Code::kEscape);
    EXPECT_EQ(Screen().find("Help: "), std::string::npos);
  }
}

TEST_F(AppTest, AnUnknownCommandIsAnErrorThatCanBeReadLater) {
  StartConsole();
  Press(U':');
  Type("nosuch --flag");
  Press(Key::Code::kEnter);
  EXPECT_TRUE(Shows("nosuch: neither a module nor a screen"));
  Press(Key::Code::kDown);
  EXPECT_EQ(Screen().find("nosuch: neither"), std::string::npos);
  Key errors;
  errors.code = Key::Code::kFunction;
  errors.number = 8;
  app_->OnKey(errors);
  EXPECT_TRUE(Shows("nosuch: neither a module nor a screen"));
}

TEST_F(AppTest, AnErrorThatIsLongerThanALineIsReadWhole) {
  StartConsole();
  app_->SayError(StrCat("it begins ", std::string(150, 'x'), " and-it-ends"));
  EXPECT_TRUE(Shows("it begins"));
  EXPECT_TRUE(Shows("and-it-ends"));
  Press(Key::Code::kDown);
  EXPECT_EQ(Screen().find("and-it-ends"), std::string::npos);
  app_->SayError(std::string(5000, 'y'));
  EXPECT_TRUE(Shows("y …"));
}

TEST_F(AppTest, AWindowThatIsTooSmallSaysSo) {
  StartConsole();
  EXPECT_TRUE(Shows("too small", 30, 5));
}

TEST_F(AppTest, AQuestionDoesNotTakeThePlaceOfTheOneThatIsAnswered) {
  StartConsole();
  Shell::Question question;
  question.title = "Passphrase";
  question.secret = true;
  std::string given;
  app_->Ask(question, [&](std::string text) { given = std::move(text); });
  ASSERT_TRUE(Shows("Passphrase"));
  Type("my");
  bool signed_it = false;
  // From work in the background.
  app_->Confirm("Sign it", "Sign?", [&] { signed_it = true; });
  EXPECT_EQ(Screen().find("Sign it"), std::string::npos);
  Type("yy");
  Press(Key::Code::kEnter);
  EXPECT_EQ(given, "myyy");
  EXPECT_FALSE(signed_it);
  ASSERT_TRUE(Shows("Sign it"));
  Press(U'y');
  EXPECT_TRUE(signed_it);
}

TEST_F(AppTest, WhatIsTypedElsewhereAnswersNoQuestion) {
  StartConsole();
  Press(U':');
  bool signed_it = false;
  app_->Confirm("Sign it", "Sign?", [&] { signed_it = true; });
  EXPECT_TRUE(Shows("a question waits"));
  Type("y");
  EXPECT_FALSE(signed_it);
  EXPECT_TRUE(Shows(":y"));
  Press(Key::Code::kEscape);
  ASSERT_TRUE(Shows("Sign it"));
  Press(U'y');
  EXPECT_TRUE(signed_it);
}

TEST_F(AppTest, NothingIsConfirmedThatWasNotOnTheScreen) {
  StartConsole();
  ASSERT_TRUE(Shows("● alice@"));
  bool signed_it = false;
  app_->Confirm("Sign it", "Sign?", [&] { signed_it = true; });
  // Pressed before it came: meant for what was there.
  Press(U'y');
  EXPECT_FALSE(signed_it);
  ASSERT_TRUE(Shows("Sign it"));
  Press(U'n');
  // Typed ahead, or pasted: the question follows from an answer.
  app_->Ask(Shell::Question(), [&](const std::string&) {
    app_->Confirm("Sign it", "Sign?", [&] { signed_it = true; });
  });
  Screen();
  Press(Key::Code::kEnter);
  Press(U'y');
  EXPECT_FALSE(signed_it);
  ASSERT_TRUE(Shows("Sign it"));
  Press(U'y');
  EXPECT_TRUE(signed_it);
}

TEST_F(AppTest, AnErrorIsOneLineOfTheLastErrorsWhateverItsWords) {
  StartConsole();
  app_->SayError("it failed\n2026-01-01 00:00:00  launched by alice");
  Key errors;
  errors.code = Key::Code::kFunction;
  errors.number = 8;
  Press(Key::Code::kDown);
  app_->OnKey(errors);
  EXPECT_TRUE(Shows("it failed\\n2026"));
}

class ForgetfulConsoleTest : public AppTest {
  void Configure(Backend::Parts* parts) override {
    parts->config.path = "/nonexistent/console.toml";
  }
};

TEST_F(ForgetfulConsoleTest, AnOlderTrustPolicyIsNotTakenBackWhereNoVersionCanBeKept) {
  PinRoots();
  v1::TrustPolicy policy = Policy();
  const std::string older = fleet_.SignedPolicy(policy);
  policy.set_version(policy.version() + 1);
  {
    absl::MutexLock lock(&client_->mutex);
    client_->policy = fleet_.SignedPolicy(policy);
  }
  StartConsole();
  ASSERT_TRUE(Shows("an older trust policy will not be noticed next time"));
  {
    absl::MutexLock lock(&client_->mutex);
    client_->policy = older;
  }
  v1::Activity activity;
  activity.set_trust_policy(true);
  client_->Announce(activity);
  ASSERT_TRUE(Shows("which is held here: don't trust this scheduler", 160));
  EXPECT_EQ(backend_->policy()->version(), policy.version());
}

// Notices two who are in Sign at once, as a token would.
class Token : public Signer {
 public:
  explicit Token(std::atomic<bool>* shared) : shared_(*shared) {}
  const PublicKey& public_key() const override { return key_.public_key(); }
  absl::StatusOr<std::string> Sign(std::string_view message) const override {
    if (inside_.exchange(true)) shared_ = true;
    auto signature = key_.Sign(message);
    inside_ = false;
    return signature;
  }

 private:
  const PrivateKey key_ = dragnet::testing::NewKey();
  mutable std::atomic<bool> inside_ = false;
  std::atomic<bool>& shared_;
};

TEST_F(AppTest, AKeyIsUsedByOneAtATime) {
  std::atomic<bool> shared = false;
  Backend::Parts parts;
  parts.client = client_;
  parts.clock = &Clock::System();
  parts.open_signer = [&](const auto&) -> absl::StatusOr<std::unique_ptr<Signer>> {
    return std::make_unique<Token>(&shared);
  };
  Backend backend(loop_, background_, std::move(parts));
  const Lifetime lifetime;
  int done = 0;
  for (int thread = 0; thread < 4; ++thread) {
    backend.WithSigner(lifetime.token(), [&](auto signer) {
      background_.Run(
          lifetime.token(),
          [signer = *std::move(signer)] {
            for (int i = 0; i < 500; ++i) static_cast<void>(signer->Sign("x"));
            return true;
          },
          [&](bool) { ++done; });
    });
  }
  ASSERT_TRUE(loop_.WorkUntil([&] { return done == 4; }));
  EXPECT_FALSE(shared);
}

}  // namespace
}  // namespace dragnet::console::tui
