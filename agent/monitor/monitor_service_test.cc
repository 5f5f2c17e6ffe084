// What the service manager hears of the monitor.
#include <string.h>
#include <sys/eventfd.h>
#include <sys/socket.h>
#include <sys/un.h>

#include "agent/monitor/monitor_fixture.h"
#include "core/clock.h"

namespace dragnet {
namespace {

class MonitorServiceTest : public MonitorTest {
 protected:
  void SetUp() override {
    MonitorTest::SetUp();
    const std::string path = directory_ + "/notify";
    manager_.Reset(::socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0));
    sockaddr_un address = {};
    address.sun_family = AF_UNIX;
    ::strncpy(address.sun_path, path.c_str(), sizeof address.sun_path - 1);
    ASSERT_EQ(::bind(manager_.get(), reinterpret_cast<sockaddr*>(&address), sizeof address), 0);
    auto service = ServiceNotifier::Open({path, "3600000000", ""}, ::getpid());
    ASSERT_TRUE(service.ok()) << service.status();
    service_ = *std::move(service);
    Restart();
  }

  std::string Heard() {
    std::string all;
    char buffer[8192];
    ssize_t count;
    while ((count = ::recv(manager_.get(), buffer, sizeof buffer, MSG_DONTWAIT)) > 0)
      all.append(buffer, static_cast<size_t>(count));
    return all;
  }
  // Turns until something was heard.
  std::string TurnAndHear() {
    std::string heard;
    while (heard.empty()) {
      EXPECT_TRUE(monitor_->Turn(-1, absl::Milliseconds(100)).ok());
      heard = Heard();
    }
    return heard;
  }

  UniqueFd manager_;
};

TEST_F(MonitorServiceTest, ReadyWhenTheLoopRunsAndStoppingWhenItEnds) {
  EXPECT_EQ(Heard(), "");
  const UniqueFd stop(::eventfd(1, EFD_CLOEXEC));
  ASSERT_TRUE(monitor_->Run(stop.get()).ok());
  EXPECT_EQ(Heard(), "READY=1\nWATCHDOG=1\nSTOPPING=1\n");
}

TEST_F(MonitorServiceTest, TheWatchdogHearsOfTurnsOnly) {
  EXPECT_EQ(Heard(), "");
  ASSERT_TRUE(monitor_->Turn(-1, absl::ZeroDuration()).ok());
  EXPECT_THAT(Heard(), HasSubstr("WATCHDOG=1\n"));
  // Half of an hour is not over.
  ASSERT_TRUE(monitor_->Turn(-1, absl::ZeroDuration()).ok());
  EXPECT_EQ(Heard(), "");
}

TEST_F(MonitorServiceTest, StatusSaysWhereItIsConnected) {
  ipc::LinkToMonitor message;
  message.mutable_connected()->set_record_window(10);
  message.mutable_connected()->set_scheduler("scheduler.example:7443");
  monitor_->HandleLinkMessage(message);
  EXPECT_THAT(TurnAndHear(), HasSubstr("STATUS=connected to scheduler.example:7443\n"));
}

TEST_F(MonitorServiceTest, ALinkThatWasTakenOverCantSpeakForTheService) {
  ipc::LinkToMonitor message;
  message.mutable_disconnected()->set_reason("gone\nMAINPID=1\nWATCHDOG=trigger");
  monitor_->HandleLinkMessage(message);
  const std::string heard = TurnAndHear();
  EXPECT_THAT(heard, HasSubstr("STATUS=not connected: gone\\nMAINPID=1\\nWATCHDOG=trigger\n"));
  EXPECT_THAT(heard, ::testing::Not(HasSubstr("\nMAINPID")));
  EXPECT_THAT(heard, ::testing::Not(HasSubstr("\nWATCHDOG=t")));
}

}  // namespace
}  // namespace dragnet
