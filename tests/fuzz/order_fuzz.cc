// Who may stop and pause what runs, over a fixed fleet.
//   0…  an envelope as a scheduler sends it: no change of what alice signed holds
//   1…  a payload that alice signs whatever it is: what holds keeps every rule
#include "core/action.h"
#include "core/envelope.h"
#include "core/order.h"
#include "tests/fuzz/fixed_fleet.h"
#include "tests/fuzz/target.h"

namespace dragnet::fuzz {
namespace {

struct Fixture {
  const testing::Fleet fleet = FixedFleet();
  const TrustPolicy policy = fleet.Policy();
  const v1::Order order = NewOrder(fleet);
  const std::string payload = order.SerializeAsString();

  static v1::Order NewOrder(const testing::Fleet& fleet) {
    v1::Order order;
    order.set_id(IdAt(fleet.now));
    order.set_fleet_id(fleet.id);
    order.set_action_id(FixedAction(fleet).id());
    order.set_kind(v1::Order::KIND_PAUSE);
    order.set_reason("too hot");
    *order.mutable_issued() = ToTimestamp(fleet.now);
    *order.mutable_expires() = ToTimestamp(fleet.now + absl::Minutes(5));
    return order;
  }
  // The same at each run, unlike NewUuidV7.
  static std::string IdAt(absl::Time now) {
    return NewUuidV7(now).substr(0, 13) + "-7000-8000-000000000001";
  }

  OrderContext Context() const {
    OrderContext context;
    context.policy = &policy;
    context.fleet_id = fleet.id;
    context.now = fleet.now;
    context.modules_of = [](std::string_view action_id) {
      std::optional<std::vector<std::string>> modules;
      if (action_id.ends_with('9')) modules.emplace(1, "pkg");
      return modules;
    };
    context.weights_needed = [](std::string_view module) {
      return std::vector<std::string>{std::string(module)};
    };
    context.order_in_force = [this](std::string_view action_id) {
      return action_id.ends_with('8') ? order.id() : std::string();
    };
    return context;
  }
};

const Fixture& TheFixture() {
  static const Fixture fixture;
  return fixture;
}

void CheckRules(const v1::Order& order) {
  const Fixture& fixture = TheFixture();
  Must(order.fleet_id() == fixture.fleet.id, "it holds only for its fleet");
  const bool cancels = order.kind() == v1::Order::KIND_CANCEL;
  Must(cancels || *ToTime(order.issued()) <= fixture.fleet.now + kOrderClockSkew,
       "only a cancellation holds before its time");
  Must(fixture.fleet.now <= *ToTime(order.expires()), "it holds only while it is valid");
  Must(order.kind() != v1::Order::KIND_RESUME || order.action_id().ends_with('9'),
       "what isn't here can't be resumed");
  Must(!WordOf(order.kind()).empty(), "it says what to do");
  Must(!order.action_id().ends_with('9'), "who has no weight for the action has no say in it");
  Must(cancels || !order.action_id().ends_with('8') || order.id() > fixture.order.id(),
       "an older one never holds");
  Must(order.reason().size() <= kMaxOrderReason, "it is bounded");
}

}  // namespace

std::vector<std::string> Seeds() {
  const testing::Fleet& fleet = TheFixture().fleet;
  const v1::Order& order = TheFixture().order;
  std::vector<std::string> seeds;
  seeds.push_back("0" + testing::Signed(kOrderPayloadType, order, {&fleet.alice}));
  seeds.push_back("0" + testing::Signed(kOrderPayloadType, order, {&fleet.carol, &fleet.alice}));
  seeds.push_back("0" + testing::Signed(kOrderPayloadType, order, {}));
  seeds.push_back("0" + testing::Signed(kActionPayloadType, order, {&fleet.alice}));
  seeds.push_back("1" + order.SerializeAsString());
  v1::Order cancel = order;
  cancel.set_kind(v1::Order::KIND_CANCEL);
  cancel.clear_reason();
  seeds.push_back("1" + cancel.SerializeAsString());
  seeds.push_back("1" + FixedAction(fleet).SerializeAsString());
  return seeds;
}

}  // namespace dragnet::fuzz

extern "C" int LLVMFuzzerTestOneInput(const uint8_t* data, size_t size) {
  using namespace dragnet;
  if (size == 0) return 0;
  const fuzz::Fixture& fixture = fuzz::TheFixture();
  const bool sign = data[0] == '1';
  std::string bytes(fuzz::ToView(data + 1, size - 1));
  if (sign) {
    v1::Envelope envelope = NewEnvelope(kOrderPayloadType, bytes);
    AddSignature(fixture.fleet.alice, &envelope).IgnoreError();
    bytes = envelope.SerializeAsString();
  }
  const auto decision = AuthorizeOrder(bytes, fixture.Context());
  if (const auto* refused = std::get_if<RefusedOrder>(&decision)) {
    fuzz::Must(!refused->status.ok(), "a refusal has a reason");
    fuzz::Must(!refused->status.message().empty(), "a refusal has words");
    return 0;
  }
  const auto& authorized = std::get<AuthorizedOrder>(decision);
  fuzz::CheckRules(authorized.order);
  if (!sign) {
    v1::Envelope envelope;
    envelope.ParseFromString(bytes);
    fuzz::Must(envelope.payload() == fixture.payload, "only what was signed holds");
  }
  return 0;
}
