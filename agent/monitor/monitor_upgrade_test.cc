// What a version does that came up by an upgrade, and what the one before it does when it
// is back.
#include <sys/stat.h>

#include "agent/monitor/monitor_fixture.h"
#include "agent/monitor/upgrade/testing.h"
#include "core/version.h"
#include "modules/upgrade/upgrade.pb.h"

namespace dragnet {
namespace {

using upgrade::v1::UpgradeRow;

class MonitorUpgradeTest : public MonitorTest {
 protected:
  void SetUp() override {
    MonitorTest::SetUp();
    DeliverPolicy(fleet_.SignedPolicy(fleet_.PolicyProto()));
    // A link that stays, and says nothing: what it says the tests deliver.
    link_ = directory_ + "/link.sh";
    testing::WriteTo(link_, "#!/bin/sh\nexec sleep 1000\n");
    ASSERT_EQ(::chmod(link_.c_str(), 0755), 0);
    adjust_ = [this](Monitor::Environment& environment) {
      environment.config.release_directory = directory_ + "/releases";
      environment.config.trial_time = trial_time_;
      environment.config.confirm_time = confirm_time_;
      environment.config.upgrade = upgrade_;
      environment.link.program = link_;
      environment.link.allow_missing_walls = true;
      environment.launch = launch_;
    };
    action_ = fleet_.ActionProto();
    ASSERT_TRUE(store_->JournalTaken(action_.id(), 0, 1, fleet_.now).ok());
    launch_.is_release = true;
    launch_.state = ReleaseState()
                        .OverBase("0.0.1", "/usr/bin/the-base")
                        .Switched(testing::ReleaseOf(kVersion), Report());
  }
  UpgradeReport Report() const {
    return {.action_id = action_.id(), .from = "0.0.1", .to = kVersion, .trial_milliseconds = 9};
  }
  ReleaseDirectory Releases() const { return ReleaseDirectory(directory_ + "/releases"); }
  void Connect() {
    ipc::LinkToMonitor connected;
    connected.mutable_connected()->set_record_window(16);
    monitor_->HandleLinkMessage(connected);
  }
  void Turn() { ASSERT_TRUE(monitor_->Turn(/*stop_fd=*/-1, absl::Milliseconds(100)).ok()); }
  UpgradeRow OnlyRow() {
    UpgradeRow row;
    const auto records = RecordsOf(action_);
    EXPECT_THAT(records, SizeIs(2));
    if (records.size() != 2) return row;
    EXPECT_TRUE(row.ParseFromString(records[0].rows().rows(0)));
    EXPECT_EQ(records[1].summary().rows(), 1U);
    return row;
  }

  std::string link_;
  absl::Duration trial_time_ = absl::Minutes(5);
  absl::Duration confirm_time_ = absl::Hours(1);
  AgentConfig::Upgrade upgrade_ = AgentConfig::Upgrade::kSelf;
  Launch launch_;
  v1::Action action_;
};

TEST_F(MonitorUpgradeTest, AnUpgradeIsToldWhenItIsConfirmedAndNotBefore) {
  Restart();
  Turn();
  Connect();
  for (int turn = 0; turn < 5; ++turn) Turn();
  EXPECT_FALSE(SummaryOf(action_).has_value());
  EXPECT_FALSE(Releases().Load()->has_value());
  confirm_time_ = absl::ZeroDuration();
  Restart();
  Turn();
  EXPECT_FALSE(SummaryOf(action_).has_value());
  Connect();
  RunUntil([&] { return SummaryOf(action_).has_value(); });
  EXPECT_EQ(OnlyRow().outcome(), "upgraded");
  EXPECT_EQ(OnlyRow().from(), "0.0.1");
  EXPECT_EQ(SummaryOf(action_)->termination(), v1::TERMINATION_COMPLETED);
  const ReleaseState state = **Releases().Load();
  EXPECT_TRUE(state.confirmed);
  EXPECT_FALSE(state.report.has_value());
  EXPECT_EQ(monitor_->program_to_become(), "");
  // Once.
  launch_.state = state;
  Restart();
  Turn();
  EXPECT_THAT(RecordsOf(action_), SizeIs(2));
}

TEST_F(MonitorUpgradeTest, SnapshotsOfEarlierSchemasStayUntilTheBaseRuns) {
  confirm_time_ = absl::ZeroDuration();
  ReleaseDirectory releases = Releases();
  ASSERT_TRUE(releases.Prepare().ok());
  const int64_t own = StateStore::OwnSchemaVersion();
  for (const int64_t schema : {own - 1, own}) {
    ASSERT_TRUE(releases.BeginSnapshot().ok());
    ASSERT_TRUE(store_->CopyTo(releases.NewSnapshot()).ok());
    ASSERT_TRUE(releases.FinishSnapshot(schema).ok());
  }
  Restart();
  Turn();
  EXPECT_TRUE(std::filesystem::exists(releases.SnapshotDatabase(own)));
  Connect();
  RunUntil([&] { return SummaryOf(action_).has_value(); });
  // This version was put over one of its own schema; the base may be of an earlier one.
  EXPECT_FALSE(std::filesystem::exists(releases.SnapshotDatabase(own)));
  EXPECT_TRUE(std::filesystem::exists(releases.SnapshotDatabase(own - 1)));
  launch_ = Launch();
  launch_.state = ReleaseState().OverBase(kVersion, "/usr/bin/the-base");
  Restart();
  EXPECT_FALSE(std::filesystem::exists(releases.SnapshotDirectory()));
}

TEST_F(MonitorUpgradeTest, KilledBetweenConfirmationAndReportItIsToldAtTheNextStart) {
  launch_.state = launch_.state.Confirmed();
  Restart();
  Turn();
  EXPECT_EQ(OnlyRow().outcome(), "upgraded");
}

TEST_F(MonitorUpgradeTest, KilledBetweenReportAndItsForgettingItIsToldOnce) {
  launch_.state = launch_.state.Confirmed();
  Restart();
  Turn();
  Restart();
  Turn();
  EXPECT_EQ(OnlyRow().outcome(), "upgraded");
  EXPECT_FALSE((*Releases().Load())->report.has_value());
}

TEST_F(MonitorUpgradeTest, AConnectionThatIsLostDoesntConfirm) {
  Restart();
  for (int times = 0; times < 3; ++times) {
    Connect();
    Turn();
    ipc::LinkToMonitor disconnected;
    disconnected.mutable_disconnected()->set_reason("gone");
    monitor_->HandleLinkMessage(disconnected);
    Turn();
  }
  EXPECT_FALSE(SummaryOf(action_).has_value());
  EXPECT_FALSE(Releases().Load()->has_value());
}

TEST_F(MonitorUpgradeTest, WithoutASchedulerInTimeItGoesBack) {
  trial_time_ = confirm_time_ = absl::ZeroDuration();
  Restart();
  RunUntil([&] { return !monitor_->program_to_become().empty(); });
  EXPECT_EQ(monitor_->program_to_become(), "/usr/bin/the-base");
  EXPECT_FALSE(SummaryOf(action_).has_value());
  const ReleaseState state = **Releases().Load();
  EXPECT_FALSE(state.current.has_value());
  // The version that is back tells.
  launch_.is_release = false;
  launch_.state = state;
  Restart();
  Turn();
  EXPECT_EQ(OnlyRow().outcome(), "went_back");
  EXPECT_THAT(OnlyRow().detail(), HasSubstr("not connected to a scheduler"));
  EXPECT_EQ(SummaryOf(action_)->outcome(), v1::OUTCOME_INCOMPLETE);
  EXPECT_FALSE((*Releases().Load())->report.has_value());
}

TEST_F(MonitorUpgradeTest, WhileItRetiresTheHostItDoesntGoBack) {
  trial_time_ = confirm_time_ = absl::ZeroDuration();
  // So that it isn't retired before the test has seen it.
  ASSERT_TRUE(
      BeginRetirement(
          directory_,
          {.at = clock_.Now(), .by = "alice", .action_id = action_.id(), .reason = "given away"})
          .ok());
  ::alarm(600);
  Restart();
  for (int turn = 0; turn < 5; ++turn) Turn();
  EXPECT_EQ(monitor_->program_to_become(), "");
  EXPECT_FALSE(Releases().Load()->has_value());
  // Nor does the base's alarm end it.
  EXPECT_EQ(::alarm(0), 0U);
}

// What is to run couldn't be read: it may name any of these.
TEST_F(MonitorUpgradeTest, UndecidedItRemovesAndWritesNothing) {
  ReleaseDirectory releases = Releases();
  ASSERT_TRUE(releases.Prepare().ok());
  for (const char* kept : {"/2.0.0", "/.staging-3.0.0", "/.trial", "/.snapshot"}) {
    ASSERT_TRUE(std::filesystem::create_directory(releases.path() + kept));
  }
  testing::WriteTo(releases.path() + "/state", "no one knows");
  launch_ = Launch();
  launch_.state = ReleaseState().OverBase(kVersion, "/usr/bin/the-base");
  launch_.undecided = "state: damaged";
  Restart();
  Connect();
  for (int turn = 0; turn < 3; ++turn) Turn();
  for (const char* kept : {"/2.0.0", "/.staging-3.0.0", "/.trial", "/.snapshot"}) {
    EXPECT_TRUE(std::filesystem::exists(releases.path() + kept)) << kept;
  }
  EXPECT_EQ(testing::ReadFrom(releases.path() + "/state"), "no one knows");
}

TEST_F(MonitorUpgradeTest, OtherInterruptedOperationsAreStillInterrupted) {
  v1::Action other = fleet_.ActionProto();
  ASSERT_TRUE(store_->JournalTaken(other.id(), 0, 1, fleet_.now).ok());
  Restart();
  ASSERT_TRUE(SummaryOf(other).has_value());
  EXPECT_EQ(SummaryOf(other)->termination(), v1::TERMINATION_INTERRUPTED);
  EXPECT_FALSE(SummaryOf(action_).has_value());
}

// With an action for the module, which waits while another one runs.
class MonitorUpgradeOrderTest : public MonitorUpgradeTest {
 protected:
  void SetUp() override {
    MonitorUpgradeTest::SetUp();
    launch_ = Launch();
    launch_.state = ReleaseState().OverBase(kVersion, "/usr/bin/the-base");
    v1::TrustPolicy policy = fleet_.PolicyProto(2);
    Fleet::AddModule("upgrade", 1, {{"alice", 1}}, &policy);
    DeliverPolicy(fleet_.SignedPolicy(policy));
    Restart();
  }
  v1::Action Upgrade() const {
    v1::Action action = fleet_.ActionProto("upgrade");
    upgrade::v1::UpgradeParameters parameters;
    parameters.set_release("no release");
    action.mutable_operations(0)->set_parameters(parameters.SerializeAsString());
    return action;
  }
};

TEST_F(MonitorUpgradeOrderTest, ItHasNoWorkerAndTakesNoPlaceOfOne) {
  std::vector<v1::Action> hanging;
  for (int i = 0; i < 2; ++i) {
    hanging.push_back(ActionThat("hang"));
    DeliverAction(SignedByAlice(hanging.back()));
  }
  RunUntil([&] { return !RecordsOf(hanging[1]).empty(); });
  action_ = Upgrade();
  DeliverAction(SignedByAlice(action_));
  RunUntil([&] { return SummaryOf(action_).has_value(); });
  EXPECT_EQ(OnlyRow().outcome(), "refused");
  EXPECT_EQ(SummaryOf(action_)->termination(), v1::TERMINATION_NOT_STARTED);
}

TEST_F(MonitorUpgradeOrderTest, UndecidedItTakesNone) {
  launch_.undecided = "state: damaged";
  Restart();
  action_ = Upgrade();
  DeliverAction(SignedByAlice(action_));
  RunUntil([&] { return SummaryOf(action_).has_value(); });
  EXPECT_EQ(OnlyRow().outcome(), "refused");
  EXPECT_THAT(OnlyRow().detail(), HasSubstr("could not be told at the agent's start"));
}

TEST_F(MonitorUpgradeOrderTest, WhereThePackageManagerUpgradesItSaysSo) {
  upgrade_ = AgentConfig::Upgrade::kPackageManager;
  Restart();
  action_ = Upgrade();
  DeliverAction(SignedByAlice(action_));
  RunUntil([&] { return SummaryOf(action_).has_value(); });
  EXPECT_EQ(OnlyRow().outcome(), "package_manager");
  EXPECT_EQ(SummaryOf(action_)->termination(), v1::TERMINATION_COMPLETED);
}

}  // namespace
}  // namespace dragnet
