// A view, or the whole console, without a terminal and without a scheduler: keys
// go in, the screen comes out as text.
#pragma once

#include <gtest/gtest.h>
#include <unistd.h>

#include <algorithm>
#include <memory>
#include <string>
#include <string_view>
#include <vector>

#include "console/testing/sample_module.h"
#include "console/tui/app.h"
#include "console/tui/testing/fake_client.h"
#include "core/file_io.h"
#include "core/keys.h"
#include "core/strings.h"
#include "core/testing.h"

namespace dragnet::console::tui::testing {

// The fleet of core/testing.h, seen by alice.
class TuiTest : public ::testing::Test {
 protected:
  TuiTest() : background_(loop_) { fleet_.now = absl::Now(); }

  // Before StartConsole: the fleet's root keys are pinned, so its policy is taken.
  void PinRoots() {
    for (size_t i = 0; i < fleet_.roots.size(); ++i) {
      root_keys_.push_back(StrCat(::testing::TempDir(), "/", ::getpid(), "-root-", i, ".pem"));
      ASSERT_TRUE(
          WriteFileAtomically(root_keys_.back(), fleet_.roots[i].public_key().ToPem(), 0600).ok());
    }
  }

  // Call once the fake scheduler has what it should have.
  void StartConsole() {
    {
      absl::MutexLock lock(&client_->mutex);
      if (client_->policy.empty()) client_->policy = fleet_.SignedPolicy(Policy());
    }
    Backend::Parts parts;
    parts.config.name = "alice";
    parts.config.fleet_id = fleet_.id;
    parts.config.path = ::testing::TempDir() + "/console.toml";
    parts.config.root_keys = root_keys_;
    parts.config.root_threshold = static_cast<uint32_t>(std::max<size_t>(root_keys_.size(), 1));
    parts.directory = directory_;
    parts.modules = &console::testing::SampleCatalog();
    parts.client = client_;
    parts.clock = &Clock::System();
    parts.open_signer = [this](const auto&) -> absl::StatusOr<std::unique_ptr<Signer>> {
      return std::make_unique<PrivateKey>(fleet_.alice);
    };
    Configure(&parts);
    backend_ = std::make_unique<Backend>(loop_, background_, std::move(parts));
    app_ = std::make_unique<App>(*backend_);
    backend_->Start();
  }

  // What a test has otherwise than all.
  virtual void Configure(Backend::Parts*) {}

  v1::TrustPolicy Policy() {
    v1::TrustPolicy policy = fleet_.PolicyProto();
    dragnet::testing::Fleet::AddModule("sample", 1, {{"alice", 1}, {"bob", 1}}, &policy);
    return policy;
  }

  std::string Screen(int width = 80, int height = 24) {
    Surface surface(width, height);
    app_->Draw(&surface);
    return surface.ToText();
  }

  // Works until the screen has it.
  ::testing::AssertionResult Shows(std::string_view text, int width = 80, int height = 24) {
    if (loop_.WorkUntil([&] { return Screen(width, height).find(text) != std::string::npos; }))
      return ::testing::AssertionSuccess();
    return ::testing::AssertionFailure() << "never showed \"" << text << "\":\n"
                                         << Screen(width, height);
  }

  void Press(char32_t character) {
    Key key;
    key.code = Key::Code::kCharacter;
    key.character = character;
    app_->OnKey(key);
  }
  void Press(Key::Code code) {
    Key key;
    key.code = code;
    app_->OnKey(key);
  }
  void Type(std::string_view ascii) {
    for (const char c : ascii) Press(static_cast<char32_t>(c));
  }

  void PressControl(char32_t letter) {
    Key key;
    key.code = Key::Code::kControl;
    key.character = letter;
    app_->OnKey(key);
  }

  dragnet::testing::Fleet fleet_;
  std::vector<std::string> root_keys_;
  // Of templates and history; empty: nowhere.
  std::string directory_;
  std::shared_ptr<FakeClient> client_ = std::make_shared<FakeClient>();
  EventLoop loop_;
  Background background_;
  std::unique_ptr<Backend> backend_;
  std::unique_ptr<App> app_;
};

}  // namespace dragnet::console::tui::testing
