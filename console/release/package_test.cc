#include "console/release/package.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "console/package/archive.h"
#include "console/release/elf.h"
#include "console/release/testing.h"
#include "core/strings.h"

namespace dragnet::console {
namespace {

using testing::Deb;
using testing::FakeProgram;
using testing::FilesOfPackage;
using ::testing::HasSubstr;
using testing::Pack;
using testing::Rpm;
using testing::Tar;
using testing::TarGz;

TEST(PackageTest, TheProgramsAreFoundInEachForm) {
  const auto files = FilesOfPackage("0.2.0");
  for (const std::string& package :
       {Deb(files), Deb(files, ARCHIVE_FILTER_ZSTD), Deb(files, ARCHIVE_FILTER_NONE), Rpm(files),
        TarGz(files), Tar(files, ARCHIVE_FORMAT_TAR_PAX_RESTRICTED, ARCHIVE_FILTER_NONE)}) {
    const auto programs = ProgramsInPackage(package);
    ASSERT_TRUE(programs.ok()) << programs.status();
    EXPECT_EQ(programs->size(), 3u);
    EXPECT_EQ(programs->at("dragnet-link"), FakeProgram("0.2.0"));
  }
}

TEST(PackageTest, WhatIsNoPackageIsRefused) {
  for (const std::string_view bytes : {std::string_view(""), std::string_view("!<arch>\nnonsense"),
                                       std::string_view("\x1f\x8b\x08 not really")}) {
    EXPECT_EQ(ProgramsInPackage(bytes).status().code(), absl::StatusCode::kInvalidArgument);
  }
  EXPECT_EQ(ProgramsInPackage("no archive of any form").status().code(),
            absl::StatusCode::kInvalidArgument);
}

TEST(PackageTest, ADamagedPackageIsRefused) {
  std::string package = Deb(FilesOfPackage(std::string(100'000, 'x')));
  package.resize(package.size() / 2);
  EXPECT_FALSE(ProgramsInPackage(package).ok());
}

TEST(PackageTest, TwoProgramsOfOneNameAreRefused) {
  auto files = FilesOfPackage("0.2.0");
  files.push_back({"./opt/other/dragnet-link", FakeProgram("0.3.0")});
  const auto programs = ProgramsInPackage(TarGz(files));
  EXPECT_EQ(programs.status().code(), absl::StatusCode::kInvalidArgument);
  EXPECT_THAT(std::string(programs.status().message()), HasSubstr("two programs dragnet-link"));
}

TEST(PackageTest, APackageInAPackageIsNotLookedInto) {
  const auto programs =
      ProgramsInPackage(Deb({{"./usr/share/data.tar", Deb(FilesOfPackage("0.2.0"))}}));
  ASSERT_TRUE(programs.ok()) << programs.status();
  EXPECT_TRUE(programs->empty());
}

TEST(PackageTest, AProgramOverItsSizeIsRefused) {
  const std::string large = FakeProgram(std::string(kMaxReleaseFileBytes, '\0'));
  const auto programs = ProgramsInPackage(TarGz({{"dragnet-agent", large}}));
  EXPECT_THAT(std::string(programs.status().message()), HasSubstr("over 33554432 bytes"));
}

TEST(PackageTest, MoreEntriesThanThereMayBeAreRefused) {
  std::vector<testing::PackedFile> files;
  for (size_t i = 0; i <= PackageLimits().files; ++i) files.push_back({StrCat("x", i), ""});
  const auto programs = ProgramsInPackage(TarGz(files));
  EXPECT_THAT(std::string(programs.status().message()), HasSubstr("more files than may be"));
}

// A few kilobytes that would unpack to more than there may be.
TEST(PackageTest, ABombIsNotUnpackedToItsEnd) {
  const std::string zeros(size_t{64} << 20, '\0');
  std::vector<testing::PackedFile> files;
  for (int i = 0; i < 17; ++i) files.push_back({StrCat("zeros-", i), zeros});
  const std::string bomb = Tar(files, ARCHIVE_FORMAT_TAR_USTAR, ARCHIVE_FILTER_ZSTD);
  ASSERT_LT(bomb.size(), size_t{1} << 20);
  const auto programs = ProgramsInPackage(bomb);
  EXPECT_THAT(std::string(programs.status().message()), HasSubstr("expands to more than may be"));
}

// ---- for which platform

TEST(ElfTest, ThePlatformIsThatOfTheHeader) {
  EXPECT_EQ(*PlatformOfProgram(FakeProgram("")), (ProgramPlatform{"linux", "x86_64"}));
  EXPECT_EQ(*PlatformOfProgram(FakeProgram("", EM_AARCH64)), (ProgramPlatform{"linux", "aarch64"}));
  EXPECT_EQ(*PlatformOfProgram(FakeProgram("", EM_PPC64)), (ProgramPlatform{"linux", "ppc64le"}));
}

TEST(ElfTest, WhatIsNoProgramOfLinuxIsRefused) {
  const auto problem = [](auto change) {
    std::string bytes = FakeProgram("");
    change(bytes);
    const auto platform = PlatformOfProgram(bytes);
    EXPECT_EQ(platform.status().code(), absl::StatusCode::kInvalidArgument);
    return std::string(platform.status().message());
  };
  EXPECT_THAT(problem([](auto& b) { b = "#!/bin/sh"; }), HasSubstr("not an ELF program"));
  EXPECT_THAT(problem([](auto& b) { b.resize(63); }), HasSubstr("not an ELF program"));
  EXPECT_THAT(problem([](auto& b) { b[EI_CLASS] = ELFCLASS32; }), HasSubstr("64-bit"));
  EXPECT_THAT(problem([](auto& b) { b[EI_DATA] = 0; }), HasSubstr("order of bytes"));
  EXPECT_THAT(problem([](auto& b) { b[EI_OSABI] = ELFOSABI_FREEBSD; }), HasSubstr("of Linux"));
  EXPECT_THAT(problem([](auto& b) { b[16] = ET_CORE; }), HasSubstr("no program"));
  EXPECT_THAT(problem([](auto& b) { b[18] = EM_386; }), HasSubstr("isn't known here"));
}

}  // namespace
}  // namespace dragnet::console
