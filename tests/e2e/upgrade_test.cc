// Upgrades with the real programs: a second build of another version, and broken ones, put
// in place of the one that runs by a signed action; and what an attacker tries.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/utsname.h>

#include <array>
#include <random>

#include "core/action.h"
#include "core/envelope.h"
#include "core/release.h"
#include "core/strings.h"
#include "core/version.h"
#include "modules/upgrade/upgrade.pb.h"
#include "tests/faults/expect.h"
#include "tests/harness/fleet.h"
#include "tests/harness/need.h"

namespace dragnet::testing {
namespace {

using ::testing::AnyOf;
using ::testing::HasSubstr;
using upgrade::v1::UpgradeParameters;
using upgrade::v1::UpgradeRow;

constexpr char kNext[] = DRAGNET_NEXT_VERSION;
constexpr size_t kPartBytes = 256 * 1024;
// Less than this no agent.toml may say.
constexpr char kShortTrial[] = "trial_time = \"10s\"\nconfirm_time = \"5s\"\n";
// Tests don't wait for the minute that it is by default.
constexpr char kSoonConfirmed[] = "confirm_time = \"1s\"\n";

// A program whose only line is `words`.
std::string Script(const std::string& words) { return StrCat("#!/bin/sh\n", words, "\n"); }

struct Programs {
  // In the order of kAgentPrograms.
  std::array<std::string, 3> files;
};

Programs NextPrograms() {
  Programs programs;
  for (size_t i = 0; i < programs.files.size(); ++i) {
    programs.files[i] = Read(StrCat(DRAGNET_NEXT_PROGRAMS, "/", kAgentPrograms[i]));
  }
  return programs;
}

class UpgradeTest : public ::testing::Test {
 protected:
  UpgradeTest() { fleet_.StartScheduler(); }

  Agent& AddAgent(const std::string& settings = kSoonConfirmed) {
    Agent& agent = fleet_.AddOnlineAgent({.settings = settings});
    TakePolicy(agent);
    return agent;
  }

  // Two of two release keys.
  void TakePolicy(const Agent& agent) {
    v1::TrustPolicy policy = fleet_.forge().NextPolicy();
    for (const PrivateKey& key : release_keys_) {
      *policy.mutable_release_keys()->add_keys() = key.public_key().ToProto();
    }
    policy.mutable_release_keys()->set_threshold(2);
    const absl::Status published =
        fleet_.api().PublishTrustPolicy(fleet_.forge().SignPolicy(policy));
    ASSERT_TRUE(published.ok()) << published;
    ASSERT_TRUE(Eventually([&] {
      const auto info = fleet_.InfoOf(agent);
      return info.has_value() && info->trust_policy_version() == 2;
    }));
  }

  static v1::Release ReleaseOf(const Programs& programs, const std::string& version = kNext) {
    utsname host{};
    Need(::uname(&host) == 0, "uname");
    v1::Release release;
    release.set_version(version);
    *release.mutable_issued() = ToTimestamp(absl::Now() - absl::Minutes(1));
    *release.mutable_expires() = ToTimestamp(absl::Now() + absl::Hours(24));
    v1::Platform* platform = release.add_platforms();
    platform->set_os("linux");
    platform->set_arch(host.machine);
    for (size_t i = 0; i < programs.files.size(); ++i) {
      v1::ReleaseFile* file = platform->add_files();
      file->set_name(std::string(kAgentPrograms[i]));
      file->set_sha256(Sha256(programs.files[i]));
      file->set_size(programs.files[i].size());
    }
    return release;
  }
  std::string SignedByBoth(const v1::Release& release) const {
    return Signed(kReleasePayloadType, release, {&release_keys_[0], &release_keys_[1]});
  }

  void PutBlob(const std::string& content) {
    const std::string sha256 = Sha256(content);
    for (size_t offset = 0; offset < content.size(); offset += kPartBytes) {
      v1::PutBlobPartRequest part;
      part.set_sha256(sha256);
      part.set_size(content.size());
      part.set_offset(offset);
      part.set_data(content.substr(offset, kPartBytes));
      const absl::Status put = fleet_.api().Call("/dragnet.v1.InvestigatorService/PutBlobPart",
                                                 part.SerializeAsString());
      Need(put.ok(), "put a blob", put.ToString());
    }
  }
  v1::Action ActionFor(const std::string& release, const Programs& programs) {
    v1::Action action = fleet_.forge().NewAction("/nosuch");
    v1::Operation* operation = action.mutable_operations(0);
    operation->Clear();
    operation->set_module("upgrade");
    UpgradeParameters parameters;
    parameters.set_release(release);
    operation->set_parameters(parameters.SerializeAsString());
    const char* fields[] = {"agent", "link", "worker"};
    for (size_t i = 0; i < programs.files.size(); ++i) {
      v1::Blob* blob = operation->add_blobs();
      blob->set_field(fields[i]);
      blob->set_sha256(Sha256(programs.files[i]));
      blob->set_size(programs.files[i].size());
    }
    return action;
  }
  v1::Action Launch(const std::string& release, const Programs& programs) {
    for (const std::string& file : programs.files) PutBlob(file);
    v1::Action action = ActionFor(release, programs);
    const auto launched = fleet_.api().Launch(fleet_.forge().Sign(action));
    EXPECT_TRUE(launched.ok()) << launched.status();
    return action;
  }
  v1::Action Launch(const Programs& programs) {
    return Launch(SignedByBoth(ReleaseOf(programs)), programs);
  }

  struct Outcome {
    UpgradeRow row;
    v1::AgentState state;
  };
  Outcome OutcomeOf(const v1::Action& action, Agent& agent) {
    Outcome outcome;
    const auto results = WaitForEnd(fleet_, action.id(), agent.name());
    EXPECT_TRUE(results.ok()) << results.status() << agent.process().Output();
    if (!results.ok()) return outcome;
    outcome.state = results->states.at(agent.name());
    const auto rows = results->rows.find(agent.name());
    EXPECT_TRUE(rows != results->rows.end() && rows->second.size() == 1)
        << outcome.state.ShortDebugString() << agent.process().Output();
    if (rows != results->rows.end() && !rows->second.empty()) {
      EXPECT_TRUE(outcome.row.ParseFromString(rows->second[0]));
    }
    return outcome;
  }
  std::string VersionOf(const Agent& agent) {
    const auto info = fleet_.InfoOf(agent);
    return info.has_value() ? info->facts().version() : "";
  }
  // What the agent's process is, by /proc.
  static std::string ProgramOf(Agent& agent) {
    char path[4096];
    const std::string link = StrCat("/proc/", agent.process().pid(), "/exe");
    const ssize_t size = ::readlink(link.c_str(), path, sizeof path);
    return std::string(path, size > 0 ? static_cast<size_t>(size) : 0);
  }
  static std::string ReleasesOf(const Agent& agent) {
    return agent.state_directory() + "-releases";
  }
  static std::string StateOf(const Agent& agent) { return Read(ReleasesOf(agent) + "/state"); }

  void ExpectItAnswers(Agent& agent) {
    ASSERT_TRUE(fleet_.WaitUntilOnline(agent)) << agent.process().Output();
    const std::string files = fleet_.MakeFiles(StrCat("files-", ++directories_), 20);
    const v1::Action action = fleet_.forge().NewAction(files);
    ASSERT_TRUE(fleet_.api().Launch(fleet_.forge().Sign(action)).ok());
    const auto results = WaitForEnd(fleet_, action.id(), agent.name());
    ASSERT_TRUE(results.ok()) << results.status() << agent.process().Output();
    EXPECT_EQ(results->states.at(agent.name()).state(), v1::DISPATCH_STATE_FOUND)
        << agent.process().Output();
    ExpectRowsOnce(*results, agent.name(), ExpectedPaths(files));
  }
  // It goes on as it was, and says why.
  void ExpectWentBack(const v1::Action& action, Agent& agent, std::string_view words) {
    const Outcome outcome = OutcomeOf(action, agent);
    EXPECT_EQ(outcome.row.outcome(), "went_back");
    EXPECT_THAT(outcome.row.detail(), HasSubstr(std::string(words)));
    EXPECT_EQ(outcome.state.state(), v1::DISPATCH_STATE_INCOMPLETE);
    EXPECT_EQ(ProgramOf(agent), ProgramPath("dragnet-agent"));
    EXPECT_TRUE(Eventually([&] { return VersionOf(agent) == kVersion; }));
    ExpectItAnswers(agent);
  }
  void ExpectRefused(const v1::Action& action, Agent& agent, std::string_view words) {
    const Outcome outcome = OutcomeOf(action, agent);
    EXPECT_EQ(outcome.row.outcome(), "refused");
    EXPECT_THAT(outcome.row.detail(), HasSubstr(std::string(words)));
    EXPECT_EQ(outcome.state.state(), v1::DISPATCH_STATE_INCOMPLETE);
    EXPECT_EQ(ProgramOf(agent), ProgramPath("dragnet-agent"));
    EXPECT_EQ(VersionOf(agent), kVersion);
  }

  TestFleet fleet_;
  const std::vector<PrivateKey> release_keys_ = {NewKey(), NewKey()};
  int directories_ = 0;
};

// --- what is meant

TEST_F(UpgradeTest, AnotherVersionTakesThePlaceOfTheOneThatRuns) {
  Agent& agent = AddAgent();
  const pid_t pid = agent.process().pid();
  const std::string id = agent.Id();
  const Outcome outcome = OutcomeOf(Launch(NextPrograms()), agent);
  EXPECT_EQ(outcome.row.outcome(), "upgraded") << outcome.row.detail();
  EXPECT_EQ(outcome.row.from(), kVersion);
  EXPECT_EQ(outcome.row.to(), kNext);
  EXPECT_EQ(outcome.state.state(), v1::DISPATCH_STATE_FOUND);
  // The same process, another program; and it runs its own.
  EXPECT_EQ(agent.process().pid(), pid);
  EXPECT_EQ(ProgramOf(agent), StrCat(ReleasesOf(agent), "/", kNext, "/dragnet-agent"));
  EXPECT_TRUE(Eventually([&] { return VersionOf(agent) == kNext; }));
  EXPECT_EQ(agent.Id(), id);
  EXPECT_THAT(StateOf(agent), HasSubstr(StrCat("\nconfirmed ", kNext)));
  const size_t workers = agent.WorkersStarted();
  ExpectItAnswers(agent);
  EXPECT_EQ(agent.WorkersStarted(), workers) << "a worker of the version before was started";
  // It comes up again after a stop, a kill, and with the same state.
  agent.Stop();
  agent.Start();
  ExpectItAnswers(agent);
  agent.Kill();
  agent.Start();
  ExpectItAnswers(agent);
  EXPECT_EQ(ProgramOf(agent), StrCat(ReleasesOf(agent), "/", kNext, "/dragnet-agent"));
  // Once more: it is there already.
  const Outcome again = OutcomeOf(Launch(NextPrograms()), agent);
  EXPECT_EQ(again.row.outcome(), "current");
  EXPECT_EQ(again.state.state(), v1::DISPATCH_STATE_FOUND);
}

TEST_F(UpgradeTest, WhereThePackageManagerUpgradesNothingIsDone) {
  Agent& agent = AddAgent("upgrade = \"package-manager\"\n");
  const Outcome outcome = OutcomeOf(Launch(NextPrograms()), agent);
  EXPECT_EQ(outcome.row.outcome(), "package_manager");
  EXPECT_EQ(VersionOf(agent), kVersion);
}

// --- versions that fail their trial

TEST_F(UpgradeTest, OneThatExitsIsNotTaken) {
  Agent& agent = AddAgent();
  Programs programs = NextPrograms();
  programs.files[0] = Script("echo I am broken >&2; exit 3");
  ExpectWentBack(Launch(programs), agent, "exit status 3; its last words: I am broken");
}

TEST_F(UpgradeTest, OneThatEndsWellAndTriedNothingIsNotTaken) {
  Agent& agent = AddAgent();
  Programs programs = NextPrograms();
  programs.files[0] = Script("exit 0");
  ExpectWentBack(Launch(programs), agent, "without saying that it passed");
}

TEST_F(UpgradeTest, OneThatHangsIsKilledWithItsTime) {
  Agent& agent = AddAgent(kShortTrial);
  Programs programs = NextPrograms();
  programs.files[0] = Script("exec sleep 1000");
  ExpectWentBack(Launch(programs), agent, "did not pass within 10s");
}

TEST_F(UpgradeTest, OneThatCrashesIsNotTaken) {
  Agent& agent = AddAgent();
  Programs programs = NextPrograms();
  programs.files[0] = Script("kill -SEGV $$");
  ExpectWentBack(Launch(programs), agent, "killed by SIGSEGV");
}

TEST_F(UpgradeTest, OneWhoseLinkCantConnectIsNotTaken) {
  Agent& agent = AddAgent(kShortTrial);
  Programs programs = NextPrograms();
  programs.files[1] = Script("exec sleep 1000");
  ExpectWentBack(Launch(programs), agent, "did not pass within 10s");
}

TEST_F(UpgradeTest, OneWithoutAWorkerIsNotTaken) {
  Agent& agent = AddAgent();
  Programs programs = NextPrograms();
  programs.files[2] = "no program";
  ExpectWentBack(Launch(programs), agent, "worker: ");
}

TEST_F(UpgradeTest, OneThatIsNotTheVersionOfItsReleaseIsNotTaken) {
  Agent& agent = AddAgent();
  const Programs programs = NextPrograms();
  ExpectWentBack(Launch(SignedByBoth(ReleaseOf(programs, "98.0.0")), programs), agent,
                 StrCat("this program is of version ", kNext, ", the release says 98.0.0"));
}

// --- versions that pass it, and fail as the agent

TEST_F(UpgradeTest, OneThatPassesItsTrialAndNeverRunsIsLeftAfterThreeStarts) {
  Agent& agent = AddAgent();
  Programs programs = NextPrograms();
  programs.files[0] = Script(
      StrCat("[ $1 = trial ] || exit 1\nexec ", DRAGNET_NEXT_PROGRAMS, "/dragnet-agent \"$@\""));
  const v1::Action action = Launch(programs);
  // As a service manager would.
  ASSERT_TRUE(Eventually([&] {
    if (!agent.running()) agent.Start();
    return agent.process().Output().find("back to version") != std::string::npos;
  }));
  ExpectWentBack(action, agent, "was started 3 times");
}

TEST_F(UpgradeTest, OneThatDiesEachTimeItIsConnectedIsNeverConfirmed) {
  Agent& agent = AddAgent("");
  const v1::Action action = Launch(NextPrograms());
  const std::string program = StrCat(ReleasesOf(agent), "/", kNext, "/dragnet-agent");
  for (int start = 0; start < 3; ++start) {
    ASSERT_TRUE(Eventually([&] { return ProgramOf(agent) == program; }, absl::Seconds(90)))
        << agent.process().Output();
    if (start == 0) {
      // The same process, whose log goes on.
      const std::string words = StrCat("version ", kNext, " is on trial");
      ASSERT_TRUE(agent.process().WaitForOutput(words)) << agent.process().Output();
    } else {
      ASSERT_TRUE(agent.process().WaitForOutput("connected to")) << agent.process().Output();
    }
    agent.Kill();
    agent.Start();
  }
  ExpectWentBack(action, agent, "was started 3 times");
}

TEST_F(UpgradeTest, OneThatReachesNoSchedulerGoesBackByItself) {
  Agent& agent = AddAgent(kShortTrial);
  const v1::Action action = Launch(NextPrograms());
  ASSERT_TRUE(
      agent.process().WaitForOutput(StrCat("version ", kNext, " is on trial"), absl::Seconds(90)))
      << agent.process().Output();
  fleet_.StopScheduler();
  ASSERT_TRUE(agent.process().WaitForOutput(StrCat("back to version ", kVersion)))
      << agent.process().Output();
  fleet_.StartScheduler();
  ExpectWentBack(action, agent, "was not connected to a scheduler");
}

// --- attacks (docs/upgrades.md has the list)

class AttackedUpgradeTest : public UpgradeTest {};

TEST_F(AttackedUpgradeTest, OneStolenReleaseKeyIsTooFew) {
  Agent& agent = AddAgent();
  const Programs programs = NextPrograms();
  const std::string release =
      Signed(kReleasePayloadType, ReleaseOf(programs), {&release_keys_[0], &release_keys_[0]});
  ExpectRefused(Launch(release, programs), agent, "1");
}

TEST_F(AttackedUpgradeTest, RollbackIsRefused) {
  Agent& agent = AddAgent();
  const Programs programs = NextPrograms();
  ExpectRefused(Launch(SignedByBoth(ReleaseOf(programs, "0.0.1")), programs), agent, "0.0.1");
}

TEST_F(AttackedUpgradeTest, AFileOfAnotherReleaseIsRefused) {
  Agent& agent = AddAgent();
  const Programs programs = NextPrograms();
  Programs mixed = programs;
  mixed.files[2] = Script("exit 0");
  ExpectRefused(Launch(SignedByBoth(ReleaseOf(programs)), mixed), agent,
                "worker: is not the dragnet-worker of release");
}

TEST_F(AttackedUpgradeTest, AFileLongerThanWasSignedIsRefused) {
  Agent& agent = AddAgent();
  const Programs programs = NextPrograms();
  Programs longer = programs;
  longer.files[0] += std::string(1 << 20, '\0');
  ExpectRefused(Launch(SignedByBoth(ReleaseOf(programs)), longer), agent,
                "agent: is not the dragnet-agent of release");
}

TEST_F(AttackedUpgradeTest, AReleaseForAnotherPlatformIsRefused) {
  Agent& agent = AddAgent();
  const Programs programs = NextPrograms();
  v1::Release release = ReleaseOf(programs);
  release.mutable_platforms(0)->set_arch("vax");
  ExpectRefused(Launch(SignedByBoth(release), programs), agent, "has nothing for linux");
}

TEST_F(AttackedUpgradeTest, AnExpiredReleaseIsRefused) {
  Agent& agent = AddAgent();
  const Programs programs = NextPrograms();
  v1::Release release = ReleaseOf(programs);
  *release.mutable_expires() = ToTimestamp(absl::Now() - absl::Seconds(1));
  ExpectRefused(Launch(SignedByBoth(release), programs), agent, "expired");
}

TEST_F(AttackedUpgradeTest, AProgramThatWasChangedOnTheDiskIsNotStarted) {
  Agent& agent = AddAgent();
  ASSERT_EQ(OutcomeOf(Launch(NextPrograms()), agent).row.outcome(), "upgraded");
  agent.Stop();
  const std::string worker = StrCat(ReleasesOf(agent), "/", kNext, "/dragnet-worker");
  Write(worker, Script("exit 0"), 0755);
  agent.Start();
  ExpectItAnswers(agent);
  EXPECT_EQ(ProgramOf(agent), ProgramPath("dragnet-agent"));
  EXPECT_EQ(VersionOf(agent), kVersion);
}

TEST_F(AttackedUpgradeTest, ADamagedStateRunsThePackagesVersion) {
  Agent& agent = AddAgent();
  ASSERT_EQ(OutcomeOf(Launch(NextPrograms()), agent).row.outcome(), "upgraded");
  agent.Stop();
  const std::string state = StateOf(agent);
  Write(ReleasesOf(agent) + "/state", state.substr(0, state.size() / 2), 0600);
  agent.Start();
  ASSERT_TRUE(agent.process().WaitForOutput("damaged"));
  ExpectItAnswers(agent);
  EXPECT_EQ(ProgramOf(agent), ProgramPath("dragnet-agent"));
}

// --- kill -9 at random moments

TEST_F(UpgradeTest, KilledAgainAndAgainAWholeVersionRuns) {
  const unsigned seed = std::random_device{}();
  SCOPED_TRACE(StrCat("seed ", seed));
  std::mt19937 random(seed);
  Agent& agent = AddAgent();
  const Programs programs = NextPrograms();
  for (int round = 0; round < 4; ++round) {
    const v1::Action action = Launch(programs);
    for (int kills = 0; kills < 2; ++kills) {
      ::poll(nullptr, 0, std::uniform_int_distribution<int>(0, 2500)(random));
      agent.Kill();
      agent.Start();
    }
    const auto results = WaitForEnd(fleet_, action.id(), agent.name());
    ASSERT_TRUE(results.ok()) << results.status() << agent.process().Output();
    ASSERT_TRUE(fleet_.WaitUntilOnline(agent)) << agent.process().Output();
    EXPECT_TRUE(Eventually([&] {
      const std::string version = VersionOf(agent);
      return (ProgramOf(agent) == ProgramPath("dragnet-agent")) == (version == kVersion);
    }));
    EXPECT_THAT(VersionOf(agent), AnyOf(kVersion, kNext));
    ExpectItAnswers(agent);
  }
}

}  // namespace
}  // namespace dragnet::testing
