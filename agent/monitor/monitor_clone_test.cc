// An agent that was copied to another machine with its disk.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "agent/monitor/host_fingerprint.h"
#include "agent/monitor/monitor_fixture.h"
#include "agent/monitor/retirement.h"
#include "agent/monitor/upgrade/testing.h"
#include "core/uuid.h"
#include "core/version.h"

namespace dragnet {
namespace {

namespace fs = std::filesystem;
using ::testing::Contains;
using ::testing::Not;

constexpr char kMachine[] = "12a5c0de-aa11-4b22-8c33-d44455566677";
constexpr char kOtherMachine[] = "22a5c0de-aa11-4b22-8c33-d44455566677";
constexpr char kMachineId[] = "3d1219c7c4c5404aaa1f6d2a48adfda4";

class MonitorCloneTest : public MonitorTest {
 protected:
  void SetUp() override {
    host_fingerprint_ = HostFingerprintOf(kMachine, kMachineId);
    configure_ = [this](AgentConfig& config) { config.enrolment_token = token_; };
    MonitorTest::SetUp();
    DeliverPolicy(fleet_.SignedPolicy(fleet_.PolicyProto()));
    fs::create_directory(directory_ + "/link");
    std::ofstream(directory_ + "/link/tls.key") << "key";
    std::ofstream(directory_ + "/link/tls.pem") << "certificate";
    id_ = *store_->AgentId();
  }

  void MoveToOtherMachine() {
    host_fingerprint_ = HostFingerprintOf(kOtherMachine, kMachineId);
    Restart();
  }
  bool HasCertificate() const { return fs::exists(directory_ + "/link/tls.pem"); }
  bool HasKey() const { return fs::exists(directory_ + "/link/tls.key"); }
  // A target that is true of hosts that say so of themselves.
  bool SaysCloned() {
    v1::Action action = ActionThat("hang");
    action.set_target("environment->>'cloned'='yes'");
    DeliverAction(SignedByAlice(action));
    const auto records = RecordsOf(action);
    return records.empty() || !records[0].has_refusal();
  }

  std::string token_;
  std::string id_;
};

TEST_F(MonitorCloneTest, SameMachineKeepsItsIdentity) {
  token_ = "token";
  Restart();
  EXPECT_EQ(*store_->AgentId(), id_);
  EXPECT_TRUE(HasCertificate());
  EXPECT_FALSE(SaysCloned());
}

TEST_F(MonitorCloneTest, WithATokenTheCopyDrawsAnIdentityOfItsOwn) {
  const v1::Action action = ActionThat("hang");
  DeliverAction(SignedByAlice(action));
  RunUntil([&] { return !RecordsOf(action).empty(); });
  token_ = "token";
  MoveToOtherMachine();
  EXPECT_NE(*store_->AgentId(), id_);
  EXPECT_FALSE(HasCertificate());
  EXPECT_FALSE(HasKey());
  // Of the other machine's nothing is told under the new name.
  EXPECT_THAT(Spool(), IsEmpty());
  EXPECT_FALSE(SaysCloned());
  // And only once.
  const std::string drawn = *store_->AgentId();
  Restart();
  EXPECT_EQ(*store_->AgentId(), drawn);
}

TEST_F(MonitorCloneTest, CopyRunsNothingTwiceAndTakesNoOlderPolicy) {
  const v1::Action action = ActionThat("hang");
  DeliverAction(SignedByAlice(action));
  v1::TrustPolicy newer = fleet_.PolicyProto(/*version=*/5);
  DeliverPolicy(fleet_.SignedPolicy(newer));
  token_ = "token";
  MoveToOtherMachine();
  DeliverAction(SignedByAlice(action));
  EXPECT_EQ(OnlyRefusal(), v1::Refusal::REASON_REPLAYED);
  DeliverPolicy(fleet_.SignedPolicy(fleet_.PolicyProto(/*version=*/2)));
  EXPECT_EQ((*store_->LoadTrustPolicy(fleet_.Pinned(), fleet_.id))->version(), 5u);
}

TEST_F(MonitorCloneTest, WithoutATokenItGoesOnAndSaysSo) {
  MoveToOtherMachine();
  EXPECT_EQ(*store_->AgentId(), id_);
  EXPECT_TRUE(HasCertificate());
  EXPECT_TRUE(SaysCloned());
  // Until it is told otherwise: over restarts, and on the machine that it came from not.
  Restart();
  EXPECT_TRUE(SaysCloned());
  host_fingerprint_ = HostFingerprintOf(kMachine, kMachineId);
  Restart();
  EXPECT_FALSE(SaysCloned());
}

TEST_F(MonitorCloneTest, StateOfAnEarlierVersionIsTakenAsThisMachines) {
  token_ = "token";
  ASSERT_TRUE(store_->SaveHostFingerprint("").ok());
  MoveToOtherMachine();
  EXPECT_EQ(*store_->AgentId(), id_);
  host_fingerprint_ = HostFingerprintOf(kMachine, kMachineId);
  Restart();
  EXPECT_NE(*store_->AgentId(), id_);
}

TEST_F(MonitorCloneTest, MachineThatCantBeToldKeepsItsIdentity) {
  token_ = "token";
  host_fingerprint_ = "";
  Restart();
  EXPECT_EQ(*store_->AgentId(), id_);
  EXPECT_TRUE(HasCertificate());
}

// The files go before the id: what a kill leaves in between is the old id without a
// certificate, which the next start sees again.
TEST_F(MonitorCloneTest, KilledHalfWayItGoesOn) {
  fs::remove(directory_ + "/link/tls.pem");
  token_ = "token";
  MoveToOtherMachine();
  EXPECT_NE(*store_->AgentId(), id_);
}

TEST_F(MonitorCloneTest, WhatTheOtherOneLeftBesideItsStateGoesWithIt) {
  adjust_ = [this](Monitor::Environment& environment) {
    environment.config.release_directory = directory_ + "/releases";
    // A version that an upgrade put in place: the base would need no snapshots.
    environment.launch.is_release = true;
    environment.launch.state = ReleaseState()
                                   .OverBase("0.0.1", "/usr/bin/the-base")
                                   .Switched(testing::ReleaseOf(kVersion), UpgradeReport())
                                   .Confirmed();
  };
  ReleaseDirectory releases(directory_ + "/releases");
  ASSERT_TRUE(releases.Prepare().ok());
  ASSERT_TRUE(releases.BeginSnapshot().ok());
  ASSERT_TRUE(store_->CopyTo(releases.NewSnapshot()).ok());
  ASSERT_TRUE(releases.FinishSnapshot(1).ok());
  std::ofstream(directory_ + "/agent.db.newer") << "of before";
  RetirementMark mark;
  mark.at = clock_.Now();
  mark.action_id = NewUuidV7(clock_.Now());
  ASSERT_TRUE(BeginRetirement(directory_, mark).ok());
  token_ = "token";
  MoveToOtherMachine();
  EXPECT_NE(*store_->AgentId(), id_);
  EXPECT_FALSE(fs::exists(releases.SnapshotDirectory()));
  EXPECT_FALSE(fs::exists(directory_ + "/agent.db.newer"));
  // It was the other one that was to leave the fleet.
  EXPECT_FALSE(fs::exists(directory_ + "/retiring"));
  EXPECT_FALSE(SaysCloned());
}

TEST_F(MonitorCloneTest, WhatTheLinkPlantsDoesntHoldItUp) {
  fs::create_directories(directory_ + "/link/planted/deeper/and/deeper");
  fs::create_directories(directory_ + "/link/shallow");
  std::ofstream(directory_ + "/link/shallow/file") << "x";
  token_ = "token";
  MoveToOtherMachine();
  EXPECT_NE(*store_->AgentId(), id_);
  EXPECT_FALSE(HasCertificate());
  EXPECT_FALSE(HasKey());
  EXPECT_FALSE(fs::exists(directory_ + "/link/shallow"));
}

TEST_F(MonitorCloneTest, ForgottenIdentityIsDrawnAnew) {
  ASSERT_TRUE(store_->ForgetIdentity().ok());
  MoveToOtherMachine();
  EXPECT_NE(*store_->AgentId(), id_);
  EXPECT_FALSE(SaysCloned());
}

}  // namespace
}  // namespace dragnet
