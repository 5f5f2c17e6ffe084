#include "modules/pkg/vulnerable.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "core/strings.h"
#include "modules/pkg/test_root.h"

namespace dragnet::pkg {
namespace {

using testing::Contains;
using testing::ElementsAre;
using testing::HasSubstr;
using testing::IsEmpty;
using testing::Key;
using testing::UnorderedElementsAre;

constexpr char kStatus[] = "/var/lib/dpkg/status";

std::string Entry(const std::string& name, const std::string& version,
                  const std::string& more = "") {
  return "Package: " + name + "\nStatus: install ok installed\n" + more +
         "Architecture: amd64\nVersion: " + version + "\n\n";
}

// The text of a JSON string.
std::string Quoted(std::string_view text) {
  std::string quoted;
  for (char c : text) {
    if (c == '\n') {
      quoted += "\\n";
    } else {
      quoted += c;
    }
  }
  return quoted;
}

Ran Ask(const TestRoot& root, std::string_view list, const std::string& more = "") {
  return RunOn(root, StrCat("{\"vulnerable\":\"", Quoted(list), "\"", more, "}"));
}

std::vector<std::string> Matches(const Ran& ran) {
  std::vector<std::string> matches;
  for (const v1::PkgRow& row : ran.rows)
    matches.push_back(
        StrCat(row.name(), " ", row.advisory(), " ", row.affected(), " fixed ", row.fixed()));
  return matches;
}

TEST(VulnerableListTest, WrongLinesAreRefusedByNumber) {
  const std::pair<const char*, const char*> cases[] = {
      {"# c\n\nA dpkg openssl\n", "line 3: entry 'A' has no range of versions"},
      {"A", "line 1: entry 'A' has no kind"},
      {"A dpkg", "has no package's name"},
      {"A deb x *", "kind 'deb' is none of dpkg, dpkg-source"},
      {"A python-source x *", "kind 'python-source' is none of"},
      {"A dpkg@ x *", "has no system or release"},
      {"A dpkg@debian: x *", "has no system or release"},
      {"A dpkg x 1.0", "has a test without < <= = >= or > in front"},
      {"A dpkg x >=1.0,", "has a test without"},
      {"A dpkg x <one", "version 'one' isn't one as dpkg has them"},
      {"A rpm x <1/2", "isn't one as rpm has them"},
      {"A go x <latest", "isn't one as go has them"},
  };
  for (const auto& [text, words] : cases) {
    const auto list = VulnerableList::Parse(text);
    ASSERT_FALSE(list.ok()) << text;
    EXPECT_THAT(std::string(list.status().message()), HasSubstr(words)) << text;
  }
  EXPECT_FALSE(VulnerableList::Parse(StrCat("A dpkg x", std::string(70000, ' '), "*")).ok());
  EXPECT_FALSE(VulnerableList::Parse(StrCat(std::string(200, 'A'), " dpkg x *")).ok());
}

TEST(VulnerableListTest, EntriesAreWrittenAsTheyAreRead) {
  for (const char* line :
       {"CVE-1 dpkg-source@debian:12 openssh >=1:8.5p1,<1:9.2p1-2+deb12u3",
        "G python Django >=4.0,<4.0.6 =3.2 *", "R rpm@rhel kernel <=0:1-2.el9"}) {
    const auto entry = ParseVulnerableEntry(line);
    ASSERT_TRUE(entry.ok()) << entry.status();
    EXPECT_EQ(FormatVulnerableEntry(*entry), line);
  }
}

TEST(VulnerableListTest, OsReleaseIsReadWithAndWithoutQuotes) {
  const SystemRelease rhel = ParseOsRelease("NAME=\"Red Hat\"\nID=\"rhel\"\r\nVERSION_ID='9.4'\n");
  EXPECT_EQ(rhel.system, "rhel");
  EXPECT_EQ(rhel.release, "9.4");
  EXPECT_EQ(ParseOsRelease("ID_LIKE=x\nVERSION_ID").system, "");
}

TEST(VulnerableTest, EveryEntryThatHoldsIsARow) {
  TestRoot root;
  root.File(kStatus, Entry("openssl", "3.0.11-1") + Entry("bash", "5.2-1") + Entry("zlib", "1"));
  const Ran ran =
      Ask(root,
          "# list\nCVE-1 dpkg openssl <3.0.12-1\nCVE-2 dpkg openssl >=3.0.5,<3.0.13 =9\n"
          "CVE-3 dpkg openssl >=3.1\nCVE-4 dpkg bash *\nCVE-4 dpkg bash =5.2-1\n"
          "CVE-5 rpm zlib *\nCVE-6 dpkg absent *\n");
  EXPECT_THAT(Matches(ran), UnorderedElementsAre("openssl CVE-1 <3.0.12-1 fixed 3.0.12-1",
                                                 "openssl CVE-2 >=3.0.5,<3.0.13 fixed 3.0.13",
                                                 "bash CVE-4 * fixed "));
  EXPECT_THAT(ran.unexamined, IsEmpty());
}

TEST(VulnerableTest, SourcePackagesCountWithTheirOwnVersions) {
  TestRoot root;
  root.File(kStatus, Entry("libssl3", "1:3.0-1+b1", "Source: openssl (3.0-1)\n") +
                         Entry("openssl", "3.0-1"));
  EXPECT_THAT(Ask(root, "A dpkg-source openssl =3.0-1").Names(),
              UnorderedElementsAre("libssl3", "openssl"));
  EXPECT_THAT(Ask(root, "A dpkg openssl =3.0-1").Names(), ElementsAre("openssl"));
  // By both names it is one.
  EXPECT_THAT(Ask(root, "A dpkg openssl *\nA dpkg-source openssl *").Names(),
              UnorderedElementsAre("libssl3", "openssl"));
}

TEST(VulnerableTest, EntriesForASystemHoldThereAlone) {
  TestRoot root;
  root.File(kStatus, Entry("a", "1"));
  root.File("/usr/lib/os-release", "ID=debian\nVERSION_ID=\"12\"\n");
  root.Link("/etc/os-release", "../usr/lib/os-release");
  const Ran ran = Ask(root,
                      "D12 dpkg@debian:12 a *\nD dpkg@debian a *\nD1 dpkg@debian:1 a *\n"
                      "D13 dpkg@debian:13 a *\nU dpkg@ubuntu:12 a *\nD120 dpkg@debian:12.0 a *\n");
  std::vector<std::string> ids;
  for (const v1::PkgRow& row : ran.rows) ids.push_back(row.advisory());
  EXPECT_THAT(ids, UnorderedElementsAre("D12", "D"));
  EXPECT_THAT(ran.unexamined, IsEmpty());
  // A release's own parts count.
  root.File("/usr/lib/os-release", "ID=rhel\nVERSION_ID=9.4\n");
  EXPECT_EQ(Ask(root, "R dpkg@rhel:9 a *").rows.size(), 1u);
}

TEST(VulnerableTest, WhenTheSystemIsUnknownThatIsSaid) {
  TestRoot root;
  root.File(kStatus, Entry("a", "1"));
  const Ran ran = Ask(root, "D12 dpkg@debian:12 a *\n");
  EXPECT_THAT(ran.rows, IsEmpty());
  EXPECT_THAT(ran.unexamined, Contains(Key(HasSubstr("os-release"))));
  EXPECT_THAT(Ask(root, "D12 dpkg a *\n").unexamined, IsEmpty());
}

TEST(VulnerableTest, EcosystemsOfTheListAreLookedAt) {
  TestRoot root;
  root.File(kStatus, Entry("django", "4.0.1"));
  root.File("/opt/x/Django-4.0.1.dist-info/METADATA", "Name: Django\nVersion: 4.0.1\n\n");
  root.File("/opt/x/node_modules/@a/b/package.json", R"({"name":"@a/b","version":"1.2.3"})");
  const Ran ran =
      Ask(root, "P python django >=4.0,<4.0.6\nN node @a/b <=1.2.3\nN2 node @a/b >1.2.3\n",
          R"(,"searchPaths":["/opt"])");
  EXPECT_THAT(Matches(ran),
              UnorderedElementsAre("Django P >=4.0,<4.0.6 fixed 4.0.6", "@a/b N <=1.2.3 fixed "));
}

TEST(VulnerableTest, WhatCannotBeAskedTogetherIsRefused) {
  const auto refusal = [](const std::string& json) {
    return std::string(PkgModule().Validate(Parameters(json)).message());
  };
  EXPECT_THAT(refusal(R"({"vulnerable":"# nothing\n"})"), HasSubstr("has no entries"));
  EXPECT_THAT(refusal(R"({"vulnerable":"A go x *","managers":["dpkg"]})"),
              HasSubstr("has entries for go, which managers and ecosystems leave out"));
  EXPECT_THAT(refusal(R"({"vulnerable":"A dpkg x *","verify":true})"),
              HasSubstr("not together with verify or owns"));
  EXPECT_THAT(refusal(R"({"vulnerable":"A dpkg x"})"), HasSubstr("vulnerable: line 1"));
}

TEST(VulnerableTest, ThousandsOfEntriesAreOnePass) {
  TestRoot root;
  std::string status;
  std::string list;
  for (int i = 0; i < 2000; ++i) {
    status += Entry(StrCat("p", i), "1.0-1");
    list += StrCat("CVE-", i, " dpkg p", i, i % 2 == 0 ? " <1.0-1\n" : " <1.0-2\n");
  }
  root.File(kStatus, status);
  EXPECT_EQ(Ask(root, list).rows.size(), 1000u);
}

}  // namespace
}  // namespace dragnet::pkg
