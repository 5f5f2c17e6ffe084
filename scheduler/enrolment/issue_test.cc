#include "scheduler/enrolment/issue.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <openssl/pem.h>
#include <openssl/x509v3.h>

#include <memory>

#include "core/clock.h"
#include "core/openssl.h"
#include "scheduler/auth/certificates.h"
#include "scheduler/store/sqlite_store.h"
#include "scheduler/testing/temporary_directory.h"

namespace dragnet::scheduler {
namespace {

using ::testing::HasSubstr;

constexpr char kFleet[] = "test-0123456789ab";
constexpr char kCarol[] = "URI:spiffe://test-0123456789ab/investigator/carol";

// What someone asks for.
struct Ask {
  std::vector<std::pair<int, std::string>> extensions = {{NID_subject_alt_name, kCarol}};
  KeyAlgorithm algorithm = KeyAlgorithm::kEcdsaP256;
};

std::string RequestPem(const Ask& ask, const PrivateKey& key) {
  const X509RequestPtr request(X509_REQ_new());
  X509_REQ_set_pubkey(request.get(), key.evp());
  X509_NAME_add_entry_by_txt(X509_REQ_get_subject_name(request.get()), "CN", MBSTRING_UTF8,
                             reinterpret_cast<const unsigned char*>("root"), -1, -1, 0);
  STACK_OF(X509_EXTENSION)* extensions = sk_X509_EXTENSION_new_null();
  for (const auto& [nid, value] : ask.extensions) {
    X509_EXTENSION* extension = X509V3_EXT_conf_nid(nullptr, nullptr, nid, value.c_str());
    EXPECT_NE(extension, nullptr) << value;
    sk_X509_EXTENSION_push(extensions, extension);
  }
  if (!ask.extensions.empty()) X509_REQ_add_extensions(request.get(), extensions);
  sk_X509_EXTENSION_pop_free(extensions, X509_EXTENSION_free);
  X509_REQ_sign(request.get(), key.evp(),
                ask.algorithm == KeyAlgorithm::kEd25519 ? nullptr : EVP_sha256());
  const BioPtr bio(BIO_new(BIO_s_mem()));
  PEM_write_bio_X509_REQ(bio.get(), request.get());
  return BioContent(bio.get());
}

std::string RequestPem(const Ask& ask = Ask()) {
  return RequestPem(ask, *PrivateKey::Generate(ask.algorithm));
}

void ExpectRefused(const std::string& pem, const std::string& words) {
  const auto request = ParseInvestigatorRequest(pem, kFleet);
  EXPECT_TRUE(absl::IsInvalidArgument(request.status())) << request.status();
  EXPECT_THAT(std::string(request.status().message()), HasSubstr(words));
}

TEST(InvestigatorRequestTest, NameAndKeyAreTheRequests) {
  const PrivateKey key = *PrivateKey::Generate(KeyAlgorithm::kEcdsaP256);
  const auto request = ParseInvestigatorRequest(RequestPem({}, key), kFleet);
  ASSERT_TRUE(request.ok()) << request.status();
  EXPECT_EQ(request->name, "carol");
  EXPECT_EQ(request->key.id(), key.public_key().id());
}

TEST(InvestigatorRequestTest, OnlyOneNameOfThisFleetsInvestigators) {
  const auto with = [](const std::string& names) {
    return RequestPem({.extensions = {{NID_subject_alt_name, names}}});
  };
  ExpectRefused(with("URI:spiffe://other-0123456789ab/investigator/carol"), "for fleet other-");
  ExpectRefused(with(StrCat("URI:spiffe://", kFleet, "/scheduler/main")), "/investigator/NAME");
  ExpectRefused(with(StrCat("URI:spiffe://", kFleet, "/agent/x")), "/investigator/NAME");
  ExpectRefused(with(StrCat("URI:spiffe://", kFleet, "/investigator/Carol!")), "asks for the name");
  ExpectRefused(with(StrCat("URI:spiffe://", kFleet, "/investigator/a/b")), "asks for the name");
  ExpectRefused(with(StrCat(kCarol, ",URI:spiffe://", kFleet, "/investigator/bob")), "2 names");
  ExpectRefused(with(StrCat(kCarol, ",DNS:localhost")), "2 names");
  ExpectRefused(with("DNS:localhost"), "not a URI");
  ExpectRefused(RequestPem({.extensions = {}}), "asks for no name");
}

TEST(InvestigatorRequestTest, NoOtherExtensionIsTheirsToChoose) {
  for (const auto& [nid, value] : std::vector<std::pair<int, std::string>>{
           {NID_basic_constraints, "critical,CA:TRUE"}, {NID_ext_key_usage, "serverAuth"}}) {
    ExpectRefused(RequestPem({.extensions = {{NID_subject_alt_name, kCarol}, {nid, value}}}),
                  "not its to choose");
  }
  ExpectRefused(
      RequestPem({.extensions = {{NID_subject_alt_name, kCarol}, {NID_subject_alt_name, kCarol}}}),
      "two extensions with names");
}

TEST(InvestigatorRequestTest, OneRequestInPemFormAndNothingElse) {
  ExpectRefused("", "PEM");
  ExpectRefused("garbage", "PEM");
  ExpectRefused(RequestPem() + RequestPem(), "more than one");
  ExpectRefused(std::string(20000, 'x'), "16 KiB");
  ExpectRefused(PrivateKey::Generate(KeyAlgorithm::kEcdsaP256)->ToPem(), "PRIVATE KEY");
}

TEST(InvestigatorRequestTest, WhoDoesntHoldTheKeyGetsNoCertificateForIt) {
  // Carol's public key in a request that mallory signed.
  const PrivateKey carol = *PrivateKey::Generate(KeyAlgorithm::kEcdsaP256);
  const PrivateKey mallory = *PrivateKey::Generate(KeyAlgorithm::kEcdsaP256);
  const std::string pem = RequestPem({}, mallory);
  const BioPtr in(BIO_new_mem_buf(pem.data(), static_cast<int>(pem.size())));
  const X509RequestPtr request(PEM_read_bio_X509_REQ(in.get(), nullptr, nullptr, nullptr));
  X509_REQ_set_pubkey(request.get(), carol.evp());
  const BioPtr out(BIO_new(BIO_s_mem()));
  PEM_write_bio_X509_REQ(out.get(), request.get());
  ExpectRefused(BioContent(out.get()), "signature is not valid");
}

TEST(InvestigatorRequestTest, OnlyP256) {
  ExpectRefused(RequestPem({.algorithm = KeyAlgorithm::kEd25519}), "ECDSA P-256");
}

class IssueTest : public ::testing::Test {
 protected:
  void SetUp() override {
    path_ = directory_.path() + "/store.db";
    ASSERT_TRUE(SqliteStore::Create(path_).ok());
  }
  std::unique_ptr<SqliteStore> Open(StoreUse use) {
    auto store = SqliteStore::Open(path_, use);
    EXPECT_TRUE(store.ok()) << store.status();
    return *std::move(store);
  }

  TemporaryDirectory directory_;
  std::string path_;
  FakeClock clock_{absl::FromUnixSeconds(1'800'000'000)};
  CertificateAuthority ca_ = *CertificateAuthority::Create(kFleet, clock_.Now());
};

TEST_F(IssueTest, SchedulerThatRunsAcceptsItAndCanRevokeIt) {
  const auto running = Open(StoreUse::kRun);
  CertificateRegistry registry(*running, clock_, kFleet);
  const auto beside = Open(StoreUse::kCommand);
  const auto issued =
      IssueToInvestigator(RequestPem(), kFleet, ca_, *beside, clock_.Now(), absl::Hours(24));
  ASSERT_TRUE(issued.ok()) << issued.status();
  EXPECT_EQ(issued->name, "carol");
  EXPECT_FALSE(issued->in_policy);
  EXPECT_EQ(issued->certificate.info.not_after, clock_.Now() + absl::Hours(24));
  const auto identity = registry.Identify(issued->certificate.info);
  ASSERT_TRUE(identity.ok()) << identity.status();
  EXPECT_EQ(identity->name, "carol");
  EXPECT_EQ(identity->kind, Identity::Kind::kInvestigator);
  EXPECT_TRUE(registry.Revoke(identity->uri).ok());
  EXPECT_FALSE(registry.Identify(issued->certificate.info).ok());
}

TEST_F(IssueTest, PersonWhoseCertificatesWereRevokedCanGetAnother) {
  const auto store = Open(StoreUse::kRun);
  CertificateRegistry registry(*store, clock_, kFleet);
  const auto first =
      IssueToInvestigator(RequestPem(), kFleet, ca_, *store, clock_.Now(), absl::Hours(24));
  ASSERT_TRUE(registry.Revoke(first->certificate.info.spiffe_id).ok());
  const auto second =
      IssueToInvestigator(RequestPem(), kFleet, ca_, *store, clock_.Now(), absl::Hours(24));
  ASSERT_TRUE(second.ok()) << second.status();
  EXPECT_TRUE(registry.Identify(second->certificate.info).ok());
  EXPECT_FALSE(registry.Identify(first->certificate.info).ok());
}

TEST_F(IssueTest, LifetimeIsBounded) {
  const auto store = Open(StoreUse::kRun);
  for (const absl::Duration lifetime : {absl::Minutes(1), absl::Hours(24 * 2000)}) {
    EXPECT_TRUE(absl::IsInvalidArgument(
        IssueToInvestigator(RequestPem(), kFleet, ca_, *store, clock_.Now(), lifetime).status()));
  }
}

TEST_F(IssueTest, WhatIsRefusedIsNotOnRecord) {
  const auto store = Open(StoreUse::kRun);
  EXPECT_FALSE(IssueToInvestigator(RequestPem({.extensions = {}}), kFleet, ca_, *store,
                                   clock_.Now(), absl::Hours(24))
                   .ok());
  EXPECT_TRUE(absl::IsNotFound(
      store->RevokeIdentity(StrCat("spiffe://", kFleet, "/investigator/carol")).status()));
}

}  // namespace
}  // namespace dragnet::scheduler
