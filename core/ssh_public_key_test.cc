#include <stdlib.h>

#include <filesystem>

#include "core/file_io.h"
#include "core/ssh_testing.h"
#include "core/text.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace dragnet {
namespace {

using ::dragnet::testing::FakeSecurityKey;
using ::dragnet::testing::OpenSshLine;
using ::testing::HasSubstr;

std::string Message(const absl::Status& status) { return std::string(status.message()); }

// With OpenSSH's own programs.
class SshPublicKeyTest : public ::testing::Test {
 protected:
  SshPublicKeyTest() {
    char pattern[] = "/tmp/dragnet-ssh-key-XXXXXX";
    directory_ = ::mkdtemp(pattern);
  }
  ~SshPublicKeyTest() override { std::filesystem::remove_all(directory_); }

  std::string Run(const std::string& command) {
    const std::string all = StrCat("cd ", directory_, " && ", command, " > out 2>&1");
    EXPECT_EQ(::system(all.c_str()), 0) << command << *ReadFile(directory_ + "/out");
    return *ReadFile(directory_ + "/out");
  }
  std::string Content(const std::string& name) { return *ReadFile(StrCat(directory_, "/", name)); }

  std::string directory_;
};

TEST_F(SshPublicKeyTest, AKeyIsTheSameInBothFilesAndHasOpensshsFingerprint) {
  for (const std::string type : {"ed25519", "ecdsa -b 256"}) {
    Run("rm -f key key.pub; ssh-keygen -q -t " + type + " -N '' -C 'a comment' -f key");
    const auto key = PublicKey::FromText(Content("key.pub"));
    ASSERT_TRUE(key.ok()) << key.status();
    EXPECT_FALSE(key->security_key().has_value());
    EXPECT_THAT(Run("ssh-keygen -l -f key.pub"), HasSubstr(" " + key->SshFingerprint() + " "));
    EXPECT_EQ(PublicKey::FromText(key->ToPem())->id(), key->id());
    EXPECT_EQ(PublicKey::FromSshBlob(key->ToSshBlob())->id(), key->id());
    EXPECT_TRUE(Content("key.pub").starts_with(OpenSshLine(*key).substr(0, 60)));
  }
}

TEST_F(SshPublicKeyTest, SecurityKeysKeepTheirApplicationInEveryForm) {
  for (const KeyAlgorithm algorithm : {KeyAlgorithm::kEd25519, KeyAlgorithm::kEcdsaP256}) {
    const FakeSecurityKey token(algorithm, "ssh:dragnet");
    const auto key = PublicKey::FromText(OpenSshLine(token.public_key()));
    ASSERT_TRUE(key.ok()) << key.status();
    EXPECT_EQ(key->security_key(), (SecurityKeyTerms{"ssh:dragnet", false}));
    EXPECT_EQ(key->id(), token.inside().public_key().id()) << "the id is of the SPKI";
    ASSERT_TRUE(WriteFileAtomically(directory_ + "/sk.pub", OpenSshLine(*key), 0644).ok());
    EXPECT_THAT(Run("ssh-keygen -l -f sk.pub"), HasSubstr(" " + key->SshFingerprint() + " "));

    const v1::PublicKey proto = key->WithUserVerification().ToProto();
    EXPECT_TRUE(proto.security_key().user_verification());
    EXPECT_EQ(PublicKey::FromProto(proto)->security_key(), (SecurityKeyTerms{"ssh:dragnet", true}));
    EXPECT_EQ(PublicKey::FromProto(proto)->ToSshBlob(), key->ToSshBlob());
  }
}

TEST_F(SshPublicKeyTest, WhatIsNotAPublicKeyIsRefusedByName) {
  Run("ssh-keygen -q -t rsa -b 2048 -N '' -f rsa; ssh-keygen -q -t ecdsa -b 384 -N '' -f p384;"
      "ssh-keygen -q -t ed25519 -N '' -f key");
  EXPECT_THAT(Message(PublicKey::FromText(Content("rsa.pub")).status()), HasSubstr("ssh-rsa"));
  EXPECT_THAT(Message(PublicKey::FromText(Content("p384.pub")).status()),
              HasSubstr("ecdsa-sha2-nistp384"));
  EXPECT_THAT(Message(PublicKey::FromText(Content("key")).status()), HasSubstr("private key"));
  const std::string line = Content("key.pub");
  const std::string base64 = line.substr(12, line.rfind(' ') - 12);
  for (const std::string& text :
       {std::string(), std::string("ssh-ed25519"), std::string("ssh-ed25519 AAAA"),
        "ssh-ed25519 " + base64 + "A", "ssh-ed25519 " + base64.substr(0, 40),
        "ecdsa-sha2-nistp256 " + base64, "sk-ssh-ed25519@openssh.com " + base64,
        "command=\"x\" ssh-ed25519 " + base64, line + line, std::string(20000, 'x')}) {
    EXPECT_EQ(PublicKey::FromText(text).status().code(), absl::StatusCode::kInvalidArgument)
        << text.substr(0, 100);
  }
  EXPECT_THAT(Message(PublicKey::FromText("ssh-\x1b[2J x").status()), HasSubstr("\\x1b"));
}

TEST_F(SshPublicKeyTest, EveryTruncationAndEveryTrailingByteIsRefused) {
  for (const KeyAlgorithm algorithm : {KeyAlgorithm::kEd25519, KeyAlgorithm::kEcdsaP256}) {
    const FakeSecurityKey token(algorithm);
    for (const PublicKey& key : {token.public_key(), token.inside().public_key()}) {
      const std::string blob = key.ToSshBlob();
      for (size_t length = 0; length < blob.size(); ++length)
        EXPECT_FALSE(PublicKey::FromSshBlob(blob.substr(0, length)).ok()) << length;
      EXPECT_FALSE(PublicKey::FromSshBlob(blob + std::string(1, '\0')).ok());
    }
  }
}

TEST_F(SshPublicKeyTest, ASecurityKeyWithoutApplicationIsNone) {
  const FakeSecurityKey token;
  v1::PublicKey proto = token.public_key().ToProto();
  proto.mutable_security_key()->set_application("");
  EXPECT_FALSE(PublicKey::FromProto(proto).ok());
  proto.mutable_security_key()->set_application(std::string(129, 'x'));
  EXPECT_FALSE(PublicKey::FromProto(proto).ok());
  proto.mutable_security_key()->set_application(std::string(128, 'x'));
  EXPECT_TRUE(PublicKey::FromProto(proto).ok());
}

TEST_F(SshPublicKeyTest, ACompressedPointIsNoSecondKey) {
  Run("openssl ecparam -name prime256v1 -genkey -noout -out ec.key;"
      "openssl ec -in ec.key -pubout -out plain.pem;"
      "openssl ec -in ec.key -pubout -conv_form compressed -out compressed.pem;"
      "openssl ec -in ec.key -pubout -param_enc explicit -out explicit.pem;"
      "openssl ec -in ec.key -pubout -conv_form compressed -outform DER -out compressed.der");
  EXPECT_TRUE(PublicKey::FromText(Content("plain.pem")).ok());
  EXPECT_FALSE(PublicKey::FromText(Content("compressed.pem")).ok());
  EXPECT_FALSE(PublicKey::FromText(Content("explicit.pem")).ok());
  EXPECT_FALSE(PublicKey::FromSpki(Content("compressed.der")).ok());
}

}  // namespace
}  // namespace dragnet
