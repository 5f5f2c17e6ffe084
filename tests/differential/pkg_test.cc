// Module pkg against dpkg, dpkg-query, rpm and Berkeley DB's own tools.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>
#include <cstdio>
#include <random>
#include <set>
#include <string>
#include <vector>

#include "core/text.h"
#include "modules/pkg/rpm_fake.h"
#include "modules/pkg/test_root.h"
#include "modules/pkg/version_compare.h"

namespace dragnet::pkg {
namespace {

using Lines = std::multiset<std::string>;

std::vector<std::string> Output(const std::string& command) {
  std::vector<std::string> lines;
  FILE* pipe = popen(("LC_ALL=C; export LC_ALL; " + command).c_str(), "r");
  EXPECT_NE(pipe, nullptr);
  std::string text;
  char buffer[4096];
  for (size_t count; (count = fread(buffer, 1, sizeof buffer, pipe)) > 0;)
    text.append(buffer, count);
  pclose(pipe);
  for (size_t at = 0; at < text.size();) {
    const size_t end = std::min(text.find('\n', at), text.size());
    lines.push_back(text.substr(at, end - at));
    at = end + 1;
  }
  return lines;
}
Lines OutputSet(const std::string& command) {
  const std::vector<std::string> lines = Output(command);
  return {lines.begin(), lines.end()};
}
bool Succeeds(const std::string& command) {
  return system((command + " >/dev/null 2>&1").c_str()) == 0;
}

// Versions as hostile and as close to each other as the alphabet allows.
std::vector<std::string> GeneratedVersions(std::string_view alphabet, size_t count, bool debian) {
  std::mt19937 random(20240203);
  std::vector<std::string> versions;
  while (versions.size() < count) {
    std::string version = debian && random() % 4 == 0 ? std::to_string(random() % 3) + ":" : "";
    version += static_cast<char>('0' + random() % 3);
    const size_t length = random() % 7;
    for (size_t i = 0; i < length; ++i) version += alphabet[random() % alphabet.size()];
    if (debian && random() % 2 == 0) {
      version += '-';
      for (size_t i = 0; i <= random() % 3; ++i) version += alphabet[random() % 8];
    }
    versions.push_back(version);
  }
  return versions;
}

TEST(PkgDifferentialTest, VersionsCompareAsDpkgCompares) {
  const std::vector<std::string> versions = GeneratedVersions("0129.+~aZ", 400, true);
  std::string script;
  for (size_t i = 0; i + 1 < versions.size(); ++i) {
    const std::string pair = "'" + versions[i] + "' %s '" + versions[i + 1] + "'";
    script += "if dpkg --compare-versions '" + versions[i] + "' lt '" + versions[i + 1] +
              "'; then echo -1; elif dpkg --compare-versions '" + versions[i] + "' eq '" +
              versions[i + 1] + "'; then echo 0; else echo 1; fi\n";
  }
  TestRoot files;
  files.File("/script", script);
  const std::vector<std::string> orders = Output("sh " + files.In("/script") + " 2>/dev/null");
  ASSERT_EQ(orders.size(), versions.size() - 1);
  for (size_t i = 0; i < orders.size(); ++i)
    EXPECT_EQ(std::to_string(CompareDpkg(versions[i], versions[i + 1])), orders[i])
        << versions[i] << " and " << versions[i + 1];
}

TEST(PkgDifferentialTest, VersionsCompareAsRpmCompares) {
  const std::vector<std::string> versions = GeneratedVersions("0129..~^aZ_+", 4000, false);
  std::string script = "%{lua:";
  for (size_t i = 0; i + 1 < versions.size(); ++i)
    script += "print(rpm.vercmp('" + versions[i] + "','" + versions[i + 1] + "')..'\\n') ";
  TestRoot files;
  files.File("/macro", script + "}");
  const std::vector<std::string> orders =
      Output("rpm --eval \"$(cat " + files.In("/macro") + ")\"");
  std::vector<std::string> given;
  for (const std::string& order : orders)
    if (!order.empty()) given.push_back(order);
  ASSERT_EQ(given.size(), versions.size() - 1);
  for (size_t i = 0; i < given.size(); ++i)
    EXPECT_EQ(std::to_string(CompareRpmSegment(versions[i], versions[i + 1])), given[i])
        << versions[i] << " and " << versions[i + 1];
}

TEST(PkgDifferentialTest, ThisHostsPackagesAreDpkgQuerys) {
  Lines ours;
  TestRoot unused;
  for (const v1::PkgRow& row : RunOn(unused, R"({"roots":["/"],"managers":["dpkg"]})").rows)
    ours.insert(row.name() + "|" + row.version() + "|" + row.arch() + "|" + row.state() + "|" +
                row.source());
  EXPECT_FALSE(ours.empty());
  EXPECT_EQ(ours, OutputSet("dpkg-query -W -f '${db:Status-Status} ${Package}|${Version}|"
                            "${Architecture}|${db:Status-Status}|${source:Package}\\n' | "
                            "sed -n -e '/^not-installed /d' -e '/^config-files /d' "
                            "-e 's/^[^ ]* //p'"));
}

TEST(PkgDifferentialTest, ThisHostsFilesAreOwnedAsDpkgSays) {
  const std::vector<std::string> files =
      Output("cat /var/lib/dpkg/info/*.list | grep -v \"'\" | sort -u | awk 'NR % 997 == 0'");
  ASSERT_GT(files.size(), 5u);
  v1::PkgParameters parameters;
  for (size_t i = 0; i < std::min<size_t>(files.size(), 250); ++i) parameters.add_owns(files[i]);
  FakeRunContext context;
  ASSERT_TRUE(PkgModule().Validate(parameters).ok());
  ASSERT_TRUE(PkgModule().Run(parameters, context).ok());
  std::set<std::string> ours;
  for (const v1::PkgRow& row : context.RowsAs<v1::PkgRow>())
    ours.insert(row.name() + ": " + row.path());
  std::set<std::string> theirs;
  for (const std::string& path : parameters.owns()) {
    for (std::string line : Output("dpkg-query -S '" + path + "' 2>/dev/null")) {
      if (line.starts_with("diversion by ")) continue;
      // "a, b:amd64: /path", and only where the whole path is it.
      const size_t colon = line.rfind(": ");
      if (line.substr(colon + 2) != path) continue;
      std::string names = line.substr(0, colon) + ", ";
      for (size_t end; (end = names.find(", ")) != std::string::npos; names.erase(0, end + 2)) {
        const std::string name = names.substr(0, end);
        theirs.insert(name.substr(0, name.find(':')) + ": " + path);
      }
    }
  }
  EXPECT_EQ(ours, theirs);
}

// A root with a package that dpkg itself has installed.
class DpkgRoot : public testing::Test {
 protected:
  void SetUp() override {
    build_.File("/p/DEBIAN/control",
                "Package: drag-sample\nVersion: 1:2.0~rc1-3\nArchitecture: all\n"
                "Maintainer: A B <a@example.com>\nDescription: sample\n");
    build_.File("/p/DEBIAN/conffiles", "/etc/drag sample.conf\n/etc/drag.conf\n");
    build_.File("/p/etc/drag.conf", "conf\n");
    build_.File("/p/etc/drag sample.conf", "conf\n");
    for (int i = 0; i < 12; ++i)
      build_.File("/p/usr/share/drag/file" + std::to_string(i), std::to_string(i) + "\n");
    build_.File("/p/usr/share/drag/ with  blanks", "x");
    build_.Link("/p/usr/share/drag/link", "file1");
    std::filesystem::create_directories(build_.In("/p/usr/share/drag/empty"));
    const std::string p = build_.In("/p");
    ASSERT_TRUE(Succeeds("cd '" + p +
                         "' && find usr -type f -print0 | xargs -0 md5sum > "
                         "DEBIAN/md5sums && dpkg-deb --root-owner-group -b . '" +
                         p + ".deb'"));
    std::filesystem::create_directories(root_.In("/var/lib/dpkg/info"));
    std::filesystem::create_directories(root_.In("/var/lib/dpkg/updates"));
    root_.File("/var/lib/dpkg/status", "");
    ASSERT_TRUE(Succeeds("PATH=$PATH:/usr/sbin:/sbin dpkg --root='" + root_.path() +
                         "' --log=/dev/null --force-not-root --force-depends -i '" + p + ".deb'"));
  }

  Lines Verified() {
    Lines lines;
    for (const v1::PkgRow& row : RunOn(root_, R"({"verify":true,"verifyConfig":true})").rows)
      lines.insert((row.altered(0) == "missing" ? "missing   " : "??5?????? ") +
                   std::string(row.config() ? "c " : "  ") + row.path());
    return lines;
  }
  Lines VerifiedByDpkg() { return OutputSet("dpkg --root='" + root_.path() + "' -V"); }

  TestRoot build_;
  TestRoot root_;
};

TEST_F(DpkgRoot, WhatDpkgInstalledIsListedAndUnaltered) {
  const Ran ran = RunOn(root_, "{}");
  ASSERT_EQ(ran.rows.size(), 1u);
  EXPECT_EQ(ran.rows[0].version(), "1:2.0~rc1-3");
  EXPECT_EQ(Verified(), Lines());
  EXPECT_EQ(VerifiedByDpkg(), Lines());
}

TEST_F(DpkgRoot, AlteredFilesAreThoseOfDpkgV) {
  root_.File("/usr/share/drag/file3", "altered\n");
  root_.File("/usr/share/drag/file4", "4 \n");
  root_.File("/etc/drag sample.conf", "altered\n");
  for (const char* gone : {"/usr/share/drag/file5", "/usr/share/drag/link", "/etc/drag.conf",
                           "/usr/share/drag/empty", "/usr/share/drag/ with  blanks"})
    std::filesystem::remove(root_.In(gone));
  const Lines theirs = VerifiedByDpkg();
  EXPECT_EQ(theirs.size(), 8u);
  EXPECT_EQ(Verified(), theirs);
}

// A root with a package that rpm itself has installed.
class RpmRoot : public testing::Test {
 protected:
  void SetUp() override {
    build_.File("/sample.spec", R"(Name: drag-sample
Version: 1.2~rc1
Release: 3
Epoch: 2
Summary: sample
License: MIT
Vendor: Sample Vendor
BuildArch: noarch
%description
sample
%install
mkdir -p %{buildroot}/usr/bin %{buildroot}/etc
for i in 1 2 3 4 5 6; do echo $i > %{buildroot}/usr/bin/drag$i; chmod 755 %{buildroot}/usr/bin/drag$i; done
echo conf > %{buildroot}/etc/drag.conf
ln -s drag1 %{buildroot}/usr/bin/link
%files
%attr(-,root,root) /usr/bin/*
%config(noreplace) /etc/drag.conf
%ghost /var/log/drag
)");
    const std::string top = build_.path();
    ASSERT_TRUE(Succeeds("rpmbuild -bb --define '_topdir " + top + "/b' " + top + "/sample.spec"));
    ASSERT_TRUE(Succeeds(Rpm() + " --initdb"));
    if (!Succeeds(Rpm() + " -i --nodeps " + top + "/b/RPMS/noarch/*.rpm"))
      GTEST_SKIP() << "rpm installs into a root only as root";
  }

  // Debian's rpm keeps its database elsewhere; the root is one of Fedora.
  std::string Rpm() const {
    return "rpm --root " + root_.path() + " --define '_dbpath /var/lib/rpm' --force-debian";
  }

  TestRoot build_;
  TestRoot root_;
};

constexpr char kQuery[] =
    " -qa --qf '%{NAME}|%|EPOCH?{%{EPOCH}:}|%{VERSION}-%{RELEASE}|%{ARCH}|%{INSTALLTIME}|"
    "%{SOURCERPM}|%{VENDOR}|%{SIZE}\\n'";

Lines Listed(const TestRoot& root) {
  Lines ours;
  const Ran ran = RunOn(root, R"({"managers":["rpm"]})");
  EXPECT_THAT(ran.unexamined, testing::IsEmpty());
  for (const v1::PkgRow& row : ran.rows)
    ours.insert(row.name() + "|" + row.version() + "|" + row.arch() + "|" +
                std::to_string(row.installed().seconds()) + "|" + row.source() + "|" +
                row.vendor() + "|" + std::to_string(row.installed_size()));
  return ours;
}

TEST_F(RpmRoot, WhatRpmInstalledIsListed) {
  const Lines theirs = OutputSet(Rpm() + kQuery);
  EXPECT_EQ(theirs.size(), 1u);
  EXPECT_EQ(Listed(root_), theirs);
}

TEST_F(RpmRoot, AlteredFilesAreThoseOfRpmV) {
  EXPECT_EQ(RunOn(root_, R"({"verify":true})").rows.size(), 0u);
  root_.File("/usr/bin/drag1", "one\n", 0755);
  root_.File("/usr/bin/drag2", "x\n", 0755);
  root_.File("/usr/bin/drag3", "3\n", 04711);
  std::filesystem::remove(root_.In("/usr/bin/drag4"));
  std::filesystem::remove(root_.In("/usr/bin/link"));
  root_.Link("/usr/bin/link", "drag2");
  root_.File("/etc/drag.conf", "mine\n");
  Lines ours;
  for (const v1::PkgRow& row : RunOn(root_, R"({"verify":true,"verifyConfig":true})").rows) {
    const auto is = [&](const char* what) {
      return std::find(row.altered().begin(), row.altered().end(), what) != row.altered().end();
    };
    std::string line = is("missing") ? "missing " : "SM5..L..";
    if (!is("missing")) {
      if (!is("size")) line[0] = '.';
      if (!is("mode")) line[1] = '.';
      if (!is("digest")) line[2] = '.';
      if (!is("link")) line[5] = '.';
    }
    ours.insert(line + (row.config() ? " c " : "   ") + row.path());
  }
  // Times and owners are not compared here; rpm shows its ninth test, too.
  Lines theirs;
  for (std::string line : Output(Rpm() + " -V --nomtime --nouser --nogroup drag-sample"))
    theirs.insert(line.starts_with("missing")
                      ? "missing " + line.substr(9)
                      : line.substr(0, 8) + line.substr(9, 1) + line.substr(10));
  EXPECT_EQ(theirs.size(), 6u);
  EXPECT_EQ(ours, theirs);
}

// A database of Berkeley DB as db_load writes it, read by rpm (bdb_ro) and by us.
TEST(PkgDifferentialTest, AHashOfBerkeleyDbIsReadAsRpmReadsIt) {
  for (const char* page_size : {"512", "4096", "65536"}) {
    for (const char* order : {"1234", "4321"}) {
      TestRoot root;
      std::filesystem::create_directories(root.In("/var/lib/rpm"));
      std::string dump = "VERSION=3\nformat=bytevalue\ntype=hash\ndb_lorder=" + std::string(order) +
                         "\ndb_pagesize=" + page_size + "\nHEADER=END\n";
      for (uint32_t i = 0; i < 60; ++i) {
        // Some fit in a page, some don't in several.
        std::string header = FakeHeader()
                                 .String(RpmTag::kName, "package" + std::to_string(i))
                                 .String(RpmTag::kVersion, "1")
                                 .String(RpmTag::kRelease, std::to_string(i))
                                 .String(RpmTag::kArch, "x86_64")
                                 .Numbers(RpmTag::kInstallTime, {1700000000 + i})
                                 .String(RpmTag::kSourceRpm, "s.src.rpm")
                                 .String(RpmTag::kVendor, std::string(i * i * 4, 'v'))
                                 .Numbers(RpmTag::kSize, {i})
                                 .Bytes();
        if (i == 0) header = "next";
        const std::string number = std::string(order) == "1234" ? LittleWord(i) : BigWord(i);
        dump += " " + HexEncode(number) + "\n " + HexEncode(header) + "\n";
      }
      root.File("/dump", dump + "DATA=END\n");
      const std::string database = root.In("/var/lib/rpm/Packages");
      ASSERT_TRUE(Succeeds("db5.3_load -f " + root.In("/dump") + " " + database));
      const Ran ran = RunOn(root, "{}");
      EXPECT_THAT(ran.unexamined, testing::IsEmpty()) << page_size << order;
      std::set<std::string> names;
      for (const v1::PkgRow& row : ran.rows) names.insert(row.name() + " " + row.version());
      EXPECT_EQ(names.size(), 59u) << page_size << order;
      EXPECT_EQ(ran.rows.size(), 59u) << page_size << order;
      for (uint32_t i = 1; i < 60; ++i)
        EXPECT_EQ(names.count("package" + std::to_string(i) + " 1-" + std::to_string(i)), 1u) << i;
    }
  }
}

}  // namespace
}  // namespace dragnet::pkg
