// What a worker that was taken over could reach with CAP_DAC_READ_SEARCH, had
// it the host's mounts.
#include <fcntl.h>
#include <linux/capability.h>
#include <sched.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <sys/sysmacros.h>

#include <thread>

#include "agent/sandbox/spawn.h"
#include "agent/sandbox/testing/child_runner.h"
#include "core/strings.h"
#include "gmock/gmock.h"

namespace dragnet::sandbox {
namespace {

using testing::HasSubstr;
using testing::IsEmpty;

std::string MountsOfThisThread() {
  UniqueFd fd(::open("/proc/thread-self/mountinfo", O_RDONLY | O_CLOEXEC));
  return ReadToEnd(fd.get());
}

class PrivateMountsTest : public ChildTest {
 protected:
  void SetUp() override {
    ChildTest::SetUp();
    if (!IsRoot()) GTEST_SKIP() << "needs root";
    char name[] = "/tmp/dragnet-mounts-test-XXXXXX";
    ASSERT_NE(::mkdtemp(name), nullptr);
    directory_ = name;
    ASSERT_EQ(::chmod(name, 0711), 0);
    ASSERT_EQ(::mkdir(StateDirectory().c_str(), 0700), 0);
    std::ofstream(Secret()) << "key";
    ASSERT_EQ(::chmod(Secret().c_str(), 0600), 0);
  }
  void TearDown() override {
    if (!directory_.empty()) std::filesystem::remove_all(directory_);
    ChildTest::TearDown();
  }

  std::string Device() const { return directory_ + "/device"; }
  std::string StateDirectory() const { return directory_ + "/state"; }
  std::string Secret() const { return StateDirectory() + "/tls.key"; }

  // As the monitor starts one, before its own walls: the attacker enters none.
  SpawnOptions Worker(std::vector<std::string> arguments) const {
    SpawnOptions options = Options(std::move(arguments));
    options.user = kNobody;
    options.capabilities = {CAP_DAC_READ_SEARCH};
    options.private_mounts = true;
    options.hidden_directories = {StateDirectory()};
    return options;
  }
  static SpawnOptions WithTheHostsMounts(SpawnOptions options) {
    options.private_mounts = false;
    options.hidden_directories.clear();
    return options;
  }

 private:
  std::string directory_;
};

TEST_F(PrivateMountsTest, DeviceOfRootCanNotBeOpened) {
  if (::mknod(Device().c_str(), S_IFCHR | 0600, makedev(1, 3)) != 0) {
    GTEST_SKIP() << "no right to make device nodes here";
  }
  // The attack works where the wall is missing.
  SpawnOptions options = Worker({"none", "read", Device()});
  ASSERT_EQ(Run(WithTheHostsMounts(options)).exit.status, 0);
  Outcome outcome = Run(options);
  EXPECT_EQ(outcome.exit.status, 1);
  EXPECT_EQ(outcome.errors, "EACCES\n");
  EXPECT_THAT(outcome.missing_walls, IsEmpty());

  // Those of the host's own /dev, too, and behind the walls that it adds itself.
  EXPECT_EQ(Run(Worker({"none", "read", "/dev/null"})).exit.status, 1);
  EXPECT_EQ(Run(Worker({"worker", "read", Device()})).exit.status, 1);
}

TEST_F(PrivateMountsTest, HiddenDirectoryIsEmpty) {
  SpawnOptions options = Worker({"none", "read", Secret()});
  ASSERT_EQ(Run(WithTheHostsMounts(options)).exit.status, 0);
  Outcome outcome = Run(options);
  EXPECT_EQ(outcome.exit.status, 1);
  EXPECT_EQ(outcome.errors, "ENOENT\n");
  EXPECT_EQ(Run(Worker({"worker", "read", Secret()})).errors, "ENOENT\n");
}

TEST_F(PrivateMountsTest, HiddenDirectoryNamedByASymbolicLinkIsTheOneThatItLeadsTo) {
  SpawnOptions options = Worker({"none", "read", Secret()});
  const std::string link = StateDirectory() + ".link";
  ASSERT_EQ(::symlink(StateDirectory().c_str(), link.c_str()), 0);
  options.hidden_directories = {link};
  EXPECT_EQ(Run(options).errors, "ENOENT\n");
}

TEST_F(PrivateMountsTest, FilesOfRootCanStillBeReadAsAWorkerMust) {
  EXPECT_EQ(Run(Worker({"none", "read", "/etc/shadow"})).exit.status, 0);
  EXPECT_EQ(Run(Worker({"worker", "read", "/etc/shadow"})).exit.status, 0);
}

TEST_F(PrivateMountsTest, NothingCanBeWrittenEvenByWhoMay) {
  SpawnOptions options = Worker({"none", "write", Target()});
  ASSERT_EQ(Run(WithTheHostsMounts(options)).exit.status, 0);
  EXPECT_EQ(Run(options).errors, "EROFS\n");
  options.arguments[1] = "create";
  EXPECT_EQ(Run(options).errors, "EROFS\n");
}

TEST_F(PrivateMountsTest, GivenDescriptorsGoOnWorking) {
  absl::StatusOr<Pipe> input = NewPipe();
  ASSERT_EQ(::write(input->write_end.get(), "x", 1), 1);
  input->write_end.Reset();
  SpawnOptions options = Worker({"-c", "cat"});
  options.program = "/bin/sh";
  options.fds = {{input->read_end.get(), 0}};
  EXPECT_EQ(Run(options).output, "x");
}

// In mounts of this thread's own, all of them shared with whoever unshares
// next: as systemd has them on a host, and as the test's machine may not.
TEST_F(PrivateMountsTest, MountsOfTheHostStayAsTheyAre) {
  std::thread([&] {
    ASSERT_EQ(::unshare(CLONE_NEWNS), 0);
    ASSERT_EQ(::mount(nullptr, "/", nullptr, MS_REC | MS_PRIVATE, nullptr), 0);
    ASSERT_EQ(::mount(nullptr, "/", nullptr, MS_REC | MS_SHARED, nullptr), 0);
    const std::string before = MountsOfThisThread();
    ASSERT_THAT(before, HasSubstr("shared:"));
    EXPECT_EQ(Run(Worker({"none", "read", Secret()})).errors, "ENOENT\n");
    EXPECT_EQ(MountsOfThisThread(), before);
    EXPECT_EQ(::access(Secret().c_str(), R_OK), 0);
  }).join();
}

TEST_F(PrivateMountsTest, ProgramBeneathAHiddenDirectoryIsRefused) {
  SpawnOptions options = Worker({"none", "read", Secret()});
  for (const std::string& hidden :
       {Attacker().substr(0, Attacker().rfind('/')), std::string("/")}) {
    options.hidden_directories = {hidden};
    absl::Status status = Spawn(options).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << status;
    EXPECT_THAT(ToStd(status.message()), HasSubstr("program is beneath"));
  }
}

TEST_F(PrivateMountsTest, DirectoryThatCanNotBeHiddenIsRefused) {
  SpawnOptions options = Worker({"none", "read", Secret()});
  options.hidden_directories = {StateDirectory() + "-that-is-not-there"};
  EXPECT_EQ(Spawn(options).status().code(), absl::StatusCode::kNotFound);
  options.hidden_directories = {Secret()};
  EXPECT_FALSE(Spawn(options).ok());
  options.hidden_directories = {StateDirectory()};
  options.private_mounts = false;
  EXPECT_EQ(Spawn(options).status().code(), absl::StatusCode::kInvalidArgument);
}

}  // namespace
}  // namespace dragnet::sandbox
