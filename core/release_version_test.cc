#include "core/release.h"
#include "core/strings.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace dragnet {
namespace {

Version Parse(std::string_view text) {
  const absl::StatusOr<Version> version = Version::Parse(text);
  EXPECT_TRUE(version.ok()) << version.status();
  return *version;
}

TEST(Version, IsOrderedAsSemanticVersioningSays) {
  // Each is lower than all that follow. The middle is the example of section 11.4.
  const std::vector<std::string> rising = {"0.0.0",
                                           "0.0.1",
                                           "0.1.0",
                                           "0.2.0-1",
                                           "0.2.0-2",
                                           "0.2.0-10",
                                           "0.2.0-rc",
                                           "0.2.0",
                                           "0.10.0",
                                           "1.0.0--",
                                           "1.0.0-1a",
                                           "1.0.0-alpha",
                                           "1.0.0-alpha.1",
                                           "1.0.0-alpha.beta",
                                           "1.0.0-beta",
                                           "1.0.0-beta.2",
                                           "1.0.0-beta.11",
                                           "1.0.0-rc.1",
                                           "1.0.0",
                                           "2.0.0-18446744073709551615",
                                           "2.0.0-18446744073709551616",
                                           "2.0.0-99999999999999999999999999999",
                                           "2.0.0",
                                           "10.0.0",
                                           "18446744073709551615.0.0"};
  for (size_t i = 0; i < rising.size(); ++i) {
    for (size_t j = 0; j < rising.size(); ++j) {
      EXPECT_EQ(Parse(rising[i]) <=> Parse(rising[j]), i <=> j) << rising[i] << " " << rising[j];
    }
  }
}

TEST(Version, WordsOfAPrereleaseAreComparedByAscii) {
  EXPECT_LT(Parse("1.0.0-RC"), Parse("1.0.0-rc"));
  EXPECT_LT(Parse("1.0.0-9"), Parse("1.0.0--9")) << "with a hyphen it is a word";
}

TEST(Version, KeepsItsText) { EXPECT_EQ(Parse("0.2.0-rc.1").text(), "0.2.0-rc.1"); }

TEST(Version, OfAnotherFormIsRefused) {
  for (const std::string_view text : {"",
                                      "1",
                                      "1.2",
                                      "1.2.3.4",
                                      "1.2.",
                                      "1..3",
                                      ".1.2.3",
                                      "v1.2.3",
                                      "01.2.3",
                                      "1.02.3",
                                      "1.2.03",
                                      "-1.2.3",
                                      "+1.2.3",
                                      " 1.2.3",
                                      "1.2.3 ",
                                      "1.2.3\n",
                                      "1.2.3-",
                                      "1.2.3-a.",
                                      "1.2.3-.a",
                                      "1.2.3-a..b",
                                      "1.2.3-01",
                                      "1.2.3-a.00",
                                      "1.2.3-a_b",
                                      "1.2.3-\xc3\xa4",
                                      "1.2.3+build",
                                      "1.2.3-rc.1+build",
                                      "1.2.x",
                                      "1.2.3-a/../b",
                                      "../1.2.3",
                                      "0x1.2.3",
                                      "18446744073709551616.0.0"}) {
    EXPECT_EQ(Version::Parse(text).status().code(), absl::StatusCode::kInvalidArgument) << text;
  }
  using namespace std::string_view_literals;
  EXPECT_FALSE(Version::Parse("1.2.3\0"sv).ok());
}

TEST(Version, Has64BytesAtMost) {
  EXPECT_TRUE(Version::Parse(StrCat("1.2.3-", std::string(58, 'a'))).ok());
  EXPECT_FALSE(Version::Parse(StrCat("1.2.3-", std::string(59, 'a'))).ok());
}

}  // namespace
}  // namespace dragnet
