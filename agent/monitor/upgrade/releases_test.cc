#include "agent/monitor/upgrade/releases.h"

#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include <functional>
#include <set>

#include "agent/monitor/upgrade/launch.h"
#include "agent/monitor/upgrade/testing.h"

namespace dragnet {
namespace {

using ::dragnet::testing::ProgramOf;
using ::dragnet::testing::ReadFrom;
using ::dragnet::testing::ReleaseOf;
using ::dragnet::testing::ReleasesTest;
using ::dragnet::testing::WriteTo;
using ::testing::HasSubstr;
using ::testing::IsEmpty;

constexpr auto kSelf = AgentConfig::Upgrade::kSelf;

// --- the state file

class ReleaseStateTest : public ReleasesTest {
 protected:
  std::vector<ReleaseState> States() const {
    const ReleaseState base =
        ReleaseState().OverBase("1.0.0", directory_ + "/a base", Sha256("its programs"));
    const ReleaseState first = base.Switched(ReleaseOf("2.0.0"), Report("2.0.0"));
    ReleaseState told = first.Confirmed();
    told.report.reset();
    const ReleaseState second = told.Switched(ReleaseOf("3.0.0-rc.1"), Report("3.0.0-rc.1"));
    return {Base(),
            base,
            first,
            told,
            second,
            second.WentBack("it said:\nnothing"),
            first.WentBack("why")};
  }
};

TEST_F(ReleaseStateTest, IsReadAsItWasWritten) {
  for (const ReleaseState& state : States()) {
    const auto parsed = ParseReleaseState(FormatReleaseState(state));
    ASSERT_TRUE(parsed.ok()) << parsed.status() << FormatReleaseState(state);
    EXPECT_EQ(*parsed, state) << FormatReleaseState(state);
  }
}

TEST_F(ReleaseStateTest, TruncatedAtEachByteIsRefused) {
  for (const ReleaseState& state : States()) {
    const std::string text = FormatReleaseState(state);
    for (size_t size = 0; size < text.size(); ++size) {
      EXPECT_FALSE(ParseReleaseState(text.substr(0, size)).ok()) << size;
    }
    EXPECT_FALSE(ParseReleaseState(text + "\n").ok());
  }
}

TEST_F(ReleaseStateTest, EachByteThatIsChangedIsFound) {
  const std::string text = FormatReleaseState(States()[5]);
  for (size_t i = 0; i < text.size(); ++i) {
    for (const int bit : {1, 4, 32}) {
      std::string damaged = text;
      damaged[i] = static_cast<char>(damaged[i] ^ bit);
      EXPECT_FALSE(ParseReleaseState(damaged).ok()) << i;
    }
  }
}

// Whoever can write it is root; a slip must not lead outside all the same.
TEST_F(ReleaseStateTest, NoVersionLeadsOutOfTheDirectory) {
  for (const char* version : {"..", "../2.0.0", "/tmp/x", "", "2.0", ".trial"}) {
    ReleaseState state = Base();
    state.current = ReleaseOf("2.0.0");
    state.current->version = version;
    EXPECT_FALSE(ParseReleaseState(FormatReleaseState(state)).ok()) << version;
  }
}

TEST_F(ReleaseStateTest, OfAnotherFormIsNoErrorOfOurs) {
  std::string text = FormatReleaseState(Base());
  text.replace(text.find(" 1\n"), 3, " 2\n");
  EXPECT_FALSE(ParseReleaseState(text).ok());
  EXPECT_FALSE(ParseReleaseState("").ok());
  EXPECT_FALSE(ParseReleaseState(std::string(100, '\0')).ok());
}

TEST_F(ReleaseStateTest, TheNewestIssueIsNeverForgotten) {
  const ReleaseState switched = Base().Switched(ReleaseOf("2.0.0"), Report("2.0.0"));
  EXPECT_EQ(switched.last_issued, ReleaseOf("2.0.0").issued);
  EXPECT_EQ(switched.WentBack("why").last_issued, switched.last_issued);
  EXPECT_EQ(switched.OverBase("5.0.0", "/usr/bin/dragnet-agent").last_issued, switched.last_issued);
}

// --- staging

TEST_F(ReleasesTest, AStagedVersionIsThereAndWhole) {
  ReleaseDirectory releases(path());
  ASSERT_TRUE(Stage(releases, ReleaseOf("2.0.0")).ok());
  EXPECT_TRUE(releases.CheckFiles(ReleaseOf("2.0.0")).ok());
  struct stat info;
  ASSERT_EQ(::stat(releases.Program("2.0.0").c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 07777, 0755U);
  ASSERT_EQ(::stat(path().c_str(), &info), 0);
  EXPECT_EQ(info.st_mode & 07777, 0755U);
}

TEST_F(ReleasesTest, WhatIsLongerShorterOrOtherIsNotStaged) {
  ReleaseDirectory releases(path());
  const InstalledRelease release = ReleaseOf("2.0.0");
  const std::string right = ProgramOf("2.0.0", 0);
  std::string other = right;
  other[5] = 'X';
  for (const auto& [content, words] : std::vector<std::pair<std::string, std::string>>{
           {right + "x", "longer than"},
           {right + std::string(200'000, 'x'), "longer than"},
           {right.substr(0, right.size() - 1), "shorter than"},
           {"", "shorter than"},
           {other, "SHA-256"}}) {
    const UniqueFd blob = Blob(content);
    const absl::Status staged = releases.StageFile(release, 0, blob.get());
    EXPECT_EQ(staged.code(), absl::StatusCode::kDataLoss) << staged;
    EXPECT_THAT(std::string(staged.message()), HasSubstr(words));
  }
  EXPECT_FALSE(std::filesystem::exists(releases.ProgramDirectory("2.0.0")));
}

// A FIFO, a device: whatever never ends is read no further than was signed.
TEST_F(ReleasesTest, EndlessDataIsReadNoFurtherThanWasSigned) {
  ReleaseDirectory releases(path());
  const UniqueFd endless(::open("/dev/zero", O_RDONLY | O_CLOEXEC));
  const absl::Status staged = releases.StageFile(ReleaseOf("2.0.0"), 0, endless.get());
  EXPECT_THAT(std::string(staged.message()), HasSubstr("longer than"));
}

TEST_F(ReleasesTest, AFullDiskIsAnErrorByNameAndChangesNothing) {
  const testing::SmallDisk disk(directory_ + "/disk");
  if (!disk.mounted()) GTEST_SKIP() << "only root can mount a disk";
  ReleaseDirectory releases(directory_ + "/disk/releases");
  ASSERT_TRUE(Stage(releases, ReleaseOf("2.0.0")).ok());
  ReleaseState state = Base().Switched(ReleaseOf("2.0.0"), Report("2.0.0"));
  ASSERT_TRUE(releases.GrantStarts().ok());
  ASSERT_TRUE(releases.Save(state).ok());
  disk.Fill();
  const absl::Status staged = Stage(releases, ReleaseOf("3.0.0"));
  EXPECT_EQ(staged.code(), absl::StatusCode::kResourceExhausted) << staged;
  EXPECT_THAT(std::string(staged.message()), HasSubstr("No space left"));
  const absl::Status saved = releases.Save(state.Confirmed());
  EXPECT_EQ(saved.code(), absl::StatusCode::kResourceExhausted) << saved;
  releases.RemoveOthers(state);
  EXPECT_TRUE(releases.CheckFiles(ReleaseOf("2.0.0")).ok());
  EXPECT_EQ(**releases.Load(), state);
  // The starts of an unconfirmed version are counted on a full disk, too.
  disk.Fill();
  const OwnProgram base{"1.0.0", directory_ + "/base"};
  for (int start = 0; start < ReleaseDirectory::kStarts; ++start) {
    EXPECT_EQ(DecideLaunch(base, kSelf, &releases).program, releases.Program("2.0.0"));
  }
  const Launch launch = DecideLaunch(base, kSelf, &releases);
  EXPECT_THAT(launch.program, IsEmpty());
  EXPECT_THAT(launch.state.report->went_back, HasSubstr("was started 3 times"));
}

TEST_F(ReleasesTest, OthersThanItsUserCantHaveChangedIt) {
  ReleaseDirectory releases(path());
  const InstalledRelease release = ReleaseOf("2.0.0");
  ASSERT_TRUE(Stage(releases, release).ok());
  const auto expect_refused = [&] {
    const absl::Status checked = releases.CheckFiles(release);
    EXPECT_EQ(checked.code(), absl::StatusCode::kPermissionDenied) << checked;
  };
  for (const std::string& part :
       {path(), releases.ProgramDirectory("2.0.0"), releases.Program("2.0.0")}) {
    ASSERT_EQ(::chmod(part.c_str(), 0775), 0);
    expect_refused();
    ASSERT_EQ(::chmod(part.c_str(), 0755), 0);
    if (::geteuid() != 0) continue;
    ASSERT_EQ(::chown(part.c_str(), 64510, 64510), 0);
    expect_refused();
    ASSERT_EQ(::chown(part.c_str(), 0, 0), 0);
  }
  EXPECT_TRUE(releases.CheckFiles(release).ok());
}

TEST_F(ReleasesTest, NoSymbolicLinkIsFollowed) {
  ReleaseDirectory releases(path());
  const InstalledRelease release = ReleaseOf("2.0.0");
  ASSERT_TRUE(Stage(releases, release).ok());
  const std::string program = releases.Program("2.0.0");
  std::filesystem::rename(program, directory_ + "/elsewhere");
  std::filesystem::create_symlink(directory_ + "/elsewhere", program);
  EXPECT_FALSE(releases.CheckFiles(release).ok());
  std::filesystem::remove(program);
  std::filesystem::rename(directory_ + "/elsewhere", program);
  EXPECT_TRUE(releases.CheckFiles(release).ok());
  std::filesystem::rename(releases.ProgramDirectory("2.0.0"), directory_ + "/elsewhere");
  std::filesystem::create_directory_symlink(directory_ + "/elsewhere",
                                            releases.ProgramDirectory("2.0.0"));
  EXPECT_FALSE(releases.CheckFiles(release).ok());
  // Staging takes the link away, and what it led to stays.
  ASSERT_TRUE(Stage(releases, release).ok());
  EXPECT_TRUE(releases.CheckFiles(release).ok());
  EXPECT_TRUE(std::filesystem::exists(directory_ + "/elsewhere/dragnet-agent"));
}

TEST_F(ReleasesTest, OnlyWhatIsItsOwnIsRemoved) {
  ReleaseDirectory releases(path());
  ASSERT_TRUE(Stage(releases, ReleaseOf("2.0.0")).ok());
  ASSERT_TRUE(Stage(releases, ReleaseOf("3.0.0")).ok());
  ASSERT_TRUE(Stage(releases, ReleaseOf("4.0.0")).ok());
  std::filesystem::create_directory(path() + "/.staging-5.0.0");
  std::filesystem::create_directory(path() + "/somebody's");
  ReleaseState state = Base();
  state.current = ReleaseOf("4.0.0");
  state.former = ReleaseOf("3.0.0");
  releases.RemoveOthers(state);
  EXPECT_FALSE(std::filesystem::exists(path() + "/2.0.0"));
  EXPECT_FALSE(std::filesystem::exists(path() + "/.staging-5.0.0"));
  for (const char* kept : {"/3.0.0", "/4.0.0", "/somebody's"}) {
    EXPECT_TRUE(std::filesystem::exists(path() + kept)) << kept;
  }
}

// --- which one is started

class LaunchTest : public ReleasesTest {
 protected:
  void SetUp() override {
    ReleasesTest::SetUp();
    WriteTo(base_.path = directory_ + "/base", "the base");
    releases_.emplace(path());
    ASSERT_TRUE(Stage(*releases_, ReleaseOf("2.0.0")).ok());
    ASSERT_TRUE(releases_->GrantStarts().ok());
    state_ = Base().Switched(ReleaseOf("2.0.0"), Report("2.0.0"));
    ASSERT_TRUE(releases_->Save(state_).ok());
  }
  Launch Decide() { return DecideLaunch(base_, kSelf, &*releases_); }
  std::string Program(std::string_view version) { return releases_->Program(version); }

  OwnProgram base_{"1.0.0", ""};
  std::optional<ReleaseDirectory> releases_;
  ReleaseState state_;
};

TEST_F(LaunchTest, WithoutAnUpgradeTheProgramItselfRuns) {
  ReleaseDirectory none(directory_ + "/none");
  const Launch launch = DecideLaunch(base_, kSelf, &none);
  EXPECT_THAT(launch.program, IsEmpty());
  EXPECT_EQ(launch.state, Base());
  EXPECT_FALSE(std::filesystem::exists(directory_ + "/none"));
}

TEST_F(LaunchTest, TheReleaseThatWasPutOverThisVersionRuns) {
  ASSERT_TRUE(releases_->Save(state_.Confirmed()).ok());
  for (int start = 0; start < 10; ++start) {
    const Launch launch = Decide();
    EXPECT_EQ(launch.program, Program("2.0.0"));
    EXPECT_EQ(launch.state, state_.Confirmed());
  }
}

TEST_F(LaunchTest, TheReleaseItselfStartsNothingFurther) {
  const Launch launch = DecideLaunch({"2.0.0", Program("2.0.0")}, kSelf, &*releases_);
  EXPECT_THAT(launch.program, IsEmpty());
  EXPECT_TRUE(launch.is_release);
  EXPECT_EQ(launch.state, state_);
  // Whatever it says of itself: it would go on for ever.
  EXPECT_THAT(DecideLaunch({"1.0.0", Program("2.0.0")}, kSelf, &*releases_).program, IsEmpty());
}

TEST_F(LaunchTest, UnconfirmedItHasThreeStartsAndThenTheFormerOneRuns) {
  for (int start = 0; start < ReleaseDirectory::kStarts; ++start) {
    EXPECT_EQ(Decide().program, Program("2.0.0"));
  }
  for (int start = 0; start < 3; ++start) {
    const Launch back = Decide();
    EXPECT_THAT(back.program, IsEmpty());
    EXPECT_EQ(back.state.version(), "1.0.0");
    EXPECT_THAT(back.state.report->went_back, HasSubstr("2.0.0: it was started 3 times"));
  }
  EXPECT_FALSE((*releases_->Load())->current.has_value());
}

TEST_F(LaunchTest, TheFormerOneMayBeAReleaseToo) {
  ASSERT_TRUE(Stage(*releases_, ReleaseOf("3.0.0")).ok());
  ReleaseState state = state_.Confirmed();
  state.report.reset();
  ASSERT_TRUE(releases_->Save(state.Switched(ReleaseOf("3.0.0"), Report("3.0.0"))).ok());
  for (int start = 0; start < ReleaseDirectory::kStarts; ++start) {
    EXPECT_EQ(Decide().program, Program("3.0.0"));
  }
  const Launch back = Decide();
  EXPECT_EQ(back.program, Program("2.0.0"));
  EXPECT_TRUE(back.state.confirmed);
  // And if that one is damaged, the base.
  WriteTo(Program("2.0.0"), "damaged");
  EXPECT_THAT(Decide().program, IsEmpty());
}

TEST_F(LaunchTest, DamagedFilesAreNotStarted) {
  ASSERT_TRUE(releases_->Save(state_.Confirmed()).ok());
  const std::string worker = releases_->ProgramDirectory("2.0.0") + "/dragnet-worker";
  std::string content = ReadFrom(worker);
  content.back() ^= 1;
  WriteTo(worker, content);
  const Launch launch = Decide();
  EXPECT_THAT(launch.program, IsEmpty());
  EXPECT_THAT(launch.state.report->went_back, HasSubstr("SHA-256"));
}

TEST_F(LaunchTest, DamagedStateRunsTheBase) {
  const std::string text = ReadFrom(path() + "/state");
  for (const std::string& damaged :
       {std::string(), text.substr(0, 40), text + text, std::string(100'000, 'x')}) {
    WriteTo(path() + "/state", damaged);
    const Launch launch = Decide();
    EXPECT_THAT(launch.program, IsEmpty());
    EXPECT_EQ(launch.state, Base());
    EXPECT_THAT(launch.undecided, HasSubstr("damaged"));
    EXPECT_EQ(ReadFrom(path() + "/state"), damaged);
  }
  EXPECT_TRUE(releases_->CheckFiles(ReleaseOf("2.0.0")).ok());
}

// Without descriptors to be had nothing can be read, which says nothing of what is there.
TEST_F(LaunchTest, WhatCantBeReadNowIsDecidedAtTheNextStart) {
  ASSERT_TRUE(releases_->Save(state_.Confirmed()).ok());
  rlimit before;
  ASSERT_EQ(::getrlimit(RLIMIT_NOFILE, &before), 0);
  const rlimit none = {0, before.rlim_max};
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &none), 0);
  const Launch launch = Decide();
  const Launch of_release = DecideLaunch({"2.0.0", Program("2.0.0")}, kSelf, &*releases_);
  ASSERT_EQ(::setrlimit(RLIMIT_NOFILE, &before), 0);
  EXPECT_THAT(launch.program, IsEmpty());
  EXPECT_THAT(launch.undecided, HasSubstr("Too many open files"));
  EXPECT_FALSE(launch.is_release);
  // With its own link and worker all the same.
  EXPECT_TRUE(of_release.is_release);
  EXPECT_EQ(**releases_->Load(), state_.Confirmed());
  EXPECT_EQ(Decide().program, Program("2.0.0"));
  EXPECT_THAT(Decide().undecided, IsEmpty());
}

// Returns to this test in a child, which ends with what `check` says.
int ExitOfChild(const std::function<int()>& check) {
  const pid_t child = ::fork();
  if (child == 0) ::_exit(check());
  int status = 0;
  EXPECT_EQ(::waitpid(child, &status, 0), child);
  return WIFEXITED(status) ? WEXITSTATUS(status) : -WTERMSIG(status);
}

// As the base that this test's program would be.
class LaunchCurrentTest : public LaunchTest {
 protected:
  void SetUp() override {
    LaunchTest::SetUp();
    own_ = FindOwnProgram();
    config_.release_directory = path();
    state_ = ReleaseState().OverBase(own_.version, own_.path, own_.sha256);
  }
  // `program` becomes dragnet-agent of 2.0.0.
  void Switch(const std::string& program) {
    InstalledRelease release = ReleaseOf("2.0.0");
    release.files[0] = {Sha256(program), program.size()};
    std::filesystem::remove(Program("2.0.0"));
    WriteTo(Program("2.0.0"), program);
    ASSERT_EQ(::chmod(Program("2.0.0").c_str(), 0755), 0);
    state_ = state_.Switched(release, Report("2.0.0"));
    ASSERT_TRUE(releases_->Save(state_).ok());
  }

  OwnProgram own_;
  AgentConfig config_;
};

TEST_F(LaunchCurrentTest, WhatCantBeExecutedNowIsTriedAgainAtTheNextStart) {
  Switch("#!/bin/sh\nexit 9\n");
  state_ = state_.Confirmed();
  ASSERT_TRUE(releases_->Save(state_).ok());
  std::string name = "dragnet-agent";
  // More than execve(2) takes.
  std::string long_argument(1 << 20, 'x');
  char* too_much[] = {name.data(), long_argument.data(), nullptr};
  const Launch launch = LaunchCurrent(config_, too_much);
  EXPECT_THAT(launch.undecided, HasSubstr("Argument list too long"));
  EXPECT_EQ(launch.state.version(), own_.version);
  EXPECT_EQ(**releases_->Load(), state_);
  char* arguments[] = {name.data(), nullptr};
  EXPECT_EQ(ExitOfChild([&] { return LaunchCurrent(config_, arguments).undecided.empty(); }), 9);
}

TEST_F(LaunchCurrentTest, WhatIsNoProgramIsLeftForGood) {
  Switch("no program");
  std::string name = "dragnet-agent";
  char* arguments[] = {name.data(), nullptr};
  EXPECT_THAT(LaunchCurrent(config_, arguments).undecided, IsEmpty());
  const ReleaseState state = **releases_->Load();
  EXPECT_FALSE(state.current.has_value());
  EXPECT_THAT(state.report->went_back, HasSubstr("execute"));
}

// It may hang before it could go back by itself: what is on when it is executed.
TEST_F(LaunchCurrentTest, AnUnconfirmedVersionHasAnAlarmAndAConfirmedOneNone) {
  config_.trial_time = absl::Seconds(100);
  config_.confirm_time = absl::Seconds(20);
  // Its status: 0 no alarm, 1 one that is due between 121 and 180 seconds from now and
  // that kills, 2 another one.
  Switch(R"(#!/usr/bin/perl
my $left = alarm(0);
exit 0 if $left == 0;
open my $status, "<", "/proc/self/status" or exit 3;
for (<$status>) { exit 2 if /^Sig(Blk|Ign):\s*(\S+)/ && hex($2) & (1 << 13); }
exit($left > 120 && $left <= 180 ? 1 : 2);
)");
  std::string name = "dragnet-agent";
  char* arguments[] = {name.data(), nullptr};
  const auto start = [&] {
    return ExitOfChild([&] {
      ::signal(SIGALRM, SIG_IGN);
      sigset_t all;
      ::sigfillset(&all);
      ::sigprocmask(SIG_BLOCK, &all, nullptr);
      ::alarm(7);
      LaunchCurrent(config_, arguments);
      return 77;
    });
  };
  EXPECT_EQ(start(), 1);
  ASSERT_TRUE(releases_->Save(state_.Confirmed()).ok());
  EXPECT_EQ(start(), 0);
  // Back at the base there is none, either.
  ASSERT_TRUE(releases_->Save(state_.WentBack("why")).ok());
  EXPECT_EQ(ExitOfChild([&] {
              ::alarm(7);
              LaunchCurrent(config_, arguments);
              return static_cast<int>(::alarm(0));
            }),
            0);
}

TEST_F(LaunchTest, APackageBuiltAnewAsTheSameVersionWins) {
  state_ = ReleaseState()
               .OverBase("1.0.0", base_.path, Sha256("built once"))
               .Switched(ReleaseOf("2.0.0"), Report("2.0.0"))
               .Confirmed();
  ASSERT_TRUE(releases_->Save(state_).ok());
  base_.sha256 = Sha256("built once");
  EXPECT_EQ(Decide().program, Program("2.0.0"));
  // It couldn't be read: no reason to go back.
  base_.sha256 = "";
  EXPECT_EQ(Decide().program, Program("2.0.0"));
  base_.sha256 = Sha256("built anew");
  const Launch launch = Decide();
  EXPECT_THAT(launch.program, IsEmpty());
  EXPECT_EQ(launch.state.base_sha256, base_.sha256);
  EXPECT_FALSE(std::filesystem::exists(releases_->ProgramDirectory("2.0.0")));
}

TEST_F(ReleasesTest, TheDigestOfABaseIsOfAllItsPrograms) {
  const auto digest = [&] { return DigestOfPrograms(directory_ + "/dragnet-agent", directory_); };
  EXPECT_EQ(digest(), "");
  std::set<std::string> digests;
  for (const char* name : {"/dragnet-agent", "/dragnet-link", "/dragnet-worker"}) {
    for (const char* content : {"one", "another"}) {
      WriteTo(directory_ + name, content);
      digests.insert(digest());
      EXPECT_EQ(digest(), digest());
    }
  }
  EXPECT_EQ(digests.size(), 6U);
  EXPECT_EQ(digests.count(""), 0U);
}

TEST_F(LaunchTest, AStateThatOthersCouldWriteRunsTheBase) {
  ASSERT_EQ(::chmod((path() + "/state").c_str(), 0666), 0);
  EXPECT_THAT(Decide().program, IsEmpty());
  ASSERT_EQ(::chmod((path() + "/state").c_str(), 0600), 0);
  ASSERT_EQ(::chmod(path().c_str(), 0777), 0);
  EXPECT_THAT(Decide().program, IsEmpty());
  ASSERT_EQ(::chmod(path().c_str(), 0755), 0);
  std::filesystem::rename(path() + "/state", directory_ + "/state");
  std::filesystem::create_symlink(directory_ + "/state", path() + "/state");
  EXPECT_THAT(Decide().program, IsEmpty());
}

TEST_F(LaunchTest, WhatThePackageManagerInstallsLastWins) {
  ASSERT_TRUE(releases_->Save(state_.Confirmed()).ok());
  base_.version = "1.1.0";
  EXPECT_THAT(Decide().program, IsEmpty());
  EXPECT_FALSE(std::filesystem::exists(releases_->ProgramDirectory("2.0.0")));
  // The package of before doesn't bring the release back.
  base_.version = "1.0.0";
  const Launch launch = Decide();
  EXPECT_THAT(launch.program, IsEmpty());
  EXPECT_EQ(launch.state.last_issued, ReleaseOf("2.0.0").issued);
}

TEST_F(LaunchTest, WhereThePackageManagerUpgradesItsVersionRuns) {
  ASSERT_TRUE(releases_->Save(state_.Confirmed()).ok());
  const auto by_manager = AgentConfig::Upgrade::kPackageManager;
  EXPECT_THAT(DecideLaunch(base_, by_manager, &*releases_).program, IsEmpty());
}

TEST_F(LaunchTest, StartedByHandAnOldReleaseDecidesNothing) {
  ASSERT_TRUE(Stage(*releases_, ReleaseOf("3.0.0")).ok());
  EXPECT_THAT(DecideLaunch({"3.0.0", Program("3.0.0")}, kSelf, &*releases_).program, IsEmpty());
  EXPECT_EQ(**releases_->Load(), state_);
}

// --- snapshots

TEST_F(ReleasesTest, ThereIsASnapshotForEachSchemaAndNoneIsLostBeforeTheNextIsWhole) {
  const auto take = [&](ReleaseDirectory& releases, std::string_view content, int64_t schema) {
    if (!releases.BeginSnapshot().ok()) return false;
    WriteTo(releases.NewSnapshot(), content);
    return releases.FinishSnapshot(schema).ok();
  };
  ReleaseDirectory releases(path());
  ASSERT_TRUE(releases.Prepare().ok());
  ASSERT_TRUE(take(releases, "three", 3));
  ASSERT_TRUE(take(releases, "four", 4));
  ASSERT_TRUE(take(releases, "four again", 4));
  // One that was never complete.
  ASSERT_TRUE(releases.BeginSnapshot().ok());
  WriteTo(releases.NewSnapshot(), "half");
  EXPECT_EQ(ReadFrom(releases.SnapshotDatabase(3)), "three");
  EXPECT_EQ(ReadFrom(releases.SnapshotDatabase(4)), "four again");
  // A version of schema 4 is confirmed.
  releases.RemoveSnapshotsFrom(4);
  EXPECT_EQ(ReadFrom(releases.SnapshotDatabase(3)), "three");
  EXPECT_FALSE(std::filesystem::exists(releases.SnapshotDatabase(4)));
  EXPECT_FALSE(std::filesystem::exists(releases.NewSnapshot()));
  EXPECT_TRUE(std::filesystem::exists(releases.SnapshotDirectory() + "/reserve"));
  releases.RemoveSnapshotsFrom(0);
  EXPECT_FALSE(std::filesystem::exists(releases.SnapshotDirectory()));
}

}  // namespace
}  // namespace dragnet
