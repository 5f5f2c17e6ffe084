#include <gmock/gmock.h>
#include <sys/stat.h>

#include "console/signing/key_file.h"
#include "console/testing/console_fixture.h"

namespace dragnet::console {
namespace {

using ::testing::AllOf;
using ::testing::ElementsAre;
using ::testing::HasSubstr;

class KeygenTest : public testing::ConsoleTest {
 protected:
  // `typed`: answers to what is asked, one after the other.
  testing::Outcome Keygen(std::vector<std::string> arguments,
                          const std::vector<std::string>& typed = {}) {
    arguments.insert(arguments.begin(), "keygen");
    asked_.clear();
    read_passphrase_ = [this, typed](std::string_view what) -> absl::StatusOr<std::string> {
      asked_.emplace_back(what);
      if (asked_.size() > typed.size()) return Io::NoTerminal(what);
      return typed[asked_.size() - 1];
    };
    return Dragnet(arguments);
  }
  mode_t ModeOf(std::string_view name) {
    struct stat info{};
    EXPECT_EQ(::stat(Path(name).c_str(), &info), 0);
    return info.st_mode & 0777;
  }
  bool Exists(std::string_view name) { return std::filesystem::exists(Path(name)); }

  std::vector<std::string> asked_;
};

TEST_F(KeygenTest, WritesAnEncryptedKeyThatTheConsoleSignsWith) {
  for (const std::string algorithm : {"ed25519", "p256"}) {
    const std::string path = Path(algorithm);
    const testing::Outcome outcome = Keygen({"--out", path, "--algorithm", algorithm},
                                            {"correct horse battery", "correct horse battery"});
    ASSERT_EQ(outcome.status, 0) << outcome.err;
    EXPECT_THAT(asked_, ElementsAre("New passphrase of " + path, "The same again"));
    EXPECT_EQ(ModeOf(algorithm), 0600U);
    const PrivateKey key = *DecryptKey(*ReadFile(path), "correct horse battery");
    const PublicKey public_key = *PublicKey::FromText(*ReadFile(path + ".pub"));
    EXPECT_EQ(public_key.id(), key.public_key().id());
    EXPECT_THAT(outcome.out,
                AllOf(HasSubstr(public_key.id()), HasSubstr(public_key.SshFingerprint())));
    EXPECT_THAT(outcome.err, HasSubstr("trust"));
    EXPECT_EQ((outcome.out + outcome.err).find("correct horse"), std::string::npos);
  }
}

TEST_F(KeygenTest, WeakAndMistypedPassphrasesWriteNothing) {
  for (const auto& typed : {std::vector<std::string>{"elevenchars"},
                            {""},
                            {"correct horse battery", "correct horse"},
                            {"correct horse battery", ""}}) {
    EXPECT_EQ(Keygen({"--out", Path("new")}, typed).status, 2);
    EXPECT_FALSE(Exists("new"));
    EXPECT_FALSE(Exists("new.pub"));
  }
}

TEST_F(KeygenTest, WithoutATerminalItSaysHowToGoWithoutAPassphrase) {
  const testing::Outcome outcome = Keygen({"--out", Path("new")});
  EXPECT_NE(outcome.status, 0);
  EXPECT_THAT(outcome.err, AllOf(HasSubstr("no terminal"), HasSubstr("--no-passphrase")));
  EXPECT_FALSE(Exists("new"));
  EXPECT_EQ(Keygen({"--out", Path("new"), "--no-passphrase"}).status, 0);
  EXPECT_TRUE(PrivateKey::Load(Path("new")).ok());
}

TEST_F(KeygenTest, NothingIsOverwritten) {
  for (const std::string name : {"there", "there.pub"}) {
    WriteFile(name, "precious", 0600);
    EXPECT_EQ(Keygen({"--out", Path("there"), "--no-passphrase"}).status, 2);
    EXPECT_EQ(*ReadFile(Path(name)), "precious");
    std::filesystem::remove(Path(name));
    EXPECT_FALSE(Exists("there"));
    EXPECT_FALSE(Exists("there.pub"));
  }
  std::filesystem::create_directory(Path("tls"));
  WriteFile("tls/tls.csr", "precious", 0600);
  EXPECT_EQ(Keygen({"--tls", "ida", "--fleet", "fleet-1", "--out", Path("tls")}).status, 2);
  EXPECT_FALSE(Exists("tls/tls.key"));
}

TEST_F(KeygenTest, MakesATlsKeyAndItsRequest) {
  const testing::Outcome outcome =
      Keygen({"--tls", "ida", "--fleet", "fleet-1", "--out", Path("tls")});
  ASSERT_EQ(outcome.status, 0) << outcome.err;
  EXPECT_THAT(outcome.out, HasSubstr("spiffe://fleet-1/investigator/ida"));
  EXPECT_EQ(ModeOf("tls/tls.key"), 0600U);
  EXPECT_TRUE(PrivateKey::Load(Path("tls/tls.key")).ok());
  EXPECT_THAT(*ReadFile(Path("tls/tls.csr")), HasSubstr("BEGIN CERTIFICATE REQUEST"));
}

TEST_F(KeygenTest, BadWordsAreRefused) {
  EXPECT_EQ(Keygen({"--tls", "Ida!", "--fleet", "fleet-1"}).status, 2);
  EXPECT_EQ(Keygen({"--tls", "ida"}).status, 2);
  EXPECT_EQ(Keygen({"--tls", "ida", "--fleet", "a/b"}).status, 2);
  EXPECT_EQ(Keygen({"--fleet", "fleet-1"}).status, 2);
  EXPECT_EQ(Keygen({"--tls", "ida", "--fleet", "fleet-1", "--no-passphrase"}).status, 2);
  EXPECT_EQ(Keygen({"--algorithm", "rsa"}).status, 2);
}

TEST_F(KeygenTest, AnEncryptedSigningKeySignsAnActionAfterItsPassphrase) {
  WriteFile("signing.key", *EncryptKey(fleet_.alice, "correct horse battery"), 0600);
  size_t asked = 0;
  read_passphrase_ = [&](std::string_view) -> absl::StatusOr<std::string> {
    ++asked;
    return "correct horse battery";
  };
  const testing::Outcome outcome = Dragnet({"sample", "--path", "/etc", "--yes"});
  EXPECT_EQ(asked, 1U) << outcome.err;
  read_passphrase_ = nullptr;
  EXPECT_THAT(Dragnet({"sample", "--path", "/etc", "--yes"}).err, HasSubstr("no terminal"));
}

}  // namespace
}  // namespace dragnet::console
