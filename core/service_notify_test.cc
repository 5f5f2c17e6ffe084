#include "core/service_notify.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <poll.h>
#include <sched.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include <filesystem>

#include "core/clock.h"
#include "core/strings.h"

namespace dragnet {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;
using ::testing::StartsWith;

constexpr pid_t kSelf = 4711;

// The manager's end.
class ServiceNotifyTest : public ::testing::Test {
 protected:
  void SetUp() override {
    char pattern[] = "/tmp/dragnet-notify-XXXXXX";
    directory_ = ::mkdtemp(pattern);
    path_ = directory_ + "/notify";
    Listen(path_);
  }
  void TearDown() override { std::filesystem::remove_all(directory_); }

  void Listen(const std::string& name) {
    manager_.Reset(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    sockaddr_un address = {};
    address.sun_family = AF_UNIX;
    ::memcpy(address.sun_path, name.data(), name.size());
    if (name[0] == '@') address.sun_path[0] = '\0';
    const size_t size = offsetof(sockaddr_un, sun_path) + name.size() + (name[0] == '@' ? 0 : 1);
    ASSERT_EQ(
        ::bind(manager_.get(), reinterpret_cast<sockaddr*>(&address), static_cast<socklen_t>(size)),
        0)
        << ::strerror(errno);
  }

  // What came; empty when nothing did: sending is done when the call returns.
  std::string Heard() {
    char buffer[8192];
    const ssize_t count = ::recv(manager_.get(), buffer, sizeof buffer, MSG_DONTWAIT);
    return count < 0 ? "" : std::string(buffer, static_cast<size_t>(count));
  }

  ServiceNotifier Open(const std::string& microseconds = "", const std::string& pid = "") {
    auto notifier = ServiceNotifier::Open({path_, microseconds, pid}, kSelf);
    EXPECT_TRUE(notifier.ok()) << notifier.status();
    return notifier.ok() ? *std::move(notifier) : ServiceNotifier();
  }

  std::string directory_;
  std::string path_;
  UniqueFd manager_;
};

TEST_F(ServiceNotifyTest, WithoutAManagerNothingIsToldAndNothingIsDue) {
  auto notifier = ServiceNotifier::Open({"", "1000000", ""}, kSelf);
  ASSERT_TRUE(notifier.ok());
  notifier->SetReady();
  notifier->SetStatus("x");
  notifier->Advance();
  notifier->KeepAlive();
  notifier->Stopping();
  EXPECT_FALSE(notifier->is_open());
  EXPECT_EQ(notifier->deadline(), absl::InfiniteFuture());
}

TEST_F(ServiceNotifyTest, ReadyAndStatusAreToldOnce) {
  ServiceNotifier notifier = Open();
  notifier.SetReady();
  notifier.SetStatus("connected to scheduler:7443");
  notifier.Advance();
  EXPECT_EQ(Heard(), "READY=1\nSTATUS=connected to scheduler:7443\n");
  EXPECT_EQ(notifier.deadline(), absl::InfiniteFuture());
  notifier.SetStatus("connected to scheduler:7443");
  notifier.Advance();
  EXPECT_EQ(Heard(), "");
  notifier.Stopping();
  EXPECT_EQ(Heard(), "STOPPING=1\n");
}

TEST_F(ServiceNotifyTest, AStatusThatChangesAllTheTimeIsToldOnceASecond) {
  ServiceNotifier notifier = Open();
  notifier.SetStatus("0");
  notifier.Advance();
  const absl::Time told = SteadyNow();
  EXPECT_EQ(Heard(), "STATUS=0\n");
  int heard = 0;
  for (int i = 1; i <= 1000; ++i) {
    notifier.SetStatus(StrCat(i));
    notifier.Advance();
    if (!Heard().empty()) ++heard;
  }
  EXPECT_LE(heard, 1 + absl::ToInt64Seconds(SteadyNow() - told));
  // The last one isn't lost: the loop wakes for it.
  EXPECT_LE(notifier.deadline(), SteadyNow() + absl::Seconds(1));
}

TEST_F(ServiceNotifyTest, HostileTextInAStatusCantSayAnythingElse) {
  ServiceNotifier notifier = Open();
  notifier.SetStatus("no\nMAINPID=1\nFDSTORE=1\r\xff\x1b[2J");
  notifier.Advance();
  EXPECT_EQ(Heard(), "STATUS=no\\nMAINPID=1\\nFDSTORE=1\\r\\xff\\x1b[2J\n");
  notifier = Open();
  notifier.SetStatus(std::string(100000, '\n'));
  notifier.Advance();
  const std::string heard = Heard();
  EXPECT_LE(heard.size(), 530u);
  EXPECT_EQ(std::count(heard.begin(), heard.end(), '\n'), 1);
}

TEST_F(ServiceNotifyTest, TheWatchdogHearsAtHalfOfItsTime) {
  ServiceNotifier notifier = Open("60000000", StrCat(kSelf));
  ASSERT_TRUE(notifier.has_watchdog());
  EXPECT_EQ(notifier.deadline(), absl::InfinitePast());
  notifier.Advance();
  EXPECT_EQ(Heard(), "WATCHDOG=1\n");
  EXPECT_GT(notifier.deadline(), SteadyNow() + absl::Seconds(20));
  EXPECT_LE(notifier.deadline(), SteadyNow() + absl::Seconds(30));
  notifier.Advance();
  EXPECT_EQ(Heard(), "");
  notifier.KeepAlive();
  EXPECT_EQ(Heard(), "WATCHDOG=1\n");
}

TEST_F(ServiceNotifyTest, AnotherProcesssWatchdogIsNotOurs) {
  EXPECT_FALSE(Open("60000000", StrCat(kSelf + 1)).has_watchdog());
  EXPECT_TRUE(Open("60000000", "").has_watchdog());
  EXPECT_FALSE(Open("", StrCat(kSelf)).has_watchdog());
}

TEST_F(ServiceNotifyTest, WhatCantBeUnderstoodIsRefusedByName) {
  for (const ServiceNotifier::Variables& variables :
       {ServiceNotifier::Variables{"notify", "", ""},
        ServiceNotifier::Variables{"vsock:2:1", "", ""}, ServiceNotifier::Variables{"@", "", ""},
        ServiceNotifier::Variables{"/" + std::string(108, 'x'), "", ""}}) {
    const auto notifier = ServiceNotifier::Open(variables, kSelf);
    ASSERT_FALSE(notifier.ok()) << variables.socket;
    EXPECT_THAT(std::string(notifier.status().message()), StartsWith("NOTIFY_SOCKET="));
  }
  EXPECT_THAT(std::string(ServiceNotifier::Open({path_, "1s", ""}, kSelf).status().message()),
              HasSubstr("WATCHDOG_USEC=1s"));
  EXPECT_THAT(std::string(ServiceNotifier::Open({path_, "1", "me"}, kSelf).status().message()),
              HasSubstr("WATCHDOG_PID=me"));
  EXPECT_FALSE(ServiceNotifier::Open({directory_ + "/nosuch", "", ""}, kSelf).ok());
}

TEST_F(ServiceNotifyTest, ARestartedManagerIsFoundAgain) {
  ServiceNotifier notifier = Open();
  std::filesystem::remove(path_);
  Listen(path_);
  notifier.SetReady();
  notifier.Advance();
  EXPECT_EQ(Heard(), "READY=1\n");
}

TEST_F(ServiceNotifyTest, WhatAFullQueueDoesntTakeIsToldLater) {
  ServiceNotifier notifier = Open("1000000");
  ServiceNotifier other = Open();
  int filled = 0;
  while (true) {
    other.SetStatus(StrCat("fill ", filled));
    other = Open();
    other.SetStatus(StrCat("fill ", filled));
    other.Advance();
    if (other.deadline() != absl::InfiniteFuture()) break;
    ASSERT_LT(++filled, 100000);
  }
  notifier.SetReady();
  notifier.Advance();
  // Not told, and the loop comes back for it.
  EXPECT_LT(notifier.deadline(), absl::InfiniteFuture());
  while (!Heard().empty()) {
  }
  while (SteadyNow() < notifier.deadline()) ::sched_yield();
  notifier.Advance();
  EXPECT_THAT(Heard(), StartsWith("READY=1\n"));
}

// In a process of its own, as leaving a network can't be undone.
TEST_F(ServiceNotifyTest, AnAbstractNameIsReachedAfterTheNetworkWasLeft) {
  if (::geteuid() != 0) GTEST_SKIP() << "needs root";
  path_ = StrCat("@dragnet-notify-test-", ::getpid());
  Listen(path_);
  const pid_t child = ::fork();
  if (child == 0) {
    auto early = ServiceNotifier::Open({path_, "", ""}, kSelf);
    if (!early.ok() || ::unshare(CLONE_NEWNET) != 0) ::_exit(1);
    if (ServiceNotifier::Open({path_, "", ""}, kSelf).ok()) ::_exit(2);
    early->SetReady();
    early->Advance();
    ::_exit(0);
  }
  int status = 0;
  ASSERT_EQ(::waitpid(child, &status, 0), child);
  ASSERT_TRUE(WIFEXITED(status));
  EXPECT_EQ(WEXITSTATUS(status), 0);
  EXPECT_EQ(Heard(), "READY=1\n");
}

TEST_F(ServiceNotifyTest, TheEnvironmentIsKeptForASuccessor) {
  ::setenv("NOTIFY_SOCKET", path_.c_str(), 1);
  ::setenv("WATCHDOG_USEC", "60000000", 1);
  ::setenv("WATCHDOG_PID", StrCat(::getpid()).c_str(), 1);
  std::string problem;
  ServiceNotifier notifier = ServiceNotifier::OpenFromEnvironment(&problem);
  notifier.SetReady();
  notifier.Advance();
  EXPECT_EQ(problem, "");
  EXPECT_EQ(Heard(), "READY=1\nWATCHDOG=1\n");
  EXPECT_STREQ(::getenv("NOTIFY_SOCKET"), path_.c_str());
  EXPECT_STREQ(::getenv("WATCHDOG_USEC"), "60000000");
  EXPECT_NE(::getenv("WATCHDOG_PID"), nullptr);

  ::setenv("NOTIFY_SOCKET", "nonsense\n", 1);
  EXPECT_FALSE(ServiceNotifier::OpenFromEnvironment(&problem).is_open());
  EXPECT_THAT(problem, HasSubstr("NOTIFY_SOCKET=nonsense"));
  EXPECT_THAT(problem, Not(HasSubstr("\n")));
  for (const char* name : {"NOTIFY_SOCKET", "WATCHDOG_USEC", "WATCHDOG_PID"}) ::unsetenv(name);
}

}  // namespace
}  // namespace dragnet
