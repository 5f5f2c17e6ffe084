#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <filesystem>
#include <map>
#include <optional>
#include <string>
#include <vector>

#include "core/strings.h"
#include "google/protobuf/util/json_util.h"
#include "modules/pkg/test_root.h"
#include "modules/run_context_fake.h"
#include "modules/settings/formats.h"
#include "modules/settings/run.h"
#include "modules/settings/search.h"
#include "modules/settings/settings.pb.h"

namespace dragnet {
const Module& SettingsModule();
}

namespace dragnet::settings {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

class SettingsTest : public testing::Test {
 protected:
  // The rows of a search, as JSON parameters, over the files of root_.
  std::vector<v1::SettingsRow> Run(const std::string& json) {
    v1::SettingsParameters parameters;
    const auto parsed = google::protobuf::util::JsonStringToMessage(json, &parameters);
    EXPECT_TRUE(parsed.ok()) << parsed.ToString();
    const auto search = CompileSearch(parameters);
    EXPECT_TRUE(search.ok()) << search.status();
    const auto root = pkg::Root::Open(root_.path());
    FakeRunContext context;
    RunSearch(*search, *root, context);
    unexamined_ = context.unexamined;
    return context.RowsAs<v1::SettingsRow>();
  }

  // key=value of what counts, in order.
  static std::vector<std::string> Effective(const std::vector<v1::SettingsRow>& rows) {
    std::vector<std::string> texts;
    for (const auto& row : rows)
      if (row.effective()) texts.push_back(StrCat(row.key(), "=", row.value()));
    return texts;
  }

  pkg::TestRoot root_;
  std::map<std::string, std::vector<std::string>> unexamined_;
};

constexpr char kSshd[] = R"({"format": "sshd", "paths": ["/etc/ssh/sshd_config"]})";

TEST_F(SettingsTest, OfSshdTheFirstValueCountsWhateverItsCase) {
  root_.File("/etc/ssh/sshd_config",
             "# PermitRootLogin yes\n"
             "permitROOTlogin NO   # for good\n"
             "PermitRootLogin yes\n"
             "Banner=\"/etc/a b\"\n");
  EXPECT_THAT(Effective(Run(kSshd)), ElementsAre("permitROOTlogin=no", "Banner=/etc/a b"));
}

TEST_F(SettingsTest, OfSshdSomeKeywordsMayRepeat) {
  root_.File("/etc/ssh/sshd_config", "Port 22\nPort 2222\nX11Forwarding no\nX11Forwarding yes\n");
  EXPECT_THAT(Effective(Run(kSshd)), ElementsAre("Port=22", "Port=2222", "X11Forwarding=no"));
}

TEST_F(SettingsTest, IncludesOfSshdStandWhereTheyAreInLexicalOrder) {
  root_.File("/etc/ssh/sshd_config",
             "Include sshd_config.d/*.conf\nPermitRootLogin yes\nUsePAM yes\n");
  root_.File("/etc/ssh/sshd_config.d/20.conf", "PermitRootLogin yes\n");
  root_.File("/etc/ssh/sshd_config.d/10.conf", "PermitRootLogin no\n");
  root_.File("/etc/ssh/sshd_config.d/.hidden.conf", "UsePAM no\n");
  root_.File("/etc/ssh/sshd_config.d/30.off", "UsePAM no\n");
  const auto rows = Run(kSshd);
  EXPECT_THAT(Effective(rows), ElementsAre("PermitRootLogin=no", "UsePAM=yes"));
  EXPECT_EQ(rows[0].path(), "/etc/ssh/sshd_config.d/10.conf");
  EXPECT_EQ(rows[0].line(), 1);
}

TEST_F(SettingsTest, WhatAMatchBlockSaysDoesNotHoldForEverybody) {
  root_.File("/etc/ssh/sshd_config",
             "PasswordAuthentication no\n"
             "Match  User backup,root Address 10.0.0.0/8\n"
             "  PasswordAuthentication yes\n");
  const auto rows = Run(kSshd);
  ASSERT_EQ(rows.size(), 2);
  EXPECT_TRUE(rows[0].effective());
  EXPECT_FALSE(rows[1].effective());
  EXPECT_EQ(rows[1].scope(), "Match User backup,root Address 10.0.0.0/8");
}

TEST_F(SettingsTest, MatchAllHoldsForEverybodyAndOverridesWhatStandsOutside) {
  root_.File("/etc/ssh/sshd_config", "PermitRootLogin no\nMatch all\nPermitRootLogin yes\n");
  EXPECT_THAT(Effective(Run(kSshd)), ElementsAre("PermitRootLogin=yes"));
}

TEST_F(SettingsTest, ABlockThatAnIncludedFileOpensEndsWithIt) {
  root_.File("/etc/ssh/sshd_config", "Include /etc/ssh/extra\nPermitRootLogin no\n");
  root_.File("/etc/ssh/extra", "Match User a\nPermitRootLogin yes\n");
  EXPECT_THAT(Effective(Run(kSshd)), ElementsAre("PermitRootLogin=no"));
}

TEST_F(SettingsTest, AnIncludeWithinABlockHoldsForThatBlockAlone) {
  root_.File("/etc/ssh/sshd_config", "Match User a\nInclude /etc/ssh/extra\n");
  root_.File("/etc/ssh/extra", "PermitRootLogin yes\nMatch all\nUsePAM no\n");
  const auto rows = Run(kSshd);
  ASSERT_EQ(rows.size(), 2);
  EXPECT_EQ(rows[0].scope(), "Match User a");
  EXPECT_EQ(rows[1].scope(), "Match User a Match all");
  EXPECT_THAT(Effective(rows), IsEmpty());
}

TEST_F(SettingsTest, AnIncludeOfItselfEnds) {
  root_.File("/etc/ssh/sshd_config", "Include /etc/ssh/sshd_config\nUsePAM yes\n");
  EXPECT_EQ(Run(kSshd).size(), 17);
  EXPECT_THAT(unexamined_["includes deeper than 16"], testing::SizeIs(1));
}

TEST_F(SettingsTest, OldNamesOfSshdAreTheirNewOnes) {
  root_.File("/etc/ssh/sshd_config",
             "ChallengeResponseAuthentication no\nKbdInteractiveAuthentication yes\n"
             "PermitRootLogin without-password\nLoginGraceTime 1m30s\nCiphers a,b\n");
  const auto rows = Run(R"({"format": "sshd", "paths": ["/etc/ssh/sshd_config"],
      "keys": ["KbdInteractiveAuthentication", "PermitRootLogin", "LoginGraceTime", "Ciphers"]})");
  EXPECT_THAT(Effective(rows),
              ElementsAre("KbdInteractiveAuthentication=no", "PermitRootLogin=prohibit-password",
                          "LoginGraceTime=1m30s", "Ciphers=a,b"));
  EXPECT_EQ(rows[3].number(), 90);
  EXPECT_THAT(rows[4].values(), ElementsAre("a", "b"));
}

TEST_F(SettingsTest, WhatIsSetNowhereForEverybodyHasItsDefault) {
  root_.File("/etc/ssh/sshd_config", "UsePAM yes\nMatch User a\nPermitRootLogin yes\n");
  const auto rows = Run(R"({"format": "sshd", "paths": ["/etc/ssh/sshd_config"],
      "keys": ["PermitRootLogin", "UsePAM", "MaxAuthTries"],
      "defaults": {"PermitRootLogin": "prohibit-password", "UsePAM": "no", "MaxAuthTries": "6"}})");
  EXPECT_THAT(Effective(rows),
              ElementsAre("UsePAM=yes", "MaxAuthTries=6", "PermitRootLogin=prohibit-password"));
  EXPECT_EQ(rows.back().source(), "default");
  EXPECT_EQ(rows.back().path(), "");
  EXPECT_EQ(rows[2].number(), 6);
}

TEST_F(SettingsTest, WhatCanNotBeReadOrUnderstoodIsNoted) {
  root_.File("/etc/ssh/sshd_config", "PermitRootLogin\nBanner \"open\nInclude /etc/ssh/dir\n");
  root_.File("/etc/ssh/dir/x", "");
  EXPECT_THAT(Run(kSshd), IsEmpty());
  EXPECT_THAT(unexamined_["lines that can't be understood"],
              ElementsAre("/etc/ssh/sshd_config:1", "/etc/ssh/sshd_config:2"));
  EXPECT_THAT(unexamined_["not a regular file"], ElementsAre("/etc/ssh/dir"));
}

TEST_F(SettingsTest, AMissingFileIsNotedWhenItIsRequired) {
  EXPECT_THAT(Run(kSshd), IsEmpty());
  EXPECT_THAT(unexamined_, IsEmpty());
  Run(R"({"format": "sshd", "paths": ["/etc/ssh/sshd_config"], "required": true})");
  EXPECT_EQ(unexamined_.size(), 1);
}

TEST_F(SettingsTest, WhereTheProgramIsNotThereAreNoDefaults) {
  constexpr char kOfSshd[] = R"({"format": "sshd", "paths": ["/etc/ssh/sshd_config"],
      "defaults": {"UsePAM": "no"}, "ifPresent": ["/usr/sbin/sshd", "/etc/ssh/sshd_config"]})";
  EXPECT_THAT(Run(kOfSshd), IsEmpty());
  EXPECT_THAT(unexamined_, IsEmpty());
  root_.File("/etc/ssh/sshd_config", "UsePAM yes\n");
  EXPECT_THAT(Effective(Run(kOfSshd)), ElementsAre("UsePAM=yes"));
  std::filesystem::remove(root_.In("/etc/ssh/sshd_config"));
  root_.Link("/usr/sbin/sshd", "/nowhere");
  EXPECT_THAT(Effective(Run(kOfSshd)), ElementsAre("UsePAM=no"));
}

TEST_F(SettingsTest, WhatCanNotBeLookedForCountsAsThere) {
  root_.Link("/loop", "/loop");
  root_.File("/etc/ssh/sshd_config", "UsePAM no\n");
  EXPECT_THAT(Effective(Run(R"({"format": "sshd", "paths": ["/etc/ssh/sshd_config"],
      "ifPresent": ["/loop/sshd"]})")),
              ElementsAre("UsePAM=no"));
  EXPECT_EQ(unexamined_.size(), 1);
}

TEST_F(SettingsTest, WhatMayBeSetWhereNobodyCouldLookHasNoDefault) {
  constexpr char kLength[] = R"({"format": "key_value", "paths": ["/etc/a", "/etc/b"],
      "defaults": {"minlen": "8"}})";
  root_.Link("/etc/a", "/etc/a");
  EXPECT_THAT(Run(kLength), IsEmpty());
  EXPECT_EQ(unexamined_.size(), 1);
  root_.File("/etc/b", "minlen = 14\n");
  EXPECT_THAT(Effective(Run(kLength)), ElementsAre("minlen=14"));
}

TEST_F(SettingsTest, LinksDoNotLeaveTheRoot) {
  root_.Link("/etc/login.defs", "/../../../../../../etc/passwd");
  root_.File("/etc/passwd", "PASS_MAX_DAYS 1\n");
  const auto rows = Run(R"({"format": "key_value", "paths": ["/etc/login.defs"]})");
  EXPECT_THAT(Effective(rows), ElementsAre("PASS_MAX_DAYS=1"));
}

TEST_F(SettingsTest, KeysAndValuesInTheirThreeForms) {
  root_.File("/etc/x",
             "A 1\nB=2\nC = 'three # 3'\n; no\n# D 4\nexport E=\"5\"\nenforce_for_root\n"
             "F = 6 # six\nG=a b\nA 7\nH=0640\n");
  const auto rows = Run(R"({"format": "key_value", "paths": ["/etc/x"]})");
  EXPECT_THAT(Effective(rows), ElementsAre("B=2", "C=three # 3", "E=5", "enforce_for_root=", "F=6",
                                           "G=a b", "A=7", "H=0640"));
  EXPECT_FALSE(rows[0].effective());
  EXPECT_THAT(rows[6].values(), ElementsAre("a", "b"));
  EXPECT_EQ(rows[8].number(), 0640);
  EXPECT_FALSE(rows[6].has_number());
  EXPECT_THAT(Effective(Run(R"({"format": "key_value", "paths": ["/etc/x"], "precedence": "first",
                        "keys": ["a"], "ignore_case": true})")),
              ElementsAre("a=1"));
}

TEST_F(SettingsTest, DropInsAreMergedByNameAndTheFirstDirectoryMasks) {
  root_.File("/etc/systemd/journald.conf", "[Journal]\nStorage=auto\nCompress=yes\n");
  root_.File("/usr/lib/j.d/10-a.conf", "[Journal]\nStorage=none\n");
  root_.File("/usr/lib/j.d/20-b.conf", "[Journal]\nStorage=volatile\n");
  root_.File("/usr/lib/j.d/30-c.conf", "[Journal]\nCompress=no\n");
  root_.File("/etc/j.d/20-b.conf", "[Journal]\nStorage=persistent\n[Other]\nStorage=x\n");
  root_.Link("/etc/j.d/30-c.conf", "/dev/null");
  const auto rows = Run(R"({"format": "ini", "paths": ["/etc/systemd/journald.conf"],
      "drop_ins": ["/etc/j.d", "/usr/lib/j.d"], "sections": ["Journal"]})");
  EXPECT_THAT(Effective(rows), ElementsAre("Compress=yes", "Storage=persistent"));
  EXPECT_EQ(rows.size(), 4);
  EXPECT_THAT(unexamined_, IsEmpty());
}

TEST_F(SettingsTest, AnEmptyAssignmentTakesBackWhatWasSet) {
  root_.File("/etc/a.conf", "[S]\nK=1\nL=1\nK=\nK=\\\n 2\nL=\n");
  EXPECT_THAT(Effective(Run(R"({"format": "ini", "paths": ["/etc/a.conf"], "sections": ["S"],
                               "defaults": {"L": "9"}})")),
              ElementsAre("K=2", "L=9"));
}

TEST_F(SettingsTest, RepeatableSettingsAllCountSinceTheyWereTakenBack) {
  root_.File("/etc/a.conf", "[S]\nK=1\nK=\nK=2\nK=3\n");
  EXPECT_THAT(Effective(Run(R"({"format": "ini", "paths": ["/etc/a.conf"], "repeatable": ["K"]})")),
              ElementsAre("K=2", "K=3"));
}

TEST_F(SettingsTest, PamLinesComeInTheOrderInWhichTheyAreTried) {
  root_.File("/etc/pam.d/sshd",
             "@include common-auth\n"
             "account  required  pam_nologin.so\n"
             "-session optional /lib/security/pam_systemd.so  kill=1 [query=select x]  # last\n"
             "auth include more\n");
  root_.File("/etc/pam.d/common-auth",
             "auth [success=1 default=ignore] pam_unix.so nullok\nauth requisite pam_deny.so\n");
  root_.File("/usr/lib/pam.d/more",
             "auth required pam_faillock.so \\\n deny=5\nsession required x.so\n");
  const auto rows = Run(R"({"format": "pam", "paths": ["/etc/pam.d/sshd"]})");
  ASSERT_EQ(rows.size(), 5);
  EXPECT_EQ(rows[0].key(), "pam_unix.so");
  EXPECT_EQ(rows[0].control(), "[success=1 default=ignore]");
  EXPECT_EQ(rows[0].section(), "sshd");
  EXPECT_EQ(rows[0].path(), "/etc/pam.d/common-auth");
  EXPECT_EQ(rows[1].position(), 2);
  EXPECT_EQ(rows[3].type(), "-session");
  EXPECT_EQ(rows[3].key(), "pam_systemd.so");
  EXPECT_THAT(rows[3].values(), ElementsAre("kill=1", "query=select x"));
  EXPECT_EQ(rows[4].value(), "deny=5");
  EXPECT_EQ(rows[4].position(), 3);
}

TEST_F(SettingsTest, PamFilesThatIncludeEachOtherEnd) {
  root_.File("/etc/pam.d/a", "@include a\n@include a\nauth required x.so\n");
  Run(R"({"format": "pam", "paths": ["/etc/pam.d/a"]})");
  EXPECT_FALSE(unexamined_["includes too deep or too many"].empty());
}

TEST_F(SettingsTest, AptInAllItsForms) {
  root_.File("/etc/apt/apt.conf.d/20auto",
             "APT::Periodic::Update-Package-Lists \"1\"; // daily\n"
             "apt { periodic { Unattended-Upgrade \"1\"; }; };\n");
  root_.File("/etc/apt/apt.conf.d/50un",
             "Unattended-Upgrade::Origins-Pattern {\n"
             "  /* comment\n */ \"origin=Debian\";\n  \"label=a;b\";\n};\n"
             "#clear APT::Periodic::Update-Package-Lists;\n"
             "DPkg::Post-Invoke:: \"rm -f x\";\n");
  const auto rows = Run(R"({"format": "apt", "paths": ["/etc/apt/apt.conf.d/*"]})");
  EXPECT_THAT(Effective(rows), ElementsAre("apt::periodic::Unattended-Upgrade=1",
                                           "Unattended-Upgrade::Origins-Pattern::=origin=Debian",
                                           "Unattended-Upgrade::Origins-Pattern::=label=a;b",
                                           "DPkg::Post-Invoke::=rm -f x"));
  EXPECT_EQ(rows[2].line(), 3);
  EXPECT_THAT(Effective(Run(R"({"format": "apt", "paths": ["/etc/apt/apt.conf.d/*"],
      "keys": ["APT::Periodic::Unattended-Upgrade"]})")),
              ElementsAre("APT::Periodic::Unattended-Upgrade=1"));
  EXPECT_THAT(unexamined_, IsEmpty());
}

TEST_F(SettingsTest, AptThatIsNotClosedIsNoted) {
  root_.File("/etc/apt/apt.conf", "A { B \"1\"; \n");
  Run(R"({"format": "apt", "paths": ["/etc/apt/apt.conf"]})");
  EXPECT_THAT(unexamined_["lines that can't be understood"], ElementsAre("/etc/apt/apt.conf:2"));
}

TEST_F(SettingsTest, WithoutTextOnlyPlainWordsLeaveTheHost) {
  root_.File("/etc/x", "A yes\nB hunter2\nC 42\n");
  EXPECT_THAT(Effective(Run(R"({"format": "key_value", "paths": ["/etc/x"], "no_text": true})")),
              ElementsAre("A=yes", "B=…", "C=42"));
  v1::SettingsParameters parameters;
  parameters.set_format("ini");
  parameters.add_paths("/etc/x");
  EXPECT_EQ(SettingsModule().ValidateForPrivacy(parameters).code(),
            absl::StatusCode::kPermissionDenied);
  parameters.set_no_text(true);
  EXPECT_TRUE(SettingsModule().ValidateForPrivacy(parameters).ok());
}

TEST_F(SettingsTest, ParametersThatCanNotRunAreRefusedByName) {
  const std::pair<const char*, const char*> cases[] = {
      {R"({"format": "toml", "paths": ["/a"]})", "format"},
      {R"({"format": "ini"})", "paths"},
      {R"({"format": "ini", "paths": ["a"]})", "absolute"},
      {R"({"format": "ini", "paths": ["/a/../b"]})", ".."},
      {R"({"format": "ini", "paths": ["/a["]})", "wildcard"},
      {R"({"format": "pam", "paths": ["/a"], "drop_ins": ["/b"]})", "drop_ins"},
      {R"({"format": "sshd", "paths": ["/a"], "sections": ["b"]})", "sections"},
      {R"({"format": "ini", "paths": ["/a"], "defaults": {"b": "c"}})", "sections"},
      {R"({"format": "sshd", "paths": ["/a"], "keys": ["x"], "defaults": {"b": "c"}})", "keys"},
      {R"({"format": "sshd", "paths": ["/a"], "precedence": "middle"})", "precedence"},
  };
  for (const auto& [json, word] : cases) {
    v1::SettingsParameters parameters;
    ASSERT_TRUE(google::protobuf::util::JsonStringToMessage(json, &parameters).ok()) << json;
    const absl::Status status = SettingsModule().Validate(parameters);
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << json;
    EXPECT_THAT(std::string(status.message()), HasSubstr(word)) << json;
  }
}

TEST(ParseWholeNumberTest, ReadsNumbersAsC) {
  EXPECT_EQ(ParseWholeNumber("-15"), -15);
  EXPECT_EQ(ParseWholeNumber("0"), 0);
  EXPECT_EQ(ParseWholeNumber("027"), 027);
  EXPECT_EQ(ParseWholeNumber("0x1F"), 31);
  for (const char* text : {"", "-", "1a", "09", "--1", " 1", "99999999999999999999"})
    EXPECT_EQ(ParseWholeNumber(text), std::nullopt) << text;
}

}  // namespace
}  // namespace dragnet::settings
