#include "modules/tls/guideline.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>

#include "absl/strings/numbers.h"
#include "absl/strings/str_split.h"
#include "core/strings.h"
#include "modules/tls/names.h"

namespace dragnet::tls {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Not;

// The guidelines once more, as Mozilla publishes them, in short: protocols by their
// last digit, groups, key types, curves, signatures, bits of RSA, DH and curves,
// lifespan and recommended lifespan in days, whose order, and ciphers by IANA's code.
struct Published {
  std::string_view version;
  Level level;
  std::string_view protocols;
  std::string_view groups;
  std::string_view key_types;
  std::string_view key_curves;
  std::string_view signatures;
  uint32_t rsa_bits;
  uint32_t dh_bits;
  uint32_t curve_bits;
  uint32_t lifespan_days;
  uint32_t recommended_lifespan_days;
  char order;
  std::string_view ciphers;
};

constexpr Published kPublished[] = {
    {"4.0", Level::kModern, "2", "p256 p384 p521", "ecdsa", "p256 p384 p521", "r2 e256 e384 e512",
     2048, 0, 256, 0, 0, '?', "c02c c030 cca9 cca8 c02b c02f c024 c028 c023 c027"},
    {"4.0", Level::kIntermediate, "012", "p256 p384 p521", "rsa", "", "r2", 2048, 2048, 256, 0, 0,
     '?',
     "cca9 cca8 c02b c02f c02c c030 009e 009f c023 c027 c009 c028 c013 c024 c00a c014 "
     "0067 0033 006b 0039 c008 c012 0016 009c 009d 003c 003d 002f 0035 000a"},
    {"4.0", Level::kOld, "s012", "p256 p384 p521", "rsa", "", "r1", 2048, 1024, 160, 0, 0, '?',
     "cca9 cca8 c02f c02b c030 c02c 009e 00a2 00a3 009f c027 c023 c013 c009 c028 c024 "
     "c014 c00a 0067 0033 0040 006b 0038 0039 c012 c008 0016 009c 009d 003c 003d 002f "
     "0035 006a 0032 000a ccaa c077 c073 00c4 00c3 0088 0087 00c0 0084 c076 c072 00be "
     "00bd 0045 0044 00ba 0041 009a 0099 0096"},
    {"5.0", Level::kModern, "3", "x p256 p384", "ecdsa", "p256 p384", "e256 e384 e512", 2048, 0,
     256, 90, 0, 'c', "1301 1302 1303"},
    {"5.0", Level::kIntermediate, "23", "x p256 p384", "ecdsa rsa", "", "r2 e256 e384 e512", 2048,
     2048, 256, 730, 0, 'c', "1301 1302 1303 c02b c02f c02c c030 cca9 cca8 009e 009f"},
    {"5.0", Level::kOld, "0123", "x p256 p384", "rsa", "", "r2", 2048, 1024, 256, 730, 0, 's',
     "1301 1302 1303 c02b c02f c02c c030 cca9 cca8 009e 009f ccaa c023 c027 c009 c013 "
     "c024 c028 c00a c014 0067 006b 009c 009d 003c 003d 002f 0035 000a"},
    {"5.8", Level::kModern, "3", "mlkem x p256 p384", "ecdsa", "p256 p384", "e256 e384 e512", 0, 0,
     256, 90, 90, 'c', "1301 1302 1303"},
    {"5.8", Level::kIntermediate, "23", "mlkem x p256 p384", "ecdsa rsa", "p256 p384",
     "r2 e256 e384 e512", 2048, 2048, 256, 366, 90, 'c',
     "1301 1302 1303 c02b c02f c02c c030 cca9 cca8"},
    {"5.8", Level::kOld, "0123", "mlkem x p256 p384", "rsa", "p256 p384", "r2", 2048, 2048, 256,
     366, 90, 's',
     "1301 1302 1303 c02b c02f c02c c030 cca9 cca8 c023 c027 c009 c013 c024 c028 c00a "
     "c014 009c 009d 003c 003d 002f 0035 000a"},
    {"6.0", Level::kModern, "3", "mlkem x p256 p384", "ecdsa", "p256 p384", "e256 e384 e512", 0, 0,
     256, 90, 90, 'c', "1301 1302 1303"},
    {"6.0", Level::kIntermediate, "23", "mlkem x p256 p384", "ecdsa rsa", "p256 p384",
     "r2 e256 e384 e512", 2048, 2048, 256, 366, 90, 'c',
     "1301 1302 1303 c02b c02f c02c c030 cca9 cca8"},
};

std::string_view ShortName(std::string_view name) {
  static const std::map<std::string_view, std::string_view> kShort = {
      {"SSLv3", "s"},
      {"TLSv1.0", "0"},
      {"TLSv1.1", "1"},
      {"TLSv1.2", "2"},
      {"TLSv1.3", "3"},
      {"secp256r1", "p256"},
      {"secp384r1", "p384"},
      {"secp521r1", "p521"},
      {"x25519", "x"},
      {"X25519MLKEM768", "mlkem"},
      {"sha256WithRSAEncryption", "r2"},
      {"sha1WithRSAEncryption", "r1"},
      {"ecdsa-with-SHA256", "e256"},
      {"ecdsa-with-SHA384", "e384"},
      {"ecdsa-with-SHA512", "e512"}};
  const auto found = kShort.find(name);
  return found == kShort.end() ? name : found->second;
}

std::string InShort(Names names, std::string_view separator = " ") {
  std::string text;
  for (const std::string_view name : names)
    StrAppend(&text, text.empty() ? "" : separator, ShortName(name));
  return text;
}

TEST(GuidelineTablesTest, AreWhatMozillaPublishes) {
  size_t levels = 0;
  for (const Guideline& guideline : AllGuidelines()) levels += guideline.levels.size();
  EXPECT_EQ(levels, std::size(kPublished));
  for (const Published& published : kPublished) {
    SCOPED_TRACE(StrCat(published.version, " ", LevelName(published.level)));
    const Guideline* guideline = FindGuideline(published.version);
    ASSERT_NE(guideline, nullptr);
    const LevelRules* rules = FindLevel(*guideline, published.level);
    ASSERT_NE(rules, nullptr);
    EXPECT_EQ(InShort(rules->protocols, ""), published.protocols);
    EXPECT_EQ(InShort(rules->groups), published.groups);
    EXPECT_EQ(InShort(rules->key_types), published.key_types);
    EXPECT_EQ(InShort(rules->key_curves), published.key_curves);
    EXPECT_EQ(InShort(rules->signatures), published.signatures);
    EXPECT_EQ(rules->rsa_bits, published.rsa_bits);
    EXPECT_EQ(rules->dh_bits, published.dh_bits);
    EXPECT_EQ(rules->curve_bits, published.curve_bits);
    EXPECT_EQ(rules->lifespan_days, published.lifespan_days);
    EXPECT_EQ(rules->recommended_lifespan_days, published.recommended_lifespan_days);
    EXPECT_EQ(rules->order, published.order == 's'   ? CipherOrder::kServer
                            : published.order == 'c' ? CipherOrder::kClient
                                                     : CipherOrder::kAny);
    std::vector<std::string> ciphers;
    for (const absl::string_view code : absl::StrSplit(ToAbsl(published.ciphers), ' ')) {
      uint32_t number = 0;
      ASSERT_TRUE(absl::SimpleHexAtoi(code, &number));
      ciphers.push_back(SuiteName(static_cast<uint16_t>(number)));
    }
    EXPECT_EQ(std::vector<std::string>(rules->ciphers.begin(), rules->ciphers.end()), ciphers);
  }
}

v1::TlsRow Service(std::vector<std::string> protocols, std::vector<std::string> ciphers) {
  v1::TlsRow row;
  for (const std::string& protocol : protocols) row.add_protocols(protocol);
  for (const std::string& cipher : ciphers) row.add_ciphers(cipher);
  row.set_min_protocol(protocols.front());
  row.set_max_protocol(protocols.back());
  row.add_groups("x25519");
  row.add_groups("secp256r1");
  row.set_renegotiation("secure");
  row.set_subject("CN=www.example.com");
  row.set_sha256("00");
  row.set_key_type("ecdsa");
  row.set_key_bits(256);
  row.set_key_curve("secp256r1");
  row.set_signature("ecdsa-with-SHA256");
  row.set_lifespan_days(90);
  return row;
}

v1::TlsRow Modern() { return Service({"TLSv1.3"}, {"TLS_AES_128_GCM_SHA256"}); }
v1::TlsRow Intermediate() {
  return Service({"TLSv1.2", "TLSv1.3"},
                 {"TLS_AES_128_GCM_SHA256", "ECDHE-ECDSA-AES128-GCM-SHA256"});
}

void SetRsa(uint32_t bits, v1::TlsRow* row) {
  row->set_key_type("rsa");
  row->set_key_bits(bits);
  row->clear_key_curve();
  row->set_signature("sha256WithRSAEncryption");
}

Level LevelOf(const v1::TlsRow& row, std::string_view version = "5.8") {
  return ReachedLevel(row, {}, *FindGuideline(version));
}

std::vector<std::string> Obstacles(const v1::TlsRow& row, Level level,
                                   std::string_view version = "5.8") {
  return Judge(row, {}, *FindGuideline(version), level).obstacles;
}

TEST(GuidelineTest, ServicesReachTheStrictestLevelThatTheyKeepTo) {
  EXPECT_EQ(LevelOf(Modern()), Level::kModern);
  EXPECT_EQ(LevelOf(Intermediate()), Level::kIntermediate);
  v1::TlsRow old = Service({"TLSv1.0", "TLSv1.2"}, {"AES128-SHA", "DES-CBC3-SHA"});
  old.set_cipher_order("server");
  EXPECT_EQ(LevelOf(old), Level::kOld);
  EXPECT_EQ(LevelOf(old, "6.0"), Level::kNone);
  old.add_protocols("SSLv3");
  EXPECT_EQ(LevelOf(old), Level::kNone);
}

TEST(GuidelineTest, AStricterServiceMeetsALaxerLevel) {
  EXPECT_THAT(Obstacles(Intermediate(), Level::kOld), IsEmpty());
  v1::TlsRow row = Intermediate();
  SetRsa(2048, &row);
  EXPECT_THAT(Obstacles(row, Level::kIntermediate), IsEmpty());
  EXPECT_THAT(Obstacles(row, Level::kOld), IsEmpty());
}

TEST(GuidelineTest, SaysWhatToChange) {
  v1::TlsRow row = Service({"SSLv3", "TLSv1.0"}, {"RC4-SHA", "DHE-RSA-AES128-SHA"});
  SetRsa(1024, &row);
  row.set_signature("sha1WithRSAEncryption");
  row.set_dh_bits(1024);
  row.set_lifespan_days(3650);
  row.set_compression(true);
  row.set_renegotiation("insecure");
  row.add_groups("secp160r1");
  EXPECT_THAT(
      Obstacles(row, Level::kIntermediate),
      ElementsAre("disable SSLv3", "disable TLSv1.0", "enable TLSv1.2 or TLSv1.3",
                  "remove the ciphers RC4-SHA, DHE-RSA-AES128-SHA",
                  "add ciphers of the level, such as TLS_AES_128_GCM_SHA256",
                  "DH parameters of 1024 bits: use 2048 at least, or remove the DHE ciphers",
                  "remove the groups secp160r1",
                  "certificate: key of 1024 bits, use 2048 or an ecdsa key of secp256r1",
                  "certificate: signed with sha1WithRSAEncryption, use sha256WithRSAEncryption or "
                  "ecdsa-with-SHA256 or ecdsa-with-SHA384 or ecdsa-with-SHA512",
                  "certificate: valid for 3650 days, use 366 at most", "switch TLS compression off",
                  "enable secure renegotiation (RFC 5746)"));
}

TEST(GuidelineTest, ModernAsksForAnEcdsaKeyAndTls13Alone) {
  v1::TlsRow row = Intermediate();
  SetRsa(4096, &row);
  EXPECT_THAT(Obstacles(row, Level::kModern),
              ElementsAre("disable TLSv1.2", "remove the cipher ECDHE-ECDSA-AES128-GCM-SHA256",
                          "certificate: rsa key, use ecdsa",
                          "certificate: signed with sha256WithRSAEncryption, use "
                          "ecdsa-with-SHA256 or ecdsa-with-SHA384 or ecdsa-with-SHA512"));
  v1::TlsRow curve = Modern();
  curve.set_key_curve("secp521r1");
  EXPECT_THAT(Obstacles(curve, Level::kModern),
              ElementsAre("certificate: key of curve secp521r1, use secp256r1 or secp384r1"));
}

TEST(GuidelineTest, ASecondCertificateCountsAsTheFirst) {
  v1::TlsRow row = Intermediate();
  v1::Certificate& other = *row.add_other_certificates();
  other.set_key_type("rsa");
  other.set_key_bits(2048);
  other.set_signature("sha256WithRSAEncryption");
  other.set_lifespan_days(90);
  EXPECT_EQ(LevelOf(row), Level::kIntermediate);
  other.set_key_bits(1024);
  EXPECT_EQ(LevelOf(row), Level::kNone);
}

TEST(GuidelineTest, WeakSignaturesWithinTheChainCountButNotThoseOfRoots) {
  v1::TlsRow row = Modern();
  row.add_chain();
  v1::Certificate& issuer = *row.add_chain();
  issuer.set_subject("CN=Old CA");
  issuer.set_signature("sha1WithRSAEncryption");
  EXPECT_THAT(
      Obstacles(row, Level::kModern),
      ElementsAre("chain: CN=Old CA is signed with sha1WithRSAEncryption, use another one"));
  issuer.set_self_signed(true);
  EXPECT_THAT(Obstacles(row, Level::kModern), IsEmpty());
}

TEST(GuidelineTest, StrongerSignaturesThanListedAreNoObstacle) {
  v1::TlsRow row = Intermediate();
  SetRsa(2048, &row);
  row.set_signature("sha512WithRSAEncryption");
  EXPECT_EQ(LevelOf(row), Level::kIntermediate);
}

TEST(GuidelineTest, MissingProtocolsAreAdviceUnlessNothingIsLeft) {
  v1::TlsRow row = Service({"TLSv1.2"}, {"ECDHE-ECDSA-AES128-GCM-SHA256"});
  EXPECT_EQ(LevelOf(row), Level::kIntermediate);
  EXPECT_THAT(Judge(row, {}, *FindGuideline("6.0"), Level::kIntermediate).advice,
              ElementsAre("consider enabling TLSv1.3"));
  EXPECT_THAT(Obstacles(row, Level::kModern), Contains("enable TLSv1.3"));
}

TEST(GuidelineTest, GroupsOfGoodSizeAreAdvice) {
  v1::TlsRow row = Modern();
  row.add_groups("x448");
  row.add_groups("ffdhe2048");
  const Judgement judgement = Judge(row, {}, *FindGuideline("6.0"), Level::kModern);
  EXPECT_THAT(judgement.obstacles, IsEmpty());
  EXPECT_THAT(judgement.advice, Contains(HasSubstr("x448, ffdhe2048")));
}

TEST(GuidelineTest, OldAsksForTheServersOrder) {
  v1::TlsRow row = Service({"TLSv1.0"}, {"AES128-SHA", "AES256-SHA"});
  row.set_cipher_order("client");
  EXPECT_THAT(Obstacles(row, Level::kOld), ElementsAre(HasSubstr("let the server choose")));
  row.set_cipher_order("server");
  EXPECT_THAT(Obstacles(row, Level::kOld), IsEmpty());
}

TEST(GuidelineTest, AGuidelineOlderThanTls13DoesNotJudgeIt) {
  v1::TlsRow row =
      Service({"TLSv1.2", "TLSv1.3"}, {"TLS_AES_128_GCM_SHA256", "ECDHE-ECDSA-AES128-GCM-SHA256"});
  EXPECT_EQ(LevelOf(row, "4.0"), Level::kModern);
}

TEST(GuidelineTest, ACertificateThatWasNotSeenKeepsFromEveryLevel) {
  v1::TlsRow row = Modern();
  row.clear_subject();
  row.clear_sha256();
  EXPECT_EQ(ReachedLevel(row, {.certificate_unseen = true}, *FindGuideline("6.0")), Level::kNone);
}

TEST(GuidelineTest, StaplingIsAdvisedWhereSomeoneCanBeAsked) {
  const v1::TlsRow row = Modern();
  const Guideline& guideline = *FindGuideline("6.0");
  EXPECT_THAT(Judge(row, {.has_ocsp_responder = true}, guideline, Level::kModern).advice,
              Contains("consider OCSP stapling"));
  EXPECT_THAT(Judge(row, {}, guideline, Level::kModern).advice,
              Not(Contains("consider OCSP stapling")));
}

}  // namespace
}  // namespace dragnet::tls
