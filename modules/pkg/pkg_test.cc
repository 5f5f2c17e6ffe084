// The module as a whole, on roots made here.
#include <gmock/gmock.h>
#include <gtest/gtest.h>
#include <sqlite3.h>

#include <string>

#include "modules/pkg/rpm_fake.h"
#include "modules/pkg/test_root.h"

namespace dragnet::pkg {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;
using testing::UnorderedElementsAre;

constexpr char kStatus[] = "/var/lib/dpkg/status";

std::string Entry(const std::string& name, const std::string& version,
                  const std::string& more = "Status: install ok installed\n") {
  return "Package: " + name + "\n" + more + "Architecture: amd64\nVersion: " + version + "\n\n";
}

absl::Status Validate(const std::string& json) { return PkgModule().Validate(Parameters(json)); }

TEST(PkgParametersTest, BadOnesAreRefusedByName) {
  const std::pair<const char*, const char*> cases[] = {
      {R"({"names":["("]})", "names[0] '(': missing ): ("},
      {R"({"names":["a",""]})", "names[1] '': is empty"},
      {R"({"compares":["openssl"]})", "compares[0] 'openssl': isn't NAME < VERSION"},
      {R"({"compares":["openssl < three"]})", "no digit is in it"},
      {R"({"compares":["< 3"]})", "doesn't begin with a package's name"},
      {R"({"versionIs":["3.0"]})", "version_is[0] '3.0': has none of < <= = >= >"},
      {R"({"versionIs":["< 3 0"]})", "is no version"},
      {R"({"managers":["yum"]})", "managers[0] 'yum': is none of dpkg, rpm, apk"},
      {R"({"ecosystems":["ruby"]})", "ecosystems[0] 'ruby': is none of python, node, go"},
      {R"({"roots":["srv"]})", "roots[0] 'srv': isn't an absolute path"},
      {R"({"roots":["/srv/../etc"]})", "has .. in it"},
      {R"({"owns":["ls"]})", "owns[0] 'ls': isn't an absolute path"},
      {R"({"searchPaths":["/opt"]})", "no ecosystems are given"},
      {R"({"verify":true,"owns":["/bin/ls"]})", "verify: not together with owns"},
      {R"({"verify":true,"ecosystems":["go"]})", "verify: can't be asked of ecosystems"},
      {R"({"verifyConfig":true})", "verify_config: only with verify"},
  };
  for (const auto& [json, words] : cases) {
    const absl::Status status = Validate(json);
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument) << json;
    EXPECT_THAT(std::string(status.message()), testing::HasSubstr(words)) << json;
  }
}

TEST(PkgDpkgTest, ListsWhatIsInstalledWithItsSource) {
  TestRoot root;
  root.File(kStatus,
            Entry("libssl3", "3.0.22-1",
                  "Status: install ok installed\nSource: openssl (3.0.22-1+b1)\n"
                  "Installed-Size: 12\nMulti-Arch: same\nDescription: first\n more\n .\n") +
                Entry("gone", "1", "Status: deinstall ok config-files\n") +
                Entry("never", "1", "Status: unknown ok not-installed\n") +
                Entry("half", "2", "Status: install ok triggers-pending\n"));
  root.File("/var/lib/dpkg/info/libssl3:amd64.list", "/.\n");
  const Ran ran = RunOn(root, "{}");
  ASSERT_THAT(ran.Names(), ElementsAre("libssl3", "half"));
  EXPECT_EQ(ran.rows[0].source(), "openssl");
  EXPECT_EQ(ran.rows[0].source_version(), "3.0.22-1+b1");
  EXPECT_EQ(ran.rows[0].installed_size(), 12288u);
  EXPECT_GT(ran.rows[0].installed().seconds(), 1000000000);
  EXPECT_EQ(ran.rows[0].root(), root.path());
  EXPECT_EQ(ran.rows[1].state(), "triggers-pending");
  EXPECT_FALSE(ran.rows[1].has_installed());
  EXPECT_THAT(ran.unexamined, IsEmpty());
  EXPECT_THAT(RunOn(root, R"({"allStates":true})").Names(), ElementsAre("libssl3", "gone", "half"));
}

TEST(PkgDpkgTest, ImagesWithoutDpkgAreReadFromStatusD) {
  TestRoot root;
  root.File("/var/lib/dpkg/status.d/base", "Package: base-files\nVersion: 12\nArchitecture: all\n");
  root.File("/var/lib/dpkg/status.d/base.md5sums", "d41d8cd98f00b204e9800998ecf8427e  etc/empty\n");
  root.File("/etc/empty", "");
  EXPECT_THAT(RunOn(root, "{}").Names(), ElementsAre("base-files"));
  EXPECT_THAT(RunOn(root, R"({"owns":["/etc/empty"]})").Names(), ElementsAre("base-files"));
  EXPECT_THAT(RunOn(root, R"({"verify":true})").rows, IsEmpty());
  root.File("/etc/empty", "no more");
  EXPECT_THAT(RunOn(root, R"({"verify":true})").Paths(), ElementsAre("/etc/empty"));
}

TEST(PkgDpkgTest, AMalformedEntryIsSaidAndTheOthersAreRead) {
  TestRoot root;
  root.File(kStatus, Entry("first", "1") + "Package: bad\nnonsense\n\n" + Entry("last", "2"));
  const Ran ran = RunOn(root, "{}");
  EXPECT_THAT(ran.Names(), ElementsAre("first", "last"));
  EXPECT_THAT(ran.unexamined.at("malformed entry of the package database"),
              ElementsAre(root.path() + kStatus + ": line 7: neither a field nor a continuation"));
}

TEST(PkgFiltersTest, AllMustHoldAndComparesAreASet) {
  TestRoot root;
  root.File(kStatus, Entry("openssl", "3.0.22-1~deb12u1") + Entry("libssl3", "3.0.9-1") +
                         Entry("bash", "5.2-1"));
  EXPECT_THAT(RunOn(root, R"({"names":["ssl","!^lib"]})").Names(), ElementsAre("openssl"));
  EXPECT_THAT(RunOn(root, R"({"compares":["openssl < 3.0.22-1"]})").Names(),
              ElementsAre("openssl"));
  EXPECT_THAT(RunOn(root, R"({"compares":["openssl < 3.0.22"]})").Names(), IsEmpty());
  EXPECT_THAT(RunOn(root, R"({"compares":["libssl3<3.0.22","bash >= 5"]})").Names(),
              ElementsAre("libssl3", "bash"));
  EXPECT_THAT(RunOn(root, R"({"versionIs":[">=3","<5"],"archs":["^amd64$"]})").Names(),
              ElementsAre("openssl", "libssl3"));
  EXPECT_THAT(RunOn(root, R"({"versions":["deb12"]})").Names(), ElementsAre("openssl"));
  EXPECT_THAT(RunOn(root, R"({"managers":["rpm","apk"]})").Names(), IsEmpty());
}

TEST(PkgFiltersTest, ALimitEndsTheRunAndSaysSo) {
  TestRoot root;
  root.File(kStatus, Entry("a", "1") + Entry("b", "1") + Entry("c", "1"));
  Ran ran = RunOn(root, R"({"matchLimit":2})");
  EXPECT_THAT(ran.Names(), ElementsAre("a", "b"));
  EXPECT_THAT(ran.limits_hit, ElementsAre("match_limit 2"));
  ran = RunOn(root, R"({"matchLimit":3})");
  EXPECT_THAT(ran.limits_hit, IsEmpty());
}

TEST(PkgFiltersTest, AVersionThatAManagerCannotCompareIsSaid) {
  TestRoot root;
  root.File("/lib/apk/db/installed", "P:musl\nV:1.2.3-r4\nA:x86_64\n\n");
  const Ran ran = RunOn(root, R"({"versionIs":["<1.2.3-4~deb1"]})");
  EXPECT_THAT(ran.rows, IsEmpty());
  EXPECT_EQ(ran.unexamined.size(), 1u);
}

TEST(PkgOwnsTest, MergedDirectoriesAndDiversionsAreSeenThrough) {
  TestRoot root;
  root.File(kStatus, Entry("coreutils", "9") + Entry("dash", "1") + Entry("other", "1"));
  root.File("/var/lib/dpkg/info/coreutils.list", "/.\n/bin\n/bin/ls\n/usr/bin/who\n");
  root.File("/var/lib/dpkg/info/dash.list", "/usr/bin/sh\n");
  root.File("/var/lib/dpkg/info/other.list", "/usr/bin/sh\n");
  root.File("/var/lib/dpkg/diversions", "/usr/bin/sh\n/usr/bin/sh.distrib\ndash\n");
  root.File("/usr/bin/ls", "");
  root.Link("/bin", "usr/bin");
  EXPECT_THAT(RunOn(root, R"({"owns":["/usr/bin/ls"]})").Paths(), ElementsAre("/bin/ls"));
  EXPECT_THAT(RunOn(root, R"({"owns":["/bin/who/"]})").Paths(), ElementsAre("/usr/bin/who"));
  EXPECT_THAT(RunOn(root, R"({"owns":["/bin/sh"]})").Names(), ElementsAre("dash"));
  EXPECT_THAT(RunOn(root, R"({"owns":["/bin/sh.distrib"]})").Names(), ElementsAre("other"));
  EXPECT_THAT(RunOn(root, R"({"owns":["/bin/w"]})").Names(), IsEmpty());
}

TEST(PkgVerifyTest, AlteredAndMissingFilesOfDpkgAreFound) {
  TestRoot root;
  // MD5 of "hello\n".
  const std::string sum = "b1946ac92492d2347c6235b4d2611184";
  root.File(kStatus, Entry("tool", "1",
                           "Status: install ok installed\nConffiles:\n /etc/tool.conf " + sum +
                               "\n /etc/old " + sum + " obsolete\n"));
  root.File("/var/lib/dpkg/info/tool.list",
            "/.\n/usr\n/usr/bin\n/usr/bin/same\n/usr/bin/other\n/usr/bin/gone\n/usr/bin/link\n"
            "/etc\n/etc/tool.conf\n");
  root.File("/var/lib/dpkg/info/tool.md5sums",
            sum + "  usr/bin/same\n" + sum + "  usr/bin/other\n" + sum + "  usr/bin/gone\n");
  root.File("/usr/bin/same", "hello\n");
  root.File("/usr/bin/other", "hullo\n");
  root.File("/etc/tool.conf", "mine\n");
  Ran ran = RunOn(root, R"({"verify":true})");
  ASSERT_THAT(ran.Paths(),
              UnorderedElementsAre("/usr/bin/other", "/usr/bin/gone", "/usr/bin/link"));
  EXPECT_THAT(ran.rows[0].altered(), ElementsAre("digest"));
  EXPECT_THAT(ran.rows[0].expected(), ElementsAre("md5=" + sum));
  EXPECT_THAT(ran.rows[1].altered(), ElementsAre("missing"));
  EXPECT_THAT(ran.unexamined, IsEmpty());
  ran = RunOn(root, R"({"verify":true,"verifyConfig":true})");
  EXPECT_THAT(ran.Paths(), UnorderedElementsAre("/usr/bin/other", "/usr/bin/gone", "/usr/bin/link",
                                                "/etc/tool.conf"));
}

TEST(PkgVerifyTest, APackageWithoutChecksumsIsNotClean) {
  TestRoot root;
  root.File(kStatus, Entry("tool", "1"));
  root.File("/var/lib/dpkg/info/tool.list", "/usr\n/usr/tool\n");
  root.File("/usr/tool", "x");
  EXPECT_THAT(RunOn(root, R"({"verify":true})").unexamined.at("package without checksums"),
              ElementsAre("tool"));
}

TEST(PkgRootTest, LinksOfAnImageLeadNowhereOutside) {
  TestRoot outside;
  outside.File("/status", Entry("secret", "1"));
  TestRoot root;
  root.Link(kStatus, outside.In("/status"));
  EXPECT_THAT(RunOn(root, "{}").rows, IsEmpty());
  TestRoot upwards;
  upwards.Link(kStatus, "../../../../../../../../../../../" + outside.In("/status"));
  EXPECT_THAT(RunOn(upwards, "{}").rows, IsEmpty());
  // Within the root, an absolute link is one from the root.
  upwards.File("/real", Entry("inside", "1"));
  std::filesystem::remove(upwards.In(kStatus));
  upwards.Link(kStatus, "/real");
  EXPECT_THAT(RunOn(upwards, "{}").Names(), ElementsAre("inside"));
}

TEST(PkgRootTest, ADatabaseThatIsAPipeIsSaidAndNotWaitedFor) {
  TestRoot root;
  std::filesystem::create_directories(root.In("/var/lib/dpkg"));
  ASSERT_EQ(mkfifo(root.In(kStatus).c_str(), 0644), 0);
  EXPECT_THAT(RunOn(root, "{}").unexamined, testing::SizeIs(1));
}

TEST(PkgRootTest, ARootThatIsNotThereIsSaid) {
  TestRoot root;
  EXPECT_THAT(RunOn(root, R"({"roots":["/nonexistent/image"]})").unexamined, testing::SizeIs(1));
}

void MakeSqlite(const std::string& path, const std::vector<std::string>& headers,
                const char* schema = "CREATE TABLE Packages(hnum INTEGER PRIMARY KEY, blob BLOB)") {
  std::filesystem::create_directories(std::filesystem::path(path).parent_path());
  sqlite3* database = nullptr;
  ASSERT_EQ(sqlite3_open(path.c_str(), &database), SQLITE_OK);
  ASSERT_EQ(sqlite3_exec(database, schema, nullptr, nullptr, nullptr), SQLITE_OK);
  for (const std::string& header : headers) {
    sqlite3_stmt* insert = nullptr;
    ASSERT_EQ(
        sqlite3_prepare_v2(database, "INSERT INTO Packages(blob) VALUES(?)", -1, &insert, nullptr),
        SQLITE_OK);
    sqlite3_bind_blob(insert, 1, header.data(), static_cast<int>(header.size()), SQLITE_STATIC);
    ASSERT_EQ(sqlite3_step(insert), SQLITE_DONE);
    sqlite3_finalize(insert);
  }
  sqlite3_close(database);
}

constexpr char kSqlite[] = "/var/lib/rpm/rpmdb.sqlite";

TEST(PkgRpmTest, SqliteAndNdbGiveTheSame) {
  const std::vector<std::string> headers = {FakePackage("bash", "5.1.8", "9.el9"),
                                            FakePackage("zlib", "1.2.11", "40.el9")};
  TestRoot sqlite;
  MakeSqlite(sqlite.In(kSqlite), headers);
  TestRoot ndb;
  ndb.File("/usr/lib/sysimage/rpm/Packages.db", FakeNdb(headers));
  for (const TestRoot* root : {&sqlite, &ndb}) {
    const Ran ran = RunOn(*root, "{}");
    ASSERT_THAT(ran.Names(), ElementsAre("bash", "zlib"));
    EXPECT_EQ(ran.rows[0].version(), "5.1.8-9.el9");
    EXPECT_EQ(ran.rows[0].installed().seconds(), 1700000000);
    EXPECT_THAT(ran.unexamined, IsEmpty());
    EXPECT_THAT(RunOn(*root, R"({"compares":["zlib < 1.2.12"]})").Names(), ElementsAre("zlib"));
  }
}

TEST(PkgRpmTest, ASchemaThatIsCodeIsNotRun) {
  TestRoot root;
  MakeSqlite(root.In(kSqlite), {},
             "CREATE VIEW Packages AS WITH RECURSIVE n(hnum, blob) AS (SELECT 1, x'00' UNION ALL "
             "SELECT hnum + 1, blob FROM n) SELECT * FROM n");
  const Ran ran = RunOn(root, "{}");
  EXPECT_THAT(ran.rows, IsEmpty());
  EXPECT_EQ(ran.unexamined.count("package database that can't be read"), 1u);
}

TEST(PkgRpmTest, AnUnwrittenLogAndBadHeadersAreSaid) {
  TestRoot root;
  MakeSqlite(root.In(kSqlite), {"nonsense", FakePackage("bash", "5", "1")});
  root.File(std::string(kSqlite) + "-wal", "newer");
  const Ran ran = RunOn(root, "{}");
  EXPECT_THAT(ran.Names(), ElementsAre("bash"));
  EXPECT_EQ(ran.unexamined.count("write-ahead log of RPM's database isn't empty"), 1u);
  EXPECT_EQ(ran.unexamined.count("malformed entry of the package database"), 1u);
}

TEST(PkgRpmTest, AlteredFilesAreFoundByDigestSizeModeAndTarget) {
  TestRoot root;
  // SHA-256 of "hello\n".
  const std::string sum = "5891b5b522d5df086d0ff0b110fbd9d21bb4fc7163af34d08286a2e846f6be03";
  const std::string header =
      FakeHeader()
          .String(RpmTag::kName, "tool")
          .String(RpmTag::kVersion, "1")
          .String(RpmTag::kRelease, "1")
          .Strings(RpmTag::kBaseNames, {"same", "other", "moded", "link", "ghost", "conf"})
          .Strings(RpmTag::kDirNames, {"/usr/bin/", "/etc/"})
          .Numbers(RpmTag::kDirIndexes, {0, 0, 0, 0, 0, 1})
          .Strings(RpmTag::kFileDigests, {sum, sum, sum, "", "", sum})
          .Numbers(RpmTag::kFileDigestAlgorithm, {8})
          .Numbers(RpmTag::kFileSizes, {6, 6, 6, 1, 6, 6})
          .Numbers(RpmTag::kFileModes, {0100755, 0100755, 0100755, 0120777, 0100644, 0100644}, 2)
          .Strings(RpmTag::kFileLinkTargets, {"", "", "", "same", "", ""})
          .Numbers(RpmTag::kFileFlags, {0, 0, 0, 0, 64, 1})
          .Bytes();
  MakeSqlite(root.In(kSqlite), {header});
  root.File("/usr/bin/same", "hello\n", 0755);
  root.File("/usr/bin/other", "hello, world\n", 0755);
  root.File("/usr/bin/moded", "hello\n", 04755);
  root.Link("/usr/bin/link", "other");
  root.File("/etc/conf", "mine\n");
  const Ran ran = RunOn(root, R"({"verify":true,"verifyConfig":true})");
  ASSERT_THAT(ran.Paths(),
              ElementsAre("/usr/bin/other", "/usr/bin/moded", "/usr/bin/link", "/etc/conf"));
  EXPECT_THAT(ran.rows[0].altered(), ElementsAre("size", "digest"));
  EXPECT_THAT(ran.rows[1].altered(), ElementsAre("mode"));
  EXPECT_THAT(ran.rows[1].actual(), ElementsAre("mode=4755"));
  EXPECT_THAT(ran.rows[2].altered(), ElementsAre("link"));
  EXPECT_TRUE(ran.rows[3].config());
}

TEST(PkgApkTest, ListsOwnsAndVerifies) {
  TestRoot root;
  // SHA-1 of "hello\n" in Base64.
  root.File("/lib/apk/db/installed",
            "C:Q1x\nP:tool\nV:1.2.3-r4\nA:x86_64\nI:4096\no:tools\nm:A B <a@b>\n"
            "F:usr\nF:usr/bin\nR:tool\na:0:0:755\nZ:Q19XLSOF4Rz9T7dXI3c9sDDBS2kGM=\n"
            "R:altered\na:0:0:755\nZ:Q19XLSOF4Rz9T7dXI3c9sDDBS2kGM=\n\nP:musl\nV:1.2.5-r0\n\n");
  root.File("/usr/bin/altered", "other\n", 0755);
  const Ran all = RunOn(root, "{}");
  ASSERT_THAT(all.Names(), ElementsAre("tool", "musl"));
  EXPECT_EQ(all.rows[0].source(), "tools");
  EXPECT_THAT(RunOn(root, R"({"owns":["/usr/bin/tool"]})").Names(), ElementsAre("tool"));
  EXPECT_THAT(RunOn(root, R"({"compares":["tool < 1.2.3-r5"]})").Names(), ElementsAre("tool"));
  const Ran altered = RunOn(root, R"({"verify":true})");
  ASSERT_THAT(altered.Paths(), ElementsAre("/usr/bin/tool", "/usr/bin/altered"));
  EXPECT_THAT(altered.rows[0].altered(), ElementsAre("missing"));
  EXPECT_THAT(altered.rows[1].altered(), ElementsAre("digest"));
}

TEST(PkgEcosystemTest, PythonAndNodeAreFoundWhereTheyAre) {
  TestRoot root;
  root.File("/usr/lib/python3/dist-packages/requests-2.0.dist-info/METADATA",
            "Metadata-Version: 2.1\nName: requests\nVersion: 2.0\n\nName: no\n");
  root.File("/usr/lib/python3/dist-packages/old.egg-info", "Name: old\nVersion: 1\n");
  root.File("/opt/app/node_modules/left-pad/package.json",
            R"({"dependencies":{"name":"x"},"name":"left-pad","version":"1.3.0"})");
  root.File("/opt/app/node_modules/@types/node/package.json",
            R"({"name":"@types/node","version":"20.1.0"})");
  root.File("/opt/app/package.json", R"({"name":"app","version":"1.0.0"})");
  root.File("/opt/app/node_modules/broken/package.json", "{");
  const Ran ran = RunOn(root, R"({"ecosystems":["python","node"]})");
  EXPECT_THAT(ran.Names(), UnorderedElementsAre("requests", "old", "left-pad", "@types/node"));
  EXPECT_EQ(ran.unexamined.count("package.json that isn't JSON"), 1u);
  EXPECT_THAT(
      RunOn(root, R"({"ecosystems":["python"],"compares":["requests < 2.0.post1"]})").Names(),
      ElementsAre("requests"));
  EXPECT_THAT(
      RunOn(root, R"({"ecosystems":["node"],"searchPaths":["/opt/app/node_modules/@types"]})")
          .Names(),
      ElementsAre("@types/node"));
}

}  // namespace
}  // namespace dragnet::pkg
