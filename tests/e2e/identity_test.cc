// Who may call what: every RPC as everyone who shouldn't.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/time/clock.h"
#include "core/certificate.h"
#include "core/strings.h"
#include "core/uuid.h"
#include "tests/harness/fleet.h"
#include "tests/harness/rogue_scheduler.h"

namespace dragnet::testing {
namespace {

using ::testing::AnyOf;
using ::testing::HasSubstr;

constexpr char kEnroll[] = "/dragnet.v1.AgentGateway/Enroll";

std::vector<std::string> AllMethods() {
  std::vector<std::string> methods = InvestigatorMethods();
  for (const std::string& method : GatewayMethods()) methods.push_back(method);
  return methods;
}

class IdentityTest : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    fleet_ = std::make_unique<TestFleet>();
    fleet_->StartScheduler();
    agent_ = &fleet_->AddOnlineAgent();
  }
  static void TearDownTestSuite() { fleet_.reset(); }

  static std::unique_ptr<TestFleet> fleet_;
  static Agent* agent_;
};

std::unique_ptr<TestFleet> IdentityTest::fleet_;
Agent* IdentityTest::agent_;

TEST_F(IdentityTest, InvestigatorsCertificateIsNoAgents) {
  const auto investigator = fleet_->ApiAs(fleet_->forge().investigator_tls());
  for (const std::string& method : GatewayMethods()) {
    if (method == kEnroll) continue;
    EXPECT_EQ(investigator->Call(method, "").code(), absl::StatusCode::kPermissionDenied) << method;
  }
}

TEST_F(IdentityTest, AgentsCertificateIsNoInvestigators) {
  const auto agent = fleet_->ApiAs(agent_->Tls());
  for (const std::string& method : InvestigatorMethods()) {
    EXPECT_EQ(agent->Call(method, "").code(), absl::StatusCode::kPermissionDenied) << method;
  }
}

TEST_F(IdentityTest, WithoutACertificateOnlyEnrolmentIsAnswered) {
  const auto nobody = fleet_->ApiAs(std::nullopt);
  for (const std::string& method : AllMethods()) {
    if (method == kEnroll) continue;
    EXPECT_EQ(nobody->Call(method, "").code(), absl::StatusCode::kUnauthenticated) << method;
  }
}

TEST_F(IdentityTest, CertificateOfAnotherCaGetsNoConnection) {
  for (const Forge::Owner& owner :
       {Forge::Owner{"investigator", "ida"}, Forge::Owner{"agent", agent_->Id()}}) {
    const auto other = fleet_->ApiAs(fleet_->forge().IssueByOtherCa(owner));
    for (const std::string& method : AllMethods()) {
      EXPECT_EQ(other->Call(method, "").code(), absl::StatusCode::kUnavailable) << method;
    }
  }
}

TEST_F(IdentityTest, CertificateThatTheSchedulerDidntRecordIsRefused) {
  // Who copied the CA's key still can't slip in unseen.
  for (const Forge::Owner& owner :
       {Forge::Owner{"investigator", "ida"}, Forge::Owner{"agent", agent_->Id()}}) {
    const auto unknown = fleet_->ApiAs(fleet_->forge().Issue(owner, absl::Now(), absl::Hours(1)));
    for (const std::string& method : AllMethods()) {
      if (method == kEnroll) continue;
      EXPECT_EQ(unknown->Call(method, "").code(), absl::StatusCode::kUnauthenticated) << method;
    }
  }
}

TEST_F(IdentityTest, SchedulersOwnCertificateIsNoClients) {
  const TlsPair server = {Read(fleet_->directory() + "/scheduler/server.pem"),
                          Read(fleet_->directory() + "/scheduler/server.key")};
  const auto as_server = fleet_->ApiAs(server);
  for (const std::string& method : AllMethods()) {
    if (method == kEnroll) continue;
    EXPECT_THAT(as_server->Call(method, "").code(),
                AnyOf(absl::StatusCode::kUnauthenticated, absl::StatusCode::kUnavailable))
        << method;
  }
}

TEST_F(IdentityTest, MethodThatIsNotInTheTableIsRefused) {
  const auto investigator = fleet_->ApiAs(fleet_->forge().investigator_tls());
  for (const std::string method : {"/dragnet.v1.InvestigatorService/Shutdown",
                                   "/grpc.reflection.v1alpha.ServerReflection/X", "/x"}) {
    EXPECT_THAT(investigator->Call(method, "").code(),
                AnyOf(absl::StatusCode::kPermissionDenied, absl::StatusCode::kUnimplemented))
        << method;
  }
}

TEST_F(IdentityTest, AgentCantSpeakAsAnother) {
  const auto agent = fleet_->ApiAs(agent_->Tls());
  const auto session = agent->OpenSession();
  v1::AgentMessage hello;
  hello.mutable_hello()->mutable_facts()->set_id(NewUuidV4());
  hello.mutable_hello()->mutable_facts()->set_fleet_id(fleet_->forge().fleet_id());
  session->Send(hello);
  while (session->Receive().has_value()) continue;
  EXPECT_EQ(session->Finish().code(), absl::StatusCode::kInvalidArgument);
  // The agent itself comes back.
  EXPECT_TRUE(fleet_->WaitUntilOnline(*agent_));
}

TEST_F(IdentityTest, AgentCantAnswerForAnActionThatIsNotItsOwn) {
  Agent& liar = fleet_->AddOnlineAgent({.name = "liar"});
  v1::Action action = fleet_->forge().NewAction("/etc");
  action.set_target("name='nobody'");
  ASSERT_TRUE(fleet_->api().Launch(fleet_->forge().Sign(action)).ok());
  liar.Stop();
  const auto agent = fleet_->ApiAs(liar.Tls());
  const auto session = agent->OpenSession();
  v1::AgentMessage hello;
  hello.mutable_hello()->mutable_facts()->set_id(liar.Id());
  hello.mutable_hello()->mutable_facts()->set_fleet_id(fleet_->forge().fleet_id());
  hello.mutable_hello()->set_trust_policy_version(1);
  ASSERT_TRUE(session->Send(hello));
  v1::AgentMessage message;
  v1::ResultRecord* record = message.mutable_record();
  record->set_action_id(action.id());
  record->set_sequence(1);
  record->mutable_rows()->add_rows("a row that no one asked for");
  session->Send(message);
  // Answered one way or the other: by an acknowledgement, or by the end.
  bool answered = false;
  while (const auto received = session->Receive()) {
    if (received->has_acknowledged()) {
      answered = true;
      break;
    }
  }
  session->Cancel();
  const auto results = fleet_->api().Results(action.id());
  ASSERT_TRUE(results.ok()) << results.status();
  EXPECT_TRUE(results->rows.empty());
  EXPECT_EQ(results->progress.targeted(), 0U) << answered;
}

// --- TLS

Finished SClient(const std::string& address, const std::string& ca, const std::string& version) {
  Command command;
  command.arguments = {"/usr/bin/openssl",
                       "s_client",
                       "-connect",
                       address,
                       "-CAfile",
                       ca,
                       version,
                       "-alpn",
                       "h2",
                       "-brief"};
  return RunToEnd(command, absl::Seconds(20));
}

TEST_F(IdentityTest, Tls12IsRefusedAndTls13IsNot) {
  const std::string ca = fleet_->directory() + "/agent/ca.pem";
  const Finished old = SClient(fleet_->address(), ca, "-tls1_2");
  EXPECT_NE(old.status(), 0) << old.out << old.err;
  EXPECT_THAT(old.out + old.err, ::testing::Not(HasSubstr("Protocol version: TLSv1.2")));
  const Finished current = SClient(fleet_->address(), ca, "-tls1_3");
  EXPECT_THAT(current.out + current.err, HasSubstr("Protocol version: TLSv1.3"));
}

// Someone who isn't the scheduler listens where it should be.
class ImpostorTest : public IdentityTest {
 protected:
  void ExpectAgentStaysAway(const TlsPair& impostor, const std::string& name) {
    const int port = FreePort();
    RogueScheduler::Options options;
    options.identity = impostor;
    const RogueScheduler rogue(fleet_->forge(), fleet_->directory(), port, options);
    Agent& agent = fleet_->AddAgent({.name = name, .schedulers = {StrCat("127.0.0.1:", port)}});
    agent.Start();
    EXPECT_TRUE(agent.process().WaitForOutput("not connected"));
    EXPECT_EQ(rogue.calls(), 0U) << "it was sent an enrolment token";
    agent.Stop();
  }
};

TEST_F(ImpostorTest, WithAnotherCasCertificateLearnsNoToken) {
  ExpectAgentStaysAway(fleet_->forge().IssueByOtherCa({"scheduler", "main"}), "host-a");
}

TEST_F(ImpostorTest, WithAnAgentsCertificateLearnsNoToken) {
  ExpectAgentStaysAway(agent_->Tls(), "host-b");
}

TEST_F(ImpostorTest, WithAnInvestigatorsCertificateLearnsNoToken) {
  ExpectAgentStaysAway(fleet_->forge().investigator_tls(), "host-c");
}

// --- revocation

class RevocationTest : public ::testing::Test {
 protected:
  RevocationTest() { fleet_.StartScheduler(); }
  TestFleet fleet_;
};

TEST_F(RevocationTest, RevokedAgentsOpenStreamClosesAndItCantComeBack) {
  Agent& agent = fleet_.AddOnlineAgent({.name = "lost"});
  Agent& other = fleet_.AddOnlineAgent({.name = "kept"});
  const auto revoked = fleet_.api().RevokeAgent(agent.Id());
  ASSERT_TRUE(revoked.ok()) << revoked.status();
  EXPECT_EQ(revoked->streams(), 1U);
  EXPECT_GE(revoked->certificates(), 1U);
  EXPECT_TRUE(agent.process().WaitForOutput("revoked")) << agent.process().Output();
  EXPECT_EQ(fleet_.InfoOf(agent)->state(), v1::AgentInfo::STATE_REVOKED);

  // Neither by itself, nor started anew, nor by its key in other hands.
  agent.Stop();
  agent.Start();
  EXPECT_TRUE(agent.process().WaitForOutput("revoked")) << agent.process().Output();
  const auto thief = fleet_.ApiAs(agent.Tls());
  for (const std::string& method : GatewayMethods()) {
    if (method == kEnroll) continue;
    EXPECT_EQ(thief->Call(method, "").code(), absl::StatusCode::kUnauthenticated) << method;
  }
  EXPECT_EQ(fleet_.InfoOf(agent)->state(), v1::AgentInfo::STATE_REVOKED);
  // It gets no action any more; the other one does.
  const v1::Action action = fleet_.forge().NewAction(fleet_.MakeFiles("files", 1));
  ASSERT_TRUE(fleet_.api().Launch(fleet_.forge().Sign(action)).ok());
  EXPECT_TRUE(Eventually([&] {
    const auto results = fleet_.api().Results(action.id());
    return results.ok() && results->rows.contains(other.name());
  }));
  EXPECT_EQ(agent.WorkersStarted(), 0U);
}

TEST_F(RevocationTest, RevokedAgentStaysOutWhenTheSchedulerStartsAnew) {
  Agent& agent = fleet_.AddOnlineAgent();
  ASSERT_TRUE(fleet_.api().RevokeAgent(agent.Id()).ok());
  fleet_.KillScheduler();
  fleet_.StartScheduler();
  const auto thief = fleet_.ApiAs(agent.Tls());
  EXPECT_EQ(thief->Call("/dragnet.v1.AgentGateway/Session", "").code(),
            absl::StatusCode::kUnauthenticated);
}

TEST_F(RevocationTest, RevokedInvestigatorsOpenStreamClosesAndSoDoesTheDoor) {
  // Waits for an agent that never comes.
  Agent& agent = fleet_.AddOnlineAgent();
  agent.Stop();
  const v1::Action action = fleet_.forge().NewAction("/etc");
  ASSERT_TRUE(fleet_.api().Launch(fleet_.forge().Sign(action)).ok());
  const auto watching = fleet_.api().Watch(action.id(), /*until_expired=*/true);
  ASSERT_TRUE(watching->Next().has_value());

  const auto revoked = fleet_.ApiAs(fleet_.forge().investigator_tls())->RevokeInvestigator("ida");
  ASSERT_TRUE(revoked.ok()) << revoked.status();
  EXPECT_EQ(revoked->streams(), 1U);
  while (watching->Next().has_value()) continue;
  EXPECT_EQ(watching->Finish().code(), absl::StatusCode::kUnauthenticated);
  EXPECT_EQ(fleet_.api().SearchAgents("").status().code(), absl::StatusCode::kUnauthenticated);
  const auto anew = fleet_.ApiAs(fleet_.forge().investigator_tls());
  for (const std::string& method : InvestigatorMethods()) {
    EXPECT_EQ(anew->Call(method, "").code(), absl::StatusCode::kUnauthenticated) << method;
  }
  const Finished console = fleet_.Dragnet({"agents"});
  EXPECT_EQ(console.status(), 4);
  EXPECT_THAT(console.err, HasSubstr("revoked"));
}

}  // namespace
}  // namespace dragnet::testing
