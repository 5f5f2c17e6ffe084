#include "core/keys.h"

#include <stdlib.h>
#include <sys/stat.h>

#include "core/file_io.h"
#include "core/text.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace dragnet {
namespace {

using ::testing::HasSubstr;

std::string FromHex(std::string_view hex) {
  std::string bytes;
  EXPECT_TRUE(HexDecode(hex, &bytes));
  return bytes;
}

TEST(KeysTest, Ed25519AgreesWithRfc8032) {
  // RFC 8032, section 7.1, TEST 3: public key, message af82, signature.
  const auto key = PublicKey::FromSpki(
      FromHex("302a300506032b6570032100"
              "fc51cd8e6218a1a38da47ed00230f0580816ed13ba3303ac5deb911548908025"));
  ASSERT_TRUE(key.ok()) << key.status();
  const std::string signature = FromHex(
      "6291d657deec24024827e69c3abe01a30ce548a284743a445e3680d7db5ac3ac"
      "18ff9b538d16f290ae67f760984dc6594a7c15e9716ed28dc027beceea1ec40a");
  EXPECT_TRUE(key->Verify(FromHex("af82"), signature));
  EXPECT_FALSE(key->Verify(FromHex("af83"), signature));
}

TEST(KeysTest, WhatAKeySignsOnlyItVerifies) {
  for (const KeyAlgorithm algorithm : {KeyAlgorithm::kEd25519, KeyAlgorithm::kEcdsaP256}) {
    const PrivateKey key = *PrivateKey::Generate(algorithm);
    const PrivateKey other = *PrivateKey::Generate(algorithm);
    const std::string signature = *key.Sign("message");
    EXPECT_TRUE(key.public_key().Verify("message", signature));
    EXPECT_FALSE(key.public_key().Verify("Message", signature));
    EXPECT_FALSE(other.public_key().Verify("message", signature));
    EXPECT_FALSE(key.public_key().Verify("message", ""));
    EXPECT_FALSE(key.public_key().Verify("message", signature + "x"));
    EXPECT_FALSE(key.public_key().Verify("message", signature.substr(1)));
  }
}

TEST(KeysTest, KeysSurviveTheirFileForms) {
  for (const KeyAlgorithm algorithm : {KeyAlgorithm::kEd25519, KeyAlgorithm::kEcdsaP256}) {
    const PrivateKey key = *PrivateKey::Generate(algorithm);
    const PrivateKey copy = *PrivateKey::FromPem(key.ToPem());
    EXPECT_EQ(copy.public_key().id(), key.public_key().id());
    EXPECT_EQ(PublicKey::FromPem(key.public_key().ToPem())->id(), key.public_key().id());
    EXPECT_EQ(PublicKey::FromSpki(key.public_key().spki())->id(), key.public_key().id());
  }
}

TEST(KeysTest, OtherAlgorithmsAndEncodingsAreRefused) {
  EXPECT_FALSE(PublicKey::FromSpki("").ok());
  EXPECT_FALSE(PublicKey::FromSpki("garbage").ok());
  const std::string spki = PrivateKey::Generate(KeyAlgorithm::kEcdsaP256)->public_key().spki();
  EXPECT_FALSE(PublicKey::FromSpki(spki + "x").ok());
  EXPECT_FALSE(PublicKey::FromSpki(spki.substr(0, spki.size() - 1)).ok());
  // X25519 can't sign.
  EXPECT_THAT(
      std::string(PublicKey::FromSpki(
                      FromHex("302a300506032b656e032100"
                              "8520f0098930a754748b7ddcb43ef75a0dbf3a0d26381af4eba4a98eaa9b4e6a"))
                      .status()
                      .message()),
      HasSubstr("not supported"));
}

class KeyFileTest : public ::testing::Test {
 protected:
  void SetUp() override {
    char pattern[] = "/tmp/dragnet-keys-XXXXXX";
    directory_ = ::mkdtemp(pattern);
    path_ = directory_ + "/key.pem";
  }
  void TearDown() override {
    ::unlink(path_.c_str());
    ::rmdir(directory_.c_str());
  }
  std::string directory_;
  std::string path_;
};

TEST_F(KeyFileTest, AKeyThatOthersCanReadIsRefusedWithWhatToDo) {
  const PrivateKey key = *PrivateKey::Generate(KeyAlgorithm::kEd25519);
  ASSERT_TRUE(WriteFileAtomically(path_, key.ToPem(), 0600).ok());
  EXPECT_TRUE(PrivateKey::Load(path_).ok());
  for (const mode_t mode : {0640, 0604, 0660, 0644}) {
    ASSERT_EQ(::chmod(path_.c_str(), mode), 0);
    const absl::Status status = PrivateKey::Load(path_).status();
    EXPECT_EQ(status.code(), absl::StatusCode::kPermissionDenied);
    EXPECT_THAT(std::string(status.message()), HasSubstr("chmod 600"));
  }
}

TEST_F(KeyFileTest, EncryptedAndBrokenKeysAreRefusedByName) {
  ASSERT_TRUE(WriteFileAtomically(path_, "-----BEGIN ENCRYPTED PRIVATE KEY-----\n", 0600).ok());
  EXPECT_THAT(std::string(PrivateKey::Load(path_).status().message()), HasSubstr("encrypted"));
  ASSERT_TRUE(WriteFileAtomically(path_, "hello", 0600).ok());
  EXPECT_THAT(std::string(PrivateKey::Load(path_).status().message()), HasSubstr(path_));
  EXPECT_EQ(PrivateKey::Load(directory_ + "/nosuch").status().code(), absl::StatusCode::kNotFound);
}

}  // namespace
}  // namespace dragnet
