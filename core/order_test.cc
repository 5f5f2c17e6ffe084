// Each rule of docs/trust.md about orders, attacked.
#include "core/order.h"

#include "core/testing.h"
#include "gmock/gmock.h"
#include "gtest/gtest.h"

namespace dragnet {
namespace {

using ::dragnet::testing::Fleet;
using ::dragnet::testing::NewKey;
using ::dragnet::testing::Signed;
using ::testing::HasSubstr;

class OrderTest : public ::testing::Test {
 protected:
  OrderTest() : policy_(fleet_.Policy()) {
    context_.policy = &policy_;
    context_.fleet_id = fleet_.id;
    context_.now = fleet_.now;
    context_.modules_of = [this](std::string_view) { return modules_; };
    context_.weights_needed = [](std::string_view module) {
      return std::vector<std::string>{std::string(module)};
    };
    context_.order_in_force = [this](std::string_view) { return in_force_; };
  }

  v1::Order Cancel() const {
    v1::Order order;
    order.set_id(NewUuidV7(fleet_.now));
    order.set_fleet_id(fleet_.id);
    order.set_action_id(action_id_);
    order.set_kind(v1::Order::KIND_CANCEL);
    order.set_reason("wrong target");
    *order.mutable_issued() = ToTimestamp(fleet_.now);
    *order.mutable_expires() = ToTimestamp(fleet_.now + absl::Hours(1));
    return order;
  }
  std::string SignedBy(const v1::Order& order, const PrivateKey& key) const {
    return Signed(kOrderPayloadType, order, {&key});
  }
  std::string SignedByAlice(const v1::Order& order) const { return SignedBy(order, fleet_.alice); }

  std::optional<AuthorizedOrder> Authorized(const std::string& envelope) {
    auto decision = AuthorizeOrder(envelope, context_);
    if (const auto* refused = std::get_if<RefusedOrder>(&decision)) {
      ADD_FAILURE() << refused->status;
      return std::nullopt;
    }
    return std::get<AuthorizedOrder>(decision);
  }
  void ExpectRefused(const std::string& envelope, absl::StatusCode code, std::string_view words) {
    const auto decision = AuthorizeOrder(envelope, context_);
    const auto* refused = std::get_if<RefusedOrder>(&decision);
    ASSERT_NE(refused, nullptr) << "was authorised";
    EXPECT_EQ(refused->status.code(), code) << refused->status;
    EXPECT_THAT(std::string(refused->status.message()), HasSubstr(std::string(words)));
  }

  Fleet fleet_;
  TrustPolicy policy_;
  const std::string action_id_ = NewUuidV7(fleet_.now - absl::Minutes(1));
  std::optional<std::vector<std::string>> modules_ = std::vector<std::string>{"file"};
  std::string in_force_;
  OrderContext context_;
};

TEST_F(OrderTest, OneWithWeightForAModuleOfTheActionIsObeyed) {
  const auto authorized = Authorized(SignedByAlice(Cancel()));
  ASSERT_TRUE(authorized.has_value());
  EXPECT_EQ(authorized->order.kind(), v1::Order::KIND_CANCEL);
  EXPECT_EQ(authorized->signers, std::set<std::string>{"alice"});
  for (const auto kind : {v1::Order::KIND_PAUSE, v1::Order::KIND_RESUME}) {
    v1::Order order = Cancel();
    order.set_kind(kind);
    EXPECT_TRUE(Authorized(SignedByAlice(order)).has_value());
  }
}

TEST_F(OrderTest, TheMinimumWeightThatTheModuleTakesToRunIsNotNeededToStopIt) {
  modules_ = {{"memory"}};  // which needs two
  EXPECT_TRUE(Authorized(SignedByAlice(Cancel())).has_value());
}

TEST_F(OrderTest, WeightForOneOfSeveralModulesIsEnough) {
  modules_ = {{"nothing-she-may-use", "file"}};
  EXPECT_TRUE(Authorized(SignedByAlice(Cancel())).has_value());
}

TEST_F(OrderTest, UnsignedIsRefused) {
  ExpectRefused(Signed(kOrderPayloadType, Cancel(), {}), absl::StatusCode::kPermissionDenied,
                "no valid signature");
}

TEST_F(OrderTest, ForgedIsRefused) {
  const PrivateKey mallory = NewKey();
  ExpectRefused(SignedBy(Cancel(), mallory), absl::StatusCode::kPermissionDenied,
                "no valid signature");
  // Mallory's signature under alice's key id.
  v1::Envelope envelope;
  ASSERT_TRUE(envelope.ParseFromString(SignedBy(Cancel(), mallory)));
  envelope.mutable_signatures(0)->set_keyid(fleet_.alice.public_key().id());
  ExpectRefused(envelope.SerializeAsString(), absl::StatusCode::kPermissionDenied,
                "no valid signature");
}

TEST_F(OrderTest, AlteredAfterSigningIsRefused) {
  v1::Order order = Cancel();
  v1::Envelope envelope;
  ASSERT_TRUE(envelope.ParseFromString(SignedByAlice(order)));
  order.set_action_id(NewUuidV7(fleet_.now));
  envelope.set_payload(order.SerializeAsString());
  ExpectRefused(envelope.SerializeAsString(), absl::StatusCode::kPermissionDenied,
                "no valid signature");
}

TEST_F(OrderTest, OfASignerWithoutWeightIsRefused) {
  ExpectRefused(SignedBy(Cancel(), fleet_.carol), absl::StatusCode::kPermissionDenied,
                "none of carol has weight for a module of the action (file)");
  modules_ = {{"yara"}};
  ExpectRefused(SignedByAlice(Cancel()), absl::StatusCode::kPermissionDenied, "none of alice");
  modules_ = std::vector<std::string>();
  ExpectRefused(SignedByAlice(Cancel()), absl::StatusCode::kPermissionDenied, "none of alice");
}

TEST_F(OrderTest, AboutAnUnknownActionNeedsWeightForAnyModule) {
  modules_ = std::nullopt;
  EXPECT_TRUE(Authorized(SignedByAlice(Cancel())).has_value());
  ExpectRefused(SignedBy(Cancel(), fleet_.carol), absl::StatusCode::kPermissionDenied,
                "any module");
}

TEST_F(OrderTest, OfARootKeyIsRefused) {
  ExpectRefused(SignedBy(Cancel(), fleet_.roots[0]), absl::StatusCode::kPermissionDenied,
                "no valid signature");
}

TEST_F(OrderTest, OfAnotherFleetIsRefused) {
  v1::Order order = Cancel();
  order.set_fleet_id("other-0123456789ab");
  ExpectRefused(SignedByAlice(order), absl::StatusCode::kFailedPrecondition, "for fleet other");
}

TEST_F(OrderTest, ExpiredIsRefused) {
  context_.now = fleet_.now + absl::Hours(1) + absl::Seconds(1);
  ExpectRefused(SignedByAlice(Cancel()), absl::StatusCode::kFailedPrecondition, "expired on");
}

TEST_F(OrderTest, FromTheFutureIsRefusedButNotForAClockThatIsALittleBehind) {
  v1::Order pause = Cancel();
  pause.set_kind(v1::Order::KIND_PAUSE);
  context_.now = fleet_.now - kOrderClockSkew;
  EXPECT_TRUE(Authorized(SignedByAlice(pause)).has_value());
  context_.now -= absl::Seconds(1);
  ExpectRefused(SignedByAlice(pause), absl::StatusCode::kFailedPrecondition, "issued on");
}

TEST_F(OrderTest, NothingShutsACancellationOut) {
  // Neither an order "from the future" that holds,
  in_force_ = NewUuidV7(fleet_.now + absl::Hours(24 * 365 * 100));
  EXPECT_TRUE(Authorized(SignedByAlice(Cancel())).has_value());
  // nor a clock that is behind, by however much. Only its own end does.
  context_.now = fleet_.now - absl::Hours(24);
  EXPECT_TRUE(Authorized(SignedByAlice(Cancel())).has_value());
  context_.now = fleet_.now + absl::Hours(1) + absl::Seconds(1);
  ExpectRefused(SignedByAlice(Cancel()), absl::StatusCode::kFailedPrecondition, "expired on");
}

TEST_F(OrderTest, AboutAnActionThatIsMadeLaterIsRefused) {
  v1::Order order = Cancel();
  order.set_action_id(NewUuidV7(fleet_.now + kOrderClockSkew - absl::Seconds(1)));
  EXPECT_TRUE(Authorized(SignedByAlice(order)).has_value());
  order.set_action_id(NewUuidV7(fleet_.now + kOrderClockSkew + absl::Seconds(1)));
  ExpectRefused(SignedByAlice(order), absl::StatusCode::kInvalidArgument, "action_id");
  order.set_action_id("fffffffe-ffff-7fff-bfff-ffffffffffff");
  ExpectRefused(SignedByAlice(order), absl::StatusCode::kInvalidArgument, "action_id");
}

TEST_F(OrderTest, ToResumeTakesTheWeightThatToStartDoes) {
  v1::Order resume = Cancel();
  resume.set_kind(v1::Order::KIND_RESUME);
  const std::string alone = SignedByAlice(resume);
  const std::string together = Signed(kOrderPayloadType, resume, {&fleet_.alice, &fleet_.bob});
  EXPECT_TRUE(Authorized(alone).has_value());
  // "memory" needs two; so does what runs besides it, and what uses its powers.
  for (const std::vector<std::string>& modules :
       {std::vector<std::string>{"memory"}, {"file", "memory"}}) {
    modules_ = modules;
    ExpectRefused(alone, absl::StatusCode::kPermissionDenied, "to resume takes what to start does");
    EXPECT_TRUE(Authorized(together).has_value());
  }
  context_.weights_needed = [](std::string_view module) {
    return std::vector<std::string>{std::string(module), "memory"};
  };
  modules_ = {{"file"}};
  ExpectRefused(alone, absl::StatusCode::kPermissionDenied, "to resume takes what to start does");
  EXPECT_TRUE(Authorized(together).has_value());
  context_.weights_needed = [](std::string_view) { return std::vector<std::string>(); };
  ExpectRefused(together, absl::StatusCode::kPermissionDenied, "does not exist here");
  modules_ = std::nullopt;
  ExpectRefused(together, absl::StatusCode::kNotFound, "isn't here");
  modules_ = std::vector<std::string>();
  ExpectRefused(together, absl::StatusCode::kPermissionDenied, "no operations");
}

TEST_F(OrderTest, AnOlderOneReplayedIsRefusedAndSoIsTheOneThatHolds) {
  v1::Order pause = Cancel();
  pause.set_kind(v1::Order::KIND_PAUSE);
  const v1::Order newer = [&] {
    v1::Order order = Cancel();
    order.set_id(NewUuidV7(fleet_.now + absl::Milliseconds(5)));
    order.set_kind(v1::Order::KIND_PAUSE);
    return order;
  }();
  in_force_ = newer.id();
  ExpectRefused(SignedByAlice(pause), absl::StatusCode::kFailedPrecondition, "not newer");
  ExpectRefused(SignedByAlice(newer), absl::StatusCode::kFailedPrecondition, "not newer");
  in_force_ = pause.id();
  EXPECT_TRUE(Authorized(SignedByAlice(newer)).has_value());
}

TEST_F(OrderTest, AnIdThatSaysAnotherTimeIsRefused) {
  v1::Order order = Cancel();
  order.set_id(NewUuidV7(fleet_.now + absl::Hours(24 * 365)));
  ExpectRefused(SignedByAlice(order), absl::StatusCode::kInvalidArgument, "id");
}

TEST_F(OrderTest, WithoutAPolicyOrWithAnExpiredOneNothingIsObeyed) {
  const std::string envelope = SignedByAlice(Cancel());
  context_.policy = nullptr;
  ExpectRefused(envelope, absl::StatusCode::kFailedPrecondition, "no trust policy");
  context_.policy = &policy_;
  context_.now = policy_.expires() + absl::Seconds(1);
  ExpectRefused(envelope, absl::StatusCode::kFailedPrecondition, "trust policy version");
}

TEST_F(OrderTest, OfAnotherDocumentTypeIsRefused) {
  ExpectRefused(Signed(kActionPayloadType, Cancel(), {&fleet_.alice}),
                absl::StatusCode::kInvalidArgument, "another type");
  // Signed as an action, and then called an order.
  v1::Envelope envelope;
  ASSERT_TRUE(envelope.ParseFromString(Signed(kActionPayloadType, Cancel(), {&fleet_.alice})));
  envelope.set_payload_type(std::string(kOrderPayloadType));
  ExpectRefused(envelope.SerializeAsString(), absl::StatusCode::kPermissionDenied,
                "no valid signature");
}

TEST_F(OrderTest, AnActionIsNoOrderAndAnOrderNoAction) {
  const v1::Action action = fleet_.ActionProto();
  ExpectRefused(fleet_.SignedAction(action, {&fleet_.alice}), absl::StatusCode::kInvalidArgument,
                "another type");
  // Even if alice is made to sign it under the other type.
  ExpectRefused(Signed(kOrderPayloadType, action, {&fleet_.alice}),
                absl::StatusCode::kInvalidArgument, "");
  EXPECT_FALSE(ParseAction(Cancel().SerializeAsString()).ok());
  EXPECT_FALSE(ParseEnvelope(SignedByAlice(Cancel()), kActionPayloadType).ok());
}

TEST_F(OrderTest, UnknownFieldsAreRefused) {
  v1::Order order = Cancel();
  order.GetReflection()->MutableUnknownFields(&order)->AddVarint(99, 1);
  ExpectRefused(SignedByAlice(order), absl::StatusCode::kInvalidArgument, "");
  v1::Envelope envelope;
  ASSERT_TRUE(envelope.ParseFromString(SignedByAlice(Cancel())));
  envelope.GetReflection()->MutableUnknownFields(&envelope)->AddVarint(99, 1);
  ExpectRefused(envelope.SerializeAsString(), absl::StatusCode::kInvalidArgument, "");
}

TEST_F(OrderTest, OversizedIsRefusedBeforeItIsParsed) {
  v1::Envelope envelope;
  ASSERT_TRUE(envelope.ParseFromString(SignedByAlice(Cancel())));
  envelope.set_payload(std::string(kMaxOrderEnvelopeBytes, '\0'));
  ExpectRefused(envelope.SerializeAsString(), absl::StatusCode::kInvalidArgument, "bytes, at most");
  v1::Order order = Cancel();
  order.set_reason(std::string(kMaxOrderReason + 1, 'x'));
  ExpectRefused(SignedByAlice(order), absl::StatusCode::kInvalidArgument, "reason");
  order.set_reason(std::string(kMaxOrderReason, 'x'));
  EXPECT_TRUE(Authorized(SignedByAlice(order)).has_value());
}

TEST_F(OrderTest, GarbageIsRefused) {
  for (const std::string& bytes : {std::string(), std::string("garbage"), std::string(1000, '\0')})
    ExpectRefused(bytes, absl::StatusCode::kInvalidArgument, "");
}

TEST_F(OrderTest, EveryFieldHasItsBounds) {
  const auto expect_invalid = [](v1::Order order, const char* field) {
    const absl::Status status = ValidateOrder(order);
    EXPECT_EQ(status.code(), absl::StatusCode::kInvalidArgument);
    EXPECT_THAT(std::string(status.message()), HasSubstr(field));
  };
  ASSERT_TRUE(ValidateOrder(Cancel()).ok());
  v1::Order order = Cancel();
  order.set_id("");
  expect_invalid(order, "id");
  order = Cancel();
  order.set_id(NewUuidV4());
  expect_invalid(order, "id");
  order = Cancel();
  order.set_action_id("../../etc");
  expect_invalid(order, "action_id");
  order = Cancel();
  order.set_kind(v1::Order::KIND_UNSPECIFIED);
  expect_invalid(order, "kind");
  order.set_kind(static_cast<v1::Order::Kind>(4));
  expect_invalid(order, "kind");
  order = Cancel();
  order.clear_issued();
  expect_invalid(order, "issued");
  order = Cancel();
  order.clear_expires();
  expect_invalid(order, "expires");
  order = Cancel();
  *order.mutable_expires() = order.issued();
  expect_invalid(order, "expires");
  *order.mutable_expires() = ToTimestamp(fleet_.now + kMaxOrderLifetime + absl::Seconds(1));
  expect_invalid(order, "expires");
  order.mutable_expires()->set_seconds(int64_t{1} << 60);
  expect_invalid(order, "expires");
}

}  // namespace
}  // namespace dragnet
