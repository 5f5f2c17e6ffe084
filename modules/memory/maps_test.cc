#include "modules/memory/maps.h"

#include <fstream>
#include <sstream>

#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace dragnet::memory {
namespace {

using testing::HasSubstr;
using testing::SizeIs;

constexpr char kText[] =
    "55d0c8a00000-55d0c8a02000 r-xp 00001000 fe:01 1048602                    /usr/bin/sl\\012eep "
    "(deleted)\n"
    "55d0c8a02000-55d0c8a03000 rw-p 00000000 00:00 0 \n"
    "7ffd1c000000-7ffd1c021000 rw-s 00000000 00:01 7                          [stack]\n"
    "ffffffffff600000-ffffffffff601000 --xp 00000000 00:00 0                  [vsyscall]\n";

TEST(MapsTest, RegionsAreReadHoweverTheTextIsCut) {
  for (const size_t step : {size_t{1}, size_t{7}, sizeof(kText)}) {
    Maps maps;
    const std::string_view text = kText;
    for (size_t at = 0; at < text.size(); at += step) maps.Feed(text.substr(at, step));
    maps.Finish();
    EXPECT_EQ(maps.incomplete(), "");
    ASSERT_THAT(maps.regions(), SizeIs(4));
    const Region& first = maps.regions()[0];
    EXPECT_EQ(first.start, 0x55d0c8a00000u);
    EXPECT_EQ(first.end, 0x55d0c8a02000u);
    EXPECT_EQ(first.offset, 0x1000u);
    EXPECT_EQ(first.device_major, 0xfeu);
    EXPECT_EQ(first.inode, 1048602u);
    EXPECT_TRUE(first.executable());
    EXPECT_FALSE(first.writable());
    EXPECT_EQ(maps.name(first), "/usr/bin/sl\neep (deleted)");
    EXPECT_EQ(maps.name(maps.regions()[1]), "");
    EXPECT_TRUE(maps.regions()[2].shared());
    EXPECT_EQ(maps.regions()[3].end, 0xffffffffff601000u);
    EXPECT_FALSE(maps.regions()[3].readable());
  }
}

TEST(MapsTest, OwnRegionsAreUnderstood) {
  std::ifstream file("/proc/self/maps");
  std::stringstream text;
  text << file.rdbuf();
  Maps maps;
  maps.Feed(text.str());
  maps.Finish();
  EXPECT_EQ(maps.incomplete(), "");
  EXPECT_EQ(maps.regions().size(), std::ranges::count(text.str(), '\n'));
}

TEST(MapsTest, WhatIsNotInTheListIsSaid) {
  for (const char* text : {"nonsense\n", "2000-1000 r--p 0 0:0 0 \n", "1000-2000 r--p 0 0:0\n",
                           "1000-2000 r--p 0 0:0 0 \n1800-3000 r--p 0 0:0 0 \n", "1000-2"}) {
    Maps maps;
    maps.Feed(text);
    maps.Finish();
    EXPECT_NE(maps.incomplete(), "") << text;
  }
}

TEST(MapsTest, MemoryIsBounded) {
  Maps few(1, 1000);
  few.Feed("1000-2000 r--p 0 0:0 0 \n2000-3000 r--p 0 0:0 0 \n");
  EXPECT_THAT(few.regions(), SizeIs(1));
  EXPECT_THAT(few.incomplete(), HasSubstr("too many"));
  Maps short_names(10, 10);
  short_names.Feed("1000-2000 r--p 0 0:0 0 /123456\n2000-3000 r--p 0 0:0 0 /1234567\n");
  EXPECT_THAT(short_names.regions(), SizeIs(1));
  EXPECT_THAT(short_names.incomplete(), HasSubstr("names"));
  Maps long_line;
  long_line.Feed(std::string(100'000, 'x'));
  EXPECT_THAT(long_line.incomplete(), HasSubstr("overlong"));
}

}  // namespace
}  // namespace dragnet::memory
