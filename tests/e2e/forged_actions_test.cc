// Actions that no agent may obey, sent by a scheduler that an attacker owns.
#include <gmock/gmock.h>
#include <gtest/gtest.h>

#include <algorithm>

#include "absl/time/clock.h"
#include "core/action.h"
#include "core/envelope.h"
#include "core/strings.h"
#include "core/uuid.h"
#include "tests/harness/attacked_agent.h"

namespace dragnet::testing {
namespace {

using ::testing::AllOf;
using ::testing::HasSubstr;

// One fleet and its scheduler for all tests; an agent and a rogue for each.
class ForgedActionsTest : public ::testing::Test {
 protected:
  static void SetUpTestSuite() {
    fleet_ = std::make_unique<TestFleet>();
    fleet_->StartScheduler();
  }
  static void TearDownTestSuite() { fleet_.reset(); }

  ForgedActionsTest() : host_(*fleet_, {.name = NextName(), .tags = {{"role", "web"}}}) {}

  static std::string NextName() {
    static int number = 0;
    return StrCat("host-", ++number);
  }

  static const Forge& forge() { return fleet_->forge(); }
  v1::Action Valid() const { return forge().NewAction(host_.bait()); }

  void ExpectRefused(const std::string& envelope, v1::Refusal::Reason reason,
                     const ::testing::Matcher<std::string>& detail = ::testing::_) {
    const v1::Refusal answer = host_.SendAction(envelope);
    EXPECT_EQ(v1::Refusal::Reason_Name(answer.reason()), v1::Refusal::Reason_Name(reason));
    EXPECT_THAT(answer.detail(), detail);
    host_.ExpectNothingRan();
    const v1::Refusal shown = host_.RefusalInSchedulersView(envelope);
    EXPECT_EQ(v1::Refusal::Reason_Name(shown.reason()), v1::Refusal::Reason_Name(reason));
    host_.ExpectNothingRan();
  }

  static std::unique_ptr<TestFleet> fleet_;
  AttackedAgent host_;
};

std::unique_ptr<TestFleet> ForgedActionsTest::fleet_;

TEST_F(ForgedActionsTest, ValidOneWouldRun) {
  // Else none of the other tests says anything.
  const v1::Action action = Valid();
  host_.rogue().SendAction(forge().Sign(action));
  EXPECT_TRUE(host_.rogue()
                  .WaitFor([&](const v1::AgentMessage& message) {
                    return message.record().action_id() == action.id() &&
                           message.record().has_summary();
                  })
                  .has_value())
      << host_.agent().process().Output();
  EXPECT_EQ(host_.agent().WorkersStarted(), 1U);
}

TEST_F(ForgedActionsTest, SignedByAStrangerIsRefused) {
  const PrivateKey stranger = NewKey();
  ExpectRefused(Forge::Sign(Valid(), {&stranger}), v1::Refusal::REASON_INSUFFICIENT_WEIGHT);
}

TEST_F(ForgedActionsTest, SignedByAStrangerUnderTheInvestigatorsKeyIdIsRefused) {
  const PrivateKey stranger = NewKey();
  v1::Envelope envelope = Forge::Unsigned(Valid());
  ASSERT_TRUE(AddSignature(stranger, &envelope).ok());
  envelope.mutable_signatures(0)->set_keyid(forge().investigator_key().public_key().id());
  ExpectRefused(envelope.SerializeAsString(), v1::Refusal::REASON_INSUFFICIENT_WEIGHT);
}

TEST_F(ForgedActionsTest, SignedByTheSchedulersOwnKeysIsRefused) {
  const PrivateKey ca = *PrivateKey::Load(fleet_->directory() + "/scheduler/ca.key");
  const PrivateKey server = *PrivateKey::Load(fleet_->directory() + "/scheduler/server.key");
  const PrivateKey tls = *PrivateKey::Load(fleet_->directory() + "/investigator/tls.key");
  ExpectRefused(Forge::Sign(Valid(), {&ca, &server, &tls}),
                v1::Refusal::REASON_INSUFFICIENT_WEIGHT);
}

TEST_F(ForgedActionsTest, SignedByARootKeyIsRefused) {
  // Root keys say who may order; they don't order.
  ExpectRefused(Forge::Sign(Valid(), {&forge().roots()[0]}),
                v1::Refusal::REASON_INSUFFICIENT_WEIGHT);
}

TEST_F(ForgedActionsTest, AlteredAfterSigningIsRefused) {
  v1::Envelope envelope;
  v1::Action action = Valid();
  ASSERT_TRUE(envelope.ParseFromString(forge().Sign(action)));
  action.set_target("true or true");
  envelope.set_payload(action.SerializeAsString());
  ExpectRefused(envelope.SerializeAsString(), v1::Refusal::REASON_INSUFFICIENT_WEIGHT);
}

TEST_F(ForgedActionsTest, OneFlippedBitInTheSignatureIsRefused) {
  v1::Envelope envelope;
  ASSERT_TRUE(envelope.ParseFromString(forge().Sign(Valid())));
  (*envelope.mutable_signatures(0)->mutable_sig())[17] ^= 0x04;
  ExpectRefused(envelope.SerializeAsString(), v1::Refusal::REASON_INSUFFICIENT_WEIGHT);
}

TEST_F(ForgedActionsTest, UnsignedIsRefused) {
  ExpectRefused(Forge::Unsigned(Valid()).SerializeAsString(),
                v1::Refusal::REASON_INSUFFICIENT_WEIGHT);
}

TEST_F(ForgedActionsTest, SignatureOverThePayloadAloneIsRefused) {
  // Without the type around it, as a naive signer would make it.
  v1::Envelope envelope = Forge::Unsigned(Valid());
  v1::Signature* signature = envelope.add_signatures();
  signature->set_keyid(forge().investigator_key().public_key().id());
  signature->set_sig(*forge().investigator_key().Sign(envelope.payload()));
  ExpectRefused(envelope.SerializeAsString(), v1::Refusal::REASON_INSUFFICIENT_WEIGHT);
}

TEST_F(ForgedActionsTest, SignedAsATrustPolicyIsRefused) {
  const v1::Action action = Valid();
  v1::Envelope envelope;
  ASSERT_TRUE(envelope.ParseFromString(
      Signed(kTrustPolicyPayloadType, action, {&forge().investigator_key()})));
  envelope.set_payload_type(std::string(kActionPayloadType));
  ExpectRefused(envelope.SerializeAsString(), v1::Refusal::REASON_INSUFFICIENT_WEIGHT);
}

TEST_F(ForgedActionsTest, ExpiredIsRefused) {
  v1::Action action = Valid();
  *action.mutable_not_before() = ToTimestamp(absl::Now() - absl::Hours(2));
  *action.mutable_expires() = ToTimestamp(absl::Now() - absl::Seconds(2));
  ExpectRefused(forge().Sign(action), v1::Refusal::REASON_EXPIRED);
}

TEST_F(ForgedActionsTest, NotYetValidIsRefused) {
  v1::Action action = Valid();
  *action.mutable_not_before() = ToTimestamp(absl::Now() + absl::Minutes(10));
  *action.mutable_expires() = ToTimestamp(absl::Now() + absl::Minutes(20));
  ExpectRefused(forge().Sign(action), v1::Refusal::REASON_NOT_YET_VALID);
}

TEST_F(ForgedActionsTest, OfAnotherFleetIsRefused) {
  v1::Action action = Valid();
  action.set_fleet_id("other-0123456789ab");
  ExpectRefused(forge().Sign(action), v1::Refusal::REASON_WRONG_FLEET,
                HasSubstr("other-0123456789ab"));
}

TEST_F(ForgedActionsTest, OutsideOfItsTargetIsRefused) {
  v1::Action action = Valid();
  action.set_target("tags->>'role'='db'");
  ExpectRefused(forge().Sign(action), v1::Refusal::REASON_NOT_TARGETED);
}

TEST_F(ForgedActionsTest, ForAModuleWithoutARuleIsRefused) {
  v1::Action action = Valid();
  action.mutable_operations(0)->set_module("shell");
  ExpectRefused(forge().Sign(action), v1::Refusal::REASON_MODULE_NOT_ALLOWED);
}

TEST_F(ForgedActionsTest, OneForbiddenOperationAmongAllowedOnesIsRefusedWhole) {
  v1::Action action = Valid();
  action.add_operations()->set_module("shell");
  ExpectRefused(forge().Sign(action), v1::Refusal::REASON_MODULE_NOT_ALLOWED);
}

TEST_F(ForgedActionsTest, RecurringWithoutAScheduleOfItsOwnIsRefused) {
  v1::Action action = Valid();
  action.mutable_recurrence()->set_cron("* * * * *");
  ExpectRefused(forge().Sign(action), v1::Refusal::REASON_MALFORMED, HasSubstr("recurrence"));
}

// However often a scheduler sends it, and whatever it makes of it.
TEST_F(ForgedActionsTest, RecurringRunsAtItsOccurrencesAndNotWhenItIsSent) {
  v1::Action action = Valid();
  // A day that never comes.
  action.mutable_recurrence()->set_cron("0 0 31 feb *");
  action.mutable_recurrence()->set_time_zone("UTC");
  *action.mutable_recurrence()->mutable_until() = action.expires();
  const std::string envelope = forge().Sign(action);
  const auto accepted = [&](const v1::AgentMessage& message) {
    return message.accepted().action_id() == action.id();
  };
  host_.rogue().SendAction(envelope);
  EXPECT_TRUE(host_.rogue().WaitFor(accepted).has_value()) << host_.agent().process().Output();
  for (int i = 0; i < 5; ++i) host_.rogue().SendAction(envelope);
  v1::Action sooner = action;
  sooner.mutable_recurrence()->set_cron("* * * * *");
  EXPECT_EQ(host_.SendAction(forge().Sign(sooner)).reason(), v1::Refusal::REASON_REPLAYED);
  v1::Action once = action;
  once.clear_recurrence();
  EXPECT_EQ(host_.SendAction(forge().Sign(once)).reason(), v1::Refusal::REASON_REPLAYED);
  host_.agent().Kill();
  host_.agent().Start();
  EXPECT_TRUE(Eventually([&] { return host_.rogue().sessions() == 2; }));
  once.set_name("the same id, other bytes");
  EXPECT_EQ(host_.SendAction(forge().Sign(once)).reason(), v1::Refusal::REASON_REPLAYED);
  EXPECT_EQ(host_.agent().WorkersStarted(), 0U);
}

TEST_F(ForgedActionsTest, UnknownFieldInTheSignedBytesIsRefused) {
  // Something that a newer signer meant and this agent would not see.
  const std::string payload = Valid().SerializeAsString() +
                              "\xa2\x06\x03"
                              "abc";
  v1::Envelope envelope = NewEnvelope(kActionPayloadType, payload);
  ASSERT_TRUE(AddSignature(forge().investigator_key(), &envelope).ok());
  ExpectRefused(envelope.SerializeAsString(), v1::Refusal::REASON_MALFORMED);
}

TEST_F(ForgedActionsTest, UnknownFieldOutsideOfTheSignedBytesIsRefused) {
  ExpectRefused(forge().Sign(Valid()) +
                    "\xa2\x06\x03"
                    "abc",
                v1::Refusal::REASON_MALFORMED);
}

TEST_F(ForgedActionsTest, TargetThatReachesBeyondItsRowIsRefused) {
  for (const std::string target :
       {"(select count(*) from sqlite_master) >= 0", "load_extension('/tmp/x')", "1); --",
        "true; attach '/tmp/x' as y"}) {
    v1::Action action = Valid();
    action.set_target(target);
    const v1::Refusal answer = host_.SendAction(forge().Sign(action));
    EXPECT_EQ(answer.reason(), v1::Refusal::REASON_MALFORMED) << target << ": " << answer.detail();
  }
  host_.ExpectNothingRan();
}

// --- replay

TEST_F(ForgedActionsTest, ReplayIsRefusedAndRunsNothingAgain) {
  const v1::Action action = Valid();
  const std::string envelope = forge().Sign(action);
  host_.rogue().SendAction(envelope);
  ASSERT_TRUE(
      host_.rogue()
          .WaitFor([&](const v1::AgentMessage& message) { return message.record().has_summary(); })
          .has_value());
  ASSERT_EQ(host_.agent().WorkersStarted(), 1U);
  EXPECT_EQ(host_.SendAction(envelope).reason(), v1::Refusal::REASON_REPLAYED);

  // Nor signed anew, nor after kill -9.
  v1::Action renamed = action;
  renamed.set_name("the same id, other bytes");
  EXPECT_EQ(host_.SendAction(forge().Sign(renamed)).reason(), v1::Refusal::REASON_REPLAYED);
  host_.agent().Kill();
  host_.agent().Start();
  EXPECT_TRUE(Eventually([&] { return host_.rogue().sessions() == 2; }));
  renamed.set_name("the same id, other bytes again");
  EXPECT_EQ(host_.SendAction(forge().Sign(renamed)).reason(), v1::Refusal::REASON_REPLAYED);
  EXPECT_EQ(host_.agent().WorkersStarted(), 1U);
  EXPECT_EQ(host_.RefusalInSchedulersView(envelope).reason(), v1::Refusal::REASON_REPLAYED);
}

// --- several signers

// A second investigator, and a module that needs both.
class TwoSignersTest : public ForgedActionsTest {
 protected:
  TwoSignersTest() : bob_(NewKey(KeyAlgorithm::kEcdsaP256)), carol_(NewKey()) {
    v1::TrustPolicy policy = forge().NextPolicy(NextVersion());
    Fleet::AddInvestigator("bob", bob_, &policy);
    Fleet::AddInvestigator("carol", carol_, &policy);
    v1::ModulePolicy& rule = Forge::RuleFor("file", &policy);
    rule.set_minimum_weight(2);
    v1::Weight* weight = rule.add_weights();
    weight->set_investigator("bob");
    weight->set_weight(1);
    const std::string envelope = forge().SignPolicy(policy);
    // The rogue hands it out; where it comes from makes no difference.
    host_.rogue().SendPolicy(envelope);
    const bool taken = host_.rogue()
                           .WaitFor([&](const v1::AgentMessage& message) {
                             return message.policy_taken().version() == policy.version();
                           })
                           .has_value();
    EXPECT_TRUE(taken) << host_.agent().process().Output();
  }

  static uint64_t NextVersion() {
    static uint64_t version = 1;
    return ++version;
  }

  v1::Envelope SignedByBoth(const v1::Action& action) const {
    v1::Envelope envelope;
    EXPECT_TRUE(
        envelope.ParseFromString(Forge::Sign(action, {&forge().investigator_key(), &bob_})));
    return envelope;
  }

  const PrivateKey bob_;
  const PrivateKey carol_;
};

TEST_F(TwoSignersTest, OneOfTwoIsTooLittle) {
  ExpectRefused(forge().Sign(Valid()), v1::Refusal::REASON_INSUFFICIENT_WEIGHT,
                HasSubstr("needs signatures of weight 2, this has 1"));
}

TEST_F(TwoSignersTest, SameSignerTwiceIsTooLittle) {
  v1::Envelope envelope;
  ASSERT_TRUE(envelope.ParseFromString(forge().Sign(Valid())));
  for (int i = 0; i < 5; ++i) *envelope.add_signatures() = v1::Signature(envelope.signatures(0));
  ExpectRefused(envelope.SerializeAsString(), v1::Refusal::REASON_INSUFFICIENT_WEIGHT);
}

TEST_F(TwoSignersTest, SameSignerUnderTheOthersKeyIdIsTooLittle) {
  v1::Envelope envelope;
  ASSERT_TRUE(envelope.ParseFromString(forge().Sign(Valid())));
  v1::Signature* copy = envelope.add_signatures();
  *copy = envelope.signatures(0);
  copy->set_keyid(bob_.public_key().id());
  ExpectRefused(envelope.SerializeAsString(), v1::Refusal::REASON_INSUFFICIENT_WEIGHT);
}

TEST_F(TwoSignersTest, SwappedKeyIdsAddNoWeight) {
  v1::Envelope envelope = SignedByBoth(Valid());
  envelope.mutable_signatures(0)->mutable_keyid()->swap(
      *envelope.mutable_signatures(1)->mutable_keyid());
  ExpectRefused(envelope.SerializeAsString(), v1::Refusal::REASON_INSUFFICIENT_WEIGHT);
}

TEST_F(TwoSignersTest, InvestigatorWithoutWeightAddsNone) {
  ExpectRefused(Forge::Sign(Valid(), {&forge().investigator_key(), &carol_}),
                v1::Refusal::REASON_INSUFFICIENT_WEIGHT);
}

TEST_F(TwoSignersTest, OrderOfSignaturesAndGarbageAmongThemCarryNoMeaning) {
  const v1::Action action = Valid();
  v1::Envelope envelope = SignedByBoth(action);
  envelope.mutable_signatures()->SwapElements(0, 1);
  v1::Signature* garbage = envelope.add_signatures();
  garbage->set_keyid(bob_.public_key().id());
  garbage->set_sig("not a signature");
  envelope.mutable_signatures()->SwapElements(0, 2);
  host_.rogue().SendAction(envelope.SerializeAsString());
  EXPECT_TRUE(host_.rogue()
                  .WaitFor([&](const v1::AgentMessage& message) {
                    return message.accepted().action_id() == action.id();
                  })
                  .has_value())
      << host_.agent().process().Output();
}

TEST_F(TwoSignersTest, MoreSignaturesThanAllowedAreRefusedUnread) {
  v1::Envelope envelope = SignedByBoth(Valid());
  while (envelope.signatures_size() <= kMaxSignatures) {
    *envelope.add_signatures() = v1::Signature(envelope.signatures(0));
  }
  ExpectRefused(envelope.SerializeAsString(), v1::Refusal::REASON_MALFORMED);
}

}  // namespace
}  // namespace dragnet::testing
