#include "console/package/archive.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "console/package/testing/vendor.h"

namespace dragnet::console {
namespace {

using testing::Ar;
using testing::ControlText;
using ::testing::HasSubstr;
using testing::Shell;
using testing::TemporaryDirectory;
using testing::VendorDeb;
using testing::VendorFiles;
using testing::VendorTar;

std::string Refusal(const std::string& bytes, const PackageLimits& limits = PackageLimits()) {
  const auto package = ParsePackage(bytes, limits);
  return package.ok() ? "" : std::string(package.status().message());
}

// A deb with one more file in it.
std::string DebWith(PackageFile file) { return VendorDeb("0.1.0", {std::move(file)}); }

TEST(Archive, ReadsADeb) {
  const auto package = ParsePackage(VendorDeb("0.1.0-1"));
  ASSERT_TRUE(package.ok()) << package.status();
  EXPECT_EQ(package->kind, PackageKind::kDeb);
  EXPECT_EQ(package->name, "dragnet-agent");
  EXPECT_EQ(package->version, "0.1.0-1");
  EXPECT_EQ(package->architecture, "amd64");
  const PackageFile* agent = package->Find("usr/bin/dragnet-agent");
  ASSERT_NE(agent, nullptr);
  EXPECT_EQ(agent->mode, 0755u);
  EXPECT_EQ(agent->user, "root");
  EXPECT_EQ(agent->content, "#!/bin/sh\necho dragnet-agent\n");
  EXPECT_EQ(agent->modified, testing::kVendorTime);
  EXPECT_EQ(package->control.size(), 3u);
}

TEST(Archive, ReadsWhatDpkgDebMade) {
  const TemporaryDirectory work;
  for (const char* compression : {"xz", "gzip", "zstd", "none"}) {
    std::string output;
    ASSERT_EQ(Shell(StrCat("set -e; cd ", work.path(),
                           "; rm -rf t; mkdir -p t/DEBIAN t/usr/bin; printf '",
                           "Package: dragnet-agent\\nVersion: 2:1.0-1\\nArchitecture: arm64\\n"
                           "Maintainer: n <n@example.org>\\nDescription: d\\n' >t/DEBIAN/control; "
                           "echo x >t/usr/bin/x; ln -s x t/usr/bin/y; "
                           "dpkg-deb --root-owner-group -Z",
                           compression, " --build t out.deb"),
                    &output),
              0)
        << output;
    const auto package = ReadPackage(work / "out.deb");
    ASSERT_TRUE(package.ok()) << compression << package.status();
    EXPECT_EQ(package->version, "2:1.0-1");
    EXPECT_EQ(package->Find("usr/bin/x")->content, "x\n");
    EXPECT_EQ(package->Find("usr/bin/y")->target, "x");
  }
}

TEST(Archive, ReadsAnRpmWithItsOwnersAndScripts) {
  const auto package = ParsePackage(testing::VendorRpm("echo post"));
  ASSERT_TRUE(package.ok()) << package.status();
  EXPECT_EQ(package->kind, PackageKind::kRpm);
  EXPECT_EQ(package->name, "dragnet-agent");
  EXPECT_EQ(package->version, "0.1.0");
  EXPECT_EQ(package->rpm.Text(RpmTag::kRelease), "1");
  EXPECT_THAT(package->rpm.Text(RpmTag::kPostInstall), HasSubstr("echo post"));
  const PackageFile* agent = package->Find("usr/bin/dragnet-agent");
  ASSERT_NE(agent, nullptr);
  EXPECT_EQ(agent->mode, 0755u);
  EXPECT_EQ(agent->user, "root");
}

TEST(Archive, ReadsATarByItsDirectory) {
  const auto package = ParsePackage(VendorTar());
  ASSERT_TRUE(package.ok()) << package.status();
  EXPECT_EQ(package->kind, PackageKind::kTar);
  EXPECT_EQ(package->name, "dragnet-agent");
  EXPECT_EQ(package->version, "0.1.0");
  EXPECT_EQ(package->architecture, "x86_64");
}

TEST(Archive, PathsThatLeadOutAreRefused) {
  EXPECT_THAT(Refusal(DebWith({.path = "../../etc/cron.d/x"})), HasSubstr("leads out"));
  EXPECT_THAT(Refusal(DebWith({.path = "usr/../../etc/x"})), HasSubstr("leads out"));
  const std::vector<PackageFile> control = {{.path = "control", .content = ControlText()}};
  const std::string absolute =
      WriteAr({{"debian-binary", "2.0\n"},
               {"control.tar.xz", *WriteTar(control, "", Compression::kXz, 0)},
               {"data.tar.xz", *WriteTar({{.path = "etc/x"}}, "/", Compression::kXz, 0)}},
              0);
  EXPECT_THAT(Refusal(absolute), HasSubstr("absolute path"));
}

TEST(Archive, WhatLiesBelowASymbolicLinkIsRefused) {
  EXPECT_THAT(Refusal(VendorDeb(
                  "0.1.0", {{.path = "opt/x", .type = PackageFile::Type::kLink, .target = "/etc"},
                            {.path = "opt/x/shadow"}})),
              HasSubstr("below what is no directory"));
}

TEST(Archive, SetUserIdDevicesHardLinksAndDoublesAreRefused) {
  EXPECT_THAT(Refusal(DebWith({.path = "usr/bin/su", .mode = 04755})), HasSubstr("set-user-id"));
  EXPECT_THAT(Refusal(DebWith({.path = "usr/bin/a\nb"})), HasSubstr("can't be shown"));
  // Through tar, which makes what the writer here doesn't.
  const TemporaryDirectory work;
  std::string output;
  ASSERT_EQ(Shell(StrCat("set -e; cd ", work.path(),
                         "; mkdir p-1-linux-x; cd p-1-linux-x; mkfifo fifo; echo x >a; ln a b; "
                         "cd ..; tar -czf fifo.tar.gz p-1-linux-x/fifo; "
                         "tar -czf hard.tar.gz p-1-linux-x/a p-1-linux-x/b; "
                         "tar -cf twice.tar p-1-linux-x/a; tar -rf twice.tar p-1-linux-x/a; "
                         "mkdir d; echo x >d/x; tar -czf two.tar.gz p-1-linux-x/a d"),
                  &output),
            0)
      << output;
  EXPECT_THAT(ReadPackage(work / "fifo.tar.gz").status().message(), HasSubstr("neither a file"));
  EXPECT_THAT(ReadPackage(work / "hard.tar.gz").status().message(), HasSubstr("hard link"));
  // tar makes the second one a hard link to the first.
  EXPECT_THAT(ReadPackage(work / "twice.tar").status().message(), HasSubstr("twice"));
  EXPECT_THAT(ReadPackage(work / "two.tar.gz").status().message(), HasSubstr("outside"));
}

TEST(Archive, MoreThanMayBeIsRefusedBeforeItIsInMemory) {
  PackageLimits limits;
  limits.unpacked_bytes = 1 << 20;
  // Compresses to nothing.
  const std::string bomb = DebWith({.path = "usr/zeros", .content = std::string(64 << 20, '\0')});
  ASSERT_LT(bomb.size(), size_t{1} << 20);
  EXPECT_THAT(Refusal(bomb, limits), HasSubstr("more than may be"));
  limits = PackageLimits();
  limits.files = 4;
  EXPECT_THAT(Refusal(VendorDeb(), limits), HasSubstr("more files"));
  const TemporaryDirectory work;
  ASSERT_TRUE(WriteFileAtomically(work / "large.deb", VendorDeb(), 0644).ok());
  limits = PackageLimits();
  limits.package_bytes = 100;
  EXPECT_THAT(ReadPackage(work / "large.deb", limits).status().message(), HasSubstr("larger"));
}

TEST(Archive, EveryPrefixAndEveryFlippedByteIsReadOrRefused) {
  for (const std::string& good : {VendorDeb(), VendorTar(), testing::VendorRpm()}) {
    for (size_t size = 0; size < good.size(); size += 7) {
      const auto package = ParsePackage(good.substr(0, size));
      // A cut behind the last entry leaves it whole.
      if (package.ok()) {
        EXPECT_EQ(package->name, "dragnet-agent") << size;
      }
    }
    for (size_t at = 0; at < std::min<size_t>(good.size(), 4000); at += 3) {
      std::string damaged = good;
      damaged[at] = static_cast<char>(damaged[at] ^ 0xff);
      ParsePackage(damaged).status().IgnoreError();
    }
  }
}

TEST(Archive, WhatIsNoPackageIsRefused) {
  EXPECT_FALSE(Refusal("").empty());
  EXPECT_FALSE(Refusal("!<arch>\n").empty());
  EXPECT_FALSE(Refusal(std::string(100'000, 'a')).empty());
  EXPECT_FALSE(Refusal(Ar({}, VendorFiles())).empty());
  EXPECT_THAT(Refusal(*WriteTar({{.path = "somewhere/x"}}, "", Compression::kGzip, 0)),
              HasSubstr("NAME-VERSION-linux-ARCHITECTURE"));
}

}  // namespace
}  // namespace dragnet::console
