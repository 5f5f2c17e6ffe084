// To which link the enrolment token goes, which may be good for many hosts.
#include "agent/monitor/link_start.h"

#include "agent/monitor/monitor_fixture.h"

namespace dragnet {
namespace {

class LinkStartTest : public MonitorTest {
 protected:
  void SetUp() override {
    configure_ = [this](AgentConfig& config) {
      config.enrolment_token = token_;
      config.enrolment_token_written = written_;
      config_ = config;
    };
    MonitorTest::SetUp();
  }
  // The link started again, by a monitor that was or wasn't.
  std::string TokenOfLink() {
    const auto with = store_->EnrolledWith();
    EXPECT_TRUE(with.ok());
    return MakeLinkStart(config_, "", v1::Hello(), with->value_or(absl::InfinitePast()))
        .enrolment_token();
  }
  void Connect() {
    ipc::LinkToMonitor connected;
    connected.mutable_connected()->set_record_window(16);
    monitor_->HandleLinkMessage(connected);
  }

  std::string token_ = "token";
  absl::Time written_ = absl::FromUnixSeconds(1'700'000'000);
  AgentConfig config_;
};

TEST_F(LinkStartTest, ALinkThatWasConnectedGetsNoTokenWhateverItsFilesSay) {
  std::filesystem::create_directory(directory_ + "/link");
  const std::string certificate = directory_ + "/link/tls.pem";
  std::ofstream(certificate) << "certificate";
  // It came with the image, or the first enrolment was cut off.
  EXPECT_EQ(TokenOfLink(), "token");
  Connect();
  EXPECT_EQ(TokenOfLink(), "");
  Restart();
  EXPECT_EQ(TokenOfLink(), "");
  // What a compromised link does.
  std::filesystem::last_write_time(certificate, std::filesystem::file_time_type::min());
  EXPECT_EQ(TokenOfLink(), "");
  std::filesystem::remove(certificate);
  Restart();
  EXPECT_EQ(TokenOfLink(), "");
}

TEST_F(LinkStartTest, ANewerTokenIsForAHostWhoseCertificateHasExpired) {
  // A clock that was far ahead when it was enrolled counts nothing.
  clock_.Set(absl::FromUnixSeconds(4'000'000'000));
  Connect();
  Restart();
  EXPECT_EQ(TokenOfLink(), "");
  written_ += absl::Hours(1);
  Restart();
  EXPECT_EQ(TokenOfLink(), "token");
  Connect();
  EXPECT_EQ(TokenOfLink(), "");
}

TEST_F(LinkStartTest, AnotherIdentityIsEnrolledAnew) {
  Connect();
  EXPECT_EQ(TokenOfLink(), "");
  ASSERT_TRUE(store_->ForgetIdentity().ok());
  EXPECT_EQ(TokenOfLink(), "token");
}

TEST_F(LinkStartTest, ATokenThatComesAfterAConnectionWithoutOneIsHandedOut) {
  token_.clear();
  written_ = absl::InfinitePast();
  Restart();
  Connect();
  token_ = "token";
  written_ = clock_.Now() + absl::Minutes(1);
  Restart();
  EXPECT_EQ(TokenOfLink(), "token");
}

}  // namespace
}  // namespace dragnet
