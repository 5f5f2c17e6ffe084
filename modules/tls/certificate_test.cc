#include "modules/tls/certificate.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <openssl/ec.h>
#include <openssl/rsa.h>
#include <openssl/x509v3.h>

#include "core/keys.h"
#include "core/openssl.h"
#include "core/text.h"
#include "modules/tls/test_certificate.h"

namespace dragnet::tls {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::SizeIs;

TEST(CertificateTest, ReadsWhatItSays) {
  const std::string der =
      MakeCertificate({.key = NewEcKey("P-256"),
                       .subject = "www.example.com",
                       .names = "DNS:www.example.com,IP:192.0.2.1,IP:2001:db8::1",
                       .lifespan = absl::Hours(24 * 90)});
  const auto facts = ReadCertificate(der, "www.example.com");
  ASSERT_TRUE(facts.ok()) << facts.status();
  EXPECT_EQ(facts->subject, "CN=www.example.com");
  EXPECT_EQ(facts->issuer, "CN=www.example.com");
  EXPECT_THAT(facts->names, ElementsAre("www.example.com", "192.0.2.1", "2001:db8::1"));
  EXPECT_EQ(facts->key_type, "ecdsa");
  EXPECT_EQ(facts->key_bits, 256U);
  EXPECT_EQ(facts->key_curve, "secp256r1");
  EXPECT_EQ(facts->signature, "ecdsa-with-SHA256");
  EXPECT_EQ(LifespanDays(*facts), 90U);
  EXPECT_TRUE(facts->self_signed);
  EXPECT_EQ(facts->sha256, HexEncode(Sha256(der)));
  EXPECT_EQ(facts->name_matches, true);
  EXPECT_FALSE(facts->has_ocsp_responder);
  EXPECT_FALSE(IsRsa(der));
  EXPECT_EQ(CurveOf(der), 0x0017);
}

TEST(CertificateTest, ReadsRsaKeysAndTheirSize) {
  const std::string der = MakeCertificate({.key = NewRsaKey(1024), .subject = "weak.example.com"});
  const auto facts = ReadCertificate(der, "other.example.com");
  ASSERT_TRUE(facts.ok()) << facts.status();
  EXPECT_EQ(facts->key_type, "rsa");
  EXPECT_EQ(facts->key_bits, 1024U);
  EXPECT_EQ(facts->key_curve, "");
  EXPECT_EQ(facts->signature, "sha256WithRSAEncryption");
  EXPECT_EQ(facts->name_matches, false);
  EXPECT_TRUE(IsRsa(der));
  EXPECT_EQ(CurveOf(der), 0);
}

TEST(CertificateTest, WithoutANameNothingIsSaidOfIt) {
  const auto facts =
      ReadCertificate(MakeCertificate({.key = NewEcKey("P-256"), .subject = "a"}), "");
  ASSERT_TRUE(facts.ok());
  EXPECT_FALSE(facts->name_matches.has_value());
}

TEST(CertificateTest, AnOcspResponderIsSeen) {
  const auto facts = ReadCertificate(
      MakeCertificate(
          {.key = NewEcKey("P-256"), .subject = "a", .ocsp = "http://ocsp.example.com"}),
      "");
  ASSERT_TRUE(facts.ok());
  EXPECT_TRUE(facts->has_ocsp_responder);
}

TEST(CertificateTest, PartsOfADayCountAsADay) {
  CertificateFacts facts;
  facts.not_before = absl::FromUnixSeconds(0);
  facts.not_after = facts.not_before + absl::Hours(24 * 90);
  EXPECT_EQ(LifespanDays(facts), 90U);
  facts.not_after += absl::Seconds(1);
  EXPECT_EQ(LifespanDays(facts), 91U);
  facts.not_after = facts.not_before - absl::Hours(48);
  EXPECT_EQ(LifespanDays(facts), 0U);
}

TEST(CertificateTest, ManyAndLongNamesAreCut) {
  std::string names = "DNS:www0.example.com";
  for (int i = 1; i < 100; ++i) names += ",DNS:www" + std::to_string(i) + ".example.com";
  const auto facts = ReadCertificate(
      MakeCertificate({.key = NewEcKey("P-256"), .subject = "a", .names = names}), "");
  ASSERT_TRUE(facts.ok());
  EXPECT_THAT(facts->names, SizeIs(64));
}

TEST(CertificateTest, WhatIsNoCertificateIsRefused) {
  const std::string der = MakeCertificate({.key = NewEcKey("P-256"), .subject = "a"});
  EXPECT_FALSE(ReadCertificate("", "").ok());
  EXPECT_FALSE(ReadCertificate("no certificate", "").ok());
  EXPECT_FALSE(ReadCertificate(der + "x", "").ok());
  EXPECT_FALSE(ReadCertificate(der.substr(0, der.size() - 1), "").ok());
  EXPECT_FALSE(IsRsa(""));
  EXPECT_EQ(CurveOf(""), 0);
}

TEST(CertificateTest, BytesThatAreNoTextBecomeSome) {
  const auto facts = ReadCertificate(
      MakeCertificate({.key = NewEcKey("P-256"), .subject = "b\xfc\x1b[2Jcher"}), "");
  ASSERT_TRUE(facts.ok());
  EXPECT_TRUE(IsValidUtf8(facts->subject));
  EXPECT_THAT(facts->subject, HasSubstr("cher"));
}

}  // namespace
}  // namespace dragnet::tls
