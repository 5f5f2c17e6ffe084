// Each check of docs/trust.md, attacked.
#include "core/authorization.h"

#include "core/testing.h"
#include "gtest/gtest.h"

namespace dragnet {
namespace {

using ::dragnet::testing::Fleet;
using ::dragnet::testing::NewKey;

class AuthorizationTest : public ::testing::Test {
 protected:
  AuthorizationTest() : policy_(fleet_.Policy()), facts_(fleet_.Facts()) {
    context_.policy = &policy_;
    context_.fleet_id = fleet_.id;
    context_.now = fleet_.now;
    context_.facts = &facts_;
    context_.weights_needed = [](const v1::Operation& operation) -> std::vector<std::string> {
      const std::string& module = operation.module();
      if (module == "file") return {"file"};
      if (module == "memory") return {"memory"};
      if (module == "yara") return {"yara", "file"};
      return {};
    };
    context_.already_ran = [this](std::string_view id) { return ran_.contains(std::string(id)); };
  }

  v1::Refusal::Reason Refused(const std::string& envelope) {
    const auto decision = AuthorizeAction(envelope, context_);
    if (const auto* refused = std::get_if<RefusedAction>(&decision)) {
      EXPECT_FALSE(refused->detail.empty());
      return refused->reason;
    }
    ADD_FAILURE() << "was authorised";
    return v1::Refusal::REASON_UNSPECIFIED;
  }
  bool Authorized(const std::string& envelope) {
    const auto decision = AuthorizeAction(envelope, context_);
    if (const auto* refused = std::get_if<RefusedAction>(&decision)) {
      ADD_FAILURE() << refused->detail;
      return false;
    }
    return true;
  }
  std::string SignedByAlice(const v1::Action& action) {
    return fleet_.SignedAction(action, {&fleet_.alice});
  }
  void UsePolicy(const v1::TrustPolicy& proto) {
    policy_ = *TrustPolicy::VerifyFirst(fleet_.SignedPolicy(proto), fleet_.Pinned(), fleet_.id);
  }

  Fleet fleet_;
  TrustPolicy policy_;
  v1::Facts facts_;
  std::set<std::string> ran_;
  AuthorizationContext context_;
};

TEST_F(AuthorizationTest, AnActionSignedByEnoughWeightForThisHostRuns) {
  EXPECT_TRUE(Authorized(SignedByAlice(fleet_.ActionProto())));
  EXPECT_TRUE(
      Authorized(fleet_.SignedAction(fleet_.ActionProto("memory"), {&fleet_.alice, &fleet_.bob})));
  EXPECT_TRUE(
      Authorized(fleet_.SignedAction(fleet_.ActionProto("memory"), {&fleet_.bob, &fleet_.alice})));
}

TEST_F(AuthorizationTest, AnUnsignedActionIsRefused) {
  EXPECT_EQ(Refused(fleet_.SignedAction(fleet_.ActionProto(), {})),
            v1::Refusal::REASON_INSUFFICIENT_WEIGHT);
}

TEST_F(AuthorizationTest, AForgedActionIsRefused) {
  const PrivateKey mallory = NewKey();
  EXPECT_EQ(Refused(fleet_.SignedAction(fleet_.ActionProto(), {&mallory})),
            v1::Refusal::REASON_INSUFFICIENT_WEIGHT);
  // Mallory's signature under alice's key id.
  v1::Envelope envelope;
  envelope.ParseFromString(fleet_.SignedAction(fleet_.ActionProto(), {&mallory}));
  envelope.mutable_signatures(0)->set_keyid(fleet_.alice.public_key().id());
  EXPECT_EQ(Refused(envelope.SerializeAsString()), v1::Refusal::REASON_INSUFFICIENT_WEIGHT);
}

TEST_F(AuthorizationTest, AnAlteredActionIsRefused) {
  v1::Action action = fleet_.ActionProto();
  v1::Envelope envelope;
  envelope.ParseFromString(SignedByAlice(action));
  action.set_target("true");
  envelope.set_payload(action.SerializeAsString());
  EXPECT_EQ(Refused(envelope.SerializeAsString()), v1::Refusal::REASON_INSUFFICIENT_WEIGHT);
}

TEST_F(AuthorizationTest, ASignedTrustPolicyIsNotAnAction) {
  EXPECT_EQ(Refused(fleet_.SignedPolicy(fleet_.PolicyProto())), v1::Refusal::REASON_MALFORMED);
}

TEST_F(AuthorizationTest, ARootKeySignsNoActions) {
  EXPECT_EQ(
      Refused(fleet_.SignedAction(fleet_.ActionProto(), {&fleet_.roots[0], &fleet_.roots[1]})),
      v1::Refusal::REASON_INSUFFICIENT_WEIGHT);
}

TEST_F(AuthorizationTest, TooLittleWeightIsRefused) {
  EXPECT_EQ(Refused(SignedByAlice(fleet_.ActionProto("memory"))),
            v1::Refusal::REASON_INSUFFICIENT_WEIGHT);
}

TEST_F(AuthorizationTest, TheSameInvestigatorTwiceCountsOnce) {
  v1::Envelope envelope;
  envelope.ParseFromString(SignedByAlice(fleet_.ActionProto("memory")));
  *envelope.add_signatures() = envelope.signatures(0);
  EXPECT_EQ(Refused(envelope.SerializeAsString()), v1::Refusal::REASON_INSUFFICIENT_WEIGHT);

  // Also with two keys of her own.
  const PrivateKey second = NewKey();
  v1::TrustPolicy proto = fleet_.PolicyProto();
  proto.mutable_investigators(0)->add_keys()->set_spki(second.public_key().spki());
  UsePolicy(proto);
  EXPECT_EQ(Refused(fleet_.SignedAction(fleet_.ActionProto("memory"), {&fleet_.alice, &second})),
            v1::Refusal::REASON_INSUFFICIENT_WEIGHT);
}

TEST_F(AuthorizationTest, AnInvestigatorWithoutWeightForTheModuleIsRefused) {
  EXPECT_EQ(Refused(fleet_.SignedAction(fleet_.ActionProto(), {&fleet_.carol})),
            v1::Refusal::REASON_INSUFFICIENT_WEIGHT);
}

TEST_F(AuthorizationTest, ARemovedInvestigatorIsRefused) {
  v1::TrustPolicy proto = fleet_.PolicyProto(2);
  proto.mutable_investigators()->DeleteSubrange(0, 1);
  for (auto& module : *proto.mutable_modules()) module.mutable_weights()->DeleteSubrange(0, 1);
  UsePolicy(proto);
  EXPECT_EQ(Refused(SignedByAlice(fleet_.ActionProto())), v1::Refusal::REASON_INSUFFICIENT_WEIGHT);
}

TEST_F(AuthorizationTest, AModuleWithoutARuleOrThatDoesNotExistIsRefused) {
  EXPECT_EQ(Refused(SignedByAlice(fleet_.ActionProto("yara"))),
            v1::Refusal::REASON_MODULE_NOT_ALLOWED);
  EXPECT_EQ(Refused(SignedByAlice(fleet_.ActionProto("nosuch"))),
            v1::Refusal::REASON_MODULE_NOT_ALLOWED);
}

TEST_F(AuthorizationTest, AModuleThatUsesAnothersPowersNeedsItsWeightToo) {
  v1::TrustPolicy proto = fleet_.PolicyProto();
  Fleet::AddModule("yara", 1, {{"carol", 1}}, &proto);
  UsePolicy(proto);
  EXPECT_EQ(Refused(fleet_.SignedAction(fleet_.ActionProto("yara"), {&fleet_.carol})),
            v1::Refusal::REASON_INSUFFICIENT_WEIGHT);
  EXPECT_TRUE(
      Authorized(fleet_.SignedAction(fleet_.ActionProto("yara"), {&fleet_.carol, &fleet_.alice})));
}

TEST_F(AuthorizationTest, EveryOperationNeedsItsWeight) {
  v1::Action action = fleet_.ActionProto("file");
  action.add_operations()->set_module("memory");
  EXPECT_EQ(Refused(SignedByAlice(action)), v1::Refusal::REASON_INSUFFICIENT_WEIGHT);
}

TEST_F(AuthorizationTest, AnotherFleetsActionIsRefused) {
  v1::Action action = fleet_.ActionProto();
  action.set_fleet_id("other-0123456789ab");
  EXPECT_EQ(Refused(SignedByAlice(action)), v1::Refusal::REASON_WRONG_FLEET);
}

TEST_F(AuthorizationTest, TimesAreTakenFromTheAgentsOwnClock) {
  const std::string envelope = SignedByAlice(fleet_.ActionProto());
  context_.now = fleet_.now - absl::Minutes(2);
  EXPECT_EQ(Refused(envelope), v1::Refusal::REASON_NOT_YET_VALID);
  context_.now = fleet_.now + absl::Minutes(6);
  EXPECT_EQ(Refused(envelope), v1::Refusal::REASON_EXPIRED);
  // The borders belong to it.
  context_.now = fleet_.now + absl::Minutes(5);
  EXPECT_TRUE(Authorized(envelope));
  context_.now = fleet_.now - absl::Minutes(1);
  EXPECT_TRUE(Authorized(envelope));
}

TEST_F(AuthorizationTest, AnExpiredOrMissingPolicyRefusesEverything) {
  v1::Action action = fleet_.ActionProto();
  *action.mutable_expires() = ToTimestamp(fleet_.now + absl::Hours(48));
  context_.now = fleet_.now + absl::Hours(25);
  EXPECT_EQ(Refused(SignedByAlice(action)), v1::Refusal::REASON_POLICY_EXPIRED);
  context_.policy = nullptr;
  EXPECT_EQ(Refused(SignedByAlice(action)), v1::Refusal::REASON_NO_POLICY);
}

TEST_F(AuthorizationTest, AHostOutsideOfTheTargetRefuses) {
  v1::Action action = fleet_.ActionProto();
  action.set_target("name='db1'");
  EXPECT_EQ(Refused(SignedByAlice(action)), v1::Refusal::REASON_NOT_TARGETED);
  action.set_target("tags->>'env'='prod'");
  EXPECT_EQ(Refused(SignedByAlice(action)), v1::Refusal::REASON_NOT_TARGETED);
  action.set_target("null");
  EXPECT_EQ(Refused(SignedByAlice(action)), v1::Refusal::REASON_NOT_TARGETED);
  // A scheduler, which has no facts of its own, doesn't decide this.
  context_.facts = nullptr;
  EXPECT_TRUE(Authorized(SignedByAlice(action)));
}

TEST_F(AuthorizationTest, AReplayIsRefused) {
  const v1::Action action = fleet_.ActionProto();
  ran_.insert(action.id());
  EXPECT_EQ(Refused(SignedByAlice(action)), v1::Refusal::REASON_REPLAYED);
}

// A schedule takes nothing off the rules; and it is looked at before any of them but
// the signatures'.
TEST_F(AuthorizationTest, ARecurringActionIsAuthorisedAsAnyOther) {
  v1::Action action = fleet_.ActionProto();
  action.mutable_recurrence()->set_cron("0 3 * * *");
  action.mutable_recurrence()->set_time_zone("Europe/Berlin");
  EXPECT_TRUE(Authorized(SignedByAlice(action)));
  v1::Action elsewhere = action;
  elsewhere.set_target("os='plan9'");
  EXPECT_EQ(Refused(SignedByAlice(elsewhere)), v1::Refusal::REASON_NOT_TARGETED);
  v1::Action expired = action;
  *expired.mutable_expires() = ToTimestamp(fleet_.now - absl::Seconds(1));
  EXPECT_EQ(Refused(SignedByAlice(expired)), v1::Refusal::REASON_EXPIRED);
  v1::Action heavy = action;
  heavy.mutable_operations(0)->set_module("memory");
  EXPECT_EQ(Refused(SignedByAlice(heavy)), v1::Refusal::REASON_INSUFFICIENT_WEIGHT);
  EXPECT_EQ(Refused(fleet_.SignedAction(action, {&fleet_.carol})),
            v1::Refusal::REASON_INSUFFICIENT_WEIGHT);
  ran_.insert(action.id());
  EXPECT_EQ(Refused(SignedByAlice(action)), v1::Refusal::REASON_REPLAYED);
}

TEST_F(AuthorizationTest, AScheduleThatThisHostCanNotKeepIsRefused) {
  v1::Action action = fleet_.ActionProto();
  action.mutable_recurrence()->set_cron("0 3 * * *");
  EXPECT_EQ(Refused(SignedByAlice(action)), v1::Refusal::REASON_MALFORMED);
  action.mutable_recurrence()->set_time_zone("Nowhere/Atlantis");
  EXPECT_NE(Refused(SignedByAlice(action)), v1::Refusal::REASON_UNSPECIFIED);
  action.mutable_recurrence()->set_time_zone("UTC");
  action.mutable_recurrence()->set_cron("0 3 * *");
  EXPECT_EQ(Refused(SignedByAlice(action)), v1::Refusal::REASON_MALFORMED);
}

TEST_F(AuthorizationTest, UnknownFieldsInSignedBytesAreRefused) {
  const std::string payload =
      fleet_.ActionProto().SerializeAsString() + std::string("\xf2\x06\x01x", 4);
  v1::Envelope envelope = NewEnvelope(kActionPayloadType, payload);
  ASSERT_TRUE(AddSignature(fleet_.alice, &envelope).ok());
  EXPECT_EQ(Refused(envelope.SerializeAsString()), v1::Refusal::REASON_MALFORMED);
}

TEST_F(AuthorizationTest, GarbageIsRefused) {
  EXPECT_EQ(Refused(""), v1::Refusal::REASON_MALFORMED);
  EXPECT_EQ(Refused(std::string(5000, '\xff')), v1::Refusal::REASON_MALFORMED);
  EXPECT_EQ(Refused(std::string(kMaxEnvelopeBytes + 1, 'a')), v1::Refusal::REASON_MALFORMED);
  for (int i = 0; i < 1000; ++i) {
    const auto decision = AuthorizeAction(RandomBytes(200), context_);
    EXPECT_TRUE(std::holds_alternative<RefusedAction>(decision));
  }
}

}  // namespace
}  // namespace dragnet
