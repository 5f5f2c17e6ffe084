// A hostile child against the walls, once with all that a worker of the root
// agent has, once as the user who runs the test.
#include "agent/sandbox/lock_in.h"

#include <linux/capability.h>
#include <signal.h>

#include <algorithm>
#include <filesystem>
#include <string_view>
#include <tuple>

#include "absl/cleanup/cleanup.h"
#include "agent/sandbox/missing_walls.h"
#include "agent/sandbox/testing/child_runner.h"
#include "core/strings.h"
#include "gmock/gmock.h"

namespace dragnet::sandbox {
namespace {

enum class Expected { kSucceeds, kRefused, kKilled };

struct Case {
  const char* attack;
  Expected expected;
};

constexpr Case kAgainstWorker[] = {
    // What a worker is for.
    {"read", Expected::kSucceeds},
    {"list", Expected::kSucceeds},
    {"start-thread", Expected::kSucceeds},
    {"allocate-megabyte", Expected::kSucceeds},
    // The target is a file that anyone may write, in a directory likewise.
    {"write", Expected::kRefused},
    {"read-write", Expected::kRefused},
    {"truncate-on-open", Expected::kRefused},
    {"create", Expected::kRefused},
    {"create-unnamed", Expected::kRefused},
    {"write-by-openat2", Expected::kRefused},
    {"truncate-by-openat2", Expected::kRefused},
    {"truncate", Expected::kRefused},
    {"unlink", Expected::kRefused},
    {"rename", Expected::kRefused},
    {"hard-link", Expected::kRefused},
    {"symbolic-link", Expected::kRefused},
    {"make-directory", Expected::kRefused},
    {"make-device", Expected::kRefused},
    {"change-mode", Expected::kRefused},
    {"change-owner", Expected::kRefused},
    {"set-times", Expected::kRefused},
    {"open-by-handle", Expected::kKilled},
    {"execute", Expected::kKilled},
    {"execute-at", Expected::kKilled},
    {"fork", Expected::kRefused},
    {"raw-fork", Expected::kRefused},
    {"clone-process", Expected::kRefused},
    {"clone-new-user", Expected::kRefused},
    {"fork-bomb", Expected::kRefused},
    {"setuid", Expected::kKilled},
    {"setresuid", Expected::kKilled},
    {"setgroups", Expected::kKilled},
    {"gain-capabilities", Expected::kKilled},
    {"raise-ambient", Expected::kRefused},
    {"raise-limit", Expected::kRefused},
    {"become-dumpable", Expected::kRefused},
    {"mount", Expected::kKilled},
    {"unshare", Expected::kKilled},
    {"setns", Expected::kKilled},
    {"chroot", Expected::kKilled},
    {"bpf", Expected::kKilled},
    {"keyctl", Expected::kKilled},
    {"userfaultfd", Expected::kKilled},
    {"io-uring", Expected::kKilled},
    {"perf", Expected::kKilled},
    {"init-module", Expected::kKilled},
    {"kexec", Expected::kKilled},
    {"x32", Expected::kKilled},
    {"compatibility-32", Expected::kKilled},
    {"seccomp", Expected::kRefused},
    {"memfd", Expected::kRefused},
    {"map-executable", Expected::kRefused},
    {"make-executable", Expected::kRefused},
    {"socket-tcp", Expected::kRefused},
    {"socket-udp6", Expected::kRefused},
    {"socket-raw", Expected::kRefused},
    {"socket-unix", Expected::kRefused},
    {"socket-netlink", Expected::kRefused},
    {"socket-packet", Expected::kRefused},
    {"socketpair", Expected::kRefused},
};

// On the process that spawned the child.
constexpr Case kAgainstParent[] = {
    {"trace-parent", Expected::kKilled},          {"kill-parent", Expected::kRefused},
    {"signal-parent-thread", Expected::kRefused}, {"write-parent-memory", Expected::kRefused},
    {"read-parent-memory", Expected::kRefused},   {"process-vm-write", Expected::kKilled},
};

class LockInTest : public ChildTest {
 protected:
  // What the monitor gives a worker of a module that reads files.
  SpawnOptions WorkerOptions(std::vector<std::string> arguments) const {
    SpawnOptions options = Options(std::move(arguments));
    if (IsRoot()) {
      options.user = kNobody;
      options.capabilities = {CAP_DAC_READ_SEARCH};
      options.network = Network::kEmpty;
    }
    return options;
  }

  // What ends who makes a call that the filter doesn't allow. A kernel without 32-bit calls
  // (CONFIG_IA32_EMULATION) has another end for who tries one, walls or not.
  int EndOf(const SpawnOptions& attack) const {
    const std::vector<std::string>& words = attack.arguments;
    if (std::find(words.begin(), words.end(), "compatibility-32") == words.end()) return SIGSYS;
    return Run(Options({"none", "compatibility-32"})).exit.signal == SIGSEGV ? SIGSEGV : SIGSYS;
  }

  void Check(const SpawnOptions& options, Expected expected) const {
    Outcome outcome = Run(options);
    std::string how = StrCat(outcome.exit.ToString(), ": ", outcome.errors);
    switch (expected) {
      case Expected::kSucceeds:
        EXPECT_EQ(outcome.exit.status, 0) << how;
        break;
      case Expected::kRefused:
        EXPECT_EQ(outcome.exit.status, 1) << how;
        break;
      case Expected::kKilled:
        EXPECT_EQ(outcome.exit.signal, EndOf(options)) << how;
        break;
    }
    EXPECT_TRUE(TargetIsUntouched());
  }
};

// Without it, the other tests could pass because an attack is broken.
TEST_F(LockInTest, AttacksSucceedWithoutWalls) {
  for (const char* attack :
       {"read", "list", "read-write", "write", "write-by-openat2", "hard-link", "symbolic-link",
        "make-directory", "create", "create-unnamed", "set-times", "change-mode", "rename"}) {
    SCOPED_TRACE(attack);
    EXPECT_EQ(Run(Options({"none", attack, Target()})).exit.status, 0);
    TearDown();
    SetUp();
  }
  for (const char* attack :
       {"execute", "execute-at", "fork", "raw-fork", "clone-process", "fork-bomb", "map-executable",
        "make-executable", "socket-tcp", "socket-udp6", "socket-unix", "socket-netlink",
        "socketpair", "become-dumpable", "raise-limit"}) {
    SCOPED_TRACE(attack);
    Outcome outcome = Run(Options({"none", attack}));
    EXPECT_EQ(outcome.exit.status, 0) << outcome.errors;
  }
  EXPECT_EQ(Run(Options({"none", "connect", "1"})).exit.status, 0);
  EXPECT_EQ(Run(Options({"none", "listen", "0"})).exit.status, 0);
  if (!IsRoot()) {
    EXPECT_EQ(Run(Options({"none", "kill-parent", StrCat(::getpid())})).exit.status, 0);
  }
}

TEST_F(LockInTest, AWorkerReadsAndDoesNothingElse) {
  for (const Case& test : kAgainstWorker) {
    SCOPED_TRACE(test.attack);
    Check(WorkerOptions({"worker", test.attack, Target()}), test.expected);
  }
}

TEST_F(LockInTest, AWorkerThatStayedRootReadsAndDoesNothingElse) {
  if (!IsRoot()) GTEST_SKIP() << "needs root";
  for (const Case& test : kAgainstWorker) {
    SCOPED_TRACE(test.attack);
    SpawnOptions options = Options({"worker", test.attack, Target()});
    options.capabilities = {CAP_DAC_OVERRIDE, CAP_SYS_ADMIN, CAP_SYS_PTRACE, CAP_SETUID};
    Check(options, test.expected);
  }
}

TEST_F(LockInTest, AWorkerOfAnAgentWithoutPrivilegesReadsAndDoesNothingElse) {
  for (const Case& test : kAgainstWorker) {
    SCOPED_TRACE(test.attack);
    SpawnOptions options = Options({"spawn", "degraded", "worker", test.attack, Target()});
    if (IsRoot()) options.user = kNobody;
    Outcome outcome = Run(options);
    EXPECT_EQ(outcome.exit.status, test.expected == Expected::kSucceeds ? 0 : 1) << outcome.errors;
    const std::string_view end = EndOf(options) == SIGSYS ? "SIGSYS" : "SIGSEGV";
    EXPECT_EQ(outcome.errors.find(end) != std::string::npos, test.expected == Expected::kKilled);
    EXPECT_TRUE(TargetIsUntouched());
  }
}

TEST_F(LockInTest, AWorkerCanNotReachItsParent) {
  std::string parent = StrCat(::getpid());
  for (const Case& test : kAgainstParent) {
    SCOPED_TRACE(test.attack);
    Check(WorkerOptions({"worker", test.attack, parent}), test.expected);
  }
}

TEST_F(LockInTest, AbortStillEndsTheProcessThatCallsIt) {
  EXPECT_EQ(Run(WorkerOptions({"worker", "abort"})).exit.signal, SIGABRT);
}

TEST_F(LockInTest, ReadingAnyFileDoesNotMeanWritingAny) {
  if (!IsRoot()) GTEST_SKIP() << "needs root";
  Check(WorkerOptions({"worker", "read", "/etc/shadow"}), Expected::kSucceeds);
  Check(WorkerOptions({"worker", "write", "/etc/shadow"}), Expected::kRefused);
  Check(WorkerOptions({"worker", "create", "/tmp/dragnet-sandbox-test"}), Expected::kRefused);

  SpawnOptions without = WorkerOptions({"worker", "read", "/etc/shadow"});
  without.capabilities = {};
  Check(without, Expected::kRefused);
}

TEST_F(LockInTest, OnlyBeneathTheAllowedDirectoryCanBeRead) {
  if (LandlockAbi() == 0) GTEST_SKIP() << "needs Landlock";
  std::string directory = Target().substr(0, Target().rfind('/'));
  Check(WorkerOptions({"read=" + directory, "read", Target()}), Expected::kSucceeds);
  Check(WorkerOptions({"read=" + directory, "read", "/etc/passwd"}), Expected::kRefused);
  Check(WorkerOptions({"read=" + directory, "list", "/"}), Expected::kRefused);
  Check(WorkerOptions({"read=" + directory, "read", directory + "/../../etc/passwd"}),
        Expected::kRefused);
  // One file is not its directory.
  Check(WorkerOptions({"read=" + Target(), "read", Target()}), Expected::kSucceeds);
  Check(WorkerOptions({"read=" + Target(), "read", Attacker()}), Expected::kRefused);
  // What doesn't exist allows nothing.
  Check(WorkerOptions({"read=" + Target() + ".none", "read", Target()}), Expected::kRefused);
}

// Once with CAP_SYS_CHROOT, once in a user namespace.
TEST_F(LockInTest, FromAnImageAsItsRootNothingLeadsOut) {
  const std::string directory = Target().substr(0, Target().rfind('/'));
  std::filesystem::create_symlink("/etc/passwd", directory + "/outside");
  const absl::Cleanup remove = [&] { std::filesystem::remove(directory + "/outside"); };
  for (const bool privileged : {true, false}) {
    if (privileged && !IsRoot()) continue;
    SpawnOptions options = WorkerOptions({});
    if (privileged) {
      options.capabilities = {CAP_SYS_CHROOT, CAP_DAC_READ_SEARCH};
    } else {
      options.capabilities = {};
    }
    for (const auto& [attack, path, expected] :
         {std::tuple{"read", std::string("/target"), Expected::kSucceeds},
          std::tuple{"list", std::string("/"), Expected::kSucceeds},
          std::tuple{"read", Target(), Expected::kRefused},
          std::tuple{"read", std::string("/etc/passwd"), Expected::kRefused},
          std::tuple{"read", std::string("../../../../etc/passwd"), Expected::kRefused},
          std::tuple{"read", std::string("/outside"), Expected::kRefused},
          std::tuple{"read", std::string("/proc/1/root/etc/passwd"), Expected::kRefused},
          std::tuple{"write", std::string("/target"), Expected::kRefused},
          std::tuple{"make-device", std::string("/target"), Expected::kRefused},
          std::tuple{"change-owner", std::string("/target"), Expected::kRefused},
          std::tuple{"open-by-handle", std::string("/target"), Expected::kKilled},
          std::tuple{"chroot", std::string("/"), Expected::kKilled},
          std::tuple{"mount", std::string("/"), Expected::kKilled},
          std::tuple{"unshare", std::string("/"), Expected::kKilled},
          std::tuple{"raise-ambient", std::string("/"), Expected::kRefused},
          std::tuple{"execute", std::string("/attacker"), Expected::kKilled}}) {
      SCOPED_TRACE(StrCat(attack, " ", path, privileged ? " privileged" : ""));
      options.arguments = {"root=" + directory, attack, path};
      const Outcome outcome = Run(options);
      if (outcome.errors.find("CLONE_NEWUSER") != std::string::npos) {
        GTEST_SKIP() << "this host has no user namespaces for all";
      }
      if (expected == Expected::kKilled) {
        EXPECT_EQ(outcome.exit.signal, SIGSYS) << outcome.exit.ToString();
      } else {
        EXPECT_EQ(outcome.exit.status, expected == Expected::kSucceeds ? 0 : 1) << outcome.errors;
      }
    }
  }
}

TEST_F(LockInTest, ARootThatIsNoDirectoryOrNotAbsoluteIsAnError) {
  for (const std::string& root : {Target(), Target() + ".none", std::string("tmp")}) {
    const Outcome outcome = Run(WorkerOptions({"root=" + root, "read", "/etc/passwd"}));
    EXPECT_EQ(outcome.exit.status, 3) << root;
    EXPECT_NE(outcome.errors.find(root), std::string::npos) << outcome.errors;
  }
}

TEST_F(LockInTest, NetworkOfAModuleIsSocketsToConnectWithAndNothingElse) {
  SpawnOptions options = WorkerOptions({});
  options.network = Network::kAsItIs;
  for (auto [attack, expected] :
       {Case{"socket-tcp", Expected::kSucceeds}, Case{"connect", Expected::kSucceeds},
        Case{"socket-raw", Expected::kRefused}, Case{"socket-packet", Expected::kRefused},
        Case{"socket-netlink", Expected::kRefused}, Case{"socket-unix", Expected::kRefused},
        Case{"listen", Expected::kRefused}, Case{"fork", Expected::kRefused},
        Case{"execute", Expected::kKilled}}) {
    SCOPED_TRACE(attack);
    options.arguments = {"worker-network", attack, "1"};
    Check(options, expected);
  }
}

// The case of a worker that inspects processes: what a worker reads and doesn't
// do stands, though it has no Landlock.
TEST_F(LockInTest, AWorkerThatInspectsProcessesStillOnlyReads) {
  for (const char* policy : {"worker-processes", "worker-networks"}) {
    for (Case test : kAgainstWorker) {
      const std::string_view attack = test.attack;
      if (std::string_view(policy) == "worker-networks") {
        if (attack == "socket-netlink") test.expected = Expected::kSucceeds;
        // Their arguments are looked at now: another use is refused, not killed.
        if (attack == "setns" || attack == "gain-capabilities") test.expected = Expected::kRefused;
      }
      SCOPED_TRACE(StrCat(policy, " ", attack));
      SpawnOptions options = WorkerOptions({policy, test.attack, Target()});
      if (IsRoot()) {
        options.capabilities = {CAP_DAC_READ_SEARCH, CAP_SYS_PTRACE, CAP_SYS_ADMIN};
      }
      Check(options, test.expected);
    }
  }
}

// /proc/PID/root leads past the worker's own read-only mounts.
TEST_F(LockInTest, ThroughTheRootOfAnotherProcessAWorkerOnlyReads) {
  if (!IsRoot()) GTEST_SKIP() << "needs root";
  SpawnOptions options = WorkerOptions({});
  options.capabilities = {CAP_DAC_READ_SEARCH, CAP_SYS_PTRACE};
  const std::string target = StrCat("/proc/", ::getpid(), "/root", Target());
  for (const char* attack :
       {"write", "read-write", "truncate-on-open", "create", "create-unnamed", "write-by-openat2",
        "truncate", "unlink", "rename", "hard-link", "symbolic-link", "make-directory",
        "change-mode", "change-owner", "set-times"}) {
    SCOPED_TRACE(attack);
    options.arguments = {"worker-processes", attack, target};
    Check(options, Expected::kRefused);
  }
  options.arguments = {"worker-processes", "execute", target};
  Check(options, Expected::kKilled);
}

TEST_F(LockInTest, InspectingProcessesReadsTheirMemoryAndDoesNothingElseToThem) {
  const std::string parent = StrCat(::getpid());
  SpawnOptions options = WorkerOptions({});
  if (IsRoot()) options.capabilities = {CAP_DAC_READ_SEARCH, CAP_SYS_PTRACE};
  for (auto [attack, expected] :
       {Case{"process-vm-read", Expected::kSucceeds},
        Case{"read-parent-memory", Expected::kSucceeds},
        Case{"write-parent-memory", Expected::kRefused},
        Case{"process-vm-write", Expected::kKilled}, Case{"trace-parent", Expected::kKilled},
        Case{"kill-parent", Expected::kRefused}}) {
    // Without privileges a child may read its parent's memory only where Yama lets it.
    if (!IsRoot() && expected == Expected::kSucceeds) continue;
    SCOPED_TRACE(attack);
    options.arguments = {"worker-processes", attack, parent};
    Check(options, expected);
  }
  if (!IsRoot()) return;
  SpawnOptions without = WorkerOptions({"worker", "process-vm-read", parent});
  without.capabilities = {CAP_DAC_READ_SEARCH, CAP_SYS_PTRACE};
  Check(without, Expected::kKilled);
}

TEST_F(LockInTest, InspectingNetworksEntersNetworkNamespacesAndNoOthers) {
  if (!IsRoot()) GTEST_SKIP() << "needs root";
  SpawnOptions options = WorkerOptions({});
  options.capabilities = {CAP_DAC_READ_SEARCH, CAP_SYS_PTRACE, CAP_SYS_ADMIN, CAP_SYS_CHROOT};
  for (auto [attack, argument, expected] :
       {std::tuple{"setns-network", StrCat("/proc/", ::getpid(), "/ns/net"), Expected::kSucceeds},
        std::tuple{"setns-any", StrCat("/proc/", ::getpid(), "/ns/net"), Expected::kRefused},
        std::tuple{"setns-mount", StrCat("/proc/", ::getpid(), "/ns/mnt"), Expected::kRefused},
        std::tuple{"socket-netlink-diag", std::string(), Expected::kSucceeds},
        std::tuple{"socket-netlink-audit", std::string(), Expected::kRefused},
        std::tuple{"socket-netlink-netfilter", std::string(), Expected::kRefused},
        std::tuple{"socket-tcp", std::string(), Expected::kRefused},
        std::tuple{"socket-icmp", std::string(), Expected::kRefused}}) {
    SCOPED_TRACE(attack);
    options.arguments = {"worker-networks", attack, argument};
    Check(options, expected);
  }
}

TEST_F(LockInTest, InspectingTheFirewallIsNetlinkOfNetfilterAndNothingElse) {
  for (Case test : kAgainstWorker) {
    // Its arguments are looked at now: to gain is refused, not killed.
    if (std::string_view(test.attack) == "gain-capabilities") test.expected = Expected::kRefused;
    SCOPED_TRACE(test.attack);
    SpawnOptions options = WorkerOptions({"worker-firewall", test.attack, Target()});
    if (IsRoot()) options.capabilities = {CAP_DAC_READ_SEARCH, CAP_NET_ADMIN};
    Check(options, test.expected);
  }
  SpawnOptions options = WorkerOptions({});
  if (IsRoot()) options.capabilities = {CAP_DAC_READ_SEARCH, CAP_NET_ADMIN};
  for (auto [attack, expected] :
       {Case{"socket-netlink-netfilter", Expected::kSucceeds},
        Case{"socket-netlink-diag", Expected::kRefused},
        Case{"socket-netlink-audit", Expected::kRefused}, Case{"setns-network", Expected::kKilled},
        Case{"socket-icmp", Expected::kRefused}}) {
    SCOPED_TRACE(attack);
    options.arguments = {"worker-firewall", attack, StrCat("/proc/", ::getpid(), "/ns/net")};
    if (std::string_view(attack) == "setns-network") options.arguments[2] = "/proc/self/ns/net";
    Check(options, expected);
  }
}

TEST_F(LockInTest, IcmpOfAModuleIsIcmpAlone) {
  if (!IsRoot()) GTEST_SKIP() << "needs root";
  SpawnOptions options = WorkerOptions({});
  options.capabilities = {CAP_NET_RAW};
  options.network = Network::kAsItIs;
  for (auto [attack, expected] :
       {Case{"socket-icmp-raw", Expected::kSucceeds}, Case{"socket-icmp6-raw", Expected::kSucceeds},
        Case{"socket-tcp-raw", Expected::kRefused}, Case{"socket-packet", Expected::kRefused},
        Case{"socket-netlink", Expected::kRefused}}) {
    SCOPED_TRACE(attack);
    options.arguments = {"worker-icmp", attack};
    Check(options, expected);
  }
  options.arguments = {"worker-network", "socket-icmp-raw"};
  Check(options, Expected::kRefused);
}

TEST_F(LockInTest, TheLinkWritesAndConnectsOnlyWhereItMust) {
  std::string policy = StrCat("link=", Target().substr(0, Target().rfind('/')), ",7443");
  auto options = [&](std::string attack, std::string argument) {
    SpawnOptions link = Options({policy, std::move(attack), std::move(argument)});
    if (IsRoot()) link.user = kNobody;
    return link;
  };
  Check(options("connect", "7443"), Expected::kSucceeds);
  if (LandlockAbi() >= 4) {
    Check(options("connect", "22"), Expected::kRefused);
  }
  Check(options("listen", "7443"), Expected::kRefused);
  Check(options("listen", "0"), Expected::kRefused);
  Check(options("execute", ""), Expected::kKilled);
  Check(options("fork", ""), Expected::kRefused);
  Check(options("map-executable", ""), Expected::kRefused);
  if (LandlockAbi() > 0) {
    Check(options("read", "/etc/passwd"), Expected::kRefused);
    Check(options("create", "/tmp/dragnet-sandbox-test"), Expected::kRefused);
    Check(options("make-directory", Target()), Expected::kRefused);
  }
  Check(options("read-write", Target()), Expected::kSucceeds);
  EXPECT_EQ(Run(options("create", Target())).exit.status, 0);
  EXPECT_EQ(Run(options("rename", Target() + ".new")).exit.status, 0);
  EXPECT_EQ(Run(options("unlink", Target() + ".new.renamed")).exit.status, 0);
}

TEST_F(LockInTest, APolicyThatSaysNothingIsRefused) {
  for (const char* policy : {"silent-on-network", "silent-on-syscalls"}) {
    Outcome outcome = Run(Options({policy, "read", Target()}));
    EXPECT_EQ(outcome.exit.status, 3);
    EXPECT_THAT(outcome.errors, testing::HasSubstr("says nothing"));
  }
}

TEST_F(LockInTest, AProcessWithSeveralThreadsIsRefused) {
  Outcome outcome = Run(Options({"threaded", "read", Target()}));
  EXPECT_EQ(outcome.exit.status, 3);
  EXPECT_THAT(outcome.errors, testing::HasSubstr("2 threads run"));
}

}  // namespace
}  // namespace dragnet::sandbox
