#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/strings/escaping.h"
#include "core/ssh_wire.h"
#include "core/strings.h"
#include "modules/file/temp_tree.h"
#include "modules/module.h"
#include "modules/run_context_fake.h"
#include "modules/sshkey/key_line.h"
#include "modules/sshkey/private_key.h"
#include "modules/sshkey/sshkey.pb.h"
#include "modules/sshkey/tree.h"

namespace dragnet::sshkey {
namespace {

using file::TempTree;
using testing::ElementsAre;
using testing::HasSubstr;

const Module& Sshkey() { return *FindModule("sshkey"); }

// An ed25519 key as a line of a .pub file; a different one for each `seed`.
std::string Ed25519Line(char seed) {
  std::string blob;
  AppendWireString(&blob, "ssh-ed25519");
  AppendWireString(&blob, std::string(32, seed));
  return StrCat("ssh-ed25519 ", absl::Base64Escape(blob));
}

std::vector<v1::SshkeyRow> Find(const v1::SshkeyParameters& parameters, FakeRunContext& context) {
  EXPECT_TRUE(Sshkey().Run(parameters, context).ok());
  return context.RowsAs<v1::SshkeyRow>();
}

v1::SshkeyParameters In(const std::string& path) {
  v1::SshkeyParameters parameters;
  parameters.add_paths(path);
  return parameters;
}

std::string Refusal(const v1::SshkeyParameters& parameters) {
  return std::string(Sshkey().Validate(parameters).message());
}

TEST(KeyLineTest, OptionsAreCutAtCommasOutsideQuotes) {
  const auto line =
      ParseKeyLine(StrCat(R"(no-pty,command="echo \"a, b\" c",from="10.0.0.0/8,host" )",
                          Ed25519Line('a'), "  some  comment \r"));
  ASSERT_TRUE(line);
  EXPECT_THAT(line->options,
              ElementsAre("no-pty", "command=echo \"a, b\" c", "from=10.0.0.0/8,host"));
  EXPECT_EQ(line->comment, "some  comment");
  EXPECT_EQ(line->key.algorithm, "ed25519");
  EXPECT_EQ(line->key.bits, 256u);
}

TEST(KeyLineTest, WhatIsNoKeyIsNone) {
  const std::string good = Ed25519Line('a');
  EXPECT_TRUE(ParseKeyLine(good));
  EXPECT_FALSE(ParseKeyLine(""));
  EXPECT_FALSE(ParseKeyLine(StrCat("# ", good)));
  EXPECT_FALSE(ParseKeyLine(StrCat("command=\"open ", good)));
  EXPECT_FALSE(ParseKeyLine(good.substr(0, good.size() - 4)));
  EXPECT_FALSE(ParseKeyLine(good + "AAAA"));
  // Another type in front than the key is of.
  EXPECT_FALSE(ParseKeyLine("ssh-rsa" + good.substr(good.find(' '))));
}

TEST(KeyLineTest, KnownHostsHaveHostsAndMarkers) {
  const auto line =
      ParseKnownHostLine(StrCat("@revoked *.example.com,10.1.1.1 ", Ed25519Line('b')));
  ASSERT_TRUE(line);
  EXPECT_EQ(line->hosts, "*.example.com,10.1.1.1");
  EXPECT_THAT(line->options, ElementsAre("@revoked"));
}

TEST(PrivateKeyTest, ATruncatedKeyIsDamagedAndNotMissed) {
  const auto found = FindPrivateKeys(
      "-----BEGIN OPENSSH PRIVATE KEY-----\nb3BlbnNzaC1rZXktdjEAAAAA\n"
      "-----END OPENSSH PRIVATE KEY-----\n");
  ASSERT_EQ(found.size(), 1u);
  EXPECT_FALSE(found[0].ok());
}

TEST(PrivateKeyTest, EncryptionIsToldWithoutThePassphrase) {
  const auto found = FindPrivateKeys(
      "text before\n-----BEGIN RSA PRIVATE KEY-----\nProc-Type: 4,ENCRYPTED\n"
      "DEK-Info: AES-128-CBC,0123456789ABCDEF0123456789ABCDEF\n\nAAAA\n"
      "-----END RSA PRIVATE KEY-----\n"
      "-----BEGIN ENCRYPTED PRIVATE KEY-----\nAAAA\n-----END ENCRYPTED PRIVATE KEY-----\n");
  ASSERT_EQ(found.size(), 2u);
  ASSERT_TRUE(found[0].ok()) << found[0].status();
  EXPECT_TRUE(found[0]->encrypted);
  EXPECT_EQ(found[0]->algorithm, "rsa");
  EXPECT_EQ(found[0]->cipher, "AES-128-CBC");
  EXPECT_EQ(found[1]->format, "pkcs8");
}

TEST(PrivateKeyTest, ThePublicHalfOfAnEd25519SeedIsComputed) {
  // The example of RFC 8410, section 10.3, and its public key (10.1).
  const auto found = FindPrivateKeys(
      "-----BEGIN PRIVATE "
      "KEY-----\nMC4CAQAwBQYDK2VwBCIEINTuctv5E1hK1bbY8fdp+K06/nwoy/HU++CXqI9EdVhC\n"
      "-----END PRIVATE KEY-----\n");
  std::string spki, blob;
  ASSERT_TRUE(DecodeBase64("MCowBQYDK2VwAyEAGb9ECWmEzf6FQbrBZ9w7lshQhqowtrbLDFw4rXAxZuE=", &spki));
  AppendWireString(&blob, "ssh-ed25519");
  AppendWireString(&blob, std::string_view(spki).substr(spki.size() - 32));
  ASSERT_EQ(found.size(), 1u);
  ASSERT_TRUE(found[0].ok()) << found[0].status();
  ASSERT_TRUE(found[0]->key);
  EXPECT_EQ(found[0]->key->sha256, ParsePublicKey(blob)->sha256);
}

TEST(SshkeyTest, KindsComeFromPlaceAndContent) {
  const TempTree tree;
  tree.Directory(".ssh");
  tree.File(".ssh/authorized_keys", StrCat("# mine\n\n", Ed25519Line('a'), " alice\nrubbish\n"));
  tree.File(".ssh/known_hosts", StrCat("host ", Ed25519Line('b'), "\n"));
  tree.File("some.txt", StrCat("Our key:\n", Ed25519Line('c'), " carol\n"));
  tree.File("other", StrCat("restrict ", Ed25519Line('d'), "\n"));
  FakeRunContext context;
  std::map<std::string, std::string> kinds;
  for (const auto& row : Find(In(tree.root()), context))
    kinds[row.path().substr(tree.root().size())] = row.kind();
  EXPECT_EQ(kinds, (std::map<std::string, std::string>{{"/.ssh/authorized_keys", "authorized_key"},
                                                       {"/other", "authorized_key"},
                                                       {"/some.txt", "public"}}));
  EXPECT_THAT(context.unexamined["line is no SSH key"],
              ElementsAre(tree.Path(".ssh/authorized_keys:4")));

  auto parameters = In(tree.root());
  parameters.add_kinds("known_host");
  FakeRunContext hosts;
  const auto rows = Find(parameters, hosts);
  ASSERT_EQ(rows.size(), 1u);
  EXPECT_EQ(rows[0].hosts(), "host");
}

TEST(SshkeyTest, OnlyTheFingerprintThatIsAskedForIsFound) {
  const TempTree tree;
  tree.File("a.pub", Ed25519Line('a'));
  tree.File("b.pub", Ed25519Line('b'));
  FakeRunContext all;
  const auto rows = Find(In(tree.root()), all);
  ASSERT_EQ(rows.size(), 2u);
  for (const auto& wanted : rows) {
    for (const std::string& fingerprint : {wanted.sha256(), wanted.md5(), wanted.md5().substr(4)}) {
      auto parameters = In(tree.root());
      parameters.add_fingerprints(fingerprint);
      FakeRunContext context;
      const auto found = Find(parameters, context);
      ASSERT_EQ(found.size(), 1u) << fingerprint;
      EXPECT_EQ(found[0].path(), wanted.path());
    }
  }
}

TEST(SshkeyTest, InPrivacyModeOnlyASearchWithoutTextsIsAllowed) {
  const TempTree tree;
  tree.File("authorized_keys", "command=\"/bin/backup secret\" " + Ed25519Line('a') + " ann@host");
  auto parameters = In(tree.root());
  FakeRunContext with;
  const auto rows = Find(parameters, with);
  ASSERT_EQ(rows.size(), 1u);
  EXPECT_FALSE(rows[0].comment().empty());
  EXPECT_EQ(rows[0].options_size(), 1);
  EXPECT_TRUE(absl::IsPermissionDenied(Sshkey().ValidateForPrivacy(parameters)));

  parameters.set_no_text(true);
  EXPECT_TRUE(Sshkey().ValidateForPrivacy(parameters).ok());
  FakeRunContext without;
  const auto bare = Find(parameters, without);
  ASSERT_EQ(bare.size(), 1u);
  EXPECT_EQ(bare[0].sha256(), rows[0].sha256());
  EXPECT_EQ(bare[0].comment(), "");
  EXPECT_EQ(bare[0].options_size(), 0);
}

TEST(SshkeyTest, PathsWithinEachOtherGiveNoRowTwice) {
  const TempTree tree;
  tree.Directory("a");
  tree.Directory("a/b");
  tree.Directory("a-b");
  tree.File("a/b/k.pub", Ed25519Line('a'));
  for (uint32_t depth : {0u, 5u}) {
    auto parameters = In(tree.Path("a"));
    parameters.add_paths(tree.Path("a-b"));
    parameters.add_paths(tree.Path("a/b"));
    parameters.add_paths(tree.Path("a/b/k.pub"));
    parameters.set_max_depth(depth);
    FakeRunContext context;
    EXPECT_EQ(Find(parameters, context).size(), 1u) << depth;
  }
}

TEST(SshkeyTest, MaxDepthAndLinksBoundTheWalk) {
  const TempTree tree;
  tree.Directory("a");
  tree.File("a/deep.pub", Ed25519Line('a'));
  tree.File("top.pub", Ed25519Line('a'));
  tree.Link("link.pub", "a/deep.pub");
  auto parameters = In(tree.root());
  parameters.set_max_depth(1);
  FakeRunContext context;
  const auto rows = Find(parameters, context);
  ASSERT_EQ(rows.size(), 1u);
  EXPECT_EQ(rows[0].path(), tree.Path("top.pub"));
}

TEST(SshkeyTest, ATooLargeFileIsReported) {
  const TempTree tree;
  std::string content = Ed25519Line('a') + "\n";
  content.resize(5 << 20, '\n');
  tree.File("authorized_keys", content);
  FakeRunContext context;
  EXPECT_EQ(Find(In(tree.root()), context).size(), 1u);
  EXPECT_EQ(context.unexamined.size(), 1u);
}

TEST(SshkeyTest, HomesElsewhereAreSearchedInTheirSshDirectoryOnly) {
  EXPECT_THAT(DefaultPaths("root:x:0:0:root:/root:/bin/sh\nu:x:1:1::/home/u:/bin/sh\n"
                           "pg:x:2:2::/var/lib/pg:/bin/sh\nbad line\nn:x:3:3::/:/bin/sh\n"),
              ElementsAre("/etc/ssh", "/home", "/root", "/.ssh", "/var/lib/pg/.ssh"));
}

TEST(SshkeyParametersTest, WhatCannotRunIsRefusedByField) {
  EXPECT_EQ(Refusal({}), "");
  EXPECT_THAT(Refusal(In("etc")), HasSubstr("paths[0] 'etc'"));
  EXPECT_THAT(Refusal(In("/home/*")), HasSubstr("wildcards"));
  v1::SshkeyParameters parameters;
  parameters.add_fingerprints("SHA256:abc");
  EXPECT_THAT(Refusal(parameters), HasSubstr("fingerprints[0] 'SHA256:abc'"));
  parameters.Clear();
  parameters.add_kinds("secret");
  EXPECT_THAT(Refusal(parameters), HasSubstr("kinds[0] 'secret'"));
  parameters.Clear();
  parameters.set_encrypted("maybe");
  EXPECT_THAT(Refusal(parameters), HasSubstr("encrypted 'maybe'"));
  parameters.set_encrypted("no");
  parameters.add_kinds("public");
  EXPECT_THAT(Refusal(parameters), HasSubstr("encrypted"));
  parameters.Clear();
  parameters.add_algorithms("rot13");
  EXPECT_THAT(Refusal(parameters), HasSubstr("algorithms[0] 'rot13'"));
}

}  // namespace
}  // namespace dragnet::sshkey
