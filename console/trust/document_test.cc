#include "console/trust/document.h"

#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include "console/testing/sample_module.h"
#include "console/trust/signatures.h"
#include "core/action.h"
#include "core/envelope.h"
#include "core/strings.h"
#include "core/testing.h"
#include "core/uuid.h"

namespace dragnet::console {
namespace {

using dragnet::testing::Fleet;
using dragnet::testing::NewKey;
using dragnet::testing::Signed;
using ::testing::HasSubstr;
using ::testing::Not;
using testing::SampleCatalog;

class DocumentTest : public ::testing::Test {
 protected:
  v1::Envelope Parse(const std::string& bytes) const {
    v1::Envelope envelope;
    EXPECT_TRUE(envelope.ParseFromString(bytes));
    return envelope;
  }

  std::vector<SignatureState> StatesOf(const v1::Envelope& envelope) const {
    return SignatureStates(envelope, InvestigatorKeys(fleet_.PolicyProto()));
  }

  v1::Order Order(const v1::Action& action, v1::Order::Kind kind) const {
    v1::Order order;
    order.set_id(NewUuidV7(fleet_.now));
    order.set_fleet_id(fleet_.id);
    order.set_action_id(action.id());
    order.set_kind(kind);
    *order.mutable_issued() = ToTimestamp(fleet_.now);
    *order.mutable_expires() = action.expires();
    return order;
  }

  Fleet fleet_;
};

TEST_F(DocumentTest, EachKindIsReadAsItself) {
  const v1::Action action = fleet_.ActionProto();
  const auto as_action = ReadDocument(fleet_.SignedAction(action, {&fleet_.alice}));
  ASSERT_TRUE(as_action.ok()) << as_action.status();
  EXPECT_EQ(as_action->action()->id(), action.id());
  EXPECT_EQ(as_action->policy(), nullptr);
  const auto as_policy = ReadDocument(fleet_.SignedPolicy(fleet_.PolicyProto()));
  ASSERT_TRUE(as_policy.ok()) << as_policy.status();
  EXPECT_NE(as_policy->policy(), nullptr);
  const auto as_order = ReadDocument(
      Signed(kOrderPayloadType, Order(action, v1::Order::KIND_CANCEL), {&fleet_.alice}));
  ASSERT_TRUE(as_order.ok()) << as_order.status();
  EXPECT_EQ(as_order->order()->action_id(), action.id());
}

TEST_F(DocumentTest, WhatIsNoneIsRefusedByName) {
  EXPECT_THAT(std::string(ReadDocument("garbage").status().message()),
              HasSubstr("not a signed document"));
  EXPECT_THAT(std::string(ReadDocument("").status().message()), HasSubstr("not a signed document"));
  const auto other = ReadDocument(Signed("text/\x1bplain", fleet_.ActionProto(), {&fleet_.alice}));
  EXPECT_THAT(std::string(other.status().message()), HasSubstr("neither an action"));
  EXPECT_THAT(std::string(other.status().message()), Not(HasSubstr("\x1b")));
  // An action's bytes under a policy's type, and the other way round.
  EXPECT_FALSE(
      ReadDocument(Signed(kTrustPolicyPayloadType, fleet_.ActionProto(), {&fleet_.alice})).ok());
  EXPECT_FALSE(
      ReadDocument(Signed(kActionPayloadType, fleet_.PolicyProto(), {&fleet_.alice})).ok());
}

TEST_F(DocumentTest, EnvelopeWithAFieldThatNobodyWouldSeeIsRefused) {
  std::string bytes = fleet_.SignedAction(fleet_.ActionProto(), {&fleet_.alice});
  bytes.append("\x7a\x01x", 3);  // field 15
  EXPECT_FALSE(ReadDocument(bytes).ok());
}

TEST_F(DocumentTest, SignatureOverAnotherDocumentIsNamedInvalid) {
  v1::Envelope envelope = Parse(fleet_.SignedAction(fleet_.ActionProto(), {&fleet_.alice}));
  EXPECT_TRUE(CheckUnchanged(StatesOf(envelope)).ok());
  v1::Action changed = fleet_.ActionProto();
  changed.set_target("true");
  envelope.set_payload(changed.SerializeAsString());
  const auto states = StatesOf(envelope);
  ASSERT_EQ(states.size(), 1U);
  EXPECT_EQ(states[0].validity, SignatureValidity::kInvalid);
  EXPECT_EQ(states[0].owner, "alice");
  const absl::Status refused = CheckUnchanged(states);
  EXPECT_TRUE(absl::IsFailedPrecondition(refused));
  EXPECT_THAT(std::string(refused.message()), HasSubstr("changed after it was signed"));
  EXPECT_THAT(DescribeSignatures(states),
              HasSubstr(StrCat("INVALID    alice: does not verify over this document  (key ",
                               fleet_.alice.public_key().id())));
}

TEST_F(DocumentTest, UnknownKeysAndRepetitionsAreNamed) {
  const PrivateKey mallory = NewKey();
  v1::Envelope envelope = Parse(fleet_.SignedAction(fleet_.ActionProto(), {&fleet_.bob, &mallory}));
  *envelope.add_signatures() = v1::Signature(envelope.signatures(0));
  const auto states = StatesOf(envelope);
  ASSERT_EQ(states.size(), 3U);
  EXPECT_EQ(states[0].validity, SignatureValidity::kValid);
  EXPECT_EQ(states[1].validity, SignatureValidity::kUnknownKey);
  EXPECT_EQ(states[2].validity, SignatureValidity::kRepeated);
  EXPECT_TRUE(CheckUnchanged(states).ok());
}

TEST_F(DocumentTest, KeyIdsOfAFileCantForgeLines) {
  v1::Envelope envelope = Parse(fleet_.SignedAction(fleet_.ActionProto(), {&fleet_.alice}));
  envelope.mutable_signatures(0)->set_keyid("x\n  valid  alice\x1b[2J");
  const std::string text = DescribeSignatures(StatesOf(envelope));
  EXPECT_EQ(std::count(text.begin(), text.end(), '\n'), 2);
  EXPECT_THAT(text, Not(HasSubstr("\x1b")));
}

TEST_F(DocumentTest, ExpiredDocumentsAreNamed) {
  const auto document = ReadDocument(fleet_.SignedAction(fleet_.ActionProto(), {&fleet_.alice}));
  EXPECT_TRUE(CheckNotExpired(*document, fleet_.now).ok());
  const absl::Status expired = CheckNotExpired(*document, fleet_.now + absl::Hours(1));
  EXPECT_TRUE(absl::IsFailedPrecondition(expired));
  EXPECT_THAT(std::string(expired.message()), HasSubstr("the action expired on"));
}

TEST_F(DocumentTest, WeightsAreCountedPerModuleWithItsPowers) {
  v1::TrustPolicy proto = fleet_.PolicyProto();
  Fleet::AddModule("sample", 2, {{"alice", 1}, {"bob", 1}}, &proto);
  const TrustPolicy policy =
      *TrustPolicy::VerifyFirst(fleet_.SignedPolicy(proto), fleet_.Pinned(), fleet_.id);
  const std::string text =
      DescribeWeights(fleet_.ActionProto("sample"), policy, {"alice"}, SampleCatalog());
  EXPECT_THAT(text, HasSubstr("operation 1, sample: weight 1 of 2 needed (alice 1): NOT ENOUGH"));
  EXPECT_THAT(text,
              HasSubstr("operation 1, file: weight 1 of 1 needed (alice 1) (sample uses its"));
}

TEST_F(DocumentTest, RootSignaturesAreCountedWithTheirThreshold) {
  v1::Envelope envelope = Parse(
      Signed(kTrustPolicyPayloadType, fleet_.PolicyProto(), {&fleet_.roots[0], &fleet_.alice}));
  const std::string text = DescribeRootSignatures(envelope, fleet_.Pinned(), "in force");
  EXPECT_THAT(text, HasSubstr("1 of "));
  EXPECT_THAT(text, HasSubstr("2 must: NOT ENOUGH"));
  EXPECT_THAT(text, HasSubstr(StrCat("  signed      Ed25519 ", fleet_.roots[0].public_key().id())));
  EXPECT_THAT(text, HasSubstr(StrCat("  not signed  Ed25519 ", fleet_.roots[1].public_key().id())));
}

TEST_F(DocumentTest, OrderHoldsOnlyWithWeight) {
  const TrustPolicy policy = fleet_.Policy();
  const v1::Action action = fleet_.ActionProto();
  const PrivateKey mallory = NewKey();
  const auto check = [&](v1::Order::Kind kind, const PrivateKey& key, const v1::Action* about) {
    return CheckOrder(Signed(kOrderPayloadType, Order(action, kind), {&key}), about, policy,
                      SampleCatalog(), fleet_.now);
  };
  EXPECT_TRUE(check(v1::Order::KIND_CANCEL, fleet_.alice, nullptr).ok());
  EXPECT_TRUE(absl::IsPermissionDenied(check(v1::Order::KIND_CANCEL, mallory, &action)));
  // A resume starts things: not without knowing which.
  EXPECT_FALSE(check(v1::Order::KIND_RESUME, fleet_.alice, nullptr).ok());
}

TEST_F(DocumentTest, PolicyEnvelopeIsCheckedBeforeItIsWritten) {
  v1::TrustPolicy policy = fleet_.PolicyProto();
  EXPECT_TRUE(PolicyEnvelope(policy).ok());
  policy.set_version(0);
  EXPECT_FALSE(PolicyEnvelope(policy).ok());
}

}  // namespace
}  // namespace dragnet::console
