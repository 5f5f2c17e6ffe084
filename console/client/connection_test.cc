// What `dragnet` says when there is no way to the scheduler: one line that says
// what, where, and what to do.
#include <gmock/gmock.h>
#include <sys/stat.h>

#include "console/cli/exit_status.h"
#include "console/client/client.h"
#include "console/testing/console_fixture.h"
#include "core/status_macros.h"
#include "tests/harness/connect_proxy.h"

namespace dragnet::console {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using testing::Outcome;
using testing::Validity;
using testing::ValidNow;

class ConnectionTest : public testing::ConsoleTest {
 protected:
  void ExpectFailure(int status, const ::testing::Matcher<std::string>& message) {
    const Outcome outcome = Dragnet({"agents"});
    EXPECT_EQ(outcome.status, status);
    EXPECT_THAT(outcome.err, message);
    EXPECT_EQ(std::count(outcome.err.begin(), outcome.err.end(), '\n'), 1) << outcome.err;
    EXPECT_EQ(outcome.out, "");
  }
};

TEST_F(ConnectionTest, SchedulerThatIsDown) {
  const int port = scheduler_->port();
  scheduler_.reset();
  ExpectFailure(4, HasSubstr(StrCat("dragnet: connect localhost:", port,
                                    ": Connection refused: is dragnet-scheduler running there?")));
}

// gRPC's own back-off would keep a channel that failed shut for up to two minutes.
TEST_F(ConnectionTest, SchedulerThatComesBackIsReachedAtOnce) {
  const int port = scheduler_->port();
  scheduler_.reset();
  const ConsoleConfig config = *LoadConfig(Path("console.toml"));
  const std::unique_ptr<Client> client = *Client::Create(config, absl::Now());
  for (int i = 0; i < 3; ++i) {
    const absl::Status down = client->ListActions({}).status();
    EXPECT_TRUE(absl::IsUnavailable(down)) << down;
    EXPECT_TRUE(IsFromScheduler(down));
    EXPECT_EQ(ExitStatusOf(Annotate(down, "action 7 can't be followed")), kExitRefused);
  }
  scheduler_ =
      std::make_unique<testing::FakeScheduler>(ca_.pem(), ca_.IssueServer(ValidNow()), port);
  EXPECT_TRUE(client->ListActions({}).ok());
}

TEST_F(ConnectionTest, NameThatDoesNotResolve) {
  std::string config = *ReadFile(Path("console.toml"));
  config.replace(config.find("localhost"), 9, "nosuchhost.invalid");
  WriteFile("console.toml", config, 0644);
  ExpectFailure(4, HasSubstr("check scheduler in"));
}

TEST_F(ConnectionTest, ThroughAProxy) {
  const dragnet::testing::ConnectProxy proxy({.authorization = "Basic dTpw"});
  WriteConfig(scheduler_->port(), StrCat("proxy = \"http://u:p@", proxy.address(), "\"\n"));
  const Outcome outcome = Dragnet({"agents"});
  EXPECT_EQ(outcome.status, 0) << outcome.err;
  EXPECT_EQ(proxy.tunnels(), 1);
  WriteConfig(scheduler_->port(), StrCat("proxy = \"http://u:wrong@", proxy.address(), "\"\n"));
  ExpectFailure(4, AllOf(HasSubstr("wants another user and password: check proxy in"),
                         ::testing::Not(HasSubstr("wrong"))));
  WriteConfig(scheduler_->port(), "proxy = \"proxy:3128\"\n");
  ExpectFailure(2, HasSubstr("proxy: only proxies that speak HTTP"));
}

TEST_F(ConnectionTest, ProxyThatIsNone) {
  using Behaviour = dragnet::testing::ConnectProxy::Behaviour;
  for (const auto& [behaviour, words] :
       {std::pair<Behaviour, std::string>{Behaviour::kGarbage, "does not speak HTTP"},
        {Behaviour::kClose, "does not answer as a proxy"},
        {Behaviour::kEndless, "does not answer as a proxy"},
        {Behaviour::kRefuse, "does not connect to it (403)"}}) {
    const dragnet::testing::ConnectProxy proxy({.behaviour = behaviour});
    WriteConfig(scheduler_->port(), StrCat("proxy = \"http://", proxy.address(), "\"\n"));
    ExpectFailure(4, HasSubstr(words));
  }
}

TEST_F(ConnectionTest, SchedulerOfAnotherFleet) {
  const testing::TestCa other;
  StartScheduler(other.IssueServer(ValidNow()));
  ExpectFailure(4, HasSubstr("it belongs to another fleet, or ca_file"));
}

TEST_F(ConnectionTest, SchedulerWhoseCertificateExpired) {
  StartScheduler(ca_.IssueServer({absl::Now() - absl::Hours(48), absl::Now() - absl::Hours(24)}));
  ExpectFailure(4, AllOf(HasSubstr("certificate has expired"), HasSubstr("clock")));
}

TEST_F(ConnectionTest, ClockBehindTheSchedulersCertificate) {
  StartScheduler(ca_.IssueServer({absl::Now() + absl::Hours(24), absl::Now() + absl::Hours(48)}));
  ExpectFailure(4, AllOf(HasSubstr("certificate is not yet valid"), HasSubstr("clock")));
}

TEST_F(ConnectionTest, CertificateForAnotherHost) {
  StartScheduler(ca_.IssueServer(ValidNow(), "scheduler.example"));
  ExpectFailure(4, HasSubstr("another name"));
}

TEST_F(ConnectionTest, CertificateThatTheSchedulerDoesNotTake) {
  const testing::TestCa other;
  WriteIdentity(other.IssueInvestigator(fleet_.id, "alice", ValidNow()));
  ExpectFailure(4, HasSubstr("the scheduler refused"));
}

TEST_F(ConnectionTest, OwnCertificateExpired) {
  WriteIdentity(ca_.IssueInvestigator(
      fleet_.id, "alice", {absl::Now() - absl::Hours(48), absl::Now() - absl::Hours(24)}));
  ExpectFailure(2, AllOf(HasSubstr("tls.pem: expired on "), HasSubstr("issue a new one")));
}

TEST_F(ConnectionTest, OwnCertificateNotYetValid) {
  WriteIdentity(ca_.IssueInvestigator(
      fleet_.id, "alice", {absl::Now() + absl::Hours(24), absl::Now() + absl::Hours(48)}));
  ExpectFailure(2, AllOf(HasSubstr("not valid before"), HasSubstr("clock")));
}

TEST_F(ConnectionTest, OwnCertificateOfSomeoneElse) {
  WriteIdentity(ca_.IssueInvestigator(fleet_.id, "bob", ValidNow()));
  ExpectFailure(2, HasSubstr("/investigator/bob"));
}

TEST_F(ConnectionTest, TlsKeyThatOthersCanRead) {
  ::chmod(Path("tls.key").c_str(), 0640);
  ExpectFailure(2, AllOf(HasSubstr("tls.key"), HasSubstr("chmod")));
}

TEST_F(ConnectionTest, UnknownConfigurationKey) {
  WriteConfig(scheduler_->port(), "colour = \"red\"\n");
  ExpectFailure(2, AllOf(HasSubstr("console.toml"), HasSubstr("colour")));
}

TEST_F(ConnectionTest, MissingConfiguration) {
  std::filesystem::remove(Path("console.toml"));
  ExpectFailure(2, AllOf(HasSubstr("console.toml"), HasSubstr("--config")));
}

TEST_F(ConnectionTest, ConfigurationBeforeAndAfterTheCommand) {
  const std::string config = Path("console.toml");
  std::filesystem::rename(config, Path("other.toml"));
  EXPECT_EQ(Dragnet({"--config", Path("other.toml"), "agents"}).status, 0);
  EXPECT_EQ(Dragnet({"agents", "--config", Path("other.toml")}).status, 0);
}

TEST_F(ConnectionTest, ConfigurationIsSoughtInItsOrder) {
  const auto environment = [](std::map<std::string, std::string> values) -> Environment {
    return [values](std::string_view name) -> std::optional<std::string> {
      const auto found = values.find(std::string(name));
      if (found == values.end()) return std::nullopt;
      return found->second;
    };
  };
  EXPECT_EQ(*FindConfig("flag", environment({{"DRAGNET_CONFIG", "env"}})), "flag");
  EXPECT_EQ(*FindConfig("", environment({{"DRAGNET_CONFIG", "env"}, {"HOME", "/h"}})), "env");
  EXPECT_EQ(*FindConfig("", environment({{"HOME", "/h"}})), "/h/.config/dragnet/console.toml");
  EXPECT_FALSE(FindConfig("", environment({})).ok());
}

}  // namespace
}  // namespace dragnet::console
