#include "console/investigation/action_builder.h"

#include <gtest/gtest.h>

#include "console/testing/sample_module.h"
#include "core/testing.h"

namespace dragnet::console {
namespace {

class ActionBuilderTest : public ::testing::Test {
 protected:
  absl::Status Complete(v1::Action* action, std::optional<absl::Duration> lifetime = std::nullopt) {
    return CompleteAction(fleet_.id, fleet_.now, lifetime, testing::SampleCatalog(), {}, action);
  }

  static v1::Action Bare() {
    v1::Action action;
    action.set_target("true");
    action.add_operations()->set_module("sample");
    return action;
  }

  dragnet::testing::Fleet fleet_;
};

TEST_F(ActionBuilderTest, WhatIsAbsentIsFilledIn) {
  v1::Action action = Bare();
  ASSERT_TRUE(Complete(&action).ok());
  EXPECT_TRUE(IsUuidV7(action.id()));
  EXPECT_EQ(action.fleet_id(), fleet_.id);
  EXPECT_EQ(action.name(), "sample");
  EXPECT_EQ(*ToTime(action.not_before()), fleet_.now - absl::Minutes(1));
  EXPECT_EQ(*ToTime(action.expires()), fleet_.now + absl::Minutes(5));
}

TEST_F(ActionBuilderTest, WhatIsThereStays) {
  v1::Action action = fleet_.ActionProto("sample");
  const v1::Action before = action;
  ASSERT_TRUE(Complete(&action).ok());
  EXPECT_EQ(action.SerializeAsString(), before.SerializeAsString());
}

TEST_F(ActionBuilderTest, LifetimeThatWasGivenGoesOverTheDocument) {
  v1::Action action = fleet_.ActionProto("sample");
  ASSERT_TRUE(Complete(&action, absl::Hours(1)).ok());
  EXPECT_EQ(*ToTime(action.expires()), fleet_.now + absl::Hours(1));
}

TEST_F(ActionBuilderTest, AnotherFleetsActionIsRefused) {
  v1::Action action = Bare();
  action.set_fleet_id("other-0123456789ab");
  EXPECT_TRUE(absl::IsFailedPrecondition(Complete(&action)));
}

TEST_F(ActionBuilderTest, ActionThatIsOverIsRefused) {
  v1::Action action = fleet_.ActionProto("sample");
  *action.mutable_not_before() = ToTimestamp(fleet_.now - absl::Hours(2));
  *action.mutable_expires() = ToTimestamp(fleet_.now - absl::Hours(1));
  EXPECT_FALSE(Complete(&action).ok());
}

TEST_F(ActionBuilderTest, UnknownModulesAndParametersAreRefused) {
  v1::Action unknown = Bare();
  unknown.mutable_operations(0)->set_module("nope");
  EXPECT_FALSE(Complete(&unknown).ok());
  v1::Action rubbish = Bare();
  rubbish.mutable_operations(0)->set_parameters("\xff\xff");
  EXPECT_FALSE(Complete(&rubbish).ok());
}

TEST(ShellLineTest, QuotesWhatAShellWouldTakeApart) {
  EXPECT_EQ(ShellLine({"file", "--path", "/etc", "--name", "^a b$", "--x", "it's", ""}),
            "file --path /etc --name '^a b$' --x 'it'\\''s' ''");
}

}  // namespace
}  // namespace dragnet::console
