// The walls between the agent's processes, looked at from outside while a
// worker is at work.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <linux/capability.h>
#include <unistd.h>

#include <filesystem>

#include "absl/strings/str_format.h"
#include "absl/strings/str_split.h"
#include "core/action.h"
#include "core/strings.h"
#include "modules/file/file.pb.h"
#include "tests/harness/fleet.h"
#include "tests/harness/need.h"

namespace dragnet::testing {
namespace {

using ::testing::AnyOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using ::testing::Not;

// uid and gid of tests/harness/fleet.cc, four times: real, effective, saved, file system.
constexpr char kLinkIds[] = "64510\t64510\t64510\t64510";
constexpr char kWorkerIds[] = "64511\t64511\t64511\t64511";
constexpr char kNoCapabilities[] = "0000000000000000";

std::string Capabilities(uint64_t mask) { return absl::StrFormat("%016x", mask); }

std::string NetworkNamespace(pid_t pid) {
  std::error_code error;
  return std::filesystem::read_symlink(StrCat("/proc/", pid, "/ns/net"), error);
}

// Interfaces in the process's network namespace, with what they received.
std::vector<std::string> Interfaces(pid_t pid) {
  std::vector<std::string> names;
  std::vector<std::string> lines =
      absl::StrSplit(Read(StrCat("/proc/", pid, "/net/dev")), '\n', absl::SkipEmpty());
  for (size_t i = 2; i < lines.size(); ++i) {
    const size_t colon = lines[i].find(':');
    names.emplace_back(absl::StripAsciiWhitespace(lines[i].substr(0, colon)));
  }
  return names;
}

std::vector<std::string> OpenFiles(pid_t pid) {
  std::vector<std::string> files;
  for (const std::string& fd : Names(StrCat("/proc/", pid, "/fd"))) {
    std::error_code error;
    files.push_back(
        std::filesystem::read_symlink(StrCat("/proc/", pid, "/fd/", fd), error).string());
  }
  return files;
}

class WallsTest : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    fleet_ = std::make_unique<TestFleet>();
    fleet_->StartScheduler();
    agent_ = &fleet_->AddOnlineAgent();
    // Takes a core some minutes: its size is 64 GiB of nothing.
    const std::string directory = fleet_->temporary() + "/sparse";
    MakeDirectory(directory);
    const std::string path = directory + "/file";
    Write(path, "");
    Need(::truncate(path.c_str(), off_t{64} << 30) == 0, "truncate");
    v1::Action action = fleet_->forge().NewAction(directory);
    file::v1::FileParameters parameters;
    file::v1::Search* search = parameters.add_searches();
    search->add_paths(directory);
    search->set_return_sha256(true);
    action.mutable_operations(0)->set_parameters(parameters.SerializeAsString());
    Need(fleet_->api().Launch(fleet_->forge().Sign(action)).ok(), "launch");
    // Behind its walls once it has the name of the real worker and a filter.
    Need(Eventually([] {
           return agent_->WorkerPid() > 0 && StatusField(agent_->WorkerPid(), "Seccomp") == "2";
         }),
         "a worker at work", agent_->process().Output());
  }
  static void TearDownTestSuite() { fleet_.reset(); }

  static pid_t monitor() { return agent_->process().pid(); }
  static pid_t link() { return agent_->LinkPid(); }
  static pid_t worker() { return agent_->WorkerPid(); }

  static std::unique_ptr<TestFleet> fleet_;
  static Agent* agent_;
};

std::unique_ptr<TestFleet> WallsTest::fleet_;
Agent* WallsTest::agent_;

#define NEEDS_ROOT() \
  if (!IsRoot()) GTEST_SKIP() << "only root can give children users and networks of their own"

TEST_F(WallsTest, EveryChildHasNoNewPrivilegesAndASyscallFilter) {
  for (const pid_t child : {link(), worker()}) {
    EXPECT_EQ(StatusField(child, "NoNewPrivs"), "1") << NameOf(child);
    EXPECT_EQ(StatusField(child, "Seccomp"), "2") << NameOf(child);
  }
}

TEST_F(WallsTest, LinkIsAUserOfItsOwnWithoutCapabilities) {
  NEEDS_ROOT();
  EXPECT_EQ(StatusField(link(), "Uid"), kLinkIds);
  EXPECT_EQ(StatusField(link(), "Gid"), kLinkIds);
  EXPECT_THAT(StatusField(link(), "Groups"), IsEmpty());
  for (const char* set : {"CapInh", "CapPrm", "CapEff", "CapBnd", "CapAmb"}) {
    EXPECT_EQ(StatusField(link(), set), kNoCapabilities) << set;
  }
}

TEST_F(WallsTest, WorkerHasTheCapabilitiesOfItsModuleAndNoMore) {
  NEEDS_ROOT();
  EXPECT_EQ(StatusField(worker(), "Uid"), kWorkerIds);
  EXPECT_EQ(StatusField(worker(), "Gid"), kWorkerIds);
  EXPECT_THAT(StatusField(worker(), "Groups"), IsEmpty());
  const std::string reads_everything = Capabilities(uint64_t{1} << CAP_DAC_READ_SEARCH);
  for (const char* set : {"CapPrm", "CapEff", "CapBnd"}) {
    EXPECT_THAT(StatusField(worker(), set), AnyOf(reads_everything, kNoCapabilities)) << set;
  }
  EXPECT_EQ(StatusField(worker(), "CapEff"), reads_everything);
}

TEST_F(WallsTest, MonitorAndWorkerHaveNoNetwork) {
  NEEDS_ROOT();
  const std::string host = NetworkNamespace(::getpid());
  ASSERT_FALSE(host.empty());
  EXPECT_EQ(NetworkNamespace(link()), host);
  for (const pid_t pid : {monitor(), worker()}) {
    EXPECT_NE(NetworkNamespace(pid), host) << NameOf(pid);
    EXPECT_THAT(Interfaces(pid), ElementsAre("lo")) << NameOf(pid);
    // A loopback that is up has an address and a route.
    EXPECT_THAT(Read(StrCat("/proc/", pid, "/net/if_inet6")), IsEmpty()) << NameOf(pid);
    EXPECT_THAT(Read(StrCat("/proc/", pid, "/net/fib_trie")), Not(HasSubstr("LOCAL")))
        << NameOf(pid);
    EXPECT_THAT(Read(StrCat("/proc/", pid, "/net/tcp")), Not(HasSubstr("0100007F")));
  }
}

TEST_F(WallsTest, WorkerHoldsNothingOfTheMonitors) {
  NEEDS_ROOT();
  for (const std::string& file : OpenFiles(worker())) {
    EXPECT_THAT(file, AnyOf(HasSubstr("pipe:"), HasSubstr("/dev/null"), HasSubstr("/sparse")))
        << "the worker has it open";
  }
  // Nor does the link see the journal, the spool or the keys.
  for (const std::string& file : OpenFiles(link())) {
    EXPECT_THAT(file, Not(HasSubstr("agent.db")));
  }
}

TEST_F(WallsTest, WorkerSeesTheDiskReadOnlyAndNotTheMonitorsState) {
  NEEDS_ROOT();
  const std::vector<std::string> mounts =
      absl::StrSplit(Read(StrCat("/proc/", worker(), "/mountinfo")), '\n', absl::SkipEmpty());
  bool hidden = false;
  for (const std::string& mount : mounts) {
    // id, parent, device, root, where, options (proc(5)).
    const std::vector<std::string> fields = absl::StrSplit(mount, ' ');
    ASSERT_GT(fields.size(), 6U);
    EXPECT_THAT(fields[5], ::testing::StartsWith("ro")) << mount;
    hidden = hidden || fields[4] == agent_->state_directory();
  }
  EXPECT_TRUE(hidden) << "nothing is mounted over " << agent_->state_directory();
}

TEST_F(WallsTest, LinkAndWorkerCantReadTheMonitorsState) {
  NEEDS_ROOT();
  Command command;
  command.arguments = {"/bin/cat", agent_->state_directory() + "/agent.db"};
  command.before_exec = [] {
    if (::setgid(64510) != 0 || ::setuid(64510) != 0) ::_exit(99);
  };
  EXPECT_EQ(RunToEnd(command).status(), 1);
  command.arguments = {"/bin/cat", agent_->LinkDirectory() + "/tls.key"};
  command.before_exec = [] {
    if (::setgid(64511) != 0 || ::setuid(64511) != 0) ::_exit(99);
  };
  EXPECT_EQ(RunToEnd(command).status(), 1);
}

TEST_F(WallsTest, WhatIsMissingIsSaid) {
  const auto info = fleet_->InfoOf(*agent_);
  ASSERT_TRUE(info.has_value());
  if (IsRoot()) {
    // A kernel without one of them says so; users and networks root can give.
    for (const std::string& wall : info->missing_walls()) {
      EXPECT_THAT(wall, Not(HasSubstr("user"))) << wall;
    }
  } else {
    EXPECT_GT(info->missing_walls_size(), 0);
    EXPECT_THAT(agent_->process().Output(), HasSubstr("missing wall"));
  }
}

// --- the program itself

TEST(MonitorProgramTest, HasNeitherGrpcNorAModuleInIt) {
  const std::string program = Read(ProgramPath("dragnet-agent"));
  for (const char* word : {"grpc_channel_create", "_ZN4grpc", "GRPC_ARG_", "grpc_init",
                           "SSL_connect", "dragnet.v1.AgentGateway", "dragnet.file.v1"}) {
    EXPECT_EQ(program.find(word), std::string::npos) << word;
  }
  // The test would find them: the link is made of them.
  EXPECT_NE(Read(ProgramPath("dragnet-link")).find("dragnet.v1.AgentGateway"), std::string::npos);
}

}  // namespace
}  // namespace dragnet::testing
