#include "modules/tls/names.h"

#include <gtest/gtest.h>
#include <openssl/ssl.h>

#include <memory>

#include "core/openssl.h"

namespace dragnet::tls {
namespace {

TEST(TlsNamesTest, SuitesAreSortedAndKnownOnce) {
  uint32_t last = 0;
  for (const Suite& suite : AllSuites()) {
    EXPECT_GT(suite.code, last);
    last = suite.code;
    EXPECT_EQ(FindSuite(suite.code), &suite);
  }
  EXPECT_EQ(FindSuite(0x0000), nullptr);
  EXPECT_EQ(FindSuite(0xffff), nullptr);
}

TEST(TlsNamesTest, SuitesAreCalledAsOpensslCallsThem) {
  const std::unique_ptr<SSL_CTX, OpensslDeleter<SSL_CTX_free>> context(SSL_CTX_new(TLS_method()));
  const std::unique_ptr<SSL, OpensslDeleter<SSL_free>> ssl(SSL_new(context.get()));
  int known = 0;
  for (const Suite& suite : AllSuites()) {
    const unsigned char code[] = {static_cast<unsigned char>(suite.code >> 8),
                                  static_cast<unsigned char>(suite.code & 0xff)};
    const SSL_CIPHER* cipher = SSL_CIPHER_find(ssl.get(), code);
    if (cipher == nullptr) continue;
    ++known;
    EXPECT_EQ(suite.openssl, SSL_CIPHER_get_name(cipher));
    EXPECT_EQ(suite.iana, SSL_CIPHER_standard_name(cipher));
    EXPECT_EQ(IsOfVersion(suite, kTls11),
              SSL_CIPHER_get_version(cipher) != std::string("TLSv1.2") &&
                  SSL_CIPHER_get_version(cipher) != std::string("TLSv1.3"))
        << suite.iana;
  }
  EXPECT_GT(known, 90);
}

TEST(TlsNamesTest, KeyExchangeIsInTheName) {
  EXPECT_EQ(KeyExchangeOf(*FindSuite(0x002f)), KeyExchange::kRsa);
  EXPECT_EQ(KeyExchangeOf(*FindSuite(0x000e)), KeyExchange::kDh);
  EXPECT_EQ(KeyExchangeOf(*FindSuite(0x0014)), KeyExchange::kDhe);
  EXPECT_EQ(KeyExchangeOf(*FindSuite(0x0018)), KeyExchange::kDhe);
  EXPECT_EQ(KeyExchangeOf(*FindSuite(0xc004)), KeyExchange::kEcdh);
  EXPECT_EQ(KeyExchangeOf(*FindSuite(0xc018)), KeyExchange::kEcdhe);
  EXPECT_EQ(KeyExchangeOf(*FindSuite(0xcca9)), KeyExchange::kEcdhe);
  EXPECT_EQ(KeyExchangeOf(*FindSuite(0x1301)), KeyExchange::kTls13);
}

TEST(TlsNamesTest, Tls13HasSuitesOfItsOwn) {
  EXPECT_TRUE(IsOfVersion(*FindSuite(0x1301), kTls13));
  EXPECT_FALSE(IsOfVersion(*FindSuite(0x1301), kTls12));
  EXPECT_FALSE(IsOfVersion(*FindSuite(0xc02f), kTls13));
  EXPECT_TRUE(IsOfVersion(*FindSuite(0x0004), kSsl3));
}

TEST(TlsNamesTest, WhatHasNoNameIsANumber) {
  EXPECT_EQ(SuiteName(0x1234), "0x1234");
  EXPECT_EQ(SuiteName(0xc03c), "TLS_RSA_WITH_ARIA_128_CBC_SHA256");
  EXPECT_EQ(SuiteName(0x0004), "RC4-MD5");
  EXPECT_EQ(GroupName(0xfefe), "0xfefe");
  EXPECT_EQ(VersionName(0x0305), "0x0305");
  EXPECT_EQ(AlertName(200), "alert 200");
}

}  // namespace
}  // namespace dragnet::tls
