#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "console/packs/advisories/import.h"
#include "core/strings.h"

namespace dragnet::advisories {
namespace {

using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;

// Tests that definitions refer to by a letter.
constexpr char kRest[] = R"(
<tests>
  <ind:textfilecontent54_test id="system"><ind:object object_ref="o:system"/></ind:textfilecontent54_test>
  <red-def:rpmverifyfile_test id="elsewhere" check="none satisfy"><red-def:object object_ref="o:verify"/></red-def:rpmverifyfile_test>
  <red-def:rpmverifyfile_test id="rhel9" check="at least one"><red-def:object object_ref="o:verify"/></red-def:rpmverifyfile_test>
  <linux:dpkginfo_test id="a-unfixed"><linux:object object_ref="o:a"/><linux:state state_ref="s:a-unfixed"/></linux:dpkginfo_test>
  <unix:uname_test id="machine"><object object_ref="o:machine"/></unix:uname_test>
  <unix:uname_test id="kernel"><object object_ref="o:machine"/><state state_ref="s:kernel"/></unix:uname_test>
  <ind:textfilecontent54_test id="stream"><ind:object object_ref="o:stream"/></ind:textfilecontent54_test>
  <linux:dpkginfo_test id="a" check="all"><linux:object object_ref="o:a"/><linux:state state_ref="s:a"/></linux:dpkginfo_test>
  <linux:dpkginfo_test id="a-from"><linux:object object_ref="o:a"/><linux:state state_ref="s:a-from"/></linux:dpkginfo_test>
  <linux:dpkginfo_test id="none" check_existence="none_exist"><linux:object object_ref="o:a"/></linux:dpkginfo_test>
  <red-def:rpminfo_test id="r"><red-def:object object_ref="o:r"/><red-def:state state_ref="s:r"/></red-def:rpminfo_test>
  <red-def:rpminfo_test id="r-signed"><red-def:object object_ref="o:r"/><red-def:state state_ref="s:key"/></red-def:rpminfo_test>
  <red-def:rpminfo_test id="r2"><red-def:object object_ref="o:r2"/><red-def:state state_ref="s:r"/></red-def:rpminfo_test>
  <red-def:rpminfo_test id="r-there"><red-def:object object_ref="o:r"/></red-def:rpminfo_test>
  <red-def:rpminfo_test id="release"><red-def:object object_ref="o:release"/><red-def:state state_ref="s:9"/></red-def:rpminfo_test>
  <red-def:rpminfo_test id="odd"><red-def:object object_ref="o:r"/><red-def:state state_ref="s:odd"/></red-def:rpminfo_test>
  <red-def:rpminfo_test id="variable"><red-def:object object_ref="o:var"/><red-def:state state_ref="s:r"/></red-def:rpminfo_test>
  <red-def:rpminfo_test id="lost"><red-def:object object_ref="o:r"/><red-def:state state_ref="s:lost"/></red-def:rpminfo_test>
</tests>
<objects>
  <ind:textfilecontent54_object id="o:system"><ind:path>/etc</ind:path><ind:filename>debian_version</ind:filename></ind:textfilecontent54_object>
  <ind:textfilecontent54_object id="o:stream"><ind:filepath>/etc/dnf/modules.d/nodejs.module</ind:filepath></ind:textfilecontent54_object>
  <unix:uname_object id="o:machine"/>
  <red-def:rpmverifyfile_object id="o:verify"><red-def:behaviors noconfigfiles="true"/><red-def:name operation="pattern match"/><red-def:filepath>/etc/redhat-release</red-def:filepath></red-def:rpmverifyfile_object>
  <linux:dpkginfo_object id="o:a"><linux:name>a</linux:name></linux:dpkginfo_object>
  <red-def:rpminfo_object id="o:r"><red-def:name>r</red-def:name></red-def:rpminfo_object>
  <red-def:rpminfo_object id="o:r2"><red-def:name>r2</red-def:name></red-def:rpminfo_object>
  <red-def:rpminfo_object id="o:release"><red-def:name>redhat-release</red-def:name></red-def:rpminfo_object>
  <red-def:rpminfo_object id="o:var"><red-def:name var_ref="v"/></red-def:rpminfo_object>
</objects>
<states>
  <unix:uname_state id="s:kernel"><unix:os_release operation="pattern match">5</unix:os_release></unix:uname_state>
  <linux:dpkginfo_state id="s:a"><linux:evr datatype="debian_evr_string" operation="less than">0:1.2-3+deb12u1</linux:evr></linux:dpkginfo_state>
  <linux:dpkginfo_state id="s:a-unfixed"><linux:evr datatype="debian_evr_string" operation="less than">0:0</linux:evr></linux:dpkginfo_state>
  <linux:dpkginfo_state id="s:a-from"><linux:evr operation="greater than or equal">1.0-1</linux:evr></linux:dpkginfo_state>
  <red-def:rpminfo_state id="s:r"><red-def:arch operation="pattern match">x86_64</red-def:arch><red-def:evr datatype="evr_string" operation="less than">0:3.0-2.el9</red-def:evr></red-def:rpminfo_state>
  <red-def:rpminfo_state id="s:key"><red-def:signature_keyid operation="equals">199e</red-def:signature_keyid></red-def:rpminfo_state>
  <red-def:rpminfo_state id="s:9"><red-def:version operation="pattern match">^9</red-def:version></red-def:rpminfo_state>
  <red-def:rpminfo_state id="s:odd"><red-def:evr operation="pattern match">^1</red-def:evr></red-def:rpminfo_state>
</states>
</oval_definitions>)";

std::string Oval(const std::string& definitions) {
  return StrCat(R"(<?xml version="1.0"?><oval_definitions xmlns="http://oval.mitre.org/x">)",
                "<generator/><definitions>", definitions, "</definitions>", kRest);
}

std::string Definition(const std::string& criteria,
                       const std::string& platform = "Red Hat Enterprise Linux 9",
                       const std::string& attributes = R"(class="patch")") {
  return StrCat(R"(<definition id="oval:x:def:1" )", attributes,
                R"(><metadata><title>t</title><affected family="unix"><platform>)", platform,
                R"(</platform></affected><reference source="RHSA" ref_id="RHSA-2024:1"/>)",
                R"(<reference source="CVE" ref_id="CVE-2024-1"/></metadata>)", criteria,
                "</definition>");
}

std::string All(const std::string& inner) {
  return StrCat(R"(<criteria operator="AND">)", inner, "</criteria>");
}
std::string Any(const std::string& inner) {
  return StrCat(R"(<criteria operator="OR">)", inner, "</criteria>");
}
std::string Ask(const std::string& id) {
  return StrCat(R"(<criterion comment="c" test_ref=")", id, "\"/>");
}

ImportedAdvisories Import(const std::string& xml) {
  auto imported = ImportAdvisories({{"f.xml", xml}});
  EXPECT_TRUE(imported.ok()) << imported.status();
  if (!imported.ok()) return {};
  EXPECT_TRUE(pkg::VulnerableList::Parse(imported->parameters.vulnerable()).ok());
  return *std::move(imported);
}

std::string Refusal(const std::string& xml) {
  return std::string(ImportAdvisories({{"f.xml", xml}}).status().message());
}

TEST(OvalTest, DefinitionsOfDebian) {
  const ImportedAdvisories imported =
      Import(Oval(Definition(All(Ask("system") + Any(All(Ask("machine") + Ask("a")))),
                             "Debian GNU/Linux 12", R"(class="vulnerability")")));
  EXPECT_EQ(imported.parameters.vulnerable(),
            "RHSA-2024:1 dpkg@debian:12 a <0:1.2-3+deb12u1\n"
            "RHSA-2024:1 dpkg-source@debian:12 a <0:1.2-3+deb12u1\n");
  EXPECT_THAT(imported.left_out, IsEmpty());
}

TEST(OvalTest, DefinitionsOfRedHat) {
  const std::string inventory = StrCat(R"(<definition id="inv" class="inventory"><metadata/>)",
                                       All(Ask("release")), "</definition>");
  const ImportedAdvisories imported = Import(Oval(StrCat(
      inventory, Definition(All(StrCat(
                     R"(<extend_definition definition_ref="inv"/>)",
                     Any(All(Ask("r") + Ask("r-signed")) + All(Ask("r2") + Ask("r-signed")))))))));
  EXPECT_EQ(imported.parameters.vulnerable(),
            "RHSA-2024:1 rpm@rhel:9 r <0:3.0-2.el9\nRHSA-2024:1 rpm@rhel:9 r2 <0:3.0-2.el9\n");
  EXPECT_THAT(imported.left_out, IsEmpty());
}

TEST(OvalTest, WhatIsTrueElsewhereOnlyDoesNotHideTheRest) {
  const std::string inner = All(Ask("rhel9") + Ask("r") + Any(Ask("r-signed") + Ask("r-signed")));
  const ImportedAdvisories imported = Import(Oval(Definition(Any(Ask("elsewhere") + inner))));
  EXPECT_EQ(imported.parameters.vulnerable(), "RHSA-2024:1 rpm@rhel:9 r <0:3.0-2.el9\n");
  EXPECT_THAT(imported.left_out, IsEmpty());
}

TEST(OvalTest, WithoutAFixEveryVersionIsBad) {
  EXPECT_THAT(
      Import(Oval(Definition(All(Ask("system") + Ask("a-unfixed")), "Debian GNU/Linux 9.0")))
          .parameters.vulnerable(),
      HasSubstr("dpkg-source@debian:9 a *\n"));
}

TEST(OvalTest, APackageThatIsThereIsOfAnyVersion) {
  EXPECT_EQ(Import(Oval(Definition(All(Ask("release") + Ask("r-there"))))).parameters.vulnerable(),
            "RHSA-2024:1 rpm@rhel:9 r *\n");
}

TEST(OvalTest, TwoTestsOfOnePackageAreARange) {
  EXPECT_THAT(Import(Oval(Definition(All(Ask("a-from") + Ask("a")), "Debian GNU/Linux 12")))
                  .parameters.vulnerable(),
              HasSubstr("dpkg@debian:12 a >=1.0-1,<0:1.2-3+deb12u1\n"));
}

TEST(OvalTest, WhatCannotBeSaidIsNamed) {
  const std::string good = Definition(All(Ask("r")));
  const std::pair<std::string, const char*> cases[] = {
      {Definition(All(Ask("r") + Ask("stream"))), "a textfilecontent54_test can't be said"},
      {Definition(All(Ask("r") + Ask("kernel"))), "a uname_test can't be said"},
      {Definition(All(Ask("r") + Ask("r2"))), "needs two packages at once"},
      {Definition(All(Ask("odd"))), "a package's evr that is 'pattern match' can't be said"},
      {Definition(All(Ask("variable"))), "isn't written out"},
      {Definition(All(Ask("lost"))), "state s:lost isn't in the file"},
      {Definition(All(Ask("absent"))), "test absent isn't in the file"},
      {Definition(All(Ask("none"))), "existence none_exist can't be said"},
      {Definition(All(Ask("release"))), "is about no package"},
      {Definition(All(Ask("elsewhere") + Ask("r"))), "is about no package"},
      {Definition(Any(Ask("release") + Ask("r"))), "holds on every system"},
      {Definition(R"(<criteria><criterion negate="true" test_ref="r"/></criteria>)"), "negated"},
      {Definition(
           R"(<criteria operator="XOR"><criterion test_ref="r"/><criterion test_ref="r2"/></criteria>)"),
       "operator XOR can't be said"},
      {Definition(""), "has no criteria"},
      {Definition(All(R"(<extend_definition definition_ref="nowhere"/>)")), "isn't in the file"},
      {Definition(All(R"(<extend_definition definition_ref="oval:x:def:1"/>)")), "leads to itself"},
      {Definition(All(Ask("r")), "Solaris 11"), "platform 'Solaris 11' isn't known"},
      {Definition(All(Ask("r")), "Debian GNU/Linux 12"), "has no packages of rpm"},
      {Definition(All(Ask("r")), "Red Hat Enterprise Linux 9", R"(class="compliance")"),
       "is of class 'compliance'"},
      {Definition(All(Ask("r")), "Red Hat Enterprise Linux 9",
                  R"(class="patch" deprecated="true")"),
       "is deprecated"},
  };
  for (const auto& [bad, why] : cases) {
    const ImportedAdvisories imported = Import(Oval(bad + good));
    EXPECT_EQ(imported.parameters.vulnerable(), "RHSA-2024:1 rpm@rhel:9 r <0:3.0-2.el9\n") << bad;
    ASSERT_EQ(imported.left_out.size(), 1u) << bad;
    EXPECT_THAT(imported.left_out[0].why, HasSubstr(why)) << bad;
    EXPECT_EQ(imported.left_out[0].what, "f.xml: RHSA-2024:1");
  }
}

TEST(OvalTest, AnAlternativeThatCannotBeSaidDoesNotHideTheOthers) {
  const ImportedAdvisories imported = Import(Oval(Definition(Any(Ask("r") + Ask("odd")))));
  EXPECT_EQ(imported.entries, 1u);
  ASSERT_EQ(imported.left_out.size(), 1u);
  EXPECT_THAT(imported.left_out[0].why, HasSubstr("in part: "));
}

TEST(OvalTest, HostileXmlIsRefused) {
  const std::string bomb =
      R"(<?xml version="1.0"?><!DOCTYPE x [<!ENTITY a "aaaa"><!ENTITY b "&a;&a;">]><oval_definitions>&b;</oval_definitions>)";
  EXPECT_THAT(Refusal(bomb), HasSubstr("f.xml: line 1: has a document type"));
  EXPECT_THAT(Refusal(R"(<!DOCTYPE x SYSTEM "file:///etc/passwd"><oval_definitions/>)"),
              HasSubstr("has a document type"));
  EXPECT_THAT(Refusal("<html/>"),
              HasSubstr("is XML, but no OVAL definitions: it begins with html"));
  EXPECT_THAT(Refusal("<oval_definitions><a></oval_definitions>"), HasSubstr("mismatched tag"));
  std::string deep = "<oval_definitions><definitions>";
  for (int i = 0; i < 100; ++i) deep += "<criteria>";
  EXPECT_THAT(Refusal(deep), HasSubstr("nests deeper than 64 levels"));
  EXPECT_THAT(Refusal(StrCat("<oval_definitions><tests><a id='x'/><a id='x'/></tests>",
                             "</oval_definitions>")),
              HasSubstr("has the id x twice"));
  EXPECT_THAT(Refusal(Oval(Definition(All(Ask("r")) + All(Ask("r2"))))),
              HasSubstr("criteria twice"));
  EXPECT_THAT(Refusal("<oval_definitions><definitions/></oval_definitions>"),
              HasSubstr("no advisory in the files"));
}

}  // namespace
}  // namespace dragnet::advisories
