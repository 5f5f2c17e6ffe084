#include "scheduler/enrolment/enrolment.h"

#include <gtest/gtest.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include <fstream>
#include <iterator>
#include <memory>
#include <string>

#include "core/certificate.h"
#include "core/openssl.h"
#include "core/uuid.h"
#include "scheduler/store/sqlite_store.h"
#include "scheduler/testing/temporary_directory.h"

namespace dragnet::scheduler {
namespace {

constexpr char kFleet[] = "test-0123456789ab";

X509Ptr Parse(const std::string& pem) {
  const BioPtr bio(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
  return X509Ptr(PEM_read_bio_X509(bio.get(), nullptr, nullptr, nullptr));
}

class EnrolmentTest : public ::testing::Test {
 protected:
  void SetUp() override {
    ASSERT_TRUE(SqliteStore::Create(directory_.path() + "/store.db").ok());
    store_ = *SqliteStore::Open(directory_.path() + "/store.db", StoreUse::kRun);
    desk_ = std::make_unique<EnrolmentDesk>(ca_, *store_, clock_, kFleet, absl::Hours(720));
  }

  static PrivateKey NewKey(KeyAlgorithm algorithm = KeyAlgorithm::kEcdsaP256) {
    return *PrivateKey::Generate(algorithm);
  }
  std::string Token(uint32_t uses = 1) {
    return CreateToken(*store_, clock_.Now(), absl::Hours(1), uses, {})->token;
  }
  v1::Facts Facts(const std::string& id) {
    v1::Facts facts;
    facts.set_id(id);
    facts.set_fleet_id(kFleet);
    return facts;
  }
  absl::StatusOr<IssuedCertificate> Enrol(const std::string& token, const std::string& id,
                                          const PrivateKey& key) {
    return desk_->Enrol(token, id, *CreateSigningRequest(key), Facts(id));
  }

  TemporaryDirectory directory_;
  FakeClock clock_{absl::FromUnixSeconds(1'800'000'000)};
  CertificateAuthority ca_ = *CertificateAuthority::Create(kFleet, clock_.Now());
  std::unique_ptr<SqliteStore> store_;
  std::unique_ptr<EnrolmentDesk> desk_;
};

TEST_F(EnrolmentTest, CertificatesSayWhoAndForWhat) {
  const PrivateKey key = NewKey();
  const std::string id = NewUuidV4();
  const auto agent = ca_.IssueAgent(key.public_key(), kFleet, id, clock_.Now(), absl::Hours(1));
  ASSERT_TRUE(agent.ok()) << agent.status();
  EXPECT_EQ(agent->info.spiffe_id, StrCat("spiffe://", kFleet, "/agent/", id));
  EXPECT_EQ(agent->info.not_before, clock_.Now() - absl::Minutes(5));
  EXPECT_EQ(agent->info.not_after, clock_.Now() + absl::Hours(1));
  EXPECT_EQ(agent->info.spki, key.public_key().spki());

  const X509Ptr client = Parse(agent->chain_pem);
  EXPECT_EQ(X509_get_extended_key_usage(client.get()), uint32_t{XKU_SSL_CLIENT});
  EXPECT_EQ(X509_check_ca(client.get()), 0);
  const auto server =
      ca_.IssueServer(key.public_key(), kFleet, {.dns = {"localhost"}, .ip = {"127.0.0.1"}},
                      clock_.Now(), absl::Hours(1));
  ASSERT_TRUE(server.ok()) << server.status();
  const X509Ptr x509 = Parse(server->chain_pem);
  EXPECT_EQ(X509_get_extended_key_usage(x509.get()), uint32_t{XKU_SSL_SERVER});
  EXPECT_EQ(X509_check_host(x509.get(), "localhost", 0, 0, nullptr), 1);
  EXPECT_EQ(X509_check_host(x509.get(), "elsewhere", 0, 0, nullptr), 0);
  EXPECT_EQ(X509_check_ip_asc(x509.get(), "127.0.0.1", 0), 1);
}

TEST_F(EnrolmentTest, SerialNumbersDiffer) {
  const PrivateKey key = NewKey();
  const auto issue = [&] {
    return ca_.IssueAgent(key.public_key(), kFleet, NewUuidV4(), clock_.Now(), absl::Hours(1));
  };
  const X509Ptr a = Parse(issue()->chain_pem), b = Parse(issue()->chain_pem);
  EXPECT_NE(ASN1_INTEGER_cmp(X509_get0_serialNumber(a.get()), X509_get0_serialNumber(b.get())), 0);
}

TEST_F(EnrolmentTest, NamesCanNotSmuggleInOtherNames) {
  const PrivateKey key = NewKey();
  for (const char* name : {"x,DNS:evil", "a/b", "", "a\nb", "x,URI:spiffe://other/agent/y"}) {
    EXPECT_FALSE(
        ca_.IssueInvestigator(key.public_key(), kFleet, name, clock_.Now(), absl::Hours(1)).ok())
        << name;
    EXPECT_FALSE(ca_.IssueServer(key.public_key(), kFleet, {.dns = {name}, .ip = {}}, clock_.Now(),
                                 absl::Hours(1))
                     .ok())
        << name;
  }
  EXPECT_FALSE(ca_.IssueServer(key.public_key(), kFleet, {.dns = {}, .ip = {"1.2.3.4,DNS:x"}},
                               clock_.Now(), absl::Hours(1))
                   .ok());
}

TEST_F(EnrolmentTest, OnlyP256KeysGetCertificates) {
  const PrivateKey key = NewKey(KeyAlgorithm::kEd25519);
  EXPECT_TRUE(absl::IsInvalidArgument(
      ca_.IssueAgent(key.public_key(), kFleet, NewUuidV4(), clock_.Now(), absl::Hours(1))
          .status()));
}

TEST_F(EnrolmentTest, NoCertificateOutlivesTheCa) {
  const auto issued =
      ca_.IssueAgent(NewKey().public_key(), kFleet, NewUuidV4(),
                     clock_.Now() + absl::Hours(10 * 365 * 24 - 1), absl::Hours(720));
  ASSERT_TRUE(issued.ok());
  EXPECT_EQ(issued->info.not_after, clock_.Now() + absl::Hours(10 * 365 * 24));
}

TEST_F(EnrolmentTest, CaLoadsWithItsOwnKeyOnlyAndNotOnceItExpired) {
  EXPECT_TRUE(CertificateAuthority::Load(ca_.certificate_pem(), ca_.KeyToPem(), clock_.Now()).ok());
  EXPECT_FALSE(
      CertificateAuthority::Load(ca_.certificate_pem(), NewKey().ToPem(), clock_.Now()).ok());
  EXPECT_TRUE(absl::IsFailedPrecondition(
      CertificateAuthority::Load(ca_.certificate_pem(), ca_.KeyToPem(),
                                 clock_.Now() + absl::Hours(11 * 365 * 24))
          .status()));
  const PrivateKey key = NewKey();
  const auto leaf =
      ca_.IssueAgent(key.public_key(), kFleet, NewUuidV4(), clock_.Now(), absl::Hours(1));
  EXPECT_FALSE(CertificateAuthority::Load(leaf->chain_pem, key.ToPem(), clock_.Now()).ok());
}

TEST_F(EnrolmentTest, TokenBuysACertificateThatTheStoreKnows) {
  const PrivateKey key = NewKey();
  const std::string id = NewUuidV4();
  const auto issued = Enrol(Token(), id, key);
  ASSERT_TRUE(issued.ok()) << issued.status();
  const auto stored = store_->FindCertificate(issued->info.fingerprint);
  ASSERT_TRUE(stored.ok() && stored->has_value());
  EXPECT_EQ((*stored)->identity, StrCat("spiffe://", kFleet, "/agent/", id));
}

TEST_F(EnrolmentTest, WrongUsedUpAndExpiredTokensAreUnauthenticated) {
  EXPECT_TRUE(absl::IsUnauthenticated(Enrol("", NewUuidV4(), NewKey()).status()));
  EXPECT_TRUE(absl::IsUnauthenticated(Enrol("guess", NewUuidV4(), NewKey()).status()));
  EXPECT_TRUE(
      absl::IsUnauthenticated(Enrol(std::string(100000, 'x'), NewUuidV4(), NewKey()).status()));
  const std::string token = Token(1);
  EXPECT_TRUE(Enrol(token, NewUuidV4(), NewKey()).ok());
  EXPECT_TRUE(absl::IsUnauthenticated(Enrol(token, NewUuidV4(), NewKey()).status()));
  const std::string late = Token(1);
  clock_.Advance(absl::Hours(2));
  EXPECT_TRUE(absl::IsUnauthenticated(Enrol(late, NewUuidV4(), NewKey()).status()));
}

TEST_F(EnrolmentTest, SameKeyMayAskAgainAnotherKeyMayNot) {
  const PrivateKey key = NewKey();
  const std::string id = NewUuidV4();
  const std::string token = Token(1);
  EXPECT_TRUE(Enrol(token, id, key).ok());
  EXPECT_TRUE(Enrol(token, id, key).ok());
  EXPECT_TRUE(absl::IsAlreadyExists(Enrol(Token(5), id, NewKey()).status()));
}

TEST_F(EnrolmentTest, FactsMustBeThoseOfTheAgentAndFleet) {
  const std::string id = NewUuidV4();
  const std::string csr = *CreateSigningRequest(NewKey());
  v1::Facts facts = Facts(NewUuidV4());
  EXPECT_TRUE(absl::IsInvalidArgument(desk_->Enrol(Token(), id, csr, facts).status()));
  facts = Facts(id);
  facts.set_fleet_id("other");
  EXPECT_TRUE(absl::IsInvalidArgument(desk_->Enrol(Token(), id, csr, facts).status()));
  facts = Facts(id);
  facts.set_name(std::string(kMaxFactsBytes, 'x'));
  EXPECT_TRUE(absl::IsInvalidArgument(desk_->Enrol(Token(), id, csr, facts).status()));
  EXPECT_TRUE(absl::IsInvalidArgument(desk_->Enrol(Token(), "../../x", csr, Facts(id)).status()));
  EXPECT_TRUE(absl::IsInvalidArgument(desk_->Enrol(Token(), id, "rubbish", Facts(id)).status()));
}

TEST_F(EnrolmentTest, RevokedAgentCanNeitherRenewNorEnrolAgain) {
  const PrivateKey key = NewKey();
  const std::string id = NewUuidV4();
  const std::string token = Token(3);
  ASSERT_TRUE(Enrol(token, id, key).ok());
  ASSERT_TRUE(desk_->Renew(id, *CreateSigningRequest(key)).ok());
  ASSERT_TRUE(store_->RevokeIdentity(StrCat("spiffe://", kFleet, "/agent/", id)).ok());
  EXPECT_TRUE(absl::IsPermissionDenied(desk_->Renew(id, *CreateSigningRequest(key)).status()));
  EXPECT_TRUE(absl::IsPermissionDenied(Enrol(token, id, key).status()));
}

TEST_F(EnrolmentTest, RenewalIsForTheKeyThatEnrolledOnly) {
  const PrivateKey key = NewKey();
  const std::string id = NewUuidV4();
  ASSERT_TRUE(Enrol(Token(), id, key).ok());
  EXPECT_TRUE(absl::IsPermissionDenied(desk_->Renew(id, *CreateSigningRequest(NewKey())).status()));
  EXPECT_TRUE(desk_->Renew(id, *CreateSigningRequest(key)).ok());
}

TEST_F(EnrolmentTest, UnknownTokenCostsNoSignature) {
  // Not even a signing request is looked at.
  v1::Facts facts;
  const std::string id = NewUuidV4();
  facts.set_id(id);
  facts.set_fleet_id(kFleet);
  const absl::Status status = desk_->Enrol("nosuchtoken", id, "no request", facts).status();
  EXPECT_TRUE(absl::IsUnauthenticated(status)) << status;
}

TEST_F(EnrolmentTest, TokensAreBoundedAndOnlyTheirHashIsKept) {
  EXPECT_FALSE(CreateToken(*store_, clock_.Now(), absl::Hours(1), 0, {}).ok());
  EXPECT_FALSE(CreateToken(*store_, clock_.Now(), absl::Hours(1), 1000001, {}).ok());
  EXPECT_FALSE(CreateToken(*store_, clock_.Now(), absl::Hours(367 * 24), 1, {}).ok());
  EXPECT_FALSE(CreateToken(*store_, clock_.Now(), absl::ZeroDuration(), 1, {}).ok());
  EXPECT_FALSE(CreateToken(*store_, clock_.Now(), absl::Hours(1), 1, {{"", "x"}}).ok());
  const std::string token = Token();
  EXPECT_EQ(token.size(), 64u);
  std::string files;
  for (const char* suffix : {"", "-wal"}) {
    std::ifstream file(directory_.path() + "/store.db" + suffix, std::ios::binary);
    files.append(std::istreambuf_iterator<char>(file), {});
  }
  EXPECT_EQ(files.find(token), std::string::npos);
}

}  // namespace
}  // namespace dragnet::scheduler
