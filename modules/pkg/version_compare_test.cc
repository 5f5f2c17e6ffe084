#include "modules/pkg/version_compare.h"

#include <gtest/gtest.h>

#include <string>
#include <string_view>
#include <vector>

namespace dragnet::pkg {
namespace {

using Compare = int (*)(std::string_view, std::string_view);

// `versions` from the oldest to the newest: each pair must compare so.
void ExpectAscending(Compare compare, const std::vector<std::string>& versions) {
  for (size_t i = 0; i < versions.size(); ++i) {
    for (size_t j = 0; j < versions.size(); ++j) {
      const int order = compare(versions[i], versions[j]);
      EXPECT_EQ((order > 0) - (order < 0), (i > j) - (i < j))
          << versions[i] << " and " << versions[j];
    }
  }
}

void ExpectEqual(Compare compare, std::string_view a, std::string_view b) {
  EXPECT_EQ(compare(a, b), 0) << a << " and " << b;
  EXPECT_EQ(compare(b, a), 0) << b << " and " << a;
}

TEST(CompareDpkgTest, FollowsThePolicysExamples) {
  ExpectAscending(CompareDpkg, {"~~", "~~a", "~", "0", "a"});
  ExpectAscending(CompareDpkg, {"1.0~beta1~svn1245", "1.0~beta1", "1.0", "1.0-1", "1.0a", "1.0+b"});
}

TEST(CompareDpkgTest, NumbersCountByValueAndEpochsBeforeAll) {
  ExpectAscending(CompareDpkg, {"9.9", "9.10", "1:0.1", "10:0"});
  ExpectEqual(CompareDpkg, "1.02", "1.2");
  ExpectEqual(CompareDpkg, "0:1.0", "1.0");
  ExpectEqual(CompareDpkg, "1.0-0", "1.0");
  ExpectAscending(CompareDpkg, {"1.99999999999999999999", "1.100000000000000000000"});
}

TEST(CompareDpkgTest, SecurityUpdatesOfDebianAreInOrder) {
  ExpectAscending(CompareDpkg, {"3.0.15-1~deb12u1", "3.0.22-1~deb12u1", "3.0.22-1~deb12u2",
                                "3.0.22-1", "3.0.22-1+b1", "3.1.0"});
}

TEST(CompareRpmTest, TildeIsBeforeAndCaretAfterTheEnd) {
  ExpectAscending(CompareRpmSegment,
                  {"1.0~rc1", "1.0~rc2", "1.0", "1.0^", "1.0^git1", "1.0^git2", "1.0.1", "1.1"});
  ExpectAscending(CompareRpmSegment, {"1.0^git1~pre", "1.0^git1"});
  ExpectAscending(CompareRpmSegment, {"1.0~rc1", "1.0~rc1^git1", "1.0"});
}

TEST(CompareRpmTest, LettersAreOlderThanNumbersAndSeparatorsDoNotCount) {
  ExpectAscending(CompareRpmSegment, {"xyz", "10xyz", "10.1xyz", "10.1.0"});
  ExpectEqual(CompareRpmSegment, "2.0", "2_0");
  ExpectEqual(CompareRpmSegment, "1.010", "1.10");
  ExpectAscending(CompareRpmSegment, {"5.5p1", "5.5p2", "5.5p10"});
}

TEST(CompareRpmTest, AVersionWithoutReleaseMatchesAllItsReleases) {
  ExpectEqual(CompareRpm, "3.0.7", "3.0.7-25.el9");
  ExpectEqual(CompareRpm, "0:3.0.7-1", "3.0.7-1");
  ExpectAscending(CompareRpm, {"3.0.7-24.el9", "3.0.7-25.el9", "1:1.1.1k-9.el8"});
}

TEST(CompareApkTest, SuffixesSortAroundTheEnd) {
  ExpectAscending(CompareApk, {"1.0_alpha", "1.0_alpha1", "1.0_beta", "1.0_pre", "1.0_rc1",
                               "1.0_rc2", "1.0", "1.0-r1", "1.0_cvs", "1.0_git20240101", "1.0_p1",
                               "1.0_p2", "1.0a", "1.0b", "1.0.1"});
}

TEST(CompareApkTest, OrdersWhatAlpineShips) {
  ExpectAscending(CompareApk, {"3.0.9-r0", "3.0.10-r0", "3.0.10-r2", "3.0.10-r10", "3.1.0-r0"});
  ExpectAscending(CompareApk, {"0.3", "0.12", "1.2.3_alpha2", "1.2.3"});
  ExpectAscending(CompareApk, {"1.0.02", "1.0.1"});
}

TEST(CompareSemanticTest, FollowsTheSpecificationsExample) {
  ExpectAscending(CompareSemantic,
                  {"1.0.0-alpha", "1.0.0-alpha.1", "1.0.0-alpha.beta", "1.0.0-beta", "1.0.0-beta.2",
                   "1.0.0-beta.11", "1.0.0-rc.1", "1.0.0", "v1.0.1", "1.10.0"});
  ExpectEqual(CompareSemantic, "1.0.0+a", "v1.0.0+b");
}

TEST(ComparePythonTest, FollowsTheExampleOfPep440) {
  ExpectAscending(ComparePython, {"nonsense",      "1.dev0",
                                  "1.0.dev456",    "1.0a1",
                                  "1.0a2.dev456",  "1.0a12.dev456",
                                  "1.0a12",        "1.0b1.dev456",
                                  "1.0b2",         "1.0b2.post345.dev456",
                                  "1.0b2.post345", "1.0rc1.dev456",
                                  "1.0rc1",        "1.0",
                                  "1.0+abc.5",     "1.0+abc.7",
                                  "1.0+5",         "1.0.post456.dev34",
                                  "1.0.post456",   "1.0.15",
                                  "1.1.dev1",      "1!0.1"});
  ExpectEqual(ComparePython, "1.0.0", "1");
  ExpectEqual(ComparePython, "1.0-Alpha-1", "1.0a1");
  ExpectEqual(ComparePython, "1.0-1", "1.0.post1");
}

TEST(IsVersionTest, WhatAnInvestigatorMayWrite) {
  EXPECT_TRUE(IsDpkgVersion("1:3.0.22-1~deb12u2"));
  EXPECT_FALSE(IsDpkgVersion("three"));
  EXPECT_FALSE(IsDpkgVersion("1.0-"));
  EXPECT_FALSE(IsDpkgVersion("1.0 2"));
  EXPECT_TRUE(IsRpmVersion("1:1.1.1k-9.el8_7"));
  EXPECT_FALSE(IsRpmVersion("1.0/2"));
  EXPECT_TRUE(IsApkVersion("1.2.3a_git20200101_p3-r4"));
  EXPECT_TRUE(IsApkVersion("1.2.3~1234abcd-r4"));
  EXPECT_FALSE(IsApkVersion("1.2.3-4"));
  EXPECT_FALSE(IsApkVersion("a"));
  EXPECT_FALSE(IsApkVersion("1.2_nope"));
}

TEST(CompareTest, HostileVersionsOfAnyLengthAreCompared) {
  const std::string digits(1 << 20, '9');
  const std::string tildes(1 << 20, '~');
  for (Compare compare : {CompareDpkg, CompareRpm, CompareApk, CompareSemantic, ComparePython}) {
    EXPECT_EQ(compare(digits, digits), 0);
    EXPECT_EQ(compare(tildes, tildes), 0);
    EXPECT_NE(compare(digits, tildes), 0);
  }
}

}  // namespace
}  // namespace dragnet::pkg
