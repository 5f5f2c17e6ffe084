#include "console/signing/pkcs11_signer.h"

#include "console/signing/testing/real_programs.h"
#include "core/keys.h"
#include "gmock/gmock.h"

namespace dragnet::console {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;
using ::testing::IsEmpty;
using testing::SoftToken;

class TokenSignerTest : public ::testing::Test {
 protected:
  absl::StatusOr<std::unique_ptr<Signer>> Open(const std::string& uri, std::string pin) {
    asked_.clear();
    return OpenSigner(uri, [this, pin](std::string_view what) -> absl::StatusOr<std::string> {
      asked_.emplace_back(what);
      return pin;
    });
  }
  std::string WhyNot(const std::string& uri, const std::string& pin = SoftToken::kPin) {
    return std::string(Open(uri, pin).status().message());
  }

  const testing::ScratchDirectory directory_;
  const SoftToken token_{directory_};
  std::vector<std::string> asked_;
};

TEST_F(TokenSignerTest, SignsWithBothKindsOfKeyByLabelAndById) {
  for (const auto& [path, algorithm] :
       {std::pair<std::string, KeyAlgorithm>{"token=dragnet;object=ed", KeyAlgorithm::kEd25519},
        {"token=dragnet;id=%01", KeyAlgorithm::kEd25519},
        {"token=dragnet;object=ec", KeyAlgorithm::kEcdsaP256},
        {"object=ec;id=%02;type=private", KeyAlgorithm::kEcdsaP256}}) {
    const auto signer = Open(SoftToken::Uri(path), SoftToken::kPin);
    ASSERT_TRUE(signer.ok()) << path << signer.status();
    EXPECT_THAT(asked_, ElementsAre("PIN of token dragnet"));
    EXPECT_EQ((*signer)->public_key().algorithm(), algorithm);
    for (int i = 0; i < 20; ++i) {
      const std::string message = StrCat("message ", i);
      const auto signature = (*signer)->Sign(message);
      ASSERT_TRUE(signature.ok()) << signature.status();
      EXPECT_TRUE((*signer)->public_key().Verify(message, *signature));
    }
    EXPECT_EQ(asked_.size(), 1U) << "once a session";
  }
}

TEST_F(TokenSignerTest, TwoKeysOfOneModuleDoNotDisturbEachOther) {
  auto first = *Open(SoftToken::Uri("object=ed"), SoftToken::kPin);
  const auto second = *Open(SoftToken::Uri("object=ec"), SoftToken::kPin);
  EXPECT_TRUE(first->Sign("message").ok());
  first.reset();
  EXPECT_TRUE(second->Sign("message").ok());
  EXPECT_TRUE(Open(SoftToken::Uri("object=ed"), SoftToken::kPin).ok());
}

TEST_F(TokenSignerTest, AWrongPinSaysSoAndIsNotTriedAgain) {
  const auto signer = Open(SoftToken::Uri("object=ed"), "0000");
  EXPECT_EQ(signer.status().code(), absl::StatusCode::kPermissionDenied);
  EXPECT_THAT(std::string(signer.status().message()), HasSubstr("wrong PIN"));
  EXPECT_EQ(asked_.size(), 1U);
  EXPECT_TRUE(Open(SoftToken::Uri("object=ed"), SoftToken::kPin).ok());
}

TEST_F(TokenSignerTest, ThePinMayComeFromAFileThatOthersCannotRead) {
  directory_.Write("pin", StrCat(SoftToken::kPin, "\n"));
  for (const std::string prefix : {"", "file:", "file://"}) {
    const auto signer =
        Open(SoftToken::Uri("object=ed", StrCat("&pin-source=", prefix, directory_.Path("pin"))),
             "not asked");
    EXPECT_TRUE(signer.ok()) << signer.status();
    EXPECT_THAT(asked_, IsEmpty());
  }
  directory_.Write("open", SoftToken::kPin, 0644);
  EXPECT_THAT(WhyNot(SoftToken::Uri("object=ed", "&pin-source=" + directory_.Path("open"))),
              HasSubstr("chmod 600"));
  EXPECT_THAT(WhyNot(SoftToken::Uri("object=ed", "&pin-source=%7Ccat%20/etc/passwd")),
              HasSubstr("pin-source"));
  EXPECT_THAT(WhyNot(SoftToken::Uri("object=ed", "&pin-value=1234-5678")),
              HasSubstr("pin-value is refused"));
}

TEST_F(TokenSignerTest, WhatTheUriDoesNotNameOrNamesTwiceIsRefused) {
  EXPECT_THAT(WhyNot(SoftToken::Uri("token=other;object=ed")),
              AllOf(HasSubstr("none that the URI names"), HasSubstr("dragnet")));
  EXPECT_THAT(asked_, IsEmpty()) << "the PIN isn't given to another token";
  EXPECT_THAT(WhyNot(SoftToken::Uri("object=nosuch")), HasSubstr("no private key"));
  EXPECT_THAT(WhyNot(SoftToken::Uri("token=dragnet")), HasSubstr("2 keys"));
  directory_.Run("softhsm2-util --init-token --free --label dragnet --so-pin 1111 --pin 2222");
  SoftToken::EndModule();
  EXPECT_THAT(WhyNot(SoftToken::Uri("token=dragnet;object=ed")), HasSubstr("serial="));
}

TEST_F(TokenSignerTest, BadUrisAndModulesAreRefusedByName) {
  EXPECT_THAT(WhyNot("pkcs11:object=%zz?module-path=/x"), HasSubstr("RFC 7512"));
  EXPECT_THAT(WhyNot("pkcs11:objekt=ed?module-path=/x"), HasSubstr("not known"));
  EXPECT_THAT(WhyNot(SoftToken::Uri("object=ed;slot-id=1")), HasSubstr("not known"));
  EXPECT_THAT(WhyNot(SoftToken::Uri("object=ed;type=cert")), HasSubstr("type"));
  EXPECT_THAT(WhyNot("pkcs11:object=ed"), HasSubstr("module-path"));
  EXPECT_THAT(WhyNot("pkcs11:object=ed?module-path=relative.so"), HasSubstr("absolute"));
  EXPECT_THAT(WhyNot("pkcs11:object=ed?module-path=/no/such.so"), HasSubstr("/no/such.so"));
  EXPECT_THAT(WhyNot("pkcs11:object=ed?module-path=/usr/lib/x86_64-linux-gnu/libz.so.1"),
              HasSubstr("C_GetFunctionList"));
}

TEST_F(TokenSignerTest, OtherKindsOfKeysAreRefused) {
  const std::string tool = StrCat("pkcs11-tool --module ", SoftToken::kModule, " --login --pin ",
                                  SoftToken::kPin, " --keypairgen --usage-sign --key-type ");
  directory_.Run(tool + "rsa:2048 --label rsa --id 03");
  directory_.Run(tool + "EC:secp384r1 --label p384 --id 04");
  EXPECT_THAT(WhyNot(SoftToken::Uri("object=rsa")), HasSubstr("neither Ed25519 nor ECDSA P-256"));
  EXPECT_THAT(WhyNot(SoftToken::Uri("object=p384")), HasSubstr("neither Ed25519 nor ECDSA P-256"));
}

TEST_F(TokenSignerTest, AKeyThatWantsItsPinEachTimeAsksEachTime) {
  directory_.Run(StrCat("pkcs11-tool --module ", SoftToken::kModule, " --login --pin ",
                        SoftToken::kPin,
                        " --keypairgen --usage-sign --always-auth --key-type EC:prime256v1"
                        " --label strict --id 05"));
  const auto signer = Open(SoftToken::Uri("object=strict"), SoftToken::kPin);
  ASSERT_TRUE(signer.ok()) << signer.status();
  for (int i = 0; i < 2; ++i) {
    const auto signature = (*signer)->Sign("message");
    ASSERT_TRUE(signature.ok()) << signature.status();
    EXPECT_TRUE((*signer)->public_key().Verify("message", *signature));
  }
  EXPECT_THAT(asked_,
              ElementsAre("PIN of token dragnet", "PIN of token dragnet, for this signature",
                          "PIN of token dragnet, for this signature"));
}

}  // namespace
}  // namespace dragnet::console
