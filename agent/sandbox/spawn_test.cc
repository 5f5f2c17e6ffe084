#include "agent/sandbox/spawn.h"

#include <fcntl.h>
#include <linux/capability.h>
#include <linux/securebits.h>
#include <poll.h>
#include <signal.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "agent/sandbox/missing_walls.h"
#include "agent/sandbox/testing/child_runner.h"
#include "core/strings.h"
#include "gmock/gmock.h"

namespace dragnet::sandbox {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::EndsWith;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

class SpawnTest : public ChildTest {};

TEST_F(SpawnTest, ChildHoldsOnlyTheDescriptorsThatItWasGiven) {
  // Many, without close-on-exec, in the way of the targets.
  std::vector<UniqueFd> leaks;
  for (int i = 0; i < 40; ++i) leaks.emplace_back(::open("/dev/null", O_RDONLY));
  SpawnOptions options = Options({});
  options.fds = {{leaks[3].get(), 7}, {leaks[0].get(), 3}};
  EXPECT_EQ(Report(options)["fds"], " 0 1 2 3 7");
}

TEST_F(SpawnTest, DescriptorsCanTradePlaces) {
  absl::StatusOr<Pipe> first = NewPipe();
  absl::StatusOr<Pipe> second = NewPipe();
  ASSERT_EQ(::write(first->write_end.get(), "1", 1), 1);
  ASSERT_EQ(::write(second->write_end.get(), "2", 1), 1);
  first->write_end.Reset();
  second->write_end.Reset();
  SpawnOptions options = Options({"-c", "head -c1 <&8; head -c1 <&9"});
  options.program = "/bin/sh";
  // Each one's number is the other's target.
  UniqueFd low(::dup2(second->read_end.get(), 8));
  UniqueFd high(::dup2(first->read_end.get(), 9));
  options.fds = {{9, 8}, {8, 9}};
  EXPECT_EQ(Run(options).output, "12");
}

TEST_F(SpawnTest, EveryChildIsSetUpCleanly) {
  ::signal(SIGUSR1, SIG_IGN);
  sigset_t blocked;
  ::sigemptyset(&blocked);
  ::sigaddset(&blocked, SIGTERM);
  ::sigprocmask(SIG_BLOCK, &blocked, nullptr);
  ASSERT_EQ(::setenv("SECRET", "x", 1), 0);
  SpawnOptions options = Options({});
  options.environment = {"TMPDIR=/nowhere"};
  options.nice = 3;
  options.idle_io = true;
  auto report = Report(options);
  ::sigprocmask(SIG_UNBLOCK, &blocked, nullptr);
  ::signal(SIGUSR1, SIG_DFL);

  EXPECT_EQ(report["NoNewPrivs"], "1");
  EXPECT_EQ(report["SigBlk"], "0000000000000000");
  EXPECT_EQ(report["SigIgn"], "0000000000000000");
  EXPECT_EQ(report["umask"], "77");
  EXPECT_EQ(report["session_leader"], "1");
  EXPECT_EQ(report["cwd"], "/");
  EXPECT_EQ(report["core"], "0/0");
  EXPECT_EQ(report["death_signal"], StrCat(SIGKILL));
  EXPECT_EQ(report["nice"], "3");
  EXPECT_EQ(report["io_class"], "3");  // IOPRIO_CLASS_IDLE
  EXPECT_EQ(report["environment"],
            "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin;LANG=C.UTF-8;"
            "TMPDIR=/nowhere;");
}

TEST_F(SpawnTest, UserCapabilitiesAndSecurebitsAreExactlyAsAsked) {
  if (!IsRoot()) GTEST_SKIP() << "needs root";
  SpawnOptions options = Options({});
  options.user = kNobody;
  options.capabilities = {CAP_DAC_READ_SEARCH};
  auto report = Report(options);
  EXPECT_EQ(report["Uid"], "65534\t65534\t65534\t65534");
  EXPECT_EQ(report["Gid"], "65534\t65534\t65534\t65534");
  EXPECT_THAT(report["Groups"], testing::AnyOf("", " "));
  for (const char* set : {"CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"}) {
    EXPECT_EQ(report[set], "0000000000000004") << set;
  }
  EXPECT_EQ(report["securebits"],
            StrCat((SECURE_ALL_BITS & ~issecure_mask(SECURE_KEEP_CAPS)) | SECURE_ALL_LOCKS));
}

TEST_F(SpawnTest, RootWithoutCapabilitiesHoldsNone) {
  if (!IsRoot()) GTEST_SKIP() << "needs root";
  auto report = Report(Options({}));
  EXPECT_EQ(report["Uid"], "0\t0\t0\t0");
  for (const char* set : {"CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"}) {
    EXPECT_EQ(report[set], "0000000000000000") << set;
  }
}

TEST_F(SpawnTest, NetworkIsTheParentsOrEmptyOrTheGivenOne) {
  if (!IsRoot()) GTEST_SKIP() << "needs root";
  struct stat ours;
  ASSERT_EQ(::stat("/proc/self/ns/net", &ours), 0);
  std::string own = StrCat(ours.st_ino);
  SpawnOptions options = Options({});
  EXPECT_EQ(Report(options)["network"], own);
  options.network = Network::kEmpty;
  EXPECT_NE(Report(options)["network"], own);

  absl::StatusOr<UniqueFd> given = OpenNetworkNamespace();
  ASSERT_TRUE(given.ok()) << given.status();
  options.network = Network::kGiven;
  options.network_namespace_fd = given->get();
  EXPECT_EQ(Report(options)["network"], own);
}

TEST_F(SpawnTest, LimitsHoldSoftAndHard) {
  SpawnOptions options = Options({});
  options.limits.open_files = 40;
  options.limits.file_size_bytes = 0;
  options.limits.cpu_seconds = 100;
  auto report = Report(options);
  EXPECT_EQ(report["nofile"], "40/40");
  EXPECT_EQ(report["fsize"], "0/0");
  EXPECT_EQ(report["cpu"], "100/100");
}

TEST_F(SpawnTest, MemoryOverTheLimitIsRefused) {
  SpawnOptions options = Options({"none", "allocate-gigabyte"});
  EXPECT_EQ(Run(options).exit.status, 0);
  options.limits.address_space_bytes = 256 << 20;
  EXPECT_EQ(Run(options).exit.status, 1);
}

TEST_F(SpawnTest, CpuTimeOverTheLimitKillsAndIsAccounted) {
  SpawnOptions options = Options({"none", "burn-cpu"});
  options.limits.cpu_seconds = 1;
  ChildExit exit = Run(options).exit;
  EXPECT_EQ(exit.signal, SIGKILL);
  // How much less than the limit is a matter of the kernel's sampling.
  EXPECT_GT(exit.cpu_time, absl::ZeroDuration());
  EXPECT_GT(exit.peak_memory_bytes, 0u);
  EXPECT_EQ(exit.ToString(), "killed by SIGKILL");
}

TEST_F(SpawnTest, ProgramThatIsNotThereIsAnErrorThatSaysSo) {
  SpawnOptions options = Options({});
  options.program = Attacker() + "-that-is-not-there";
  absl::Status status = Spawn(options).status();
  EXPECT_EQ(ToStd(status.message()),
            StrCat("start ", options.program, ": execve: No such file or directory"));
  EXPECT_EQ(status.code(), absl::StatusCode::kNotFound);
}

TEST_F(SpawnTest, OptionsThatMakeNoSenseAreRefused) {
  SpawnOptions relative = Options({});
  relative.program = "attacker";
  EXPECT_EQ(Spawn(relative).status().code(), absl::StatusCode::kInvalidArgument);
  SpawnOptions twice = Options({});
  twice.fds = {{0, 5}, {1, 5}};
  EXPECT_EQ(Spawn(twice).status().code(), absl::StatusCode::kInvalidArgument);
  SpawnOptions closed = Options({});
  closed.fds = {{-1, 5}};
  EXPECT_EQ(Spawn(closed).status().code(), absl::StatusCode::kInvalidArgument);
  SpawnOptions unknown = Options({});
  unknown.capabilities = {64};
  EXPECT_EQ(Spawn(unknown).status().code(), absl::StatusCode::kInvalidArgument);
}

TEST_F(SpawnTest, WithoutPrivilegesAMissingWallIsAnErrorUnlessAllowed) {
  SpawnOptions strict = Options({"spawn", "strict", "none", "read", Target()});
  if (IsRoot()) strict.user = kNobody;
  Outcome outcome = Run(strict);
  EXPECT_EQ(outcome.exit.status, 3);
  EXPECT_THAT(outcome.errors, HasSubstr("unshare(CLONE_NEWNET): Operation not permitted"));

  SpawnOptions degraded = strict;
  degraded.arguments[1] = "degraded";
  outcome = Run(degraded);
  EXPECT_EQ(outcome.exit.status, 0) << outcome.errors;
  EXPECT_THAT(outcome.output, HasSubstr("missing=no network namespace of its own: "));
  EXPECT_THAT(outcome.output, HasSubstr("missing=runs as the agent's user: setresuid(64511): "
                                        "Operation not permitted"));
}

TEST_F(SpawnTest, WithoutPrivilegesSharedMountsAreAnErrorUnlessAllowed) {
  if (IsRoot()) GTEST_SKIP() << "needs a user without privileges";
  SpawnOptions options = Options({"none", "read", Target()});
  options.private_mounts = true;
  options.hidden_directories = {"/var/lib"};
  EXPECT_THAT(Run(options).missing_walls, Contains(HasSubstr("no mounts of its own")));
  options.allow_missing_walls = false;
  EXPECT_EQ(Spawn(options).status().code(), absl::StatusCode::kPermissionDenied);
  EXPECT_THAT(FindMissingWalls(), Contains(HasSubstr("no mounts of their own")));
}

TEST_F(SpawnTest, CapabilityThatTheParentDoesNotHoldIsMissed) {
  if (IsRoot()) GTEST_SKIP() << "needs a user without privileges";
  SpawnOptions options = Options({"none", "read", Target()});
  options.capabilities = {CAP_DAC_READ_SEARCH};
  EXPECT_THAT(Run(options).missing_walls,
              Contains(HasSubstr("can't be given CAP_DAC_READ_SEARCH")));
  options.allow_missing_walls = false;
  EXPECT_EQ(Spawn(options).status().code(), absl::StatusCode::kPermissionDenied);
}

TEST_F(SpawnTest, RootMissesNoWall) {
  if (!IsRoot()) GTEST_SKIP() << "needs root";
  SpawnOptions options = Options({"none", "read", Target()});
  options.user = kNobody;
  options.network = Network::kEmpty;
  options.allow_missing_walls = true;
  EXPECT_THAT(Run(options).missing_walls, IsEmpty());
  EXPECT_THAT(FindMissingWalls(), IsEmpty());
}

TEST(WeakWallsTest, OlderLandlockIsANoteAndNoReasonToRefuse) {
  // Debian 12.
  EXPECT_THAT(WeakWallsOf(2), ElementsAre(HasSubstr("(ABI 2) doesn't hold truncation, TCP, device "
                                                    "control, signals and abstract sockets: ")));
  EXPECT_THAT(WeakWallsOf(5), ElementsAre(HasSubstr("doesn't hold signals")));
  EXPECT_THAT(WeakWallsOf(6), IsEmpty());
  // That is no weak wall but a missing one.
  EXPECT_THAT(WeakWallsOf(0), IsEmpty());
  EXPECT_THAT(FindMissingWalls(), Not(Contains(HasSubstr("(ABI "))));
}

// Root of a user namespace where no other user exists: setresuid fails although
// CAP_SETUID is held.
TEST_F(SpawnTest, RootThatCanNotChangeUserDoesNotGoOnWithoutEvenIfWallsMayBeMissing) {
  SpawnOptions options = Options({"as-lone-root", "spawn", "degraded", "none", "read", Target()});
  if (IsRoot()) options.user = kNobody;
  Outcome outcome = Run(options);
  if (outcome.exit.status == 4) GTEST_SKIP() << "no user namespaces here";
  EXPECT_EQ(outcome.exit.status, 3) << outcome.errors;
  EXPECT_THAT(outcome.errors, HasSubstr("setresgid(64511): Invalid argument"));
}

TEST_F(SpawnTest, ChildDiesWithItsParent) {
  absl::StatusOr<Pipe> output = NewPipe();
  SpawnOptions options = Options({"orphan"});
  options.fds = {{output->write_end.get(), 1}};
  absl::StatusOr<Child> middle = Spawn(options);
  ASSERT_TRUE(middle.ok()) << middle.status();
  output->write_end.Reset();
  // Ends only when the grandchild, which holds the pipe and waits forever, is gone.
  EXPECT_EQ(ReadToEnd(output->read_end.get()), "started\n");
  EXPECT_EQ(middle->Reap()->status, 0);
}

TEST_F(SpawnTest, ChildThatIsLetGoOfIsKilled) {
  absl::StatusOr<Pipe> output = NewPipe();
  SpawnOptions options = Options({"none", "wait-forever"});
  options.fds = {{output->write_end.get(), 1}};
  {
    absl::StatusOr<Child> child = Spawn(options);
    ASSERT_TRUE(child.ok()) << child.status();
    output->write_end.Reset();
    EXPECT_FALSE(child->TryReap()->has_value());
    EXPECT_TRUE(child->CpuTime().ok());
  }
  EXPECT_EQ(ReadToEnd(output->read_end.get()), "");
}

// That it was not waited for shows in that the test still can.
TEST_F(SpawnTest, ChildThatIsAbandonedIsKilledAndNotWaitedFor) {
  absl::StatusOr<Pipe> output = NewPipe();
  SpawnOptions options = Options({"none", "wait-forever"});
  options.fds = {{output->write_end.get(), 1}};
  absl::StatusOr<Child> child = Spawn(options);
  ASSERT_TRUE(child.ok()) << child.status();
  output->write_end.Reset();
  const pid_t pid = child->pid();
  child->Abandon();
  EXPECT_FALSE(child->valid());
  EXPECT_EQ(child->pidfd(), -1);
  EXPECT_FALSE(child->Signal(SIGKILL).ok());
  child->Abandon();
  EXPECT_EQ(ReadToEnd(output->read_end.get()), "");
  int status = 0;
  ASSERT_EQ(::waitpid(pid, &status, 0), pid);
  EXPECT_TRUE(WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL);
}

TEST_F(SpawnTest, SignalsReachTheChildWithAndWithoutAPidfd) {
  for (bool by_pidfd : {true, false}) {
    absl::StatusOr<Child> spawned = Spawn(Options({"none", "wait-forever"}));
    ASSERT_TRUE(spawned.ok()) << spawned.status();
    const pid_t pid = spawned->pid();
    UniqueFd pidfd(by_pidfd ? ::dup(spawned->pidfd()) : -1);
    Child child(pid, std::move(pidfd));
    ASSERT_TRUE(child.Signal(SIGTERM).ok());
    EXPECT_EQ(child.Reap()->signal, SIGTERM);
    spawned->Abandon();
  }
}

TEST_F(SpawnTest, PidfdTellsTheEnd) {
  absl::StatusOr<Child> child = Spawn(Options({"none", "read", Target()}));
  ASSERT_TRUE(child.ok()) << child.status();
  ASSERT_GE(child->pidfd(), 0);
  pollfd ended{child->pidfd(), POLLIN, 0};
  ASSERT_EQ(::poll(&ended, 1, 60'000), 1);
  absl::StatusOr<std::optional<ChildExit>> exit = child->TryReap();
  ASSERT_TRUE(exit.ok() && exit->has_value());
  EXPECT_TRUE((*exit)->clean());
  EXPECT_FALSE(child->valid());
  EXPECT_FALSE(child->Signal(SIGKILL).ok());
  EXPECT_FALSE(child->Reap().ok());
}

TEST(LookUpUserTest, NamesAndNumbers) {
  EXPECT_EQ(LookUpUser("root")->uid, 0u);
  EXPECT_EQ(LookUpUser("64511:64512")->uid, 64511u);
  EXPECT_EQ(LookUpUser("64511:64512")->gid, 64512u);
}

TEST(LookUpUserTest, WhatIsNeitherIsRefused) {
  EXPECT_EQ(LookUpUser("no such user").status().code(), absl::StatusCode::kNotFound);
  EXPECT_EQ(LookUpUser("").status().code(), absl::StatusCode::kNotFound);
  for (const char* bad : {":", "1:", ":1", "a:b", "1:2:3", "-1:1", "4294967295:0", " 1:1"}) {
    EXPECT_EQ(LookUpUser(bad).status().code(), absl::StatusCode::kInvalidArgument) << bad;
  }
}

}  // namespace
}  // namespace dragnet::sandbox
