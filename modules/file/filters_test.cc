#include "modules/file/filters.h"

#include <dirent.h>
#include <gtest/gtest.h>
#include <sys/stat.h>

#include <vector>

namespace dragnet::file {
namespace {

SizeFilter Size(std::string_view text) {
  const absl::StatusOr<SizeFilter> filter = ParseSize(text);
  EXPECT_TRUE(filter.ok()) << text << ": " << filter.status();
  return filter.value_or(SizeFilter{1, 0});
}

TEST(SizeFilter, SignsAndSuffixesMeanWhatTheySay) {
  EXPECT_TRUE(Size("<50k").Holds(50 * 1024 - 1));
  EXPECT_FALSE(Size("<50k").Holds(50 * 1024));
  EXPECT_TRUE(Size("<=50k").Holds(50 * 1024));
  EXPECT_FALSE(Size("<=50k").Holds(50 * 1024 + 1));
  EXPECT_FALSE(Size(">1m").Holds(1024 * 1024));
  EXPECT_TRUE(Size(">1m").Holds(1024 * 1024 + 1));
  EXPECT_TRUE(Size(">=1M").Holds(1024 * 1024));
  EXPECT_TRUE(Size("=0").Holds(0));
  EXPECT_FALSE(Size("=0").Holds(1));
  EXPECT_TRUE(Size("10").Holds(10));
  EXPECT_FALSE(Size("10").Holds(11));
  EXPECT_TRUE(Size(">2t").Holds(uint64_t{3} << 40));
  EXPECT_TRUE(Size(">=1g").Holds(uint64_t{1} << 30));
}

TEST(SizeFilter, WhatIsNoSizeIsRefused) {
  for (const char* text : {"", "k", "<", "> 1k", "-1", "+1", "1.5m", "1kb", "1 k", "<>1", "==1",
                           "<0", "9223372036854775807k", "99999999999999999999", "1k\n"}) {
    EXPECT_FALSE(ParseSize(text).ok()) << text;
  }
}

TEST(SizeFilter, SizesThatExcludeEachOtherAreSeen) {
  EXPECT_TRUE(CheckSizesMeet(std::vector{Size(">1k"), Size("<1m")}).ok());
  EXPECT_TRUE(CheckSizesMeet(std::vector{Size(">=1k"), Size("<=1k")}).ok());
  EXPECT_FALSE(CheckSizesMeet(std::vector{Size(">1m"), Size("<1k")}).ok());
  EXPECT_FALSE(CheckSizesMeet(std::vector{Size("=1"), Size("=2")}).ok());
  EXPECT_TRUE(CheckSizesMeet({}).ok());
}

class TimeFilterTest : public testing::Test {
 protected:
  bool Holds(std::string_view text, absl::Time time) const {
    const absl::StatusOr<TimeFilter> filter = ParseTime(text);
    EXPECT_TRUE(filter.ok()) << text << ": " << filter.status();
    return filter.ok() && filter->Holds(time, now_);
  }

  const absl::Time now_ = absl::FromUnixSeconds(1'700'000'000);
};

TEST_F(TimeFilterTest, AgesCountBackFromTheStartOfTheRun) {
  EXPECT_TRUE(Holds(">30d", now_ - absl::Hours(24 * 31)));
  EXPECT_FALSE(Holds(">30d", now_ - absl::Hours(24 * 29)));
  EXPECT_TRUE(Holds("<2h", now_ - absl::Minutes(119)));
  EXPECT_FALSE(Holds("<2h", now_ - absl::Minutes(121)));
  EXPECT_TRUE(Holds("<5m", now_ - absl::Minutes(4)));
  EXPECT_TRUE(Holds("<5s", now_ - absl::Seconds(4)));
  EXPECT_TRUE(Holds(">1w", now_ - absl::Hours(24 * 8)));
}

TEST_F(TimeFilterTest, ATimeInTheFutureIsNew) {
  EXPECT_TRUE(Holds("<1h", now_ + absl::Hours(5)));
  EXPECT_FALSE(Holds(">1h", now_ + absl::Hours(5)));
}

TEST_F(TimeFilterTest, DatesIncludeTheirFirstMomentAndExcludeTheLast) {
  const absl::Time day = absl::FromUnixSeconds(1'706'918'400);  // 2024-02-03T00:00:00Z
  EXPECT_TRUE(Holds("after 2024-02-03", day));
  EXPECT_FALSE(Holds("after 2024-02-03", day - absl::Nanoseconds(1)));
  EXPECT_TRUE(Holds("before 2024-02-03", day - absl::Nanoseconds(1)));
  EXPECT_FALSE(Holds("before 2024-02-03", day));
  EXPECT_TRUE(Holds("after 2024-02-03T04:05:06Z", day + absl::Hours(4) + absl::Seconds(306)));
  EXPECT_TRUE(Holds("before 2024-02-03T02:00:00+02:00", day - absl::Seconds(1)));
  EXPECT_FALSE(Holds("before 2024-02-03T02:00:00+02:00", day));
}

TEST_F(TimeFilterTest, WhatIsNoTimeIsRefused) {
  for (const char* text : {"",
                           "<",
                           "2h",
                           ">30",
                           "<d",
                           "< 2h",
                           "<-2h",
                           "<2y",
                           "<1.5h",
                           ">2024-02-03",
                           "after",
                           "after ",
                           "after 2024",
                           "after 2024-02-30",
                           "after 2024-2-3",
                           "after 2024-02-03T04:05:06",
                           "after  2024-02-03",
                           "on 2024-02-03",
                           "before 2024-02-03 04:05",
                           "<99999999999999999999d"}) {
    EXPECT_FALSE(ParseTime(text).ok()) << text;
  }
}

TEST_F(TimeFilterTest, TimesThatExcludeEachOtherAreSeen) {
  const auto meet = [](std::string_view a, std::string_view b) {
    return CheckTimesMeet(std::vector{*ParseTime(a), *ParseTime(b)}).ok();
  };
  EXPECT_TRUE(meet(">1d", "<30d"));
  EXPECT_FALSE(meet(">30d", "<1d"));
  EXPECT_TRUE(meet("after 2024-01-01", "before 2024-02-01"));
  EXPECT_FALSE(meet("after 2024-02-01", "before 2024-01-01"));
  EXPECT_FALSE(meet("after 2024-02-01", "before 2024-02-01"));
}

TEST(ModeString, IsAsLsWritesIt) {
  EXPECT_EQ(ModeString(S_IFREG | 0644), "-rw-r--r--");
  EXPECT_EQ(ModeString(S_IFDIR | 01777), "drwxrwxrwt");
  EXPECT_EQ(ModeString(S_IFREG | 04755), "-rwsr-xr-x");
  EXPECT_EQ(ModeString(S_IFREG | 06644), "-rwSr-Sr--");
  EXPECT_EQ(ModeString(S_IFREG | 01000), "---------T");
  EXPECT_EQ(ModeString(S_IFLNK | 0777), "lrwxrwxrwx");
  EXPECT_EQ(ModeString(S_IFIFO | 0600), "prw-------");
  EXPECT_EQ(ModeString(S_IFSOCK | 0755), "srwxr-xr-x");
  EXPECT_EQ(ModeString(S_IFBLK | 0660), "brw-rw----");
  EXPECT_EQ(ModeString(S_IFCHR | 0666), "crw-rw-rw-");
}

TEST(FileTypes, NamesAreReadBack) {
  for (mode_t format : {S_IFREG, S_IFDIR, S_IFLNK, S_IFIFO, S_IFSOCK, S_IFBLK, S_IFCHR}) {
    const FileType type = TypeOfMode(format | 0600);
    ASSERT_NE(type, FileType::kUnknown);
    EXPECT_EQ(*ParseType(TypeName(type)), type);
    EXPECT_EQ(TypeOfDirent(IFTODT(format)), type);
  }
  EXPECT_FALSE(ParseType("files").ok());
  EXPECT_FALSE(ParseType("unknown").ok());
}

}  // namespace
}  // namespace dragnet::file
