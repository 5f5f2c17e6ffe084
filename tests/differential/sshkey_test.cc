// Module sshkey against ssh-keygen, over keys that ssh-keygen and openssl made.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>

#include "absl/strings/match.h"
#include "absl/strings/str_split.h"
#include "core/strings.h"
#include "modules/file/temp_tree.h"
#include "modules/module.h"
#include "modules/run_context_fake.h"
#include "modules/sshkey/sshkey.pb.h"

namespace dragnet::sshkey {
namespace {

using file::OutputOf;
using file::TempTree;
using testing::Contains;
using testing::ElementsAre;

bool Command(const std::string& command) {
  return system(StrCat("(", command, ") >/dev/null 2>&1 </dev/null").c_str()) == 0;
}

// What `ssh-keygen -l` prints of a file: BITS FINGERPRINT COMMENT (ALGORITHM).
std::string Listing(const std::string& path, std::string_view digest) {
  const auto lines = OutputOf(StrCat("ssh-keygen -l -E ", digest, " -f '", path, "' 2>&1"), '\n');
  return lines.empty() ? "" : lines.front();
}

std::string AsListed(const v1::SshkeyRow& row, const std::string& fingerprint) {
  std::string algorithm;
  for (char c : row.algorithm()) algorithm.push_back(static_cast<char>(toupper(c)));
  if (row.has_certificate()) algorithm += "-CERT";
  return StrCat(row.bits(), " ", fingerprint, " ",
                row.comment().empty() ? "no comment" : row.comment(), " (", algorithm, ")");
}

std::map<std::string, v1::SshkeyRow> FindAll(const TempTree& tree) {
  v1::SshkeyParameters parameters;
  parameters.add_paths(tree.root());
  FakeRunContext context;
  EXPECT_TRUE(FindModule("sshkey")->Run(parameters, context).ok());
  EXPECT_TRUE(context.unexamined.empty()) << context.unexamined.begin()->first;
  std::map<std::string, v1::SshkeyRow> rows;
  for (const auto& row : context.RowsAs<v1::SshkeyRow>()) rows[row.path()] = row;
  return rows;
}

class SshkeyDifferentialTest : public testing::Test {
 protected:
  void SetUp() override {
    if (!Command("command -v ssh-keygen")) GTEST_SKIP() << "ssh-keygen is not installed";
  }
  std::string Make(const std::string& name, const std::string& options) {
    const std::string path = tree_.Path(name);
    EXPECT_TRUE(Command(StrCat("ssh-keygen -q -C 'of ", name, "' -f '", path, "' ", options)))
        << name;
    return path;
  }
  const TempTree tree_;
};

TEST_F(SshkeyDifferentialTest, FingerprintsBitsAndCommentsAreThoseOfSshKeygen) {
  const std::pair<std::string, std::string> kTypes[] = {
      {"rsa1024", "-t rsa -b 1024"},   {"rsa2048", "-t rsa -b 2048"},
      {"ecdsa256", "-t ecdsa -b 256"}, {"ecdsa384", "-t ecdsa -b 384"},
      {"ecdsa521", "-t ecdsa -b 521"}, {"ed25519", "-t ed25519"}};
  std::vector<std::string> paths;
  for (const auto& [name, type] : kTypes) {
    paths.push_back(Make(name, type + " -N ''"));
    paths.push_back(Make(name + "-locked", type + " -N secret -a 1"));
    if (name == "ed25519") continue;  // It has no PEM form of OpenSSH's.
    for (const std::string form : {"PEM", "PKCS8"}) {
      paths.push_back(Make(StrCat(name, "-", form), StrCat(type, " -N '' -m ", form)));
      paths.push_back(
          Make(StrCat(name, "-", form, "-locked"), StrCat(type, " -N secret -m ", form)));
    }
  }
  // Newer ssh-keygens make no DSA keys any more.
  if (Command(StrCat("ssh-keygen -q -t dsa -N '' -C 'of dsa' -f ", tree_.Path("dsa")))) {
    paths.push_back(tree_.Path("dsa"));
    paths.push_back(Make("dsa-PEM", "-t dsa -N '' -m PEM"));
    paths.push_back(Make("dsa-PKCS8", "-t dsa -N '' -m PKCS8"));
  }
  const auto rows = FindAll(tree_);
  EXPECT_EQ(rows.size(), 2 * paths.size());
  for (const std::string& path : paths) {
    for (const std::string& file : {path, path + ".pub"}) {
      ASSERT_TRUE(rows.contains(file)) << file;
      v1::SshkeyRow row = rows.at(file);
      EXPECT_EQ(row.kind(), file == path ? "private" : "public") << file;
      // Private keys in other forms than OpenSSH's hold no comment, and those
      // that are encrypted hide theirs; ssh-keygen takes the .pub file's.
      if (row.comment().empty()) row.set_comment(rows.at(path + ".pub").comment());
      EXPECT_EQ(AsListed(row, row.sha256()), Listing(file, "sha256"));
      EXPECT_EQ(AsListed(row, row.md5()), Listing(file, "md5"));
    }
    EXPECT_EQ(rows.at(path).encrypted(), absl::EndsWith(path, "-locked") ? "yes" : "no") << path;
  }
}

TEST_F(SshkeyDifferentialTest, FingerprintsOfPrivateKeysComeFromTheKeyWhereItIsInTheClear) {
  std::map<std::string, std::string> expected;
  for (const std::string type : {"rsa", "ecdsa", "ed25519"}) {
    for (const std::string form : {"RFC4716", "PEM", "PKCS8"}) {
      if (type == "ed25519" && form != "RFC4716") continue;
      for (const std::string passphrase : {"", "secret"}) {
        const std::string path = Make(StrCat(type, form, passphrase),
                                      StrCat("-t ", type, " -m ", form, " -N '", passphrase, "'"));
        const auto row = FindAll(tree_).at(path);
        const bool hidden = form != "RFC4716" && !passphrase.empty();
        EXPECT_EQ(row.fingerprint_from(), hidden ? "pub" : "key") << path;
        const std::string listed = Listing(path + ".pub", "sha256");
        EXPECT_THAT(listed, testing::HasSubstr(row.sha256()));
        ASSERT_EQ(unlink((path + ".pub").c_str()), 0);
        EXPECT_EQ(FindAll(tree_).at(path).sha256(), hidden ? "" : row.sha256()) << path;
      }
    }
  }
}

TEST_F(SshkeyDifferentialTest, OpensslsEd25519InPkcs8IsTheKeyThatSshKeygenSees) {
  const std::string path = tree_.Path("pkcs8");
  if (!Command(StrCat("openssl genpkey -algorithm ed25519 -out ", path, " && chmod 600 ", path)))
    GTEST_SKIP() << "no openssl that makes ed25519 keys";
  const std::string listed = Listing(path, "sha256");
  if (listed.find("SHA256:") == std::string::npos) GTEST_SKIP() << "ssh-keygen can't read it";
  EXPECT_THAT(listed, testing::HasSubstr(FindAll(tree_).at(path).sha256()));
}

TEST_F(SshkeyDifferentialTest, AuthorizedKeysAreThoseThatSshKeygenLists) {
  Make("a", "-t ed25519 -N ''");
  Make("b", "-t rsa -b 2048 -N ''");
  const std::string path = tree_.Path("authorized_keys");
  ASSERT_TRUE(Command(StrCat("cd ", tree_.root(),
                             "; { echo '# c'; cat a.pub; printf 'restrict,command=\"x y\" '; "
                             "cat b.pub; } > authorized_keys")));
  v1::SshkeyParameters parameters;
  parameters.add_paths(path);
  FakeRunContext context;
  ASSERT_TRUE(FindModule("sshkey")->Run(parameters, context).ok());
  std::vector<std::string> ours;
  for (const auto& row : context.RowsAs<v1::SshkeyRow>())
    ours.push_back(AsListed(row, row.sha256()));
  EXPECT_EQ(ours, OutputOf(StrCat("ssh-keygen -l -f ", path), '\n'));
}

TEST_F(SshkeyDifferentialTest, CertificatesSayWhatSshKeygenSays) {
  const std::string ca = Make("ca", "-t ed25519 -N ''");
  for (const std::string type : {"rsa", "ecdsa", "ed25519"}) {
    const std::string path = Make(type, StrCat("-t ", type, " -N ''"));
    ASSERT_TRUE(
        Command(StrCat("ssh-keygen -q -s ", ca, " -I 'id of ", type, "' -n alice,bob -z 77 ",
                       "-V 20240101000000Z:20340101000000Z -O clear -O permit-pty ",
                       "-O force-command=/bin/true -O source-address=10.0.0.0/8 ", path, ".pub")));
    const std::string cert = path + "-cert.pub";
    const auto row = FindAll(tree_).at(cert);
    EXPECT_EQ(row.kind(), "certificate");
    EXPECT_EQ(AsListed(row, row.sha256()), Listing(cert, "sha256"));
    const v1::Certificate& certificate = row.certificate();
    std::vector<std::string> said;
    for (const std::string& line : OutputOf(StrCat("TZ=UTC ssh-keygen -L -f ", cert), '\n'))
      said.push_back(std::string(line.substr(std::min(line.find_first_not_of(' '), line.size()))));
    EXPECT_THAT(said, Contains(StrCat("Key ID: \"", certificate.key_id(), "\"")));
    EXPECT_THAT(said, Contains(StrCat("Serial: ", certificate.serial())));
    EXPECT_THAT(said, Contains(testing::HasSubstr(certificate.ca_sha256())));
    EXPECT_THAT(said, Contains(testing::HasSubstr(StrCat(certificate.type(), " certificate"))));
    EXPECT_THAT(certificate.principals(), ElementsAre("alice", "bob"));
    EXPECT_EQ(certificate.valid_after().seconds(), 1704067200);
    EXPECT_EQ(certificate.valid_before().seconds(), 2019686400);
    EXPECT_THAT(certificate.critical_options(),
                ElementsAre("force-command=/bin/true", "source-address=10.0.0.0/8"));
    EXPECT_THAT(certificate.extensions(), ElementsAre("permit-pty"));
    EXPECT_EQ(certificate.ca_sha256(), FindAll(tree_).at(ca + ".pub").sha256());
  }
}

}  // namespace
}  // namespace dragnet::sshkey
