#include "scheduler/cluster/remote_desk.h"

#include <gtest/gtest.h>

#include <memory>

#include "core/keys.h"
#include "core/strings.h"
#include "core/uuid.h"
#include "scheduler/enrolment/issuing_ca.h"
#include "scheduler/store/sqlite_store.h"
#include "scheduler/testing/temporary_directory.h"

namespace dragnet::scheduler {
namespace {

constexpr char kFleet[] = "test-0123456789ab";

// "a" has no key either, "b" has it, "gone" doesn't answer.
class RemoteDeskTest : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_TRUE(SqliteStore::Create(directory_.path() + "/db").ok());
    store_ = *SqliteStore::Open(directory_.path() + "/db", StoreUse::kRun);
    ca_ = std::make_unique<IssuingCa>(std::make_shared<const CertificateAuthority>(
        *CertificateAuthority::Create(kFleet, clock_.Now())));
    no_ca_ = std::make_unique<IssuingCa>(nullptr);
    with_key_ = std::make_unique<EnrolmentDesk>(*ca_, *store_, clock_, kFleet, absl::Hours(24));
    without_key_ =
        std::make_unique<EnrolmentDesk>(*no_ca_, *store_, clock_, kFleet, absl::Hours(24));
    desk_ = std::make_unique<RemoteDesk>(
        *store_, clock_,
        [this](const std::string& to, v1::PeerMessage message,
               absl::Duration) -> absl::StatusOr<v1::PeerMessage> {
          ++asked_;
          if (to == "gone") return absl::UnavailableError("no answer");
          v1::PeerMessage answer;
          *answer.mutable_issue_reply() =
              AnswerIssueRequest(to == "b" ? *with_key_ : *without_key_, message.issue_request());
          return answer;
        },
        [this] { return others_; });
  }

  TemporaryDirectory directory_;
  const Clock& clock_ = Clock::System();
  std::unique_ptr<SqliteStore> store_;
  std::unique_ptr<IssuingCa> ca_;
  std::unique_ptr<IssuingCa> no_ca_;
  std::unique_ptr<EnrolmentDesk> with_key_;
  std::unique_ptr<EnrolmentDesk> without_key_;
  std::unique_ptr<RemoteDesk> desk_;
  std::vector<std::string> others_{"a", "gone", "b"};
  int asked_ = 0;
};

TEST_F(RemoteDeskTest, AsksUntilOneHasTheKeyAndThatOneFirstFromThenOn) {
  const NewToken token = *CreateToken(*store_, clock_.Now(), {}, "alice");
  const PrivateKey key = *PrivateKey::Generate(KeyAlgorithm::kEcdsaP256);
  v1::Facts facts;
  facts.set_id(NewUuidV4());
  facts.set_fleet_id(kFleet);
  const absl::StatusOr<Enrolled> enrolled =
      desk_->Enrol(token.token, facts.id(), *CreateSigningRequest(key), facts, "ipv4:10.0.0.1:1");
  ASSERT_TRUE(enrolled.ok()) << enrolled.status();
  EXPECT_EQ(enrolled->token_id, token.id);
  EXPECT_NE(enrolled->chain_pem.find("BEGIN CERTIFICATE"), std::string::npos);
  EXPECT_EQ(asked_, 3);
  const auto renewed = desk_->Renew(facts.id(), *CreateSigningRequest(key));
  ASSERT_TRUE(renewed.ok()) << renewed.status();
  EXPECT_EQ(asked_, 4);
  // One id, one key.
  const PrivateKey other = *PrivateKey::Generate(KeyAlgorithm::kEcdsaP256);
  EXPECT_TRUE(
      absl::IsPermissionDenied(desk_->Renew(facts.id(), *CreateSigningRequest(other)).status()));
}

TEST_F(RemoteDeskTest, UnknownTokenIsRefusedBeforeAnyoneIsAsked) {
  v1::Facts facts;
  facts.set_id(NewUuidV4());
  EXPECT_TRUE(absl::IsUnauthenticated(desk_->Enrol("unknown", facts.id(), "", facts, "").status()));
  EXPECT_EQ(asked_, 0);
}

TEST_F(RemoteDeskTest, WithoutAKeyAnywhereItIsUnavailable) {
  others_ = {"a", "gone"};
  EXPECT_TRUE(absl::IsUnavailable(desk_->Renew(NewUuidV4(), "csr").status()));
}

}  // namespace
}  // namespace dragnet::scheduler
