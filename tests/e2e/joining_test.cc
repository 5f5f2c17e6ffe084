// How operators decide who joins, with real agents: networks, revoked tokens, hosts that
// wait to be let in, hosts that were installed anew, certificates that have expired.
#include <fcntl.h>
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <filesystem>
#include <fstream>

#include "absl/time/clock.h"
#include "core/certificate.h"
#include "core/file_io.h"
#include "core/strings.h"
#include "core/uuid.h"
#include "scheduler/enrolment/ca.h"
#include "tests/harness/fleet.h"

namespace dragnet::testing {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;
using ::testing::Not;

class JoiningTest : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    fleet_ = std::make_unique<TestFleet>();
    fleet_->StartScheduler();
  }
  static void TearDownTestSuite() { fleet_.reset(); }

  // With `dragnet enroll token create`.
  static std::string Token(std::vector<std::string> flags) {
    std::vector<std::string> arguments = {"enroll", "token", "create"};
    arguments.insert(arguments.end(), flags.begin(), flags.end());
    const Finished console = fleet_->Dragnet(arguments);
    EXPECT_EQ(console.status(), 0) << console.err;
    return console.out.substr(0, console.out.find('\n'));
  }
  // Of the token whose note this is.
  static std::string IdOfToken(const std::string& note) {
    const Finished list = fleet_->Dragnet({"enroll", "token", "list", "--all", "-o", "csv"});
    EXPECT_EQ(list.status(), 0) << list.err;
    const size_t line = list.out.rfind('\n', list.out.find(note)) + 1;
    return list.out.substr(line, 16);
  }
  static std::optional<v1::EnrolmentRequest> RequestOf(const std::string& name) {
    const auto requests = fleet_->api().ListEnrolmentRequests();
    EXPECT_TRUE(requests.ok()) << requests.status();
    if (!requests.ok()) return std::nullopt;
    for (const v1::EnrolmentRequest& request : *requests)
      if (request.facts().name() == name) return request;
    return std::nullopt;
  }
  static bool WaitForRequest(const std::string& name) {
    return Eventually([&] { return RequestOf(name).has_value(); });
  }
  static v1::EnrollRequest EnrollRequestOf(const std::string& token, const std::string& id,
                                           const PrivateKey& key) {
    v1::EnrollRequest request;
    request.set_token(token);
    request.set_agent_id(id);
    request.set_csr(*CreateSigningRequest(key));
    request.mutable_facts()->set_id(id);
    request.mutable_facts()->set_fleet_id(fleet_->forge().fleet_id());
    request.mutable_facts()->set_name("other-host");
    return request;
  }
  static absl::Status Enroll(const v1::EnrollRequest& request) {
    return fleet_->ApiAs(std::nullopt)->Enroll(request).status();
  }

  static std::unique_ptr<TestFleet> fleet_;
};

std::unique_ptr<TestFleet> JoiningTest::fleet_;

TEST_F(JoiningTest, AHostOfAnotherNetworkIsNotLetIn) {
  Agent& outside = fleet_->AddAgent(
      {.name = "outside", .token = Token({"--network", "10.99.0.0/16", "--network", "::/0"})});
  outside.Start();
  EXPECT_TRUE(outside.process().WaitForOutput("not for the network that 127.0.0.1 is in"))
      << outside.process().Output();
  EXPECT_FALSE(fleet_->InfoOf(outside).has_value());
  fleet_->AddOnlineAgent({.name = "inside", .token = Token({"--network", "127.0.0.0/8"})});
}

TEST_F(JoiningTest, WhatIsNoNetworkMakesNoToken) {
  for (const char* network : {"10.0.0.1/8", "10.0.0.0", "host.example/8", "::ffff:10.0.0.0/104"}) {
    const Finished console = fleet_->Dragnet({"enroll", "token", "create", "--network", network});
    EXPECT_EQ(console.status(), 2) << network;
    EXPECT_THAT(console.err, HasSubstr(network));
    EXPECT_EQ(console.out, "");
  }
}

TEST_F(JoiningTest, ARevokedTokenLetsNoOneInAndKeepsThoseWhoAreIn) {
  const std::string token = Token({"--uses", "5", "--note", "to-be-revoked"});
  Agent& first = fleet_->AddOnlineAgent({.name = "before-revocation", .token = token});
  const Finished revoked =
      fleet_->Dragnet({"enroll", "token", "revoke", IdOfToken("to-be-revoked").substr(0, 8)});
  EXPECT_EQ(revoked.status(), 0) << revoked.err;
  EXPECT_THAT(revoked.err, HasSubstr("1 host has joined with it"));
  Agent& second = fleet_->AddAgent({.name = "after-revocation", .token = token});
  second.Start();
  EXPECT_TRUE(second.process().WaitForOutput("token was revoked")) << second.process().Output();
  EXPECT_FALSE(fleet_->InfoOf(second).has_value());
  EXPECT_TRUE(fleet_->WaitUntilOnline(first));
  // The audit has who did what; the token itself is nowhere.
  const std::string log = fleet_->scheduler().Output();
  EXPECT_THAT(log, HasSubstr(StrCat("token ", IdOfToken("to-be-revoked"), " revoked by ida")));
  EXPECT_THAT(log, Not(HasSubstr(token)));
}

TEST_F(JoiningTest, AHostWaitsUntilItIsLetIn) {
  Agent& agent = fleet_->AddAgent({.name = "waits", .token = Token({"--approval"})});
  agent.Start();
  EXPECT_TRUE(agent.process().WaitForOutput("an operator has yet to let this host in"))
      << agent.process().Output();
  ASSERT_TRUE(WaitForRequest("waits"));
  EXPECT_FALSE(fleet_->InfoOf(agent).has_value());
  const Finished list = fleet_->Dragnet({"enroll", "requests"});
  EXPECT_THAT(list.out, AllOf(HasSubstr("waits"), HasSubstr("127.0.0.1"),
                              HasSubstr(RequestOf("waits")->key_sha256())));
  EXPECT_THAT(fleet_->Dragnet({"status"}).out, HasSubstr("to be let in: dragnet enroll requests"));
  // The operator sees the key that the host has.
  const auto key = PrivateKey::FromPem(Read(agent.LinkDirectory() + "/tls.key"));
  ASSERT_TRUE(key.ok()) << key.status();
  EXPECT_EQ(RequestOf("waits")->key_sha256(), key->public_key().id());
  const Finished approved = fleet_->Dragnet({"enroll", "approve", "waits", "--yes"});
  EXPECT_EQ(approved.status(), 0) << approved.err;
  EXPECT_TRUE(fleet_->WaitUntilOnline(agent, absl::Minutes(3))) << agent.process().Output();
  EXPECT_FALSE(RequestOf("waits").has_value());
}

TEST_F(JoiningTest, ADeniedHostIsToldAndStaysOutside) {
  Agent& agent = fleet_->AddAgent({.name = "denied", .token = Token({"--approval"})});
  agent.Start();
  ASSERT_TRUE(WaitForRequest("denied"));
  const Finished denied = fleet_->Dragnet({"enroll", "deny", "denied", "--yes"});
  EXPECT_EQ(denied.status(), 0) << denied.err;
  EXPECT_TRUE(agent.process().WaitForOutput("asks again in an hour or so", absl::Minutes(3)))
      << agent.process().Output();
  EXPECT_FALSE(fleet_->InfoOf(agent).has_value());
  EXPECT_FALSE(RequestOf("denied").has_value());
}

TEST_F(JoiningTest, AnotherKeyUnderTheIdThatWasSeenIsNotLetIn) {
  const std::string token = Token({"--approval", "--uses", "10"});
  const std::string id = NewUuidV4();
  const PrivateKey key = NewKey(KeyAlgorithm::kEcdsaP256);
  const PrivateKey attacker = NewKey(KeyAlgorithm::kEcdsaP256);
  ASSERT_EQ(Enroll(EnrollRequestOf(token, id, key)).code(), absl::StatusCode::kUnavailable);
  EXPECT_EQ(Enroll(EnrollRequestOf(token, id, attacker)).code(), absl::StatusCode::kAlreadyExists);
  EXPECT_EQ(fleet_->api().DecideEnrolment(id, attacker.public_key().id(), true).code(),
            absl::StatusCode::kFailedPrecondition);
  ASSERT_TRUE(fleet_->api().DecideEnrolment(id, key.public_key().id(), true).ok());
  EXPECT_EQ(Enroll(EnrollRequestOf(token, id, attacker)).code(), absl::StatusCode::kAlreadyExists);
  EXPECT_TRUE(Enroll(EnrollRequestOf(token, id, key)).ok());
}

TEST_F(JoiningTest, WhoWasInstalledAnewTakesThePlaceOfItsOldAgent) {
  Agent& before =
      fleet_->AddOnlineAgent({.name = "reinstalled", .token = Token({"--tag", "rack=7"})});
  const std::string old_id = before.Id();
  // Its disk was wiped; the old one is still connected, as a copy of it would be.
  Agent& after = fleet_->AddOnlineAgent(
      {.name = "reinstalled-anew", .token = Token({"--replaces", "reinstalled"})});
  EXPECT_TRUE(before.process().WaitForOutput("revoked")) << before.process().Output();
  EXPECT_NE(after.Id(), old_id);
  // No target finds it any more.
  EXPECT_EQ(fleet_->api().SearchAgents("name='reinstalled'")->agents_size(), 0);
}

TEST_F(JoiningTest, AgentsThatSayTheyAreTheSameHostAreShown) {
  fleet_->AddOnlineAgent({.name = "twin"});
  const std::string token = Token({});
  ASSERT_TRUE(Enroll([&] {
                v1::EnrollRequest request =
                    EnrollRequestOf(token, NewUuidV4(), NewKey(KeyAlgorithm::kEcdsaP256));
                request.mutable_facts()->set_name("twin");
                return request;
              }())
                  .ok());
  const Finished agents = fleet_->Dragnet({"agents", "--target", "name='twin'"});
  EXPECT_EQ(agents.status(), 0) << agents.err;
  EXPECT_THAT(agents.err,
              AllOf(HasSubstr("say they are the same host"), HasSubstr("dragnet agents retire")));
}

// The state directory survived, and all that it has is too old.
TEST_F(JoiningTest, AHostWhoseCertificateExpiredComesBackWithANewToken) {
  Agent& agent = fleet_->AddOnlineAgent({.name = "slept", .token = Token({})});
  const std::string id = agent.Id();
  agent.Stop();
  ASSERT_TRUE(fleet_->WaitUntilOffline(agent));
  const auto ca = scheduler::CertificateAuthority::Load(
      Read(fleet_->directory() + "/scheduler/ca.pem"),
      Read(fleet_->directory() + "/scheduler/ca.key"), absl::Now());
  ASSERT_TRUE(ca.ok()) << ca.status();
  const auto key = PrivateKey::FromPem(agent.Tls().private_key);
  const auto expired = ca->IssueAgent(key->public_key(), fleet_->forge().fleet_id(), id,
                                      absl::Now() - absl::Hours(1000), absl::Hours(10));
  ASSERT_TRUE(expired.ok()) << expired.status();
  // In its place, so that it still belongs to the link's user.
  std::ofstream(agent.LinkDirectory() + "/tls.pem", std::ios::trunc) << expired->chain_pem;
  const std::string kit = std::filesystem::path(agent.config_path()).parent_path();
  const auto set_age = [](const std::string& path, absl::Duration age) {
    const timespec then = absl::ToTimespec(absl::Now() - age);
    const timespec times[2] = {then, then};
    ASSERT_EQ(::utimensat(AT_FDCWD, path.c_str(), times, 0), 0);
  };
  set_age(agent.LinkDirectory() + "/tls.pem", absl::Hours(900));
  // The token that it has used already is older still: the link doesn't even get it.
  set_age(kit + "/enrolment.token", absl::Hours(1000));
  agent.Start();
  EXPECT_TRUE(agent.process().WaitForOutput("give it a new enrolment token"))
      << agent.process().Output();
  agent.Stop();
  Write(kit + "/enrolment.token", Token({}), 0600);
  agent.Start();
  EXPECT_TRUE(fleet_->WaitUntilOnline(agent)) << agent.process().Output();
  EXPECT_EQ(agent.Id(), id);
}

}  // namespace
}  // namespace dragnet::testing
