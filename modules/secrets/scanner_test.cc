// Tokens are put together when the test runs: whoever looks for secrets in this
// repository is to find none.
#include "modules/secrets/scanner.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "absl/strings/escaping.h"
#include "absl/strings/str_replace.h"
#include "core/ssh_wire.h"
#include "core/strings.h"
#include "modules/secrets/fingerprint.h"
#include "modules/secrets/private_keys.h"
#include "modules/secrets/randomness.h"

namespace dragnet::secrets {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

// So many characters that look random.
std::string Random(
    size_t size,
    std::string_view alphabet = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789") {
  std::string text;
  uint64_t state = 88172645463325252u;
  while (text.size() < size) {
    state ^= state << 13;
    state ^= state >> 7;
    state ^= state << 17;
    text.push_back(alphabet[state % alphabet.size()]);
  }
  return text;
}
constexpr std::string_view kBase64 =
    "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

std::vector<Finding> Find(std::string_view text, std::string_view name = "x.conf",
                          std::string_view directory = "/etc") {
  static const Scanner scanner;
  const FileKind kind = FileKindOf(directory, name);
  return scanner.Find(text, kind, TextKindOf(kind, name));
}

std::vector<std::string> Kinds(std::string_view text, std::string_view name = "x.conf",
                               std::string_view directory = "/etc") {
  std::vector<std::string> kinds;
  for (const Finding& finding : Find(text, name, directory)) kinds.emplace_back(finding.kind);
  return kinds;
}

std::string Pem(std::string_view label, std::string_view body, std::string_view headers = "") {
  return StrCat("-----BEGIN ", label, "-----\n", headers, body, "\n-----END ", label, "-----\n");
}

TEST(TokensTest, FormatsOfServicesAreKnownAndLookalikesAreNot) {
  struct Case {
    std::string kind, token;
  };
  const std::string hex = Random(64, "0123456789abcdef");
  for (const Case& c : std::initializer_list<Case>{
           {"github-token", "ghp_" + Random(36)},
           {"github-token", "github_pat_" + Random(22) + "_" + Random(59)},
           {"gitlab-token", "glpat-" + Random(20)},
           {"slack-token", "xoxb-" + Random(12, "0123456789") + "-" + Random(24)},
           {"slack-token",
            "https://hooks.slack.com/services/T" + Random(8) + "/B" + Random(8) + "/" + Random(24)},
           {"stripe-key", "sk_live_" + Random(24)},
           {"npm-token", "npm_" + Random(36)},
           {"pypi-token", "pypi-AgEIcHlwaS5vcmc" + Random(80)},
           {"google-key", "AIza" + Random(35)},
           {"sendgrid-key", "SG." + Random(22) + "." + Random(43)},
           {"digitalocean-token", "dop_v1_" + hex},
           {"vault-token", "hvs." + Random(90)},
           {"huggingface-token", "hf_" + Random(34)},
           {"openai-key", "sk-proj-" + Random(48)},
           {"anthropic-key", "sk-ant-api03-" + Random(90)},
           {"age-key", "AGE-SECRET-KEY-1" + Random(58, "QPZRY9X8GF2TVDW0S3JN54KHCE6MUA7L")},
           {"azure-key", "AccountKey=" + Random(86, kBase64) + "=="},
           {"azure-key", Random(3) + "8Q~" + Random(34)},
       }) {
    EXPECT_THAT(Kinds("x " + c.token + "\n"), ElementsAre(c.kind)) << c.token;
    EXPECT_THAT(Kinds(c.token), ElementsAre(c.kind)) << c.token;
    EXPECT_THAT(Kinds("x" + c.token.substr(0, 12) + "\n"), IsEmpty()) << c.token;
    const auto found = Find("\"" + c.token + "\"");
    ASSERT_EQ(found.size(), 1u) << c.token;
    EXPECT_TRUE(found[0].unguessable);
  }
  EXPECT_THAT(Kinds("x_ghp_" + Random(36)), IsEmpty());
  EXPECT_THAT(Kinds("ghp_" + std::string(36, 'x')), IsEmpty());
  EXPECT_THAT(Kinds("npm_" + Random(37)), IsEmpty());
  EXPECT_THAT(Kinds("GHP_" + Random(36)), IsEmpty());
}

TEST(TokensTest, ANameInFrontMakesNoSecondFinding) {
  EXPECT_THAT(Kinds("github_token = \"ghp_" + Random(36) + "\"\n"), ElementsAre("github-token"));
}

TEST(TokensTest, AnAwsSecretNeedsItsKeyIdOrItsName) {
  const std::string secret = Random(40, kBase64);
  const std::string id = "AKIA" + Random(16, "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567");
  EXPECT_THAT(Kinds(StrCat("a=", id, "\nb=", secret, "\n")), ElementsAre("aws-secret-key"));
  EXPECT_THAT(Kinds(StrCat("[default]\naws_secret_access_key = ", secret, "\n")),
              ElementsAre("aws-secret-key"));
  EXPECT_THAT(Kinds(StrCat("id ", id, "\n")), IsEmpty());
  EXPECT_THAT(Kinds(StrCat("b ", secret, "\n")), IsEmpty());
  // A commit is none.
  EXPECT_THAT(Kinds(StrCat("a=", id, "\nb=", Random(40, "0123456789abcdef"), "\n")), IsEmpty());
}

TEST(TokensTest, AJwtHasAHeaderThatNamesItsAlgorithm) {
  const auto part = [](std::string_view text) {
    std::string encoded;
    absl::WebSafeBase64Escape(ToAbsl(text), &encoded);
    return encoded;
  };
  const std::string payload = part("{\"sub\":\"1234567890\"}");
  EXPECT_THAT(Kinds(StrCat(part("{\"alg\":\"HS256\"}"), ".", payload, ".", Random(43))),
              ElementsAre("jwt"));
  EXPECT_THAT(Kinds(StrCat(part("{\"foo\":\"HS256\"}"), ".", payload, ".", Random(43))), IsEmpty());
  EXPECT_THAT(Kinds(StrCat(part("{\"alg\":\"HS256\"}"), ".", payload)), IsEmpty());
}

TEST(TokensTest, PasswordsInUrls) {
  for (const char* url : {"postgres://app:S3cr3tPw@db/x", "redis://:tr0ub4dor@h:6379",
                          "https://u:p%40ss1@host.corp/x", "see <amqp://a:k9x@mq>"})
    EXPECT_THAT(Kinds(url), ElementsAre("url-password")) << url;
  for (const char* url :
       {"https://host:8080/a@b", "http://user:password@host/", "http://user:${PW}@host",
        "http://a@b", "git+ssh://git@github.com:a/b", "://a:b@c", "http://user:<pass>@host",
        "http://x:y@", "http://u:xyz@a.example.com:80/"})
    EXPECT_THAT(Kinds(url), IsEmpty()) << url;
}

TEST(PrivateKeysTest, ClearOnesAreFoundAndEncryptedOnesAreNot) {
  const std::string body = Random(200, kBase64);
  EXPECT_THAT(Kinds(Pem("RSA PRIVATE KEY", body)), ElementsAre("private-key"));
  EXPECT_THAT(Kinds(Pem("PRIVATE KEY", body)), ElementsAre("private-key"));
  EXPECT_THAT(Kinds(Pem("EC PRIVATE KEY", body)), ElementsAre("private-key"));
  EXPECT_THAT(Kinds(Pem("ENCRYPTED PRIVATE KEY", body)), IsEmpty());
  EXPECT_THAT(
      Kinds(Pem("RSA PRIVATE KEY", body, "Proc-Type: 4,ENCRYPTED\nDEK-Info: AES-128-CBC,00\n\n")),
      IsEmpty());
  EXPECT_THAT(Kinds(Pem("PUBLIC KEY", body)), IsEmpty());
  EXPECT_THAT(Kinds(Pem("CERTIFICATE", body)), IsEmpty());
  // Programs that look for keys, and examples.
  EXPECT_THAT(Kinds("if (text.find(\"-----BEGIN RSA PRIVATE KEY-----\"))\n", "x.cc"), IsEmpty());
  EXPECT_THAT(Kinds(Pem("PRIVATE KEY", "MIIE...")), IsEmpty());
  EXPECT_THAT(Kinds("-----BEGIN PRIVATE KEY-----\n" + body), IsEmpty());
}

TEST(PrivateKeysTest, OpensshSaysWhetherItIsEncrypted) {
  for (const std::string cipher : {"none", "aes256-ctr"}) {
    std::string bytes("openssh-key-v1\0", 15);
    AppendWireString(&bytes, cipher);
    bytes += Random(150);
    EXPECT_EQ(Kinds(Pem("OPENSSH PRIVATE KEY", absl::Base64Escape(bytes))).size(),
              cipher == "none" ? 1u : 0u);
  }
}

TEST(PrivateKeysTest, AKeyHasOneFingerprintInWhateverWrapping) {
  const std::string body = Random(128, kBase64);
  const std::string pem = Pem("PRIVATE KEY", StrCat(body.substr(0, 64), "\n", body.substr(64)));
  const auto plain = Find(pem);
  const auto json =
      Find(StrCat("{\"key\": \"", absl::StrReplaceAll(pem, {{"\n", "\\n"}}), "\"}"), "x.json");
  const auto code = Find(
      StrCat("k = (\"", absl::StrReplaceAll(pem.substr(0, pem.size() - 1), {{"\n", "\\n\"\n  \""}}),
             "\")"),
      "x.py");
  const auto yaml = Find(StrCat("key: |\n  ", absl::StrReplaceAll(pem, {{"\n", "\n  "}})), "x.yml");
  ASSERT_EQ(plain.size(), 1u);
  for (const auto& other : {json, code, yaml}) {
    ASSERT_EQ(other.size(), 1u);
    EXPECT_EQ(FingerprintOf(other[0], "/b"), FingerprintOf(plain[0], "/a"));
  }
}

TEST(PrivateKeysTest, GooglesServiceAccountsAreJsonWithAKey) {
  const std::string pem =
      absl::StrReplaceAll(Pem("PRIVATE KEY", Random(200, kBase64)), {{"\n", "\\n"}});
  EXPECT_THAT(Kinds(StrCat("{\n \"type\": \"service_account\",\n \"private_key_id\": \"1\",\n"
                           " \"private_key\": \"",
                           pem, "\"\n}\n"),
                    "x.json"),
              ElementsAre("gcp-service-account"));
}

TEST(PrivateKeysTest, PuttySaysWhetherItIsEncrypted) {
  for (const std::string encryption : {"none", "aes256-cbc"}) {
    const std::string file = StrCat("PuTTY-User-Key-File-3: ssh-ed25519\nEncryption: ", encryption,
                                    "\nComment: x\nPublic-Lines: 2\nAAAA\nBBBB\nPrivate-Lines: 1\n",
                                    Random(48, kBase64), "\nPrivate-MAC: 00\n");
    EXPECT_EQ(Kinds(file, "key.ppk").size(), encryption == "none" ? 1u : 0u);
  }
}

TEST(PrivateKeysTest, OpenPgpSaysWhetherItIsProtected) {
  // A v4 EdDSA key: version, time, algorithm, curve, point, then the usage octet.
  const auto packet = [](char usage) {
    std::string body("\x04\0\0\0\0\x16\x09\x2b\x06\x01\x04\x01\xda\x47\x0f\x01\x01\x07", 18);
    body += std::string(1, 0x40) + Random(32);
    body += usage;
    body += Random(40);
    return StrCat(std::string(1, static_cast<char>(0xc5)),
                  std::string(1, static_cast<char>(body.size())), body);
  };
  EXPECT_TRUE(HasUnprotectedPgpKey(packet(0)));
  EXPECT_FALSE(HasUnprotectedPgpKey(packet(static_cast<char>(254))));
  EXPECT_TRUE(HasUnprotectedPgpKey(packet(static_cast<char>(254)) + packet(0)));
  EXPECT_FALSE(HasUnprotectedPgpKey(""));
  const auto armoured = [&](char usage) {
    return Pem("PGP PRIVATE KEY BLOCK", absl::Base64Escape(packet(usage)) + "\n=abcd",
               "Version: x\n\n");
  };
  EXPECT_THAT(Kinds(armoured(0)), ElementsAre("pgp-key"));
  EXPECT_THAT(Kinds(armoured(static_cast<char>(254))), IsEmpty());
}

TEST(PrivateKeysTest, KubeconfigsHoldKeysInBase64) {
  const std::string key = absl::Base64Escape(Pem("RSA PRIVATE KEY", Random(200, kBase64)));
  EXPECT_THAT(Kinds(StrCat("    client-key-data: ", key, "\n"), "config", "/root/.kube"),
              ElementsAre("kubeconfig-key"));
  EXPECT_THAT(Kinds(StrCat("client-certificate-data: ", key, "\n")), IsEmpty());
}

TEST(NamedValuesTest, SettingsAssignPasswords) {
  for (const char* text :
       {"password=Tr0ub4dor&3\n", "db_password: 'hunter-729'\n",
        "\"adminPassword\": \"x9!kQ2pp\"\n", "  <password>geheim.2024</password>\n",
        "DB_PASSWD := s3cr3t99\n", "psk=\"wifi-Key 1\"\n", "psk=\"wifiKey-2024\"\n",
        "spring.datasource.password=Pa55phrase\n", "passphrase = ab12cd34\n"}) {
    const bool has_blank = std::string_view(text).find("Key 1") != std::string_view::npos;
    EXPECT_EQ(Kinds(text).size(), has_blank ? 0u : 1u) << text;
  }
}

TEST(NamedValuesTest, WhatIsNoValueIsNoPassword) {
  for (const char* text : {"password=\n",
                           "password=changeme\n",
                           "password=${DB_PASSWORD}\n",
                           "password: {{ pw }}\n",
                           "password=ENC[AES256_GCM,data:abc,type:str]\n",
                           "password = !vault |\n",
                           "password=********\n",
                           "password_file=/etc/secret1\n",
                           "passwordUrl: https://x1.example\n",
                           "password_min_length = 12\n",
                           "password: $6$abc$def1\n",
                           "password={SSHA}x9x9x9x9\n",
                           "Password: \n",
                           "password == hunter27\n",
                           "secret_name: my-secret-27\n",
                           "token_type: bearer27\n",
                           "passwd: files systemd\n",
                           "password requisite pam_x.so retry=3\n",
                           "tokens: 128\n",
                           "password=getpass('x1')\n",
                           "secretKeyRef: db-2-credentials\n",
                           "token: kubernetes.io/service-account-token\n",
                           "methods \"reject\", \"password\", \"scram-sha-256\"\n",
                           "password_encryption = scram-sha-256\n",
                           "signing_key = \"pkcs11:token=x1;object=y2?module-path=/usr\"\n",
                           "f password= scmVersion2=\n"}) {
    EXPECT_THAT(Kinds(text), IsEmpty()) << text;
  }
}

TEST(NamedValuesTest, InProgramsOnlyQuotedTextIsAValue) {
  EXPECT_THAT(Kinds("password = \"c0rrectHorse\"\n", "x.py"), ElementsAre("password"));
  EXPECT_THAT(Kinds("define('DB_PASSWORD', 'c0rrectHorse');\n", "x.php"), ElementsAre("password"));
  for (const char* text : {"password = user2.password3\n", "token = next_token(1234, abc)\n",
                           "secret := os.Getenv(\"X1\")\n", "password = \"Enter a password\"\n",
                           "auto token = tokens[current123];\n"}) {
    EXPECT_THAT(Kinds(text, "x.go"), IsEmpty()) << text;
  }
}

TEST(NamedValuesTest, TokensMustLookRandom) {
  EXPECT_THAT(Kinds("api_key = " + Random(32) + "\n"), ElementsAre("token"));
  EXPECT_THAT(Kinds("client_secret: \"" + Random(40) + "\"\n"), ElementsAre("token"));
  for (const char* text : {"api_key = production-frontend-2\n", "token = aaaaaaaaaaaaaaaaaaaa1\n",
                           "secret: org.example.app.secret.v2\n"}) {
    EXPECT_THAT(Kinds(text), IsEmpty()) << text;
  }
}

TEST(KnownFilesTest, EnvFilesHoldWhateverIsAssigned) {
  EXPECT_THAT(Kinds("DB_PASSWORD=simple\nAPP_NAME=x\nSECRET_KEY=\n", ".env"),
              ElementsAre("password"));
  EXPECT_THAT(Kinds("DB_PASSWORD=simple\n", ".env.example"), IsEmpty());
}

TEST(KnownFilesTest, NetrcAndPgpassHaveAFormOfTheirOwn) {
  EXPECT_THAT(Kinds("machine h login password password s3c\n# password x\n", ".netrc"),
              ElementsAre("netrc"));
  EXPECT_THAT(Kinds("machine h login me\n", ".netrc"), IsEmpty());
  EXPECT_THAT(Kinds("#c\nlocalhost:5432:*:me:pa\\:ss\nh:1:d\\:b:u:\n", ".pgpass"),
              ElementsAre("pgpass"));
}

TEST(KnownFilesTest, DockersAuthsAreUserAndPassword) {
  EXPECT_THAT(
      Kinds(StrCat("{\"auths\": {\"r\": {\"auth\": \"", absl::Base64Escape("u:p4ss"), "\"}}}"),
            "config.json", "/root/.docker"),
      ElementsAre("docker-auth"));
  EXPECT_THAT(Kinds(StrCat("{\"auths\": {\"r\": {\"auth\": \"", absl::Base64Escape("u:"), "\"}}}"),
                    "config.json", "/root/.docker"),
              IsEmpty());
  EXPECT_THAT(
      Kinds("{\"auths\": {\"r\": {}}, \"credsStore\": \"pass\"}", "config.json", "/root/.docker"),
      IsEmpty());
}

TEST(KnownFilesTest, HistoriesHoldPasswordsOfCommands) {
  for (const char* line :
       {"sshpass -p geheim ssh x", "mysql -u root -pgeheim db", "curl -s -u me:geheim https://x",
        "tool --password=geheim", "CREATE USER x IDENTIFIED BY 'geheim';",
        "ALTER ROLE x PASSWORD 'geheim';", "echo geheim | sudo -S ls",
        "echo 'root:geheim' | chpasswd", "docker login -u x -p geheim r"}) {
    EXPECT_THAT(Kinds(StrCat("ls\n", line, "\n"), ".bash_history"), ElementsAre("command-line"))
        << line;
    EXPECT_THAT(Kinds(StrCat("ls\n", line, "\n"), "notes.txt"), IsEmpty()) << line;
  }
  for (const char* line : {"mysql -u root -p db", "ssh -p 22 x", "curl -u me https://x",
                           "tool --password-file x", "mysql -u root -p$PW", "passwd alice"})
    EXPECT_THAT(Kinds(StrCat(line, "\n"), ".bash_history"), IsEmpty()) << line;
}

TEST(EncryptedTest, WhatIsEncryptedIsFine) {
  EXPECT_TRUE(IsEncrypted("$ANSIBLE_VAULT;1.1;AES256\n33"));
  EXPECT_TRUE(IsEncrypted("age-encryption.org/v1\n"));
  EXPECT_TRUE(IsEncrypted("\n-----BEGIN PGP MESSAGE-----\n"));
  EXPECT_FALSE(IsEncrypted("password=x"));
  EXPECT_TRUE(IsBinary(std::string("ab\0c", 4)));
  EXPECT_FALSE(IsBinary("abc"));
}

TEST(FingerprintTest, NothingThatCouldBeGuessedIsHashed) {
  const auto weak = Find("password=Summer2024\n");
  const auto other = Find("password=Winter2023\n");
  ASSERT_EQ(weak.size(), 1u);
  ASSERT_EQ(other.size(), 1u);
  EXPECT_THAT(FingerprintOf(weak[0], "/a"), testing::StartsWith("place:"));
  EXPECT_EQ(FingerprintOf(weak[0], "/a"), FingerprintOf(other[0], "/a"));
  EXPECT_NE(FingerprintOf(weak[0], "/a"), FingerprintOf(weak[0], "/b"));
  const auto strong = Find("api_key=" + Random(40) + "\n");
  ASSERT_EQ(strong.size(), 1u);
  EXPECT_THAT(FingerprintOf(strong[0], "/a"), testing::StartsWith("secret:"));
  EXPECT_EQ(FingerprintOf(strong[0], "/a"), FingerprintOf(strong[0], "/b"));
}

TEST(RandomnessTest, WordsAreGuessableHoweverLong) {
  for (const char* text :
       {"correct-horse-battery-staple-2024", "CorrectHorseBatteryStaple1234",
        "Summer2024Winter2023", "aaaaaaaaaaaaaaaaaaaaaaaa11", "production_database_password_1"}) {
    EXPECT_FALSE(IsUnguessable(text)) << text;
  }
  EXPECT_TRUE(IsUnguessable(Random(32)));
  EXPECT_TRUE(IsUnguessable(Random(40, "0123456789abcdef")));
}

TEST(ScannerTest, TextsThatRepeatWhatIsLookedForTakeLinearTime) {
  // What takes quadratic time, takes hours here.
  for (const std::string_view part :
       {"-----BEGIN PRIVATE KEY-----\n", "-----BEGIN PRIVATE KEY-----\nA: b\n", "token=", "eyJ.",
        "PuTTY-User-Key-File-\nEncryption: none\n", "a://b:c@", "AKIA2222222222222222 ",
        "password=\"", "\"auth\" ", "client-key-data: AAAA"}) {
    std::string text;
    while (text.size() < (512 << 10)) text += part;
    Find(text, "x.conf");
    Find(text, "config.json", "/root/.docker");
    Find(text, ".bash_history");
  }
}

}  // namespace
}  // namespace dragnet::secrets
