#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <string>
#include <vector>

#include "modules/mounts/mounts.pb.h"
#include "modules/mounts/run.h"
#include "modules/mounts/tables.h"
#include "modules/pkg/test_root.h"
#include "modules/run_context_fake.h"

namespace dragnet {
const Module& MountsModule();
}

namespace dragnet::mounts {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

constexpr char kMountinfo[] =
    "22 27 0:21 / /proc rw,relatime shared:5 - proc proc rw\n"
    "27 1 254:0 / / rw,relatime shared:1 - ext4 /dev/vda1 rw,errors=remount-ro\n"
    "28 27 254:1 / /tmp rw,nosuid,nodev,relatime shared:2 master:1 - tmpfs tmpfs rw,size=4k\n"
    "29 27 254:2 /sub /srv/my\\040data rw,noexec - xfs /dev/vdb ro\n"
    "30 28 0:40 / /tmp rw,noexec - tmpfs over rw\n";

class MountsTest : public testing::Test {
 protected:
  std::vector<v1::MountsRow> Run(const v1::MountsParameters& parameters) {
    root_.File("/mountinfo", mountinfo_);
    root_.File("/fstab", fstab_);
    const std::string mountinfo = root_.In("/mountinfo"), fstab = root_.In("/fstab");
    FakeRunContext context;
    RunSearch(*CompileSearch(parameters), {mountinfo.c_str(), fstab.c_str()}, context);
    unexamined_ = context.unexamined;
    return context.RowsAs<v1::MountsRow>();
  }

  pkg::TestRoot root_;
  std::string mountinfo_ = kMountinfo;
  std::string fstab_ =
      "# comment\n"
      "/dev/vdb /srv/my\\040data/ xfs ro,noexec 0 2\n"
      "UUID=1 /home ext4 nodev,user,exec\n"
      "/dev/vdc none swap sw 0 0\n";
  std::map<std::string, std::vector<std::string>> unexamined_;
};

TEST_F(MountsTest, EveryMountHasARowAndWhatLiesOnTopCounts) {
  const auto rows = Run({});
  ASSERT_EQ(rows.size(), 5);
  EXPECT_EQ(rows[1].mount_point(), "/");
  EXPECT_TRUE(rows[1].is_separate());
  EXPECT_FALSE(rows[1].read_only());
  EXPECT_THAT(rows[1].options(), ElementsAre("rw", "relatime", "errors=remount-ro"));
  EXPECT_EQ(rows[2].mount_point(), "/srv/my data");
  EXPECT_TRUE(rows[2].read_only());
  EXPECT_TRUE(rows[2].noexec());
  EXPECT_FALSE(rows[2].nosuid());
  EXPECT_TRUE(rows[2].in_fstab());
  EXPECT_EQ(rows[2].root(), "/sub");
  EXPECT_THAT(rows[2].fstab_options(), ElementsAre("ro", "noexec"));
  EXPECT_EQ(rows[3].device(), "over");
  EXPECT_FALSE(rows[3].nodev());
  EXPECT_THAT(unexamined_, IsEmpty());
}

TEST_F(MountsTest, WhatFstabNamesAndIsNotMountedHasARow) {
  const v1::MountsRow row = Run({}).back();
  EXPECT_EQ(row.mount_point(), "/home");
  EXPECT_FALSE(row.mounted());
  EXPECT_TRUE(row.in_fstab());
  EXPECT_TRUE(row.nodev());
  EXPECT_TRUE(row.nosuid());
  EXPECT_FALSE(row.noexec());
}

TEST_F(MountsTest, APathHasTheRowOfTheMountThatHoldsIt) {
  v1::MountsParameters parameters;
  parameters.add_paths("/tmp/");
  parameters.add_paths("/no-such/directory");
  const auto rows = Run(parameters);
  ASSERT_EQ(rows.size(), 2);
  EXPECT_EQ(rows[0].path(), "/tmp");
  EXPECT_TRUE(rows[0].is_separate());
  EXPECT_EQ(rows[1].mount_point(), "/");
  EXPECT_FALSE(rows[1].is_separate());
}

TEST_F(MountsTest, TypesAreAFilter) {
  v1::MountsParameters parameters;
  parameters.add_fs_types("ext4");
  parameters.add_fs_types("proc");
  EXPECT_EQ(Run(parameters).size(), 3);
  parameters.set_no_kernel(true);
  EXPECT_EQ(Run(parameters).size(), 2);
}

TEST_F(MountsTest, WhatCanNotBeUnderstoodIsNoted) {
  mountinfo_ += "31 28 0:40 / /x rw\n";
  fstab_ += "half a\n";
  Run({});
  EXPECT_EQ(unexamined_["lines that can't be understood"].size(), 2);
}

TEST_F(MountsTest, WithoutMountsNothingIsSaid) {
  FakeRunContext context;
  RunSearch(*CompileSearch({}), {"/no/mountinfo", "/no/fstab"}, context);
  EXPECT_TRUE(context.rows.empty());
  EXPECT_EQ(context.unexamined.size(), 1);
}

TEST_F(MountsTest, OfThisHostThereIsARoot) {
  v1::MountsParameters parameters;
  parameters.add_paths("/");
  FakeRunContext context;
  ASSERT_TRUE(MountsModule().Run(parameters, context).ok());
  if (!context.unexamined.empty()) GTEST_SKIP() << "process 1 can't be looked at here";
  ASSERT_EQ(context.rows.size(), 1);
  EXPECT_TRUE(context.RowsAs<v1::MountsRow>()[0].is_separate());
}

TEST(CompileSearchTest, PathsAreAbsolute) {
  v1::MountsParameters parameters;
  parameters.add_paths("tmp");
  EXPECT_EQ(MountsModule().Validate(parameters).code(), absl::StatusCode::kInvalidArgument);
}

TEST(TablesTest, HostileLinesAreNoMounts) {
  for (const char* line : {"", "-", "a b c d e f - -", "1 2 3 / x rw - a b c",
                           "1 2 3 / /x rw a b c d e f", "1 2 3 4 x - - - - -"}) {
    EXPECT_FALSE(ParseMountinfoLine(line).has_value()) << line;
    (void)ParseFstabLine(line);
  }
  EXPECT_EQ(Unescape("\\040\\04\\"), " \\04\\");
}

}  // namespace
}  // namespace dragnet::mounts
