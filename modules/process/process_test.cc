#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>
#include <string>
#include <vector>

#include "core/strings.h"
#include "modules/process/facts.h"
#include "modules/process/process.pb.h"
#include "modules/process/run.h"
#include "modules/run_context_fake.h"

namespace dragnet {
const Module& ProcessModule();
}

namespace dragnet::process {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

// A process that runs a copy of sleep(1), until the end.
class Sleeper {
 public:
  Sleeper() {
    std::string name = testing::TempDir() + "/dragnet-process-XXXXXX";
    EXPECT_NE(::mkdtemp(name.data()), nullptr);
    directory_ = std::filesystem::canonical(name);
    std::filesystem::copy_file("/bin/sleep", Program());
    int started[2];
    EXPECT_EQ(::pipe2(started, O_CLOEXEC), 0);
    pid_ = ::fork();
    if (pid_ == 0) {
      ::prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
      ::prctl(PR_SET_PDEATHSIG, SIGKILL);
      ::execl(Program().c_str(), "dozer", "1000", "0.125", nullptr);
      ::_exit(1);
    }
    ::close(started[1]);
    // Closed by a successful exec.
    char byte;
    EXPECT_EQ(::read(started[0], &byte, 1), 0);
    ::close(started[0]);
  }
  ~Sleeper() {
    ::kill(pid_, SIGKILL);
    ::waitpid(pid_, nullptr, 0);
    std::filesystem::remove_all(directory_);
  }

  std::string Program() const { return directory_ + "/dragnet-dozer"; }
  uint32_t pid() const { return static_cast<uint32_t>(pid_); }

 private:
  std::string directory_;
  pid_t pid_;
};

std::vector<v1::ProcessRow> RowsOf(const v1::ProcessParameters& parameters) {
  FakeRunContext context;
  const absl::Status status = ProcessModule().Run(parameters, context);
  EXPECT_TRUE(status.ok()) << status;
  return context.RowsAs<v1::ProcessRow>();
}

TEST(ProcessTest, AProcessHasItsFacts) {
  const Sleeper sleeper;
  v1::ProcessParameters parameters;
  parameters.add_pids(sleeper.pid());
  const auto rows = RowsOf(parameters);
  ASSERT_EQ(rows.size(), 1);
  const v1::ProcessRow& row = rows[0];
  EXPECT_EQ(row.pid(), sleeper.pid());
  EXPECT_EQ(row.parent(), static_cast<uint32_t>(::getpid()));
  EXPECT_EQ(row.name(), "dragnet-dozer");
  EXPECT_EQ(row.exe(), sleeper.Program());
  EXPECT_FALSE(row.exe_deleted());
  EXPECT_EQ(row.command_line(), "dozer 1000 0.125");
  EXPECT_EQ(row.uid(), ::geteuid());
  EXPECT_EQ(row.gid(), ::getegid());
  EXPECT_EQ(row.threads(), 1);
  EXPECT_GT(row.rss(), 0);
  EXPECT_GT(row.started().seconds(), 0);
  EXPECT_FALSE(row.kernel_thread());
  EXPECT_EQ(row.tracer(), 0);
}

TEST(ProcessTest, ADeletedProgramIsFound) {
  const Sleeper sleeper;
  v1::ProcessParameters parameters;
  parameters.add_pids(sleeper.pid());
  parameters.set_deleted_exe(true);
  EXPECT_THAT(RowsOf(parameters), IsEmpty());
  std::filesystem::remove(sleeper.Program());
  const auto rows = RowsOf(parameters);
  ASSERT_EQ(rows.size(), 1);
  EXPECT_TRUE(rows[0].exe_deleted());
  EXPECT_EQ(rows[0].exe(), sleeper.Program());
}

TEST(ProcessTest, FiltersHoldTogether) {
  const Sleeper sleeper;
  v1::ProcessParameters parameters;
  parameters.add_names("^dragnet-dozer$");
  parameters.add_command_lines(" 0\\.125$");
  parameters.add_users(StrCat(::geteuid()));
  parameters.add_exes("!^/no/");
  EXPECT_EQ(RowsOf(parameters).size(), 1);
  parameters.add_exes("!dozer");
  EXPECT_THAT(RowsOf(parameters), IsEmpty());
  parameters.clear_exes();
  parameters.add_users(StrCat("!", ::geteuid()));
  EXPECT_THAT(RowsOf(parameters), IsEmpty());
}

TEST(ProcessTest, CommandLinesStayWhereTheyAreIfAsked) {
  const Sleeper sleeper;
  v1::ProcessParameters parameters;
  parameters.add_pids(sleeper.pid());
  EXPECT_EQ(ProcessModule().ValidateForPrivacy(parameters).code(),
            absl::StatusCode::kPermissionDenied);
  parameters.set_no_command_lines(true);
  EXPECT_TRUE(ProcessModule().ValidateForPrivacy(parameters).ok());
  const auto rows = RowsOf(parameters);
  ASSERT_EQ(rows.size(), 1);
  EXPECT_EQ(rows[0].command_line(), "…");
}

TEST(ProcessTest, WhatCanNotRunIsRefusedByName) {
  v1::ProcessParameters parameters;
  parameters.add_exes("(");
  EXPECT_THAT(std::string(ProcessModule().Validate(parameters).message()), HasSubstr("exes"));
  parameters.clear_exes();
  for (int i = 0; i < 65; ++i) parameters.add_names("x");
  EXPECT_EQ(ProcessModule().Validate(parameters).code(), absl::StatusCode::kInvalidArgument);
}

constexpr char kStatus[] =
    "Name:\ta\\nUid:\\t0\nUmask:\t0022\nState:\tt (tracing stop)\nTracerPid:\t7\n"
    "Uid:\t1000\t0\t0\t0\nGid:\t1\t2\t3\t4\nVmRSS:\t    12 kB\nThreads:\t3\n"
    "CapEff:\t0000000000000421\nNoNewPrivs:\t1\nSeccomp:\t2\n";

TEST(FactsTest, OfStatus) {
  const auto status = ParseStatus(kStatus);
  ASSERT_TRUE(status.has_value());
  EXPECT_EQ(status->state, "traced");
  EXPECT_EQ(status->real_uid, 1000);
  EXPECT_EQ(status->uid, 0);
  EXPECT_EQ(status->gid, 2);
  EXPECT_EQ(status->rss_bytes, 12 * 1024);
  EXPECT_EQ(status->threads, 3);
  EXPECT_EQ(status->tracer, 7);
  EXPECT_TRUE(status->no_new_privs);
  EXPECT_EQ(status->seccomp, "filter");
  EXPECT_EQ(CapabilityText(status->effective_capabilities, 40),
            "cap_chown,cap_kill,cap_net_bind_service");
}

TEST(FactsTest, HalfAStatusIsNone) {
  const std::string whole = kStatus;
  for (size_t size = 0; size < whole.find("CapEff") + 8; ++size)
    EXPECT_FALSE(ParseStatus(whole.substr(0, size)).has_value()) << size;
}

TEST(FactsTest, AllCapabilitiesAreOneWord) {
  EXPECT_EQ(CapabilityText((uint64_t{1} << 41) - 1, 40), "all");
  EXPECT_EQ(CapabilityText(0, 40), "");
  EXPECT_EQ(CapabilityText(uint64_t{1} << 63, 40), "cap_63");
}

TEST(FactsTest, KernelThreadsHaveAFlag) {
  EXPECT_TRUE(IsKernelThread("2 (a) b) S 0 0 0 0 -1 2129984 0 0\n"));
  EXPECT_FALSE(IsKernelThread("2 (a) b) S 0 0 0 0 -1 4194560 0 0\n"));
  EXPECT_FALSE(IsKernelThread("2 (a"));
}

TEST(FactsTest, UnitsAreTheInnermost) {
  EXPECT_EQ(CgroupPath("12:cpu:/x\n1:name=systemd:/system.slice/a.service\n0::/\n"),
            "/system.slice/a.service");
  EXPECT_EQ(CgroupPath("0::/user.slice\n"), "/user.slice");
  EXPECT_EQ(UnitOfCgroup("/user.slice/user@0.service/app.slice/x.scope/y"), "x.scope");
  EXPECT_EQ(UnitOfCgroup("/"), "");
}

}  // namespace
}  // namespace dragnet::process
