#include "core/certificate.h"

#include "absl/time/clock.h"
#include "core/rpc/testing/test_ca.h"
#include "core/testing.h"
#include "gtest/gtest.h"

namespace dragnet {
namespace {

TEST(CertificateTest, SigningRequestsProveTheirKey) {
  for (const auto algorithm : {KeyAlgorithm::kEd25519, KeyAlgorithm::kEcdsaP256}) {
    const PrivateKey key = testing::NewKey(algorithm);
    const std::string request = *CreateSigningRequest(key);
    const auto parsed = ParseSigningRequest(request);
    ASSERT_TRUE(parsed.ok()) << parsed.status();
    EXPECT_EQ(parsed->id(), key.public_key().id());
    std::string altered = request;
    altered.back() = static_cast<char>(altered.back() ^ 1);
    EXPECT_FALSE(ParseSigningRequest(altered).ok());
  }
  EXPECT_FALSE(ParseSigningRequest("").ok());
  EXPECT_FALSE(ParseSigningRequest(RandomBytes(300)).ok());
  EXPECT_FALSE(ParseSigningRequest(std::string(10000, 'x')).ok());
}

TEST(CertificateTest, OnlyThreePartSpiffeIdsOfKnownKindsAreIdentities) {
  const auto id =
      ParseSpiffeId("spiffe://demo-0123456789ab/agent/11111111-2222-4333-8444-555555555555");
  ASSERT_TRUE(id.has_value());
  EXPECT_EQ(id->fleet_id, "demo-0123456789ab");
  EXPECT_EQ(id->kind, "agent");
  EXPECT_EQ(FormatSpiffeId(*id),
            "spiffe://demo-0123456789ab/agent/11111111-2222-4333-8444-555555555555");
  for (const char* bad : {"", "spiffe://", "spiffe://demo", "spiffe://demo/agent",
                          "spiffe://demo/agent/", "spiffe://demo/agent/a/b", "spiffe://demo/root/a",
                          "https://demo/agent/a", "spiffe://demo/agent/../x", "spiffe:///agent/a",
                          "spiffe://demo//a", "spiffe://demo/agent/a b", "SPIFFE://demo/agent/a"}) {
    EXPECT_FALSE(ParseSpiffeId(bad).has_value()) << bad;
  }
}

TEST(CertificateTest, WhatIsNoCertificateIsRefused) {
  EXPECT_FALSE(ParseCertificate("").ok());
  EXPECT_FALSE(
      ParseCertificate("-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n").ok());
}

TEST(CertificateTest, AChainIsTakenOnlyIfTheCaSignedItAndAllOfItCanBeRead) {
  const TestCa ca;
  const TestCa other;
  const PrivateKey key = testing::NewKey(KeyAlgorithm::kEcdsaP256);
  const std::string chain = ca.Issue(key.public_key(), "URI:spiffe://f/agent/a",
                                     absl::Now() - absl::Hours(1), absl::Hours(2));
  EXPECT_TRUE(VerifyClientChain(chain, ca.pem()).ok());
  EXPECT_TRUE(VerifyClientChain(chain, other.pem() + ca.pem()).ok());
  EXPECT_FALSE(VerifyClientChain(chain, other.pem()).ok());
  EXPECT_FALSE(VerifyClientChain("", ca.pem()).ok());
  EXPECT_FALSE(VerifyClientChain(chain, "").ok());
  // The first certificate will do; TLS would choke on what follows it.
  EXPECT_FALSE(
      VerifyClientChain(chain + "-----BEGIN CERTIFICATE-----\nAAAA\n-----END CERTIFICATE-----\n",
                        ca.pem())
          .ok());
  EXPECT_FALSE(VerifyClientChain(chain + "-----BEGIN CERTIFICATE-----\nAAAA\n", ca.pem()).ok());
}

TEST(CertificateTest, AChainIsTakenThoughThisHostsClockIsOff) {
  const TestCa ca;
  const PrivateKey key = testing::NewKey(KeyAlgorithm::kEcdsaP256);
  EXPECT_TRUE(VerifyClientChain(ca.Issue(key.public_key(), "URI:spiffe://f/agent/a",
                                         absl::Now() + absl::Hours(1), absl::Hours(2)),
                                ca.pem())
                  .ok());
}

}  // namespace
}  // namespace dragnet
