#include "scheduler/cluster/session_claims.h"

#include <gtest/gtest.h>

#include <condition_variable>
#include <memory>
#include <mutex>
#include <vector>

#include "absl/strings/str_cat.h"
#include "scheduler/testing/fake_coordination.h"

namespace dragnet::scheduler {
namespace {

class SessionClaimsTest : public ::testing::Test {
 protected:
  std::unique_ptr<SessionClaims> New(const std::string& name) {
    return std::make_unique<SessionClaims>(store_, name, [this](v1::SessionsChanged changed) {
      const std::lock_guard lock(mutex_);
      for (const auto& session : changed.sessions()) told_.push_back(session);
      changed_.notify_all();
    });
  }
  SessionClaims::Done Note() {
    return [this](const absl::StatusOr<Claimed>& claimed) {
      const std::lock_guard lock(mutex_);
      answers_.push_back(claimed);
      changed_.notify_all();
    };
  }
  void AwaitAnswers(size_t count) {
    std::unique_lock lock(mutex_);
    ASSERT_TRUE(
        changed_.wait_for(lock, std::chrono::minutes(1), [&] { return answers_.size() >= count; }));
  }
  void AwaitTold(size_t count) {
    std::unique_lock lock(mutex_);
    ASSERT_TRUE(
        changed_.wait_for(lock, std::chrono::minutes(1), [&] { return told_.size() >= count; }));
  }

  FakeCoordination store_;
  std::mutex mutex_;
  std::condition_variable changed_;
  std::vector<absl::StatusOr<Claimed>> answers_;
  std::vector<v1::SessionsChanged::Session> told_;
};

TEST_F(SessionClaimsTest, ManyThatComeTogetherCostFewTransactions) {
  const auto claims = New("a");
  for (int i = 0; i < 3000; ++i) claims->Claim({absl::StrCat("agent", i), "boot"}, Note());
  AwaitAnswers(3000);
  AwaitTold(3000);
  for (const auto& answer : answers_) {
    ASSERT_TRUE(answer.ok()) << answer.status();
    EXPECT_EQ(answer->epoch, 1u);
  }
  EXPECT_LT(store_.claim_transactions(), 300);
  EXPECT_TRUE(told_[0].connected());
  EXPECT_EQ(told_[0].boot_id(), "boot");
}

TEST_F(SessionClaimsTest, EpochRisesAndOthersLearnWhoWasThereBefore) {
  const auto a = New("a");
  const auto b = New("b");
  a->Claim({"agent", "one"}, Note());
  AwaitAnswers(1);
  b->Claim({"agent", "two"}, Note());
  AwaitAnswers(2);
  EXPECT_EQ(answers_[1]->epoch, 2u);
  EXPECT_EQ(answers_[1]->before.scheduler, "a");
  EXPECT_TRUE(answers_[1]->before.connected);
  EXPECT_EQ(answers_[1]->before.boot_id, "one");
  // One of its own is no one else's.
  b->Claim({"agent", "two"}, Note());
  AwaitAnswers(3);
  EXPECT_FALSE(answers_[2]->before.connected);
}

TEST_F(SessionClaimsTest, ReleaseOfAFormerClaimChangesNothing) {
  const auto a = New("a");
  const auto b = New("b");
  a->Claim({"agent", ""}, Note());
  AwaitAnswers(1);
  b->Claim({"agent", ""}, Note());
  AwaitAnswers(2);
  a->Release({"agent", "", 1, "", true});
  a->Stop();
  EXPECT_TRUE(store_.SessionOf("agent").connected);
  b->Release({"agent", "", 2, "", true});
  b->Stop();
  EXPECT_FALSE(store_.SessionOf("agent").connected);
  AwaitTold(4);
}

TEST_F(SessionClaimsTest, WhoHasNoPlaceAmongTheOthersTakesNoSessions) {
  const auto claims = New("a");
  claims->SetAccepting(absl::UnavailableError("cut off"));
  claims->Claim({"agent", ""}, Note());
  AwaitAnswers(1);
  EXPECT_EQ(answers_[0].status(), absl::UnavailableError("cut off"));
  claims->SetAccepting(absl::OkStatus());
  claims->Stop();
  claims->Claim({"agent", ""}, Note());
  AwaitAnswers(2);
  EXPECT_TRUE(absl::IsUnavailable(answers_[1].status()));
}

}  // namespace
}  // namespace dragnet::scheduler
