#include "agent/monitor/upgrade/upgrade_run.h"

#include <sys/wait.h>

#include <map>

#include "agent/monitor/state_store.h"
#include "agent/monitor/upgrade/launch.h"
#include "agent/monitor/upgrade/testing.h"
#include "core/action.h"
#include "core/envelope.h"
#include "core/file_io.h"
#include "core/testing.h"

namespace dragnet {
namespace {

using ::dragnet::testing::Fleet;
using ::dragnet::testing::ProgramOf;
using ::dragnet::testing::ReleaseOf;
using ::dragnet::testing::ReleasesTest;
using ::dragnet::testing::WriteTo;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using upgrade::v1::UpgradeParameters;
using upgrade::v1::UpgradeRow;

class FakeTrial : public Trial {
 public:
  explicit FakeTrial(absl::Status result) : after_(std::move(result)) {}
  void AddPollFds(std::vector<pollfd>*) const override {}
  absl::Time deadline() const override { return absl::InfinitePast(); }
  void Advance() override { result_ = after_; }
  const std::optional<absl::Status>& result() const override { return result_; }

 private:
  absl::Status after_;
  std::optional<absl::Status> result_;
};

// The monitor's side; everything that lasts is in files.
class FakeHost : public UpgradeHost {
 public:
  FakeHost(const Fleet& fleet, const std::string& directory, const ReleaseState& state)
      : fleet_(fleet), directory_(directory), state_(state), releases_(directory + "/releases") {}

  absl::StatusOr<AuthorizedRelease> Authorize(std::string_view release) override {
    ReleaseContext context;
    context.policy = &policy_;
    context.now = fleet_.now;
    context.os = "linux";
    context.arch = arch_;
    context.version = version_;
    context.last_issued = state_.last_issued;
    return AuthorizeRelease(release, context);
  }
  bool by_package_manager() const override { return by_package_manager_; }
  std::string running_version() const override { return version_; }
  std::string WhyNotNow() override { return why_not_; }
  void HoldLink(bool held) override { link_held_ = held; }
  absl::Status CopyState(const std::string& path, bool with_spool) override {
    if (!copy_.ok()) return copy_;
    EXPECT_EQ(with_spool, path == releases_.NewSnapshot());
    return WriteFileAtomically(path, "state", 0600);
  }
  absl::StatusOr<std::unique_ptr<Trial>> StartTrial(const InstalledRelease& release) override {
    ++trials_;
    EXPECT_TRUE(link_held_);
    EXPECT_TRUE(releases_.CheckFiles(release).ok());
    if (!start_trial_.ok()) return start_trial_;
    return std::make_unique<FakeTrial>(trial_);
  }
  ReleaseDirectory& releases() override { return releases_; }
  const ReleaseState& release_state() const override { return state_; }
  absl::Status ForgetFormer() override {
    state_ = state_.WithoutFormer();
    return releases_.Save(state_);
  }
  void Become(const ReleaseState& next) override { became_ = next.version(); }

  const Fleet& fleet_;
  std::string directory_;
  TrustPolicy policy_ = fleet_.Policy();
  std::string version_ = "1.0.0";
  std::string arch_ = "x86_64";
  bool by_package_manager_ = false;
  std::string why_not_;
  absl::Status copy_;
  absl::Status start_trial_;
  absl::Status trial_;
  bool link_held_ = false;
  int trials_ = 0;
  std::string became_;
  ReleaseState state_;
  ReleaseDirectory releases_;
};

class UpgradeRunTest : public ReleasesTest {
 protected:
  void SetUp() override {
    ReleasesTest::SetUp();
    host_.emplace(fleet_, directory_, Base());
    WriteTo(directory_ + "/base", "the base");
  }

  v1::Release Release(std::string_view version = "2.0.0") const {
    v1::Release release;
    release.set_version(std::string(version));
    *release.mutable_issued() = ToTimestamp(fleet_.now - absl::Hours(1));
    *release.mutable_expires() = ToTimestamp(fleet_.now + absl::Hours(24));
    v1::Platform* platform = release.add_platforms();
    platform->set_os("linux");
    platform->set_arch("x86_64");
    for (size_t i = 0; i < std::size(kAgentPrograms); ++i) {
      v1::ReleaseFile* file = platform->add_files();
      const std::string content = ProgramOf(version, i);
      file->set_name(std::string(kAgentPrograms[i]));
      file->set_sha256(Sha256(content));
      file->set_size(content.size());
    }
    return release;
  }
  // Signed by the root keys, which the policy's threshold asks for where it names no
  // release keys.
  std::string Signed(const v1::Release& release) const {
    return testing::Signed(kReleasePayloadType, release, {&fleet_.roots[0], &fleet_.roots[1]});
  }
  UpgradeOperation Operation(const std::string& envelope,
                             std::string_view version = "2.0.0") const {
    UpgradeOperation operation;
    operation.action_id = Report("").action_id;
    operation.wall_time = absl::Hours(1);
    UpgradeParameters parameters;
    parameters.set_release(envelope);
    operation.operation.set_module(std::string(kUpgradeModule));
    operation.operation.set_parameters(parameters.SerializeAsString());
    // In another order than the programs': fields say which is which.
    for (const size_t i : {size_t{2}, size_t{0}, size_t{1}}) {
      v1::Blob* blob = operation.operation.add_blobs();
      blob->set_field(std::vector<std::string>{"agent", "link", "worker"}[i]);
      blob->set_sha256(Sha256(ProgramOf(version, i)));
      blob->set_size(ProgramOf(version, i).size());
    }
    return operation;
  }
  std::vector<UniqueFd> Inputs(const UpgradeOperation& operation,
                               std::string_view version = "2.0.0") const {
    std::vector<UniqueFd> inputs;
    for (const size_t i : {size_t{2}, size_t{0}, size_t{1}}) {
      if (inputs.size() < static_cast<size_t>(operation.operation.blobs_size())) {
        inputs.push_back(Blob(ProgramOf(version, i)));
        std::filesystem::remove(directory_ + "/blob");
      }
    }
    return inputs;
  }
  // Until it ends, or the monitor is to become the new version.
  UpgradeRow Run(UpgradeRun& run) {
    UpgradeRow row;
    int rows = 0;
    for (int turn = 0; turn < 1000 && !run.summary().has_value() && host_->became_.empty();
         ++turn) {
      run.Advance();
    }
    while (const auto taken = run.TakeRows()) {
      for (const std::string& bytes : taken->rows()) {
        EXPECT_TRUE(row.ParseFromString(bytes));
        ++rows;
      }
    }
    EXPECT_EQ(rows, run.summary().has_value() ? 1 : 0);
    return row;
  }
  UpgradeRow Run(const UpgradeOperation& operation) {
    UpgradeRun run(operation, Inputs(operation), &*host_);
    const UpgradeRow row = Run(run);
    if (run.summary().has_value()) summary_ = *run.summary();
    return row;
  }
  // Not run, counted as a failure, and nothing has changed.
  void ExpectRefused(const UpgradeOperation& operation, std::string_view words) {
    const UpgradeRow row = Run(operation);
    EXPECT_EQ(row.outcome(), "refused");
    EXPECT_THAT(row.detail(), HasSubstr(std::string(words)));
    EXPECT_EQ(summary_.termination(), v1::TERMINATION_NOT_STARTED);
    EXPECT_EQ(summary_.outcome(), v1::OUTCOME_INCOMPLETE);
    ExpectNothingChanged();
    EXPECT_EQ(host_->trials_, 0);
  }
  void ExpectNothingChanged() {
    EXPECT_THAT(host_->became_, IsEmpty());
    EXPECT_FALSE(host_->link_held_);
    EXPECT_FALSE(std::filesystem::exists(path() + "/state"));
    EXPECT_FALSE(std::filesystem::exists(path() + "/2.0.0"));
    EXPECT_FALSE(std::filesystem::exists(path() + "/.trial"));
  }

  Fleet fleet_;
  std::optional<FakeHost> host_;
  v1::OperationSummary summary_;
};

TEST_F(UpgradeRunTest, ItIsStagedTriedAndSwitchedTo) {
  const UpgradeOperation operation = Operation(Signed(Release()));
  UpgradeRun run(operation, Inputs(operation), &*host_);
  Run(run);
  EXPECT_EQ(host_->became_, "2.0.0");
  EXPECT_FALSE(run.summary().has_value());
  EXPECT_TRUE(host_->link_held_);
  const ReleaseState state = **host_->releases_.Load();
  EXPECT_EQ(state.version(), "2.0.0");
  EXPECT_FALSE(state.confirmed);
  EXPECT_EQ(state.report->action_id, operation.action_id);
  EXPECT_EQ(state.report->from, "1.0.0");
  EXPECT_TRUE(host_->releases_.CheckFiles(*state.current).ok());
  EXPECT_TRUE(
      std::filesystem::exists(host_->releases_.SnapshotDatabase(StateStore::OwnSchemaVersion())));
  EXPECT_FALSE(std::filesystem::exists(path() + "/.trial"));
  // Nothing stops it any more.
  run.Stop(v1::TERMINATION_CANCELLED, "too late");
  EXPECT_FALSE(run.summary().has_value());
}

// --- TUF's attacks (docs/upgrades.md)

TEST_F(UpgradeRunTest, MixAndMatchIsRefused) {
  // Another release's worker, which its keys had signed, too.
  UpgradeOperation operation = Operation(Signed(Release()));
  operation.operation.mutable_blobs(0)->set_sha256(Sha256(ProgramOf("1.5.0", 2)));
  ExpectRefused(operation, "worker: is not the dragnet-worker of release 2.0.0");
}

TEST_F(UpgradeRunTest, ProgramsInEachOthersPlacesAreRefused) {
  UpgradeOperation operation = Operation(Signed(Release()));
  operation.operation.mutable_blobs(0)->set_field("agent");
  operation.operation.mutable_blobs(1)->set_field("worker");
  ExpectRefused(operation, "is not the dragnet-agent of release");
}

TEST_F(UpgradeRunTest, EndlessDataIsRefused) {
  UpgradeOperation operation = Operation(Signed(Release()));
  operation.operation.mutable_blobs(1)->set_size(uint64_t{32} << 20);
  ExpectRefused(operation, "of 33554432 bytes, the release says");
}

TEST_F(UpgradeRunTest, WhatTheDiskHoldsInABlobsPlaceIsRefused) {
  const UpgradeOperation operation = Operation(Signed(Release()));
  std::vector<UniqueFd> inputs = Inputs(operation);
  inputs[1] = Blob("another program");
  UpgradeRun run(operation, std::move(inputs), &*host_);
  const UpgradeRow row = Run(run);
  EXPECT_EQ(row.outcome(), "refused");
  EXPECT_THAT(row.detail(), HasSubstr("shorter than"));
  ExpectNothingChanged();
}

TEST_F(UpgradeRunTest, TheWrongPlatformIsRefused) {
  host_->arch_ = "aarch64";
  ExpectRefused(Operation(Signed(Release())), "aarch64");
}

TEST_F(UpgradeRunTest, RollbackIsRefused) {
  host_->version_ = "3.0.0";
  ExpectRefused(Operation(Signed(Release())), "2.0.0");
}

TEST_F(UpgradeRunTest, AReleaseIssuedBeforeTheLastOneIsRefused) {
  host_->state_.last_issued = fleet_.now - absl::Minutes(10);
  ExpectRefused(Operation(Signed(Release())), "issued");
}

TEST_F(UpgradeRunTest, AnExpiredReleaseIsRefused) {
  v1::Release release = Release();
  *release.mutable_expires() = ToTimestamp(fleet_.now - absl::Minutes(1));
  ExpectRefused(Operation(Signed(release)), "expired");
}

TEST_F(UpgradeRunTest, OneStolenKeyIsTooFew) {
  ExpectRefused(Operation(testing::Signed(kReleasePayloadType, Release(), {&fleet_.roots[0]})),
                "1");
  ExpectRefused(Operation(testing::Signed(kReleasePayloadType, Release(), {&fleet_.alice})), "");
}

TEST_F(UpgradeRunTest, WhatIsNoBlobIsRefused) {
  UpgradeOperation operation = Operation(Signed(Release()));
  UpgradeParameters parameters;
  ASSERT_TRUE(parameters.ParseFromString(operation.operation.parameters()));
  parameters.set_worker("inline");
  operation.operation.set_parameters(parameters.SerializeAsString());
  ExpectRefused(operation, "must be a blob");
  UpgradeOperation two = Operation(Signed(Release()));
  two.operation.mutable_blobs()->RemoveLast();
  ExpectRefused(two, "must be a blob");
  UpgradeOperation garbage = Operation(Signed(Release()));
  garbage.operation.set_parameters("\xff\xff");
  ExpectRefused(garbage, "parameters");
}

// --- what isn't a failure

TEST_F(UpgradeRunTest, TheVersionThatRunsIsCurrent) {
  host_->version_ = "2.0.0";
  EXPECT_EQ(Run(Operation(Signed(Release()))).outcome(), "current");
  EXPECT_EQ(summary_.termination(), v1::TERMINATION_COMPLETED);
  EXPECT_EQ(summary_.outcome(), v1::OUTCOME_FOUND);
  ExpectNothingChanged();
}

TEST_F(UpgradeRunTest, WhereThePackageManagerUpgradesItIsAnswered) {
  host_->by_package_manager_ = true;
  EXPECT_EQ(Run(Operation(Signed(Release()))).outcome(), "package_manager");
  EXPECT_EQ(summary_.termination(), v1::TERMINATION_COMPLETED);
  ExpectNothingChanged();
}

// --- what goes wrong

TEST_F(UpgradeRunTest, AFailedTrialGoesBackAndIsCounted) {
  host_->trial_ = absl::AbortedError("exit status 2; its last words: no");
  const UpgradeRow row = Run(Operation(Signed(Release())));
  EXPECT_EQ(row.outcome(), "went_back");
  EXPECT_EQ(row.from(), "1.0.0");
  EXPECT_EQ(row.to(), "2.0.0");
  EXPECT_THAT(row.detail(), HasSubstr("its last words: no"));
  EXPECT_EQ(summary_.termination(), v1::TERMINATION_MODULE_ERROR);
  EXPECT_EQ(summary_.outcome(), v1::OUTCOME_INCOMPLETE);
  ExpectNothingChanged();
}

TEST_F(UpgradeRunTest, ATrialThatCantBeStartedGoesBack) {
  host_->start_trial_ = absl::ResourceExhaustedError("fork: no memory");
  EXPECT_EQ(Run(Operation(Signed(Release()))).outcome(), "went_back");
  ExpectNothingChanged();
}

TEST_F(UpgradeRunTest, AStateThatCantBeCopiedGoesBack) {
  host_->copy_ = absl::ResourceExhaustedError("No space left on device");
  EXPECT_EQ(Run(Operation(Signed(Release()))).outcome(), "went_back");
  ExpectNothingChanged();
  EXPECT_EQ(host_->trials_, 0);
}

TEST_F(UpgradeRunTest, WhileOthersRunItWaitsAndNoLongerThanItsTime) {
  host_->why_not_ = "action 1 runs";
  UpgradeOperation operation = Operation(Signed(Release()));
  UpgradeRun patient(operation, Inputs(operation), &*host_);
  for (int turn = 0; turn < 20; ++turn) patient.Advance();
  EXPECT_FALSE(patient.summary().has_value());
  EXPECT_EQ(host_->trials_, 0);
  patient.Stop(v1::TERMINATION_CANCELLED, "by order");
  EXPECT_EQ(Run(patient).outcome(), "refused");
  EXPECT_EQ(patient.summary()->termination(), v1::TERMINATION_CANCELLED);
  ExpectNothingChanged();
  operation.wall_time = absl::ZeroDuration();
  EXPECT_THAT(Run(operation).detail(), HasSubstr("action 1 runs"));
  EXPECT_EQ(summary_.termination(), v1::TERMINATION_WALL_TIME_LIMIT);
  ExpectNothingChanged();
}

TEST_F(UpgradeRunTest, WhatIsNotAllowedAnyMoreAfterItWaitedIsRefused) {
  host_->why_not_ = "action 1 runs";
  const UpgradeOperation operation = Operation(Signed(Release()));
  UpgradeRun run(operation, Inputs(operation), &*host_);
  for (int turn = 0; turn < 20; ++turn) run.Advance();
  host_->state_.last_issued = fleet_.now;
  host_->why_not_.clear();
  EXPECT_EQ(Run(run).outcome(), "refused");
  ExpectNothingChanged();
}

TEST_F(UpgradeRunTest, DestroyedInItsTrialItLetsTheLinkGo) {
  const UpgradeOperation operation = Operation(Signed(Release()));
  {
    UpgradeRun run(operation, Inputs(operation), &*host_);
    for (int turn = 0; turn < 4; ++turn) run.Advance();
    EXPECT_TRUE(host_->link_held_);
  }
  EXPECT_FALSE(host_->link_held_);
}

// --- two at a time

TEST_F(UpgradeRunTest, ASecondOneWaitsForTheFirstAndTakesNothingOfIts) {
  host_->why_not_ = "action 1 runs";
  const UpgradeOperation operation = Operation(Signed(Release()));
  UpgradeRun first(operation, Inputs(operation), &*host_);
  for (int turn = 0; turn < 20; ++turn) first.Advance();
  const auto expect_untouched = [&] {
    EXPECT_TRUE(host_->releases_.CheckFiles(ReleaseOf("2.0.0")).ok());
    EXPECT_EQ(std::filesystem::exists(path() + "/.trial"), host_->link_held_);
  };
  // Of the same version, which it would stage in the same place.
  UpgradeRun second(operation, Inputs(operation), &*host_);
  for (int turn = 0; turn < 20; ++turn) second.Advance();
  EXPECT_FALSE(second.summary().has_value());
  expect_untouched();
  second.Stop(v1::TERMINATION_CANCELLED, "by order");
  EXPECT_TRUE(second.summary().has_value());
  expect_untouched();
  // And one that waits no longer than its time, during the first one's trial.
  host_->why_not_.clear();
  first.Advance();
  ASSERT_TRUE(host_->link_held_);
  UpgradeOperation impatient = operation;
  impatient.wall_time = absl::ZeroDuration();
  EXPECT_THAT(Run(impatient).detail(), HasSubstr("another upgrade is under way"));
  EXPECT_EQ(summary_.termination(), v1::TERMINATION_WALL_TIME_LIMIT);
  EXPECT_TRUE(host_->link_held_);
  expect_untouched();
  {
    const UpgradeRun third(operation, Inputs(operation), &*host_);
  }
  EXPECT_TRUE(host_->link_held_);
  expect_untouched();
  Run(first);
  EXPECT_EQ(host_->became_, "2.0.0");
}

TEST_F(UpgradeRunTest, TheSecondOneBeginsWhenTheFirstHasEnded) {
  host_->trial_ = absl::AbortedError("no");
  const UpgradeOperation operation = Operation(Signed(Release()));
  UpgradeRun first(operation, Inputs(operation), &*host_);
  UpgradeRun second(operation, Inputs(operation), &*host_);
  first.Advance();
  second.Advance();
  EXPECT_EQ(Run(first).outcome(), "went_back");
  host_->trial_ = absl::OkStatus();
  Run(second);
  EXPECT_EQ(host_->became_, "2.0.0");
}

// --- called as the one before the current one, and other files

TEST_F(UpgradeRunTest, AFormerVersionThatIsReplacedIsNothingToGoBackToAnyMore) {
  InstalledRelease former = ReleaseOf("2.0.0");
  former.files[1].sha256 = Sha256("of another build");
  host_->state_.current = ReleaseOf("1.0.0");
  host_->state_.former = former;
  host_->trial_ = absl::AbortedError("no");
  EXPECT_EQ(Run(Operation(Signed(Release()))).outcome(), "went_back");
  const ReleaseState state = **host_->releases_.Load();
  EXPECT_EQ(state.version(), "1.0.0");
  EXPECT_FALSE(state.former.has_value());
  EXPECT_FALSE(std::filesystem::exists(path() + "/2.0.0"));
}

TEST_F(UpgradeRunTest, TheFormerVersionsOwnFilesStayWhenTheirTrialFails) {
  host_->state_.current = ReleaseOf("1.0.0");
  host_->state_.former = ReleaseOf("2.0.0");
  host_->trial_ = absl::AbortedError("no");
  EXPECT_EQ(Run(Operation(Signed(Release()))).outcome(), "went_back");
  EXPECT_TRUE(host_->releases_.CheckFiles(ReleaseOf("2.0.0")).ok());
}

// --- killed at each step that changes the disk

// Runs an upgrade in a child that dies before its step number `last`; false when it had
// no such step.
bool DiesAtStep(UpgradeRun* run, FakeHost* host) {
  for (int turn = 0; turn < 1000 && !run->summary().has_value() && host->became_.empty(); ++turn) {
    run->Advance();
  }
  return false;
}

TEST_F(UpgradeRunTest, KilledBeforeAnyStepAWholeVersionRuns) {
  constexpr int kKilled = 77;
  int old_version = 0;
  int new_version = 0;
  bool killed = true;
  for (int last = 1; killed; ++last) {
    ASSERT_LT(last, 1000);
    std::filesystem::remove_all(path());
    const UpgradeOperation operation = Operation(Signed(Release()));
    const pid_t child = ::fork();
    if (child == 0) {
      int step = 0;
      host_->releases_ = ReleaseDirectory(path(), [&](std::string_view) {
        if (++step == last) ::_exit(kKilled);
      });
      UpgradeRun run(operation, Inputs(operation), &*host_);
      DiesAtStep(&run, &*host_);
      ::_exit(host_->became_ == "2.0.0" ? 0 : 1);
    }
    int status = 0;
    ASSERT_EQ(::waitpid(child, &status, 0), child);
    ASSERT_TRUE(WIFEXITED(status));
    killed = WEXITSTATUS(status) == kKilled;
    if (!killed) {
      ASSERT_EQ(WEXITSTATUS(status), 0);
    }
    // What the next start does: one whole version, and no other.
    ReleaseDirectory releases(path());
    const Launch launch =
        DecideLaunch({"1.0.0", directory_ + "/base"}, AgentConfig::Upgrade::kSelf, &releases);
    if (launch.program.empty()) {
      EXPECT_EQ(launch.state.version(), "1.0.0");
      EXPECT_FALSE(launch.state.report.has_value());
      ++old_version;
    } else {
      EXPECT_EQ(launch.program, releases.Program("2.0.0"));
      EXPECT_TRUE(releases.CheckFiles(*launch.state.current).ok());
      EXPECT_TRUE(
          std::filesystem::exists(releases.SnapshotDatabase(StateStore::OwnSchemaVersion())));
      EXPECT_TRUE(launch.state.report.has_value());
      ++new_version;
    }
    // And it can be done again.
    if (launch.program.empty()) {
      EXPECT_THAT(Run(operation).outcome(), IsEmpty());
      EXPECT_EQ(std::exchange(host_->became_, ""), "2.0.0");
      host_->link_held_ = false;
    }
  }
  EXPECT_GT(old_version, 10);
  EXPECT_GE(new_version, 2);
}

// --- what the version says that came up

TEST(EndOfUpgradeTest, SaysHowItWent) {
  UpgradeReport report{.action_id = "a", .from = "1.0.0", .to = "2.0.0", .trial_milliseconds = 5};
  UpgradeEnd end = EndOfUpgrade(report);
  EXPECT_EQ(end.row.outcome(), "upgraded");
  EXPECT_EQ(end.row.trial_milliseconds(), 5U);
  EXPECT_EQ(end.summary.termination(), v1::TERMINATION_COMPLETED);
  EXPECT_EQ(end.summary.outcome(), v1::OUTCOME_FOUND);
  report.went_back = "it was started 3 times";
  end = EndOfUpgrade(report);
  EXPECT_EQ(end.row.outcome(), "went_back");
  EXPECT_EQ(end.summary.termination(), v1::TERMINATION_MODULE_ERROR);
  EXPECT_EQ(end.summary.outcome(), v1::OUTCOME_INCOMPLETE);
  EXPECT_THAT(end.summary.detail(), HasSubstr("back to version 1.0.0: it was started 3 times"));
}

}  // namespace
}  // namespace dragnet
