#include "console/tui/views/action_list.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "console/testing/sample_module.h"
#include "core/testing.h"

namespace dragnet::console::tui {
namespace {

using ::testing::HasSubstr;

class ActionListTest : public ::testing::Test {
 protected:
  ActionListTest() {
    v1::TrustPolicy proto = fleet_.PolicyProto();
    dragnet::testing::Fleet::AddModule("sample", 1, {{"alice", 1}, {"bob", 1}}, &proto);
    policy_ = *TrustPolicy::VerifyFirst(fleet_.SignedPolicy(proto), fleet_.Pinned(), fleet_.id);
  }

  v1::ActionInfo Info(const v1::Action& action, const std::vector<const PrivateKey*>& keys) {
    v1::ActionInfo info;
    info.set_action_id(action.id());
    info.set_name("what the scheduler calls it");
    info.set_envelope(fleet_.SignedAction(action, keys));
    info.add_signed_by("alice");
    *info.mutable_launched_at() = ToTimestamp(fleet_.now);
    info.set_phase(v1::DISPATCH_PHASE_OPEN);
    return info;
  }
  ActionRow Row(const v1::ActionInfo& info) {
    return ActionRowOf(info, &*policy_, console::testing::SampleCatalog(), fleet_.now);
  }
  ActionRow RowAt(const std::string& id, int second) {
    ActionRow row;
    row.id = id;
    row.name = "action " + id;
    row.launched_at = fleet_.now + absl::Seconds(second);
    return row;
  }

  dragnet::testing::Fleet fleet_;
  std::optional<TrustPolicy> policy_;
};

TEST_F(ActionListTest, WhoSignedIsFoundOutAndNotBelieved) {
  const v1::Action action = fleet_.ActionProto("sample");
  EXPECT_EQ(SignedText(Row(Info(action, {&fleet_.bob}))), "bob");
  EXPECT_EQ(Row(Info(action, {&fleet_.bob})).signature, ActionRow::Signed::kEnough);
  const ActionRow made_up = Row(Info(action, {}));
  EXPECT_EQ(SignedText(made_up), "✗ unsigned");
  EXPECT_EQ(NamePrefix(made_up), "✗ unsigned: ");
}

TEST_F(ActionListTest, OneWhoHasNoWeightSignedInVain) {
  const ActionRow row = Row(Info(fleet_.ActionProto("sample"), {&fleet_.carol}));
  EXPECT_EQ(row.signature, ActionRow::Signed::kTooLittle);
  EXPECT_EQ(NamePrefix(row), "! too little weight: ");
  EXPECT_THAT(SignedWords(row), HasSubstr("agents refuse it"));
}

TEST_F(ActionListTest, AProposalWaitsForSignaturesAndIsNoError) {
  v1::ActionInfo info = Info(fleet_.ActionProto("sample"), {&fleet_.carol});
  info.set_phase(v1::DISPATCH_PHASE_PROPOSED);
  EXPECT_EQ(NamePrefix(Row(info)), "");
}

TEST_F(ActionListTest, TheDocumentOfAnotherActionIsBroken) {
  v1::ActionInfo info = Info(fleet_.ActionProto("sample"), {&fleet_.alice});
  info.set_action_id("0192b2a0-0000-7000-8000-000000000000");
  EXPECT_EQ(Row(info).signature, ActionRow::Signed::kBroken);
  info.set_envelope("rubbish");
  EXPECT_EQ(Row(info).signature, ActionRow::Signed::kBroken);
}

TEST_F(ActionListTest, TheNameIsThatOfTheSignedDocument) {
  EXPECT_EQ(Row(Info(fleet_.ActionProto("sample"), {&fleet_.alice})).name, "test action");
}

TEST_F(ActionListTest, WithoutAPolicyNothingIsCalledSigned) {
  const v1::ActionInfo info = Info(fleet_.ActionProto("sample"), {&fleet_.alice});
  const ActionRow row = ActionRowOf(info, nullptr, console::testing::SampleCatalog(), fleet_.now);
  EXPECT_EQ(SignedText(row), "not verified");
}

TEST_F(ActionListTest, TheNewestIsFirstAndOlderPagesStay) {
  ActionList list;
  EXPECT_TRUE(list.ReplaceFirstPage({RowAt("c", 3), RowAt("b", 2)}, fleet_.now));
  list.Add({RowAt("a", 1)}, fleet_.now);
  EXPECT_TRUE(list.ReplaceFirstPage({RowAt("d", 4), RowAt("c", 3)}, fleet_.now));
  ASSERT_EQ(list.size(), 4u);
  EXPECT_EQ(list.At(0).id, "d");
  EXPECT_EQ(list.At(3).id, "a");
}

TEST_F(ActionListTest, APageThatDoesntJoinLeavesNoHole) {
  ActionList list;
  list.ReplaceFirstPage({RowAt("a", 1)}, fleet_.now);
  EXPECT_FALSE(list.ReplaceFirstPage({RowAt("y", 90), RowAt("x", 80)}, fleet_.now));
  EXPECT_EQ(list.size(), 2u);
  EXPECT_FALSE(list.Has("a"));
}

TEST_F(ActionListTest, WhatIsGoneFromThePageIsGone) {
  ActionList list;
  list.ReplaceFirstPage({RowAt("c", 3), RowAt("b", 2), RowAt("a", 1)}, fleet_.now);
  list.ReplaceFirstPage({RowAt("c", 3), RowAt("a", 1)}, fleet_.now);
  EXPECT_FALSE(list.Has("b"));
}

TEST_F(ActionListTest, TheFilterLooksAtNameSignerAndId) {
  ActionList list;
  ActionRow one = RowAt("a", 1);
  one.signers = "alice";
  one.signature = ActionRow::Signed::kEnough;
  list.ReplaceFirstPage({one, RowAt("b", 2)}, fleet_.now);
  list.Filter("ALICE");
  ASSERT_EQ(list.size(), 1u);
  EXPECT_EQ(list.At(0).id, "a");
  list.Filter("action b");
  EXPECT_EQ(list.At(0).id, "b");
  list.Filter("nothing has this");
  EXPECT_EQ(list.size(), 0u);
  EXPECT_EQ(list.all(), 2u);
}

}  // namespace
}  // namespace dragnet::console::tui
