#include "scheduler/enrolment/enrolment.h"

#include <gtest/gtest.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include <fstream>
#include <iterator>
#include <memory>
#include <string>
#include <vector>

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
    desk_ = std::make_unique<EnrolmentDesk>(issuing_, *store_, clock_, kFleet, absl::Hours(720));
  }

  static PrivateKey NewKey(KeyAlgorithm algorithm = KeyAlgorithm::kEcdsaP256) {
    return *PrivateKey::Generate(algorithm);
  }
  absl::StatusOr<NewToken> Create(const TokenTerms& terms) {
    return CreateToken(*store_, clock_.Now(), terms, "ida");
  }
  std::string Token(uint32_t uses = 1) { return Create({.uses = uses})->token; }
  v1::Facts Facts(const std::string& id) {
    v1::Facts facts;
    facts.set_id(id);
    facts.set_fleet_id(kFleet);
    return facts;
  }
  absl::StatusOr<Enrolled> Enrol(const std::string& token, const std::string& id,
                                 const PrivateKey& key,
                                 std::string_view peer = "ipv4:10.1.2.3:4711") {
    return desk_->Enrol(token, id, *CreateSigningRequest(key), Facts(id), peer);
  }

  TemporaryDirectory directory_;
  FakeClock clock_{absl::FromUnixSeconds(1'800'000'000)};
  CertificateAuthority ca_ = *CertificateAuthority::Create(kFleet, clock_.Now());
  const IssuingCa issuing_{
      std::shared_ptr<const CertificateAuthority>(std::shared_ptr<void>(), &ca_)};
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
  EXPECT_TRUE(absl::IsInvalidArgument(desk_->Enrol(Token(), id, csr, facts, "").status()));
  facts = Facts(id);
  facts.set_fleet_id("other");
  EXPECT_TRUE(absl::IsInvalidArgument(desk_->Enrol(Token(), id, csr, facts, "").status()));
  facts = Facts(id);
  facts.set_name(std::string(kMaxFactsBytes, 'x'));
  EXPECT_TRUE(absl::IsInvalidArgument(desk_->Enrol(Token(), id, csr, facts, "").status()));
  EXPECT_TRUE(
      absl::IsInvalidArgument(desk_->Enrol(Token(), "../../x", csr, Facts(id), "").status()));
  EXPECT_TRUE(
      absl::IsInvalidArgument(desk_->Enrol(Token(), id, "rubbish", Facts(id), "").status()));
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
  const absl::Status status = desk_->Enrol("nosuchtoken", id, "no request", facts, "").status();
  EXPECT_TRUE(absl::IsUnauthenticated(status)) << status;
}

TEST_F(EnrolmentTest, TokensAreBoundedAndOnlyTheirHashIsKept) {
  const std::string no_one = NewUuidV4();
  for (const TokenTerms& terms :
       std::vector<TokenTerms>{{.uses = 0},
                               {.uses = 1000001},
                               {.lifetime = absl::Hours(367 * 24)},
                               {.lifetime = absl::ZeroDuration()},
                               {.labels = {{"", "x"}}},
                               {.note = std::string(201, 'x')},
                               {.note = "\xff"},
                               {.networks = {"10.0.0.1/8"}},
                               {.networks = std::vector<std::string>(65, "10.0.0.0/8")},
                               {.replaces_agent_id = "web-1"}})
    EXPECT_TRUE(absl::IsInvalidArgument(Create(terms).status()));
  EXPECT_TRUE(absl::IsNotFound(Create({.replaces_agent_id = no_one}).status()));
  const std::string id = NewUuidV4();
  ASSERT_TRUE(Enrol(Token(), id, NewKey()).ok());
  EXPECT_TRUE(absl::IsInvalidArgument(Create({.uses = 2, .replaces_agent_id = id}).status()));
  const std::string token = Token();
  EXPECT_EQ(token.size(), 64u);
  std::string files;
  for (const char* suffix : {"", "-wal"}) {
    std::ifstream file(directory_.path() + "/store.db" + suffix, std::ios::binary);
    files.append(std::istreambuf_iterator<char>(file), {});
  }
  EXPECT_EQ(files.find(token), std::string::npos);
}

TEST_F(EnrolmentTest, ATokenOfANetworkLetsNoOneElseIn) {
  const std::string token =
      Create({.uses = 10, .networks = {"10.0.0.0/8", "2001:db8::/32"}})->token;
  const auto code = [&](std::string_view peer) {
    return Enrol(token, NewUuidV4(), NewKey(), peer).status().code();
  };
  EXPECT_EQ(code("ipv4:10.1.2.3:4711"), absl::StatusCode::kOk);
  EXPECT_EQ(code("ipv6:%5B2001:db8::7%5D:4711"), absl::StatusCode::kOk);
  EXPECT_EQ(code("ipv6:[::ffff:10.1.2.3]:4711"), absl::StatusCode::kOk);
  EXPECT_EQ(code("ipv4:11.1.2.3:4711"), absl::StatusCode::kPermissionDenied);
  EXPECT_EQ(code("ipv6:[::1]:4711"), absl::StatusCode::kPermissionDenied);
  // An address that isn't known is in no network.
  EXPECT_EQ(code("unix:/run/socket"), absl::StatusCode::kPermissionDenied);
  EXPECT_EQ(code(""), absl::StatusCode::kPermissionDenied);
  // What was refused took no use.
  EXPECT_EQ(store_->Tokens(false, clock_.Now(), 1)->front().uses_left, 7u);
}

TEST_F(EnrolmentTest, AHostWaitsUntilAnOperatorLetsItIn) {
  const std::string token = Create({.needs_approval = true})->token;
  const std::string id = NewUuidV4();
  const PrivateKey key = NewKey();
  for (int i = 0; i < 2; ++i) {
    const absl::Status status = Enrol(token, id, key).status();
    EXPECT_TRUE(absl::IsUnavailable(status));
    EXPECT_EQ(status.message(), "an operator has yet to let this host in");
  }
  const auto requests = *store_->EnrolmentRequests(clock_.Now(), 10);
  ASSERT_EQ(requests.size(), 1u);
  EXPECT_EQ(requests[0].address, "10.1.2.3");
  EXPECT_EQ(requests[0].spki, key.public_key().spki());
  // The digest that the host's own tools print: of its key.
  ASSERT_TRUE(
      store_->DecideEnrolment(id, key.public_key().id(), /*approve=*/true, clock_.Now()).ok());
  // Another key that comes now under the id that was approved.
  EXPECT_TRUE(absl::IsAlreadyExists(Enrol(token, id, NewKey()).status()));
  EXPECT_TRUE(Enrol(token, id, key).ok());
}

TEST_F(EnrolmentTest, ADeniedHostIsToldSo) {
  const std::string token = Create({.needs_approval = true})->token;
  const std::string id = NewUuidV4();
  const PrivateKey key = NewKey();
  EXPECT_FALSE(Enrol(token, id, key).ok());
  ASSERT_TRUE(store_->DecideEnrolment(id, key.public_key().id(), false, clock_.Now()).ok());
  EXPECT_TRUE(absl::IsPermissionDenied(Enrol(token, id, key).status()));
}

TEST_F(EnrolmentTest, WhatIsKeptOfAHostThatWaitsIsSmall) {
  const std::string token = Create({.needs_approval = true})->token;
  const std::string id = NewUuidV4();
  v1::Facts facts = Facts(id);
  facts.set_name(std::string(10'000, 'x'));
  facts.set_kernel(std::string(10'000, 'x'));
  for (int i = 0; i < 100; ++i) {
    facts.add_addresses(StrCat("10.0.0.", i));
    facts.add_modules(StrCat("module-", i));
    (*facts.mutable_tags())[StrCat("tag-", i)] = std::string(100, 'x');
    (*facts.mutable_environment())[StrCat("fact-", i)] = std::string(100, 'x');
  }
  EXPECT_TRUE(absl::IsUnavailable(
      desk_->Enrol(token, id, *CreateSigningRequest(NewKey()), facts, "").status()));
  const auto requests = *store_->EnrolmentRequests(clock_.Now(), 10);
  ASSERT_EQ(requests.size(), 1u);
  EXPECT_LT(requests[0].facts.ByteSizeLong(), 5000u);
  EXPECT_EQ(requests[0].facts.addresses_size(), 16);
  EXPECT_EQ(requests[0].facts.tags_size(), 16);
}

TEST_F(EnrolmentTest, AHostInTheFleetNeedsNoApprovalForAnotherCertificate) {
  const std::string id = NewUuidV4();
  const PrivateKey key = NewKey();
  ASSERT_TRUE(Enrol(Token(), id, key).ok());
  // Its certificate has expired, its state is still there.
  clock_.Advance(absl::Hours(1000));
  const std::string token = Create({.needs_approval = true})->token;
  EXPECT_TRUE(Enrol(token, id, key).ok());
  EXPECT_EQ(store_->Tokens(false, clock_.Now(), 1)->front().uses_left, 1u);
}

TEST_F(EnrolmentTest, TheCallerLearnsWhoWasReplaced) {
  const std::string before = NewUuidV4(), after = NewUuidV4();
  ASSERT_TRUE(Enrol(Token(), before, NewKey()).ok());
  const std::string token = Create({.replaces_agent_id = before})->token;
  const PrivateKey key = NewKey();
  const auto enrolled = Enrol(token, after, key);
  ASSERT_TRUE(enrolled.ok()) << enrolled.status();
  EXPECT_EQ(enrolled->replaced_agent_id, before);
  EXPECT_TRUE(store_->FindAgent(before)->revoked);
  // The answer was lost, and so perhaps what followed from it.
  EXPECT_EQ(Enrol(token, after, key)->replaced_agent_id, before);
  EXPECT_TRUE(absl::IsUnauthenticated(Enrol(token, NewUuidV4(), NewKey()).status()));
}

}  // namespace
}  // namespace dragnet::scheduler
