// The forms of text that the module reads.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <string>
#include <vector>

#include "core/strings.h"
#include "modules/persistence/apt_config.h"
#include "modules/persistence/cron_line.h"
#include "modules/persistence/kernel_modules.h"
#include "modules/persistence/udev_rule.h"
#include "modules/persistence/unit_file.h"

namespace dragnet::persistence {
namespace {

using testing::ElementsAre;
using testing::IsEmpty;

std::vector<std::string> UnitLines(std::string_view text) {
  std::vector<std::string> lines;
  ParseUnitFile(text, [&](const UnitLine& line) {
    lines.push_back(StrCat(line.line, " [", line.section, "] ", line.key, "=", line.value));
    return true;
  });
  return lines;
}

TEST(UnitFileTest, ContinuedLinesAreOneAndCommentsBetweenThemNothing) {
  EXPECT_THAT(UnitLines("[Service]\n; a comment\nExecStart=/bin/a \\\n# not this\n  b \\\n c\n"
                        "ExecStart =\n[Install]\nWantedBy=x.target"),
              ElementsAre("3 [Service] ExecStart=/bin/a  b  c",
                          "7 [Service] ExecStart=", "9 [Install] WantedBy=x.target"));
}

TEST(UnitFileTest, WhatEndsInTheMiddleOfALineIsStillSeen) {
  EXPECT_THAT(UnitLines("[Service]\nExecStart=/bin/a \\"),
              ElementsAre("2 [Service] ExecStart=/bin/a"));
  EXPECT_THAT(UnitLines("[]\n=\n\\\n"), ElementsAre("2 [] ="));
}

TEST(UnitFileTest, PrefixesOfCommandsAreToldFromThem) {
  EXPECT_EQ(WithoutExecPrefix("-+/bin/a"), "/bin/a");
  EXPECT_EQ(WithoutExecPrefix("@-"), "");
  EXPECT_TRUE(HasFullPrivileges("-+/bin/a"));
  EXPECT_FALSE(HasFullPrivileges("-/bin/a +"));
}

TEST(CronLineTest, SchedulesUsersAndCommandsAreParted) {
  CronLine line =
      ParseCronLine("17 *\t* * *  root  cd / && run-parts /etc/cron.hourly", CronForm::kSystem);
  ASSERT_EQ(line.type, CronLine::Type::kJob);
  EXPECT_EQ(line.schedule, "17 *\t* * *");
  EXPECT_EQ(line.user, "root");
  EXPECT_EQ(line.command, "cd / && run-parts /etc/cron.hourly");
  line = ParseCronLine("@reboot /tmp/x a=b", CronForm::kUser);
  ASSERT_EQ(line.type, CronLine::Type::kJob);
  EXPECT_EQ(line.schedule, "@reboot");
  EXPECT_EQ(line.command, "/tmp/x a=b");
  line = ParseCronLine("7 25 cron.weekly nice run-parts /etc/cron.weekly", CronForm::kAnacron);
  ASSERT_EQ(line.type, CronLine::Type::kJob);
  EXPECT_EQ(line.schedule, "7 25");
  EXPECT_EQ(line.name, "cron.weekly");
  line = ParseCronLine("LD_PRELOAD = /tmp/x.so", CronForm::kUser);
  ASSERT_EQ(line.type, CronLine::Type::kVariable);
  EXPECT_EQ(line.name, "LD_PRELOAD");
  EXPECT_EQ(line.command, "/tmp/x.so");
}

TEST(CronLineTest, WhatIsNoJobIsToldFromNothing) {
  EXPECT_EQ(ParseCronLine("  # * * * * * x", CronForm::kUser).type, CronLine::Type::kNothing);
  EXPECT_EQ(ParseCronLine("", CronForm::kUser).type, CronLine::Type::kNothing);
  EXPECT_EQ(ParseCronLine("* * * * *", CronForm::kUser).type, CronLine::Type::kMalformed);
  EXPECT_EQ(ParseCronLine("* * * * * root", CronForm::kSystem).type, CronLine::Type::kMalformed);
  EXPECT_EQ(ParseCronLine("nonsense here", CronForm::kUser).type, CronLine::Type::kMalformed);
}

TEST(UdevRuleTest, ProgramsComeWithTheirConditions) {
  std::vector<std::string> programs;
  std::vector<uint32_t> malformed;
  ParseUdevRules(
      "# comment\n"
      "ACTION==\"add\", ATTR{a=b}!=\"1\", \\\n  RUN+=\"/bin/sh -c 'a \\\"b\\\"'\", "
      "RUN{builtin}+=\"kmod\"\n"
      "PROGRAM==\"/bin/p\", IMPORT{program}=\"imp\", RUN=\"\"\n"
      "RUN+=\"open\nRUN+=\"/bin/q\"\n",
      [&](const UdevProgram& program) {
        programs.push_back(StrCat(program.line, " ", program.directive, " ", program.command, " | ",
                                  program.conditions));
        return true;
      },
      [&](uint32_t line) { malformed.push_back(line); });
  EXPECT_THAT(
      programs,
      ElementsAre("2 RUN+= /bin/sh -c 'a \"b\"' | ACTION==\"add\", ATTR{a=b}!=\"1\"",
                  "4 PROGRAM== /bin/p | ", "4 IMPORT{program}= imp | ", "6 RUN+= /bin/q | "));
  EXPECT_THAT(malformed, ElementsAre(5u));
}

std::vector<std::string> AptValues(std::string_view text, bool whole = true) {
  std::vector<std::string> values;
  EXPECT_EQ(ParseAptConfig(text,
                           [&](std::string_view option, std::string_view value, uint32_t line) {
                             values.push_back(StrCat(line, " ", option, "=", value));
                             return true;
                           }),
            whole);
  return values;
}

TEST(AptConfigTest, ScopesAreInFrontOfOptions) {
  EXPECT_THAT(AptValues("// c\nDPkg::Post-Invoke {\"a \\\"b\\\"\"; };\n/* \n */ # d\n"
                        "DPkg { Pre-Invoke:: \"c\"; Lock \"d\"; }\nAPT::X y;\n"),
              ElementsAre("2 DPkg::Post-Invoke=a \"b\"", "5 DPkg::Pre-Invoke::=c", "5 DPkg::Lock=d",
                          "6 APT::X=y"));
}

TEST(AptConfigTest, DamageIsToldAndDoesNotHideWhatWasBefore) {
  EXPECT_THAT(AptValues("A \"b\"; C \"open", false), ElementsAre("1 A=b"));
  EXPECT_THAT(AptValues("A { B \"c\";", false), ElementsAre("1 A::B=c"));
  EXPECT_THAT(AptValues("}", false), IsEmpty());
  EXPECT_THAT(AptValues("/* open", false), IsEmpty());
  // Deeper than anybody nests.
  AptValues(std::string(100000, '{'), false);
}

TEST(KernelModuleTest, TaintsAreNamed) {
  const auto module = ParseLoadedModule("evil 16384 0 - Live 0xffffffffc0000000 (POE)");
  ASSERT_TRUE(module);
  EXPECT_EQ(module->name, "evil");
  EXPECT_THAT(module->taints, ElementsAre("proprietary", "out_of_tree", "unsigned"));
  EXPECT_THAT(ParseLoadedModule("ext4 1 2 jbd2,mbcache, Live 0x0")->taints, IsEmpty());
  EXPECT_FALSE(ParseLoadedModule("ext4 1"));
  EXPECT_FALSE(ParseLoadedModule(""));
}

TEST(KernelModuleTest, NamesAreThoseOfTheKernel) {
  EXPECT_EQ(ModuleOfFile("kernel/net/nf-nat.ko.xz"), "nf_nat");
  EXPECT_EQ(ModuleOfFile("x.ko"), "x");
  EXPECT_EQ(ModuleOfFile("x.txt"), "");
}

}  // namespace
}  // namespace dragnet::persistence
