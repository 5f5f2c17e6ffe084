#include "console/signing/key_file.h"

#include <sys/stat.h>

#include "console/signing/testing/real_programs.h"
#include "gmock/gmock.h"

namespace dragnet::console {
namespace {

using ::testing::ElementsAre;
using ::testing::HasSubstr;

constexpr char kPassphrase[] = "correct horse battery";

class KeyFileTest : public ::testing::Test {
 protected:
  // Answers one after the other, and remembers what was asked.
  PassphrasePrompt Typing(std::vector<std::string> answers) {
    return [this, answers](std::string_view what) -> absl::StatusOr<std::string> {
      asked_.emplace_back(what);
      if (asked_.size() > answers.size()) return absl::CancelledError("asked too often");
      return answers[asked_.size() - 1];
    };
  }
  std::string Open(const std::string& name, const std::vector<std::string>& answers = {}) {
    asked_.clear();
    const auto signer = OpenSigner(directory_.Path(name), Typing(answers));
    if (!signer.ok()) return std::string(signer.status().message());
    const auto signature = (*signer)->Sign("message");
    EXPECT_TRUE(signature.ok());
    return (*signer)->public_key().Verify("message", *signature) ? "" : "doesn't verify";
  }

  const testing::ScratchDirectory directory_;
  std::vector<std::string> asked_;
};

TEST_F(KeyFileTest, APlainKeyIsOpenedWithoutAQuestion) {
  directory_.Write("key", PrivateKey::Generate(KeyAlgorithm::kEd25519)->ToPem());
  EXPECT_EQ(Open("key"), "");
  EXPECT_TRUE(asked_.empty());
}

TEST_F(KeyFileTest, AnEncryptedKeyAsksForItsPassphraseAndOpensslReadsItToo) {
  for (const KeyAlgorithm algorithm : {KeyAlgorithm::kEd25519, KeyAlgorithm::kEcdsaP256}) {
    const PrivateKey key = *PrivateKey::Generate(algorithm);
    directory_.Write("key", *EncryptKey(key, kPassphrase));
    EXPECT_EQ(Open("key", {kPassphrase}), "");
    EXPECT_THAT(asked_, ElementsAre(StrCat("Passphrase of ", directory_.Path("key"))));
    EXPECT_EQ(
        directory_.Run(StrCat("openssl pkey -in key -passin 'pass:", kPassphrase, "' -pubout")),
        key.public_key().ToPem());
    EXPECT_FALSE(PrivateKey::Load(directory_.Path("key")).ok()) << "a daemon has no one to ask";
  }
}

TEST_F(KeyFileTest, WhatOpensslEncryptsIsRead) {
  directory_.Run("openssl genpkey -algorithm ed25519 -out plain");
  for (const std::string how : {"-scrypt", "-v2 aes-256-cbc -iter 600000", "-v2 aes128"}) {
    directory_.Run(StrCat("openssl pkcs8 -topk8 -in plain -out key -passout 'pass:", kPassphrase,
                          "' ", how, "; chmod 600 key"));
    EXPECT_EQ(Open("key", {kPassphrase}), "") << how;
  }
}

TEST_F(KeyFileTest, AWrongPassphraseSaysSoAndIsAskedForThreeTimes) {
  directory_.Write("key", *EncryptKey(*PrivateKey::Generate(KeyAlgorithm::kEd25519), kPassphrase));
  EXPECT_EQ(Open("key", {"wrong", kPassphrase}), "");
  EXPECT_THAT(asked_[1], HasSubstr("Wrong passphrase"));
  EXPECT_THAT(Open("key", {"wrong", "wrong", "wrong", kPassphrase}), HasSubstr("wrong passphrase"));
  EXPECT_EQ(asked_.size(), 3U);
  EXPECT_THAT(Open("key", {""}), HasSubstr("no passphrase"));
  EXPECT_EQ(asked_.size(), 1U);
}

TEST_F(KeyFileTest, WithoutATerminalTheReasonIsSaid) {
  directory_.Write("key", *EncryptKey(*PrivateKey::Generate(KeyAlgorithm::kEd25519), kPassphrase));
  const auto signer =
      OpenSigner(directory_.Path("key"), [](std::string_view) -> absl::StatusOr<std::string> {
        return absl::FailedPreconditionError("there is no terminal");
      });
  EXPECT_THAT(std::string(signer.status().message()), HasSubstr("no terminal"));
}

TEST_F(KeyFileTest, AFileThatAsksForTooMuchWorkIsRefusedBeforeItIsDone) {
  directory_.Run("openssl genpkey -algorithm ed25519 -out plain");
  directory_.Run(
      "openssl pkcs8 -topk8 -in plain -out key -passout pass:xxxx -iter 1000;"
      "openssl pkcs8 -topk8 -in plain -out scrypt -passout pass:xxxx -scrypt;"
      "openssl asn1parse -in key -noout -out key.der;"
      "openssl asn1parse -in scrypt -noout -out scrypt.der; chmod 600 *");
  const auto pem_of = [&](std::string der, const std::string& from, const std::string& to) {
    const size_t at = der.find(from);
    EXPECT_NE(at, std::string::npos);
    der.replace(at, from.size(), to);
    directory_.Write("der", der);
    return directory_.Run(
        "echo '-----BEGIN ENCRYPTED PRIVATE KEY-----'; base64 -w 64 der;"
        "echo '-----END ENCRYPTED PRIVATE KEY-----'");
  };
  // INTEGER 1000 of two bytes becomes 32767 of two: fine. Lengths stay, so the
  // large ones are tried with scrypt's N, 16384 (02 02 40 00): as 32767, no power
  // of two, and with r of 8 in place of which 127.
  const std::string scrypt = directory_.Content("scrypt.der");
  EXPECT_FALSE(DecryptKey(pem_of(scrypt, std::string("\x02\x02\x40\x00\x02\x01\x08", 7),
                                 std::string("\x02\x02\x40\x00\x02\x01\x7f", 7)),
                          "xxxx")
                   .ok());
  EXPECT_THAT(std::string(DecryptKey(pem_of(scrypt, std::string("\x02\x02\x40\x00\x02\x01\x08", 7),
                                            std::string("\x02\x02\x40\x00\x02\x01\x7f", 7)),
                                     "xxxx")
                              .status()
                              .message()),
              HasSubstr("more work"));
  EXPECT_THAT(std::string(DecryptKey(pem_of(scrypt, std::string("\x02\x01\x08\x02\x01\x01", 6),
                                            std::string("\x02\x01\x08\x02\x01\x7f", 6)),
                                     "xxxx")
                              .status()
                              .message()),
              HasSubstr("more work"));
  // PBKDF2: 30,000,000 iterations.
  directory_.Run(
      "openssl pkcs8 -topk8 -in plain -out key -passout pass:xxxx -iter 8388608;"
      "openssl asn1parse -in key -noout -out key.der; chmod 600 *");
  EXPECT_THAT(std::string(DecryptKey(pem_of(directory_.Content("key.der"),
                                            std::string("\x02\x04\x00\x80\x00\x00", 6),
                                            std::string("\x02\x04\x7f\x80\x00\x00", 6)),
                                     "xxxx")
                              .status()
                              .message()),
              HasSubstr("more work"));
}

TEST_F(KeyFileTest, OtherFormsAreRefusedByNameWithWhatToDo) {
  directory_.Run(
      "ssh-keygen -q -t ed25519 -N '' -f openssh;"
      "openssl ecparam -name prime256v1 -genkey -noout -out ec;"
      "openssl ec -in ec -aes128 -passout pass:xxxx -out legacy;"
      "openssl pkcs8 -topk8 -in ec -out pbes1 -passout pass:xxxx -v1 PBE-SHA1-3DES;"
      "openssl genpkey -algorithm rsa -out rsa; chmod 600 *");
  EXPECT_THAT(Open("openssh"), HasSubstr("ssh-agent"));
  EXPECT_THAT(Open("openssh.pub"), HasSubstr("public key"));
  EXPECT_THAT(Open("legacy"), HasSubstr("openssl pkcs8 -topk8"));
  EXPECT_THAT(Open("pbes1", {"xxxx"}), HasSubstr("PBES2"));
  EXPECT_THAT(Open("rsa"), HasSubstr("not supported"));
  directory_.Write("nothing", "");
  EXPECT_THAT(Open("nothing"), HasSubstr("no private key"));
  EXPECT_THAT(Open("missing"), HasSubstr("No such file"));
}

TEST_F(KeyFileTest, AKeyThatOthersCanReadIsRefused) {
  directory_.Write("key", *EncryptKey(*PrivateKey::Generate(KeyAlgorithm::kEd25519), kPassphrase),
                   0644);
  EXPECT_THAT(Open("key", {kPassphrase}), HasSubstr("chmod 600"));
  EXPECT_TRUE(asked_.empty()) << "the passphrase isn't typed for a file that is refused";
}

// CBC has no seal: where only the key's own bits changed, another key comes, and
// where only a version number did, the same. Whatever comes is a whole key, whose id
// tells which one it is.
TEST_F(KeyFileTest, OfADamagedFileComesNoKeyOrAWholeOne) {
  const PrivateKey key = *PrivateKey::Generate(KeyAlgorithm::kEd25519);
  const std::string good = *EncryptKey(key, "xxxx");
  int refused = 0;
  int damages = 0;
  for (size_t at = 40; at + 40 < good.size(); at += 23) {
    std::string damaged = good;
    damaged[at] = damaged[at] == 'A' ? 'B' : 'A';
    const auto other = DecryptKey(damaged, "xxxx");
    ++damages;
    if (other.ok()) {
      const auto signature = other->Sign("text");
      ASSERT_TRUE(signature.ok()) << at;
      EXPECT_TRUE(other->public_key().Verify("text", *signature)) << at;
    } else {
      ++refused;
    }
    EXPECT_FALSE(DecryptKey(good.substr(0, at), "xxxx").ok()) << at;
  }
  EXPECT_GT(refused, damages / 2);
}

}  // namespace
}  // namespace dragnet::console
