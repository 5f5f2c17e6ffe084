#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <map>
#include <string>
#include <vector>

#include "modules/pkg/test_root.h"
#include "modules/run_context_fake.h"
#include "modules/sysctl/configured.h"
#include "modules/sysctl/run.h"
#include "modules/sysctl/sysctl.pb.h"

namespace dragnet {
const Module& SysctlModule();
}

namespace dragnet::sysctl {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

class SysctlTest : public testing::Test {
 protected:
  SysctlTest() {
    root_.File("/proc/sys/kernel/kptr_restrict", "1\n");
    root_.File("/proc/sys/kernel/printk", "4\t4  1\t7\n");
    root_.File("/proc/sys/net/ipv4/ip_forward", "1\n");
    root_.File("/proc/sys/net/ipv4/conf/all/rp_filter", "0\n");
    root_.File("/proc/sys/net/ipv4/conf/eth0.1/rp_filter", "2\n");
    root_.File("/proc/sys/net/ipv4/route/flush", "", 0200);
  }

  std::vector<v1::SysctlRow> Run(const std::vector<std::string>& names,
                                 bool only_differing = false) {
    v1::SysctlParameters parameters;
    for (const std::string& name : names) parameters.add_names(name);
    parameters.set_only_differing(only_differing);
    const auto search = CompileSearch(parameters);
    EXPECT_TRUE(search.ok()) << search.status();
    FakeRunContext context;
    RunSearch(*search, *pkg::Root::Open(root_.path()), context);
    unexamined_ = context.unexamined;
    return context.RowsAs<v1::SysctlRow>();
  }

  static std::vector<std::string> Names(const std::vector<v1::SysctlRow>& rows) {
    std::vector<std::string> names;
    for (const auto& row : rows) names.push_back(row.name());
    return names;
  }

  pkg::TestRoot root_;
  std::map<std::string, std::vector<std::string>> unexamined_;
};

TEST_F(SysctlTest, EverySettingThatCanBeReadHasARow) {
  const auto rows = Run({});
  EXPECT_THAT(Names(rows),
              ElementsAre("kernel.kptr_restrict", "kernel.printk", "net.ipv4.conf.all.rp_filter",
                          "net.ipv4.conf.eth0/1.rp_filter", "net.ipv4.ip_forward"));
  EXPECT_EQ(rows[0].number(), 1);
  EXPECT_EQ(rows[1].value(), "4 4 1 7");
  EXPECT_FALSE(rows[1].has_number());
  EXPECT_TRUE(rows[0].exists());
  EXPECT_FALSE(rows[0].is_configured());
  EXPECT_THAT(unexamined_, IsEmpty());
}

TEST_F(SysctlTest, NamesAreExactGroupsOrWildcardsWithinAPart) {
  EXPECT_THAT(Names(Run({"kernel.printk"})), ElementsAre("kernel.printk"));
  EXPECT_THAT(Names(Run({"net.ipv4.conf.*.rp_filter"})),
              ElementsAre("net.ipv4.conf.all.rp_filter", "net.ipv4.conf.eth0/1.rp_filter"));
  EXPECT_THAT(Names(Run({"net/ipv4/conf/eth0.1/rp_filter"})),
              ElementsAre("net.ipv4.conf.eth0/1.rp_filter"));
  EXPECT_EQ(Run({"net.ipv4"}).size(), 3);
  EXPECT_THAT(Run({"net.*.rp_filter"}), IsEmpty());
}

TEST_F(SysctlTest, WhatThisKernelDoesNotHaveDoesNotExist) {
  const auto rows = Run({"net.ipv6.conf.all.forwarding"});
  ASSERT_EQ(rows.size(), 1);
  EXPECT_FALSE(rows[0].exists());
  EXPECT_EQ(rows[0].value(), "");
}

TEST_F(SysctlTest, FilesAreReadInTheirOrderAndMaskEachOther) {
  root_.File("/usr/lib/sysctl.d/10-a.conf", "kernel.kptr_restrict = 0\n");
  root_.File("/usr/lib/sysctl.d/50-b.conf", "kernel.kptr_restrict = 5\nkernel.printk=4 4 1 7\n");
  root_.File("/etc/sysctl.d/50-b.conf", "# nothing\nkernel/kptr_restrict=2\n");
  root_.File("/run/sysctl.d/20-c.conf", "-net.ipv4.ip_forward = 0\n");
  auto rows = Run({"kernel", "net.ipv4.ip_forward"});
  ASSERT_EQ(rows.size(), 3);
  EXPECT_EQ(rows[0].configured(), "2");
  EXPECT_EQ(rows[0].configured_in(), "/etc/sysctl.d/50-b.conf");
  EXPECT_EQ(rows[0].configured_line(), 2);
  EXPECT_TRUE(rows[0].differs());
  EXPECT_FALSE(rows[1].is_configured());
  EXPECT_FALSE(rows[1].differs());
  EXPECT_EQ(rows[2].configured(), "0");

  root_.File("/etc/sysctl.conf", "kernel.kptr_restrict=1\n");
  rows = Run({"kernel", "net.ipv4.ip_forward"}, /*only_differing=*/true);
  EXPECT_THAT(Names(rows), ElementsAre("net.ipv4.ip_forward"));
}

TEST_F(SysctlTest, WildcardsInFilesYieldToExactNames) {
  root_.File("/etc/sysctl.d/a.conf",
             "net.ipv4.conf.all.rp_filter = 1\nnet.ipv4.conf.*.rp_filter = 2\n");
  auto rows = Run({"net.ipv4.conf"});
  ASSERT_EQ(rows.size(), 2);
  EXPECT_EQ(rows[0].configured(), "1");
  EXPECT_EQ(rows[1].configured(), "2");
  root_.File("/etc/sysctl.d/b.conf", "-net.ipv4.conf.eth0/1.rp_filter\n");
  EXPECT_FALSE(Run({"net.ipv4.conf"})[1].is_configured());
}

TEST_F(SysctlTest, OfThisHostThereIsAnOsType) {
  v1::SysctlParameters parameters;
  parameters.add_names("kernel.ostype");
  FakeRunContext context;
  ASSERT_TRUE(SysctlModule().Run(parameters, context).ok());
  ASSERT_EQ(context.rows.size(), 1);
  EXPECT_EQ(context.RowsAs<v1::SysctlRow>()[0].value(), "Linux");
}

TEST(CompileSearchTest, NamesAreChecked) {
  for (const char* name : {"", "..", "a..b", "a.[", "net.ipv4.", "/etc/../x", "a/../../b"}) {
    v1::SysctlParameters parameters;
    parameters.add_names(name);
    EXPECT_EQ(SysctlModule().Validate(parameters).code(), absl::StatusCode::kInvalidArgument)
        << name;
  }
}

}  // namespace
}  // namespace dragnet::sysctl
