#include "console/form/describe.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "console/testing/sample.pb.h"
#include "console/testing/sample_module.h"
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
