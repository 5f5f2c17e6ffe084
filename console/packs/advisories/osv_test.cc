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

ImportedAdvisories Import(const std::string& content) {
  auto imported = ImportAdvisories({{"f.json", content}});
  EXPECT_TRUE(imported.ok()) << imported.status();
  if (!imported.ok()) return {};
  EXPECT_TRUE(pkg::VulnerableList::Parse(imported->parameters.vulnerable()).ok());
  return *std::move(imported);
}

std::string Refusal(const std::string& content) {
  return std::string(ImportAdvisories({{"f.json", content}}).status().message());
}

std::vector<std::string> Left(const ImportedAdvisories& imported) {
  std::vector<std::string> left;
  for (const LeftOut& each : imported.left_out) left.push_back(StrCat(each.what, ": ", each.why));
  return left;
}

// An advisory that affects one package.
std::string Osv(const std::string& ecosystem, const std::string& ranges_and_versions,
                const std::string& name = "pkg") {
  return StrCat(R"({"id":"A-1","modified":"2024-01-01T00:00:00Z","affected":[{"package":)",
                R"({"name":")", name, R"(","ecosystem":")", ecosystem, "\"},", ranges_and_versions,
                "}]}");
}

std::string Events(const std::string& events, const std::string& type = "ECOSYSTEM") {
  return StrCat(R"("ranges":[{"type":")", type, R"(","events":[)", events, "]}]");
}

constexpr char kFrom0To12[] = R"({"introduced":"0"},{"fixed":"1.2-1"})";

TEST(OsvTest, EcosystemsAreKindsAndSystems) {
  const std::pair<const char*, const char*> cases[] = {
      {"Debian:12", "A-1 dpkg-source@debian:12 pkg <1.2-1\n"},
      {"Debian", "A-1 dpkg-source@debian pkg <1.2-1\n"},
      {"Ubuntu:22.04:LTS", "A-1 dpkg-source@ubuntu:22.04 pkg <1.2-1\n"},
      {"Red Hat:enterprise_linux:9::baseos", "A-1 rpm@rhel:9 pkg <1.2-1\n"},
      {"AlmaLinux:9", "A-1 rpm@almalinux:9 pkg <1.2-1\n"},
      {"Rocky Linux:8", "A-1 rpm@rocky:8 pkg <1.2-1\nA-1 rpm-source@rocky:8 pkg <1.2-1\n"},
      {"PyPI", "A-1 python pkg <1.2-1\n"},
      {"npm", "A-1 node pkg <1.2-1\n"},
      {"Go", "A-1 go pkg <1.2-1\n"},
  };
  for (const auto& [ecosystem, list] : cases)
    EXPECT_EQ(Import(Osv(ecosystem, Events(kFrom0To12))).parameters.vulnerable(), list);
  EXPECT_EQ(Import(Osv("Alpine:v3.19", Events(R"({"introduced":"0"},{"fixed":"1.2-r1"})")))
                .parameters.vulnerable(),
            "A-1 apk-source@alpine:3.19 pkg <1.2-r1\n");
}

TEST(OsvTest, EventsAreRangesWhateverTheirOrder) {
  EXPECT_EQ(Import(Osv("npm", Events(R"({"fixed":"2.5.0"},{"introduced":"2.0.0"},)"
                                     R"({"introduced":"0"},{"fixed":"1.2.0"},)"
                                     R"({"introduced":"3.0.0"},{"last_affected":"3.1.0"},)"
                                     R"({"introduced":"4.0.0"})",
                                     "SEMVER")))
                .parameters.vulnerable(),
            "A-1 node pkg <1.2.0 >=2.0.0,<2.5.0 >=3.0.0,<=3.1.0 >=4.0.0\n");
  EXPECT_EQ(Import(Osv("npm", Events(R"({"introduced":"0"})"))).parameters.vulnerable(),
            "A-1 node pkg *\n");
}

TEST(OsvTest, VersionsThatRangesHaveAlreadyAreNotRepeated) {
  EXPECT_EQ(Import(Osv("PyPI", StrCat(Events(R"({"introduced":"1.0"},{"fixed":"1.2"})"),
                                      R"(,"versions":["1.0","1.1","0.5","1.2"])")))
                .parameters.vulnerable(),
            "A-1 python pkg >=1.0,<1.2 =0.5 =1.2\n");
  EXPECT_EQ(Import(Osv("PyPI", R"("versions":["1.0"],"ranges":[{"type":"GIT","events":[)"
                               R"({"introduced":"0"}]}])"))
                .parameters.vulnerable(),
            "A-1 python pkg =1.0\n");
}

TEST(OsvTest, WhatCannotBeSaidIsNamed) {
  const std::string good = Osv("npm", Events(R"({"introduced":"0"})"));
  const std::pair<std::string, const char*> cases[] = {
      {Osv("Maven", Events(kFrom0To12)), "A-1: package pkg: ecosystem 'Maven' isn't known"},
      {Osv("Red Hat:rhel_eus:9.2", Events(kFrom0To12)), "isn't known"},
      {Osv("Debian:sid", Events(kFrom0To12)), "isn't known"},
      {Osv("npm", Events(R"({"introduced":"0"},{"limit":"2"})")), "event 'limit' can't be said"},
      {Osv("Red Hat:enterprise_linux:9::appstream",
           Events(R"({"introduced":"0"},{"fixed":"1:22.2-2.module+el9.8.0+1+a"})")),
       "is of one stream of a module"},
      {Osv("npm", Events(R"({"fixed":"2"})")), "ends a range that none begins"},
      {Osv("npm", Events(R"({"introduced":"0"},{"fixed":"new"})")), "version 'new' isn't one"},
      {Osv("npm", Events("")), "a range has no events"},
      {Osv("npm", Events(R"({"introduced":3})")), "an event has no version"},
      {Osv("npm", Events(R"({"introduced":"0"})", "GIT")), "type 'GIT' can't be said"},
      {Osv("npm", R"("versions":[])"), "has no ranges and no versions"},
      {Osv("npm", R"("versions":["x y"])"), "version 'x y' isn't one"},
      {Osv("npm", Events(R"({"introduced":"0"})"), "two words"), "range 'words'"},
      {R"({"id":"A-1","withdrawn":"2024-01-01T00:00:00Z","affected":[]})", "was withdrawn"},
      {R"({"id":"A-1"})", "names no affected packages"},
      {R"({"id":"A-1","affected":[7]})", "no object"},
      {R"({"id":"A-1","affected":[{}]})", "names no package"},
      {R"({"affected":[]})", "without an id"},
      {"7", "no object"},
  };
  for (const auto& [bad, why] : cases) {
    const ImportedAdvisories imported = Import(StrCat("[", bad, ",", good, "]"));
    EXPECT_EQ(imported.entries, 1u) << bad;
    EXPECT_THAT(Left(imported), ElementsAre(HasSubstr(why))) << bad;
  }
}

TEST(OsvTest, DamagedFilesAreRefusedByName) {
  EXPECT_THAT(Refusal(R"({"id":"A-1",)"), HasSubstr("f.json: parse error at line 1"));
  EXPECT_THAT(Refusal(R"({"id":"A","id":"B"})"), HasSubstr("comes twice"));
  EXPECT_THAT(Refusal(R"({"name":"package.json"})"), HasSubstr("no advisory of OSV"));
  EXPECT_THAT(Refusal("PK\x03\x04"), HasSubstr("is neither OSV (JSON) nor OVAL (XML)"));
  EXPECT_THAT(Refusal(""), HasSubstr("is neither"));
  EXPECT_THAT(Refusal(std::string(100000, '[')), HasSubstr("f.json: "));
  EXPECT_THAT(Refusal(Osv("Maven", Events(kFrom0To12))),
              HasSubstr("no advisory in the files can be asked of hosts; the first: f.json: A-1"));
}

TEST(OsvTest, HostileTextsNeitherAddLinesNorReachTheTerminal) {
  const ImportedAdvisories imported = Import(StrCat(
      "[", Osv("npm", Events(R"({"introduced":"0"})"), "x *\\nEVIL dpkg bash"), ",",
      Osv("\\u001b]0;x", Events(kFrom0To12)), ",", Osv("npm", R"("versions":["1.0"])"), "]"));
  EXPECT_EQ(imported.parameters.vulnerable(), "A-1 node pkg =1.0\n");
  ASSERT_EQ(imported.left_out.size(), 2u);
  for (const std::string& left : Left(imported))
    EXPECT_EQ(left.find_first_of("\x1b\n"), std::string::npos) << left;
}

TEST(OsvTest, EntriesOfManyVersionsAreSeveral) {
  std::string versions;
  for (int i = 0; i < 300; ++i) StrAppend(&versions, i == 0 ? "" : ",", "\"1.0.", i, "\"");
  const ImportedAdvisories imported = Import(Osv("npm", StrCat("\"versions\":[", versions, "]")));
  EXPECT_EQ(imported.entries, 3u);
  EXPECT_THAT(imported.left_out, IsEmpty());
}

TEST(OsvTest, FilesAreOneList) {
  const auto imported = ImportAdvisories({{"a.json", Osv("npm", R"("versions":["1.0"])")},
                                          {"b.json", Osv("Go", R"("versions":["1.1"])")}});
  ASSERT_TRUE(imported.ok()) << imported.status();
  EXPECT_EQ(imported->parameters.vulnerable(), "A-1 node pkg =1.0\nA-1 go pkg =1.1\n");
}

}  // namespace
}  // namespace dragnet::advisories
