#include "console/form/describe.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "console/form/describe_checks.h"
#include "console/testing/sample.pb.h"
#include "console/testing/sample_module.h"
#include "core/strings.h"
#include "core/testing.h"

namespace dragnet::console {
namespace {

using ::testing::HasSubstr;
using ::testing::Not;

v1::Action SampleAction(const testing::SampleParameters& parameters) {
  v1::Action action = dragnet::testing::Fleet().ActionProto("sample");
  action.mutable_operations(0)->set_parameters(parameters.SerializeAsString());
  return action;
}

TEST(DescribeTest, EverythingThatIsSignedIsShown) {
  testing::SampleParameters parameters;
  parameters.add_path("/etc");
  parameters.add_path("/usr");
  parameters.add_searches()->add_name("^passwd$");
  parameters.set_secret_knob("hidden from flags, not from eyes");
  v1::Action action = SampleAction(parameters);
  action.set_description("why");
  action.mutable_threat()->set_level("high");
  action.mutable_operations(0)->mutable_limits()->set_rows(7);
  const std::string text =
      DescribeAction(action, {{"Reaches", "3 agents"}}, testing::SampleCatalog());
  for (const char* part :
       {"test action", "why", "level high", "os='linux'", "Reaches", "3 agents", "(6 min)",
        "Operation 1: sample", "  path: /etc\n  path: /usr\n", "    name: ^passwd$",
        "secret_knob: hidden from flags, not from eyes", "  limits\n    rows: 7"}) {
    EXPECT_THAT(text, HasSubstr(part));
  }
  EXPECT_THAT(text, HasSubstr(action.id()));
  EXPECT_THAT(text, HasSubstr(action.fleet_id()));
}

TEST(DescribeTest, HowLongAndHowMuchLaterItRecursIsShown) {
  v1::Action action = SampleAction({});
  v1::Recurrence* recurrence = action.mutable_recurrence();
  recurrence->set_cron("0 3 * * *");
  recurrence->set_time_zone("Europe/Berlin");
  recurrence->mutable_until()->set_seconds(1'900'000'000);
  recurrence->mutable_jitter()->set_seconds(600);
  const std::string text = DescribeAction(action, {}, testing::SampleCatalog());
  EXPECT_THAT(text, HasSubstr("0 3 * * * (Europe/Berlin), until 2030-03-17"));
  EXPECT_THAT(text, HasSubstr("later by up to 10 min"));
  EXPECT_THAT(text, HasSubstr("at 03:00 every day"));
  EXPECT_THAT(text, HasSubstr("the last is run late"));
}

TEST(DescribeTest, TheFirstRunsAreShownInTheScheduleZone) {
  v1::Action action = SampleAction({});
  // Valid from Friday 2027-01-15 07:59 UTC on, which is 02:59 in New York.
  *action.mutable_expires() = ToTimestamp(*ToTime(action.not_before()) + absl::Hours(24 * 4));
  action.mutable_recurrence()->set_cron("0 3 * * *");
  action.mutable_recurrence()->set_time_zone("America/New_York");
  const std::string text = DescribeAction(action, {}, testing::SampleCatalog());
  // Cut off by the end of validity, not filled up to five.
  for (const char* day : {"Fri 2027-01-15", "Sat 2027-01-16", "Sun 2027-01-17", "Mon 2027-01-18"})
    EXPECT_THAT(text, HasSubstr(StrCat(day, " 03:00:00 EST (-05:00)")));
  EXPECT_THAT(text, Not(HasSubstr("Tue 2027-01-19")));

  action.mutable_recurrence()->set_cron("0 3 31 2 *");
  EXPECT_THAT(DescribeAction(action, {}, testing::SampleCatalog()), HasSubstr("it never runs"));
}

TEST(DescribeTest, AnExtraRunNamesItsSweep) {
  v1::Action action = SampleAction({});
  action.set_extra_run_of("0199a7c2-6d0c-7bb1-8a51-3f0e4dd2a911");
  EXPECT_THAT(DescribeAction(action, {}, testing::SampleCatalog()),
              HasSubstr("Extra run of  0199a7c2-6d0c"));
}

check::v1::CheckParameters TwoChecks() {
  check::v1::CheckParameters pack;
  pack.set_pack("ssh");
  pack.set_title("SSH servers");
  pack.set_version("1.2");
  check::v1::Check& first = *pack.add_checks();
  first.set_id("root-login");
  first.set_title("Root can't log in\x1b[2J");
  first.set_severity("high");
  first.add_references("CIS 5.1.20");
  first.set_remediation("Set it.\nReload sshd.");
  first.set_applies_when("os='linux'");
  first.set_module("sample");
  testing::SampleParameters parameters;
  parameters.add_path("/etc/ssh");
  first.set_parameters(parameters.SerializeAsString());
  first.mutable_expectation()->set_kind(check::v1::Expectation::KIND_NOT_FOUND);
  first.mutable_expectation()->set_where("size > 3");
  first.mutable_limits()->set_rows(7);
  check::v1::Check& second = *pack.add_checks();
  second.set_id("other");
  second.set_module("nothing-like-it");
  second.set_parameters("\xff");
  return pack;
}

TEST(DescribeTest, ChecksAreShownWholeAndSafe) {
  const std::string text = DescribeChecks(TwoChecks(), testing::SampleCatalog());
  for (const char* part :
       {"  pack: ssh\n", "  version: 1.2\n", "  checks: 2\n", "[1] root-login (high): Root can't",
        "    runs: sample\n      path: /etc/ssh\n",
        "    passes when: no row is found where size > 3\n", "    applies when: os='linux'\n",
        "    reference: CIS 5.1.20\n", "    remediation: Set it.\\nReload sshd.\n",
        "    limits\n      rows: 7\n", "[2] other", "no such module; parameters in hex)\n      ff"})
    EXPECT_THAT(text, HasSubstr(part));
  EXPECT_THAT(text, Not(HasSubstr("\x1b")));
}

TEST(DescribeTest, ExpectationsInWords) {
  check::v1::Expectation expectation;
  expectation.set_kind(check::v1::Expectation::KIND_COUNT);
  expectation.set_max(3);
  EXPECT_EQ(ExpectationWords(expectation), "at most 3 rows are found");
  expectation.set_min(3);
  EXPECT_EQ(ExpectationWords(expectation), "exactly 3 rows are found");
  expectation.clear_max();
  EXPECT_EQ(ExpectationWords(expectation), "at least 3 rows are found");
  expectation.set_kind(check::v1::Expectation::KIND_ALL);
  expectation.set_where("uid = 0");
  EXPECT_EQ(ExpectationWords(expectation), "every row is so: uid = 0; there are at least 3 rows");
  expectation.set_kind(check::v1::Expectation::KIND_FOUND);
  EXPECT_EQ(ExpectationWords(expectation), "a row is found where uid = 0");
}

TEST(DescribeTest, EveryAgentIsSaidInWords) {
  v1::Action action = SampleAction({});
  action.set_target("true");
  const std::string text = DescribeAction(action, {}, testing::SampleCatalog());
  EXPECT_THAT(text, HasSubstr("every agent"));
  EXPECT_THAT(text, HasSubstr("(no parameters)"));
}

TEST(DescribeTest, TextCannotForgeLinesOrReachTheTerminal) {
  testing::SampleParameters parameters;
  parameters.add_path("/etc\nOperation 2: nothing\x1b[2J");
  v1::Action action = SampleAction(parameters);
  action.set_name("x\nTarget  true");
  const std::string text = DescribeAction(action, {}, testing::SampleCatalog());
  EXPECT_THAT(text, Not(HasSubstr("\nOperation 2")));
  EXPECT_THAT(text, Not(HasSubstr("\nTarget  true")));
  EXPECT_THAT(text, Not(HasSubstr("\x1b")));
}

TEST(DescribeTest, ParametersOfAnUnknownModuleAreNotPassedOverInSilence) {
  v1::Action action = dragnet::testing::Fleet().ActionProto("memory");
  action.mutable_operations(0)->set_parameters("\x01\x02");
  v1::Blob* blob = action.mutable_operations(0)->add_blobs();
  blob->set_field("searches[0].yara");
  blob->set_sha256(std::string(32, '\xab'));
  action.mutable_operations(0)->mutable_limits()->set_rows(7);
  const std::string text = DescribeAction(action, {}, testing::SampleCatalog());
  EXPECT_THAT(text, HasSubstr("no such module"));
  EXPECT_THAT(text, HasSubstr("0102"));
  EXPECT_THAT(text, HasSubstr("searches[0].yara"));
  EXPECT_THAT(text, HasSubstr("abababab"));
  EXPECT_THAT(text, HasSubstr("rows: 7"));
}

TEST(DescribeTest, ParametersWithUnknownFieldsAreShownInHexAndSaidSo) {
  v1::Action action = SampleAction({});
  action.mutable_operations(0)->set_parameters("\xa2\x06\x01x");
  EXPECT_THAT(DescribeAction(action, {}, testing::SampleCatalog()), HasSubstr("can't read"));
}

}  // namespace
}  // namespace dragnet::console
