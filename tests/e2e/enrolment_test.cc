// Who may join a fleet: tokens used up, expired, wrong; ids that are taken.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/time/clock.h"
#include "core/certificate.h"
#include "core/strings.h"
#include "core/uuid.h"
#include "tests/harness/fleet.h"

namespace dragnet::testing {
namespace {

using ::testing::HasSubstr;

class EnrolmentTest : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    fleet_ = std::make_unique<TestFleet>();
    fleet_->StartScheduler();
  }
  static void TearDownTestSuite() { fleet_.reset(); }

  static std::string Token(uint32_t uses, absl::Duration lifetime = absl::Hours(1)) {
    const auto token = fleet_->api().CreateEnrolmentToken(uses, lifetime);
    EXPECT_TRUE(token.ok()) << token.status();
    return token.ok() ? *token : "";
  }

  static v1::EnrollRequest Request(const std::string& token, const std::string& id = NewUuidV4(),
                                   const PrivateKey& key = NewKey(KeyAlgorithm::kEcdsaP256)) {
    v1::EnrollRequest request;
    request.set_token(token);
    request.set_agent_id(id);
    request.set_csr(*CreateSigningRequest(key));
    request.mutable_facts()->set_id(id);
    request.mutable_facts()->set_fleet_id(fleet_->forge().fleet_id());
    request.mutable_facts()->set_name("new-host");
    return request;
  }

  static absl::Status Enroll(const v1::EnrollRequest& request) {
    return fleet_->ApiAs(std::nullopt)->Enroll(request).status();
  }

  static std::unique_ptr<TestFleet> fleet_;
};

std::unique_ptr<TestFleet> EnrolmentTest::fleet_;

TEST_F(EnrolmentTest, TokenForOneHostIsGoodOnce) {
  const std::string token = Token(1);
  EXPECT_TRUE(Enroll(Request(token)).ok());
  EXPECT_EQ(Enroll(Request(token)).code(), absl::StatusCode::kUnauthenticated);
}

TEST_F(EnrolmentTest, AnswerThatGotLostCanBeAskedForAgain) {
  // The same host with the same key, whose first answer never arrived.
  const std::string token = Token(1);
  const v1::EnrollRequest request = Request(token);
  EXPECT_TRUE(Enroll(request).ok());
  const absl::Status again = Enroll(request);
  EXPECT_TRUE(again.ok()) << again;
}

TEST_F(EnrolmentTest, ExpiredTokenIsRefused) {
  const std::string token = Token(5, absl::Seconds(1));
  const absl::Time end = absl::Now() + absl::Milliseconds(1100);
  ASSERT_TRUE(Eventually([&] { return absl::Now() > end; }));
  EXPECT_EQ(Enroll(Request(token)).code(), absl::StatusCode::kUnauthenticated);
}

TEST_F(EnrolmentTest, WrongTokenIsRefused) {
  const std::string token = Token(5);
  std::string altered = token;
  altered[0] = altered[0] == '0' ? '1' : '0';
  for (const std::string& wrong : {std::string(), altered, token + "0", token.substr(1),
                                   std::string(100'000, 'a'), std::string("' OR 1=1 --")}) {
    EXPECT_THAT(
        Enroll(Request(wrong)).code(),
        // The latter for what is too long to be looked at.
        ::testing::AnyOf(absl::StatusCode::kUnauthenticated, absl::StatusCode::kInvalidArgument))
        << wrong.substr(0, 80);
  }
  EXPECT_TRUE(Enroll(Request(token)).ok());
}

TEST_F(EnrolmentTest, IdThatAnotherKeyHoldsIsTaken) {
  const std::string token = Token(10);
  const std::string id = NewUuidV4();
  ASSERT_TRUE(Enroll(Request(token, id)).ok());
  EXPECT_EQ(Enroll(Request(token, id)).code(), absl::StatusCode::kAlreadyExists);
}

TEST_F(EnrolmentTest, IdOfARevokedAgentCantBeHadAgain) {
  const std::string token = Token(10);
  const std::string id = NewUuidV4();
  const PrivateKey key = NewKey(KeyAlgorithm::kEcdsaP256);
  ASSERT_TRUE(Enroll(Request(token, id, key)).ok());
  ASSERT_TRUE(fleet_->api().RevokeAgent(id).ok());
  EXPECT_FALSE(Enroll(Request(token, id, key)).ok());
  EXPECT_FALSE(Enroll(Request(token, id)).ok());
}

TEST_F(EnrolmentTest, RequestThatIsntOneIsRefusedAndCostsNoUse) {
  const std::string token = Token(1);
  v1::EnrollRequest request = Request(token);
  request.set_csr("not a signing request");
  EXPECT_EQ(Enroll(request).code(), absl::StatusCode::kInvalidArgument);
  request = Request(token, "not-a-uuid");
  EXPECT_EQ(Enroll(request).code(), absl::StatusCode::kInvalidArgument);
  request = Request(token);
  request.mutable_facts()->set_id(NewUuidV4());
  EXPECT_EQ(Enroll(request).code(), absl::StatusCode::kInvalidArgument);
  // A request whose own signature was broken.
  request = Request(token);
  request.mutable_csr()->back() ^= 1;
  EXPECT_EQ(Enroll(request).code(), absl::StatusCode::kInvalidArgument);
  EXPECT_TRUE(Enroll(Request(token)).ok());
}

TEST_F(EnrolmentTest, CertificateNamesNothingButTheAgent) {
  const std::string id = NewUuidV4();
  const auto chain = fleet_->ApiAs(std::nullopt)->Enroll(Request(Token(1), id));
  ASSERT_TRUE(chain.ok()) << chain.status();
  const auto certificate = ParseCertificate(*chain);
  ASSERT_TRUE(certificate.ok());
  EXPECT_EQ(certificate->spiffe_id, StrCat("spiffe://", fleet_->forge().fleet_id(), "/agent/", id));
}

TEST_F(EnrolmentTest, AgentSaysWhyItCantEnrol) {
  const std::string token = Token(1);
  Agent& first = fleet_->AddOnlineAgent({.name = "first", .token = token});
  Agent& second = fleet_->AddAgent({.name = "second", .token = token});
  second.Start();
  EXPECT_TRUE(second.process().WaitForOutput("token")) << second.process().Output();
  EXPECT_FALSE(fleet_->InfoOf(second).has_value());
  // The first one needs its token no more.
  first.Stop();
  first.Start();
  EXPECT_TRUE(fleet_->WaitUntilOnline(first));
}

TEST_F(EnrolmentTest, OperatorsCommandsMakeTokensThatWork) {
  const Finished console = fleet_->Dragnet({"enroll", "token", "create", "--uses", "1"});
  ASSERT_EQ(console.status(), 0) << console.err;
  std::string token = console.out;
  while (!token.empty() && token.back() == '\n') token.pop_back();
  EXPECT_TRUE(Enroll(Request(token)).ok());
  const Finished scheduler =
      RunToEnd({"dragnet-scheduler", "token", "create", "--config", fleet_->scheduler_config()});
  ASSERT_EQ(scheduler.status(), 0) << scheduler.err;
  token = scheduler.out;
  while (!token.empty() && token.back() == '\n') token.pop_back();
  EXPECT_TRUE(Enroll(Request(token)).ok());
}

}  // namespace
}  // namespace dragnet::testing
